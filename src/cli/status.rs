//! `blindmeter status`: whether everything is attached, read and saved; nothing that depends on traffic.

use super::connection::unexpected_answer;
use super::output;
use crate::control::client;
use crate::control::protocol::{Answer, Request};
use crate::exit::{ExitError, ExitStatus};
use crate::meter::calendar::Day;
use crate::tap::kernel;
use std::path::Path;

/// Prints the daemon's state.
///
/// # Errors
/// A degraded daemon (2), no daemon (69), or no role (77).
pub(super) fn run(json: bool, socket: &Path) -> Result<(), ExitError> {
    let Answer::Status(status) = client::ask(socket, &Request::Status {}, &[])? else {
        return Err(unexpected_answer());
    };
    if json {
        output::json(&status)?;
    } else {
        let word = |healthy: bool, yes: &'static str, no: &'static str| if healthy { yes } else { no };
        let mut rows = vec![["version".to_owned(), status.version.clone()]];
        rows.push(["tap".to_owned(), status.backend.clone()]);
        rows.push(["counters".to_owned(), format!("{}: {}", status.counters, status.counters_reason)]);
        for interface in &status.interfaces {
            let state = word(interface.attached, "attached", "NOT ATTACHED");
            let before = match interface.before.as_slice() {
                [] => String::new(),
                before => format!("; before it: {}", kernel::with_names(&before.join(", "))),
            };
            rows.push([format!("interface {}", interface.interface), format!("{state}{before}")]);
        }
        for source in &status.sources {
            rows.push([format!("roster source {}", source.source), word(source.up, "up", "DOWN").to_owned()]);
        }
        rows.push(["accounts".to_owned(), status.accounts.to_string()]);
        rows.push(["conflicting prefixes".to_owned(), status.conflicts.to_string()]);
        rows.push(["hooks without an answer".to_owned(), status.hooks_unanswered.to_string()]);
        rows.push(["hooks refused".to_owned(), status.hooks_refused.to_string()]);
        for what in &status.counted_twice {
            rows.push(["counted twice".to_owned(), what.clone()]);
        }
        for page in &status.listeners {
            let what = if page.ends_with("/metrics") { "metrics page" } else { "desk" };
            rows.push([what.to_owned(), page.clone()]);
        }
        rows.push(["next release".to_owned(), minute(status.next_release_seconds)]);
        let close = match status.last_close_ok {
            None => "none since the start",
            Some(succeeded) => word(succeeded, "ok", "FAILED"),
        };
        rows.push(["last close".to_owned(), close.to_owned()]);
        rows.push(["last save".to_owned(), word(status.last_save_ok, "ok", "FAILED").to_owned()]);
        for cluster in status.fleet.iter().flatten() {
            let trouble = cluster.trouble.as_ref().map_or_else(String::new, |why| format!("; {why}"));
            rows.push([format!("fleet cluster {}", cluster.cluster), format!("{}{trouble}", cluster.state)]);
        }
        let reload = status.reload_refusal.as_ref().map_or("ok".to_owned(), |why| format!("REFUSED: {why}"));
        rows.push(["last reload".to_owned(), reload]);
        rows.push(["sandbox".to_owned(), status.sandbox_line()]);
        rows.push(["privacy floors".to_owned(), status.profile.clone()]);
        output::pairs(&rows)?;
        status.remarks.iter().try_for_each(|remark| output::line(remark))?;
    }
    if status.is_whole() { Ok(()) } else { Err(ExitError::new(ExitStatus::Found, "")) }
}

/// A moment, to the minute.
fn minute(seconds: u64) -> String {
    let (hour, minute) = (seconds / 3600 % 24, seconds / 60 % 60);
    format!("{} {hour:02}:{minute:02} UTC", Day::of_second(seconds))
}
