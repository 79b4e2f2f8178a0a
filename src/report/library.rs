//! The model library as the source of a report's models.

use std::fmt::Display;

use super::{Detokenizer, Models};
use crate::config::Device;
use crate::decoder::DeviceChoice;
use crate::guide::{
    Join, PairScorer, Position, Seams, StrongSampler, Xray, positions, text_seams, xray,
};
use crate::library::{Checked, Library, Model, WeakPair};
use crate::models::{ModelSpec, PairSpec};
use crate::search::{ChunkSampler, ModelError, Rules, Scorer, SearchParams, TokenId};

impl From<Device> for DeviceChoice {
    fn from(device: Device) -> Self {
        match device {
            Device::Auto => Self::Auto,
            Device::Cpu => Self::Cpu,
            Device::Cuda => Self::Cuda,
            Device::Metal => Self::Metal,
        }
    }
}

impl Models for Library {
    fn prepare(&mut self, strong: Option<&str>, pair: &str) -> Result<(), ModelError> {
        if let Some(strong) = strong {
            strong_model(self, strong)?;
        }
        weak_pair(self, pair)?;
        Ok(())
    }

    fn strong(
        &mut self,
        strong: &str,
        prompt: &str,
        params: &SearchParams,
    ) -> Result<Box<dyn ChunkSampler>, ModelError> {
        let model = strong_model(self, strong)?;
        let n = params.max_new_tokens.get();
        let prompt = self.strong_prompt(&model, prompt)?;
        Ok(Box::new(StrongSampler::new(model, &prompt, n)?))
    }

    fn weak_pair(
        &mut self,
        pair: &str,
        strong: &str,
        prompt: &str,
        params: &SearchParams,
    ) -> Result<Box<dyn Scorer>, ModelError> {
        let (strong, pair) = (strong_model(self, strong)?, weak_pair(self, pair)?);
        let setting = self.setting(strong, pair, prompt)?;
        Ok(Box::new(setting.scorer(params)?))
    }

    fn text_scorer(&mut self, pair: &str, prompt: &str) -> Result<Box<dyn Scorer>, ModelError> {
        let pair = weak_pair(self, pair)?;
        let prompt = self.pair_prompt(&pair, prompt)?;
        Ok(Box::new(PairScorer::new(pair, &prompt, Join::Text, 0)?))
    }

    fn detokenizer(&mut self, strong: &str) -> Result<Box<dyn Detokenizer>, ModelError> {
        Ok(Box::new(strong_model(self, strong)?))
    }

    fn positions(
        &mut self,
        model: &str,
        ids: &[TokenId],
        n: usize,
    ) -> Result<Vec<Position>, ModelError> {
        let decoder = self.decoder(&ModelSpec::parse(model)).map_err(in_words)?;
        Ok(positions(&decoder, ids, n)?)
    }

    fn xray(
        &mut self,
        strong: &str,
        pair: &str,
        prompt: &str,
        response: Option<&str>,
    ) -> Result<Xray, ModelError> {
        let (strong, pair) = (strong_model(self, strong)?, weak_pair(self, pair)?);
        let setting = self.setting(strong, pair, prompt)?;
        xray(&setting, Rules::Fixed, response)
    }

    fn seams(
        &mut self,
        strong: &str,
        pair: &str,
        prompt: &str,
        response: &str,
        chunk: Option<&str>,
    ) -> Result<Seams, ModelError> {
        let (strong, pair) = (strong_model(self, strong)?, weak_pair(self, pair)?);
        let setting = self.setting(strong, pair, prompt)?;
        text_seams(&setting, Rules::Fixed, response, chunk)
    }

    fn fetch(&mut self, model: &ModelSpec) -> Result<ModelSpec, ModelError> {
        Self::fetch(self, model).map_err(in_words)
    }

    fn check(&mut self, model: &ModelSpec) -> Result<Checked, ModelError> {
        Self::check(self, model).map_err(in_words)
    }

    fn device(&self) -> String {
        Self::device(self)
    }
}

impl Detokenizer for Model {
    fn decode(&self, ids: &[TokenId], rules: Rules) -> String {
        match rules {
            Rules::Fixed => self.tokenizer.decode_whole_characters(ids),
            Rules::Reference => self.tokenizer.decode(ids),
        }
    }

    fn is_eos(&self, id: TokenId) -> bool {
        Self::is_eos(self, id)
    }
}

fn strong_model(library: &mut Library, spec: &str) -> Result<Model, ModelError> {
    library.model(&ModelSpec::parse(spec)).map_err(in_words)
}

fn weak_pair(library: &mut Library, spec: &str) -> Result<WeakPair, ModelError> {
    let spec = PairSpec::parse(spec).map_err(in_words)?;
    library.pair(&spec).map_err(in_words)
}

fn in_words(error: impl Display) -> ModelError {
    ModelError::Other(error.to_string())
}
