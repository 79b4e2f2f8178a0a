//! Prompts as each side of a search sees them: through a template, then as ids.

use super::setting::Setting;
use crate::decoder::ForwardError;
use crate::library::{Library, Model, WeakPair};
use crate::models::{EncodeError, Message, Prompt, Talk, presets, render};
use crate::search::{ModelError, TokenId};
use crate::template::{Date, Template, Templates};

impl Library {
    /// `prompt` for both sides, each through its template.
    ///
    /// # Errors
    /// A template that cannot be used with its model.
    pub fn setting(
        &self,
        strong: Model,
        pair: WeakPair,
        prompt: &str,
    ) -> Result<Setting, ModelError> {
        Ok(Setting {
            strong_prompt: strong_prompt(self.templates(), &strong, prompt)?,
            pair_prompt: pair_prompt(self.templates(), &pair, prompt)?,
            strong,
            pair,
        })
    }
}

/// `prompt` through the strong model's template: the user's, else its preset's.
///
/// # Errors
/// A template that cannot be used with the model.
pub fn strong_prompt(
    templates: &Templates,
    strong: &Model,
    prompt: &str,
) -> Result<Prompt, ModelError> {
    let preset = || presets().strong_template(&strong.name).cloned();
    let template = templates.strong.clone().or_else(preset);
    let system = templates.system.as_deref();
    template
        .unwrap_or_default()
        .apply(strong, prompt, system, templates.date)
}

/// `prompt` through the pair's template.
///
/// # Errors
/// As [`strong_prompt`].
pub fn pair_prompt(
    templates: &Templates,
    pair: &WeakPair,
    prompt: &str,
) -> Result<Prompt, ModelError> {
    let preset = || presets().pair_template(&pair.tuned.name).cloned();
    let template = templates.pair.clone().or_else(preset);
    let template = template.unwrap_or_default();
    // A system prompt is for those who are chatted with.
    let system = templates.system.as_deref();
    let system = system.filter(|_| template == Template::Chat);
    template.apply(&pair.tuned, prompt, system, templates.date)
}

impl Template {
    /// `prompt` as `model` is to see it, on a fixed date or today.
    ///
    /// # Errors
    /// A chat template that is missing or cannot be run; a system prompt without one.
    pub fn apply(
        &self,
        model: &Model,
        prompt: &str,
        system: Option<&str>,
        date: Option<Date>,
    ) -> Result<Prompt, ModelError> {
        match (self, system) {
            (Self::Chat, system) => {
                let system = system.map(|text| Message::new("system", text));
                let own = Message::new("user", prompt);
                chat(model, system.into_iter().chain([own]).collect(), date)
            }
            (_, Some(_)) => Err(ModelError::Other(format!(
                "a system prompt for {} needs its chat template: choose the template 'chat'",
                model.name
            ))),
            (Self::Raw, None) => Ok(prompt.into()),
            (Self::Text(text), None) => Ok(text.replace("{prompt}", prompt).as_str().into()),
        }
    }
}

/// A conversation and the beginning of an answer, as `model` was taught to read them.
///
/// # Errors
/// A chat template that is missing or cannot be run.
pub fn chat(
    model: &Model,
    messages: Vec<Message>,
    date: Option<Date>,
) -> Result<Prompt, ModelError> {
    let Some(source) = &model.chat_template else {
        return Err(ModelError::Other(format!(
            "{} has no chat template: choose raw or a text with {{prompt}} in it",
            model.name
        )));
    };
    let talk = Talk {
        messages,
        is_open: true,
        specials: model.tokenizer.specials().to_vec(),
        date: date.map(|date| date.0),
    };
    let rendered = render(source, talk).map_err(|reason| {
        ModelError::Other(format!(
            "the chat template of {} cannot be used ({reason}): choose raw or a text with {{prompt}} in it",
            model.name
        ))
    });
    rendered.map(Prompt::complete)
}

impl Model {
    /// The ids that a response follows: those of `prompt`, or BOS alone when it is empty.
    ///
    /// # Errors
    /// An empty prompt for a model without BOS; a prompt that does not leave room for
    /// `max_new_tokens` in the context.
    pub fn prompt_ids(
        &self,
        prompt: &Prompt,
        max_new_tokens: usize,
    ) -> Result<Vec<TokenId>, ModelError> {
        let mut ids = self.try_text_ids(prompt, "")?;
        if ids.is_empty() {
            ids.push(self.tokenizer.bos().ok_or_else(|| self.needs_a_prompt())?);
        }
        self.check_context(ids.len() + max_new_tokens)?;
        Ok(ids)
    }

    /// # Errors
    /// [`ModelError::ContextFull`] when `needed` tokens are more than the model can hold.
    pub fn check_context(&self, needed: usize) -> Result<(), ModelError> {
        let context = self.decoder.config().context;
        if needed <= context {
            return Ok(());
        }
        Err(ModelError::ContextFull {
            who: self.name.clone(),
            context,
            needed,
        })
    }

    #[must_use]
    pub fn not_finite(&self) -> ModelError {
        ModelError::NotFinite {
            who: self.name.clone(),
        }
    }

    fn needs_a_prompt(&self) -> ModelError {
        ModelError::Other(format!(
            "the prompt is empty and {} has no BOS token to start from: write a prompt",
            self.name
        ))
    }
}

impl From<EncodeError> for ModelError {
    fn from(error: EncodeError) -> Self {
        Self::Other(error.to_string())
    }
}

impl From<ForwardError> for ModelError {
    fn from(error: ForwardError) -> Self {
        Self::Other(error.to_string())
    }
}
