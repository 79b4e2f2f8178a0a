//! What a search works with: three models, and the prompt as each side sees it.

use super::memory::{check_caches, row_bytes};
use super::reader::{Reader, scoring};
use crate::evidence::Scoring;
use crate::library::{Model, WeakPair, cache_bytes, free_memory};
use crate::models::{DecoderConfig, Prompt};
use crate::search::{ModelError, Rules, SearchParams};

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

    /// The pair's prompt: the paper's code adds no BOS.
    pub(super) fn read_by_pair(&self, rules: Rules) -> Prompt {
        match rules {
            Rules::Fixed => self.pair_prompt.clone(),
            Rules::Reference => self.pair_prompt.without_bos(),
        }
    }

    /// How the pair would score here.
    pub(super) fn scoring(&self, rules: Rules) -> Scoring {
        scoring(rules, &self.strong, &self.pair)
    }

    /// Responses as the pair reads them, with room for `n` new tokens.
    ///
    /// # Errors
    /// See [`Reader::new`].
    pub(super) fn reader(&self, rules: Rules, n: usize) -> Result<Reader, ModelError> {
        let prompt = self.read_by_pair(rules);
        let scoring = self.scoring(rules);
        Reader::new(self.pair.clone(), &prompt, scoring, self.strong.ends(), n)
    }

    /// Whether a search under `params` has room: in the contexts of all three models, and in
    /// memory for the keys and values of all candidates at their longest, and of the prompt, which
    /// they share.
    ///
    /// # Errors
    /// [`ModelError`], with what would fit.
    pub fn check(&self, params: &SearchParams) -> Result<(), ModelError> {
        self.check_beside(0, params)
    }

    /// The same beside other searches, which want `taken` bytes of memory.
    ///
    /// # Errors
    /// As [`Self::check`].
    pub(super) fn check_beside(&self, taken: u64, params: &SearchParams) -> Result<(), ModelError> {
        let n = params.max_new_tokens().get();
        let prompt = self.strong.prompt_ids(&self.strong_prompt, n)?;
        let reader = self.reader(params.rules(), n)?;
        let lens = [
            prompt.len(),
            reader.prompt_ids.len(),
            reader.prompt_ids.len(),
        ];
        let rows = (params.most_alive(), n);
        let (row, prompt) = self.caches(lens, n, Model::is_here);
        check_caches(row, rows, prompt, free_memory(), taken)?;
        // All that are elsewhere are on one device.
        let mut far = self.models().into_iter();
        let Some((free, each)) = far.find_map(|m| m.decoder.room_for_caches()) else {
            return Ok(());
        };
        let (row, prompt) = self.caches(lens, n, |model| !model.is_here());
        let sized = |bytes: u64| bytes / size_of::<f32>() as u64 * each as u64;
        check_caches(sized(row), rows, sized(prompt), Some(free), 0)
    }

    /// Bytes in f32 of keys and values of a row of `n` tokens, and of prompts of these lengths, in
    /// those models that are meant.
    fn caches(&self, lens: [usize; 3], n: usize, is_meant: impl Fn(&Model) -> bool) -> (u64, u64) {
        let models = self.models().into_iter().zip(lens);
        let meant = models.filter(|(model, _)| is_meant(model));
        meant.fold((0, 0), |(row, prompt), (model, len)| {
            let config = model.decoder.config();
            (
                row + cache_bytes(config, 1, n),
                prompt + cache_bytes(config, 1, len),
            )
        })
    }

    /// Keys and values of all candidates at their longest, where they take this machine's memory.
    pub(super) fn bytes(&self, params: &SearchParams) -> u64 {
        let n = params.max_new_tokens().get();
        row_bytes(&self.configs_here(), n) * params.most_alive() as u64
    }

    fn configs_here(&self) -> Vec<&DecoderConfig> {
        let here = self.models().into_iter().filter(|m| m.is_here());
        here.map(|m| m.decoder.config()).collect()
    }

    fn models(&self) -> [&Model; 3] {
        [&self.strong, &self.pair.tuned, &self.pair.untuned]
    }
}
