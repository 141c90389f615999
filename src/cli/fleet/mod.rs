//! `blindmeter fleet`: one account over many nodes. The clusters' servers, look-ups, and a second sending.

mod account;

use super::connection::Daemon;
use super::input;
use crate::exit::ExitError;
use clap::Subcommand;

/// What to do.
#[derive(Subcommand)]
pub(super) enum Command {
    /// Show an account's usage band and flags over all nodes of the fleet (support role)
    Show {
        /// Account name; - reads it from standard input, and keeps it out of the shell's history
        account: String,
        /// Instead: how many nodes have followed the account's last erasure or correction (privacy role)
        #[arg(long)]
        confirmed: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Send this node's last refresh to the clusters again, after they have lost it
    Resend,
}

/// Runs one of these commands.
///
/// # Errors
/// Those of the daemon, and of the clusters.
pub(super) fn run(command: &Command, daemon: &Daemon) -> Result<(), ExitError> {
    match command {
        Command::Show { account, confirmed: true, json } => {
            account::confirmed(&input::account(account)?, *json, &daemon.socket()?)
        }
        Command::Show { account, json, .. } => {
            account::show(&input::account(account)?, *json, &daemon.socket()?)
        }
        Command::Resend => account::resend(&daemon.socket()?),
    }
}
