//! Where a report's models come from, and what serves its searches.

use crate::evidence::{Seams, Xray};
use crate::guide::Position;
use crate::library::{Checked, Library};
use crate::models::ModelSpec;
use crate::search::{
    Executor, Hypothesis, LaneId, LogRatio, ModelError, PairId, Panel, Response, Rules,
    SearchParams, TokenId,
};

/// Where models come from: the model library, or toys in tests.
///
/// Weights are loaded once and stay.
pub trait Models {
    /// What serves searches of `strong` guided by `panel`, which is known by its name. Loads all
    /// of them, and a pair that is only asked afterwards, so that bad models are told before any
    /// work.
    ///
    /// # Errors
    /// In words for the user: an unknown SPEC, damaged weights, halves that do not fit.
    fn executor(
        &mut self,
        strong: &str,
        panel: &Panel,
        second: Option<&str>,
    ) -> Result<Box<dyn PromptExecutor>, ModelError>;

    /// The log-ratio of a response that is given as text; `ended` scores the EOS after it.
    ///
    /// # Errors
    /// As [`Models::executor`]; texts that outgrow the context.
    fn score(
        &mut self,
        pair: &str,
        prompt: &str,
        response: &str,
        ended: bool,
    ) -> Result<LogRatio, ModelError>;

    /// The tokenizer of a strong model.
    ///
    /// # Errors
    /// As [`Models::executor`].
    fn detokenizer(&mut self, strong: &str) -> Result<Box<dyn Detokenizer>, ModelError>;

    /// The raw logits of `model` after each of `ids`, the first `n` of each position.
    ///
    /// # Errors
    /// A model that cannot be loaded; ids that it does not have.
    fn positions(
        &mut self,
        model: &str,
        _ids: &[TokenId],
        _n: usize,
    ) -> Result<Vec<Position>, ModelError> {
        Err(cannot_be_inspected(model))
    }

    /// What the three models see of `prompt`, and of `response` after it.
    ///
    /// # Errors
    /// As [`Models::score`].
    fn xray(
        &mut self,
        strong: &str,
        _pair: &str,
        _prompt: &str,
        _response: Option<&str>,
    ) -> Result<Xray, ModelError> {
        Err(cannot_be_inspected(strong))
    }

    /// How `response` holds together with `prompt`, and with a `chunk` after it.
    ///
    /// # Errors
    /// As [`Models::score`].
    fn seams(
        &mut self,
        strong: &str,
        _pair: &str,
        _prompt: &str,
        _response: &str,
        _chunk: Option<&str>,
    ) -> Result<Seams, ModelError> {
        Err(cannot_be_inspected(strong))
    }

    /// Brings a model's files to this machine; where they are.
    ///
    /// # Errors
    /// What cannot be fetched.
    fn fetch(&mut self, model: &ModelSpec) -> Result<ModelSpec, ModelError> {
        Err(cannot_be_inspected(&model.to_string()))
    }

    /// Reads all of a model without keeping it.
    ///
    /// # Errors
    /// Why it cannot be used.
    fn check(&mut self, model: &ModelSpec) -> Result<Checked, ModelError> {
        Err(cannot_be_inspected(&model.to_string()))
    }

    /// The library of all models, where there is one: what is trained is read from it.
    ///
    /// # Errors
    /// These models cannot be trained.
    fn library(&mut self) -> Result<&mut Library, ModelError> {
        Err(ModelError::Other(
            "these models cannot be trained".to_owned(),
        ))
    }

    /// Where models run, in words.
    fn device(&self) -> String;
}

fn cannot_be_inspected(model: &str) -> ModelError {
    ModelError::Other(format!("{model} cannot be inspected: choose another model"))
}

/// Serves searches, each with a prompt of its own.
pub trait PromptExecutor: Executor {
    /// A search of `prompt` begins in `lane`.
    ///
    /// # Errors
    /// In words for the user: a prompt that is empty without BOS; a prompt and budget that
    /// outgrow a context; candidates that memory would not hold.
    fn open(&mut self, lane: LaneId, prompt: &str, params: &SearchParams)
    -> Result<(), ModelError>;

    /// The same where the pair is shown another prompt than the strong model.
    ///
    /// # Errors
    /// As [`Self::open`].
    fn open_apart(
        &mut self,
        lane: LaneId,
        prompt: &str,
        shown: &str,
        params: &SearchParams,
    ) -> Result<(), ModelError> {
        match prompt == shown {
            true => self.open(lane, prompt, params),
            false => Err(cannot_be_inspected(shown)),
        }
    }

    /// What a pair that had no say finds of responses of a lane, in nats.
    ///
    /// # Errors
    /// It was not asked for, or as a model has it.
    fn second(
        &mut self,
        _lane: LaneId,
        pair: &PairId,
        _responses: &[Response],
    ) -> Result<Vec<f64>, ModelError> {
        Err(cannot_be_inspected(pair.as_str()))
    }

    /// The mean of the strong model's last hidden states over a response of a lane.
    ///
    /// # Errors
    /// As a model has it, or it cannot be asked.
    fn mean_state(&mut self, _lane: LaneId, response: &Hypothesis) -> Result<Vec<f32>, ModelError> {
        Err(cannot_be_inspected(&response.text.to_string()))
    }

    /// How many searches of these settings memory holds at once.
    fn fits(&self, _params: &SearchParams) -> usize {
        usize::MAX
    }
}

/// Token ids back to text.
pub trait Detokenizer {
    /// The text of a response, special tokens left out. Under [`Rules::Fixed`] the bytes of an
    /// incomplete last character are held back.
    fn decode(&self, ids: &[TokenId], rules: Rules) -> String;

    /// Whether `id` ends a response.
    fn is_eos(&self, id: TokenId) -> bool;
}
