//! What the app asks of the world, as data.

use std::time::Duration;

use crate::message::Command;

/// An effect, carried out by the driver in the order given.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// To the worker.
    Send(Command),
    /// [`Msg::Woken`](super::Msg::Woken) with this ticket, after so long. The one before is
    /// forgotten.
    Wake { ticket: u64, after: Duration },
    /// To the clipboard.
    Copy(String),
    /// The cards of the first start are never to come by themselves again.
    RememberTour,
    /// The folders and models whose paths begin so: as [`Msg::Completed`](super::Msg::Completed).
    Complete(String),
    /// What was loaded, oldest first, for later starts: [`Options::loads`](super::Options::loads).
    RememberLoads(Vec<String>),
    /// Leave the playground.
    Quit,
}
