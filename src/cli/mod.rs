//! The command line: what there is, and how a command ends. One file for each family of commands.

mod accounts;
mod connection;
mod demo;
mod detach;
mod doctor;
mod expected_error;
mod generate;
mod inventory;
mod meter;
mod output;
mod roster;
mod run;
mod status;

use crate::exit::{ExitError, ExitStatus};
use clap::{CommandFactory, Parser, Subcommand};
use connection::{CONFIG, Daemon, places};
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
        #[arg(long, default_value = CONFIG)]
        config: PathBuf,
        /// Print what would be attached and published, and end
        #[arg(long)]
        dry_run: bool,
        /// Go on anew where what was kept is missing or cannot be opened
        #[arg(long)]
        accept_loss: bool,
    },
    /// Show the whole product on synthetic accounts and real packets, with no set-up
    Demo(demo::Options),
    /// Validate the configuration and every file it names; print what is in force
    Check {
        /// Configuration file
        #[arg(long, default_value = CONFIG)]
        config: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Count capture files (pcap, pcapng), offline
    Meter {
        /// Capture files; - reads standard input
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// CSV with the header prefix,account
        #[arg(long)]
        roster: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Change or count the running daemon's roster
    Roster {
        #[command(subcommand)]
        command: roster::Command,
        #[command(flatten)]
        daemon: Daemon,
    },
    /// One account's band, or an exact export
    Accounts {
        #[command(subcommand)]
        command: accounts::Command,
        #[command(flatten)]
        daemon: Daemon,
    },
    /// The state of the running daemon; 0 whole, 2 degraded, 69 no daemon
    Status {
        /// Print JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        daemon: Daemon,
    },
    /// Remove what a dead daemon left in the kernel and in memory
    Detach {
        /// Configuration file
        #[arg(long, default_value = CONFIG)]
        config: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Find what on this host would void the privacy claim; 0 nothing, 3 void
    Doctor {
        /// Print JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        daemon: Daemon,
    },
    /// Tell every datum that is held, at rest or published: where, for how long, who may see it
    Inventory {
        /// Configuration file
        #[arg(long, default_value = CONFIG)]
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
    end_at_a_panic();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            if !error.use_stderr() {
                // Help and version are no errors.
                let _ = error.print();
                return ExitCode::SUCCESS;
            }
            output::complain(&misspelt(&error));
            return ExitCode::from(ExitStatus::Usage as u8);
        }
    };
    match run(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output::complain(&failure.message);
            failure.into()
        }
    }
}

fn run(command: Command) -> Result<(), ExitError> {
    match command {
        Command::Run { config, dry_run: false, accept_loss } => crate::daemon::run(&config, accept_loss),
        Command::Run { config, dry_run: true, .. } => run::dry_run(&config),
        Command::Demo(options) => demo::run(&options),
        Command::Check { config, json } => run::check(&config, json),
        Command::Meter { files, roster, json } => meter::run(&files, &roster, json),
        Command::Roster { command, daemon } => roster::run(&command, &daemon.socket()?),
        Command::Accounts { command, daemon } => accounts::run(&command, &daemon.socket()?),
        Command::Status { json, daemon } => status::run(json, &daemon.socket()?),
        Command::Detach { config, json } => detach::run(&places(&config, "name --config FILE")?, json),
        Command::Doctor { json, daemon } => doctor::run(json, &daemon),
        Command::Inventory { config, json } => inventory::run(&config, json),
        Command::Gen { command } => generate::run(&command, Cli::command()),
    }
}

/// What is wrong with a command line, on one line. Names options, never what was given for them:
/// it may be an address or an account.
fn misspelt(error: &clap::Error) -> String {
    use clap::error::{ContextKind, ContextValue, ErrorKind};
    let what = error.kind().as_str().unwrap_or("the command line is wrong");
    let named = match (error.kind(), error.get(ContextKind::InvalidArg)) {
        (ErrorKind::UnknownArgument | ErrorKind::InvalidSubcommand, _) => String::new(),
        (_, Some(ContextValue::String(name))) => format!(": {name}"),
        (_, Some(ContextValue::Strings(names))) => format!(": {}", names.join(" ")),
        _ => String::new(),
    };
    format!("{what}{named}; see `blindmeter --help`")
}

/// A panic says where, never what: its message could hold anything. Then the process ends.
fn end_at_a_panic() {
    std::panic::set_hook(Box::new(|panic| {
        let place =
            panic.location().map_or_else(String::new, |at| format!(" at {}:{}", at.file(), at.line()));
        output::complain(&format!("bug{place}; please report it with this line"));
        std::process::exit(i32::from(ExitStatus::Bug as u8));
    }));
}
