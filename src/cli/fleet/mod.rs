//! `blindmeter fleet`: one account over many nodes, and what is done with the clusters that its words lie in.
//!
//! One file a command. Holds the fleet's key and passwords while a command runs.
#![expect(clippy::disallowed_types, reason = "the exporter's own listeners are named here")]

mod account;
mod check;
mod demo;
mod files;
mod install;

use super::connection::{CONFIG, Daemon};
use super::input;
use crate::exit::ExitError;
use crate::exporter;
use clap::Subcommand;
use std::net::SocketAddr;
use std::path::PathBuf;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Load this version's functions on every master of the clusters
    Install {
        /// Configuration file
        #[arg(long, value_name = "FILE", default_value = CONFIG)]
        config: PathBuf,
        /// Take a cluster over from another fleet, or from the other cluster of this one
        #[arg(long)]
        replace_other_fleet: bool,
        /// Load nothing: print the functions of this cluster (A or B), for its servers to load by themselves
        #[arg(long, value_name = "LETTER", conflicts_with = "replace_other_fleet")]
        print: Option<char>,
    },
    /// Check the clusters' servers for anything that keeps a history or opens a door (exit status: 0 none, 3 void)
    Check {
        /// Configuration file
        #[arg(long, value_name = "FILE", default_value = CONFIG)]
        config: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
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
        #[command(flatten)]
        daemon: Daemon,
    },
    /// Run a demo: three nodes, two clusters of real servers, one account that moves between the nodes
    Demo,
    /// Open each epoch of the fleet once, and serve its totals as /metrics; runs until it is stopped
    Export {
        /// Configuration file, with [release] scope = "fleet", as the nodes have it
        #[arg(long, value_name = "FILE", default_value = CONFIG)]
        config: PathBuf,
        /// Address of the page; may be given several times
        #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:9778")]
        listen: Vec<SocketAddr>,
        /// Folder that keeps what was released
        #[arg(long, value_name = "FOLDER", default_value = "/var/lib/blindmeter-fleet")]
        state: PathBuf,
    },
    /// Send this node's last refresh to the clusters again, after they have lost it
    Resend {
        #[command(flatten)]
        daemon: Daemon,
    },
}

/// Runs one.
///
/// # Errors
/// Its own.
pub(super) fn run(command: &Command) -> Result<(), ExitError> {
    match command {
        Command::Install { config, print: Some(letter), .. } => install::print(config, *letter),
        Command::Install { config, replace_other_fleet, print: None } => {
            install::run(config, *replace_other_fleet)
        }
        Command::Check { config, json } => check::run(config, *json),
        Command::Show { account, confirmed: true, json, daemon } => {
            account::confirmed(&input::account(account)?, *json, &daemon.socket()?)
        }
        Command::Show { account, json, daemon, .. } => {
            account::show(&input::account(account)?, *json, &daemon.socket()?)
        }
        Command::Demo => demo::run(),
        Command::Export { config, listen, state } => exporter::run(config, listen, state),
        Command::Resend { daemon } => account::resend(&daemon.socket()?),
    }
}
