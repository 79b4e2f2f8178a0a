//! The worker's way out: updates that are never lost, and the latest state of growing chunks.

use tokio::sync::{mpsc, watch};

use crate::message::{Live, Update};
use crate::models::Watch;

/// Nobody listens any more.
#[derive(Debug)]
pub(super) struct Gone;

#[derive(Debug, Clone)]
pub(super) struct Outbox {
    updates: mpsc::Sender<Update>,
    live: watch::Sender<Live>,
}

impl Outbox {
    pub fn new(updates: mpsc::Sender<Update>, live: watch::Sender<Live>) -> Self {
        Self { updates, live }
    }

    pub fn send(&self, update: Update) -> Result<(), Gone> {
        self.updates.blocking_send(update).map_err(|_| Gone)
    }

    /// Puts what grows in the place of what grew before.
    pub fn show(&self, live: Live) {
        self.live.send_replace(live);
    }

    /// Tells of fetches and loads as updates. A word that finds no room is dropped: the next one
    /// says more.
    pub fn watch(
        &self,
        update: impl Fn(String, u64, u64) -> Update + Send + Sync + 'static,
    ) -> Watch {
        let updates = self.updates.clone();
        Watch::new(move |stage| {
            let what = format!("{} {}", stage.doing, stage.what);
            let _ = updates.try_send(update(what, stage.done, stage.total));
        })
    }
}
