//! What a model is shown of a prompt.

use std::str::FromStr;

/// What becomes of a prompt before a model sees it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Template {
    /// The prompt as it is.
    #[default]
    Raw,
    /// The model's own chat template, the prompt as the user's turn.
    Chat,
    /// A text with `{prompt}` in it.
    Text(String),
}

/// The templates of both sides of a search, where the user has chosen them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Templates {
    pub strong: Option<Template>,
    pub pair: Option<Template>,
    /// A system prompt, for chat templates.
    pub system: Option<String>,
    /// What chat templates take for today.
    pub date: Option<Date>,
}

/// A day, and a time of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Date(pub jiff::civil::DateTime);

impl FromStr for Date {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let date = text.parse().map(Self);
        date.map_err(|_| "use YYYY-MM-DD or YYYY-MM-DDTHH:MM:SS".to_owned())
    }
}

impl FromStr for Template {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "raw" => Ok(Self::Raw),
            "chat" => Ok(Self::Chat),
            text if text.contains("{prompt}") => Ok(Self::Text(text.to_owned())),
            _ => Err("use raw, chat or a text with {prompt} in it".to_owned()),
        }
    }
}
