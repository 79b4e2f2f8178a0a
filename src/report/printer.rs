//! Output in the order of the prompts, whichever search is done first.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use super::input::Work;
use crate::cli::Format;

/// Prints what the searches say: that of the first prompt which is not done at once, that of
/// later ones as soon as all before them are done. A list is opened with its first result and
/// closed with its last.
pub(super) struct Printer {
    format: Format,
    is_list: bool,
    /// The first prompt that is not done.
    front: usize,
    /// What later ones have said.
    waiting: BTreeMap<usize, Vec<u8>>,
    /// Later ones that are done.
    done: BTreeSet<usize>,
    n_results: usize,
}

impl Printer {
    pub fn new(work: &Work) -> Self {
        Self {
            format: work.format,
            is_list: work.is_list,
            front: 0,
            waiting: BTreeMap::new(),
            done: BTreeSet::new(),
            n_results: 0,
        }
    }

    /// Part of the output of prompt `number`, from 0: an event's line, or a whole result.
    ///
    /// # Errors
    /// Output that cannot be written.
    pub fn print(&mut self, out: &mut dyn Write, number: usize, text: &[u8]) -> io::Result<()> {
        if number == self.front {
            return self.write(out, text);
        }
        self.waiting.entry(number).or_default().extend(text);
        Ok(())
    }

    /// Nothing more comes of prompt `number`.
    ///
    /// # Errors
    /// Output that cannot be written.
    pub fn done(&mut self, out: &mut dyn Write, number: usize) -> io::Result<()> {
        self.done.insert(number);
        while self.done.remove(&self.front) {
            self.front += 1;
            if let Some(text) = self.waiting.remove(&self.front) {
                self.write(out, &text)?;
            }
        }
        Ok(())
    }

    /// What waits for prompts that will never be done.
    ///
    /// # Errors
    /// Output that cannot be written.
    pub fn give_up_waiting(&mut self, out: &mut dyn Write) -> io::Result<()> {
        let waiting = std::mem::take(&mut self.waiting);
        waiting.values().try_for_each(|text| self.write(out, text))
    }

    /// # Errors
    /// Output that cannot be written.
    pub fn close(&self, out: &mut dyn Write) -> io::Result<()> {
        match (self.format, self.is_list, self.n_results) {
            (Format::Json, true, 0) => out.write_all(b"[]\n"),
            (Format::Json, true, _) => out.write_all(b"\n]\n"),
            (Format::Json, false, 1..) => out.write_all(b"\n"),
            _ => Ok(()),
        }
    }

    /// Whether anything was printed.
    pub fn has_printed(&self) -> bool {
        self.n_results > 0
    }

    fn write(&mut self, out: &mut dyn Write, text: &[u8]) -> io::Result<()> {
        if self.format == Format::Json && self.is_list {
            let before: &[u8] = if self.n_results == 0 { b"[\n" } else { b",\n" };
            out.write_all(before)?;
        }
        self.n_results += 1;
        out.write_all(text)?;
        out.flush()
    }
}
