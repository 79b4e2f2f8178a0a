//! `w2s eval` as it is typed.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{ModelArgs, SearchArgs};

#[derive(Debug, Clone, Args)]
pub struct EvalArgs {
    /// The prompts: a JSON list of strings [default: the sample prompts]
    #[arg(long, value_name = "FILE")]
    pub prompts: Option<PathBuf>,
    /// Of the prompts only the first N
    #[arg(long, value_name = "N")]
    pub first: Option<NonZeroUsize>,
    /// Also with other settings: lists for W, K, L or n, such as "W=1,2,4 K=4,8"; methods that fix
    /// a setting keep it
    #[arg(long, value_name = "LISTS")]
    pub grid: Option<String>,
    /// How many seeds a prompt, from --seed on [default: 1]
    #[arg(long, value_name = "N")]
    pub seeds: Option<NonZeroUsize>,
    /// Whom the others are compared with: names of the table [default: its first row]
    #[arg(long, value_name = "METHODS", value_delimiter = ',')]
    pub against: Vec<String>,
    /// A scorer in the place of the pair, or the pair turned against itself: what a method gains
    /// by it is no guidance
    #[arg(long, value_enum, value_name = "CONTROL")]
    pub control: Option<Control>,
    /// A pair that has no say: what was chosen is scored by it too, which shows how much of the
    /// chosen score is chance (the winner's curse)
    #[arg(long, value_name = "SPEC")]
    pub second_pair: Option<String>,
    /// A judge as `w2s judge` names them, or several by giving it again; the first draws the charts
    /// [default: bundled]
    #[arg(long = "judge", value_name = "SPEC")]
    pub judges: Vec<String>,
    /// Keeps what is done in a file of JSON lines; the same command goes on where it was stopped
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// A report to open in a browser: table, charts and all responses, in one file
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Find the weights of several pairs that serve the judges, on every second prompt, and
    /// compare them with uniform ones on the others: simplex (none below 0) or signed
    #[arg(
        long,
        value_enum,
        value_name = "SPACE",
        conflicts_with_all = ["grid", "control", "second_pair", "against", "out", "weights"]
    )]
    pub search_weights: Option<WeightSpace>,
    /// How many searches --search-weights may make [default: 480]
    #[arg(long, value_name = "N", requires = "search_weights")]
    pub budget: Option<NonZeroUsize>,
    /// Find them by the likelihood of a text instead: JSON lines as `w2s tune sft` reads them, or
    /// the paragraphs of any other file; the pairs need the strong model's vocabulary
    #[arg(
        long,
        value_name = "FILE",
        requires = "search_weights",
        conflicts_with_all = ["judges", "budget", "prompts", "first", "seeds", "html", "in_flight", "method"]
    )]
    pub reference: Option<PathBuf>,
    /// For each pair, how much the strong model is predicted to gain on its labels by their misfit,
    /// and what the judges say it gains
    #[arg(
        long,
        conflicts_with_all = ["grid", "control", "second_pair", "against", "out", "weights", "search_weights", "method"]
    )]
    pub gain: bool,
    /// How many searches at once [default: as many as have about 192 candidates together and fit
    /// into memory]
    #[arg(long, value_name = "N")]
    pub in_flight: Option<NonZeroUsize>,
    /// What to print
    #[arg(long, value_enum, default_value_t = TableFormat::Text)]
    pub format: TableFormat,
    #[command(flatten)]
    pub search: SearchArgs,
    #[command(flatten)]
    pub models: ModelArgs,
}

/// Which weights are tried; only their directions matter where candidates are ranked among each
/// other, so that the sum of their magnitudes is 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum WeightSpace {
    /// None below 0
    Simplex,
    /// Also against a pair
    Signed,
}

/// What takes the place of the pair's scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Control {
    /// The untuned half against itself: every score is 0
    Same,
    /// The pair turned round: every score negated
    Flip,
    /// A random number for each text, from the standard normal distribution
    Random,
    /// The number of characters
    Length,
    /// The pair sees the prompt of the next search in the list
    Shuffled,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TableFormat {
    /// A table, comparisons and a chart
    Text,
    /// The same numbers as one object
    Json,
    /// The table, a line a method
    Csv,
}
