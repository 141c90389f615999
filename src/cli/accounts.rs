//! `blindmeter accounts`: one account's usage band for support, exact totals for the privacy officer.

use super::connection::unexpected_answer;
use super::input;
use super::output;
use super::rights;
use crate::control::client;
use crate::control::protocol::{Answer, Request};
use crate::control::reports::{
    BandReport, ExportPlan, FlagReport, FleetExport, NodeExport, PeriodReport, TotalsReport,
};
use crate::exit::{ExitError, ExitStatus};
use crate::node::audit::Reason;
use clap::{Subcommand, ValueEnum};
use std::path::Path;
use zeroize::Zeroizing;

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
    /// List the accounts that carry a flag, with what to do (support role)
    Flagged {
        /// - reads names from standard input, one a line: those of accounts that no file of the daemon names
        #[arg(value_name = "-", value_parser = ["-"])]
        names: Option<String>,
        /// Flags that support writes to the user about, those that are only for whoever asks, or all
        #[arg(long, value_enum, default_value_t = Lists::Contact)]
        list: Lists,
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
        /// Say what would be exported and what it would use up, and use up nothing
        #[arg(long, conflicts_with = "node")]
        dry_run: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Set the totals of an account's closed epochs in this period right, with a receipt (privacy role)
    Correct {
        /// Account name; - reads it from standard input, and keeps it out of the shell's history
        account: String,
        /// What the account sent, in bytes
        #[arg(long, value_name = "BYTES")]
        up: u64,
        /// What it received, in bytes
        #[arg(long, value_name = "BYTES")]
        down: u64,
        /// Why: another's traffic was charged, it was counted wrong, nobody can show the figure, or anything else
        #[arg(long, value_parser = REASONS)]
        reason: String,
        /// Set the figures of the whole fleet to these; each node forgets its own at its next sending
        #[arg(long)]
        fleet: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Erase what is held about an account, with a receipt (privacy role)
    Erase {
        /// Account name; - reads it from standard input, and keeps it out of the shell's history
        account: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// List exports, corrections and erasures that wait for a second officer (privacy role)
    Pending {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Approve one of them, as the second officer; whoever asked then runs the command again (privacy role)
    Approve {
        /// Its number
        id: u32,
    },
    /// List what staff did in the last 28 days: who, what, how often; never of which account (privacy role)
    Audit {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// The words for why totals are corrected.
const REASONS: [&str; Reason::ALL.len()] =
    [Reason::Misattributed.word(), Reason::Miscounted.word(), Reason::Disputed.word(), Reason::Other.word()];

/// Which flags are listed.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Lists {
    Contact,
    Information,
    All,
}

/// Runs one of these commands.
///
/// # Errors
/// Those of the daemon.
pub(super) fn run(command: &Command, socket: &Path) -> Result<(), ExitError> {
    match command {
        Command::Show { account, json } => show(&input::account(account)?, *json, socket),
        Command::Flagged { names, list, json } => flagged(names.is_some(), *list, *json, socket),
        Command::Correct { account, up, down, reason, fleet, json } => {
            rights::correct(&input::account(account)?, ([*up, *down], *fleet), reason, *json, socket)
        }
        Command::Erase { account, json } => rights::erase(&input::account(account)?, *json, socket),
        Command::Pending { json } => rights::pending(*json, socket),
        Command::Approve { id } => rights::approve(*id, socket),
        Command::Audit { json } => rights::audit(*json, socket),
        Command::Export { node: true, json, .. } => node(*json, socket),
        Command::Export { account, open_epoch, dry_run, json, .. } => {
            let account = account
                .as_deref()
                .ok_or_else(|| ExitError::new(ExitStatus::Usage, "pass an account name"))?;
            let account = input::account(account)?;
            if *dry_run {
                plan(&account, *open_epoch, *json, socket)
            } else {
                export(&account, *open_epoch, *json, socket)
            }
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
    output::line(&band(&view.band))?;
    output::line(&as_of(&view.band))?;
    if view.flags.is_empty() {
        return output::line("flags: none");
    }
    view.flags.iter().try_for_each(|flag| output::line(&flag_line(flag)))
}

pub(super) fn flag_line(flag: &FlagReport) -> String {
    let FlagReport { kind, list, severity, advice } = flag;
    let urgency = if severity == list { String::new() } else { format!(", urgency {severity}") };
    format!("{kind} ({list}{urgency}): {advice}")
}

fn flagged(reads_names: bool, list: Lists, json: bool, socket: &Path) -> Result<(), ExitError> {
    let names = if reads_names { input::whole()? } else { Zeroizing::default() };
    let (contact, information) = (list != Lists::Information, list != Lists::Contact);
    let request = Request::Flagged { contact, information, bytes: names.len() };
    let Answer::Flagged(report) = client::ask(socket, &request, &names)? else {
        return Err(unexpected_answer());
    };
    if json {
        return output::json(&report);
    }
    if !report.enabled {
        return output::line("flags are off: [irregularity] enabled = false");
    }
    output::line(match report.node.as_str() {
        "interrupted" => "the node itself looked interrupted: nobody was judged; check uplink and VPN server",
        "unknown" => "too few accounts send to tell whether the node itself is interrupted",
        _ => "the node itself works",
    })?;
    if report.mass_event {
        return output::line(
            "so many accounts were irregular at once that no list is made: look at the node first",
        );
    }
    for account in &report.accounts {
        output::line(&account.account)?;
        account.flags.iter().try_for_each(|flag| output::line(&format!("  {}", flag_line(flag))))?;
    }
    if report.accounts.is_empty() && report.unnamed == 0 {
        output::line("nobody is flagged")?;
    }
    if report.unnamed > 0 {
        output::line(&format!(
            "and {} more, whom no file of the daemon names: pass names on standard input, to `accounts flagged -`",
            report.unnamed
        ))?;
    }
    Ok(())
}

/// The band, with the period that it is of.
pub(super) fn band(band: &BandReport) -> String {
    let low = band.at_least_bytes;
    let used = match band.below_bytes {
        Some(high) if low == 0 => format!("less than {}, possibly none", output::bytes(high)),
        Some(high) => format!("{} to {}", output::bytes(low), output::bytes(high)),
        None => format!("{} or more", output::bytes(low)),
    };
    let PeriodReport { first_day, last_day } = &band.period;
    format!("used from {first_day} to {last_day}: {used}")
}

/// What a reader of the band must know: it is up to a week old, and may be of the period before.
pub(super) fn as_of(band: &BandReport) -> String {
    let (as_of, period) = (&band.as_of, &band.period);
    // Dates in this form are ordered as their text is.
    let over = if *as_of > period.last_day { "; that period is over" } else { "" };
    format!(
        "as of {as_of}{over}; newer traffic is in it from the next refresh on, which all accounts have on one day"
    )
}

fn export(account: &str, open_epoch: bool, json: bool, socket: &Path) -> Result<(), ExitError> {
    // Asked apart, since an export is alike for every account; without it the figures are as good.
    let plan = if json { None } else { planned(account, open_epoch, socket).ok() };
    let request = Request::Export { account: account.to_owned(), open_epoch };
    let export = match client::ask(socket, &request, &[])? {
        Answer::Export(export) => export,
        Answer::Waits(waiting) => return rights::waits(&waiting, json),
        _ => return Err(unexpected_answer()),
    };
    if json {
        return output::json(&export);
    }
    let mut rows = vec![HEADER.map(String::from), row("closed epochs this period", &export.period)];
    if let Some(open) = &export.open_epoch {
        rows.push(row("open epoch", open));
    }
    output::table(&rows)?;
    if let Some(fleet) = &export.fleet {
        output::line(&in_fleet(fleet))?;
    }
    let Some(plan) = plan else { return Ok(()) };
    if plan.repeats {
        output::line("these are the figures of your first export of this account today")?;
    }
    if plan.named_by_roster { Ok(()) } else { output::line(UNNAMED) }
}

/// What all nodes together have sent.
fn in_fleet(fleet: &FleetExport) -> String {
    match fleet {
        FleetExport::Untold { why } => format!("the fleet: {why}"),
        FleetExport::Sums { as_of, up_bytes, down_bytes, nodes, stale_nodes } => format!(
            "the fleet, as of {as_of}: {up_bytes} bytes up, {down_bytes} bytes down, of {nodes} nodes; {stale_nodes} have \
             not sent this week"
        ),
    }
}

fn planned(account: &str, open_epoch: bool, socket: &Path) -> Result<ExportPlan, ExitError> {
    let request = Request::PlanExport { account: account.to_owned(), open_epoch };
    match client::ask(socket, &request, &[])? {
        Answer::ExportPlan(plan) => Ok(plan),
        _ => Err(unexpected_answer()),
    }
}

/// What distinguishes a typing error from an account that was not used.
const UNNAMED: &str = "no roster source names this account (the control socket's word: as of the last close)";

fn plan(account: &str, open_epoch: bool, json: bool, socket: &Path) -> Result<(), ExitError> {
    let plan = planned(account, open_epoch, socket)?;
    if json {
        return output::json(&plan);
    }
    let open = if open_epoch { ", and the open epoch" } else { "; --open-epoch adds the open epoch" };
    output::line(&format!("would export: the closed epochs of this period{open}"))?;
    output::line(&match (&plan.refusal, plan.left_today) {
        (Some(refusal), _) => format!("would be refused: {refusal}"),
        (None, Some(left)) => {
            format!(
                "would use up: this account's export of the week, and one of the {left} you have left today"
            )
        }
        (None, None) if plan.repeats => {
            "would use up: nothing; it repeats the figures of your first export of this account today"
                .to_owned()
        }
        (None, None) => "would use up: nothing; no limit holds here".to_owned(),
    })?;
    output::line(if plan.named_by_roster { "a roster source names this account" } else { UNNAMED })
}

fn node(json: bool, socket: &Path) -> Result<(), ExitError> {
    let node = match client::ask(socket, &Request::ExportNode {}, &[])? {
        Answer::Node(node) => node,
        Answer::Waits(waiting) => return rights::waits(&waiting, json),
        _ => return Err(unexpected_answer()),
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
