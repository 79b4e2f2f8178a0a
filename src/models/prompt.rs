//! A prompt as one model sees it.

/// What a response follows: text with its template applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    pub text: String,
    /// Whether a tokenizer that begins texts with BOS does so here. Raw prompts ask for it; a
    /// chat template writes its special tokens itself.
    pub bos: bool,
}

impl Prompt {
    /// A template's outcome, which is complete.
    #[must_use]
    pub fn complete(text: String) -> Self {
        Self { text, bos: false }
    }

    /// The same text without BOS, as the paper's code reads every prompt.
    #[must_use]
    pub fn without_bos(&self) -> Self {
        Self::complete(self.text.clone())
    }
}

impl From<&str> for Prompt {
    fn from(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            bos: true,
        }
    }
}
