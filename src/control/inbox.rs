//! What hooks ask for, taken by the roster's thread on its tick: no thread wakes because of a hook.
//!
//! Reads the pipe, turns each record into a change, and writes what became of them; as many bytes are written
//! whether a hook waits or not. Where nothing has come, a record of its own is worked on in the same way: the thread's
//! processor time would tell each hook. Logs nothing, and counts what went wrong where only a close tells it.

use super::access::is_of_a_hook;
use super::handler::Handler;
use super::hook_pipe::{
    Answers, HookPipe, Key, Record, TOGETHER, Told, lines, restore_room, room, take, was_full,
};
use super::protocol::Request;
use crate::clock::{Clock, SystemClock};
use crate::engine::hook_counts::HookCounts;
use crate::engine::roster_writer::{Change, Inbox, Job, Outcome, Taken};
use crate::environment::Environment;
use std::fs::File;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use zeroize::Zeroize;

/// What became of the requests that were taken, by what each called itself.
type Settled = Arc<Mutex<Vec<(u64, Told)>>>;

/// The inbox of a pipe.
struct PipeInbox<E: Environment> {
    requests: File,
    room: usize,
    buffer: Vec<u8>,
    answers: Answers,
    settled: Settled,
    handler: Arc<Handler<E>>,
    /// What is worked on when nothing has come.
    rehearsal: Vec<u8>,
}

/// What a rehearsal names: an account that nobody has, and an address that is kept for documentation (RFC 5737).
const REHEARSED: (&str, &str) = ("192.0.2.1", "rehearsal");

/// The request of a rehearsal.
fn rehearsed() -> Request {
    let (prefix, account) = (REHEARSED.0.to_owned(), REHEARSED.1.to_owned());
    Request::Assign { prefix, account, interface: None, session: None }
}

/// The token of a rehearsal, which no hook has: those of hooks are random.
const OF_REHEARSAL: u64 = 0;

/// The inbox of this pipe.
///
/// # Errors
/// No descriptor is left.
pub fn inbox<E: Environment>(pipe: &HookPipe, handler: Arc<Handler<E>>) -> io::Result<Box<dyn Inbox>> {
    let (requests, answers) = pipe.ends()?;
    restore_room(&requests);
    let room = room(&requests);
    let (buffer, settled) = (vec![0; room], Settled::default());
    let ask = rehearsed();
    let rehearsal =
        Record { key: answers.key, token: OF_REHEARSAL, until: u64::MAX, ask: &ask }.text()?.to_vec();
    Ok(Box::new(PipeInbox { requests, room, buffer, answers, settled, handler, rehearsal }))
}

impl<E: Environment> Inbox for PipeInbox<E> {
    fn take(&mut self) -> Taken {
        restore_room(&self.requests);
        let bytes = take(&mut self.requests, &mut self.buffer);
        let taken = self.buffer.get(..bytes).unwrap_or_default();
        let text = if taken.is_empty() { self.rehearsal.as_slice() } else { taken };
        let (key, settled) = (&self.answers.key, &self.settled);
        let jobs = lines(text).filter_map(|line| job(&self.handler, key, settled, line)).collect();
        self.buffer.get_mut(..bytes).unwrap_or_default().zeroize();
        let is_full = was_full(bytes, self.room);
        if is_full {
            self.handler.hooks().turned_away();
        }
        // Who found no room tries again for some milliseconds: more may come before the next tick.
        Taken { jobs, is_all: bytes <= self.room / 2 }
    }

    fn answer(&mut self) {
        let mut settled = lock(&self.settled);
        let first = settled.len().min(TOGETHER);
        self.answers.write(settled.drain(..first));
    }
}

/// The lock cannot be poisoned, since a panic ends the process.
fn lock(settled: &Settled) -> MutexGuard<'_, Vec<(u64, Told)>> {
    settled.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The change that is asked for; what cannot be asked for is answered here. Of a stranger nothing is read.
fn job<E: Environment>(
    handler: &Arc<Handler<E>>,
    key: &Key,
    settled: &Settled,
    line: &[u8],
) -> Option<Box<Job>> {
    let record = serde_json::from_slice::<Record>(line).ok().filter(|record| record.key == *key)?;
    let Record { token, until, ask, .. } = record;
    let settled = Arc::clone(settled);
    let change = match &ask {
        // As much work as the change of an address.
        Request::FailedLogIn {} => {
            handler.hooks().log_in_failed();
            handler.change_of(&rehearsed()).ok()
        }
        ask if is_of_a_hook(ask) => handler.change_of(ask).ok(),
        _ => None,
    };
    let is_nobodys = token == OF_REHEARSAL || matches!(ask, Request::FailedLogIn {});
    let change = match change {
        Some(Change::Assign(_, prefix, account)) if is_nobodys => Some(Change::Rehearse(prefix, account)),
        change => change,
    };
    let handler = Arc::clone(handler);
    let Some(change) = change else {
        handler.hooks().refused();
        lock(&settled).push((token, Told::Refused));
        return None;
    };
    let done = move |outcome| {
        let told = told(&outcome);
        count(handler.hooks(), told, until);
        lock(&settled).push((token, told));
    };
    Some(Box::new(Job { change, done: Box::new(done) }))
}

fn count(hooks: &HookCounts, told: Told, until: u64) {
    if told != Told::Done {
        hooks.refused();
    }
    if SystemClock.now().boot_nanoseconds > until {
        hooks.unanswered();
    }
}

/// Whether an address was anybody's is not told: a hook's user would learn who is connected.
const fn told(outcome: &Outcome) -> Told {
    match outcome {
        Outcome::Done | Outcome::NotAssigned => Told::Done,
        Outcome::Full(_) => Told::Full,
        Outcome::NotQuiesced => Told::NotQuiesced,
    }
}
