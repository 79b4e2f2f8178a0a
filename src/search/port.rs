//! The two things the engine needs from models, defined beside the algorithm that uses them.
//! Text is the interface between strong model and weak pair: their tokenizers may differ.

use std::ops::ControlFlow;

use super::draw::Lineage;
use super::hypothesis::{Finish, Hypothesis, HypothesisId, TokenId};
use super::params::{Rules, Sampling};
use super::score::LogRatio;

/// Why models could not do what the engine asked.
#[derive(Debug, thiserror::Error)]
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

/// One candidate to sample: which hypothesis to continue, with which random numbers.
#[derive(Debug, Clone, Copy)]
pub struct Slot<'a> {
    /// The id the candidate will carry.
    pub id: HypothesisId,
    /// `None`: continue the bare prompt.
    pub parent: Option<&'a Hypothesis>,
    pub lineage: Lineage,
    /// How many tokens to sample at most; the candidate may end sooner by EOS.
    pub n_tokens: usize,
}

/// One round's sampling.
#[derive(Debug, Clone, Copy)]
pub struct SamplePlan<'a> {
    pub slots: &'a [Slot<'a>],
    pub sampling: Sampling,
    pub rules: Rules,
}

/// A candidate while it grows or when its chunk is complete, in the order of the slots.
#[derive(Debug, Clone, PartialEq)]
pub struct Growth {
    /// Every sampled id since the prompt, the parent's included, EOS included.
    pub tokens: Vec<TokenId>,
    /// The whole response so far, special tokens left out. Under [`Rules::Fixed`] the bytes of
    /// an incomplete last character are held back.
    pub text: String,
    /// The strong model's raw log-probability of each of `tokens`, in nats: before temperature
    /// and filters. A sampler that is not told them (a tape, a black box) leaves this empty.
    pub log_probs: Vec<f64>,
    /// `Some(Finish::Eos)` once EOS was sampled. Length is the engine's business.
    pub finish: Option<Finish>,
}

/// Called with all slots of the plan after every token; `Break` stops within one forward pass.
pub type OnGrowth<'a> = &'a mut dyn FnMut(&[Growth]) -> Result<ControlFlow<()>, ModelError>;

/// Samples chunks: the strong model, a tape, a remote server.
pub trait ChunkSampler {
    /// Samples every slot and returns the complete chunks in the order of the slots, or `None`
    /// when `on_growth` asked to stop.
    ///
    /// # Errors
    /// [`ModelError`]; the sampler stays usable.
    fn sample(
        &mut self,
        plan: &SamplePlan<'_>,
        on_growth: OnGrowth<'_>,
    ) -> Result<Option<Vec<Growth>>, ModelError>;

    /// Caches of all other hypotheses may go. Caches are an optimisation only: a hypothesis
    /// whose cache is gone is prefilled again when it is continued.
    fn retain(&mut self, ids: &[HypothesisId]);
}

/// A response to score.
#[derive(Debug, Clone, Copy)]
pub struct Response<'a> {
    pub id: HypothesisId,
    /// Whose cache to continue from.
    pub parent: Option<HypothesisId>,
    /// Strong-model ids, EOS included where it was emitted.
    pub tokens: &'a [TokenId],
    pub text: &'a str,
    /// Whether the weak pair's EOS is to be scored after the text.
    pub ended: bool,
}

/// Scores responses: the weak pair.
pub trait Scorer {
    /// The log-ratios in the order of the responses. Called many times with growing responses
    /// of the same ids; only what is new is computed.
    ///
    /// # Errors
    /// [`ModelError`]; the scorer stays usable.
    fn score(&mut self, responses: &[Response<'_>]) -> Result<Vec<LogRatio>, ModelError>;

    /// Caches of all other hypotheses may go.
    fn retain(&mut self, ids: &[HypothesisId]);
}
