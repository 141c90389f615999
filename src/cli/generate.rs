//! `blindmeter gen`: manual pages and shell completions, for packagers; a configuration for this host.

use super::host::{self, Found};
use super::proposal;
use crate::exit::{ExitError, ExitStatus};
use clap::Subcommand;
use clap_complete::Shell;
use clap_mangen::Man;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// What each exit status means, as docs/operating.md has it.
const EXIT_STATUS: [(&str, &str); 9] = [
    ("0", "All is well."),
    ("2", "A check found something, the daemon is degraded, or a file broke off."),
    ("3", "The privacy claim is void on this host."),
    ("64", "The command line is wrong."),
    ("69", "The daemon cannot be reached, or a port is taken."),
    ("70", "A bug."),
    ("74", "Input or output failed."),
    ("77", "A privilege or a role is missing, or a limit of look-ups is reached."),
    ("78", "The configuration is wrong, or the store was refused."),
];

/// Where everything is by default.
const FILES: [(&str, &str); 6] = [
    ("/etc/blindmeter/blindmeter.toml", "The configuration; it names all other files."),
    ("/etc/blindmeter/roster.csv", "The roster: which account owns which address."),
    ("/etc/blindmeter/ledger.key", "The root key, which the unit hands over as a credential."),
    ("/var/lib/blindmeter/ledger.sealed", "The sealed state; beside it the chain file that its key needs."),
    (
        "/run/blindmeter/control.sock",
        "The control socket; commands take it where the configuration cannot be read.",
    ),
    ("/sys/fs/bpf/blindmeter", "Pins of the kernel tap, while a sealed store outlives the process."),
];

/// What is read of the environment.
const ENVIRONMENT: [(&str, &str); 2] = [
    ("NO_COLOR", "When it is set, help has no colours and no bold face."),
    ("COLUMNS", "The width of what `demo` prints when its output is no terminal; 80 without it."),
];

/// What to generate.
#[derive(Subcommand)]
pub(super) enum Command {
    /// Generate manual pages: one per command into a directory, or the main one to standard output
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
            return pages(&program, folder).map_err(|error| failed(folder, &error));
        }
        Command::Man { folder: None } => {
            page(&Man::new(program), &mut text).map_err(|error| ExitError::output(&error))?;
        }
        Command::Config { interface } => {
            let found: Vec<Found> = interface.iter().map(|interface| host::look(interface)).collect();
            text.extend(proposal::commented(&found).into_bytes());
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
fn pages(command: &clap::Command, folder: &Path) -> io::Result<()> {
    command.get_subcommands().try_for_each(|command| pages(command, folder))?;
    let man = Man::new(command.clone());
    let mut text = Vec::new();
    page(&man, &mut text)?;
    let path = folder.join(man.get_filename());
    // A new file: where others may write, a link of theirs would lead elsewhere.
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    std::fs::File::create_new(path)?.write_all(&text)
}

/// A page: what the command line knows of the command, and what it does not.
fn page(man: &Man, text: &mut Vec<u8>) -> io::Result<()> {
    man.render(text)?;
    for (heading, entries) in
        [("EXIT STATUS", &EXIT_STATUS[..]), ("FILES", &FILES), ("ENVIRONMENT", &ENVIRONMENT)]
    {
        writeln!(text, ".SH \"{heading}\"")?;
        for (name, meaning) in entries {
            // In roff a minus is escaped, else it is a hyphen.
            writeln!(text, ".TP\n\\fB{}\\fR\n{}", name.replace('-', "\\-"), meaning.replace('-', "\\-"))?;
        }
    }
    Ok(())
}

fn failed(folder: &Path, error: &io::Error) -> ExitError {
    ExitError::new(ExitStatus::Io, format!("{}: {error}", folder.display()))
}
