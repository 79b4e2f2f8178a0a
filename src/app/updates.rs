//! The worker's reports, folded into the state.

use super::beside::Said;
use super::board::Line;
use super::{Action, App, Context, Effect, Pane, Phase};
use crate::message::{Command, Live, ModelSet, RunId, Update};
use crate::search::{Entry, Hypothesis, HypothesisId, NodeId, PairId, SearchParams};

impl App {
    /// Reports of another run than the one on screen are stale and change nothing.
    pub(super) fn on_update(&mut self, update: Update) -> Vec<Effect> {
        match of_run(&update) {
            Some(run) if self.is_live(run) => self.on_news(update),
            Some(_) => Vec::new(),
            None => self.on_models(update),
        }
    }

    /// What the worker says of models.
    fn on_models(&mut self, update: Update) -> Vec<Effect> {
        match update {
            Update::Loading { what, done, total } if self.models.is_none() => {
                self.run.phase = Phase::Loading { what, done, total };
            }
            Update::Loaded(models) => return self.on_loaded(models),
            Update::Failed { error, .. } => self.on_failed(error),
            Update::Fetching {
                id,
                what,
                done,
                total,
            } => self.on_fetching(id, &what, (done, total)),
            Update::Fetched { id, fetched } => return self.on_fetched(id, fetched),
            Update::Cell { id, cell, measured } => return self.on_cell(id, cell, measured),
            Update::NotEvaluated { id, why } => self.on_not_evaluated(id, why),
            Update::Gauged { id, done } => self.on_gauged(id, done),
            Update::Gains { id, gains } => self.on_gains(id, gains),
            Update::Trainings(all) => return self.on_trainings(all),
            Update::NotTrained(why) => return self.on_not_trained(why),
            Update::NotFetched { id, why } => return self.on_not_fetched(id, &why),
            _ => {}
        }
        Vec::new()
    }

    /// What the worker says of the run on screen.
    fn on_news(&mut self, update: Update) -> Vec<Effect> {
        match update {
            Update::Search { entry, .. } => self.on_entry(&entry),
            Update::Judged { scores, .. } => self.run.judged.extend(scores),
            Update::Verdicts { judge, said, .. } => {
                let said = said.into_iter().map(|(id, verdict)| ((judge, id), verdict));
                self.run.verdicts.extend(said);
            }
            Update::Beside {
                way,
                response,
                judge,
                done,
                sampled,
                ..
            } => {
                let said = Said {
                    response,
                    judge,
                    done,
                    sampled,
                };
                self.on_beside(way, said);
            }
            Update::WayDropped { way, why, .. } => self.on_way_dropped(way, &why),
            Update::Evidence { evidence, .. } => self.run.evidence = Some(evidence),
            Update::PromptRead { read, .. } => self.run.read = read,
            Update::Paused { paused, .. } => self.run.on_paused(paused),
            Update::Refused { why, .. } => return self.on_refused(&why),
            Update::NotRetuned { params, why, .. } => return self.on_not_retuned(params, &why),
            Update::PairRefused { pair, why, .. } => return self.on_pair_refused(&pair, &why),
            Update::Failed { error, .. } => self.on_failed(error),
            _ => {}
        }
        Vec::new()
    }

    /// Growing chunks of the run on screen.
    pub(super) fn on_live(&mut self, live: &Live) -> Vec<Effect> {
        if self.is_live(live.run) {
            self.run.trace.grow(live.round, &live.partials);
            self.run.speeds = live.speeds;
        }
        Vec::new()
    }

    /// Asks about the candidate in detail: one the user chose, or whose evidence or X-ray they
    /// read, once the search stands still; while it moves, only if they do both. What the models
    /// see of the prompt is the same for all candidates: any will do to tell it.
    pub(super) fn inspect(&mut self) -> Option<Effect> {
        // The models have gone on to another run.
        if self.is_opened() {
            return None;
        }
        let stands = matches!(self.run.phase, Phase::Paused | Phase::Finished);
        let chose = self.run.sight.selected.is_some();
        let reasons = [stands, self.reads_models(), chose];
        let is_first = self.look.focus == Pane::Xray && self.run.asked.is_none();
        if !is_first && reasons.iter().filter(|is| **is).count() < 2 {
            return None;
        }
        let candidate = self.subject()?.hypothesis.clone()?;
        let asked = (candidate.id, candidate.scored_by()?.clone());
        if self.run.asked.as_ref() == Some(&asked) {
            return None;
        }
        self.run.asked = Some(asked);
        let parent = candidate.parent.and_then(|id| self.run.trace.candidate(id));
        Some(Effect::Send(Command::Inspect {
            run: self.run.id,
            parent: parent.and_then(|parent| parent.hypothesis.clone()),
            candidate,
        }))
    }

    fn on_loaded(&mut self, models: ModelSet) -> Vec<Effect> {
        if self.wanted.pair.as_str().is_empty()
            && let Some(first) = models.pairs.first()
        {
            self.wanted.pair = PairId::from(first.name.as_str());
        }
        self.strongs = vec![models.strong.clone()];
        self.models = Some(models);
        self.start()
    }

    fn on_failed(&mut self, error: String) {
        self.run.phase = Phase::Failed { error };
        // The reason is what matters now.
        self.notice = None;
    }

    /// A wish is not fulfilled: what counts is again what the worker has told.
    fn on_refused(&mut self, why: &str) -> Vec<Effect> {
        self.run.wishes = Default::default();
        self.say(why)
    }

    /// The run cannot take settings over: those wanted are again those it goes on under. It is
    /// told so, lest a change that was on its way meanwhile is taken over unseen.
    fn on_not_retuned(&mut self, params: SearchParams, why: &str) -> Vec<Effect> {
        let is_new = self.wanted.params != params;
        self.wanted.params = params;
        self.note(why.to_owned());
        let run = self.run.id;
        let retune = Effect::Send(Command::Retune { run, params });
        is_new.then_some(retune).into_iter().collect()
    }

    fn on_entry(&mut self, entry: &Entry) {
        let was_pending = self.pending();
        self.run.apply(entry);
        match entry {
            Entry::RoundStarted { .. } | Entry::Rescored { .. } => {
                self.say_taken_over(&was_pending);
            }
            Entry::Spent { extra, .. } if *extra > 0 => {
                let spent = self.spent(*extra);
                self.note(spent);
            }
            Entry::Added {
                late, candidate, ..
            } => self.on_added(*late, candidate),
            Entry::Scored { .. } => self.choose_heir(),
            Entry::Finished { .. } => self.on_finished(),
            _ => {}
        }
    }

    /// Once a wish is fulfilled, says so instead of announcing it.
    fn say_taken_over(&mut self, was_pending: &[String]) {
        let now = self.pending();
        let taken: Vec<&str> = was_pending
            .iter()
            .filter(|change| !now.contains(change))
            .map(String::as_str)
            .collect();
        let round = self.next_cut();
        if !taken.is_empty() {
            self.announce(format!("{}: in use since round {round}", taken.join(", ")));
        }
    }

    /// The round whose cut is the next one.
    fn next_cut(&self) -> usize {
        let history = self.run.trace.history();
        let open = history.open().map(|round| round.number);
        open.unwrap_or_else(|| history.round_idx() + 1)
    }

    /// A chunk of the user's own is scored: it is what they want to see.
    fn on_added(&mut self, late: Option<NodeId>, candidate: &Hypothesis) {
        self.look_at(late);
        self.run.sight.selected = Some(candidate.id);
        let rank = self.rank_of(candidate.id);
        let rank = rank.map_or_else(String::new, |rank| format!(", rank {rank}"));
        let score = candidate.score().value();
        let next = match late {
            Some(_) => {
                let key = self.keymap.label(Context::Main, Action::Take);
                format!("; {key} goes on from it")
            }
            None => String::new(),
        };
        self.note(format!("your chunk: log-ratio {score:+.2}{rank}{next}"));
    }

    fn rank_of(&self, id: HypothesisId) -> Option<usize> {
        let rank = |line: Line<'_>| match line {
            Line::Candidate(row) if row.id == id => row.rank,
            _ => None,
        };
        self.board().into_iter().find_map(rank)
    }

    fn on_finished(&mut self) {
        self.notice.take_if(|notice| notice.ends_with_run);
        if let Some(late) = self.too_late() {
            self.note(late);
        }
    }

    /// Changes that no round was left to take over.
    fn too_late(&self) -> Option<String> {
        let pending = self.pending().join(", ");
        let key = self.keymap.label(Context::Main, Action::Restart);
        let is_some = !pending.is_empty();
        is_some.then(|| format!("{pending} came after the last chunk: {key} searches with it"))
    }
}

/// The run that an update speaks of; none for what is of no run.
fn of_run(update: &Update) -> Option<RunId> {
    match update {
        Update::Search { run, .. } | Update::Judged { run, .. } => Some(*run),
        Update::PromptRead { run, .. } => Some(*run),
        Update::Paused { run, .. } | Update::NotRetuned { run, .. } => Some(*run),
        Update::Verdicts { run, .. } => Some(*run),
        Update::PairRefused { run, .. } | Update::Beside { run, .. } => Some(*run),
        Update::WayDropped { run, .. } => Some(*run),
        Update::Evidence { run, .. } | Update::Refused { run, .. } => Some(*run),
        Update::Failed { run, .. } => *run,
        Update::Loading { .. } | Update::Loaded(_) => None,
        Update::Cell { .. } | Update::NotEvaluated { .. } => None,
        Update::Gauged { .. } | Update::Gains { .. } => None,
        Update::Trainings(_) | Update::NotTrained(_) => None,
        Update::Fetching { .. } | Update::Fetched { .. } | Update::NotFetched { .. } => None,
    }
}
