//! What measures responses: the judge, and how sure a mean is.

mod dice;
mod interval;
mod judge;
mod misfit;
mod stats;

pub use interval::Interval;
pub use judge::Judge;
pub use misfit::{DIMENSIONS, Fit, Gain, LEAST, projected, standardised};
pub use stats::Mean;
