//! What is asked for, and the node that is looked at. No behaviour.

use super::super::connection::CONFIG;
use crate::config::Config;
use crate::control::protocol::StatusReport;
use clap::Args;
use std::path::PathBuf;

/// Options of the command.
#[derive(Args)]
pub(in crate::cli) struct Options {
    /// Configuration file of the daemon
    #[arg(long, value_name = "FILE", default_value = CONFIG)]
    pub(super) config: PathBuf,
    /// Run this by the shell as the load on the probe account; without it, somebody at a terminal is asked for one
    #[arg(long, value_name = "COMMAND")]
    pub(super) load: Option<String>,
    /// Also look for these, one a line: the far ends of the load and their names; - reads standard input
    #[arg(long, value_name = "FILE")]
    pub(super) needles: Option<PathBuf>,
    /// After the load, also search the files in this folder, such as /var/log; repeatable
    #[arg(long, value_name = "FOLDER")]
    pub(super) also: Vec<PathBuf>,
    /// Write audit.md and audit.json into this folder, instead of printing
    #[arg(long, value_name = "FOLDER")]
    pub(super) out: Option<PathBuf>,
    /// Print JSON
    #[arg(long, conflicts_with = "out")]
    pub(super) json: bool,
}

/// The node that is looked at.
pub(super) struct Subject {
    /// The configuration's file.
    pub(super) path: PathBuf,
    pub(super) config: Config,
    pub(super) status: StatusReport,
    /// The daemon's process.
    pub(super) process: u32,
}
