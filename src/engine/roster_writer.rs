//! The only writer of the roster: a thread that quiesces the tap before it changes an owner.
//!
//! Packets that arrived before a change are charged to the old owner, later ones to the new owner.
//! Changes that wait together share one quiescence, so that many cost little more than one. The thread wakes
//! on a tick, and spends the same processor time on each, whether there are changes or not: when it ran, and for how
//! long, is to tell nobody when a client came or went. The work of one change is done on each tick as well, so that
//! what it touches is as warm for the next one.

use crate::clock::{EqualShares, Ticks, pause};
use crate::meter::tags::Tag;
use crate::roster::address::Prefix;
use crate::roster::{Roster, RosterError, Session, Source};
use crate::system::allocator::{REQUEST_BYTES, wipe_stack};
use crate::tap::Tap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{mpsc, oneshot};

/// Changes that may wait in the queue; further senders wait for room.
const WAITING: usize = 4096;

/// Pause before another look into an inbox of which more is likely to come.
const AGAIN: Duration = Duration::from_micros(200);

/// Processor time of a tick: above what the dearest change of one client takes, with its answer, on a busy and slow
/// processor. A build with assertions is hardly optimised, and takes several times as long for the same.
const SHARE: Duration = Duration::from_micros(if cfg!(debug_assertions) { 600 } else { 200 });

/// One thing to do once the tap is quiesced.
pub enum Change {
    /// Assign a prefix to an account.
    Assign(Source, Prefix, Tag),
    /// Remove a source's assignment of a prefix.
    Unassign(Source, Prefix),
    /// Assign a prefix to an account for a connection that a hook tells of.
    Connect(Prefix, Tag, Session),
    /// Remove what was assigned for this connection.
    Disconnect(Prefix, Session),
    /// Replace everything that a source assigns.
    Replace(Source, Vec<(Prefix, Tag)>),
    /// Do the work of an assignment, and change nothing.
    Rehearse(Prefix, Tag),
    /// Assign all of these, and leave the source's others.
    Add(Source, Vec<(Prefix, Tag)>),
    /// Change nothing: the caller wants to read counters that hold everything that has arrived.
    Quiesce,
    /// An epoch is about to close: tell what was missed of it.
    Conserve,
    /// Count what is waiting, close the tap, and end the thread.
    Stop,
    /// The same, but leave counting for the next process what can.
    Leave,
    /// From now on, look into this inbox at every tick.
    Open(Door, Box<dyn Inbox>),
}

/// Which inbox; a newer one takes the place of an older one there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// The pipe of hooks.
    Hooks,
    /// RADIUS accounting.
    Radius,
}

/// Changes that come by another way than the queue. Neither call waits.
pub trait Inbox: Send {
    /// Takes what has come.
    fn take(&mut self) -> Taken;

    /// All that was taken is done; called at every tick.
    fn answer(&mut self);
}

/// What an inbox held.
pub struct Taken {
    /// In the order in which they came.
    pub jobs: Vec<Box<Job>>,
    /// Nothing is left, or likely to come before the next tick.
    pub is_all: bool,
}

impl Change {
    /// Whether nothing that was counted would be another's by it.
    fn is_rehearsal(&self) -> bool {
        matches!(self, Self::Rehearse(..))
    }
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

/// A change, and who is told of its outcome.
pub struct Job {
    /// What to change.
    pub change: Change,
    /// Called with the outcome; must not wait.
    pub done: Box<dyn FnOnce(Outcome) + Send>,
}

/// Sends changes to the writer. Jobs are boxed: the queue does not clear the places that jobs have left,
/// and a job holds an address.
#[derive(Clone)]
pub struct RosterWriter(mpsc::Sender<Box<Job>>);

impl RosterWriter {
    /// Makes a change, and returns when it is in force.
    pub(super) async fn make(&self, change: Change) -> Outcome {
        let (told, outcome) = oneshot::channel();
        // The caller may be gone.
        let done = Box::new(move |outcome| drop(told.send(outcome)));
        if self.0.send(Box::new(Job { change, done })).await.is_err() {
            return Outcome::NotQuiesced;
        }
        outcome.await.unwrap_or(Outcome::NotQuiesced)
    }
}

impl RosterWriter {
    /// The same for a thread of its own, which waits.
    pub(super) fn make_and_wait(&self, change: Change) -> Outcome {
        let (told, outcome) = oneshot::channel();
        let done = Box::new(move |outcome| drop(told.send(outcome)));
        if self.0.blocking_send(Box::new(Job { change, done })).is_err() {
            return Outcome::NotQuiesced;
        }
        outcome.blocking_recv().unwrap_or(Outcome::NotQuiesced)
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
    let (mut ending, mut inboxes, mut is_all) = (false, [None::<Box<dyn Inbox>>, None], true);
    let mut ticks = (!tick.is_zero()).then(|| (Ticks::every(tick), EqualShares::of(SHARE)));
    while !ending {
        let batch = match &mut ticks {
            Some((ticks, shares)) => {
                if is_all {
                    shares.spend();
                    ticks.wait();
                } else {
                    pause(AGAIN);
                }
                take(&mut jobs)
            }
            None => jobs.blocking_recv().map(|job| vec![job]),
        };
        let Some(mut batch) = batch else { return };
        is_all = true;
        for inbox in inboxes.iter_mut().flatten() {
            let taken = inbox.take();
            batch.extend(taken.jobs);
            is_all &= taken.is_all;
        }
        if batch.is_empty() {
            inboxes.iter_mut().flatten().for_each(|inbox| inbox.answer());
            continue;
        }
        let is_rehearsal = batch.iter().all(|job| job.change.is_rehearsal());
        let quiesced = is_rehearsal || tap.as_ref().is_none_or(Tap::quiesce);
        for job in batch {
            let Job { change, done } = *job;
            match &change {
                // What was not done in time is told at the next close.
                Change::Conserve => _ = tap.as_ref().is_none_or(Tap::conserve),
                Change::Stop => drop(tap.take()),
                Change::Leave => tap.take().map_or((), Tap::leave),
                _ => {}
            }
            ending |= matches!(change, Change::Stop | Change::Leave);
            done(match change {
                Change::Open(door, opened) => {
                    inboxes[door as usize] = Some(opened);
                    Outcome::Done
                }
                change if quiesced => apply(roster, change),
                _ => Outcome::NotQuiesced,
            });
        }
        inboxes.iter_mut().flatten().for_each(|inbox| inbox.answer());
        wipe_stack::<REQUEST_BYTES>();
    }
}

/// Takes the jobs that wait; none when no more can come.
#[expect(clippy::vec_box, reason = "a box is cleared when its job is done, a place of the vector is not")]
fn take(jobs: &mut mpsc::Receiver<Box<Job>>) -> Option<Vec<Box<Job>>> {
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
        Change::Connect(prefix, account, session) => roster.connect(prefix, account, session),
        Change::Replace(source, assignments) => roster.replace(source, assignments),
        Change::Rehearse(prefix, account) => roster.rehearse(prefix, account),
        Change::Add(source, assignments) => roster.add(source, assignments),
        Change::Unassign(source, prefix) => match roster.unassign(source, prefix) {
            Ok(false) => return Outcome::NotAssigned,
            unassigned => unassigned.map(drop),
        },
        Change::Disconnect(prefix, session) => match roster.disconnect(prefix, session) {
            Ok(false) => return Outcome::NotAssigned,
            unassigned => unassigned.map(drop),
        },
        Change::Quiesce | Change::Conserve | Change::Stop | Change::Leave | Change::Open(..) => Ok(()),
    };
    result.map_or_else(Outcome::Full, |()| Outcome::Done)
}
