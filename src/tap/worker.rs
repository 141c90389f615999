//! The one tap thread: follows interfaces, drains their sockets, and settles on request.
//!
//! To settle is to count everything that had arrived when the request came. The roster settles
//! the tap before it gives an address to another account, and exports settle it before they read.
//! Holds no packet and no address.

use super::events::{PatternState, Reported, TapEvent};
use super::gap::{Gaps, InterfaceRecord, Links};
use super::interfaces::{self, InterfaceEntry, InterfaceEvents};
use super::selection::TapError;
use super::source::{Marker, Opener, Source};
use super::{Attribution, Hardware, TapKind};
use crate::clock::Stopwatch;
use crate::config::Pattern;
use crate::system::allocator::{PACKET_BYTES, wipe_stack};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long a settlement may take at the most; a ring hands over its blocks within milliseconds.
const SETTLE_AT_MOST: Duration = Duration::from_secs(2);

/// How often the interfaces' own counters are looked at while packets pass, for the next process.
const LOOK_MILLISECONDS: u16 = 1000;

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
    Settle(SyncSender<()>),
    Leave,
    Stop,
}

impl Tap {
    /// Starts the tap thread in the network namespace of the calling thread, and returns after
    /// every interface that is there was tried once. `links` is what an earlier process knew of
    /// them, and what the next one is to know.
    ///
    /// # Errors
    /// When the process may not open packet sockets, or the kernel lacks what is needed.
    pub fn start(
        opener: Opener,
        patterns: &[Pattern],
        attribution: Attribution,
        links: Links,
        news: impl Fn(TapEvent) + Send + 'static,
    ) -> Result<Self, TapError> {
        let kind = opener.kind();
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::PermissionDenied => TapError::Permission(kind.word()),
            _ => TapError::Failed(kind.word(), error),
        };
        if !matches!(opener, Opener::Kernel(_)) {
            super::socket::open().map_err(failed)?;
        }
        let events = InterfaceEvents::open().map_err(failed)?;
        let wake = EventFd::from_value_and_flags(0, EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK);
        let wake = Arc::new(wake.map_err(|errno| failed(errno.into()))?);
        let (commands, received) = channel();
        let states = patterns
            .iter()
            .map(|pattern| PatternState { pattern: pattern.clone(), attached: pattern.is_glob() })
            .collect();
        let began = Stopwatch::start();
        let mut worker = Worker {
            opener,
            states,
            said: vec![Reported::Nothing; patterns.len()],
            events,
            serials: 0,
            attachments: Vec::new(),
            retiring: Vec::new(),
            settling: Vec::new(),
            attribution,
            links,
            gaps: Gaps::default(),
            began,
            looked: began,
            all_seen: true,
            news: Box::new(news),
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
    /// Returns false when the tap did not settle in time.
    #[must_use]
    pub fn quiesce(&self) -> bool {
        let (done, settled) = sync_channel(1);
        self.send(Command::Settle(done)) && settled.recv_timeout(SETTLE_AT_MOST).is_ok()
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
    states: Vec<PatternState>,
    said: Vec<Reported>,
    events: InterfaceEvents,
    /// Attachments made so far.
    serials: u64,
    attachments: Vec<Attachment>,
    retiring: Vec<(Attachment, usize)>,
    settling: Vec<Settlement>,
    attribution: Attribution,
    /// What the next process is to know of interfaces.
    links: Links,
    /// Interfaces that may come back.
    gaps: Gaps,
    began: Stopwatch,
    /// When the interfaces' own counters were looked at last, or something passed that they were not
    /// looked at for: no time at all once `all_seen`, for then it would be that of the last packet.
    looked: Stopwatch,
    all_seen: bool,
    news: Box<dyn Fn(TapEvent) + Send>,
    wake: Arc<EventFd>,
}

struct Attachment {
    /// What the next process is to know of the interface.
    remembered: Option<InterfaceRecord>,
    /// Tells attachments apart that have the same index one after the other.
    serial: u64,
    index: u32,
    name: String,
    source: Source,
}

struct Settlement {
    /// Serial of an attachment and how far its source must have been read.
    markers: Vec<(u64, Marker)>,
    done: SyncSender<()>,
}

impl Attachment {
    /// Counts what waits; true when there was nothing.
    fn drain(&mut self, attribution: &Attribution) -> bool {
        let seen = self.source.drain(attribution);
        if let Some(remembered) = self.remembered {
            remembered.saw(seen);
        }
        seen == 0
    }
}

impl Worker {
    /// Attaches to what is there, and lets go of what an earlier process had attached to besides.
    fn begin(&mut self) {
        if self.links.highest() == 0 {
            // Nothing is known of a time before: what is there now is where we begin.
            let there = interfaces::list().unwrap_or_default();
            there.iter().for_each(|link| self.links.note_highest(link.index));
        }
        self.reconcile(&[], true);
        let attached: Vec<u32> = self.attachments.iter().map(|attachment| attachment.index).collect();
        self.opener.let_go_of_others(&attached);
    }

    fn run(&mut self, commands: &Receiver<Command>) {
        loop {
            let (links_changed, sources_ready) = self.wait();
            if links_changed {
                let gone = self.events.gone();
                self.reconcile(&gone, false);
            }
            let drains = sources_ready || !self.settling.is_empty();
            if drains {
                let silent = self.drain();
                self.note(silent);
            }
            if self.look() || drains {
                // The last packet's addresses, and the clock's word.
                wipe_stack::<PACKET_BYTES>();
            }
            self.retire();
            let _ = self.wake.read();
            while let Ok(command) = commands.try_recv() {
                match command {
                    Command::Settle(done) => self.begin_settlement(done),
                    Command::Leave => return self.leave(),
                    Command::Stop => return self.finish(),
                }
            }
            self.end_settlements();
        }
    }

    /// Waits for link events, packets or commands; says which of the first two came.
    fn wait(&self) -> (bool, bool) {
        let mut fds = vec![
            PollFd::new(self.wake.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.events.fd(), PollFlags::POLLIN),
        ];
        for attachment in &self.attachments {
            fds.extend(attachment.source.fds().map(|fd| PollFd::new(fd, PollFlags::POLLIN)));
        }
        let timeout = if !(self.settling.is_empty() && self.retiring.is_empty()) {
            PollTimeout::from(WAIT_MILLISECONDS)
        } else if !self.all_seen {
            PollTimeout::from(LOOK_MILLISECONDS)
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

    /// Brings what is attached in line with the interfaces there are.
    fn reconcile(&mut self, gone: &[InterfaceEntry], first: bool) {
        // A list that cannot be had now will be asked for at the next event.
        let Ok(links) = interfaces::list() else { return };
        let before = self.states.clone();
        for mut attachment in std::mem::take(&mut self.attachments) {
            let link = links.iter().find(|link| link.index == attachment.index);
            let keep = link.filter(|link| {
                !gone.iter().any(|gone| gone.index == link.index)
                    && attachment.source.is_bound()
                    && self.wants(&link.name)
            });
            match keep {
                Some(link) => {
                    let name = link.name.clone();
                    self.attachments.push(Attachment { name, ..attachment });
                }
                None => {
                    // It may still exist under another name, or be attached anew at once.
                    let (index, name) = (attachment.index, attachment.name.clone());
                    let shut = attachment.source.shut(index);
                    let end = gone.iter().find(|gone| gone.index == index).map(|gone| gone.passed.packets());
                    self.gaps.left(index, name, end.or(shut).unwrap_or(0));
                    attachment.remembered = None;
                    self.links.forget(index);
                    self.retiring.push((attachment, RETIRE_ROUNDS));
                }
            }
        }
        let mut failed: Vec<String> = Vec::new();
        for link in &links {
            let attached = self.attachments.iter().any(|attachment| attachment.index == link.index);
            if !attached && self.wants(&link.name) && !self.attach(link) {
                failed.push(link.name.clone());
            }
        }
        links.iter().for_each(|link| self.links.note_highest(link.index));
        for at in 0..self.states.len() {
            self.judge(at, &failed);
        }
        if first || before != self.states {
            (self.news)(TapEvent::States(self.states.clone()));
        }
    }

    /// Counts what waits on every interface; true when nothing did.
    #[inline(never)]
    fn drain(&mut self) -> bool {
        let mut silent = true;
        for attachment in &mut self.attachments {
            silent &= attachment.drain(&self.attribution);
        }
        silent
    }

    /// Has the interfaces' own counters looked at in a second, where something passed.
    #[inline(never)]
    fn note(&mut self, silent: bool) {
        if !silent && self.all_seen {
            self.all_seen = false;
            self.looked = Stopwatch::start();
        }
    }

    /// Looks at the interfaces' own counters once a second while packets pass: what a later process
    /// finds beyond them passed unseen. True when it was done.
    #[inline(never)]
    fn look(&mut self) -> bool {
        if self.all_seen || self.looked.elapsed() < Duration::from_millis(u64::from(LOOK_MILLISECONDS)) {
            return false;
        }
        let Ok(links) = interfaces::list() else { return false };
        let mut silent = true;
        for attachment in &mut self.attachments {
            // What passed before the list was made is seen first, but for what waits to be seen.
            silent &= attachment.drain(&self.attribution);
            let link = links.iter().find(|link| link.index == attachment.index);
            if let (Some(remembered), Some(link)) = (attachment.remembered, link) {
                remembered.look(link.passed.packets().saturating_sub(attachment.source.waiting()));
            }
        }
        self.all_seen = silent;
        self.looked = if silent { self.began } else { Stopwatch::start() };
        true
    }

    fn wants(&self, name: &str) -> bool {
        self.states.iter().any(|state| state.pattern.matches(name))
    }

    /// True when the interface was attached.
    fn attach(&mut self, link: &InterfaceEntry) -> bool {
        let patterns = || self.states.iter().map(|state| &state.pattern);
        let named = patterns().any(|pattern| !pattern.is_glob() && pattern.matches(&link.name));
        let pattern = patterns().position(|pattern| pattern.matches(&link.name)).unwrap_or(0);
        let opened = match Hardware::of_number(link.hardware) {
            Some(hardware) => Source::open(&self.opener, link.index, hardware, !named),
            None => {
                self.say_once(pattern, |text| TapEvent::LinkType(text, link.hardware));
                return false;
            }
        };
        match opened {
            Ok((source, passed)) => {
                self.serials += 1;
                let (serial, name) = (self.serials, link.name.clone());
                let remembered = passed.and_then(|passed| self.remember(link, passed));
                self.attachments.push(Attachment { remembered, serial, index: link.index, name, source });
                true
            }
            // It vanished meanwhile; the next event tells.
            Err(error) if error.raw_os_error() == Some(libc::ENODEV) => true,
            Err(error) => {
                self.say_once(pattern, |text| TapEvent::Refused(text, error));
                false
            }
        }
    }

    /// Counts as lost what passed the interface while no tap was attached to it, and begins to
    /// remember it for the next process. The kernel's tap counts on by itself between processes.
    fn remember(&mut self, link: &InterfaceEntry, passed: u64) -> Option<InterfaceRecord> {
        let fresh = link.index > self.links.highest();
        let kept = if self.opener.kind() == TapKind::Kernel { None } else { self.links.of(link.index) };
        let missed = kept.and_then(|kept| kept.missed(passed));
        let missed = missed.unwrap_or_else(|| self.gaps.missed(link.index, &link.name, passed, fresh));
        self.attribution.lost(missed);
        if let Some(kept) = kept {
            kept.look(passed);
        }
        kept
    }

    fn say_once(&mut self, pattern: usize, news: impl FnOnce(String) -> TapEvent) {
        if self.said[pattern] != Reported::Failed {
            self.said[pattern] = Reported::Failed;
            (self.news)(news(self.states[pattern].pattern.text().to_owned()));
        }
    }

    fn judge(&mut self, at: usize, failed: &[String]) {
        let pattern = self.states[at].pattern.clone();
        if pattern.is_glob() {
            self.states[at].attached = !failed.iter().any(|name| pattern.matches(name));
            if self.states[at].attached {
                self.said[at] = Reported::Nothing;
            }
            return;
        }
        let name = || pattern.text().to_owned();
        let attached = self.attachments.iter().any(|attachment| pattern.matches(&attachment.name));
        self.states[at].attached = attached;
        let (said, news) = match (attached, self.said[at]) {
            (true, Reported::Attached) | (false, Reported::Awaited | Reported::Failed) => return,
            (true, _) => (Reported::Attached, TapEvent::Attached(name())),
            (false, Reported::Nothing) => (Reported::Awaited, TapEvent::Awaited(name())),
            (false, Reported::Attached) => (Reported::Awaited, TapEvent::Gone(name())),
        };
        self.said[at] = said;
        (self.news)(news);
    }

    /// Counts what vanished interfaces left behind, and lets go of them.
    fn retire(&mut self) {
        for (attachment, rounds) in &mut self.retiring {
            attachment.drain(&self.attribution);
            *rounds = if attachment.source.marker().is_none() { 0 } else { *rounds - 1 };
        }
        self.retiring.retain(|(_, rounds)| *rounds > 0);
    }

    fn begin_settlement(&mut self, done: SyncSender<()>) {
        let sources = self.attachments.iter_mut().chain(self.retiring.iter_mut().map(|(gone, _)| gone));
        let mut markers = Vec::new();
        let mut silent = true;
        for attachment in sources {
            silent &= attachment.drain(&self.attribution);
            markers.extend(attachment.source.marker().map(|marker| (attachment.serial, marker)));
        }
        self.note(silent);
        self.settling.push(Settlement { markers, done });
    }

    fn end_settlements(&mut self) {
        for settlement in &mut self.settling {
            settlement.markers.retain(|(serial, marker)| {
                let attached = self.attachments.iter();
                let mut sources = attached.chain(self.retiring.iter().map(|(gone, _)| gone));
                sources.any(|it| it.serial == *serial && !it.source.is_past(*marker))
            });
        }
        self.settling.retain(|settlement| {
            let settled = settlement.markers.is_empty();
            if settled {
                // Whoever asked may have given up waiting.
                let _ = settlement.done.send(());
            }
            !settled
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
