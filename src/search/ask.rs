//! What a search asks for, and what it is told. The search never calls a model: whoever runs it
//! answers its asks, in whatever order and however late. Text is the interface between strong
//! model and weak pair: their tokenizers may differ.

use std::sync::Arc;

use super::draw::Lineage;
use super::hypothesis::{Drawn, Finish, Hypothesis};
use super::ids::{HypothesisId, TokenId};
use super::params::{Rules, Sampling};
use super::rope::{Rope, Text};
use super::score::{LogRatio, PairId};

/// Why models could not do what was asked.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ModelError {
    /// Arithmetic gave NaN or infinity; `who` names the model.
    #[error("{who} produced a number that is not finite: its weights are damaged")]
    NotFinite { who: String },
    /// prompt + response outgrew a model's context.
    #[error(
        "{who} has a context of {context} tokens and the text needs {needed}: shorten the prompt or lower n"
    )]
    ContextFull {
        who: String,
        context: usize,
        needed: usize,
    },
    /// Anything else, already in words for the user.
    #[error("{0}")]
    Other(String),
}

/// What a search needs next. Asking again without an answer asks for the same.
#[derive(Debug, Clone, PartialEq)]
pub enum Ask {
    /// Chunks. Slots that were asked for before go on growing; new ones may have joined them.
    Grow(Grow),
    /// Log-ratios of complete responses.
    Score(Score),
    /// The candidates are scored and wait for their cut: [`Answer::Cut`], whenever it suits.
    Cut,
    /// Nothing: the search is over.
    Done,
}

/// One round's sampling.
#[derive(Debug, Clone, PartialEq)]
pub struct Grow {
    pub slots: Arc<[Slot]>,
    pub sampling: Sampling,
    pub rules: Rules,
    /// Who else has a say in what is drawn.
    pub tilted: Option<Tilted>,
    /// Where chunks end before their length.
    pub hesitation: Option<Hesitation>,
    /// Whether [`Growth::drawn`] is of use.
    pub wants_drawn: bool,
}

/// Tokens are drawn from softmax(strong + β (tuned − untuned)) (EFT, arXiv 2310.12962).
#[derive(Debug, Clone, PartialEq)]
pub struct Tilted {
    pub pair: PairId,
    pub beta: f64,
}

/// A chunk ends where the strong model hesitates (CARDS, arXiv 2406.16306).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hesitation {
    /// The fewest tokens of a chunk.
    pub min_tokens: usize,
    /// It ends before a token whose raw distribution has at least this entropy, in nats.
    pub entropy: f64,
}

/// One candidate to sample: which hypothesis to continue, with which random numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Slot {
    /// The id the candidate will carry.
    pub id: HypothesisId,
    /// `None`: continue the bare prompt.
    pub parent: Option<Arc<Hypothesis>>,
    pub lineage: Lineage,
    /// How many tokens to sample at most; the candidate may end sooner by EOS.
    pub n_tokens: usize,
}

impl Slot {
    /// How many tokens the parent has.
    #[must_use]
    pub fn start(&self) -> usize {
        self.parent.as_ref().map_or(0, |parent| parent.tokens.len())
    }
}

/// Responses to score, by one pair.
#[derive(Debug, Clone, PartialEq)]
pub struct Score {
    pub pair: PairId,
    pub responses: Arc<[Response]>,
}

/// A response to score. Cheap to clone.
#[derive(Debug, Clone, PartialEq)]
pub struct Response {
    pub id: HypothesisId,
    /// What it continues: its cached state is a good one to start from.
    pub parent: Option<HypothesisId>,
    /// Strong-model ids, EOS included where it was emitted.
    pub tokens: Rope<TokenId>,
    pub text: Text,
    /// Whether the weak pair's EOS is to be scored after the text.
    pub ended: bool,
}

impl Response {
    /// What the pair is asked to score of `hypothesis` under `rules`.
    #[must_use]
    pub fn of(hypothesis: &Hypothesis, rules: Rules) -> Self {
        Self {
            id: hypothesis.id,
            parent: hypothesis.parent,
            tokens: hypothesis.tokens.clone(),
            text: hypothesis.text.clone(),
            ended: hypothesis.ended(rules),
        }
    }

    /// A chunk that still grows, with the EOS scored where it was emitted: whether the token
    /// budget is used up is known of complete chunks only.
    #[must_use]
    pub fn growing(slot: &Slot, growth: &Growth) -> Self {
        let parent = slot.parent.as_ref();
        let before = parent.map(|p| p.tokens.clone()).unwrap_or_default();
        Self {
            id: slot.id,
            parent: parent.map(|p| p.id),
            tokens: before.extended(before.len(), growth.tokens.clone()),
            text: growth.text.clone(),
            ended: growth.finish == Some(Finish::Eos),
        }
    }
}

/// The chunk of a candidate, complete or as far as it has grown.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Growth {
    /// The chunk's sampled ids, EOS included.
    pub tokens: Vec<TokenId>,
    /// The whole response so far, special tokens left out. Under [`Rules::Fixed`] the bytes of
    /// an incomplete last character are held back.
    pub text: Text,
    /// The strong model's raw log-probability of each of `tokens`, in nats: before temperature
    /// and filters. A sampler that is not told them (a tape, a black box) leaves this empty.
    pub log_probs: Vec<f64>,
    /// `Some(Finish::Eos)` once EOS was sampled. Length is the search's business.
    pub finish: Option<Finish>,
    /// Whether it ended where the strong model hesitates.
    pub hesitated: bool,
    /// Where it was asked for.
    pub drawn: Option<Drawn>,
}

impl Growth {
    /// Nothing yet, after `parent`.
    #[must_use]
    pub fn after(parent: Option<&Hypothesis>) -> Self {
        Self {
            text: parent.map(|p| p.text.clone()).unwrap_or_default(),
            ..Self::default()
        }
    }

    /// Whether there is nothing more to sample of `slot`.
    #[must_use]
    pub fn is_complete(&self, slot: &Slot) -> bool {
        self.finish.is_some() || self.hesitated || self.tokens.len() >= slot.n_tokens
    }
}

/// What a search is told. What it has not asked for, or not any more, changes nothing.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// Complete chunks, all of a round or some.
    Grown(Vec<(HypothesisId, Growth)>),
    Scored {
        pair: PairId,
        scores: Vec<(HypothesisId, LogRatio)>,
    },
    /// Make the cut.
    Cut,
}
