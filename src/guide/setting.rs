//! What a search works with: three models, and the prompt as each side sees it.

use std::num::NonZeroUsize;

use super::evidence::Place;
use super::memory::check_caches;
use super::reader::{Join, PairEvidence, Reader};
use super::strong::StrongSampler;
use super::weak_pair::PairScorer;
use crate::library::{Model, WeakPair, free_memory};
use crate::models::Prompt;
use crate::search::{Hypothesis, ModelError, Rules, SearchParams};

/// What to search with: the models, and the prompt as each side sees it.
#[derive(Debug, Clone)]
pub struct Setting {
    pub strong: Model,
    pub pair: WeakPair,
    pub strong_prompt: Prompt,
    pub pair_prompt: Prompt,
}

impl Setting {
    /// Both sides see `prompt` as it is.
    #[must_use]
    pub fn bare(strong: Model, pair: WeakPair, prompt: &str) -> Self {
        Self {
            strong,
            pair,
            strong_prompt: prompt.into(),
            pair_prompt: prompt.into(),
        }
    }

    /// The strong model with its prompt prefilled.
    ///
    /// # Errors
    /// An empty prompt without BOS; a prompt and budget that outgrow the context.
    pub fn sampler(&self, params: &SearchParams) -> Result<StrongSampler, ModelError> {
        let n = params.max_new_tokens.get();
        let prompt = &self.strong_prompt;
        StrongSampler::new(self.strong.clone(), prompt, n)
    }

    /// After how many tokens each growing chunks can be scored so that it adds no more than a fifth
    /// to the time a round takes. A pass costs about as much as a model has parameters.
    #[must_use]
    pub fn scoring_rhythm(&self) -> NonZeroUsize {
        let n_params = |model: &Model| model.decoder.n_params();
        let pair = n_params(&self.pair.tuned) + n_params(&self.pair.untuned);
        let every = (5 * pair).div_ceil(n_params(&self.strong).max(1));
        NonZeroUsize::new(every as usize).unwrap_or(NonZeroUsize::MIN)
    }

    /// The pair's prompt: the paper's code adds no BOS.
    pub(super) fn read_by_pair(&self, rules: Rules) -> Prompt {
        match rules {
            Rules::Fixed => self.pair_prompt.clone(),
            Rules::Reference => self.pair_prompt.without_bos(),
        }
    }

    /// All that the three models say about a complete candidate; the `n_likeliest` tokens at
    /// every place.
    ///
    /// # Errors
    /// A text that outgrows a context.
    pub fn evidence(
        &self,
        params: &SearchParams,
        candidate: &Hypothesis,
        n_likeliest: usize,
    ) -> Result<(PairEvidence, Vec<Place>), ModelError> {
        let reader = self.reader(params.rules)?;
        let pair = reader.evidence(&candidate.response(params.rules), n_likeliest)?;
        let prompt = self.strong.prompt_ids(&self.strong_prompt, 0)?;
        let ids = [&prompt[..], &candidate.tokens].concat();
        let (first, sampling) = (prompt.len(), &params.sampling);
        let strong = self
            .strong
            .places(&ids, first, n_likeliest, sampling, params.rules)?;
        Ok((pair, strong))
    }

    /// How the pair would score here.
    pub(super) fn join(&self, rules: Rules) -> Join {
        Join::choose(rules, &self.strong, &self.pair)
    }

    /// Responses as the pair reads them, without a budget for new tokens.
    ///
    /// # Errors
    /// See [`Reader::new`].
    pub(super) fn reader(&self, rules: Rules) -> Result<Reader, ModelError> {
        let prompt = self.read_by_pair(rules);
        Reader::new(self.pair.clone(), &prompt, self.join(rules), 0)
    }

    /// Whether keys and values of all candidates at their longest fit into memory. Prompts are
    /// stored once for all rows and left out.
    fn check_memory(&self, params: &SearchParams) -> Result<(), ModelError> {
        let models = [&self.strong, &self.pair.tuned, &self.pair.untuned];
        let here = models.iter().filter(|m| m.decoder.on_host());
        let configs: Vec<_> = here.map(|m| m.decoder.config()).collect();
        let (n_rows, len) = (params.n_candidates(), params.max_new_tokens.get());
        check_caches(&configs, n_rows, len, free_memory())
    }

    /// The pair with its prompt prefilled.
    ///
    /// # Errors
    /// As [`Self::sampler`]; candidates that memory would not hold.
    pub fn scorer(&self, params: &SearchParams) -> Result<PairScorer, ModelError> {
        let join = self.join(params.rules);
        let n = params.max_new_tokens.get();
        self.check_memory(params)?;
        let prompt = self.read_by_pair(params.rules);
        PairScorer::new(self.pair.clone(), &prompt, join, n)
    }
}
