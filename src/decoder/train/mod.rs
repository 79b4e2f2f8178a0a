//! Training: a third pass of the same decoder, with gradients.
//!
//! Weights are candle's variables, the net is the one that runs elsewhere, and its operations
//! (`ops`) are written down as they are made (`tape`), with what gives their gradients: our own on
//! the CPU, candle's autograd elsewhere. So every family that runs can be trained: all of it, or
//! factors of low rank beside its matrices.

mod low;
mod objective;
mod ops;
mod optim;
mod param;
mod pass;
mod rows;
mod state;
mod stored;
mod sum;
mod tape;
mod trainee;
mod values;

pub use candle_core::Error as DeviceError;
pub use low::{LowRank, Targets};
pub use objective::{Example, Measured, Objective};
pub use optim::AdamWSettings;
pub use rows::Row;
pub use trainee::{Part, Stepped, Trainee, Training};
