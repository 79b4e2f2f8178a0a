//! What guides: the strong model and the weak pair at work on one prompt, and what they say of text.

mod evidence;
mod inspect;
mod memory;
mod prompts;
mod reader;
mod sample;
mod setting;
mod strong;
mod weak_pair;

pub use evidence::Place;
pub use inspect::{JoinView, Position, Seams, View, Xray, positions, seams, text_seams, xray};
pub use reader::Join;
pub use setting::Setting;
pub use strong::StrongSampler;
pub use weak_pair::PairScorer;
