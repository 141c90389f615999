//! `blindmeter roster`: assigns prefixes and counts entries, over the control socket.

use super::connection::unexpected_answer;
use super::hook;
use super::input::{self, STANDARD_INPUT};
use super::output;
use crate::control::client::{self, Connection};
use crate::control::protocol::{Answer, ReleasedReport, Request, SkippedReport};
use crate::exit::{ExitError, ExitStatus};
use clap::Subcommand;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// What an assignment is answered with.
/// What an assignment is answered with.
const ASSIGNED: &str = "assigned, and in force now. Kept in memory alone, over stops of the daemon too, until it is \
     taken back or the host reboots; what must outlive a reboot belongs into roster.file";

/// What to do with the roster.
#[derive(Subcommand)]
pub(super) enum Command {
    /// Assign a prefix to an account, overriding the roster file
    ///
    /// It holds until it is taken back or the host reboots, in memory alone; what must outlive a reboot belongs into
    /// roster.file.
    ///
    /// Use -: arguments are seen by whoever lists processes, until the command has overwritten them.
    Assign {
        /// Address or prefix; - reads lines `prefix,account` or `prefix,account,interface` from standard input
        prefix: String,
        /// Account name; write a space, comma or percent sign as %XX
        account: Option<String>,
        /// As a VPN server's hook: ends within 50 ms and with 0, whatever the daemon does
        #[arg(long)]
        hook: bool,
        /// On this interface alone, where others hand out the same addresses
        #[arg(long, value_name = "NAME")]
        interface: Option<String>,
    },
    /// Remove an assignment made with `assign` or `sync`
    Unassign {
        /// Address or prefix; - reads lines `prefix` or `prefix,interface` from standard input
        prefix: String,
        /// As a VPN server's hook: ends within 50 ms and with 0, whatever the daemon does
        #[arg(long)]
        hook: bool,
        /// The interface that it was assigned on
        #[arg(long, value_name = "NAME")]
        interface: Option<String>,
    },
    /// Replace all assignments made with `assign` or `sync` by those in a file
    Sync {
        /// CSV with the header prefix,account or prefix,account,interface; - reads standard input
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
            Self::Assign { prefix, account, .. } if (prefix == STANDARD_INPUT) == account.is_some() => {
                let what = "pass PREFIX and ACCOUNT, or - alone and lines prefix,account on standard input";
                Err(ExitError::new(ExitStatus::Usage, what))
            }
            Self::Assign { prefix, interface: Some(_), .. }
            | Self::Unassign { prefix, interface: Some(_), .. }
                if prefix == STANDARD_INPUT =>
            {
                let what = "name the interface on each line of standard input, and leave --interface out";
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
        Command::Assign { hook: true, .. } | Command::Unassign { hook: true, .. } => {
            let io = |error: std::io::Error| ExitError::new(ExitStatus::Unavailable, error.to_string());
            hook::hand_over(socket, |hook| each_change(command, |change| hook.ask(change).map_err(io)));
            Ok(())
        }
        Command::Assign { .. } | Command::Unassign { .. } => {
            let mut daemon = Connection::open(socket)?;
            each_change(command, |change| daemon.ask(change, &[]).map(drop))?;
            match command {
                // Typed by somebody. Scripts pass names by standard input, and a line of theirs would tell the log of
                // their server when a client came.
                Command::Assign { account: Some(_), .. } => output::line(ASSIGNED),
                _ => Ok(()),
            }
        }
        Command::Sync { file } => sync(file, socket),
        Command::Counts { json } => counts(*json, socket),
    }
}

/// Each change that the arguments ask for, or standard input, line by line as it comes: a pipe may stay open.
fn each_change(
    command: &Command,
    mut work: impl FnMut(&Request) -> Result<(), ExitError>,
) -> Result<(), ExitError> {
    let assign = |prefix: &str, account: &str, interface: Option<&str>| Request::Assign {
        prefix: prefix.to_owned(),
        account: account.to_owned(),
        interface: interface.map(ToOwned::to_owned),
        session: None,
    };
    let unassign = |prefix: &str, interface: Option<&str>| Request::Unassign {
        prefix: prefix.to_owned(),
        interface: interface.map(ToOwned::to_owned),
        session: None,
    };
    match command {
        Command::Assign { prefix, account: Some(account), interface, .. } => {
            work(&assign(prefix, account, interface.as_deref()))
        }
        Command::Assign { .. } => input::each_line(|line| match line.split_once(',') {
            // The header of a roster file.
            Some(("prefix", "account" | "account,interface")) => Ok(()),
            Some((prefix, rest)) => {
                let (account, interface) = with_interface(rest);
                work(&assign(prefix.trim(), account, interface))
            }
            None => {
                Err(ExitError::new(ExitStatus::Usage, "expected prefix,account or prefix,account,interface"))
            }
        }),
        Command::Unassign { prefix, .. } if prefix == STANDARD_INPUT => input::each_line(|line| {
            let (prefix, interface) = with_interface(line);
            work(&unassign(prefix, interface))
        }),
        Command::Unassign { prefix, interface, .. } => work(&unassign(prefix, interface.as_deref())),
        Command::Sync { .. } | Command::Counts { .. } => Ok(()),
    }
}

/// A field, and the last one of a line, which names an interface or is left out.
fn with_interface(line: &str) -> (&str, Option<&str>) {
    let (rest, interface) = line.split_once(',').unwrap_or((line, ""));
    (rest.trim(), Some(interface.trim()).filter(|interface| !interface.is_empty()))
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
    // Quiet: timers run it.
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
    let mut rows = vec![["source", "state", "prefixes", "accounts", "without account"].map(String::from)];
    for source in &report.sources {
        let name = if source.latched { format!("{} *", source.source) } else { source.source.clone() };
        let state = if source.up { "up" } else { "DOWN" };
        let numbers =
            [source.prefixes, source.accounts, source.without_account].map(|number| number.to_string());
        let [prefixes, accounts, without] = numbers;
        rows.push([name, state.to_owned(), prefixes, accounts, without]);
    }
    output::table(&rows)?;
    output::line(&format!(
        "\nconflicts *: {}, skipped lines *: {}, room for {} accounts",
        report.conflicts, report.skipped_lines, report.capacity
    ))?;
    for SkippedReport { source, reason, count } in &report.skipped {
        output::line(&format!("passed over *: {source}: {count} {reason}"))?;
    }
    output::line(&format!("bytes without an account: {}", share(report.released.as_ref())))?;
    output::line(
        "* as of the last epoch's close, rounded up to a multiple of 8; live counts would show who connects",
    )
}

/// The share of bytes that no account owns, as it was released, and what its noise alone may come to.
fn share(released: Option<&ReleasedReport>) -> String {
    let Some(released) = released else {
        return "not known before a release that tells its totals".to_owned();
    };
    let [attributed, unattributed] =
        [released.attributed_bytes, released.unattributed_bytes].map(|bytes| i128::from(bytes.max(0)));
    let total = attributed + unattributed;
    if total == 0 {
        return format!("none to be told from the noise in epoch {}", released.epoch);
    }
    // Two standard deviations of two directions' sum: nineteen times in twenty it is less.
    let noise = i128::from(released.unattributed_noise_stddev_bytes) * 2 * 1414 / 1000;
    let tenths = |bytes: i128| {
        let tenths = bytes * 1000 / total;
        format!("{}.{}%", tenths / 10, tenths % 10)
    };
    let noise = match noise {
        0 => "rounded, without noise".to_owned(),
        noise if noise >= total => "less than its noise, which is as large as all".to_owned(),
        noise => format!("its noise alone is up to {}", tenths(noise)),
    };
    format!("{} in epoch {}, as released ({noise})", tenths(unattributed), released.epoch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_without_an_account_comes_with_its_noise() {
        let share = |attributed_bytes, unattributed_bytes, unattributed_noise_stddev_bytes| {
            share(Some(&ReleasedReport {
                epoch: 7,
                attributed_bytes,
                unattributed_bytes,
                attributed_noise_stddev_bytes: 0,
                unattributed_noise_stddev_bytes,
            }))
        };
        assert_eq!(share(937, 63, 10), "6.3% in epoch 7, as released (its noise alone is up to 2.8%)");
        assert_eq!(share(1000, 0, 0), "0.0% in epoch 7, as released (rounded, without noise)");
        assert!(share(10, -5, 1000).starts_with("0.0%") && share(10, 5, 1000).contains("as large as all"));
        assert!(share(-3, -5, 1).starts_with("none") && super::share(None).starts_with("not known"));
    }
}
