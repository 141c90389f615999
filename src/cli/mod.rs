//! The command line: its commands, options and exit codes. One file per family of commands.

mod accounts;
mod connection;
mod demo;
mod detach;
mod doctor;
mod expected_error;
mod generate;
mod input;
mod inventory;
mod meter;
mod output;
mod reload;
mod roster;
mod run;
mod status;

use crate::exit::{ExitError, ExitStatus};
use crate::system::arguments;
use clap::{CommandFactory, Parser, Subcommand};
use connection::{CONFIG, Daemon, locations};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

/// Counts each VPN account's total bandwidth, and keeps no addresses, times or traffic.
#[derive(Parser)]
#[command(name = "blindmeter", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the daemon
    Run {
        /// Configuration file
        #[arg(long, value_name = "FILE", default_value = CONFIG)]
        config: PathBuf,
        /// Print what would be attached and published, then exit
        #[arg(long)]
        dry_run: bool,
        /// Start from zero if the saved state is missing or cannot be opened
        #[arg(long)]
        accept_loss: bool,
    },
    /// Run a self-contained demo: synthetic accounts, real packets, no setup
    Demo(demo::Options),
    /// Check the configuration and every file it names; print the settings in force
    Check {
        /// Configuration file
        #[arg(long, value_name = "FILE", default_value = CONFIG)]
        config: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Count the packets of capture files (pcap, pcapng) by account, offline
    Meter {
        /// Capture files; - reads standard input
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Roster: CSV with the header prefix,account
        #[arg(long, value_name = "FILE")]
        roster: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Change the running daemon's roster, or count its entries
    Roster {
        #[command(subcommand)]
        command: roster::Command,
        #[command(flatten)]
        daemon: Daemon,
    },
    /// Show an account's usage band, or export exact totals
    Accounts {
        #[command(subcommand)]
        command: accounts::Command,
        #[command(flatten)]
        daemon: Daemon,
    },
    /// Show the running daemon's state (exit status: 0 healthy, 2 degraded, 69 no daemon)
    Status {
        /// Print JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        daemon: Daemon,
    },
    /// Tell the daemon to read its configuration, roster and certificates again, and wait for the outcome
    Reload {
        #[command(flatten)]
        daemon: Daemon,
    },
    /// Remove what a dead daemon left in the kernel and in memory
    Detach {
        /// Configuration file
        #[arg(long, value_name = "FILE", default_value = CONFIG)]
        config: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Check this host for anything that voids the privacy claim (exit status: 0 none, 3 void)
    Doctor {
        /// Print JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        daemon: Daemon,
    },
    /// List all data held or published: where, for how long, and who can see it
    Inventory {
        /// Configuration file
        #[arg(long, value_name = "FILE", default_value = CONFIG)]
        config: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Generate manual pages and shell completions
    Gen {
        #[command(subcommand)]
        command: generate::Command,
    },
}

/// Parses the command line and runs the command.
#[must_use]
pub fn main() -> ExitCode {
    // First of all: until then, whoever lists processes reads them.
    let words = hidden_arguments();
    exit_on_panic();
    let cli = match Cli::try_parse_from(words) {
        Ok(cli) => cli,
        Err(error) => {
            if !error.use_stderr() {
                // Help and version are not errors.
                let _ = error.print();
                return ExitCode::SUCCESS;
            }
            output::error(&usage_error(&error));
            return ExitCode::from(ExitStatus::Usage as u8);
        }
    };
    match run(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::error(&error.message);
            error.into()
        }
    }
}

/// Families of commands whose arguments may be an account's name or address.
const NAMING: [&str; 2] = ["roster", "accounts"];

/// The arguments. Those that may name an account are no longer seen by others.
fn hidden_arguments() -> Vec<OsString> {
    let words: Vec<OsString> = std::env::args_os().collect();
    if words.get(1).is_some_and(|family| NAMING.iter().any(|naming| family == naming)) {
        arguments::hide(&words, 2);
    }
    words
}

fn run(command: Command) -> Result<(), ExitError> {
    match command {
        Command::Run { config, dry_run: false, accept_loss } => crate::daemon::run(&config, accept_loss),
        Command::Run { config, dry_run: true, .. } => run::dry_run(&config),
        Command::Demo(options) => demo::run(&options),
        Command::Check { config, json } => run::check(&config, json),
        Command::Meter { files, roster, json } => meter::run(&files, &roster, json),
        Command::Roster { command, daemon } => {
            command.checked()?;
            roster::run(&command, &daemon.socket()?)
        }
        Command::Accounts { command, daemon } => accounts::run(&command, &daemon.socket()?),
        Command::Status { json, daemon } => status::run(json, &daemon.socket()?),
        Command::Reload { daemon } => reload::run(&daemon),
        Command::Detach { config, json } => detach::run(&locations(&config, "pass --config FILE")?, json),
        Command::Doctor { json, daemon } => doctor::run(json, &daemon),
        Command::Inventory { config, json } => inventory::run(&config, json),
        Command::Gen { command } => generate::run(&command, Cli::command()),
    }
}

/// What is wrong with a command line, on one line. Names options, never their values, which may be
/// addresses or accounts.
fn usage_error(error: &clap::Error) -> String {
    use clap::error::{ContextKind, ContextValue, ErrorKind};
    let what = error.kind().as_str().unwrap_or("invalid command line");
    let named = match (error.kind(), error.get(ContextKind::InvalidArg)) {
        (ErrorKind::UnknownArgument | ErrorKind::InvalidSubcommand, _) => String::new(),
        (_, Some(ContextValue::String(name))) => format!(": {name}"),
        (_, Some(ContextValue::Strings(names))) => format!(": {}", names.join(" ")),
        _ => String::new(),
    };
    format!("{what}{named}; see `blindmeter --help`")
}

/// Ends the process on a panic and prints where, never what: the message could hold anything.
fn exit_on_panic() {
    std::panic::set_hook(Box::new(|panic| {
        let place =
            panic.location().map_or_else(String::new, |at| format!(" at {}:{}", at.file(), at.line()));
        crate::log::last_line(&format!("bug{place}; please report this line"));
        std::process::exit(i32::from(ExitStatus::Bug as u8));
    }));
}
