//! What measures responses: the judge, and how sure a mean is.

mod dice;
mod gain;
mod interval;
mod judge;
mod misfit;
mod mixture;
mod refined;
mod stats;

pub use gain::{Choice, Gains, JudgedGain, Labelled, PairGain};
pub use interval::Interval;
pub use judge::Judge;
pub use misfit::{DIMENSIONS, Fit, Gain, LEAST, projected, standardised};
pub use mixture::{Likeliest, Said, likeliest, mean_log_prob};
pub use refined::{Answers, Refined};
pub use stats::Mean;
