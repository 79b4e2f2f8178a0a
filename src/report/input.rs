//! What `w2s run` has to do, read and checked before any model is touched.

use std::num::NonZeroUsize;
use std::path::Path;

use super::error::{ReportError, parse, read};
use super::recording::{Recording, Tape};
use crate::cli::{Format, RunArgs};
use crate::search::{Panel, Rules, SearchParams};

/// All that one call of `w2s run` does.
pub(super) struct Work {
    /// What to search for, one after the other.
    pub prompts: Vec<String>,
    /// Recorded ids to replay instead of sampling, one for each prompt.
    pub tapes: Option<Vec<Tape>>,
    pub params: SearchParams,
    pub strong: String,
    pub pair: Panel,
    pub format: Format,
    /// Whether many results were asked for, even if it is one or none.
    pub is_list: bool,
    /// How many prompts at once; `None` leaves it to the machine.
    pub in_flight: Option<NonZeroUsize>,
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

    fn new(args: &RunArgs, mut prompts: Vec<String>, is_list: bool) -> Result<Self, ReportError> {
        prompts.truncate(args.first.map_or(usize::MAX, NonZeroUsize::get));
        let default = if is_list { Format::Json } else { Format::Text };
        let (params, pair) = (args.search.params()?, args.models.weak.panel()?);
        pair.check(params.panel())?;
        Ok(Self {
            prompts,
            tapes: None,
            params,
            strong: args.models.strong().to_owned(),
            pair,
            format: args.format.unwrap_or(default),
            is_list,
            in_flight: args.in_flight,
        })
    }

    fn from_tape(args: &RunArgs, path: &Path) -> Result<Self, ReportError> {
        let recording: Recording = parse(path, &read(path)?, "a recording of searches")?;
        let strong = &args.models.strong;
        let params = recording.params(args.search.rules.unwrap_or(Rules::Reference))?;
        let specs = (recording.strong_spec(), recording.pair_spec());
        let (prompts, tapes) = recording.into_tapes();
        Ok(Self {
            prompts,
            tapes: Some(tapes),
            params,
            strong: strong.clone().unwrap_or(specs.0),
            pair: match args.models.weak.pair.is_empty() {
                true => Panel::one(specs.1),
                false => args.models.weak.panel()?,
            },
            format: args.format.unwrap_or(Format::Json),
            is_list: true,
            in_flight: args.in_flight,
        })
    }
}

/// The prompts in a file.
///
/// # Errors
/// It cannot be read, is no list of texts, or an empty one.
pub fn prompts(path: &Path) -> Result<Vec<String>, ReportError> {
    let prompts: Vec<String> = parse(path, &read(path)?, "a JSON list of strings")?;
    match prompts.is_empty() {
        true => Err(ReportError::NoPrompts(path.to_owned())),
        false => Ok(prompts),
    }
}
