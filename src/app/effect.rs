//! What the app asks of the world, as data.

use crate::message::Command;

/// An effect, carried out by the driver in the order given.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// To the worker.
    Send(Command),
    /// To the clipboard.
    Copy(String),
    /// The cards of the first start are never to come by themselves again.
    RememberTour,
    /// Leave the playground.
    Quit,
}
