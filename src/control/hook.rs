//! The hook's side of the hooks' pipe: hands requests over, waits a moment, and ends well whatever happens.
//!
//! A VPN server waits for its hooks, and takes a hook that fails for a refusal: a daemon that is dead, stopped
//! or slow must cost it 40 ms at the most.

use super::hook_pipe::{Sender, beside};
use super::protocol::Request;
use crate::clock::{Clock, SystemClock, pause};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a hook waits, all in all: the daemon makes changes every 10 ms, and a ring's packets before them
/// wait up to 8.
const PATIENCE: Duration = Duration::from_nanos(PATIENCE_NANOSECONDS);
const PATIENCE_NANOSECONDS: u64 = 40_000_000;

/// Between two tries to get into a full pipe, and two looks for an answer.
const AGAIN: Duration = Duration::from_micros(200);

/// A hook that is at work.
pub struct Hook {
    folder: PathBuf,
    until: u64,
    sender: Option<Sender>,
    waiting: Vec<u64>,
}

impl Hook {
    /// Begins: 40 ms from now the process ends, with 0, whatever it does then.
    #[must_use]
    pub fn begin(control_socket: &Path) -> Self {
        let until = SystemClock.now().boot_nanoseconds.saturating_add(PATIENCE_NANOSECONDS);
        // Without a thread nothing ends it early; what it waits for itself is bounded by the daemon's answer.
        let watch = || {
            pause(PATIENCE);
            std::process::exit(0);
        };
        let _ = std::thread::Builder::new().name("patience".into()).spawn(watch);
        Self { folder: beside(control_socket), until, sender: None, waiting: Vec::new() }
    }

    /// Hands a request over.
    ///
    /// # Errors
    /// No daemon, or no permission.
    pub fn ask(&mut self, request: &Request) -> io::Result<()> {
        let sender = match &mut self.sender {
            Some(sender) => sender,
            none => none.insert(Sender::open(&self.folder)?),
        };
        loop {
            match sender.hand_over(request, self.until) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => pause(AGAIN),
                handed => {
                    self.waiting.push(handed?);
                    return Ok(());
                }
            }
        }
    }

    /// Waits until all of it is in force, or was refused; the first refusal is told.
    ///
    /// # Errors
    /// Answers that cannot be read.
    pub fn await_answers(&mut self) -> io::Result<Option<String>> {
        let mut refusal = None;
        let Some(sender) = &self.sender else { return Ok(None) };
        for token in self.waiting.drain(..) {
            let told = loop {
                match sender.told(token)? {
                    Some(told) => break told,
                    None => pause(AGAIN),
                }
            };
            refusal = refusal.or(told.complaint().map(str::to_owned));
        }
        Ok(refusal)
    }
}
