//! `blindmeter gen`: manual pages and shell completions, for packagers; a configuration for this host.
//!
//! Which files there are, and where they go; what a page says is below.

mod configuration;
mod examples;
mod page;

use super::host::{self, Found, Server};
use super::proposal;
use super::service::{Reader, Unit};
use crate::exit::{ExitError, ExitStatus};
use clap::Subcommand;
use clap_complete::Shell;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// What to generate.
#[derive(Subcommand)]
pub(super) enum Command {
    /// Generate manual pages: one per command and the configuration's into a directory, or the main one to standard
    /// output
    Man {
        /// Directory to write to
        #[arg(value_name = "DIRECTORY")]
        folder: Option<PathBuf>,
    },
    /// Write a commented configuration for what is found on this host, to standard output
    Config {
        /// Interface to meter; repeatable
        #[arg(long, value_name = "NAME", required = true)]
        interface: Vec<String>,
        /// For the service blindmeter@NAME: with a state, sockets and pins of its own
        #[arg(long, value_name = "NAME", value_parser = instance)]
        instance: Option<String>,
    },
    /// Generate completions for a shell, to standard output
    Completions {
        /// Shell
        shell: Shell,
    },
}

/// Generates them from the commands of the program.
///
/// # Errors
/// When the output cannot be written (74).
pub(super) fn run(command: &Command, mut program: clap::Command) -> Result<(), ExitError> {
    let mut text = Vec::new();
    match command {
        Command::Man { folder: Some(folder) } => {
            program = program.disable_help_subcommand(true);
            program.build();
            return pages(&[], &program, folder)
                .and_then(|()| written(&folder.join(configuration::FILE), &configuration::page()?))
                .map_err(|error| failed(folder, &error));
        }
        Command::Man { folder: None } => {
            text = page::of_command(&[], program).map_err(|error| ExitError::output(&error))?;
        }
        Command::Config { interface, instance } => {
            let found: Vec<Found> = interface.iter().map(|interface| host::look(interface)).collect();
            let found = found.into_iter().map(readable).collect::<Result<Vec<Found>, ExitError>>()?;
            text.extend(proposal::commented(&found, instance.as_deref()).into_bytes());
        }
        Command::Completions { shell } => {
            clap_complete::generate(*shell, &mut program, "blindmeter", &mut text);
        }
    }
    match io::stdout().write_all(&text) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(ExitError::output(&error)),
        _ => Ok(()),
    }
}

/// Writes the page of a command and of all below it.
fn pages(words: &[&str], command: &clap::Command, folder: &Path) -> io::Result<()> {
    for below in command.get_subcommands() {
        let words: Vec<&str> = words.iter().copied().chain([below.get_name()]).collect();
        pages(&words, below, folder)?;
    }
    let name = ["blindmeter"].iter().chain(words).copied().collect::<Vec<_>>().join("-");
    written(&folder.join(format!("{name}.1")), &page::of_command(words, command.clone())?)
}

/// Writes a file anew: where others may write, a link of theirs would lead elsewhere.
fn written(path: &Path, text: &[u8]) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    std::fs::File::create_new(path)?.write_all(text)
}

/// An interface whose file of names the service's user cannot read is proposed without it: a start would be refused.
fn readable(mut found: Found) -> Result<Found, ExitError> {
    let Server::WireGuard { names, why_not } = &mut found.server else { return Ok(found) };
    let (Some(path), Ok(Some(reader))) = (names.as_ref(), Reader::of(None, &Unit::installed())) else {
        return Ok(found);
    };
    if reader.read(|| std::fs::File::open(path).is_err())? {
        *why_not = Some(format!(
            "the service's user may not read {}, which holds private keys; list public_key,account below",
            path.display()
        ));
        *names = None;
    }
    Ok(found)
}

/// The name of an instance becomes a part of paths and of a unit's name.
fn instance(name: &str) -> Result<String, String> {
    let is_good = |sign: char| sign.is_ascii_alphanumeric() || "-_".contains(sign);
    if name.is_empty() || name.len() > 32 || !name.chars().all(is_good) {
        return Err("expected 1 to 32 letters, digits, - or _".to_owned());
    }
    Ok(name.to_owned())
}

fn failed(folder: &Path, error: &io::Error) -> ExitError {
    ExitError::new(ExitStatus::Io, format!("{}: {error}", folder.display()))
}
