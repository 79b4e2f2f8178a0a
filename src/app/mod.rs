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
pub mod panel;
pub mod presets;
pub mod settings;
pub mod stats;
pub mod tour;
pub mod trainings;
pub mod tree;
pub mod xray;

mod available;
mod beside;
mod complete;
mod control;
mod copy;
mod decisive;
mod evaluation;
mod find;
mod gauge;
mod hand;
mod keys;
mod lineage;
mod moves;
mod notice;
mod pick;
mod run;
mod runs;
mod summary;
mod sureness;
mod updates;
mod ways;

use std::time::Duration;

use crate::evidence::{Evidence, PromptRead};
use crate::message::{LoadId, MOST_BESIDE, ModelInfo, ModelSet, RunId, Speeds, Verdict, Way};
use crate::search::{
    CandidateTrace, HypothesisId, NodeId, PairId, Round, SearchParams, SearchTrace,
};

use pick::Load;
use run::Run;
use runs::Runs;

pub use action::{Action, Group};
pub use available::Hint;
pub use beside::{Beside, Said};
pub use board::Sort;
pub use editor::Editor;
pub use effect::Effect;
pub use evaluation::{Evaluation, Total};
pub use gauge::Gauge;
pub use input::{Key, KeyCode, Msg, Target};
pub use keymap::{Context, Keymap};
pub use menu::{Menu, MenuKind};
pub use nav::{Edge, Look, Pane, Sight};
pub use pick::Fetch;
pub use run::Phase;
pub use settings::Wanted;
pub use summary::RunSummary;
pub use sureness::Sureness;
pub use trainings::Trainings;
pub use xray::End;

/// What the app starts with.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Sample prompts; the search begins with the first unless `prompt` is given.
    pub samples: Vec<String>,
    pub prompt: Option<String>,
    pub params: SearchParams,
    /// Ways that go beside the first runs; of more than there is room for, the first.
    pub beside: Vec<Way>,
    /// The weak pair or panel to begin with; `None` takes the first one loaded.
    pub pair: Option<PairId>,
    /// Judges beside the bundled one, as they were named.
    pub judges: Vec<String>,
    pub pace: Duration,
    pub keymap: Keymap,
    /// Whether to begin with the tour.
    pub tour: bool,
    /// What was loaded at earlier starts, as [`Effect::RememberLoads`] said it, oldest first.
    pub loads: Vec<String>,
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
            beside: Vec::new(),
            pair: None,
            judges: Vec::new(),
            pace: Duration::from_secs(1),
            keymap: Keymap::default(),
            tour: false,
            loads: Vec::new(),
            light: false,
            ascii: false,
        }
    }
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
    /// The evaluation.
    Grid,
    Trainings,
    /// What the strong model would gain of each pair.
    Gains,
    /// A step of the tour, from 0.
    Tour(usize),
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
    /// Strong models loaded so far.
    strongs: Vec<ModelInfo>,
    /// The user's judges.
    judges: Vec<String>,
    fetch: Option<Fetch>,
    /// What was loaded before, newest first.
    loads: Vec<Load>,
    /// Whether the last key was to leave, and the user was asked whether they mean it.
    is_leaving: bool,
    last_load: LoadId,
    wanted: Wanted,
    /// Ways that go beside the next runs, oldest first.
    kept_ways: Vec<Way>,
    evaluation: Option<Evaluation>,
    gauge: Option<Gauge>,
    last_evaluation: u64,
    trainings: Trainings,
    chances: panel::Chances,
    run: Run,
    /// Settings that a run is to begin with, once this ticket comes and no other has been given.
    brewing: Option<u64>,
    last_ticket: u64,
    /// The prompts of all runs, oldest first, each once.
    prompts: Vec<String>,
    /// Those before the one under way.
    runs: Runs,
    look: Look,
    overlay: Overlay,
    /// The step of the tour that the user is at, also while something else is open.
    tour: Option<tour::Shown>,
    notice: Option<Notice>,
    /// Steps that the search has made since: beginnings of rounds, and cuts.
    notice_age: usize,
}

impl App {
    /// The app before any model is loaded.
    #[must_use]
    pub fn new(options: Options) -> Self {
        let prompt = options.prompt.or_else(|| options.samples.first().cloned());
        let wanted = Wanted {
            prompt: prompt.unwrap_or_default(),
            params: options.params,
            pair: options.pair.unwrap_or_else(|| PairId::from("")),
            pace: options.pace,
        };
        Self {
            samples: options.samples,
            keymap: options.keymap,
            models: None,
            strongs: Vec::new(),
            judges: options.judges,
            fetch: None,
            loads: pick::loads(&options.loads),
            is_leaving: false,
            last_load: LoadId::default(),
            run: Run::none(&wanted.prompt),
            wanted,
            evaluation: None,
            gauge: None,
            last_evaluation: 0,
            trainings: Trainings::default(),
            chances: panel::Chances::default(),
            kept_ways: options.beside.into_iter().take(MOST_BESIDE).collect(),
            brewing: None,
            last_ticket: 0,
            prompts: Vec::new(),
            runs: Runs::default(),
            look: Look {
                light: options.light,
                ascii: options.ascii,
                ..Look::default()
            },
            overlay: match options.tour {
                true => Overlay::Tour(0),
                false => Overlay::None,
            },
            tour: None,
            notice: None,
            notice_age: 0,
        }
    }

    /// Takes in one message and says what is to be done.
    pub fn handle(&mut self, msg: Msg) -> Vec<Effect> {
        let moment = notice::Moment::before(self, &msg);
        let mut effects = self.on_msg(msg);
        self.keep_in_view();
        self.weigh_chances();
        self.age_notice(moment);
        effects.extend(self.follow_tour());
        effects.extend(self.inspect());
        effects
    }

    fn on_msg(&mut self, msg: Msg) -> Vec<Effect> {
        match msg {
            Msg::Key(key) => self.on_key(key),
            Msg::Paste(text) => self.on_paste(&text),
            Msg::Click(target) => self.on_click(target),
            Msg::Drag(edge, share) => {
                self.look.divide(edge, share);
                Vec::new()
            }
            Msg::Scroll(target, lines) => self.on_scroll(target, lines),
            Msg::Woken(ticket) => self.on_woken(ticket),
            Msg::Completed { typed, found } => self.on_completed(&typed, &found),
            Msg::Update(update) => self.with_live(|app| app.on_update(update)),
            Msg::Live(live) => self.with_live(|app| app.on_live(&live)),
        }
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
        &self.run.phase
    }

    /// What the user wants; [`App::params_in_use`] and [`App::pair_in_use`] tell what the run has
    /// taken over.
    #[must_use]
    pub fn wanted(&self) -> &Wanted {
        &self.wanted
    }

    /// The settings of the round that runs; those wanted when none has begun.
    #[must_use]
    pub fn params_in_use(&self) -> &SearchParams {
        let round = self.run.trace.last_round();
        round.map_or(&self.wanted.params, |round| &round.params)
    }

    #[must_use]
    pub fn trace(&self) -> &SearchTrace {
        &self.run.trace
    }

    /// The judge's reward of prompt + response.
    #[must_use]
    pub fn judge_of(&self, id: HypothesisId) -> Option<f64> {
        self.run.judged.get(&id).copied()
    }

    /// The user's judges, as they were named.
    #[must_use]
    pub fn judges(&self) -> &[String] {
        &self.judges
    }

    /// What one of the user's judges says of a candidate; `None` before it has spoken.
    #[must_use]
    pub fn verdict_of(&self, judge: usize, id: HypothesisId) -> Option<&Verdict> {
        self.run.verdicts.get(&(judge, id))
    }

    /// The weak pair whose scores count; the one wanted may be ahead of it.
    #[must_use]
    pub fn pair_in_use(&self) -> &str {
        self.run.pair().as_str()
    }

    /// The same, with all that it names.
    #[must_use]
    pub fn voices_in_use(&self) -> &PairId {
        self.run.pair()
    }

    /// Whether rounds of the branch looked at were scored by different pairs.
    #[must_use]
    pub fn has_several_pairs(&self) -> bool {
        let branch = self.branch();
        branch.windows(2).any(|two| two[0].pair != two[1].pair)
    }

    /// The prompt of the run on screen.
    #[must_use]
    pub fn prompt(&self) -> &str {
        &self.run.prompt
    }

    /// How far a long prompt is read before the search goes on.
    #[must_use]
    pub fn prompt_read(&self) -> Option<PromptRead> {
        self.run.read
    }

    #[must_use]
    pub fn speeds(&self) -> Speeds {
        self.run.speeds
    }

    #[must_use]
    pub fn look(&self) -> &Look {
        &self.look
    }

    /// Where in the run the user looks.
    #[must_use]
    pub fn sight(&self) -> &Sight {
        &self.run.sight
    }

    #[must_use]
    pub fn overlay(&self) -> &Overlay {
        &self.overlay
    }

    #[must_use]
    pub fn notice(&self) -> Option<&str> {
        self.notice.as_ref().map(|notice| &notice.text[..])
    }

    /// What the models say about the candidate in detail, once it was asked for; by the pair whose
    /// terms are shown, and no other.
    #[must_use]
    pub fn evidence(&self) -> Option<&Evidence> {
        self.run.evidence()
    }

    /// The round on the board: the one the user looks at, on whichever branch, else the latest.
    #[must_use]
    pub fn shown_round(&self) -> Option<&Round> {
        self.run.shown_round().map(|round| &**round)
    }

    /// The rounds of the branch that the user looks at: the head's, or one that was left.
    #[must_use]
    pub fn branch(&self) -> Vec<&Round> {
        let rounds = self.run.branch().into_iter();
        rounds.map(|round| &**round).collect()
    }

    /// Whether a node is the head or leads to it.
    #[must_use]
    pub fn leads_to_head(&self, node: NodeId) -> bool {
        self.run.leads_to_head(node)
    }

    /// The round that a candidate is of, as far as the user looks at it.
    #[must_use]
    pub fn round_of(&self, id: HypothesisId) -> Option<&Round> {
        self.run.round_of(id).map(|round| &**round)
    }

    /// How a round is called: `3`, or `3b` where the third round went several ways.
    #[must_use]
    pub fn name_of(&self, round: &Round) -> String {
        self.run.name_of(round)
    }

    /// How sure a round's cut was; `None` before it, and where nothing was pruned.
    #[must_use]
    pub fn sureness(&self, round: &Round) -> Option<Sureness> {
        let node = round.cut.as_ref()?.node;
        Sureness::of(round, self.run.same_parents.get(&node).copied())
    }

    /// The board's lines.
    #[must_use]
    pub fn board(&self) -> Vec<board::Line<'_>> {
        let (run, sort) = (&self.run, self.look.sort);
        let chosen = [run.sight.selected, run.sight.reference];
        let mut chosen: Vec<HypothesisId> = chosen.into_iter().flatten().collect();
        chosen.extend(&run.sight.watched);
        let lines = |round| board::lines(&run.trace, &run.judged, round, sort, &chosen);
        let mut lines = self.shown_round().map(lines).unwrap_or_default();
        for line in &mut lines {
            if let board::Line::Candidate(row) = line {
                row.watched = run.sight.watched.contains(&row.id);
            }
        }
        lines
    }

    /// The tree's lines.
    #[must_use]
    pub fn tree(&self) -> Vec<tree::Line<'_>> {
        tree::lines(&self.run.trace)
    }

    /// The candidate to show in detail: the chosen one, else the best so far, else any.
    #[must_use]
    pub fn subject(&self) -> Option<&CandidateTrace> {
        self.run.subject()
    }

    /// The candidate that the one in detail is compared with, unless it is the same.
    #[must_use]
    pub fn reference(&self) -> Option<&CandidateTrace> {
        self.run.reference()
    }

    fn is_live(&self, run: RunId) -> bool {
        run == self.live().id && run != RunId::default()
    }
}
