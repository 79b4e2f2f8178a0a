//! The command line as it is typed: raw, and checked elsewhere.
//!
//! No arguments start the playground; `run` and `score` do the same work without a terminal.

mod eval;
mod fill;
mod judge;
mod panel;
mod tune;

use std::io::Write as _;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};

pub use eval::{Control, EvalArgs, TableFormat, WeightSpace};
pub use judge::JudgeArgs;
pub use panel::PanelArgs;
pub use tune::{DataArgs, Fall, Learnt, Loss, StepArgs, TuneArgs, TunedArgs, WatchArgs};

use crate::config::{Device, Ground, pace};
use crate::line::one_line;
use crate::search::{
    Draft, MethodName, Panel, PanelRule, ParamError, Ranking, Rules, SearchParams,
};
use crate::template::{Date, Template, Templates};

/// Weak-to-strong search in the terminal: a strong model proposes, a weak pair chooses.
#[derive(Debug, Clone, Parser)]
#[command(name = "w2s", version, args_conflicts_with_subcommands = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub playground: PlaygroundArgs,
}

#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Search without a terminal and print the response.
    Run(RunArgs),
    /// Compare methods and settings over many prompts: judges, intervals, paired differences.
    Eval(EvalArgs),
    /// Print what the weak pair thinks of a response, token by token.
    Score(ScoreArgs),
    /// Print what judges say of a text: independent rewards that no search sees.
    Judge(JudgeArgs),
    /// Train a small model for a value: the tuned half of a weak pair, or a reward model.
    Tune(Box<TuneArgs>),
    /// Print what scores of several weak pairs come to: mixture, opinions, conflict, P(best).
    Panel(PanelArgs),
    /// Print what the models see of a prompt, or a model's raw logits.
    Inspect(InspectArgs),
    /// List, fetch or check models: bundled, presets, in the Hugging Face cache.
    Models(ModelsArgs),
    #[command(flatten)]
    Print(Print),
}

/// What the program says about itself, on stdout.
#[derive(Debug, Clone, Subcommand)]
pub enum Print {
    /// Print the commented default configuration, which is its manual.
    Config,
    /// Print a script that lets a shell complete w2s's options.
    Completions {
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// Print the manual page, for `man -l -`.
    Man {
        /// The command to describe [default: w2s itself]
        command: Option<String>,
    },
}

/// What the playground starts with.
#[derive(Debug, Clone, Args)]
pub struct PlaygroundArgs {
    /// The prompt to start with [default: a sample prompt]
    #[arg(long, value_name = "TEXT")]
    pub prompt: Option<String>,
    #[command(flatten)]
    pub search: SearchArgs,
    #[command(flatten)]
    pub models: ModelArgs,
    /// A judge to show beside the bundled one, or several by giving it again; `w2s judge --help`
    /// says which there are
    #[arg(long = "judge", value_name = "SPEC")]
    pub judges: Vec<String>,
    /// The least seconds a round takes, to watch it; 0 is full speed [default: 1]
    #[arg(long, value_name = "SECONDS", value_parser = pace_text, allow_negative_numbers = true)]
    pub pace: Option<Duration>,
    /// Colours for which background [default: auto, by what the terminal says]
    #[arg(long, value_enum)]
    pub theme: Option<Ground>,
    /// Begin without the cards of the first start
    #[arg(long)]
    pub no_tour: bool,
}

#[derive(Debug, Clone, Args)]
#[command(group = ArgGroup::new("input").required(true))]
pub struct RunArgs {
    /// The text to continue
    #[arg(long, value_name = "TEXT", group = "input", allow_hyphen_values = true)]
    pub prompt: Option<String>,
    /// Many prompts: a JSON list of strings; prints a list and means with 95 % intervals
    #[arg(long, value_name = "FILE", group = "input")]
    pub prompts: Option<PathBuf>,
    /// Of many prompts only the first N
    #[arg(long, value_name = "N", requires = "prompts")]
    pub first: Option<NonZeroUsize>,
    /// Replay a recorded search; the file brings its prompts, settings and models, and
    /// `--rules` is `reference` unless given
    #[arg(long, value_name = "FILE", group = "input")]
    pub tape: Option<PathBuf>,
    /// How many prompts are searched at once, their candidates in the same passes of the models;
    /// results come in the order of the prompts and are the same whatever N
    /// [default: as many as have about 64 candidates together and fit into memory]
    #[arg(long, value_name = "N", conflicts_with = "prompt")]
    pub in_flight: Option<NonZeroUsize>,
    #[command(flatten)]
    pub search: SearchArgs,
    #[command(flatten)]
    pub models: ModelArgs,
    /// What to print: the response, one JSON object, or the events as they happen
    /// [default: text for --prompt, json otherwise]
    #[arg(long, value_enum)]
    pub format: Option<Format>,
}

#[derive(Debug, Clone, Args)]
pub struct ScoreArgs {
    /// The text that the response continues
    #[arg(
        long,
        value_name = "TEXT",
        required_unless_present = "cases",
        conflicts_with = "cases",
        allow_hyphen_values = true
    )]
    pub prompt: Option<String>,
    /// The text to score
    #[arg(
        long,
        value_name = "TEXT",
        required_unless_present = "cases",
        conflicts_with = "cases",
        allow_hyphen_values = true
    )]
    pub response: Option<String>,
    /// The response is complete: score the EOS after it too
    #[arg(long, conflicts_with = "cases")]
    pub finished: bool,
    /// Many responses: lines of {"prompt", "response", "eos"}; prints one JSON line each
    #[arg(long, value_name = "FILE")]
    pub cases: Option<PathBuf>,
    /// fixed or reference; a response given as text scores the same under both
    #[arg(long, value_name = "RULES")]
    pub rules: Option<Rules>,
    #[command(flatten)]
    pub pair: PairArgs,
}

#[derive(Debug, Clone, Args)]
#[command(group = ArgGroup::new("what").required(true))]
pub struct InspectArgs {
    /// The prompt to see through the eyes of strong model and pair
    #[arg(long, value_name = "TEXT", group = "what", allow_hyphen_values = true)]
    pub prompt: Option<String>,
    /// What follows the prompt: shows whether a token spans the join
    #[arg(
        long,
        value_name = "TEXT",
        requires = "prompt",
        allow_hyphen_values = true
    )]
    pub response: Option<String>,
    /// What a round adds to the response: shows whether that changes how the pair reads it
    #[arg(
        long,
        value_name = "TEXT",
        requires = "response",
        allow_hyphen_values = true
    )]
    pub chunk: Option<String>,
    /// A model whose raw logits after each of --ids to print; needs no tokenizer
    #[arg(long, value_name = "SPEC", group = "what", requires = "ids")]
    pub model: Option<String>,
    /// Token ids to feed to --model, such as 5,6,7
    #[arg(long, value_name = "IDS", value_delimiter = ',', requires = "model")]
    pub ids: Vec<u32>,
    /// How many logits of each position to print, from id 0 on
    #[arg(long, value_name = "N", default_value_t = 8)]
    pub logits: usize,
    #[command(flatten)]
    pub models: ModelArgs,
    /// What to print
    #[arg(long, value_enum, default_value_t = TextOrJson::Text)]
    pub format: TextOrJson,
}

#[derive(Debug, Clone, Args)]
pub struct ModelsArgs {
    #[command(subcommand)]
    pub command: Option<ModelsCommand>,
}

#[derive(Debug, Clone, Subcommand)]
pub enum ModelsCommand {
    /// List what can be named: bundled models, presets, what the cache holds (the default)
    List,
    /// Fetch models from the hub into the cache, or what is missing of them
    Pull {
        /// Models, or presets of models and pairs
        #[arg(value_name = "SPEC", required = true)]
        specs: Vec<String>,
    },
    /// Read all of a model and say whether it can be used, and in how much memory
    Check {
        /// Models, or presets of models and pairs [default: what the cache holds]
        #[arg(value_name = "SPEC")]
        specs: Vec<String>,
    },
}

/// W, K, L and what else decides a search; `None` leaves it to the configuration file.
#[derive(Debug, Clone, Default, Args)]
pub struct SearchArgs {
    /// W: hypotheses kept after a round [default: 4]
    #[arg(short = 'W', long, value_name = "W")]
    pub beam_width: Option<usize>,
    /// K: successors sampled after each hypothesis [default: 4]
    #[arg(short = 'K', long, value_name = "K")]
    pub successors: Option<usize>,
    /// L: tokens a round adds; 0 means no chunking (L = ∞) [default: 5]
    #[arg(short = 'L', long, value_name = "L")]
    pub chunk_len: Option<usize>,
    /// New tokens at most [default: 50]
    #[arg(short = 'n', long, value_name = "N")]
    pub max_new_tokens: Option<usize>,
    /// 0 is greedy [default: 0.7]
    #[arg(short = 'T', long, value_name = "T", allow_negative_numbers = true)]
    pub temperature: Option<f64>,
    /// Sample from the k likeliest tokens only; 0 means all [default: 50]
    #[arg(long, value_name = "K")]
    pub top_k: Option<usize>,
    /// Sample from the likeliest tokens of this total probability only [default: 1]
    #[arg(long, value_name = "P", allow_negative_numbers = true)]
    pub top_p: Option<f64>,
    /// Same seed, same search [default: 0]
    #[arg(long, value_name = "SEED")]
    pub seed: Option<u64>,
    /// fixed (what serves a user) or reference (the paper's code, quirks included)
    /// [default: fixed]
    #[arg(long, value_name = "RULES")]
    pub rules: Option<Rules>,
    /// What of a candidate's log-ratio decides the cut: sum, per-token or chunk (what this chunk
    /// alone added) [default: sum]
    #[arg(long, value_name = "RANKING")]
    pub ranking: Option<Ranking>,
    /// Multiplies the log-ratio at the cut: 0 ignores the pair, -1 turns it round [default: 1]
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub weight: Option<f64>,
    /// How several pairs rank: mixture (the weighted sum of their log-ratios), naive (the mean of
    /// their opinions) or bayes (that mean's lower bound; three pairs and more) [default: mixture]
    #[arg(long, value_name = "RULE")]
    pub panel: Option<PanelRule>,
    /// How many standard deviations below the mean `--panel bayes` ranks by [default: 1]
    #[arg(long, value_name = "KAPPA", allow_negative_numbers = true)]
    pub kappa: Option<f64>,
    /// How to decode: base, greedy, bon:N, cbs, eft:BETA, eft-cbs:BETA, dvts, smc:ALPHA, tree:C,
    /// cards:TARGET or rejection:SHARE; W, K and L are those given, where the method leaves them
    /// open. The playground shows several side by side, `eval` compares them, and takes refine:N
    /// too: base after N guided answers to other prompts [default: cbs]
    #[arg(long, value_name = "METHOD", value_delimiter = ',')]
    pub method: Vec<MethodName>,
}

impl SearchArgs {
    /// What is given, and the defaults for the rest.
    ///
    /// # Errors
    /// [`ParamError`] names the setting that is out of range; several methods where there is to be
    /// one.
    pub fn params(&self) -> Result<SearchParams, ParamError> {
        self.rule()?;
        match self.method[..] {
            [] => self.draft().build(),
            [name] => self.of_method(name),
            _ => Err(ParamError::OneMethod),
        }
    }

    /// The settings under a method.
    ///
    /// # Errors
    /// As [`Self::params`]; a rule for panels that the method has no use for.
    pub fn of_method(&self, name: MethodName) -> Result<SearchParams, ParamError> {
        if matches!(name, MethodName::Refine(_)) {
            return Err(ParamError::Refine);
        }
        self.adapted(name, self.draft())
    }

    /// The same with other settings than those given.
    ///
    /// # Errors
    /// As [`Self::of_method`].
    pub fn adapted(&self, name: MethodName, draft: Draft) -> Result<SearchParams, ParamError> {
        let (rule, params) = (self.rule()?, name.apply(draft).build()?);
        match params.panel() == rule {
            true => Ok(params),
            false => Err(ParamError::NeedsNats {
                method: name.to_string(),
                rule: rule.name(),
            }),
        }
    }

    /// How several pairs rank.
    ///
    /// # Errors
    /// κ without `--panel bayes`, or one that is no number.
    pub fn rule(&self) -> Result<PanelRule, ParamError> {
        match (self.panel, self.kappa) {
            (rule, None) => Ok(rule.unwrap_or_default()),
            (Some(PanelRule::Bayes { .. }), kappa) => PanelRule::bayes(kappa),
            (_, Some(_)) => Err(ParamError::Kappa),
        }
    }

    /// The same before any method.
    #[must_use]
    pub fn draft(&self) -> Draft {
        let usual = SearchParams::default().draft();
        Draft {
            beam_width: self.beam_width.unwrap_or(usual.beam_width),
            successors: self.successors.unwrap_or(usual.successors),
            chunk_len: self.chunk_len.unwrap_or(usual.chunk_len),
            max_new_tokens: self.max_new_tokens.unwrap_or(usual.max_new_tokens),
            temperature: self.temperature.unwrap_or(usual.temperature),
            top_k: self.top_k.unwrap_or(usual.top_k),
            top_p: self.top_p.unwrap_or(usual.top_p),
            rules: self.rules.unwrap_or(usual.rules),
            seed: self.seed.unwrap_or(usual.seed),
            ranking: self.ranking.unwrap_or(usual.ranking),
            weight: self.weight.unwrap_or(usual.weight),
            // What cannot be used was told before.
            panel: self.rule().unwrap_or_default(),
            ..usual
        }
    }
}

/// Which models, and where they run.
#[derive(Debug, Clone, Args)]
pub struct ModelArgs {
    /// The strong model: `bundled:NAME`, a folder in Hugging Face layout, a GGUF file,
    /// `BASE+ADAPTER`, `hf:owner/name[@revision][:file]` or a preset that `w2s models` lists
    /// [default: bundled:strong]
    #[arg(long, value_name = "SPEC")]
    pub strong: Option<String>,
    /// What the strong model sees of a prompt: raw, chat (its own chat template), or a text with
    /// {prompt} in it [default: its preset's, else raw]
    #[arg(long, value_name = "TEMPLATE")]
    pub strong_template: Option<Template>,
    /// Chat templates for strong model and pair, where no other template is given
    #[arg(long)]
    pub chat: bool,
    /// Where the weak pair runs [default: where the strong model does]
    #[arg(long, value_enum)]
    pub pair_device: Option<Device>,
    #[command(flatten)]
    pub weak: PairArgs,
}

/// Which weak pair, and where models run.
#[derive(Debug, Clone, Args)]
pub struct PairArgs {
    /// The weak pair: a bundled one or a preset that `w2s models` lists, a folder of `w2s tune`, or
    /// TUNED,UNTUNED; `run` and `eval` take several, which speak as one [default: positive]
    #[arg(long, value_name = "SPEC")]
    pub pair: Vec<String>,
    /// What each pair counts, where there are several, such as 0.5,0.5 [default: 1 each]
    #[arg(
        long,
        value_name = "WEIGHTS",
        value_delimiter = ',',
        allow_negative_numbers = true
    )]
    pub weights: Vec<f64>,
    /// What the pair sees of a prompt: raw, chat, or a text with {prompt} in it [default: its
    /// preset's, else raw]
    #[arg(long, value_name = "TEMPLATE")]
    pub pair_template: Option<Template>,
    /// A system prompt, for chat templates
    #[arg(long, value_name = "TEXT")]
    pub system: Option<String>,
    /// What chat templates take for today: YYYY-MM-DD, or YYYY-MM-DDTHH:MM:SS [default: the
    /// clock's]
    #[arg(long, value_name = "DATE")]
    pub date: Option<Date>,
    /// Where models run [default: auto]
    #[arg(long, value_enum)]
    pub device: Option<Device>,
    /// On the CPU, multiply quantised weights in f32, activations not rounded to 16 bits: slower
    #[arg(long)]
    pub exact: bool,
}

impl ModelArgs {
    /// The strong model's SPEC.
    #[must_use]
    pub fn strong(&self) -> &str {
        self.strong.as_deref().unwrap_or("bundled:strong")
    }

    /// What prompts become for strong model and pair.
    #[must_use]
    pub fn templates(&self) -> Templates {
        let chat = self.chat.then_some(Template::Chat);
        Templates {
            strong: self.strong_template.clone().or(chat.clone()),
            pair: self.weak.pair_template.clone().or(chat),
            system: self.weak.system.clone(),
            date: self.weak.date,
        }
    }
}

impl PairArgs {
    /// The weak pair's name or SPEC; of several the first.
    #[must_use]
    pub fn pair(&self) -> &str {
        self.pair.first().map_or("positive", String::as_str)
    }

    /// The same where there can be only one.
    ///
    /// # Errors
    /// Several pairs, or a weight.
    pub fn only_pair(&self) -> Result<&str, ParamError> {
        match self.pair.len() < 2 && self.weights.is_empty() {
            true => Ok(self.pair()),
            false => Err(ParamError::OnePair),
        }
    }

    /// All pairs with their weights.
    ///
    /// # Errors
    /// Not as many weights as pairs, or one that is no number.
    pub fn panel(&self) -> Result<Panel, ParamError> {
        let names = match &self.pair[..] {
            [] => vec![self.pair().to_owned()],
            names => names.to_vec(),
        };
        Panel::new(names, &self.weights)
    }

    /// What prompts become where there is no strong model.
    #[must_use]
    pub fn templates(&self) -> Templates {
        Templates {
            strong: None,
            pair: self.pair_template.clone(),
            system: self.system.clone(),
            date: self.date,
        }
    }

    /// Where models run.
    #[must_use]
    pub fn device(&self) -> Device {
        self.device.unwrap_or_default()
    }
}

fn pace_text(text: &str) -> Result<Duration, String> {
    pace(text.parse().map_err(|_| "not a number".to_owned())?)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// The response and nothing else
    Text,
    /// One object with the response and every candidate of every round
    Json,
    /// The events of the search, one a line, as they happen
    Jsonl,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TextOrJson {
    Text,
    Json,
}

impl Cli {
    /// The command line of this process; `Err` once help, version or a complaint is printed.
    ///
    /// # Errors
    /// The exit code: 2 for a command line that makes no sense, told in one sentence.
    pub fn of_process() -> Result<Self, ExitCode> {
        Self::try_parse().map_err(|error| {
            if error.use_stderr() {
                // A stderr that takes nothing is no reason to say nothing by the code.
                let _ = writeln!(std::io::stderr(), "{}", sentence(&error));
                return ExitCode::from(2);
            }
            // Help that nobody reads any more is no failure.
            let _ = error.print();
            ExitCode::SUCCESS
        })
    }
}

/// The first paragraph of clap's message as one sentence; its usage and tips stay out.
#[must_use]
pub fn sentence(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let first = text.split("\n\n").next().unwrap_or_default();
    one_line(&first.split_whitespace().collect::<Vec<_>>().join(" "))
}
