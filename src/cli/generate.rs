//! `blindmeter gen`: manual pages and shell completions, for packagers.

use super::Cli;
use crate::exit::{ExitError, ExitStatus};
use clap::{CommandFactory, Subcommand};
use clap_complete::Shell;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// What to generate.
#[derive(Subcommand)]
pub(super) enum Command {
    /// Generate manual pages: one per command into a directory, or the main one to standard output
    Man {
        /// Directory to write to
        #[arg(value_name = "DIRECTORY")]
        folder: Option<PathBuf>,
    },
    /// Generate completions for a shell, to standard output
    Completions {
        /// Shell
        shell: Shell,
    },
}

/// Generates it.
///
/// # Errors
/// When the output cannot be written (74).
pub(super) fn run(command: &Command) -> Result<(), ExitError> {
    let mut text = Vec::new();
    match command {
        Command::Man { folder: Some(folder) } => {
            let page = clap_mangen::generate_to(Cli::command(), folder);
            return page.map_err(|error| failed(folder, &error));
        }
        Command::Man { folder: None } => {
            clap_mangen::Man::new(Cli::command())
                .render(&mut text)
                .map_err(|error| ExitError::output(&error))?;
        }
        Command::Completions { shell } => {
            clap_complete::generate(*shell, &mut Cli::command(), "blindmeter", &mut text);
        }
    }
    match io::stdout().write_all(&text) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(ExitError::output(&error)),
        _ => Ok(()),
    }
}

fn failed(folder: &Path, error: &io::Error) -> ExitError {
    ExitError::new(ExitStatus::Io, format!("{}: {error}", folder.display()))
}
