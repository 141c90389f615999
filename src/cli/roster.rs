//! `blindmeter roster`: assigns prefixes and counts entries, over the control socket.

use super::connection::unexpected_answer;
use super::input::{self, STANDARD_INPUT};
use super::output;
use crate::control::client::{self, Connection};
use crate::control::protocol::{Answer, Request};
use crate::exit::{ExitError, ExitStatus};
use clap::Subcommand;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// What to do with the roster.
#[derive(Subcommand)]
pub(super) enum Command {
    /// Assign a prefix to an account, overriding the roster file
    ///
    /// Use -: arguments are seen by whoever lists processes, until the command has overwritten them.
    Assign {
        /// Address or prefix; - reads lines `prefix,account` from standard input
        prefix: String,
        /// Account name; write a space, comma or percent sign as %XX
        account: Option<String>,
    },
    /// Remove an assignment made with `assign` or `sync`
    Unassign {
        /// Address or prefix; - reads one on each line of standard input
        prefix: String,
    },
    /// Replace all assignments made with `assign` or `sync` by those in a file
    Sync {
        /// CSV with the header prefix,account; - reads standard input
        file: PathBuf,
    },
    /// Count prefixes, accounts and conflicts; never show addresses
    Counts {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

impl Command {
    /// What the definition of the arguments cannot say: `-` takes the place of both the prefix and the account.
    ///
    /// # Errors
    /// One of them without the other (64).
    pub(super) fn checked(&self) -> Result<(), ExitError> {
        match self {
            Self::Assign { prefix, account } if (prefix == STANDARD_INPUT) == account.is_some() => {
                let what = "pass PREFIX and ACCOUNT, or - alone and lines prefix,account on standard input";
                Err(ExitError::new(ExitStatus::Usage, what))
            }
            _ => Ok(()),
        }
    }
}

/// Runs one of these commands.
///
/// # Errors
/// A file that cannot be read (74), or those of the daemon.
pub(super) fn run(command: &Command, socket: &Path) -> Result<(), ExitError> {
    match command {
        Command::Assign { prefix, account: Some(account) } => {
            assign(&mut Connection::open(socket)?, prefix, account)
        }
        Command::Assign { .. } => assign_lines(socket),
        Command::Unassign { prefix } if prefix == STANDARD_INPUT => {
            let mut daemon = Connection::open(socket)?;
            input::each_line(|prefix| unassign(&mut daemon, prefix))
        }
        Command::Unassign { prefix } => unassign(&mut Connection::open(socket)?, prefix),
        Command::Sync { file } => sync(file, socket),
        Command::Counts { json } => counts(*json, socket),
    }
}

/// Assigns what standard input says, line by line as it comes: a pipe may stay open.
fn assign_lines(socket: &Path) -> Result<(), ExitError> {
    let mut daemon = Connection::open(socket)?;
    input::each_line(|line| match line.split_once(',') {
        // The header of a roster file.
        Some(("prefix", "account")) => Ok(()),
        Some((prefix, account)) => assign(&mut daemon, prefix.trim(), account.trim()),
        None => Err(ExitError::new(ExitStatus::Usage, "expected prefix,account")),
    })
}

fn assign(daemon: &mut Connection, prefix: &str, account: &str) -> Result<(), ExitError> {
    let request = Request::Assign { prefix: prefix.to_owned(), account: account.to_owned() };
    daemon.ask(&request, &[]).map(drop)
}

fn unassign(daemon: &mut Connection, prefix: &str) -> Result<(), ExitError> {
    daemon.ask(&Request::Unassign { prefix: prefix.to_owned() }, &[]).map(drop)
}

fn sync(file: &Path, socket: &Path) -> Result<(), ExitError> {
    let is_standard_input = file.as_os_str() == STANDARD_INPUT;
    let name = if is_standard_input { "standard input".into() } else { file.to_string_lossy() };
    let named = |why: &dyn std::fmt::Display| format!("{name}: {why}");
    let text = if is_standard_input {
        input::whole()?
    } else {
        let text = std::fs::read(file).map_err(|error| ExitError::new(ExitStatus::Io, named(&error)))?;
        Zeroizing::new(text)
    };
    let request = Request::Sync { bytes: text.len() };
    // The daemon names the line; only the client knows the file.
    client::ask(socket, &request, &text).map(drop).map_err(|error| match error.code {
        ExitStatus::Config => ExitError::new(ExitStatus::Config, named(&error.message)),
        _ => error,
    })
}

fn counts(json: bool, socket: &Path) -> Result<(), ExitError> {
    let Answer::Counts(report) = client::ask(socket, &Request::Counts {}, &[])? else {
        return Err(unexpected_answer());
    };
    if json {
        return output::json(&report);
    }
    let mut rows = vec![["source", "prefixes", "accounts"].map(String::from)];
    for source in &report.sources {
        let name = if source.latched { format!("{} *", source.source) } else { source.source.clone() };
        rows.push([name, source.prefixes.to_string(), source.accounts.to_string()]);
    }
    output::table(&rows)?;
    output::line(&format!("\nconflicts *: {}, skipped lines: {}", report.conflicts, report.skipped_lines))?;
    output::line(
        "* as of the last epoch's close, rounded up to a multiple of 8; live counts would show who connects",
    )
}
