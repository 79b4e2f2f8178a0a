//! What is done, kept in a file: a header with all that decides the results, then a line a search.
//! A later call of the same evaluation goes on where an earlier one was stopped, however that
//! ended: a last line that was cut short is drawn again.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::cell::CellResult;
use crate::report::error::ReportError;

/// Results as they come, in memory and in a file where one is named.
pub(super) struct Ledger {
    file: Option<(PathBuf, File)>,
    results: Vec<CellResult>,
}

impl Ledger {
    /// # Errors
    /// A file that cannot be read or written, or that another evaluation has begun.
    pub fn open(path: Option<&Path>, header: &Value) -> Result<Self, ReportError> {
        let Some(path) = path else {
            let results = Vec::new();
            return Ok(Self {
                file: None,
                results,
            });
        };
        let unreadable = |source| ReportError::Read {
            path: path.to_owned(),
            source,
        };
        let opened = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(path);
        let mut file = opened.map_err(unreadable)?;
        let (results, end) = read(path, &mut file, header)?;
        file.set_len(end).map_err(unreadable)?;
        let mut ledger = Self {
            file: Some((path.to_owned(), file)),
            results,
        };
        if end == 0 {
            ledger.write(&header.to_string())?;
        }
        Ok(ledger)
    }

    pub fn results(&self) -> &[CellResult] {
        &self.results
    }

    /// # Errors
    /// The file cannot be written.
    pub fn add(&mut self, result: CellResult) -> Result<(), ReportError> {
        let line = serde_json::to_string(&result)?;
        self.write(&line)?;
        // As it will be read: a number may lose its last bit on the way.
        self.results.push(serde_json::from_str(&line)?);
        Ok(())
    }

    /// A line, whole or not at all for those who read it later.
    fn write(&mut self, line: &str) -> Result<(), ReportError> {
        let Some((path, file)) = &mut self.file else {
            return Ok(());
        };
        let text = format!("{line}\n");
        file.write_all(text.as_bytes())
            .map_err(|source| ReportError::Keep {
                path: path.clone(),
                source,
            })
    }
}

/// The results in a file, and where its last whole line ends.
fn read(
    path: &Path,
    file: &mut File,
    header: &Value,
) -> Result<(Vec<CellResult>, u64), ReportError> {
    let unreadable = |source| ReportError::Read {
        path: path.to_owned(),
        source,
    };
    file.seek(SeekFrom::Start(0)).map_err(unreadable)?;
    let mut reader = BufReader::new(file);
    let (mut results, mut end, mut line) = (Vec::new(), 0, Vec::new());
    loop {
        line.clear();
        let n = reader.read_until(b'\n', &mut line).map_err(unreadable)? as u64;
        if line.last() != Some(&b'\n') {
            // Nothing whole stands in it: only a header that was cut short is ours to write anew.
            let is_ours = end > 0 || format!("{header}\n").as_bytes().starts_with(&line);
            return match is_ours {
                true => Ok((results, end)),
                false => Err(ReportError::NotKept(path.to_owned())),
            };
        }
        match end {
            0 => check(path, &line, header)?,
            _ => results.push(serde_json::from_slice(&line).map_err(|source| {
                ReportError::Parse {
                    path: path.to_owned(),
                    expected: "a file that `w2s eval --out` wrote",
                    source,
                }
            })?),
        }
        end += n;
    }
}

/// Whether a file is of this evaluation.
fn check(path: &Path, line: &[u8], header: &Value) -> Result<(), ReportError> {
    let known: Value = serde_json::from_slice(line).map_err(|source| ReportError::Parse {
        path: path.to_owned(),
        expected: "a file that `w2s eval --out` wrote",
        source,
    })?;
    let differs = |name: &&String| known.get(name.as_str()) != header.get(name.as_str());
    let names = header.as_object().into_iter().flat_map(|all| all.keys());
    match names.into_iter().find(differs) {
        None => Ok(()),
        Some(name) => Err(ReportError::OtherEvaluation {
            path: path.to_owned(),
            what: name.clone(),
        }),
    }
}
