//! Everything a report can fail with, each in one sentence for the user.

use std::io;
use std::path::{Path, PathBuf};

use crate::judge::JudgeError;
use crate::models::LoadError;
use crate::search::{ModelError, ParamError, SearchError};
use crate::tune::TuneError;

#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    #[error(transparent)]
    Param(#[from] ParamError),
    #[error(transparent)]
    Model(#[from] ModelError),
    #[error(transparent)]
    Search(#[from] SearchError),
    #[error(transparent)]
    Judge(#[from] JudgeError),
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error(transparent)]
    Tune(#[from] TuneError),
    #[error("give --data FILE, or --judge SPEC to make preferences here")]
    NoData,
    /// A line of a list of cases, counted from 1.
    #[error("{}, line {number}, is no {{\"prompt\", \"text\"}}: {source}", path.display())]
    Case {
        path: PathBuf,
        number: usize,
        source: serde_json::Error,
    },
    /// Of several, counted from 1.
    #[error("case {number}: {source}")]
    ScoreCase { number: usize, source: ParamError },
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    /// The file is there, but not what was asked for.
    #[error("{} is not {expected}: {source}", path.display())]
    Parse {
        path: PathBuf,
        expected: &'static str,
        source: serde_json::Error,
    },
    #[error("{} has no prompts in it", .0.display())]
    NoPrompts(PathBuf),
    /// One of many prompts, counted from 1.
    #[error("prompt {number}: {source}")]
    Prompt {
        number: usize,
        source: Box<ReportError>,
    },
    #[error("there is no command {0:?} to have a manual page: see `w2s help`")]
    NoManual(String),
    #[error("{} is not a file that `w2s eval --out` wrote: name another one", .0.display())]
    NotKept(PathBuf),
    #[error("cannot write {}: {source}", path.display())]
    Keep { path: PathBuf, source: io::Error },
    #[error(
        "{} was begun by another evaluation, its {what} differ: name another file, or remove it",
        path.display()
    )]
    OtherEvaluation { path: PathBuf, what: String },
    #[error("the grid {0:?} makes no sense: give lists for W, K, L or n, such as \"W=1,2 K=4\"")]
    Grid(String),
    #[error("no row of the table is called {0:?}: name one as the table has it")]
    NoContender(String),
    #[error(
        "{0} draws by the pair's logits, which a control does not replace: leave one of both out"
    )]
    NoControl(String),
    #[error("weights are searched for several pairs: give --pair more than once")]
    OnePair,
    #[error(
        "{got} prompts are too few to search on some and report on others: give {least} or more"
    )]
    FewPrompts { got: usize, least: usize },
    #[error(
        "{} has {got} texts, too few to search on some and report on others: give {least} or more, \
         as JSON lines or as paragraphs", path.display()
    )]
    FewTexts {
        path: PathBuf,
        got: usize,
        least: usize,
    },
    #[error(
        "no weights make {} likely: a model's logits are not finite, see `w2s models check`",
        path.display()
    )]
    Unlikely { path: PathBuf },
    #[error("{budget} searches are too few for {arms} weightings: give --budget {least} or more")]
    SmallBudget {
        budget: usize,
        arms: usize,
        least: usize,
    },
    #[error(
        "{got} responses are too few to fit {dimensions} features: give more prompts, {least} responses or more"
    )]
    FewResponses {
        got: usize,
        dimensions: usize,
        least: usize,
    },
    #[error("no judge could judge enough to choose by: {0}")]
    NoVerdicts(String),
    #[error("{0} of these models cannot be used, for the reasons above")]
    Unusable(usize),
    #[error("cannot write the output: {0}")]
    Write(#[from] io::Error),
}

impl ReportError {
    /// Says which of many prompts failed; output fails for all of them alike.
    pub(super) fn in_prompt(self, number: usize) -> Self {
        match self {
            Self::Write(_) => self,
            other => Self::Prompt {
                number,
                source: Box::new(other),
            },
        }
    }

    /// Whether the reader of stdout went away.
    #[must_use]
    pub fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Write(e) if e.kind() == io::ErrorKind::BrokenPipe)
    }
}

/// JSON that cannot be written is output that cannot be written.
impl From<serde_json::Error> for ReportError {
    fn from(error: serde_json::Error) -> Self {
        Self::Write(error.into())
    }
}

/// The text of a file named by the user.
pub(super) fn read(path: &Path) -> Result<String, ReportError> {
    std::fs::read_to_string(path).map_err(|source| ReportError::Read {
        path: path.to_owned(),
        source,
    })
}

/// JSON named by the user; `expected` says what it should have been.
pub(super) fn parse<T: serde::de::DeserializeOwned>(
    path: &Path,
    text: &str,
    expected: &'static str,
) -> Result<T, ReportError> {
    serde_json::from_str(text).map_err(|source| ReportError::Parse {
        path: path.to_owned(),
        expected,
        source,
    })
}
