//! All that crosses the thread between the app and the worker: plain data, nothing else.

use std::sync::Arc;
use std::time::Duration;

use crate::curve::Training;
use crate::evidence::{Evidence, PromptRead};
use crate::examples::Example;
use crate::measure::Gains;
use crate::search::{Entry, Hypothesis, HypothesisId, Mark, NodeId, PairId, Partial, SearchParams};

/// Names a run. An update that carries another run's id is stale and dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct RunId(pub u64);

/// A judge's score of prompt + response, or in one sentence why there is none.
pub type Verdict = Result<f64, String>;

/// Names a load. What another load than the latest tells is stale and dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LoadId(pub u64);

/// Which models a load is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Strong,
    Pair,
}

/// What a load has brought.
#[derive(Debug, Clone, PartialEq)]
pub enum Fetched {
    Strong(ModelInfo),
    Pair(PairInfo),
}

/// How many ways go beside a run at most, besides the unguided one, which is always there.
pub const MOST_BESIDE: usize = 2;

/// Another way to go on from a run's prompt, under its seed: a method, and a weak pair or panel of
/// its own.
#[derive(Debug, Clone, PartialEq)]
pub struct Way {
    pub params: SearchParams,
    /// By name or SPEC, as in [`PairInfo::name`]; or a panel of pairs.
    pub pair: PairId,
}

impl Way {
    /// Whether the two are the same under one seed.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        let seed = other.params.seed();
        self.pair == other.pair && self.params.with_seed(seed) == other.params
    }
}

/// What to search: everything but the models, which the worker holds.
#[derive(Debug, Clone, PartialEq)]
pub struct RunRequest {
    pub run: RunId,
    pub prompt: String,
    pub params: SearchParams,
    /// By name or SPEC, as in [`PairInfo::name`]; or a panel of pairs.
    pub pair: PairId,
    /// Start paused: only [`Command::Step`] and [`Command::Resume`] move it.
    pub paused: bool,
    /// The least time a round takes, zero for full speed. The tokens of a chunk spread over
    /// two thirds of it, so that growth can be followed; the last third passes after the cut,
    /// so that it can be read.
    pub pace: Duration,
    /// Other ways to go beside it, in the same passes; of more than [`MOST_BESIDE`], the first.
    pub beside: Vec<Way>,
}

/// Names an evaluation. What another than the last one tells is stale and dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EvaluationId(pub u64);

/// Several ways over many prompts.
#[derive(Debug, Clone, PartialEq)]
pub struct EvaluationRequest {
    pub id: EvaluationId,
    pub prompts: Vec<String>,
    pub contenders: Vec<Contender>,
    /// What stands before prompts, the best first.
    pub examples: Vec<Example>,
    /// What is to be searched, in this order.
    pub cells: Vec<CellId>,
}

/// What is evaluated.
#[derive(Debug, Clone, PartialEq)]
pub struct Contender {
    /// With its seed.
    pub way: Way,
    /// So many answers to other prompts stand before a prompt: refinement.
    pub n_examples: usize,
}

/// One search of an evaluation, by indices of its prompts and contenders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CellId {
    pub prompt: usize,
    pub way: usize,
}

/// What a search of an evaluation came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    pub response: Arc<str>,
    /// Of prompt + response, by the bundled judge.
    pub judge: f64,
    /// Under the way's pair, in nats.
    pub log_ratio: f64,
    /// The strong model's raw log-probability a token, in nats; none for an empty response.
    pub strong_log_prob: Option<f64>,
    /// Tokens that the strong model sampled, all candidates together.
    pub sampled: usize,
}

/// How much the strong model would gain on each pair's labels.
#[derive(Debug, Clone, PartialEq)]
pub struct GaugeRequest {
    pub id: EvaluationId,
    pub prompts: Vec<String>,
    /// How responses are sampled: one round of whole ones.
    pub params: SearchParams,
    pub pairs: Vec<PairId>,
}

/// A value to be trained: what a judge prefers of the untuned half's own samples.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrainRequest {
    pub judge: String,
    /// Whether what it finds worse is preferred.
    pub flip: bool,
    /// The pair whose untuned half is tuned.
    pub pair: String,
}

/// From the app to the worker. All that have come are read before every pass of a model, so that
/// each is obeyed within one.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Search anew. The run before is over.
    Start(RunRequest),
    /// Takes effect at the next round (chunk), unless [`Update::NotRetuned`] says why not.
    Retune {
        run: RunId,
        params: SearchParams,
    },
    /// Takes effect at the next cut: what is compared is scored by the new pair from there on.
    /// A panel whose pairs have scored it all asks for nothing.
    UsePair {
        run: RunId,
        pair: PairId,
    },
    /// Loads models by name or SPEC beside the run. They are used when
    /// [`UsePair`](Self::UsePair) or [`UseStrong`](Self::UseStrong) says so, after
    /// [`Update::Fetched`]. A load that still runs is given up.
    Load {
        id: LoadId,
        part: Part,
        spec: String,
    },
    /// Gives the load under way up.
    CancelLoad(LoadId),
    /// Evaluates beside the run; an evaluation before is given up.
    Evaluate(EvaluationRequest),
    /// Gives the evaluation under way up.
    StopEvaluation,
    /// Gauges pairs beside the run; what was gauged before is given up.
    Gauge(GaugeRequest),
    /// Gives that up.
    StopGauge,
    /// Trainings: [`Update::Trainings`] comes, and again whenever one has gone on, until
    /// [`HideTrainings`](Self::HideTrainings).
    ShowTrainings,
    HideTrainings,
    /// Trains a value beside the run, in a process of its own.
    Train(TrainRequest),
    /// Ends the training in a folder that was begun here; it can be gone on with.
    StopTraining(String),
    /// Goes on with it.
    ResumeTraining(String),
    /// Runs that start from here on use this strong model.
    UseStrong(String),
    Pause(RunId),
    Resume(RunId),
    /// One round, then pause.
    Step(RunId),
    /// Up to the next cut, then pause before it, with all candidates scored.
    ToCut(RunId),
    /// The least time a round takes from here on, as in [`RunRequest::pace`].
    Pace {
        run: RunId,
        round: Duration,
    },
    /// The user's hand on the wheel. What moves the head breaks off the round under way; marks
    /// count at its cut.
    Steer {
        run: RunId,
        act: Act,
    },
    /// Asks for [`Update::Evidence`] on a candidate or response with a complete chunk, under the
    /// pair that scored it last. Only the newest of these wishes is fulfilled.
    Inspect {
        run: RunId,
        candidate: Arc<Hypothesis>,
        /// What the candidate continues, as it was scored.
        parent: Option<Arc<Hypothesis>>,
    },
    Shutdown,
}

/// What the user can do to a run besides its settings.
#[derive(Debug, Clone, PartialEq)]
pub enum Act {
    /// Pin, kill or boost a candidate before its cut; `None` takes the mark away.
    Mark {
        id: HypothesisId,
        mark: Option<Mark>,
    },
    /// So many successors more of a kept hypothesis: in the round that continues it, if that is
    /// under way, else in the next one.
    Spend { id: HypothesisId, extra: usize },
    /// Go on from a candidate that was pruned.
    Take(HypothesisId),
    /// A chunk of the user's own in the place of `sibling`'s.
    Type {
        sibling: HypothesisId,
        chunk: String,
    },
    /// Go on from this node of the tree of rounds.
    Go(NodeId),
    /// The rounds after the head are drawn anew, with other numbers.
    Redraw,
    /// Takes the last mark, `Take`, `Go` or `Redraw` back.
    Undo,
}

impl Command {
    /// The run it speaks of; none for what is of no run that is under way.
    #[must_use]
    pub fn run(&self) -> Option<RunId> {
        match self {
            Self::Start(_) | Self::Shutdown | Self::UseStrong(_) => None,
            Self::Evaluate(_) | Self::StopEvaluation => None,
            Self::Gauge(_) | Self::StopGauge => None,
            Self::ShowTrainings | Self::HideTrainings => None,
            Self::Train(_) | Self::StopTraining(_) | Self::ResumeTraining(_) => None,
            Self::Load { .. } | Self::CancelLoad(_) => None,
            Self::Retune { run, .. } | Self::UsePair { run, .. } | Self::Pace { run, .. } => {
                Some(*run)
            }
            Self::Steer { run, .. } | Self::Inspect { run, .. } => Some(*run),
            Self::Pause(run) | Self::Resume(run) => Some(*run),
            Self::Step(run) | Self::ToCut(run) => Some(*run),
        }
    }
}

/// What a loaded model is.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelInfo {
    pub name: String,
    pub n_params: u64,
    pub context: usize,
    pub vocab_size: usize,
}

/// A weak pair that can be chosen.
#[derive(Debug, Clone, PartialEq)]
pub struct PairInfo {
    pub name: String,
    /// One line: what the tuned half was tuned for.
    pub about: String,
    pub n_params: u64,
}

/// A model or pair that can be loaded by name.
#[derive(Debug, Clone, PartialEq)]
pub struct Offer {
    pub part: Part,
    /// What to load it by.
    pub name: String,
    /// What it is known by once it is loaded.
    pub spec: String,
    pub about: String,
    /// Such as `2 × 7.2B`; empty where it is not known.
    pub size: String,
    /// Whether its files are on this machine.
    pub is_here: bool,
}

/// What the worker holds, and what it could load.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelSet {
    pub strong: ModelInfo,
    pub pairs: Vec<PairInfo>,
    pub offers: Vec<Offer>,
    /// e.g. `cpu, 2 threads, f32`
    pub device: String,
}

/// From the worker to the app; never lost.
#[derive(Debug, Clone, PartialEq)]
pub enum Update {
    /// Models are being loaded: now `what`, after `done` of `total` parts of it; 0 where the
    /// total is not known.
    Loading {
        what: String,
        done: u64,
        total: u64,
    },
    Loaded(ModelSet),
    /// An entry of the run's history, in order. What grows in between travels by [`Live`].
    Search {
        run: RunId,
        entry: Entry,
    },
    /// The independent judge's gold reward of prompt + response, for candidates just scored.
    Judged {
        run: RunId,
        scores: Vec<(HypothesisId, f64)>,
    },
    /// What one of the user's judges says of candidates that were scored, whenever it is ready.
    Verdicts {
        run: RunId,
        /// Which, as they were named at the start.
        judge: usize,
        said: Vec<(HypothesisId, Verdict)>,
    },
    /// How far a long prompt is read before the search can go on; `None` once it is.
    PromptRead {
        run: RunId,
        read: Option<PromptRead>,
    },
    /// The run now stands (`true`) or moves (`false`).
    Paused {
        run: RunId,
        paused: bool,
    },
    /// A load beside the run, in the same words.
    Fetching {
        id: LoadId,
        what: String,
        done: u64,
        total: u64,
    },
    /// A search of an evaluation is over, or why it could not be made.
    Cell {
        id: EvaluationId,
        cell: CellId,
        measured: Result<Measured, String>,
    },
    /// An evaluation could not begin, in one sentence.
    NotEvaluated {
        id: EvaluationId,
        why: String,
    },
    /// How many of a gauge's prompts are done.
    Gauged {
        id: EvaluationId,
        done: usize,
    },
    /// What it came to, or in one sentence why to nothing.
    Gains {
        id: EvaluationId,
        gains: Result<Gains, String>,
    },
    /// All trainings that are known of, the newest last, as far as they are.
    Trainings(Vec<Training>),
    /// A training could not begin, in one sentence.
    NotTrained(String),
    /// A load is done.
    Fetched {
        id: LoadId,
        fetched: Fetched,
    },
    /// A load has failed, in one sentence.
    NotFetched {
        id: LoadId,
        why: String,
    },
    /// Settings that the run cannot take over, with those that it goes on under.
    NotRetuned {
        run: RunId,
        params: SearchParams,
        why: String,
    },
    /// The pair does not go with the run, which goes on under the one before.
    PairRefused {
        run: RunId,
        pair: String,
        why: String,
    },
    /// What a way beside the run has come to, scored by the way's own pair.
    Beside {
        run: RunId,
        /// 0 is the unguided one: the strong model left alone, with the run's seed, budget and
        /// pair. Then those of [`RunRequest::beside`], in their order.
        way: usize,
        /// The best so far.
        response: Arc<Hypothesis>,
        judge: f64,
        done: bool,
        /// Tokens that the strong model has sampled for it.
        sampled: usize,
    },
    /// A way beside the run cannot be gone on; the run goes on without it.
    WayDropped {
        run: RunId,
        way: usize,
        why: String,
    },
    Evidence {
        run: RunId,
        evidence: Evidence,
    },
    /// A wish could not be fulfilled; the run goes on.
    Refused {
        run: RunId,
        why: String,
    },
    /// `run` is `None` when loading failed, which ends the worker.
    Failed {
        run: Option<RunId>,
        error: String,
    },
}

/// How fast the models run, measured over the run so far.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Speeds {
    /// Tokens a second that the strong model sampled, all rows together.
    pub strong_tokens_per_s: f64,
    /// Tokens a second that the weak pair scored (each of its two models reads them).
    pub weak_tokens_per_s: f64,
    /// Seconds of the last complete round.
    pub round_s: f64,
}

/// The latest state of growing chunks: overwritten, never queued.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Live {
    pub run: RunId,
    pub round: usize,
    pub partials: Vec<Partial>,
    pub speeds: Speeds,
}
