//! Training: a third pass of the same decoder, with gradients.
//!
//! Weights are candle's variables, the net is the one that runs elsewhere, and gradients are
//! candle's autograd over operations that have one (`ops`). So every family that runs can be
//! trained: all of it, or factors of low rank beside its matrices.

mod low;
mod objective;
mod ops;
mod optim;
mod param;
mod pass;
mod rows;
mod state;
mod stored;
mod trainee;

pub use candle_core::Error as DeviceError;
pub use low::{LowRank, Targets};
pub use objective::{Example, Measured, Objective};
pub use optim::AdamWSettings;
pub use rows::Row;
pub use trainee::{Part, Stepped, Trainee, Training};
