//! What is kept at rest, as bytes: one head, and one record for each slot.
//!
//! Holds no account name and no address: an account is a keyed tag. The layout is documented in
//! docs/store-format.md; a change to it is a new format version.

use crate::meter::band::Band;
use crate::meter::calendar::{BandDates, Day};
use crate::meter::epoch::Carry;
use crate::meter::flags::baseline::Baseline;
use crate::meter::flags::interruption::NodeState;
use crate::meter::flags::surge::Mirror;
use crate::meter::flags::watch::{Verdict, WatchState};
use crate::meter::release::Release;
use crate::meter::share::{self, Carried, Share};
use crate::meter::tags::Tag;
use crate::meter::units::{Totals, Volume};
use crate::node::audit::{Audit, Deed, ENTRIES, Entry, Reason};
use crate::node::pending::{Pending, ROOM, Requests, Wanted};
use crate::node::rate_limits::{
    EXPORTED, FIRST_EXPORTS, Figures, FirstExport, LOOKERS, Looker, OFFICERS, Officer, RateLimitState, Window,
};
use crate::node::saved::{Head, InterfaceSum, Record, Rights, SavedFlags};
use crate::node::schedule::ScheduleState;
use crate::node::shares::{self, Shares, Waiting};

/// Bytes of an encoded head with padding; most of it is room for what staff did and what was exported.
pub const HEAD_BYTES: usize = 57_344;

/// Bytes of a head of format versions 3 and 4, which knew nothing of what staff did.
pub const HEAD_BYTES_OF_4: usize = 28_672;

/// Bytes of an entry of what staff did.
const ENTRY_BYTES: usize = 12;

/// Bytes of a request that waits.
const REQUEST_BYTES: usize = 47;

/// Stands beside the reason of a correction over the whole fleet.
const OVER_THE_FLEET: u8 = 1 << 7;

/// Bytes of a share that waits.
const SHARE_BYTES: usize = 8 + 8 * share::COUNT + 32;

/// Bytes of a head of format version 2, which ends with the dates of the bands.
pub const HEAD_BYTES_OF_2: usize = 10_240;

/// Bytes of an encoded record.
pub const RECORD_BYTES: usize = RECORD_BYTES_OF_3 + Baseline::BYTES;

/// Bytes of a record before format version 4, which ends with the band.
pub const RECORD_BYTES_OF_3: usize = 113;

/// Writes values in order.
struct Writer<'a>(&'a mut [u8]);

impl Writer<'_> {
    fn bytes(&mut self, bytes: &[u8]) {
        let (now, rest) = std::mem::take(&mut self.0).split_at_mut(bytes.len());
        now.copy_from_slice(bytes);
        self.0 = rest;
    }

    fn word(&mut self, word: u64) {
        self.bytes(&word.to_le_bytes());
    }

    fn option(&mut self, word: Option<u64>) {
        self.bytes(&[u8::from(word.is_some())]);
        self.word(word.unwrap_or(0));
    }

    fn totals(&mut self, totals: Totals) {
        for volume in [totals.up, totals.down] {
            self.word(volume.bytes);
            self.word(volume.packets);
        }
    }

    fn release(&mut self, release: Release) {
        for word in release.words() {
            self.word(word);
        }
    }

    /// A list in room for `places` items of `size` bytes each, preceded by its length.
    fn list<T>(&mut self, items: &[T], places: usize, size: usize, put: impl Fn(&mut Self, &T)) {
        let count = items.len().min(places);
        self.bytes(&u16::try_from(count).unwrap_or(u16::MAX).to_le_bytes());
        items[..count].iter().for_each(|item| put(self, item));
        let room = std::mem::take(&mut self.0);
        self.0 = &mut room[(places - count) * size..];
    }

    fn limits(&mut self, limits: &RateLimitState) {
        self.word(limits.seen_at);
        for window in [limits.minute, limits.day, limits.week] {
            self.word(window.index);
            self.word(window.elapsed_nanoseconds);
        }
        self.word(limits.look_ups);
        self.word(limits.exports);
        self.list(&limits.lookers, LOOKERS, 6, |to, looker| {
            to.bytes(&looker.uid.to_le_bytes());
            to.bytes(&[looker.shown_this_minute, looker.shown_today]);
        });
        self.list(&limits.officers, OFFICERS, 6, |to, officer| {
            to.bytes(&officer.uid.to_le_bytes());
            to.bytes(&[officer.exported_today, officer.exported_this_week]);
        });
        self.list(&limits.exported, EXPORTED, 8, |to, mark| to.word(*mark));
    }

    fn flags(&mut self, flags: Option<SavedFlags>) {
        self.bytes(&[u8::from(flags.is_some())]);
        let SavedFlags { epoch_seconds, state } = flags.unwrap_or_default();
        let WatchState { mirror, interruption, running, closed, told } = state;
        let Mirror { crossings, active_epochs, near_stalls } = mirror;
        for word in [epoch_seconds, crossings, active_epochs, near_stalls, interruption.cast_unsigned()] {
            self.word(word);
        }
        self.bytes(&[running.number()]);
        for Verdict { node, mass_event } in [closed, told] {
            self.bytes(&[node.number(), u8::from(mass_event)]);
        }
    }

    /// What format version 4 did not have.
    fn rights(&mut self, limits: &RateLimitState, rights: &Rights) {
        self.list(&limits.officers, OFFICERS, 1, |to, officer| to.bytes(&[officer.changed_today]));
        self.list(rights.audit.entries(), ENTRIES, ENTRY_BYTES, |to, entry| {
            to.bytes(&u32::try_from(entry.day).unwrap_or(u32::MAX).to_le_bytes());
            to.bytes(&entry.who.to_le_bytes());
            to.bytes(&[entry.deed.number(), Reason::number(entry.reason)]);
            to.bytes(&entry.count.to_le_bytes());
        });
        let Requests { last, all } = &rights.requests;
        self.bytes(&last.to_le_bytes());
        self.list(all, ROOM, REQUEST_BYTES, |to, request| {
            let Pending { id, who, tag, wanted, day, approved } = request;
            to.bytes(&id.to_le_bytes());
            to.bytes(&who.to_le_bytes());
            to.bytes(&tag.0);
            let (kind, detail, up, down) = match *wanted {
                Wanted::Export { open_epoch } => (0, u8::from(open_epoch), 0, 0),
                Wanted::ExportNode => (1, 0, 0, 0),
                Wanted::Correct { up, down, reason, fleet } => {
                    (2, Reason::number(Some(reason)) | if fleet { OVER_THE_FLEET } else { 0 }, up, down)
                }
                Wanted::Erase => (3, 0, 0, 0),
            };
            to.bytes(&[kind, detail]);
            to.word(up);
            to.word(down);
            to.bytes(&u32::try_from(*day).unwrap_or(u32::MAX).to_le_bytes());
            to.bytes(&[u8::from(*approved)]);
        });
    }

    /// What 0.1.0 left zero: there are none then.
    fn shares(&mut self, shares: &Shares) {
        self.word(shares.policy);
        shares.carried.words().into_iter().for_each(|word| self.word(word.cast_unsigned()));
        self.list(&shares.waiting, shares::ROOM, SHARE_BYTES, |to, waiting| {
            to.word(waiting.ordinal);
            waiting.share.words().into_iter().for_each(|word| to.word(word.cast_unsigned()));
            to.bytes(&waiting.key);
        });
    }

    /// What format version 2 did not have of the limits.
    fn more_limits(&mut self, limits: &RateLimitState) {
        self.list(&limits.officers, OFFICERS, 1, |to, officer| to.bytes(&[officer.planned_today]));
        self.list(&limits.first_exports, FIRST_EXPORTS, 76, |to, first| {
            to.word(first.mark);
            to.bytes(&first.uid.to_le_bytes());
            to.totals(first.figures.period);
            to.totals(first.figures.open);
        });
    }
}

/// Reads them back. The caller has checked the length.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let (now, rest) = self.0.split_first_chunk().expect("the caller has checked the length");
        self.0 = rest;
        *now
    }

    fn word(&mut self) -> u64 {
        u64::from_le_bytes(self.bytes())
    }

    fn flag(&mut self) -> bool {
        self.bytes::<1>() != [0]
    }

    fn option(&mut self) -> Option<u64> {
        let is_some = self.flag();
        let word = self.word();
        is_some.then_some(word)
    }

    fn totals(&mut self) -> Totals {
        let mut volume = || Volume { bytes: self.word(), packets: self.word() };
        Totals { up: volume(), down: volume() }
    }

    fn release(&mut self, version: u16) -> Release {
        let count = if version < 4 { Release::WORDS_OF_3 } else { Release::WORDS };
        let mut words = [0; Release::WORDS];
        words[..count].fill_with(|| self.word());
        Release::of_words(words)
    }

    fn verdict(&mut self) -> Verdict {
        let [node, mass_event] = self.bytes();
        Verdict { node: NodeState::of_number(node), mass_event: mass_event != 0 }
    }

    fn flags(&mut self) -> Option<SavedFlags> {
        let is_some = self.flag();
        let epoch_seconds = self.word();
        let [crossings, active_epochs, near_stalls] = [(); 3].map(|()| self.word());
        let mirror = Mirror { crossings, active_epochs, near_stalls };
        let interruption = self.word().cast_signed();
        let [running] = self.bytes();
        let (closed, told) = (self.verdict(), self.verdict());
        let running = NodeState::of_number(running);
        let state = WatchState { mirror, interruption, running, closed, told };
        is_some.then_some(SavedFlags { epoch_seconds, state })
    }

    fn interfaces(&mut self) -> Option<InterfaceSum> {
        let is_some = self.flag();
        let [passed, counted, digest] = [(); 3].map(|()| self.word());
        is_some.then_some(InterfaceSum { passed, counted, digest })
    }

    /// See [`Writer::list`].
    fn list<T>(&mut self, places: usize, size: usize, take: impl Fn(&mut Self) -> T) -> Vec<T> {
        let count = usize::from(u16::from_le_bytes(self.bytes())).min(places);
        let items = (0..count).map(|_| take(self)).collect();
        self.0 = &self.0[(places - count) * size..];
        items
    }

    fn limits(&mut self) -> RateLimitState {
        let seen_at = self.word();
        let mut window = || Window { index: self.word(), elapsed_nanoseconds: self.word() };
        let (minute, day, week) = (window(), window(), window());
        let (look_ups, exports) = (self.word(), self.word());
        let lookers = self.list(LOOKERS, 6, |from| {
            let uid = u32::from_le_bytes(from.bytes());
            let [shown_this_minute, shown_today] = from.bytes();
            Looker { uid, shown_this_minute, shown_today }
        });
        let officers = self.list(OFFICERS, 6, |from| {
            let uid = u32::from_le_bytes(from.bytes());
            let [exported_today, exported_this_week] = from.bytes();
            Officer { uid, exported_today, exported_this_week, planned_today: 0, changed_today: 0 }
        });
        let exported = self.list(EXPORTED, 8, Self::word);
        let first_exports = Vec::new();
        RateLimitState {
            seen_at,
            minute,
            day,
            week,
            lookers,
            officers,
            exported,
            first_exports,
            look_ups,
            exports,
        }
    }

    /// See [`Writer::rights`].
    fn rights(&mut self, limits: &mut RateLimitState) -> Rights {
        let changed = self.list(OFFICERS, 1, |from| from.bytes::<1>()[0]);
        for (officer, changed) in limits.officers.iter_mut().zip(changed) {
            officer.changed_today = changed;
        }
        let entries = self.list(ENTRIES, ENTRY_BYTES, |from| {
            let (day, who) = (u32::from_le_bytes(from.bytes()).into(), u32::from_le_bytes(from.bytes()));
            let [deed, reason] = from.bytes();
            let count = u16::from_le_bytes(from.bytes());
            Entry { day, who, deed: Deed::of_number(deed), reason: Reason::of_number(reason), count }
        });
        let last = u32::from_le_bytes(self.bytes());
        let all = self.list(ROOM, REQUEST_BYTES, |from| {
            let (id, who) = (u32::from_le_bytes(from.bytes()), u32::from_le_bytes(from.bytes()));
            let tag = Tag(from.bytes());
            let [kind, detail] = from.bytes();
            let (up, down) = (from.word(), from.word());
            let wanted = match kind {
                0 => Wanted::Export { open_epoch: detail != 0 },
                1 => Wanted::ExportNode,
                2 => {
                    let reason = Reason::of_number(detail & !OVER_THE_FLEET).unwrap_or(Reason::Other);
                    Wanted::Correct { up, down, reason, fleet: detail & OVER_THE_FLEET != 0 }
                }
                _ => Wanted::Erase,
            };
            let day = u32::from_le_bytes(from.bytes()).into();
            Pending { id, who, tag, wanted, day, approved: from.flag() }
        });
        Rights { audit: Audit::resumed(entries), requests: Requests { last, all } }
    }

    /// See [`Writer::shares`].
    fn shares(&mut self) -> Shares {
        Shares {
            policy: self.word(),
            carried: Carried::of_words([(); 2].map(|()| self.word().cast_signed())),
            waiting: self.list(shares::ROOM, SHARE_BYTES, |from| Waiting {
                ordinal: from.word(),
                share: Share::of_words([(); share::COUNT].map(|()| from.word().cast_signed())),
                key: from.bytes(),
            }),
        }
    }

    /// See [`Writer::more_limits`].
    fn more_limits(&mut self, limits: &mut RateLimitState) {
        let planned = self.list(OFFICERS, 1, |from| from.bytes::<1>()[0]);
        for (officer, planned) in limits.officers.iter_mut().zip(planned) {
            officer.planned_today = planned;
        }
        limits.first_exports = self.list(FIRST_EXPORTS, 76, |from| {
            let (mark, uid) = (from.word(), u32::from_le_bytes(from.bytes()));
            let (period, open) = (from.totals(), from.totals());
            FirstExport { mark, uid, figures: Figures { period, open } }
        });
    }
}

impl Record {
    /// Encodes the record.
    #[must_use]
    pub fn encode(&self) -> [u8; RECORD_BYTES] {
        let mut bytes = [0; RECORD_BYTES];
        let mut writer = Writer(&mut bytes);
        writer.bytes(&self.tag.0);
        writer.totals(self.period);
        writer.totals(self.mark);
        writer.totals(self.reading);
        writer.bytes(&[self.band.number()]);
        writer.bytes(&self.baseline.map_or([0; Baseline::BYTES], |baseline| baseline.encode()));
        bytes
    }

    /// Decodes a record; one of an earlier version is followed by zeros.
    #[must_use]
    pub fn decode(bytes: &[u8; RECORD_BYTES]) -> Self {
        let mut reader = Reader(bytes);
        Self {
            tag: Tag(reader.bytes()),
            period: reader.totals(),
            mark: reader.totals(),
            reading: reader.totals(),
            band: Band::of_number(reader.bytes::<1>()[0]),
            baseline: Baseline::decode(&reader.bytes()),
        }
    }
}

impl Head {
    /// Encodes the head, in [`HEAD_BYTES`].
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![0; HEAD_BYTES];
        let mut writer = Writer(&mut bytes);
        writer.bytes(&self.memory);
        writer.bytes(&self.boot);
        writer.word(self.schedule.open);
        writer.word(self.schedule.last);
        writer.word(self.schedule.closed_at);
        writer.option(self.schedule.below_since);
        writer.bytes(&[u8::from(self.schedule.was_ahead)]);
        writer.option(self.publish_at);
        writer.bytes(&[u8::from(self.sealed.is_some())]);
        writer.release(self.sealed.unwrap_or_default());
        writer.release(self.released);
        for word in [self.refresh_index, self.refreshed_at, self.period_index, self.period_began_at] {
            writer.word(word);
        }
        for number in self.carry.words() {
            writer.bytes(&number.to_le_bytes());
        }
        writer.bytes(&[u8::from(self.interfaces.is_some())]);
        let sum = self.interfaces.unwrap_or(InterfaceSum { passed: 0, counted: 0, digest: 0 });
        for word in [sum.passed, sum.counted, sum.digest] {
            writer.word(word);
        }
        writer.bytes(&[u8::from(self.is_last)]);
        writer.limits(&self.limits);
        let BandDates { as_of, first_day, last_day } = self.dates;
        [as_of, first_day, last_day].into_iter().for_each(|day| writer.word(day.number()));
        writer.more_limits(&self.limits);
        writer.flags(self.flags);
        writer.rights(&self.limits, &self.rights);
        writer.shares(&self.shares);
        bytes
    }

    /// Decodes a head of this format version; one that was shorter is followed by zeros.
    #[must_use]
    pub fn decode(bytes: &[u8; HEAD_BYTES], version: u16) -> Self {
        let mut reader = Reader(bytes);
        let (memory, boot) = (reader.bytes(), reader.bytes());
        let schedule = ScheduleState {
            open: reader.word(),
            last: reader.word(),
            closed_at: reader.word(),
            below_since: reader.option(),
            was_ahead: reader.flag(),
        };
        let publish_at = reader.option();
        let is_sealed = reader.flag();
        let sealed = reader.release(version);
        let mut head = Self {
            memory,
            boot,
            schedule,
            publish_at,
            sealed: is_sealed.then_some(sealed),
            released: reader.release(version),
            refresh_index: reader.word(),
            refreshed_at: reader.word(),
            period_index: reader.word(),
            period_began_at: reader.word(),
            carry: Carry::of_words([(); 4].map(|()| u128::from_le_bytes(reader.bytes()))),
            interfaces: reader.interfaces(),
            is_last: reader.flag(),
            limits: reader.limits(),
            dates: {
                let [as_of, first_day, last_day] = [(); 3].map(|()| Day::of_number(reader.word()));
                BandDates { as_of, first_day, last_day }
            },
            flags: None,
            rights: Rights::default(),
            shares: Shares::default(),
        };
        reader.more_limits(&mut head.limits);
        if version >= 4 {
            head.flags = reader.flags();
        }
        if version >= 5 {
            head.rights = reader.rights(&mut head.limits);
            head.shares = reader.shares();
        }
        head
    }
}
