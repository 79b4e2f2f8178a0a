//! The app: a pure state machine, message in, effects out. It knows no terminal, no clock, no
//! files and no models; what the screen shows of a run is a fold over the worker's events.

pub mod action;
pub mod board;
pub mod editor;
pub mod effect;
pub mod help;
pub mod input;
pub mod keymap;
pub mod menu;
pub mod nav;
pub mod settings;
pub mod stats;
pub mod tree;
pub mod xray;

mod available;
mod copy;
mod keys;
mod moves;
mod pick;
mod turns;
mod updates;
mod wheel;

use std::sync::Arc;
use std::time::Duration;

use crate::message::{CancelToken, Evidence, LoadId, ModelInfo, ModelSet, RunId, Speeds};
use crate::search::{
    CandidateTrace, Hypothesis, HypothesisId, RoundTrace, SearchParams, SearchTrace,
};

pub use action::{Action, Group};
pub use available::Hint;
pub use board::Sort;
pub use editor::Editor;
pub use effect::Effect;
pub use input::{Key, KeyCode, Msg, Target};
pub use keymap::{Context, Keymap};
pub use menu::{Menu, MenuKind};
pub use nav::{Edge, Look, Pane};
pub use pick::Fetch;
pub use settings::Settings;
pub use xray::End;

/// What the app starts with.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Sample prompts; the search begins with the first unless `prompt` is given.
    pub samples: Vec<String>,
    pub prompt: Option<String>,
    pub params: SearchParams,
    /// The weak pair to begin with; `None` takes the first one loaded.
    pub pair: Option<String>,
    pub pace: Duration,
    pub keymap: Keymap,
    /// Whether to begin with the cards that explain the screen.
    pub tour: bool,
    /// Colours for a light background.
    pub light: bool,
    /// The terminal shows no more than ASCII.
    pub ascii: bool,
}

impl Default for Options {
    /// The paper's settings, one second a round.
    fn default() -> Self {
        Self {
            samples: Vec::new(),
            prompt: None,
            params: SearchParams::default(),
            pair: None,
            pace: Duration::from_secs(1),
            keymap: Keymap::default(),
            tour: false,
            light: false,
            ascii: false,
        }
    }
}

/// What the search does at the moment.
#[derive(Debug, Clone, PartialEq)]
pub enum Phase {
    /// The worker loads models: now `what`, after `done` of `total`.
    Loading {
        what: String,
        done: u64,
        total: u64,
    },
    Running,
    /// Asked to pause; the worker has not said yet that it stands.
    Pausing,
    Paused,
    /// One round, then pause.
    Stepping,
    Finished,
    Failed {
        error: String,
    },
}

/// What lies over the playground and takes the keys.
#[derive(Debug, Clone, PartialEq)]
pub enum Overlay {
    None,
    Prompt(Editor),
    /// A chunk of the user's own, beside this candidate's.
    Chunk(HypothesisId, Editor),
    Menu(Menu),
    /// All keys, from this line on.
    Help(usize),
    /// A card of the tour, from 0.
    Tour(usize),
}

/// What the strong model says with the same seed and budget when nothing guides it.
#[derive(Debug, Clone, PartialEq)]
pub struct Unguided {
    /// As far as it is sampled.
    pub response: Arc<Hypothesis>,
    pub judge: f64,
    pub done: bool,
}

/// How a finished run went, kept to compare.
#[derive(Debug, Clone, PartialEq)]
pub struct RunSummary {
    pub run: RunId,
    pub prompt: String,
    /// Of its rounds, in order, each once where it stayed the same.
    pub params: Vec<SearchParams>,
    /// The weak pairs that scored it, in order; the last one's score it is.
    pub pairs: Vec<String>,
    pub score: f64,
    pub judge: Option<f64>,
    pub n_tokens: usize,
    /// Tokens the strong model sampled for it.
    pub cost: usize,
    pub text: String,
}

/// What the last key did, or why it did nothing; how the run goes on.
#[derive(Debug, Clone, PartialEq)]
struct Notice {
    text: String,
    /// It speaks of a run under way.
    ends_with_run: bool,
}

/// The state of everything on screen.
#[derive(Debug, Clone)]
pub struct App {
    samples: Vec<String>,
    keymap: Keymap,
    models: Option<ModelSet>,
    phase: Phase,
    settings: Settings,
    run: RunId,
    /// The prompt of the run; `settings.prompt` may be ahead of it.
    run_prompt: String,
    /// The prompts of all runs, oldest first, each once.
    prompts: Vec<String>,
    cancel: CancelToken,
    trace: SearchTrace,
    judged: board::Judged,
    /// The weak pair that scores the run.
    pair_in_use: String,
    /// The weak pairs that scored it before, in order.
    pairs_before: Vec<String>,
    speeds: Speeds,
    look: Look,
    overlay: Overlay,
    notice: Option<Notice>,
    runs: Vec<RunSummary>,
    unguided: Option<Unguided>,
    /// What the models say about the candidate last inspected.
    evidence: Option<Evidence>,
    /// The candidate that was asked about last.
    inspected: Option<HypothesisId>,
    /// How many turns back (candidates taken, rounds rewound) can be taken back.
    turns: usize,
    /// The user's hand on candidates as last wished: ahead of the worker's echo in the trace.
    wishes: wheel::Wishes,
    /// The run was begun by a change of settings; further changes begin it again until its
    /// second round.
    is_trial: bool,
    /// Strong models loaded so far.
    strongs: Vec<ModelInfo>,
    fetch: Option<Fetch>,
    last_load: LoadId,
}

impl App {
    /// The app before any model is loaded.
    #[must_use]
    pub fn new(options: Options) -> Self {
        let prompt = options.prompt.or_else(|| options.samples.first().cloned());
        let settings = Settings {
            prompt: prompt.unwrap_or_default(),
            params: options.params,
            pair: options.pair.unwrap_or_default(),
            pace: options.pace,
        };
        Self {
            samples: options.samples,
            keymap: options.keymap,
            models: None,
            phase: Phase::Loading {
                what: "loading models".to_owned(),
                done: 0,
                total: 0,
            },
            run: RunId(0),
            run_prompt: settings.prompt.clone(),
            prompts: Vec::new(),
            settings,
            cancel: CancelToken::default(),
            trace: SearchTrace::default(),
            judged: board::Judged::new(),
            pair_in_use: String::new(),
            pairs_before: Vec::new(),
            speeds: Speeds::default(),
            look: Look {
                light: options.light,
                ascii: options.ascii,
                ..Look::default()
            },
            overlay: match options.tour {
                true => Overlay::Tour(0),
                false => Overlay::None,
            },
            notice: None,
            runs: Vec::new(),
            unguided: None,
            evidence: None,
            inspected: None,
            turns: 0,
            wishes: wheel::Wishes::default(),
            is_trial: false,
            strongs: Vec::new(),
            fetch: None,
            last_load: LoadId::default(),
        }
    }

    /// Takes in one message and says what is to be done.
    pub fn handle(&mut self, msg: Msg) -> Vec<Effect> {
        let mut effects = match msg {
            Msg::Key(key) => self.on_key(key),
            Msg::Paste(text) => self.on_paste(&text),
            Msg::Click(target) => self.on_click(target),
            Msg::Drag(edge, share) => {
                self.look.divide(edge, share);
                Vec::new()
            }
            Msg::Scroll(target, lines) => self.on_scroll(target, lines),
            Msg::Update(update) => self.on_update(update),
            Msg::Live(live) => self.on_live(&live),
        };
        effects.extend(self.inspect());
        effects
    }

    #[must_use]
    pub fn keymap(&self) -> &Keymap {
        &self.keymap
    }

    #[must_use]
    pub fn models(&self) -> Option<&ModelSet> {
        self.models.as_ref()
    }

    #[must_use]
    pub fn phase(&self) -> &Phase {
        &self.phase
    }

    /// What the user wants; [`App::params_in_use`] tells what the run has taken over.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The settings of the round that runs; those wanted when none has begun.
    #[must_use]
    pub fn params_in_use(&self) -> &SearchParams {
        let round = self.trace.last_round();
        round.map_or(&self.settings.params, |round| &round.params)
    }

    #[must_use]
    pub fn trace(&self) -> &SearchTrace {
        &self.trace
    }

    /// The judge's reward of prompt + response.
    #[must_use]
    pub fn judge_of(&self, id: HypothesisId) -> Option<f64> {
        self.judged.get(&id).copied()
    }

    /// The weak pair that scores the run; `settings.pair` may be ahead of it.
    #[must_use]
    pub fn pair_in_use(&self) -> &str {
        &self.pair_in_use
    }

    /// The prompt of the run on screen.
    #[must_use]
    pub fn prompt(&self) -> &str {
        &self.run_prompt
    }

    #[must_use]
    pub fn speeds(&self) -> Speeds {
        self.speeds
    }

    #[must_use]
    pub fn look(&self) -> &Look {
        &self.look
    }

    #[must_use]
    pub fn overlay(&self) -> &Overlay {
        &self.overlay
    }

    #[must_use]
    pub fn notice(&self) -> Option<&str> {
        self.notice.as_ref().map(|notice| &notice.text[..])
    }

    /// What the strong model says unguided, once some of it is sampled.
    #[must_use]
    pub fn unguided(&self) -> Option<&Unguided> {
        self.unguided.as_ref()
    }

    /// What the models say about the candidate in detail, once it was asked for.
    #[must_use]
    pub fn evidence(&self) -> Option<&Evidence> {
        let subject = self.subject()?.slot.id;
        self.evidence
            .as_ref()
            .filter(|evidence| evidence.id == subject)
    }

    /// Finished runs, oldest first.
    #[must_use]
    pub fn runs(&self) -> &[RunSummary] {
        &self.runs
    }

    /// The round on the board: the one the user looks back at, else the latest.
    #[must_use]
    pub fn shown_round(&self) -> Option<&RoundTrace> {
        let chosen = self.look.round.and_then(|number| self.trace.round(number));
        chosen.or_else(|| self.trace.last_round())
    }

    /// The board's lines.
    #[must_use]
    pub fn board(&self) -> Vec<board::Line<'_>> {
        let lines = |round| board::lines(&self.trace, &self.judged, round, self.look.sort);
        self.shown_round().map(lines).unwrap_or_default()
    }

    /// The candidate to show in detail: the chosen one, else the best so far, else any.
    #[must_use]
    pub fn subject(&self) -> Option<&CandidateTrace> {
        let chosen = self.look.selected.and_then(|id| self.trace.candidate(id));
        chosen
            .or_else(|| self.trace.best())
            .or_else(|| self.leading())
    }

    /// The candidate that the one in detail is compared with, unless it is the same.
    #[must_use]
    pub fn reference(&self) -> Option<&CandidateTrace> {
        let reference = self.trace.candidate(self.look.reference?)?;
        let subject = self.subject()?;
        (reference.slot.id != subject.slot.id).then_some(reference)
    }

    /// The first token at which the candidate in detail parts from the one compared with; 0 where
    /// none is.
    fn parting(&self) -> usize {
        let subject = self.subject().and_then(|c| c.hypothesis.as_ref());
        let reference = self.reference().and_then(|c| c.hypothesis.as_ref());
        let Some((a, b)) = subject.zip(reference) else {
            return 0;
        };
        let pairs = a.score.terms.iter().zip(&b.score.terms);
        pairs.take_while(|(a, b)| a.id == b.id).count()
    }

    /// The candidate of the shown round with the best score so far.
    fn leading(&self) -> Option<&CandidateTrace> {
        let round = self.shown_round()?;
        let candidates = round.ids().filter_map(|id| self.trace.candidate(id));
        candidates.reduce(|a, b| if b.score > a.score { b } else { a })
    }

    fn is_live(&self, run: RunId) -> bool {
        run == self.run && self.run != RunId(0)
    }

    fn selected_id(&self) -> Option<HypothesisId> {
        self.look.selected
    }
}
