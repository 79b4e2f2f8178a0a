//! What guides: the strong model and weak pairs at work for the searches that ask, and what they
//! say of text.

mod chunk_text;
mod evidence;
mod executor;
mod inspect;
mod memory;
mod pair;
mod prompts;
mod reader;
mod rows;
mod sample;
mod score;
mod setting;
mod strong;
mod typed;
mod witness;

pub use evidence::Place;
pub use executor::ModelExecutor;
pub use inspect::{JoinView, Position, Seams, View, Xray, positions, seams, text_seams, xray};
pub use prompts::{pair_prompt, strong_prompt};
pub use reader::Join;
pub use score::{score, score_text};
pub use setting::Setting;
pub use witness::{PairEvidence, Testimony, Witness};
