//! What the tap's thread waits for, and what it counts when something came: the packets, the interfaces'
//! own counters beside them, and what detached interfaces left behind.
//!
//! Holds no packet and no address.

use super::attachments::Worker;
use super::waiting::Woken;
use crate::clock::Stopwatch;
use crate::tap::interfaces::News;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

/// How often the interfaces' own counters are read while packets pass, for the next process.
const COUNTER_READ_MILLISECONDS: u16 = 1000;

/// How long to wait at a time, in milliseconds, while something is on its way.
const WAIT_MILLISECONDS: u16 = 4;

impl Worker {
    /// Waits for interfaces, packets or commands, or for the next look at the hooks.
    pub(super) fn wait(&self) -> Woken {
        let is_waited_for = !(self.quiescences.is_empty() && self.retiring.is_empty());
        let look = self.watch.next(self.attachments.len()).as_millis() + 1;
        let look = u16::try_from(look).unwrap_or(u16::MAX);
        self.waiting.wait(Some(match (is_waited_for, self.is_idle && !self.is_short) {
            (true, _) => WAIT_MILLISECONDS,
            (false, false) => look.min(COUNTER_READ_MILLISECONDS),
            (false, true) => look,
        }))
    }

    /// Counts what waits on the interfaces of these attachments, or on all while somebody waits for it;
    /// true when nothing did.
    #[inline(never)]
    pub(super) fn drain(&mut self, serials: &[u64]) -> bool {
        if !self.quiescences.is_empty() {
            return self.drain_all();
        }
        let mut was_silent = true;
        for serial in serials {
            // One that has ended since is retiring.
            if let Ok(at) = self.attachments.binary_search_by_key(serial, |attachment| attachment.serial) {
                was_silent &= self.attachments[at].drain(&self.attribution);
            }
        }
        was_silent
    }

    /// The same on all interfaces, those that are retiring included.
    #[inline(never)]
    pub(super) fn drain_all(&mut self) -> bool {
        let retiring = self.retiring.iter_mut().map(|(attachment, _)| attachment);
        let mut was_silent = true;
        for attachment in self.attachments.iter_mut().chain(retiring) {
            was_silent &= attachment.drain(&self.attribution);
        }
        was_silent
    }

    /// Has the interfaces' own counters read in a second, where something passed.
    #[inline(never)]
    pub(super) fn schedule_counter_read(&mut self, was_silent: bool) {
        if !was_silent && self.is_idle {
            self.is_idle = false;
            self.counters_read = Stopwatch::start();
        }
    }

    /// Reads the interfaces' own counters once a second while packets pass: what a later process
    /// finds beyond them passed unseen. True when it was done.
    #[inline(never)]
    pub(super) fn read_interface_counters(&mut self) -> bool {
        let interval = Duration::from_millis(u64::from(COUNTER_READ_MILLISECONDS));
        if self.is_idle || self.counters_read.elapsed() < interval {
            return false;
        }
        // What passes while the list is waited for makes it busy again.
        self.is_idle = true;
        let Some(there) = self.list() else {
            self.is_idle = false;
            return false;
        };
        let mut was_silent = true;
        for attachment in &mut self.attachments {
            // What passed before the list was made is seen first, but for what waits to be seen.
            was_silent &= attachment.drain(&self.attribution);
            let entry = there.iter().find(|entry| entry.index == attachment.index);
            if let (Some(record), Some(entry)) = (attachment.record, entry) {
                record.set_passed(entry.passed.packets().saturating_sub(attachment.source.waiting()));
            }
        }
        self.is_idle &= was_silent;
        self.counters_read = if self.is_idle { self.began } else { Stopwatch::start() };
        true
    }

    /// Counts what detached interfaces left behind, and closes their sources.
    pub(super) fn retire(&mut self) {
        for (attachment, rounds) in &mut self.retiring {
            attachment.drain(&self.attribution);
            *rounds = if attachment.source.target().is_none() { 0 } else { *rounds - 1 };
        }
        self.retiring.retain(|(_, rounds)| *rounds > 0);
    }

    pub(super) fn quiesce(&mut self, done: SyncSender<()>) {
        // A change of owners may follow that names an interface for the first time.
        if self.is_another_named() {
            self.reconcile(&News::default());
        }
        // Where interfaces could not be listed, whoever waits is told so by the end of the channel.
        if !self.is_another_named() {
            self.begin_quiescence(done);
        }
    }

    /// True when names were given that may be those of attached interfaces, and nobody has looked since.
    pub(super) fn is_another_named(&self) -> bool {
        self.stands.is_another_named(self.attribution.table.places())
    }

    pub(super) fn begin_quiescence(&mut self, done: SyncSender<()>) {
        let retiring = self.retiring.iter_mut().map(|(attachment, _)| attachment);
        let mut targets = Vec::new();
        let mut was_silent = true;
        for attachment in self.attachments.iter_mut().chain(retiring) {
            was_silent &= attachment.drain(&self.attribution);
            targets.extend(attachment.source.target().map(|target| (attachment.serial, target)));
        }
        self.schedule_counter_read(was_silent);
        self.quiescences.begin(targets, done);
    }

    pub(super) fn finish_quiescences(&mut self) {
        let retiring = self.retiring.iter().map(|(attachment, _)| attachment);
        let attachments = self.attachments.iter().chain(retiring);
        self.quiescences.finish(|serial, target| {
            let mut attachments = attachments.clone();
            attachments.any(|it| it.serial == serial && !it.source.has_reached(target))
        });
    }
}
