//! `blindmeter roster`: assigns prefixes and counts entries, over the control socket.

use super::connection::unexpected_answer;
use super::output;
use crate::control::client;
use crate::control::protocol::{Answer, Request};
use crate::exit::{ExitError, ExitStatus};
use clap::Subcommand;
use std::path::{Path, PathBuf};

/// What to do with the roster.
#[derive(Subcommand)]
pub(super) enum Command {
    /// Assign a prefix to an account, overriding the roster file
    Assign {
        /// Address or prefix
        prefix: String,
        /// Account name; write a space, comma or percent sign as %XX
        account: String,
        /// On this interface alone, where two servers hand out the same addresses
        #[arg(long, value_name = "NAME")]
        interface: Option<String>,
    },
    /// Remove an assignment made with `assign` or `sync`
    Unassign {
        /// Address or prefix
        prefix: String,
        /// The interface that it was assigned on
        #[arg(long, value_name = "NAME")]
        interface: Option<String>,
    },
    /// Replace all assignments made with `assign` or `sync` by those in a file
    Sync {
        /// CSV with the header prefix,account or prefix,account,interface
        file: PathBuf,
    },
    /// Count prefixes, accounts and conflicts; never show addresses
    Counts {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// Runs one of these commands.
///
/// # Errors
/// A file that cannot be read (74), or those of the daemon.
pub(super) fn run(command: &Command, socket: &Path) -> Result<(), ExitError> {
    match command {
        Command::Assign { prefix, account, interface } => {
            let (prefix, account, interface) = (prefix.clone(), account.clone(), interface.clone());
            client::ask(socket, &Request::Assign { prefix, account, interface }, &[]).map(drop)
        }
        Command::Unassign { prefix, interface } => {
            let (prefix, interface) = (prefix.clone(), interface.clone());
            client::ask(socket, &Request::Unassign { prefix, interface }, &[]).map(drop)
        }
        Command::Sync { file } => sync(file, socket),
        Command::Counts { json } => counts(*json, socket),
    }
}

fn sync(file: &Path, socket: &Path) -> Result<(), ExitError> {
    let named = |why: &dyn std::fmt::Display| format!("{}: {why}", file.display());
    let text = std::fs::read(file).map_err(|error| ExitError::new(ExitStatus::Io, named(&error)))?;
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
