//! A search under way, with the models' state that belongs to it.

use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::time::Duration;

use super::twin::Twin;
use super::watcher::{Clock, Watcher};
use crate::guide::{PairScorer, Setting, StrongSampler};
use crate::message::{RunId, RunRequest, Speeds};
use crate::search::{ChunkBeamSearch, SearchError, Status};

/// A search under way (or finished and still on screen).
pub(super) struct Run {
    pub request: RunRequest,
    pub setting: Setting,
    pub search: ChunkBeamSearch,
    pub sampler: StrongSampler,
    pub scorer: PairScorer,
    /// How many rounds to go before standing still; `None` runs on.
    pub rounds_left: Option<usize>,
    /// The round to come stops before its cut.
    pub holds: bool,
    pub pair_wanted: Option<String>,
    pub done: bool,
    pub clock: Clock,
    /// The same search unguided; `None` once it is told or could not be.
    pub twin: Option<Twin>,
}

impl Run {
    pub fn id(&self) -> RunId {
        self.request.run
    }

    /// Whether there is unguided text to sample yet: as much as the run has, so that the two
    /// compare.
    pub fn twin_lags(&self) -> bool {
        let cancelled = self.request.cancel.is_cancelled();
        let twin = self.twin.as_ref();
        !cancelled && twin.is_some_and(|twin| twin.is_behind(&self.search))
    }

    pub fn moves(&self) -> bool {
        !self.done && self.rounds_left != Some(0)
    }

    pub fn speeds(&self) -> Speeds {
        let seconds = self.clock.busy.as_secs_f64();
        let rate = |n: u64| {
            if seconds > 0.0 {
                n as f64 / seconds
            } else {
                0.0
            }
        };
        Speeds {
            strong_tokens_per_s: rate(self.sampler.n_sampled()),
            weak_tokens_per_s: rate(self.scorer.n_scored()),
            round_s: self.clock.round.as_secs_f64(),
        }
    }
}

/// A round that is over within two frames is seen complete or not at all.
const UNSEEN: Duration = Duration::from_millis(33);

/// How often chunks are scored while they grow: after every token where there is time to spare,
/// else as often as costs little, and not at all where nobody could see it.
fn scoring_rhythm(run: &Run) -> Option<NonZeroUsize> {
    let round = run.clock.round;
    let has_time = run.rounds_left.is_some() || run.request.pace > round * 2;
    match has_time {
        true => Some(NonZeroUsize::MIN),
        false if round > UNSEEN || round.is_zero() => Some(run.setting.scoring_rhythm()),
        false => None,
    }
}

/// One round, with the marks that were made while it grew; or its first half, where it is to
/// stop before its cut.
pub(super) fn guided_round(
    run: &mut Run,
    watcher: &mut Watcher<'_>,
) -> Result<Status, SearchError> {
    run.search.score_partials(scoring_rhythm(run));
    let was_open = run.search.is_open();
    let (sampler, scorer) = (&mut run.sampler, &mut run.scorer);
    let status = run
        .search
        .expand(sampler, scorer, &mut |event| watcher.see(event))?;
    if status != Status::Running {
        return Ok(status);
    }
    for (id, mark) in watcher.take_marks() {
        // The watcher has told of it already.
        run.search
            .mark(id, mark, &mut |_| ControlFlow::Continue(()));
    }
    if watcher.holds() && !was_open {
        return Ok(Status::Running);
    }
    Ok(run
        .search
        .cut(sampler, scorer, &mut |event| watcher.see(event)))
}
