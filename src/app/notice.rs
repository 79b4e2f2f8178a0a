//! How long a notice stays: never longer than a round, nor beyond the end of a run that it was said
//! in.

use super::{App, Msg, Notice, Phase};
use crate::message::Update;
use crate::search::Entry;

/// Steps of the search, beginnings of rounds and cuts, that a notice outlives.
const STEPS: usize = 1;

/// What was before a message.
pub(super) struct Moment {
    notice: Option<Notice>,
    was_finished: bool,
    is_key: bool,
    is_step: bool,
}

impl Moment {
    pub fn before(app: &App, msg: &Msg) -> Self {
        Self {
            notice: app.notice.clone(),
            was_finished: app.live().phase == Phase::Finished,
            is_key: matches!(msg, Msg::Key(_) | Msg::Click(_)),
            is_step: is_step(app, msg),
        }
    }
}

fn is_step(app: &App, msg: &Msg) -> bool {
    let Msg::Update(Update::Search { run, entry }) = msg else {
        return false;
    };
    let is_step = matches!(entry, Entry::RoundStarted { .. } | Entry::Selected { .. });
    is_step && app.is_live(*run)
}

impl App {
    /// After a message: what was said before it is older by a step, if it was one.
    pub(super) fn age_notice(&mut self, moment: Moment) {
        if self.notice != moment.notice || moment.is_key {
            self.notice_age = 0;
            return;
        }
        self.notice_age += usize::from(moment.is_step);
        let has_ended = !moment.was_finished && self.live().phase == Phase::Finished;
        if self.notice_age > STEPS || has_ended {
            self.notice = None;
        }
    }
}
