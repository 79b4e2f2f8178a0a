//! `w2s tune` as it is typed.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::TextOrJson;
use crate::config::Device;
use crate::template::{Date, Template};

#[derive(Debug, Clone, Args)]
pub struct TuneArgs {
    /// What to learn: responses (sft), preferences (dpo), or a reward model of preferences
    #[arg(value_enum, value_name = "WHAT", required_unless_present = "recording")]
    pub what: Option<Learnt>,
    #[command(flatten)]
    pub data: DataArgs,
    #[command(flatten)]
    pub model: TunedArgs,
    #[command(flatten)]
    pub steps: StepArgs,
    #[command(flatten)]
    pub watch: WatchArgs,
    /// Repeat the steps of a recording and print what they say, as one JSON object
    #[arg(long, value_name = "FILE", conflicts_with_all = ["out", "data", "judge", "what"])]
    pub recording: Option<PathBuf>,
    /// What to print: lines for people, or every event as JSON
    #[arg(long, value_enum, default_value_t = TextOrJson::Text)]
    pub format: TextOrJson,
}

/// What is learnt from data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Learnt {
    /// Supervised fine-tuning: the likelihood of responses
    Sft,
    /// Direct preference optimisation: chosen over rejected
    Dpo,
    /// A reward model (Bradley-Terry): a head of one number, to be a judge
    Reward,
}

/// Where the data comes from.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Data")]
pub struct DataArgs {
    /// JSON lines in TRL's forms: {prompt, chosen, rejected}, {prompt, completion}, {text} or
    /// {messages}
    #[arg(long, value_name = "FILE", conflicts_with = "judge")]
    pub data: Option<PathBuf>,
    /// Or made here: the base's own samples, compared by a judge as `w2s judge` names them
    #[arg(long, value_name = "SPEC")]
    pub judge: Option<String>,
    /// Turns the judge round: what it finds worse is preferred
    #[arg(long, requires = "judge")]
    pub flip: bool,
    /// What is sampled after: a JSON list of strings [default: the sample prompts]
    #[arg(long, value_name = "FILE", requires = "judge")]
    pub prompts: Option<PathBuf>,
    /// How many pairs of samples are compared
    #[arg(long, value_name = "N", default_value_t = 4000, requires = "judge")]
    pub pairs: usize,
    /// How sharply scores decide, by Bradley-Terry: P(a over b) = σ(scale (r(a) - r(b))); inf is
    /// always the higher
    #[arg(long, value_name = "X", default_value_t = 2.0, requires = "judge")]
    pub scale: f64,
    /// Tokens of a sample at most
    #[arg(long, value_name = "N", default_value_t = 40, requires = "judge")]
    pub new_tokens: usize,
    /// At which samples are drawn
    #[arg(
        short = 'T',
        long,
        value_name = "T",
        default_value_t = 1.0,
        requires = "judge"
    )]
    pub temperature: f64,
    /// The most tokens of a prompt with its response; longer ones are cut [default: the model's
    /// context, at most 512]
    #[arg(long, value_name = "N")]
    pub most_tokens: Option<usize>,
    /// What the model sees of a prompt: raw, chat, or a text with {prompt} in it [default: raw;
    /// chat for messages]
    #[arg(long, value_name = "TEMPLATE")]
    pub template: Option<Template>,
    /// A system prompt, for chat templates
    #[arg(long, value_name = "TEXT")]
    pub system: Option<String>,
    /// What chat templates take for today [default: the clock's]
    #[arg(long, value_name = "DATE")]
    pub date: Option<Date>,
}

/// What is tuned, and into what.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Model")]
pub struct TunedArgs {
    /// The model to begin with, which becomes the untuned half of the pair
    #[arg(long, value_name = "SPEC", default_value = "bundled:untuned")]
    pub base: String,
    /// The folder that becomes the tuned half; a training that was stopped goes on in it
    #[arg(long, value_name = "FOLDER", required_unless_present = "recording")]
    pub out: Option<PathBuf>,
    /// Train factors of this rank beside the weights (LoRA), as PEFT lays them out; 0 trains all
    /// weights
    #[arg(long, value_name = "RANK", default_value_t = 0)]
    pub lora: usize,
    /// What the factors' product counts, times the rank [default: twice the rank]
    #[arg(long, value_name = "ALPHA")]
    pub alpha: Option<f64>,
    /// The matrices that get factors, by the last part of their names [default: all in the layers]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub targets: Vec<String>,
    /// Write weights in 16 bits
    #[arg(long)]
    pub halves: bool,
    /// Where to train [default: auto]
    #[arg(long, value_enum)]
    pub device: Option<Device>,
}

/// How steps are made.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Steps")]
pub struct StepArgs {
    /// The loss of preferences
    #[arg(long, value_enum, default_value_t = Loss::Dpo)]
    pub loss: Loss,
    /// How much a margin counts, in dpo and ipo
    #[arg(long, value_name = "BETA", default_value_t = 0.1)]
    pub beta: f64,
    /// How often a preference is thought to be the wrong way round
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    pub smoothing: f64,
    /// The highest rate [default: 5e-4 for sft, 3e-4 else; 2e-3 with --lora]
    #[arg(long, value_name = "RATE")]
    pub rate: Option<f64>,
    /// How the rate falls
    #[arg(long, value_enum, default_value_t = Fall::Linear)]
    pub schedule: Fall,
    /// Share of all steps in which the rate rises
    #[arg(long, value_name = "SHARE", default_value_t = 0.05)]
    pub warmup: f64,
    /// Times that all data is learnt
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub epochs: usize,
    /// No more steps than that
    #[arg(long, value_name = "N")]
    pub steps: Option<usize>,
    /// Examples a step
    #[arg(long, value_name = "N", default_value_t = 32)]
    pub batch: usize,
    /// AdamW's decay of weights
    #[arg(long, value_name = "X", default_value_t = 0.0)]
    pub decay: f64,
    /// The most that the norm of a gradient may be; 0 is any
    #[arg(long, value_name = "X", default_value_t = 1.0)]
    pub clip: f64,
    /// Share of the data that is not learnt but measured
    #[arg(long, value_name = "SHARE", default_value_t = 0.1)]
    pub held_out: f64,
    /// Steps between measures, which leave a checkpoint
    #[arg(long, value_name = "N", default_value_t = 25)]
    pub every: usize,
    /// End after so many measures in a row that were no better; 0 goes to the end
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub patience: usize,
    /// Same seed, same training
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    pub seed: u64,
}

/// What is searched as the model learns.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Watching")]
pub struct WatchArgs {
    /// How many prompts are searched under every checkpoint, for the judge to compare with the
    /// unguided strong model; 0 is none
    #[arg(long, value_name = "N", default_value_t = 4)]
    pub watch: usize,
    /// The strong model that is guided there
    #[arg(long, value_name = "SPEC", default_value = "bundled:strong")]
    pub strong: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Loss {
    Dpo,
    Ipo,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Fall {
    Constant,
    Linear,
    Cosine,
}
