//! `w2s panel` as it is typed.

use std::path::PathBuf;

use clap::Args;

use super::TextOrJson;

#[derive(Debug, Clone, Args)]
pub struct PanelArgs {
    /// Scores of one round, {"scores", "weights"}: a list a pair, a number a candidate; or {"cases"},
    /// a list of these, each printed for itself
    #[arg(long, value_name = "FILE", required = true)]
    pub scores: PathBuf,
    /// How many standard deviations below the mean the lower bound is
    #[arg(
        long,
        value_name = "KAPPA",
        default_value_t = 1.0,
        allow_negative_numbers = true
    )]
    pub kappa: f64,
    /// Of the draws for P(best)
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    pub seed: u64,
    /// What to print: a table, or a line of JSON a case
    #[arg(long, value_enum, default_value_t = TextOrJson::Text)]
    pub format: TextOrJson,
}
