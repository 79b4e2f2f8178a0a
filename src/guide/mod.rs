//! What guides: the strong model and weak pairs at work for the searches that ask, and what they
//! say of text.

mod chunk_text;
mod evidence;
mod executor;
mod far;
mod inspect;
mod memory;
mod pair;
mod pairs;
mod prompts;
mod reader;
mod rows;
mod sample;
mod score;
mod setting;
mod states;
mod strong;
mod typed;
mod witness;

pub use executor::{ModelExecutor, Prompts};
pub use inspect::{Position, logits_of, positions, seams, text_seams, xray};
pub use prompts::{chat, pair_prompt, strong_prompt};
pub use sample::draw;
pub use score::{score, score_text};
pub use setting::Setting;
pub use witness::Witness;
