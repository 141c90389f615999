//! What the tap's thread is asked to do.

use std::sync::mpsc::SyncSender;
use std::time::Duration;

/// How long the thread waits at a time while something is on its way.
pub(super) const WAIT: Duration = Duration::from_millis(4);

pub(super) enum Command {
    Quiesce(SyncSender<()>),
    Conserve(SyncSender<()>),
    Missed(u64),
    Leave,
    Stop,
}
