//! What the tap's thread holds, and which interfaces it is attached to: what comes is attached, what goes
//! is detached, and what changed is reported.
//!
//! Holds indices and names of interfaces; no packet and no address.

use super::Command;
use super::refused::Refused;
use super::stands::Stands;
use super::waiting::Waiting;
use crate::clock::Stopwatch;
use crate::config::Pattern;
use crate::roster::place::Place;
use crate::system::descriptors;
use crate::tap::attribution::Attribution;
use crate::tap::conservation::Conservation;
use crate::tap::events::TapEvent;
use crate::tap::gap::Unseen;
use crate::tap::interface_records::InterfaceRecord;
use crate::tap::interfaces::{Hardware, InterfaceEntry, InterfaceEvents, News, Passed};
use crate::tap::links::Links;
use crate::tap::obstacle::Obstacles;
use crate::tap::overlaps::overlaps;
use crate::tap::packet_source::{Opener, PacketSource, Prepared};
use crate::tap::quiesce::Quiescences;
use crate::tap::reconcile::{self, Attach, Attached};
use crate::tap::reports::Reports;
use crate::tap::watch::Watch;
use nix::sys::eventfd::EventFd;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

/// Rounds of the loop that a vanished interface's last block is waited for. A round may be as short
/// as a tenth of a millisecond where hundreds of interfaces are busy; a block is handed over in 8 ms.
const RETIRE_ROUNDS: usize = 2000;

/// The state of the tap's thread.
pub(super) struct Worker {
    pub(super) opener: Opener,
    pub(super) patterns: Vec<Pattern>,
    pub(super) reports: Reports,
    pub(super) events: InterfaceEvents,
    pub(super) links: Links,
    pub(super) waiting: Waiting,
    /// Attachments made so far.
    pub(super) serials: u64,
    /// In the order of their serials.
    pub(super) attachments: Vec<Attachment>,
    /// What is to be attached and could not be.
    pub(super) refused: Refused,
    /// Some of it for want of descriptors.
    pub(super) is_short: bool,
    /// Detached, with packets that may wait yet, and the rounds that are left to each.
    pub(super) retiring: Vec<(Attachment, usize)>,
    pub(super) quiescences: Quiescences,
    pub(super) attribution: Attribution,
    pub(super) unseen: Unseen,
    pub(super) conservation: Conservation,
    pub(super) watch: Watch,
    /// Who stands before the kernel's program where it is attached.
    pub(super) before: Obstacles,
    /// XDP programs of attached interfaces, by their indices.
    pub(super) xdp: BTreeMap<u32, u32>,
    pub(super) stands: Stands,
    pub(super) began: Stopwatch,
    /// When the interfaces' own counters were read last, or something passed after they were; `began`
    /// once `is_idle`, for then it would be the time of the last packet.
    pub(super) counters_read: Stopwatch,
    /// Nothing has passed since the counters were read.
    pub(super) is_idle: bool,
    pub(super) notify: Box<dyn Fn(TapEvent) + Send>,
    pub(super) wake: Arc<EventFd>,
    pub(super) commands: Receiver<Command>,
    /// Commands that came while an answer about interfaces was waited for.
    pub(super) later: VecDeque<Command>,
}

/// A tap on one interface.
pub(super) struct Attachment {
    /// What the next process is to know of the interface.
    pub(super) record: Option<InterfaceRecord>,
    /// Tells attachments apart that have the same index one after the other.
    pub(super) serial: u64,
    pub(super) index: u32,
    pub(super) name: String,
    /// Where it is, as far as owners go.
    pub(super) place: Place,
    pub(super) source: PacketSource,
}

impl Attachment {
    fn state(&self) -> Attached {
        Attached { index: self.index, is_bound: self.source.is_bound() }
    }

    /// Counts what waits; true when there was nothing.
    pub(super) fn drain(&mut self, attribution: &Attribution) -> bool {
        let seen = match self.place {
            Place::ANY => self.source.drain(attribution),
            place => self.source.drain(&Attribution { place, ..attribution.clone() }),
        };
        if let Some(record) = self.record {
            record.add_seen(seen);
        }
        seen == 0
    }
}

impl Worker {
    /// Attaches to what is there, and takes the program off what an earlier process had attached besides.
    pub(super) fn begin(&mut self) {
        let there = self.list().unwrap_or_default();
        self.unseen.begin(there.iter().map(|entry| entry.index));
        self.reconcile(&News::default());
        let attached: Vec<u32> = self.attachments.iter().map(|attachment| attachment.index).collect();
        self.opener.detach_others(&attached);
    }

    /// Brings what is attached in line with the interfaces there are, and reports what changed.
    pub(super) fn reconcile(&mut self, news: &News) {
        self.unseen.heard(news);
        let names = self.attribution.table.places().given();
        // A list that cannot be had now will be asked for at the next event.
        let Some(there) = self.list() else { return };
        let attached: Vec<Attached> = self.attachments.iter().map(Attachment::state).collect();
        let plan = reconcile::plan(&self.patterns, &there, &news.gone, &attached);
        // Whoever is gone stays in its place while its counters are asked for: what waits there is counted.
        for (at, stays) in plan.stays.iter().enumerate().rev() {
            match stays {
                Some(entry) => self.keep(at, entry),
                None => {
                    let passed = self.passed(self.attachments[at].index);
                    self.detach(at, passed, &news.gone);
                }
            }
        }
        let is_wanted =
            |entry: &InterfaceEntry| plan.attach.iter().any(|attach| attach.entry.index == entry.index);
        let missed = self.refused.missed(&there, &news.gone, is_wanted);
        self.missed(missed);
        self.is_short = false;
        let mut failed: Vec<&InterfaceEntry> = Vec::new();
        for attach in &plan.attach {
            if !self.attach(attach) {
                failed.push(attach.entry);
            }
        }
        self.stands.know(names);
        self.unseen.listed(there.iter().map(|entry| entry.index));
        let attached: BTreeSet<u32> = self.attachments.iter().map(|attachment| attachment.index).collect();
        self.stands.retain(self.attribution.table.places(), &attached);
        self.before.retain(|index, _| attached.contains(index));
        self.xdp = self.xdp_of(&there);
        let attached: Vec<&InterfaceEntry> =
            there.iter().filter(|entry| attached.contains(&entry.index)).collect();
        let before = self.standing_before(&attached);
        for event in self.reports.update(&attached, &failed, &before) {
            self.tell(event);
        }
        let overlaps = overlaps(&self.patterns, &there);
        self.reports.update_overlaps(overlaps).into_iter().for_each(&self.notify);
    }

    /// Goes on with an attachment, whose interface may be called otherwise by now.
    fn keep(&mut self, at: usize, entry: &InterfaceEntry) {
        let attachment = &mut self.attachments[at];
        let place = self.stands.stand(self.attribution.table.places(), entry);
        // Where it cannot be told, it is as before until the next event.
        if let Some(place) = place.ok().filter(|place| *place != attachment.place) {
            attachment.drain(&self.attribution);
            attachment.place = place;
        }
        attachment.name.clone_from(&entry.name);
    }

    /// True when the interface was attached.
    fn attach(&mut self, attach: &Attach<'_>) -> bool {
        let InterfaceEntry { index, name, hardware, .. } = attach.entry;
        if self.watch.is_held(*index) {
            return false;
        }
        let Some(hardware) = Hardware::of_number(*hardware) else {
            self.report_failure(attach, |text| TapEvent::LinkType(text, *hardware));
            return false;
        };
        // Before the first packet is seen there.
        let stands = self.stands.stand(self.attribution.table.places(), attach.entry);
        let opened = stands.and_then(|place| match self.is_room(attach) {
            true => self
                .open(*index, hardware, attach.is_one_of_many)
                .map(|(source, passed)| (source, passed, place)),
            false => Err(io::Error::from_raw_os_error(libc::EMFILE)),
        });
        let serial = self.serials + 1;
        let added = opened.and_then(|(source, passed, place)| {
            self.waiting.add(&source, serial)?;
            Ok((source, passed, place))
        });
        match added {
            Ok((source, passed, place)) => {
                let mut record = None;
                if passed.is_none() {
                    self.conservation.goes_on(attach.entry.rule, attach.entry.queue_packets);
                }
                if let Some(passed) = passed {
                    let missed;
                    (missed, record) = self.unseen.attached(*index, name, passed);
                    let missed = self.refused.attached(*index, passed).unwrap_or(missed);
                    self.missed(missed);
                    if !attach.is_one_of_many {
                        self.attribution.gap();
                    }
                }
                self.serials = serial;
                let (index, name) = (*index, name.clone());
                self.attachments.push(Attachment { record, serial, index, name, place, source });
                if let Some(passed) = self.passed(index) {
                    self.conservation.attached(index, attach.entry.rule, passed);
                }
                true
            }
            // It vanished meanwhile, and an event is on its way.
            Err(error) if error.raw_os_error() == Some(libc::ENODEV) => true,
            Err(error) => {
                self.refuse(attach, error);
                false
            }
        }
    }

    /// Opens a source; returns with it what had passed the interface when it began to see packets, or none
    /// where it goes on from an earlier process.
    fn open(
        &mut self,
        index: u32,
        hardware: Hardware,
        one_of_many: bool,
    ) -> io::Result<(PacketSource, Option<u64>)> {
        match Prepared::of(&self.opener, index, hardware, one_of_many)? {
            Prepared::Counts(source, passed) => Ok((source, passed)),
            Prepared::Waits(unbound) => {
                let passed = self.passed(index).ok_or(io::Error::from_raw_os_error(libc::ENODEV))?;
                Ok((unbound.bind(index)?, Some(passed.packets())))
            }
        }
    }

    /// Passes on an event, and notes that the tap does not count where it says so.
    pub(super) fn tell(&self, event: TapEvent) {
        self.attribution.gap_of(&event);
        (self.notify)(event);
    }

    /// Tells as lost what passed while no tap was attached.
    pub(super) fn missed(&mut self, packets: u64) {
        self.attribution.lost(packets);
        self.conservation.told(packets);
    }

    /// True when there are descriptors for one more interface. One that is named may take of those that
    /// are kept from the many.
    fn is_room(&mut self, attach: &Attach<'_>) -> bool {
        // Not asked again for each of a thousand.
        if self.is_short && attach.is_one_of_many {
            return false;
        }
        let limit = descriptors::limit();
        let ceiling = descriptors::ceiling(limit);
        let ceiling = if attach.is_one_of_many { ceiling } else { ceiling.midpoint(limit) };
        descriptors::is_room(self.events.fd(), self.opener.descriptors(), ceiling)
    }

    fn refuse(&mut self, attach: &Attach<'_>, error: io::Error) {
        let InterfaceEntry { index, passed, .. } = attach.entry;
        // What passed before is told as for one that is attached.
        let passed = passed.packets();
        let known = match self.unseen.refused(*index, passed) {
            Some(missed) => {
                self.missed(missed);
                passed
            }
            None => self.unseen.first_seen(*index, passed),
        };
        self.refused.add(*index, known);
        match error.raw_os_error() {
            Some(libc::EMFILE | libc::ENFILE) => {
                self.is_short = true;
                self.report_failure(attach, |text| TapEvent::NoDescriptor(text, descriptors::limit()));
            }
            _ => self.report_failure(attach, |text| TapEvent::Refused(text, error)),
        }
    }

    /// True when there are descriptors for an interface that had none.
    pub(super) fn may_attach_more(&self) -> bool {
        let ceiling = descriptors::ceiling(descriptors::limit());
        self.is_short && descriptors::is_room(self.events.fd(), self.opener.descriptors(), ceiling)
    }

    fn report_failure(&mut self, attach: &Attach<'_>, event: impl FnOnce(String) -> TapEvent) {
        self.reports.failed(attach.pattern, event).into_iter().for_each(&self.notify);
    }

    /// Detaches from an interface whose own counters read this; what has arrived from it is counted yet. It
    /// may still exist under another name, or be attached anew at once.
    pub(super) fn detach(&mut self, at: usize, passed: Option<Passed>, gone: &[InterfaceEntry]) {
        let mut attachment = self.attachments.remove(at);
        let index = attachment.index;
        self.conservation.detached(index, passed);
        self.waiting.remove(&attachment.source);
        let at_shut = attachment.source.shut(passed);
        let at_end = gone.iter().find(|gone| gone.index == index).map(|gone| gone.passed.packets());
        self.unseen.detached(index, attachment.name.clone(), at_end.or(at_shut));
        attachment.record = None;
        self.retiring.push((attachment, RETIRE_ROUNDS));
    }
}
