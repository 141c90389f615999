//! The one tap thread: an event loop over commands, interfaces that come and go, and packets.
//!
//! Decisions are made elsewhere: what to attach in `reconcile`, what to report in `reports`, when a
//! quiescence is done in `quiesce`, what passed unseen in `gap`. Holds no packet and no address.

use super::attribution::Attribution;
use super::events::TapEvent;
use super::gap::Unseen;
use super::interface_records::{InterfaceRecord, InterfaceRecords};
use super::interfaces::{self, Hardware, InterfaceEntry, InterfaceEvents};
use super::packet_source::{Opener, PacketSource};
use super::quiesce::Quiescences;
use super::reconcile::{self, Attach, Attached};
use super::reports::Reports;
use super::selection::TapError;
use super::socket;
use crate::clock::Stopwatch;
use crate::config::{Pattern, TapKind};
use crate::system::allocator::{PACKET_BYTES, wipe_stack};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long a quiescence may take at the most; a ring hands over its blocks within milliseconds.
const QUIESCE_TIMEOUT: Duration = Duration::from_secs(2);

/// How often the interfaces' own counters are read while packets pass, for the next process.
const COUNTER_READ_MILLISECONDS: u16 = 1000;

/// Poll timeout in milliseconds while something is waited for.
const WAIT_MILLISECONDS: u16 = 4;

/// Rounds of the loop that a vanished interface's last block is waited for. A round may be as short
/// as a tenth of a millisecond where hundreds of interfaces are busy; a block is handed over in 8 ms.
const RETIRE_ROUNDS: usize = 2000;

/// The same at the end, where every round waits.
const FINISH_ROUNDS: usize = 50;

/// A running tap.
pub struct Tap {
    commands: Sender<Command>,
    wake: Arc<EventFd>,
    thread: Option<JoinHandle<()>>,
}

enum Command {
    Quiesce(SyncSender<()>),
    Leave,
    Stop,
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
        let (commands, received) = channel();
        let began = Stopwatch::start();
        let mut worker = Worker {
            opener,
            patterns: patterns.to_vec(),
            reports: Reports::new(patterns),
            events,
            serials: 0,
            attachments: Vec::new(),
            retiring: Vec::new(),
            quiescences: Quiescences::default(),
            attribution,
            unseen: Unseen::new(records, kind == TapKind::Kernel),
            began,
            counters_read: began,
            is_idle: true,
            notify: Box::new(notify),
            wake: Arc::clone(&wake),
        };
        let (started, ready) = sync_channel(1);
        let thread = std::thread::Builder::new()
            .name("tap".into())
            .spawn(move || {
                worker.begin();
                // The starter waits for exactly this message.
                let _ = started.send(());
                worker.run(&received);
            })
            .map_err(failed)?;
        ready.recv().map_err(|_| failed(io::ErrorKind::BrokenPipe.into()))?;
        Ok(Self { commands, wake, thread: Some(thread) })
    }

    /// Waits until everything that has arrived so far is counted, losses included.
    ///
    /// Returns false when that was not done in time.
    #[must_use]
    pub fn quiesce(&self) -> bool {
        let (done, answer) = sync_channel(1);
        self.send(Command::Quiesce(done)) && answer.recv_timeout(QUIESCE_TIMEOUT).is_ok()
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

struct Worker {
    opener: Opener,
    patterns: Vec<Pattern>,
    reports: Reports,
    events: InterfaceEvents,
    /// Attachments made so far.
    serials: u64,
    attachments: Vec<Attachment>,
    /// Detached, with packets that may wait yet, and the rounds that are left to each.
    retiring: Vec<(Attachment, usize)>,
    quiescences: Quiescences,
    attribution: Attribution,
    unseen: Unseen,
    began: Stopwatch,
    /// When the interfaces' own counters were read last, or something passed after they were; `began`
    /// once `is_idle`, for then it would be the time of the last packet.
    counters_read: Stopwatch,
    /// Nothing has passed since the counters were read.
    is_idle: bool,
    notify: Box<dyn Fn(TapEvent) + Send>,
    wake: Arc<EventFd>,
}

/// A tap on one interface.
struct Attachment {
    /// What the next process is to know of the interface.
    record: Option<InterfaceRecord>,
    /// Tells attachments apart that have the same index one after the other.
    serial: u64,
    index: u32,
    name: String,
    source: PacketSource,
}

impl Attachment {
    fn state(&self) -> Attached {
        Attached { index: self.index, is_bound: self.source.is_bound() }
    }

    /// Counts what waits; true when there was nothing.
    fn drain(&mut self, attribution: &Attribution) -> bool {
        let seen = self.source.drain(attribution);
        if let Some(record) = self.record {
            record.add_seen(seen);
        }
        seen == 0
    }
}

impl Worker {
    /// Attaches to what is there, and takes the program off what an earlier process had attached besides.
    fn begin(&mut self) {
        let there = interfaces::list().unwrap_or_default();
        self.unseen.begin(there.iter().map(|entry| entry.index));
        self.reconcile(&[]);
        let attached: Vec<u32> = self.attachments.iter().map(|attachment| attachment.index).collect();
        self.opener.detach_others(&attached);
    }

    fn run(&mut self, commands: &Receiver<Command>) {
        loop {
            let (interfaces_changed, sources_ready) = self.wait();
            if interfaces_changed {
                let gone = self.events.gone();
                self.reconcile(&gone);
            }
            let drains = sources_ready || !self.quiescences.is_empty();
            if drains {
                let was_silent = self.drain();
                self.schedule_counter_read(was_silent);
            }
            if self.read_interface_counters() || drains {
                // The last packet's addresses, and what the clock said.
                wipe_stack::<PACKET_BYTES>();
            }
            self.retire();
            let _ = self.wake.read();
            while let Ok(command) = commands.try_recv() {
                match command {
                    Command::Quiesce(done) => self.quiesce(done),
                    Command::Leave => return self.leave(),
                    Command::Stop => return self.finish(),
                }
            }
            self.finish_quiescences();
        }
    }

    /// Waits for interfaces, packets or commands; says which of the first two came.
    fn wait(&self) -> (bool, bool) {
        let mut fds = vec![
            PollFd::new(self.wake.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.events.fd(), PollFlags::POLLIN),
        ];
        for attachment in &self.attachments {
            fds.extend(attachment.source.fds().map(|fd| PollFd::new(fd, PollFlags::POLLIN)));
        }
        let timeout = if !(self.quiescences.is_empty() && self.retiring.is_empty()) {
            PollTimeout::from(WAIT_MILLISECONDS)
        } else if !self.is_idle {
            PollTimeout::from(COUNTER_READ_MILLISECONDS)
        } else {
            PollTimeout::NONE
        };
        if poll(&mut fds, timeout).is_err() {
            return (false, false);
        }
        let ready = |fd: &PollFd<'_>| fd.revents().is_some_and(|events| !events.is_empty());
        let broken = |fd: &PollFd<'_>| fd.revents().is_some_and(|events| events.contains(PollFlags::POLLERR));
        let sources = &fds[2..];
        (ready(&fds[1]) || sources.iter().any(broken), sources.iter().any(ready))
    }

    /// Brings what is attached in line with the interfaces there are, and reports what changed.
    fn reconcile(&mut self, gone: &[InterfaceEntry]) {
        // A list that cannot be had now will be asked for at the next event.
        let Ok(there) = interfaces::list() else { return };
        let attached: Vec<Attached> = self.attachments.iter().map(Attachment::state).collect();
        let plan = reconcile::plan(&self.patterns, &there, gone, &attached);
        for (attachment, stays) in std::mem::take(&mut self.attachments).into_iter().zip(&plan.stays) {
            match stays {
                Some(entry) => self.attachments.push(Attachment { name: entry.name.clone(), ..attachment }),
                None => self.detach(attachment, gone),
            }
        }
        let mut failed: Vec<&str> = Vec::new();
        for attach in &plan.attach {
            if !self.attach(attach) {
                failed.push(&attach.entry.name);
            }
        }
        self.unseen.listed(there.iter().map(|entry| entry.index));
        let attached: Vec<&str> = self.attachments.iter().map(|attachment| &*attachment.name).collect();
        self.reports.update(&attached, &failed).into_iter().for_each(&self.notify);
    }

    /// True when the interface was attached.
    fn attach(&mut self, attach: &Attach<'_>) -> bool {
        let InterfaceEntry { index, name, hardware, .. } = attach.entry;
        let Some(hardware) = Hardware::of_number(*hardware) else {
            self.report_failure(attach, |text| TapEvent::LinkType(text, *hardware));
            return false;
        };
        match PacketSource::open(&self.opener, *index, hardware, attach.is_one_of_many) {
            Ok((source, passed)) => {
                let mut record = None;
                if let Some(passed) = passed {
                    let missed;
                    (missed, record) = self.unseen.attached(*index, name, passed);
                    self.attribution.lost(missed);
                }
                self.serials += 1;
                let (serial, index, name) = (self.serials, *index, name.clone());
                self.attachments.push(Attachment { record, serial, index, name, source });
                true
            }
            // It vanished meanwhile, and an event is on its way.
            Err(error) if error.raw_os_error() == Some(libc::ENODEV) => true,
            Err(error) => {
                self.report_failure(attach, |text| TapEvent::Refused(text, error));
                false
            }
        }
    }

    fn report_failure(&mut self, attach: &Attach<'_>, event: impl FnOnce(String) -> TapEvent) {
        self.reports.failed(attach.pattern, event).into_iter().for_each(&self.notify);
    }

    /// Detaches from an interface; what has arrived from it is counted yet. It may still exist under
    /// another name, or be attached anew at once.
    fn detach(&mut self, mut attachment: Attachment, gone: &[InterfaceEntry]) {
        let index = attachment.index;
        let at_shut = attachment.source.shut(index);
        let at_end = gone.iter().find(|gone| gone.index == index).map(|gone| gone.passed.packets());
        self.unseen.detached(index, attachment.name.clone(), at_end.or(at_shut).unwrap_or(0));
        attachment.record = None;
        self.retiring.push((attachment, RETIRE_ROUNDS));
    }

    /// Counts what waits on every interface; true when nothing did.
    #[inline(never)]
    fn drain(&mut self) -> bool {
        let mut was_silent = true;
        for attachment in &mut self.attachments {
            was_silent &= attachment.drain(&self.attribution);
        }
        was_silent
    }

    /// Has the interfaces' own counters read in a second, where something passed.
    #[inline(never)]
    fn schedule_counter_read(&mut self, was_silent: bool) {
        if !was_silent && self.is_idle {
            self.is_idle = false;
            self.counters_read = Stopwatch::start();
        }
    }

    /// Reads the interfaces' own counters once a second while packets pass: what a later process
    /// finds beyond them passed unseen. True when it was done.
    #[inline(never)]
    fn read_interface_counters(&mut self) -> bool {
        let interval = Duration::from_millis(u64::from(COUNTER_READ_MILLISECONDS));
        if self.is_idle || self.counters_read.elapsed() < interval {
            return false;
        }
        let Ok(there) = interfaces::list() else { return false };
        let mut was_silent = true;
        for attachment in &mut self.attachments {
            // What passed before the list was made is seen first, but for what waits to be seen.
            was_silent &= attachment.drain(&self.attribution);
            let entry = there.iter().find(|entry| entry.index == attachment.index);
            if let (Some(record), Some(entry)) = (attachment.record, entry) {
                record.set_passed(entry.passed.packets().saturating_sub(attachment.source.waiting()));
            }
        }
        self.is_idle = was_silent;
        self.counters_read = if was_silent { self.began } else { Stopwatch::start() };
        true
    }

    /// Counts what detached interfaces left behind, and closes their sources.
    fn retire(&mut self) {
        for (attachment, rounds) in &mut self.retiring {
            attachment.drain(&self.attribution);
            *rounds = if attachment.source.target().is_none() { 0 } else { *rounds - 1 };
        }
        self.retiring.retain(|(_, rounds)| *rounds > 0);
    }

    fn quiesce(&mut self, done: SyncSender<()>) {
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

    fn finish_quiescences(&mut self) {
        let retiring = self.retiring.iter().map(|(attachment, _)| attachment);
        let attachments = self.attachments.iter().chain(retiring);
        self.quiescences.finish(|serial, target| {
            let mut attachments = attachments.clone();
            attachments.any(|it| it.serial == serial && !it.source.has_reached(target))
        });
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
            attachment.source.shut(attachment.index);
            self.retiring.push((attachment, FINISH_ROUNDS));
        }
        while !self.retiring.is_empty() {
            self.retire();
            std::thread::sleep(Duration::from_millis(u64::from(WAIT_MILLISECONDS)));
        }
    }
}
