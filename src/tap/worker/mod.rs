//! The one tap thread: an event loop over commands, interfaces that come and go, and packets.
//!
//! What is attached is in `attachments`, what could not be in `refused`, what is done about others at the
//! hooks in `guard`, what is asked of the kernel in `answers`, which interfaces have owners of their own in `stands`, what is waited for in `waiting`,
//! and what is counted then in `look`. Decisions are made
//! elsewhere: what to attach in `reconcile`, what to report in `reports`, when a quiescence is done in
//! `quiesce`, what passed unseen in `gap`. Holds no packet and no address.

mod answers;
mod attachments;
mod close;
mod commands;
mod guard;
mod look;
mod refused;
mod stands;
mod waiting;

use super::attribution::Attribution;
use super::conservation::Conservation;
use super::events::TapEvent;
use super::gap::Unseen;
use super::interface_records::InterfaceRecords;
use super::interfaces::{InterfaceEvents, News};
use super::links::Links;
use super::obstacle::Obstacles;
use super::packet_source::Opener;
use super::quiesce::Quiescences;
use super::reports::Reports;
use super::selection::TapError;
use super::socket;
use super::watch::Watch;
use crate::clock::Stopwatch;
use crate::config::{Pattern, TapKind};
use crate::system::allocator::{PACKET_BYTES, wipe_stack};
use attachments::Worker;
use commands::{Command, WAIT};
use nix::sys::eventfd::{EfdFlags, EventFd};
use refused::Refused;
use stands::Stands;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;
use waiting::Waiting;

/// How long a quiescence may take at the most; a ring hands over its blocks within milliseconds.
const QUIESCE_TIMEOUT: Duration = Duration::from_secs(2);

/// The same at the end, where every round waits.
const FINISH_ROUNDS: usize = 50;

/// A running tap.
pub struct Tap {
    commands: Sender<Command>,
    wake: Arc<EventFd>,
    thread: Option<JoinHandle<()>>,
    /// Packets wait for this process to count them.
    lets_wait: bool,
    attribution: Attribution,
    /// How many interfaces assignments had named when the thread was last asked to look at them.
    named: AtomicUsize,
}

impl Tap {
    /// Starts the tap thread in the network namespace of the calling thread, and returns after
    /// every interface that is there was tried once. `records` is what an earlier process knew of
    /// interfaces, and what the next one is to know; `notify` is called on the tap's thread.
    ///
    /// # Errors
    /// When the process may not open packet sockets, or the kernel lacks what is needed.
    pub fn start(
        opener: Opener,
        patterns: &[Pattern],
        attribution: Attribution,
        records: InterfaceRecords,
        links: Links,
        notify: impl Fn(TapEvent) + Send + 'static,
    ) -> Result<Self, TapError> {
        let kind = opener.kind();
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::PermissionDenied => TapError::Permission(kind.as_str()),
            _ => TapError::Failed(kind.as_str(), error),
        };
        if kind != TapKind::Kernel {
            socket::open().map_err(failed)?;
        }
        let events = InterfaceEvents::open().map_err(failed)?;
        let wake = EventFd::from_value_and_flags(0, EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK);
        let wake = Arc::new(wake.map_err(|errno| failed(errno.into()))?);
        let waiting = Waiting::on(wake.as_fd(), events.fd()).map_err(failed)?;
        let (commands, received) = channel();
        let began = Stopwatch::start();
        let conservation = Conservation::new(attribution.counters, kind == TapKind::Kernel);
        let stands = Stands::of(attribution.table.places());
        let named = AtomicUsize::new(attribution.table.places().given());
        let shared = attribution.clone();
        let mut worker = Worker {
            opener,
            patterns: patterns.to_vec(),
            reports: Reports::new(patterns),
            events,
            links,
            waiting,
            serials: 0,
            attachments: Vec::new(),
            refused: Refused::default(),
            is_short: false,
            retiring: Vec::new(),
            quiescences: Quiescences::default(),
            attribution,
            unseen: Unseen::new(records, kind == TapKind::Kernel),
            conservation,
            watch: Watch::new(),
            before: Obstacles::new(),
            xdp: BTreeMap::new(),
            stands,
            began,
            counters_read: began,
            is_idle: true,
            notify: Box::new(notify),
            wake: Arc::clone(&wake),
            commands: received,
            later: VecDeque::new(),
        };
        let (started, ready) = sync_channel(1);
        let thread = std::thread::Builder::new()
            .name("tap".into())
            .spawn(move || {
                worker.begin();
                // The starter waits for exactly this message.
                let _ = started.send(());
                worker.run();
            })
            .map_err(failed)?;
        ready.recv().map_err(|_| failed(io::ErrorKind::BrokenPipe.into()))?;
        Ok(Self {
            commands,
            wake,
            thread: Some(thread),
            lets_wait: kind != TapKind::Kernel,
            attribution: shared,
            named,
        })
    }

    /// Waits until everything that has arrived so far is counted, and until each interface that an assignment
    /// has named has owners of its own.
    ///
    /// The kernel's program counts a packet while it passes: nothing waits, and no thread wakes, in whose
    /// counters others could see that an owner changed. Returns false when it was not done in time.
    #[must_use]
    pub fn quiesce(&self) -> bool {
        let named = self.attribution.table.places().given();
        // Relaxed: one thread asks; the count itself is read with Acquire.
        if !self.lets_wait && self.named.load(Ordering::Relaxed) == named {
            return true;
        }
        let (done, answer) = sync_channel(1);
        let is_done = self.send(Command::Quiesce(done)) && answer.recv_timeout(QUIESCE_TIMEOUT).is_ok();
        if is_done {
            self.named.store(named, Ordering::Relaxed);
        }
        is_done
    }

    /// Counts as lost what the interfaces' own counters tell of beyond what was seen since the last call:
    /// for a close, and at no other time.
    ///
    /// Returns false when that was not done in time; the next close makes up for it.
    #[must_use]
    pub fn conserve(&self) -> bool {
        let (done, answer) = sync_channel(1);
        self.send(Command::Conserve(done)) && answer.recv_timeout(QUIESCE_TIMEOUT).is_ok()
    }

    /// Counts packets as lost that passed before this tap was there.
    pub fn missed(&self, packets: u64) {
        self.send(Command::Missed(packets));
    }

    /// Leaves the kernel's program to the next process; it counts on. Other taps end.
    pub fn leave(self) {
        self.send(Command::Leave);
    }

    fn send(&self, command: Command) -> bool {
        self.commands.send(command).is_ok() && self.wake.write(1).is_ok()
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.send(Command::Stop);
        if let Some(thread) = self.thread.take() {
            // A tap thread that panicked has ended the process already.
            let _ = thread.join();
        }
    }
}

impl Worker {
    fn run(&mut self) {
        loop {
            let woken = self.wait();
            if woken.interfaces_changed || self.may_attach_more() {
                let news = self.events.news();
                self.reconcile(&news);
            }
            if self.guard() {
                self.reconcile(&News::default());
            }
            let drains = !(woken.serials.is_empty() && self.quiescences.is_empty());
            if drains {
                let was_silent = self.drain(&woken.serials);
                self.schedule_counter_read(was_silent);
            }
            if self.read_interface_counters() || drains {
                // The last packet's addresses, and what the clock said.
                wipe_stack::<PACKET_BYTES>();
            }
            self.retire();
            let _ = self.wake.read();
            while let Some(command) = self.next_command() {
                match command {
                    Command::Quiesce(done) => self.quiesce(done),
                    Command::Conserve(done) => {
                        self.conserve();
                        // Whoever asked may have given up waiting.
                        let _ = done.send(());
                    }
                    Command::Missed(packets) => self.missed(packets),
                    Command::Leave => return self.leave(),
                    Command::Stop => return self.finish(),
                }
            }
            self.finish_quiescences();
        }
    }

    fn next_command(&mut self) -> Option<Command> {
        self.later.pop_front().or_else(|| self.commands.try_recv().ok())
    }

    /// Counts what waits, and leaves the rest to the next process.
    fn leave(&mut self) {
        for attachment in &mut self.attachments {
            attachment.source.leave();
        }
        self.finish();
    }

    /// Counts what waits before the sockets are closed.
    fn finish(&mut self) {
        for mut attachment in std::mem::take(&mut self.attachments) {
            // What arrives from here on is after the end.
            attachment.source.shut(None);
            self.retiring.push((attachment, FINISH_ROUNDS));
        }
        // A service manager waits: not for those either that would have had longer.
        self.retiring.iter_mut().for_each(|(_, rounds)| *rounds = FINISH_ROUNDS.min(*rounds));
        while !self.retiring.is_empty() {
            self.retire();
            std::thread::sleep(WAIT);
        }
    }
}
