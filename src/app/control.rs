//! The run under control: what starts, stops and steps it, settings changed while it runs.

use std::time::Duration;

use super::presets::PRESETS;
use super::run::Run;
use super::settings;
use super::{Action, App, Effect, Notice, Overlay, Phase};
use crate::message::{Command, PairInfo, RunId, RunRequest};
use crate::search::{PairId, SearchParams};

/// Settings that follow one another sooner than this make one run.
const A_WHILE: Duration = Duration::from_millis(400);

impl App {
    /// What the run has not taken over yet, as `W 4 → 6`.
    #[must_use]
    pub fn pending(&self) -> Vec<String> {
        if self.is_opened() {
            return Vec::new();
        }
        let changes = self.pending_params().into_iter();
        changes.chain(self.pending_pair()).collect()
    }

    fn pending_params(&self) -> Vec<String> {
        settings::changes(self.params_in_use(), &self.wanted.params)
    }

    fn pending_pair(&self) -> Option<String> {
        let (pair, wanted) = (self.voices_in_use(), &self.wanted.pair);
        let is_other = !pair.as_str().is_empty() && pair != wanted;
        is_other.then(|| format!("pair {pair} → {wanted}"))
    }

    /// What is pending, and when the run takes it over.
    fn coming(&self) -> Option<String> {
        let params = self.pending_params().join(", ");
        let params = (!params.is_empty()).then(|| format!("{params} at the next chunk"));
        let pair = self.pending_pair();
        let pair = pair.map(|pair| format!("{pair} at the next cut"));
        let all: Vec<String> = params.into_iter().chain(pair).collect();
        (!all.is_empty()).then(|| all.join(", "))
    }

    /// Whether a search is under way, moving or standing.
    #[must_use]
    pub fn is_searching(&self) -> bool {
        self.run.is_searching()
    }

    /// Begins a run with what is wanted; the one before is over.
    pub(super) fn start(&mut self) -> Vec<Effect> {
        self.brewing = None;
        let request = self.request();
        self.prompts.retain(|prompt| *prompt != request.prompt);
        self.prompts.push(request.prompt.clone());
        let strong = self
            .models
            .as_ref()
            .map(|models| models.strong.name.clone());
        self.replace_run(Run {
            strong: strong.unwrap_or_default(),
            ..Run::of(&request)
        });
        vec![Effect::Send(Command::Start(request))]
    }

    fn request(&self) -> RunRequest {
        RunRequest {
            run: RunId(self.live().id.0 + 1),
            prompt: self.wanted.prompt.clone(),
            params: self.wanted.params,
            pair: self.wanted.pair.clone(),
            paused: false,
            pace: self.wanted.pace,
            beside: self.ways_wanted(),
        }
    }

    pub(super) fn change_params(&mut self, action: Action) -> Vec<Effect> {
        match settings::step(&self.wanted.params, action) {
            Some(params) => self.use_params(params),
            None => self.say("that is as far as it goes"),
        }
    }

    /// Whether settings begin a new run at once: after the end of one, so that a key always shows
    /// its effect; and in the first round of a run that another setting began, so that several
    /// settings make one run.
    fn begins_anew(&self) -> bool {
        let trace = &self.run.trace;
        let is_first = trace.last_round().is_none_or(|round| round.number <= 1);
        // The prompt's node and that of round 1: nothing else would be lost.
        let is_first = is_first && trace.history().nodes().count() <= 2;
        !self.is_searching() || self.brewing.is_some() || (self.run.is_trial && is_first)
    }

    /// Begins a run for a changed setting, once no other follows in a while: together they make
    /// one run.
    fn try_out(&mut self, what: &str) -> Vec<Effect> {
        let pending = self.pending().join(", ");
        let is_undone = pending.is_empty() && self.run.phase == Phase::Finished;
        if self.brewing.take().is_some() && is_undone {
            return self.say("as before");
        }
        let what = if pending.is_empty() { what } else { &pending };
        self.announce(format!("{what}: searching anew"));
        self.last_ticket += 1;
        let ticket = self.last_ticket;
        self.brewing = Some(ticket);
        let after = A_WHILE;
        vec![Effect::Wake { ticket, after }]
    }

    /// No other setting has followed.
    pub(super) fn on_woken(&mut self, ticket: u64) -> Vec<Effect> {
        if self.brewing != Some(ticket) {
            return Vec::new();
        }
        let effects = self.start();
        self.run.is_trial = true;
        effects
    }

    /// The run goes on after all, under the settings that another one was to begin with.
    pub(super) fn go_on_with_wanted(&mut self) -> Vec<Effect> {
        if self.brewing.take().is_none() {
            return Vec::new();
        }
        let (run, params) = (self.run.id, self.wanted.params);
        let mut effects = vec![Effect::Send(Command::Retune { run, params })];
        if self.pending_pair().is_some() {
            let pair = self.wanted.pair.clone();
            effects.push(Effect::Send(Command::UsePair { run, pair }));
        }
        effects
    }

    /// A run under way takes new settings at its next chunk.
    pub(super) fn use_params(&mut self, params: SearchParams) -> Vec<Effect> {
        let what = settings::changes(&self.wanted.params, &params).join(", ");
        self.wanted.params = params;
        if self.begins_anew() {
            return self.try_out(&what);
        }
        let coming = self.coming();
        self.announce(coming.unwrap_or_else(|| "as before".to_owned()));
        let run = self.run.id;
        vec![Effect::Send(Command::Retune { run, params })]
    }

    pub(super) fn change_pair(&mut self, by: isize) -> Vec<Effect> {
        let pairs = self.models.as_ref().map_or(&[][..], |models| &models.pairs);
        let here = pairs
            .iter()
            .position(|p| p.name == self.wanted.pair.as_str());
        let n = pairs.len().max(1);
        let next = here.map_or(0, |at| at.wrapping_add_signed(by).wrapping_add(n) % n);
        let Some(pair) = pairs.get(next).cloned() else {
            return Vec::new();
        };
        self.use_pair(pair)
    }

    /// A run under way takes a pair that is loaded at its next cut.
    pub(super) fn use_pair(&mut self, pair: PairInfo) -> Vec<Effect> {
        let about = Some(&pair.about).filter(|about| !about.is_empty());
        let about = about.map_or_else(String::new, |about| format!(": {about}"));
        self.hear(PairId::from(pair.name.as_str()), &about)
    }

    /// A run under way hears others from its next cut on; `about` them is said behind their name.
    pub(super) fn hear(&mut self, pair: PairId, about: &str) -> Vec<Effect> {
        self.wanted.pair = pair.clone();
        if self.begins_anew() {
            return self.try_out(&format!("pair {pair}"));
        }
        self.announce(format!("pair {pair} at the next cut{about}"));
        let run = self.run.id;
        vec![Effect::Send(Command::UsePair { run, pair })]
    }

    pub(super) fn change_pace(&mut self, action: Action) -> Vec<Effect> {
        let Some(pace) = settings::step_pace(self.wanted.pace, action) else {
            return self.say("that is as far as it goes");
        };
        self.wanted.pace = pace;
        self.note(format!("pace: {}", settings::pace_text(pace)));
        let (run, round) = (self.run.id, pace);
        vec![Effect::Send(Command::Pace { run, round })]
    }

    pub(super) fn toggle_pause(&mut self) -> Vec<Effect> {
        let command = match self.run.phase {
            Phase::Running => {
                self.run.phase = Phase::Pausing;
                Command::Pause(self.run.id)
            }
            Phase::Stepping | Phase::Pausing | Phase::Paused => {
                self.run.phase = Phase::Running;
                Command::Resume(self.run.id)
            }
            _ => return Vec::new(),
        };
        vec![Effect::Send(command)]
    }

    pub(super) fn step_round(&mut self) -> Vec<Effect> {
        self.run.sight.node = None;
        self.run.phase = Phase::Stepping;
        vec![Effect::Send(Command::Step(self.run.id))]
    }

    pub(super) fn go_to_cut(&mut self) -> Vec<Effect> {
        self.run.sight.node = None;
        self.run.phase = Phase::Stepping;
        vec![Effect::Send(Command::ToCut(self.run.id))]
    }

    /// Other random numbers: for a run of its own, or from where this one was put back to.
    pub(super) fn new_seed(&mut self) -> Vec<Effect> {
        if self.draws_anew() {
            return self.draw_anew();
        }
        let seed = self.wanted.params.seed().wrapping_add(1);
        self.wanted.params = self.wanted.params.with_seed(seed);
        self.announce(format!("seed {seed}: searching anew"));
        self.start()
    }

    pub(super) fn toggle_rules(&mut self) -> Vec<Effect> {
        let rules = settings::other(self.wanted.params.rules());
        self.wanted.params = self.wanted.params.with_rules(rules);
        self.announce(format!("rules {rules}: searching anew"));
        self.start()
    }

    /// Searches with another prompt.
    pub(super) fn use_prompt(&mut self, prompt: String) -> Vec<Effect> {
        self.overlay = Overlay::None;
        self.wanted.prompt = prompt;
        self.notice = None;
        match self.models.is_some() {
            true => self.start(),
            false => Vec::new(),
        }
    }

    /// Searches anew with a preset's W, K and L.
    pub(super) fn use_preset(&mut self, number: usize) -> Vec<Effect> {
        self.overlay = Overlay::None;
        let Some(preset) = PRESETS.get(number) else {
            return Vec::new();
        };
        if let Some(params) = preset.apply(&self.wanted.params) {
            self.wanted.params = params;
        }
        self.announce(format!("{}: searching anew", preset.name));
        self.start()
    }

    /// Says what the last key did.
    pub(super) fn note(&mut self, text: String) {
        self.notice = Some(Notice {
            text,
            ends_with_run: false,
        });
    }

    /// Says how the run goes on, which is over when the run is.
    pub(super) fn announce(&mut self, text: String) {
        self.notice = Some(Notice {
            text,
            ends_with_run: true,
        });
    }

    /// Leaves a note and does nothing.
    pub(super) fn say(&mut self, note: &str) -> Vec<Effect> {
        self.note(note.to_owned());
        Vec::new()
    }
}
