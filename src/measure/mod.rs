//! What measures responses: the judge, and how sure a mean is.

mod interval;
mod judge;
mod stats;

pub use interval::Interval;
pub use judge::Judge;
pub use stats::Mean;
