//! The only writer of the roster: a thread that quiesces the tap before it changes an owner.
//!
//! Packets that arrived before a change are charged to the old owner, later ones to the new owner.
//! Changes that wait together share one quiescence, so that many cost little more than one. The thread wakes
//! on a tick, whether there are changes or not: when it ran tells nobody when a client came or went.

use crate::clock::Ticks;
use crate::meter::tags::Tag;
use crate::roster::address::Prefix;
use crate::roster::{Roster, RosterError, Source};
use crate::system::allocator::{REQUEST_BYTES, wipe_stack};
use crate::tap::Tap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{mpsc, oneshot};

/// Changes that may wait in the queue; further senders wait for room.
const WAITING: usize = 4096;

/// One thing to do once the tap is quiesced.
pub enum Change {
    /// Assign a prefix to an account.
    Assign(Source, Prefix, Tag),
    /// Remove a source's assignment of a prefix.
    Unassign(Source, Prefix),
    /// Replace everything that a source assigns.
    Replace(Source, Vec<(Prefix, Tag)>),
    /// Change nothing: the caller wants to read counters that hold everything that has arrived.
    Quiesce,
    /// An epoch is about to close: tell what was missed of it.
    Conserve,
    /// Count what is waiting, close the tap, and end the thread.
    Stop,
    /// The same, but leave counting for the next process what can.
    Leave,
}

/// What became of a change.
pub enum Outcome {
    /// It was made.
    Done,
    /// The source had no such assignment.
    NotAssigned,
    /// No slot is left, or the tap's table is full; nothing was changed.
    Full(RosterError),
    /// The tap did not quiesce in time; nothing was changed.
    NotQuiesced,
}

struct Job {
    change: Change,
    done: oneshot::Sender<Outcome>,
}

/// Sends changes to the writer. Jobs are boxed: the queue does not clear the places that jobs have left,
/// and a job holds an address.
#[derive(Clone)]
pub struct RosterWriter(mpsc::Sender<Box<Job>>);

impl RosterWriter {
    /// Makes a change, and returns when it is in force.
    pub(super) async fn make(&self, change: Change) -> Outcome {
        let (done, outcome) = oneshot::channel();
        if self.0.send(Box::new(Job { change, done })).await.is_err() {
            return Outcome::NotQuiesced;
        }
        outcome.await.unwrap_or(Outcome::NotQuiesced)
    }
}

/// Starts the writer. It owns the tap until [`Change::Stop`] or [`Change::Leave`]. Without a tap (the
/// demo in-process) there is nothing to quiesce.
///
/// # Errors
/// When the thread cannot be started.
pub(super) fn start(
    roster: Arc<Roster>,
    tap: Option<Tap>,
    tick: Duration,
) -> std::io::Result<(RosterWriter, std::thread::JoinHandle<()>)> {
    let (sender, jobs) = mpsc::channel(WAITING);
    let thread =
        std::thread::Builder::new().name("roster".into()).spawn(move || work(jobs, &roster, tap, tick))?;
    Ok((RosterWriter(sender), thread))
}

fn work(mut jobs: mpsc::Receiver<Box<Job>>, roster: &Roster, mut tap: Option<Tap>, tick: Duration) {
    let mut ending = false;
    let mut ticks = (!tick.is_zero()).then(|| Ticks::every(tick));
    while !ending {
        let batch = match &mut ticks {
            Some(ticks) => take(&mut jobs, ticks),
            None => jobs.blocking_recv().map(|job| vec![job]),
        };
        let Some(batch) = batch else { return };
        if batch.is_empty() {
            continue;
        }
        let quiesced = tap.as_ref().is_none_or(Tap::quiesce);
        for job in batch {
            match job.change {
                // What was not done in time is told at the next close.
                Change::Conserve => _ = tap.as_ref().is_none_or(Tap::conserve),
                Change::Stop => drop(tap.take()),
                Change::Leave => tap.take().map_or((), Tap::leave),
                _ => {}
            }
            ending |= matches!(job.change, Change::Stop | Change::Leave);
            let outcome = if quiesced { apply(roster, job.change) } else { Outcome::NotQuiesced };
            // The caller may be gone.
            let _ = job.done.send(outcome);
        }
        wipe_stack::<REQUEST_BYTES>();
    }
}

/// Waits for the next tick and takes the jobs there are; none when no more can come.
#[expect(clippy::vec_box, reason = "a box is cleared when its job is done, a place of the vector is not")]
fn take(jobs: &mut mpsc::Receiver<Box<Job>>, ticks: &mut Ticks) -> Option<Vec<Box<Job>>> {
    ticks.wait();
    let mut batch = Vec::new();
    loop {
        match jobs.try_recv() {
            Ok(job) => batch.push(job),
            Err(TryRecvError::Disconnected) if batch.is_empty() => return None,
            Err(_) => return Some(batch),
        }
    }
}

fn apply(roster: &Roster, change: Change) -> Outcome {
    let result = match change {
        Change::Assign(source, prefix, account) => roster.assign(source, prefix, account),
        Change::Replace(source, assignments) => roster.replace(source, assignments),
        Change::Unassign(source, prefix) => match roster.unassign(source, prefix) {
            Ok(false) => return Outcome::NotAssigned,
            unassigned => unassigned.map(drop),
        },
        Change::Quiesce | Change::Conserve | Change::Stop | Change::Leave => Ok(()),
    };
    result.map_or_else(Outcome::Full, |()| Outcome::Done)
}
