//! What the program says about itself: configuration, completions, manual pages.

use std::io::Write;

use clap::CommandFactory;

use super::Outcome;
use super::error::ReportError;
use crate::cli::{Cli, Print};
use crate::config::MANUAL;

/// # Errors
/// Output that cannot be written; a manual page of a command that there is not.
pub(super) fn print(what: &Print, out: &mut dyn Write) -> Result<Outcome, ReportError> {
    let text = match what {
        Print::Config => MANUAL.as_bytes().to_vec(),
        Print::Completions { shell } => completions(*shell),
        Print::Man { command } => man(command.as_deref())?,
    };
    out.write_all(&text)?;
    out.flush()?;
    Ok(Outcome::Done)
}

fn completions(shell: clap_complete::Shell) -> Vec<u8> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "w2s", &mut text);
    text
}

/// The page of w2s, or of one of its commands.
fn man(command: Option<&str>) -> Result<Vec<u8>, ReportError> {
    let mut cli = Cli::command();
    cli.build();
    let page = match command {
        None => cli,
        Some(name) => {
            let found = cli.find_subcommand(name).cloned();
            found.ok_or_else(|| ReportError::NoManual(name.to_owned()))?
        }
    };
    let mut text = Vec::new();
    let version = concat!("w2s ", env!("CARGO_PKG_VERSION"));
    clap_mangen::Man::new(page)
        .source(version)
        .render(&mut text)?;
    Ok(text)
}
