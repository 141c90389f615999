//! `blindmeter reload`: tells the daemon to read its files again, and waits for what comes of it.

use super::connection::{Daemon, unexpected_answer};
use crate::config::DEFAULT_SOCKET;
use crate::control::client;
use crate::control::protocol::{Answer, Request};
use crate::exit::{ExitError, ExitStatus};
use std::path::Path;

/// Reloads.
///
/// # Errors
/// The daemon's refusal (78), no daemon (69), or no right to ask (77).
pub(super) fn run(daemon: &Daemon) -> Result<(), ExitError> {
    match daemon.socket() {
        Ok(socket) => ask(&socket),
        // A configuration that cannot be read is what a reload is to find: the daemon is told of it, where it
        // can be reached without.
        Err(unreadable) => match ask(Path::new(DEFAULT_SOCKET)) {
            Err(error) if error.code == ExitStatus::Unavailable => Err(unreadable),
            answered => answered,
        },
    }
}

fn ask(socket: &Path) -> Result<(), ExitError> {
    match client::ask(socket, &Request::Reload {}, &[])? {
        Answer::Done {} => Ok(()),
        _ => Err(unexpected_answer()),
    }
}
