//! `blindmeter accounts`: one account's usage band for support, exact totals for the privacy officer.

use super::connection::unexpected_answer;
use super::input;
use super::output;
use crate::control::client;
use crate::control::protocol::{Answer, Request};
use crate::control::reports::{AccountView, NodeExport, PeriodReport, TotalsReport};
use crate::exit::{ExitError, ExitStatus};
use clap::Subcommand;
use std::path::Path;

/// What to ask for.
#[derive(Subcommand)]
pub(super) enum Command {
    /// Show an account's usage band and flags (support role)
    Show {
        /// Account name; - reads it from standard input, and keeps it out of the shell's history
        account: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Export the exact totals held about an account, or the node's (privacy role)
    Export {
        /// Account name; - reads it from standard input, and keeps it out of the shell's history
        #[arg(required_unless_present = "node")]
        account: Option<String>,
        /// Export the node's totals instead of an account's
        #[arg(long, conflicts_with_all = ["account", "open_epoch"])]
        node: bool,
        /// Include the epoch that is still open
        #[arg(long)]
        open_epoch: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// Runs one of these commands.
///
/// # Errors
/// Those of the daemon.
pub(super) fn run(command: &Command, socket: &Path) -> Result<(), ExitError> {
    match command {
        Command::Show { account, json } => show(&input::account(account)?, *json, socket),
        Command::Export { node: true, json, .. } => node(*json, socket),
        Command::Export { account, open_epoch, json, .. } => {
            let account = account
                .as_deref()
                .ok_or_else(|| ExitError::new(ExitStatus::Usage, "pass an account name"))?;
            export(&input::account(account)?, *open_epoch, *json, socket)
        }
    }
}

fn show(account: &str, json: bool, socket: &Path) -> Result<(), ExitError> {
    let request = Request::Show { account: account.to_owned() };
    let Answer::Account(view) = client::ask(socket, &request, &[])? else {
        return Err(unexpected_answer());
    };
    if json {
        return output::json(&view);
    }
    output::line(&band(&view))?;
    output::line(&as_of(&view))?;
    output::line("flags: none (this version raises none)")
}

/// The band, with the period that it is of.
fn band(view: &AccountView) -> String {
    let low = view.band.at_least_bytes;
    let used = match view.band.below_bytes {
        Some(high) if low == 0 => format!("less than {}, possibly none", output::bytes(high)),
        Some(high) => format!("{} to {}", output::bytes(low), output::bytes(high)),
        None => format!("{} or more", output::bytes(low)),
    };
    let PeriodReport { first_day, last_day } = &view.band.period;
    format!("used from {first_day} to {last_day}: {used}")
}

/// What a reader of the band must know: it is up to a week old, and may be of the period before.
fn as_of(view: &AccountView) -> String {
    let (as_of, period) = (&view.band.as_of, &view.band.period);
    // Dates in this form are ordered as their text is.
    let over = if *as_of > period.last_day { "; that period is over" } else { "" };
    format!(
        "as of {as_of}{over}; newer traffic is in it from the next refresh on, which all accounts have on one day"
    )
}

fn export(account: &str, open_epoch: bool, json: bool, socket: &Path) -> Result<(), ExitError> {
    let request = Request::Export { account: account.to_owned(), open_epoch };
    let Answer::Export(export) = client::ask(socket, &request, &[])? else {
        return Err(unexpected_answer());
    };
    if json {
        return output::json(&export);
    }
    let mut rows = vec![HEADER.map(String::from), row("closed epochs this period", &export.period)];
    if let Some(open) = &export.open_epoch {
        rows.push(row("open epoch", open));
    }
    output::table(&rows)
}

fn node(json: bool, socket: &Path) -> Result<(), ExitError> {
    let Answer::Node(node) = client::ask(socket, &Request::ExportNode {}, &[])? else {
        return Err(unexpected_answer());
    };
    if json {
        return output::json(&node);
    }
    let NodeExport { attributed, unattributed, not_ip, malformed, link, lost, .. } = node;
    output::table(&[
        HEADER.map(String::from),
        row("attributed", &attributed),
        row("unattributed", &unattributed),
    ])?;
    output::line(&format!(
        "\nother packets: {} not IP, {} malformed, {} of the link itself, {} lost",
        not_ip.packets, malformed.packets, link.packets, lost.packets
    ))
}

const HEADER: [&str; 5] = ["", "up bytes", "up packets", "down bytes", "down packets"];

fn row(name: &str, totals: &TotalsReport) -> [String; 5] {
    [
        name.to_owned(),
        totals.up_bytes.to_string(),
        totals.up_packets.to_string(),
        totals.down_bytes.to_string(),
        totals.down_packets.to_string(),
    ]
}
