//! The wheel: settings changed while the search runs, and what starts, stops and steps it.

use std::collections::HashMap;

use super::settings::{self, PRESETS};
use super::{Action, App, Effect, Notice, Overlay, Phase};
use crate::message::{CancelToken, Command, PairInfo, RunId, RunRequest, Speeds};
use crate::search::{HypothesisId, Mark, SearchParams, SearchTrace};

/// What the user has asked for since a round began, told to the worker but perhaps not yet
/// echoed: keys pressed faster than that add up all the same.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Wishes {
    pub marks: HashMap<HypothesisId, Option<Mark>>,
    pub extra: HashMap<HypothesisId, usize>,
}

impl App {
    /// What the run has not taken over yet, as `W 4 → 6`.
    #[must_use]
    pub fn pending(&self) -> Vec<String> {
        let mut changes = settings::changes(self.params_in_use(), &self.settings.params);
        let pair = self.pair_in_use();
        if !pair.is_empty() && pair != self.settings.pair {
            changes.push(format!("pair {pair} → {}", self.settings.pair));
        }
        changes
    }

    /// Whether a search is under way, moving or standing.
    #[must_use]
    pub fn is_searching(&self) -> bool {
        use Phase::{Paused, Pausing, Running, Stepping};
        matches!(self.phase, Running | Pausing | Paused | Stepping)
    }

    /// Begins a run with the settings wanted, and cancels the one before.
    pub(super) fn start(&mut self) -> Vec<Effect> {
        self.is_trial = false;
        self.wishes = Wishes::default();
        self.pairs_before.clear();
        let before = std::mem::take(&mut self.cancel);
        let is_first = self.run == RunId(0);
        self.run = RunId(self.run.0 + 1);
        self.run_prompt.clone_from(&self.settings.prompt);
        self.prompts.retain(|prompt| *prompt != self.run_prompt);
        self.prompts.push(self.run_prompt.clone());
        self.trace = SearchTrace::default();
        self.judged.clear();
        self.pair_in_use.clone_from(&self.settings.pair);
        self.speeds = Speeds::default();
        self.phase = Phase::Running;
        self.look.selected = None;
        self.look.reference = None;
        self.look.round = None;
        self.look.token = 0;
        self.look.xray = 0;
        self.turns = 0;
        self.unguided = None;
        self.evidence = None;
        self.inspected = None;
        let start = Effect::Send(Command::Start(self.request()));
        match is_first {
            true => vec![start],
            false => vec![Effect::Cancel(before), start],
        }
    }

    fn request(&self) -> RunRequest {
        RunRequest {
            run: self.run,
            prompt: self.settings.prompt.clone(),
            params: self.settings.params,
            pair: self.settings.pair.clone(),
            paused: false,
            pace: self.settings.pace,
            cancel: CancelToken::clone(&self.cancel),
        }
    }

    pub(super) fn change_params(&mut self, action: Action) -> Vec<Effect> {
        match settings::step(&self.settings.params, action) {
            Some(params) => self.use_params(params),
            None => self.say("that is as far as it goes"),
        }
    }

    /// Whether settings begin a new run at once: after the end of one, so that a key always shows
    /// its effect; and in the first round of a run that another setting began, so that several
    /// settings make one run.
    fn begins_anew(&self) -> bool {
        let is_first = self.trace.last_round().is_none_or(|r| r.number <= 1);
        !self.is_searching() || (self.is_trial && is_first)
    }

    /// Begins a run for a changed setting.
    fn try_out(&mut self, what: &str) -> Vec<Effect> {
        self.announce(format!("{what}: searching anew"));
        let effects = self.start();
        self.is_trial = true;
        effects
    }

    /// A run under way takes new settings at its next chunk.
    fn use_params(&mut self, params: SearchParams) -> Vec<Effect> {
        let what = settings::changes(&self.settings.params, &params).join(", ");
        self.settings.params = params;
        if self.begins_anew() {
            return self.try_out(&what);
        }
        let pending = self.pending().join(", ");
        self.announce(match pending.is_empty() {
            true => "as before".to_owned(),
            false => format!("{pending} at the next chunk"),
        });
        let run = self.run;
        vec![Effect::Send(Command::Retune { run, params })]
    }

    pub(super) fn change_pair(&mut self, by: isize) -> Vec<Effect> {
        let pairs = self.models.as_ref().map_or(&[][..], |models| &models.pairs);
        let here = pairs.iter().position(|p| p.name == self.settings.pair);
        let n = pairs.len().max(1);
        let next = here.map_or(0, |at| at.wrapping_add_signed(by).wrapping_add(n) % n);
        let Some(pair) = pairs.get(next).cloned() else {
            return Vec::new();
        };
        self.use_pair(pair)
    }

    /// A run under way takes a pair that is loaded at its next chunk.
    pub(super) fn use_pair(&mut self, pair: PairInfo) -> Vec<Effect> {
        self.settings.pair.clone_from(&pair.name);
        if self.begins_anew() {
            return self.try_out(&format!("pair {}", pair.name));
        }
        let about = Some(&pair.about).filter(|about| !about.is_empty());
        let about = about.map_or_else(String::new, |about| format!(": {about}"));
        self.announce(format!("pair {} at the next chunk{about}", pair.name));
        let (run, pair) = (self.run, pair.name);
        vec![Effect::Send(Command::UsePair { run, pair })]
    }

    pub(super) fn change_pace(&mut self, action: Action) -> Vec<Effect> {
        let Some(pace) = settings::step_pace(self.settings.pace, action) else {
            return self.say("that is as far as it goes");
        };
        self.settings.pace = pace;
        self.note(format!("pace: {}", settings::pace_text(pace)));
        let (run, round) = (self.run, pace);
        vec![Effect::Send(Command::Pace { run, round })]
    }

    pub(super) fn toggle_pause(&mut self) -> Vec<Effect> {
        let command = match self.phase {
            Phase::Running => {
                self.phase = Phase::Pausing;
                Command::Pause(self.run)
            }
            Phase::Stepping | Phase::Pausing | Phase::Paused => {
                self.phase = Phase::Running;
                Command::Resume(self.run)
            }
            _ => return Vec::new(),
        };
        vec![Effect::Send(command)]
    }

    pub(super) fn step_round(&mut self) -> Vec<Effect> {
        self.look.round = None;
        self.phase = Phase::Stepping;
        vec![Effect::Send(Command::Step(self.run))]
    }

    pub(super) fn go_to_cut(&mut self) -> Vec<Effect> {
        self.look.round = None;
        self.phase = Phase::Stepping;
        vec![Effect::Send(Command::ToCut(self.run))]
    }

    pub(super) fn new_seed(&mut self) -> Vec<Effect> {
        let seed = self.settings.params.seed.wrapping_add(1);
        self.settings.params = settings::with_seed(&self.settings.params, seed);
        self.announce(format!("seed {seed}: searching anew"));
        self.start()
    }

    pub(super) fn toggle_rules(&mut self) -> Vec<Effect> {
        self.settings.params = settings::with_other_rules(&self.settings.params);
        let rules = self.settings.params.rules;
        self.announce(format!("rules {rules}: searching anew"));
        self.start()
    }

    /// Searches with another prompt.
    pub(super) fn use_prompt(&mut self, prompt: String) -> Vec<Effect> {
        self.overlay = Overlay::None;
        self.settings.prompt = prompt;
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
        if let Some(params) = preset.apply(&self.settings.params) {
            self.settings.params = params;
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
