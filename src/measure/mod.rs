//! What measures responses: the judge, and how sure a mean is.

mod judge;
mod stats;

pub use judge::Judge;
pub use stats::Mean;
