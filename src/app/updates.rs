//! The worker's reports, folded into the state.

use super::{App, Effect, Pane, Phase, RunSummary, Settings, Unguided};
use crate::message::{Command, Live, ModelSet, RunId, Update};
use crate::search::{Hypothesis, SearchEvent};

impl App {
    /// Reports of another run than the one on screen are stale and change nothing.
    pub(super) fn on_update(&mut self, update: Update) -> Vec<Effect> {
        match update {
            Update::Loading { what, done, total } if self.models.is_none() => {
                self.phase = Phase::Loading { what, done, total };
                Vec::new()
            }
            Update::Loaded(models) => self.on_loaded(models),
            Update::Failed { run: None, error } => self.on_failed(error),
            Update::Failed {
                run: Some(run),
                error,
            } if self.is_live(run) => self.on_failed(error),
            Update::Search { run, event } if self.is_live(run) => self.on_event(&event),
            Update::Judged { run, scores } if self.is_live(run) => {
                self.judged.extend(scores);
                self.judge_summary(run);
                Vec::new()
            }
            Update::Unguided {
                run,
                response,
                judge,
                done,
            } if self.is_live(run) => {
                self.unguided = Some(Unguided {
                    response,
                    judge,
                    done,
                });
                Vec::new()
            }
            Update::Evidence { run, evidence } if self.is_live(run) => {
                self.evidence = Some(evidence);
                Vec::new()
            }
            Update::Refused { run, why } if self.is_live(run) => self.say(&why),
            Update::Paused { run, paused } if self.is_live(run) => self.on_paused(paused),
            Update::Fetching {
                id,
                what,
                done,
                total,
            } => {
                self.on_fetching(id, &what, (done, total));
                Vec::new()
            }
            Update::Fetched { id, fetched } => self.on_fetched(id, fetched),
            Update::NotFetched { id, why } => self.on_not_fetched(id, &why),
            Update::PairRefused { run, pair, why } if self.is_live(run) => {
                self.on_pair_refused(&pair, &why)
            }
            Update::PairChanged { run, pair } if self.is_live(run) => {
                self.pair_in_use = pair;
                // What the pair before said no longer holds.
                self.evidence = None;
                self.inspected = None;
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    /// Growing chunks of the run on screen.
    pub(super) fn on_live(&mut self, live: &Live) -> Vec<Effect> {
        if self.is_live(live.run) {
            self.trace.grow(live.round, &live.partials);
            self.speeds = live.speeds;
        }
        Vec::new()
    }

    /// Asks about the candidate in detail: one the user chose, or whose evidence or X-ray they
    /// read, once the search stands still; while it moves, only if they do both. What the models
    /// see of the prompt is the same for all candidates: any will do to tell it.
    pub(super) fn inspect(&mut self) -> Option<Effect> {
        let stands = matches!(self.phase, Phase::Paused | Phase::Finished);
        let chose = self.look.selected.is_some();
        let reasons = [stands, self.reads_models(), chose];
        let is_first = self.look.focus == Pane::Xray && self.inspected.is_none();
        if !is_first && reasons.iter().filter(|is| **is).count() < 2 {
            return None;
        }
        let candidate = self.subject()?.hypothesis.clone()?;
        if self.inspected == Some(candidate.id) {
            return None;
        }
        self.inspected = Some(candidate.id);
        let parent = candidate.parent.and_then(|id| self.trace.candidate(id));
        Some(Effect::Send(Command::Inspect {
            run: self.run,
            parent: parent.and_then(|parent| parent.hypothesis.clone()),
            candidate,
        }))
    }

    fn on_loaded(&mut self, models: ModelSet) -> Vec<Effect> {
        if self.settings.pair.is_empty()
            && let Some(first) = models.pairs.first()
        {
            self.settings.pair.clone_from(&first.name);
        }
        self.strongs = vec![models.strong.clone()];
        self.models = Some(models);
        self.start()
    }

    fn on_failed(&mut self, error: String) -> Vec<Effect> {
        self.phase = Phase::Failed { error };
        Vec::new()
    }

    fn on_event(&mut self, event: &SearchEvent) -> Vec<Effect> {
        let was_pending = self.pending();
        self.trace.apply(event);
        match event {
            SearchEvent::RoundStarted { round, .. } => self.say_taken_over(*round, &was_pending),
            SearchEvent::Finished { best, .. } => self.on_finished(best),
            SearchEvent::Rewound { .. } if self.phase == Phase::Finished => {
                self.phase = Phase::Running;
            }
            _ => {}
        }
        Vec::new()
    }

    /// Once the wish is fulfilled, says so instead of announcing it.
    fn say_taken_over(&mut self, round: usize, was_pending: &[String]) {
        let now = self.pending();
        let taken: Vec<&str> = was_pending
            .iter()
            .filter(|change| !now.contains(change))
            .map(String::as_str)
            .collect();
        if round > 1 && !taken.is_empty() {
            self.notice = Some(format!("{}: in use since round {round}", taken.join(", ")));
        }
    }

    fn on_finished(&mut self, best: &Hypothesis) {
        self.phase = Phase::Finished;
        let Settings { params, .. } = &self.settings;
        let params = self.trace.last_round().map_or(*params, |r| r.params);
        // A turn that is taken back ends the run a second time in the same way.
        let run = self.run;
        self.runs.retain(|s| s.run != run || s.text != best.text);
        self.runs.push(RunSummary {
            run: self.run,
            prompt: self.run_prompt.clone(),
            params,
            pair: self.pair_in_use.clone(),
            score: best.score.value(),
            judge: self.judge_of(best.id),
            n_tokens: best.tokens.len(),
            cost: self.trace.tokens_sampled(),
            text: best.text.clone(),
        });
    }

    /// The judge may speak after the end.
    fn judge_summary(&mut self, run: RunId) {
        let judge = self
            .trace
            .best()
            .and_then(|best| self.judge_of(best.slot.id));
        if let Some(summary) = self.runs.last_mut().filter(|s| s.run == run) {
            summary.judge = judge;
        }
    }

    fn on_paused(&mut self, paused: bool) -> Vec<Effect> {
        self.phase = match (&self.phase, paused) {
            (Phase::Finished | Phase::Failed { .. }, _) => return Vec::new(),
            (_, true) => Phase::Paused,
            (Phase::Paused, false) => Phase::Running,
            (phase, false) => phase.clone(),
        };
        Vec::new()
    }
}
