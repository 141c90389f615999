//! `blindmeter status`: whether everything is attached, read and saved; nothing that depends on traffic.

use super::connection::unexpected_answer;
use super::output;
use crate::control::client;
use crate::control::protocol::{Answer, Request};
use crate::exit::{ExitError, ExitStatus};
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
        let mut rows = vec![["tap".to_owned(), status.backend.clone()]];
        rows.push(["counters".to_owned(), format!("{}: {}", status.counters, status.counters_reason)]);
        for interface in &status.interfaces {
            let state = word(interface.attached, "attached", "NOT ATTACHED");
            rows.push([format!("interface {}", interface.interface), state.to_owned()]);
        }
        for source in &status.sources {
            rows.push([format!("roster source {}", source.source), word(source.up, "up", "DOWN").to_owned()]);
        }
        rows.push(["conflicting prefixes".to_owned(), status.conflicts.to_string()]);
        rows.push(["last close".to_owned(), word(status.last_close_ok, "ok", "FAILED").to_owned()]);
        rows.push(["last save".to_owned(), word(status.last_save_ok, "ok", "FAILED").to_owned()]);
        rows.push(["last reload".to_owned(), word(status.reload_ok, "ok", "REFUSED").to_owned()]);
        rows.push(["sandbox".to_owned(), status.sandbox_line()]);
        rows.push(["privacy floors".to_owned(), status.profile.clone()]);
        output::pairs(&rows)?;
    }
    if status.is_whole() { Ok(()) } else { Err(ExitError::new(ExitStatus::Found, "")) }
}
