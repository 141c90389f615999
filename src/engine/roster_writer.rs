//! The only writer of the roster: a thread that quiesces the tap before it changes an owner.
//!
//! Packets that arrived before a change are charged to the old owner, later ones to the new owner.
//! Changes that wait together share one quiescence, so that many cost little more than one.

use crate::meter::tags::Tag;
use crate::roster::rows::{Place, Rows};
use crate::roster::{Roster, RosterError, Source};
use crate::system::allocator::{REQUEST_BYTES, wipe_stack};
use crate::tap::Tap;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// Changes that may wait in the queue; further senders wait for room.
const WAITING: usize = 4096;

/// One thing to do once the tap is quiesced.
pub enum Change {
    /// Assign a prefix to an account.
    Assign(Source, Place, Tag),
    /// Remove a source's assignment of a prefix.
    Unassign(Source, Place),
    /// Replace everything that a source assigns.
    Replace(Source, Rows<Tag>),
    /// Change nothing: the caller wants to read counters that hold everything that has arrived.
    Quiesce,
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
) -> std::io::Result<(RosterWriter, std::thread::JoinHandle<()>)> {
    let (sender, jobs) = mpsc::channel(WAITING);
    let thread = std::thread::Builder::new().name("roster".into()).spawn(move || work(jobs, &roster, tap))?;
    Ok((RosterWriter(sender), thread))
}

fn work(mut jobs: mpsc::Receiver<Box<Job>>, roster: &Roster, mut tap: Option<Tap>) {
    let mut batch = Vec::new();
    let mut ending = false;
    while !ending && jobs.blocking_recv_many(&mut batch, WAITING) != 0 {
        let quiesced = tap.as_ref().is_none_or(Tap::quiesce);
        for job in batch.drain(..) {
            match job.change {
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

fn apply(roster: &Roster, change: Change) -> Outcome {
    let result = match change {
        Change::Assign(source, place, account) => roster.assign(source, place, account),
        Change::Replace(source, assignments) => roster.replace(source, assignments),
        Change::Unassign(source, place) => match roster.unassign(source, place) {
            Ok(false) => return Outcome::NotAssigned,
            unassigned => unassigned.map(drop),
        },
        Change::Quiesce | Change::Stop | Change::Leave => Ok(()),
    };
    result.map_or_else(Outcome::Full, |()| Outcome::Done)
}
