//! What `blindmeter accounts` does for account holders' rights: correct, erase, a second officer's word, and what staff
//! did.
//!
//! Prints receipts; holds nothing.

use super::connection::unexpected_answer;
use super::output;
use crate::control::client;
use crate::control::protocol::{Answer, Request};
use crate::control::rights::{Remainder, Waiting};
use crate::exit::ExitError;
use nix::unistd::{Uid, User};
use std::path::Path;

/// Corrects an account's closed epochs.
///
/// # Errors
/// Those of the daemon.
pub(super) fn correct(
    account: &str,
    ([up, down], fleet): ([u64; 2], bool),
    reason: &str,
    json: bool,
    socket: &Path,
) -> Result<(), ExitError> {
    let (account, reason) = (account.to_owned(), reason.to_owned());
    let request = Request::Correct { account, up, down, reason, fleet };
    let receipt = match client::ask(socket, &request, &[])? {
        Answer::Corrected(receipt) => receipt,
        Answer::Waits(waiting) => return waits(&waiting, json),
        _ => return Err(unexpected_answer()),
    };
    if json {
        return output::json(&receipt);
    }
    output::line(&format!("corrected on {}, reason: {}", receipt.day, receipt.reason))?;
    let of = if fleet {
        "this period over the whole fleet"
    } else {
        "closed epochs of this period, where anything was held of them"
    };
    output::line(&format!(
        "{of}: {} bytes sent by the account, {} bytes received",
        receipt.up_bytes, receipt.down_bytes
    ))?;
    remains(&receipt.remains)
}

/// Erases what is held about an account.
///
/// # Errors
/// Those of the daemon.
pub(super) fn erase(account: &str, json: bool, socket: &Path) -> Result<(), ExitError> {
    let request = Request::Erase { account: account.to_owned() };
    let receipt = match client::ask(socket, &request, &[])? {
        Answer::Erased(receipt) => receipt,
        Answer::Waits(waiting) => return waits(&waiting, json),
        _ => return Err(unexpected_answer()),
    };
    if json {
        return output::json(&receipt);
    }
    output::line(&format!("erased on {}, as far as it was held:", receipt.day))?;
    receipt.erased.iter().try_for_each(|what| output::line(&format!("  {what}")))?;
    remains(&receipt.remains)
}

fn remains(remains: &[Remainder]) -> Result<(), ExitError> {
    output::line("what remains, and until when:")?;
    remains.iter().try_for_each(|remainder| {
        let Remainder { place, what, until } = remainder;
        output::line(&format!("  {place}: {what}; until: {until}"))
    })
}

/// Says that a second officer's word is waited for.
///
/// # Errors
/// Standard output's.
pub(super) fn waits(waiting: &Waiting, json: bool) -> Result<(), ExitError> {
    if json {
        return output::json(waiting);
    }
    output::line(&format!(
        "waits for a second privacy officer: `blindmeter accounts approve {}`, before {}; then run this command again",
        waiting.id, waiting.ends
    ))
}

/// Lists what waits for a second officer's word.
///
/// # Errors
/// Those of the daemon.
pub(super) fn pending(json: bool, socket: &Path) -> Result<(), ExitError> {
    let Answer::Pending(report) = client::ask(socket, &Request::Pending {}, &[])? else {
        return Err(unexpected_answer());
    };
    if json {
        return output::json(&report);
    }
    if !report.two_person {
        output::line("no second officer's word is needed: [support] two_person = false")?;
    }
    if report.requests.is_empty() {
        return output::line("nothing waits");
    }
    report.requests.iter().try_for_each(|request| {
        let reason = request.reason.as_ref().map_or_else(String::new, |reason| format!(" ({reason})"));
        let state = match (request.approved, request.is_own) {
            (true, true) => "approved: run the command again",
            (true, false) => "approved",
            (false, true) => "yours: another officer must approve it",
            (false, false) => "waits",
        };
        output::line(&format!(
            "{}: {}{reason} by {}, asked on {}, ends on {}; {state}",
            request.id,
            request.what,
            called(&request.who),
            request.day,
            request.ends
        ))
    })
}

/// Gives a second officer's word.
///
/// # Errors
/// Those of the daemon.
pub(super) fn approve(id: u32, socket: &Path) -> Result<(), ExitError> {
    match client::ask(socket, &Request::Approve { id }, &[])? {
        Answer::Done {} => output::line("approved; whoever asked can fetch the result"),
        _ => Err(unexpected_answer()),
    }
}

/// Lists what staff did.
///
/// # Errors
/// Those of the daemon.
pub(super) fn audit(json: bool, socket: &Path) -> Result<(), ExitError> {
    let Answer::Audit(report) = client::ask(socket, &Request::Audit {}, &[])? else {
        return Err(unexpected_answer());
    };
    if json {
        return output::json(&report);
    }
    let header = ["day", "who", "what", "reason", "times"].map(String::from);
    let row = |entry: &crate::control::rights::AuditRow| {
        [
            entry.day.clone(),
            called(&entry.who),
            entry.what.clone(),
            entry.reason.clone().unwrap_or_default(),
            entry.count.to_string(),
        ]
    };
    let rows: Vec<_> = std::iter::once(header).chain(report.entries.iter().map(row)).collect();
    output::table(&rows)?;
    output::line(&format!("an entry is kept for {} days; none names an account", report.kept_days))
}

/// What a member of staff is called here: the daemon knows users by their ids.
fn called(who: &str) -> String {
    let id = who.strip_prefix("uid:").and_then(|id| id.parse().ok());
    let user = id.and_then(|id| User::from_uid(Uid::from_raw(id)).ok().flatten());
    user.map_or_else(|| who.to_owned(), |user| user.name)
}
