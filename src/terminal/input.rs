//! Keys, the mouse and pastes, read on a thread of their own: reading waits for the user.

use std::io;

use crossterm::event::{self, Event};
use tokio::sync::mpsc::{Receiver, channel};

/// More than a hand gives between two frames. A paste is one event.
const EVENTS: usize = 64;

/// What the user does from here on. The thread ends with the process.
///
/// # Errors
/// The system has no thread to give.
pub(super) fn listen() -> io::Result<Receiver<io::Result<Event>>> {
    let (sender, events) = channel(EVENTS);
    std::thread::Builder::new()
        .name("w2s-input".to_owned())
        .spawn(move || {
            loop {
                let event = event::read();
                let is_over = event.is_err();
                // After an error there is nothing left to read.
                if sender.blocking_send(event).is_err() || is_over {
                    break;
                }
            }
        })?;
    Ok(events)
}
