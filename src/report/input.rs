//! What `w2s run` has to do, read and checked before any model is touched.

use std::num::NonZeroUsize;
use std::path::Path;

use super::error::{ReportError, parse, read};
use super::tape::{Recording, Tape};
use crate::cli::{Format, RunArgs};
use crate::search::{Rules, SearchParams};

/// One prompt to search for.
pub(super) struct Job {
    pub prompt: String,
    /// Recorded ids to replay instead of sampling.
    pub tape: Option<Tape>,
}

/// All that one call of `w2s run` does.
pub(super) struct Work {
    pub jobs: Vec<Job>,
    pub params: SearchParams,
    pub strong: String,
    pub pair: String,
    pub format: Format,
    /// Whether many results were asked for, even if it is one or none.
    pub is_list: bool,
}

impl Work {
    /// # Errors
    /// Settings out of range; a file that cannot be read or is not what it should be.
    pub fn read(args: &RunArgs) -> Result<Self, ReportError> {
        match (&args.prompt, &args.prompts, &args.tape) {
            (_, _, Some(path)) => Self::from_tape(args, path),
            (_, Some(path), _) => Self::new(args, prompts(path)?, true),
            // The command line insists on one of the three.
            (prompt, None, None) => {
                Self::new(args, vec![prompt.clone().unwrap_or_default()], false)
            }
        }
    }

    fn new(args: &RunArgs, prompts: Vec<String>, is_list: bool) -> Result<Self, ReportError> {
        let n = args.first.map_or(usize::MAX, NonZeroUsize::get);
        let prompts = prompts.into_iter().take(n);
        let jobs = prompts.map(|prompt| Job { prompt, tape: None });
        let default = if is_list { Format::Json } else { Format::Text };
        Ok(Self {
            jobs: jobs.collect(),
            params: args.search.params()?,
            strong: args.models.strong().to_owned(),
            pair: args.models.weak.pair().to_owned(),
            format: args.format.unwrap_or(default),
            is_list,
        })
    }

    fn from_tape(args: &RunArgs, path: &Path) -> Result<Self, ReportError> {
        let recording: Recording = parse(path, &read(path)?, "a recording of searches")?;
        let models = &args.models;
        Ok(Self {
            params: recording.params(args.search.rules.unwrap_or(Rules::Reference))?,
            strong: models
                .strong
                .clone()
                .unwrap_or_else(|| recording.strong_spec()),
            pair: models
                .weak
                .pair
                .clone()
                .unwrap_or_else(|| recording.pair_spec()),
            format: args.format.unwrap_or(Format::Json),
            is_list: true,
            jobs: recording.into_jobs(),
        })
    }
}

fn prompts(path: &Path) -> Result<Vec<String>, ReportError> {
    let prompts: Vec<String> = parse(path, &read(path)?, "a JSON list of strings")?;
    match prompts.is_empty() {
        true => Err(ReportError::NoPrompts(path.to_owned())),
        false => Ok(prompts),
    }
}
