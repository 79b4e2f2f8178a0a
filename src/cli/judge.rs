//! `w2s judge` as it is typed.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args};

use super::TextOrJson;
use crate::config::Device;
use crate::template::Template;

#[derive(Debug, Clone, Args)]
#[command(group = ArgGroup::new("judged").required(true))]
pub struct JudgeArgs {
    /// A judge, or several by giving it again: bundled, length, lexicon:FILE, cmd:SHELL, and
    /// `hf:owner/name[@revision]` or a folder in Hugging Face layout, with :LABEL or :LABEL-LABEL
    /// behind it
    #[arg(long = "judge", value_name = "SPEC", required = true)]
    pub judges: Vec<String>,
    /// What the text continues [default: nothing]
    #[arg(
        long,
        value_name = "TEXT",
        requires = "text",
        allow_hyphen_values = true
    )]
    pub prompt: Option<String>,
    /// The text to judge
    #[arg(
        long,
        value_name = "TEXT",
        group = "judged",
        allow_hyphen_values = true
    )]
    pub text: Option<String>,
    /// Many texts: lines of {"prompt", "text"}, the prompt if there is one; prints one JSON line
    /// each
    #[arg(long, value_name = "FILE", group = "judged", conflicts_with = "format")]
    pub cases: Option<PathBuf>,
    /// What reward models see of a prompt: raw, chat (the response as the answer), or a text with
    /// {prompt} in it [default: chat where the model has a template, else raw]
    #[arg(long, value_name = "TEMPLATE")]
    pub template: Option<Template>,
    /// The most seconds a command may take for a text [default: 10]
    #[arg(long, value_name = "SECONDS", value_parser = limit_text)]
    pub limit: Option<Duration>,
    /// Where reward models run; other judges run on the CPU [default: auto]
    #[arg(long, value_enum)]
    pub device: Option<Device>,
    /// Print the ids of the tokens that a classifier has read, too
    #[arg(long)]
    pub ids: bool,
    /// What to print: a line a judge [default: text; json with --cases]
    #[arg(long, value_enum)]
    pub format: Option<TextOrJson>,
}

fn limit_text(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok();
    let seconds = seconds.filter(|seconds: &f64| (0.001..=86_400.0).contains(seconds));
    let limit = seconds.map(Duration::from_secs_f64);
    limit.ok_or_else(|| "use seconds between 0.001 and 86400".to_owned())
}
