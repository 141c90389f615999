//! The command line: its commands, options and exit codes. One file per family of commands.

mod accounts;
mod audit_kit;
mod connection;
mod demo;
mod detach;
mod doctor;
mod expected_error;
mod expected_flags;
mod flags;
mod fleet;
mod fleet_warnings;
mod generate;
mod hook;
mod host;
mod input;
mod inventory;
mod meter;
mod output;
mod proposal;
mod receipt;
mod reload;
mod rights;
mod roster;
mod run;
mod service;
mod status;
mod usage;
mod verify;
mod warnings;
mod zero;

use crate::exit::{ExitError, ExitStatus};
use crate::meter::policy::Profile;
use crate::system::arguments;
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};
use connection::{CONFIG, Daemon, locations};
use std::ffi::OsString;
use std::io::IsTerminal;
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
        /// Without a configuration: meter this interface, and count the peers of a WireGuard device; repeatable
        #[arg(long, value_name = "NAME", conflicts_with_all = ["config", "accept_loss"])]
        interface: Vec<String>,
        /// With --interface: the account whose exports have no limit, to see that it counts
        #[arg(long, value_name = "ACCOUNT", requires = "interface")]
        probe: Option<String>,
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
        /// Read every file as this user would; by default, as root, as the unit's User=
        #[arg(long, value_name = "NAME")]
        as_user: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Count the packets of capture files (pcap, pcapng) by account, offline
    Meter {
        /// Capture files; - reads standard input
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Roster: CSV with the header prefix,account or prefix,account,interface
        #[arg(long, value_name = "FILE")]
        roster: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show which irregularity flags a table of counters would have raised, offline
    Flags(flags::Options),
    /// Change the running daemon's roster, or count its entries
    Roster {
        #[command(subcommand)]
        command: roster::Command,
        #[command(flatten)]
        daemon: Daemon,
    },
    /// As a VPN server's hook: tell the daemon whose an address is (always ends with 0, within 50 ms)
    Hook {
        #[command(subcommand)]
        command: hook::Command,
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
    /// One account over many nodes: look-ups, the clusters' servers, a second sending
    Fleet {
        #[command(subcommand)]
        command: fleet::Command,
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
        /// List the data of every tap, not only of the one in use
        #[arg(long)]
        all: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show which build and which policy this is, and with a release's signed receipt what differs from it
    Verify(verify::Options),
    /// Answer what auditors of a "no logs" claim ask of a live node, with evidence (exit status: 0 all seen and well, 2 unknown, 3 void)
    AuditKit(audit_kit::Options),
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
    if words.len() == 1 {
        return ended(output::line(&Cli::command().render_help().to_string()));
    }
    match Cli::try_parse_from(&words) {
        Ok(cli) => ended(execute(cli.command)),
        Err(error) => answer(&error, &words),
    }
}

/// Help and the version are no errors; everything else is said on one line.
fn answer(error: &clap::Error, words: &[OsString]) -> ExitCode {
    match error.kind() {
        ErrorKind::DisplayVersion => ended(output::line(&version())),
        ErrorKind::DisplayHelp => ended(output::written(error.print())),
        // A server would refuse its client; whoever sits at a terminal is told.
        _ if is_a_servers_hook(words) => ExitCode::SUCCESS,
        _ => {
            output::error(&usage::message(error, words, &Cli::command()));
            ExitCode::from(ExitStatus::Usage as u8)
        }
    }
}

fn is_a_servers_hook(words: &[OsString]) -> bool {
    words.get(1).is_some_and(|family| family == "hook") && !std::io::stderr().is_terminal()
}

/// The version, the commit it was built from, and which floors it has.
fn version() -> String {
    let (version, commit) = (env!("CARGO_PKG_VERSION"), env!("BLINDMETER_REVISION"));
    format!("blindmeter {version} (commit {commit}, profile {})", Profile::BUILT.as_str())
}

fn ended(result: Result<(), ExitError>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::error(&error.message);
            error.into()
        }
    }
}

/// The arguments. Those that may name an account are no longer seen by others.
fn hidden_arguments() -> Vec<OsString> {
    let words: Vec<OsString> = std::env::args_os().collect();
    let is_probed = |word: &OsString| word.to_string_lossy().starts_with("--probe");
    if words.get(1).is_some_and(|family| usage::NAMING.iter().any(|naming| family == naming))
        || words.iter().any(is_probed)
    {
        arguments::hide(&words, 2);
    }
    words
}

fn execute(command: Command) -> Result<(), ExitError> {
    match command {
        Command::Run { interface, probe, dry_run, .. } if !interface.is_empty() => {
            zero::start(&interface, probe.as_deref(), dry_run)
        }
        Command::Run { config, dry_run: false, accept_loss, .. } => crate::daemon::run(&config, accept_loss),
        Command::Run { config, dry_run: true, .. } => run::dry_run(&config),
        Command::Demo(options) => demo::run(&options),
        Command::Check { config, as_user, json } => run::check(&config, as_user.as_deref(), json),
        Command::Meter { files, roster, json } => meter::run(&files, &roster, json),
        Command::Flags(options) => flags::run(&options),
        Command::Roster { command, daemon } => {
            command.checked()?;
            roster::run(&command, &daemon.socket()?)
        }
        Command::Hook { command, daemon } => {
            hook::run(&command, &daemon);
            Ok(())
        }
        Command::Accounts { command, daemon } => accounts::run(&command, &daemon.socket()?),
        Command::Status { json, daemon } => status::run(json, &daemon.socket()?),
        Command::Reload { daemon } => reload::run(&daemon),
        Command::Detach { config, json } => detach::run(&locations(&config, "pass --config FILE")?, json),
        Command::Doctor { json, daemon } => doctor::run(json, &daemon),
        Command::Inventory { config, all, json } => inventory::run(&config, all, json),
        Command::Fleet { command } => fleet::run(&command),
        Command::Verify(options) => verify::run(&options),
        Command::AuditKit(options) => audit_kit::run(&options),
        Command::Gen { command } => generate::run(&command, Cli::command()),
    }
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
