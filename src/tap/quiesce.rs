//! Quiescing: who waits for everything that has arrived to be counted, and when that is done.
//!
//! The roster quiesces the tap before it gives an address to another account, and exports quiesce it
//! before they read. Holds no packet and no address.

use super::packet_source::Position;
use std::sync::mpsc::SyncSender;

/// Requests that are not done yet.
#[derive(Default)]
pub(super) struct Quiescences(Vec<Quiescence>);

struct Quiescence {
    /// Serial number of an attachment, and how far its source must have been read.
    targets: Vec<(u64, Position)>,
    done: SyncSender<()>,
}

impl Quiescences {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Somebody waits until sources have been read that far.
    pub(super) fn begin(&mut self, targets: Vec<(u64, Position)>, done: SyncSender<()>) {
        self.0.push(Quiescence { targets, done });
    }

    /// Answers whoever has waited long enough. `is_behind` says of an attachment by its serial number
    /// whether its source is still there and has not been read that far.
    pub(super) fn finish(&mut self, is_behind: impl Fn(u64, Position) -> bool) {
        self.0.retain_mut(|quiescence| {
            quiescence.targets.retain(|(serial, target)| is_behind(*serial, *target));
            if quiescence.targets.is_empty() {
                // Whoever asked may have given up waiting.
                let _ = quiescence.done.send(());
            }
            !quiescence.targets.is_empty()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Receiver, sync_channel};

    fn begin(quiescences: &mut Quiescences, targets: &[(u64, [usize; 2])]) -> Receiver<()> {
        let (done, answer) = sync_channel(1);
        let targets = targets.iter().map(|(serial, target)| (*serial, Position(*target))).collect();
        quiescences.begin(targets, done);
        answer
    }

    /// What each source, named by its serial number, has been read up to.
    fn finish(quiescences: &mut Quiescences, read: &[(u64, [usize; 2])]) {
        quiescences.finish(|serial, Position(target)| {
            let source = read.iter().find(|(other, _)| *other == serial);
            source.is_some_and(|(_, read)| read.iter().zip(target).any(|(read, target)| *read < target))
        });
    }

    #[test]
    fn it_is_done_when_every_source_was_read_that_far() {
        let mut quiescences = Quiescences::default();
        let answer = begin(&mut quiescences, &[(1, [5, 0]), (2, [3, 7])]);
        finish(&mut quiescences, &[(1, [5, 0]), (2, [3, 6])]);
        assert!(answer.try_recv().is_err() && !quiescences.is_empty());
        // The first source falls behind again, for later packets: that is not asked for.
        finish(&mut quiescences, &[(1, [4, 0]), (2, [3, 7])]);
        assert!(answer.try_recv().is_ok() && quiescences.is_empty());
    }

    #[test]
    fn a_source_that_is_gone_was_counted_at_its_end() {
        let mut quiescences = Quiescences::default();
        let answer = begin(&mut quiescences, &[(1, [5, 0])]);
        finish(&mut quiescences, &[(2, [0, 0])]);
        assert!(answer.try_recv().is_ok());
    }

    #[test]
    fn each_is_answered_for_itself_and_nobody_has_to_listen() {
        let mut quiescences = Quiescences::default();
        let early = begin(&mut quiescences, &[(1, [1, 0])]);
        let late = begin(&mut quiescences, &[(1, [2, 0])]);
        let at_once = begin(&mut quiescences, &[]);
        finish(&mut quiescences, &[(1, [1, 0])]);
        assert!(early.try_recv().is_ok() && late.try_recv().is_err() && at_once.try_recv().is_ok());
        drop(late);
        finish(&mut quiescences, &[(1, [2, 0])]);
        assert!(quiescences.is_empty());
    }
}
