//! The model library as the source of a report's models.

use std::fmt::Display;

use super::ports::{Detokenizer, Models, PromptExecutor};
use crate::config::Device;
use crate::decoder::DeviceChoice;
use crate::evidence::{Seams, Xray};
use crate::guide::{
    ModelExecutor, Position, Prompts, pair_prompt, positions, score_text, text_seams, xray,
};
use crate::library::{Checked, Library, Model, WeakPair};
use crate::models::{ModelSpec, PairSpec};
use crate::search::{
    Ask, Executor, Hypothesis, HypothesisId, LaneId, LogRatio, ModelError, PairId, Panel, Partial,
    Response, Rules, SearchParams, Served, TokenId,
};

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
    fn executor(
        &mut self,
        strong: &str,
        panel: &Panel,
        second: Option<&str>,
    ) -> Result<Box<dyn PromptExecutor>, ModelError> {
        let strong = strong_model(self, strong)?;
        let mut executor = ModelExecutor::new(strong, self.templates().clone());
        let members = panel.members().iter().map(|(name, _)| name.as_str());
        for name in members.chain(second) {
            executor.add_pair(PairId::from(name), weak_pair(self, name)?);
        }
        let pair = panel.id();
        Ok(Box::new(Guided { executor, pair }))
    }

    fn score(
        &mut self,
        pair: &str,
        prompt: &str,
        response: &str,
        ended: bool,
    ) -> Result<LogRatio, ModelError> {
        let pair = weak_pair(self, pair)?;
        let prompt = pair_prompt(self.templates(), &pair, prompt)?;
        score_text(&pair, &prompt, response, ended)
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

    fn library(&mut self) -> Result<&mut Library, ModelError> {
        Ok(self)
    }

    fn device(&self) -> String {
        Self::device(self)
    }
}

/// Models whose searches all follow one pair.
struct Guided {
    executor: ModelExecutor,
    pair: PairId,
}

impl PromptExecutor for Guided {
    fn open(
        &mut self,
        lane: LaneId,
        prompt: &str,
        params: &SearchParams,
    ) -> Result<(), ModelError> {
        self.executor.open(lane, prompt, &self.pair, params)
    }

    fn open_apart(
        &mut self,
        lane: LaneId,
        prompt: &str,
        shown: &str,
        params: &SearchParams,
    ) -> Result<(), ModelError> {
        let prompts = Prompts {
            strong: prompt,
            pair: shown,
        };
        self.executor.open_apart(lane, prompts, &self.pair, params)
    }

    fn second(
        &mut self,
        lane: LaneId,
        pair: &PairId,
        responses: &[Response],
    ) -> Result<Vec<f64>, ModelError> {
        self.executor.score_beside(lane, pair, responses)
    }

    fn mean_state(&mut self, lane: LaneId, response: &Hypothesis) -> Result<Vec<f32>, ModelError> {
        self.executor.mean_state(lane, response)
    }

    fn fits(&self, params: &SearchParams) -> usize {
        self.executor.fits(&self.pair, params)
    }
}

impl Executor for Guided {
    fn post(&mut self, lane: LaneId, ask: Option<&Ask>) {
        self.executor.post(lane, ask);
    }

    fn step(&mut self) -> Vec<Served> {
        self.executor.step()
    }

    fn partials(&mut self, lane: LaneId, by: Option<&PairId>) -> Result<Vec<Partial>, ModelError> {
        self.executor.partials(lane, by)
    }

    fn retain(&mut self, lane: LaneId, ids: &[HypothesisId]) {
        self.executor.retain(lane, ids);
    }

    fn close(&mut self, lane: LaneId) {
        self.executor.close(lane);
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
