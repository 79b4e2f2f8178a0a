//! The worker's reports, folded into the state.

use super::board::Line;
use super::wheel::Wishes;
use super::{Action, App, Context, Effect, Pane, Phase, RunSummary, Unguided};
use crate::message::{Command, Live, ModelSet, RunId, Update};
use crate::search::{Hypothesis, SearchEvent, SearchParams};

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
                self.on_pair_changed(pair);
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
        // The reason is what matters now.
        self.notice = None;
        Vec::new()
    }

    fn on_pair_changed(&mut self, pair: String) {
        let round = self.trace.last_round().map_or(0, |round| round.number) + 1;
        self.announce(format!("pair {pair}: in use since round {round}"));
        let before = std::mem::replace(&mut self.pair_in_use, pair);
        self.pairs_before.push(before);
        // What it said no longer holds.
        self.evidence = None;
        self.inspected = None;
    }

    fn on_event(&mut self, event: &SearchEvent) -> Vec<Effect> {
        let was_pending = self.pending();
        self.trace.apply(event);
        match event {
            SearchEvent::RoundStarted { round, .. } => {
                self.wishes = Wishes::default();
                self.say_taken_over(*round, &was_pending);
            }
            SearchEvent::Added { round, candidate } => self.on_added(*round, candidate),
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
            self.announce(format!("{}: in use since round {round}", taken.join(", ")));
        }
    }

    /// A chunk of the user's own is scored: it is what they want to see.
    fn on_added(&mut self, round: usize, candidate: &Hypothesis) {
        self.look.selected = Some(candidate.id);
        let rows = self.board();
        let is_it = |line: &Line<'_>| match line {
            Line::Candidate(row) if row.id == candidate.id => row.rank,
            _ => None,
        };
        let rank = rows.iter().find_map(is_it);
        let rank = rank.map_or_else(String::new, |rank| format!(", rank {rank}"));
        let score = candidate.score.value();
        let is_late = self.trace.round(round).is_some_and(|r| r.cut.is_some());
        let next = match is_late {
            true => {
                let key = self.keymap.label(Context::Main, Action::Take);
                format!("; {key} goes on from it")
            }
            false => String::new(),
        };
        self.note(format!("your chunk: log-ratio {score:+.2}{rank}{next}"));
    }

    fn on_finished(&mut self, best: &Hypothesis) {
        self.phase = Phase::Finished;
        self.notice.take_if(|notice| notice.ends_with_run);
        if let Some(late) = self.too_late() {
            self.note(late);
        }
        // A turn that is taken back ends the run a second time in the same way.
        let run = self.run;
        self.runs.retain(|s| s.run != run || s.text != best.text);
        self.runs.push(RunSummary {
            run: self.run,
            prompt: self.run_prompt.clone(),
            params: self.params_used(),
            pairs: self.pairs_used(),
            score: best.score.value(),
            judge: self.judge_of(best.id),
            n_tokens: best.tokens.len(),
            cost: self.trace.tokens_sampled(),
            text: best.text.clone(),
        });
    }

    /// Changes that no round was left to take over.
    fn too_late(&self) -> Option<String> {
        let pending = self.pending().join(", ");
        let key = self.keymap.label(Context::Main, Action::Restart);
        let is_some = !pending.is_empty();
        is_some.then(|| format!("{pending} came after the last chunk: {key} searches with it"))
    }

    /// The settings of all rounds, each once where they stayed the same.
    fn params_used(&self) -> Vec<SearchParams> {
        let rounds = self.trace.rounds().iter();
        let mut params: Vec<SearchParams> = rounds.map(|round| round.params).collect();
        params.dedup();
        params
    }

    fn pairs_used(&self) -> Vec<String> {
        let before = self.pairs_before.iter();
        before.chain([&self.pair_in_use]).cloned().collect()
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
