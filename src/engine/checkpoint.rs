//! Between the node and the store: what a start resumes from, and what a save holds.
//!
//! A save copies the records in blocks under short locks, so that nobody waits for the disk; no epoch
//! closes meanwhile, so that the image belongs to one epoch. Knows slots and tags, no names.

use super::state::{NodeOf, State};
use crate::clock::Clock;
use crate::environment::Environment;
use crate::meter::band::Band;
use crate::meter::flags::baseline::Baseline;
use crate::meter::ledger::{SinceSave, SlotEntry};
use crate::meter::policy::Policy;
use crate::meter::slot::Slot;
use crate::meter::tags::Tag;
use crate::meter::units::Totals;
use crate::node::Node;
use crate::node::saved::{Head, InterfaceSum, Record};
use crate::roster::tagger::Tagger;
use crate::store::{Opened, Settings, Store, StoreError};
use crate::tap::{CounterHistory, CounterMemory, InterfaceReading, InterfaceSums, packets_counted};
use std::time::Duration;

/// Slots copied under one lock.
const BLOCK: usize = 4096;

/// What a start began from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum StartKind {
    /// Nothing was ever kept here.
    First,
    /// The last save, with everything counted since.
    Resumed,
    /// The last save; what was counted since was lost with the memory it was counted in.
    ResumedWithoutCounters,
    /// Nothing: what was kept is lost, and the operator accepted that.
    LossAccepted,
}

/// What a save is made for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum SaveKind {
    /// To lose little in a crash.
    Running,
    /// Something was asked under a limit; the next one is due as before.
    Limits,
    /// Something was corrected or erased: nothing that an earlier save holds is to open. The next one is due as before.
    Erasure,
    /// An epoch was closed.
    Close,
    /// The process ends, and nothing is counted any more.
    Last,
}

/// Why a start cannot resume from what it finds.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The counters found are not those that the store belongs to.
    #[error(
        "found counters of another node or store, or of this one that a start could not find and told as lost; \
         stop the daemon that uses them, or remove them with `blindmeter detach`"
    )]
    OtherCounters,
}

/// Everything that was saved, by slot, in separate lists: entries and bands are used as they are.
struct SavedSlots {
    entries: Vec<SlotEntry>,
    readings: Vec<Totals>,
    bands: Vec<Band>,
    /// Of the accounts; none where flags are off.
    baselines: Vec<Baseline>,
    /// What an account begins with of which none was saved.
    new: Option<Baseline>,
    tags: Vec<Tag>,
}

/// How far the interfaces were at the last save before the start, in this boot.
struct Earlier {
    sum: InterfaceSum,
    /// What all counters of the present memory would have read then.
    origin: u64,
    /// The memory that was counted in then is still there.
    went_on: bool,
}

/// Saves a node to the store, and resumes it from there.
pub struct Checkpointer<E: Environment> {
    store: Store<E::Disk, E::Randomness>,
    memory: CounterMemory,
    clock: E::Clock,
    /// Boot clock when the last save began, or at the start.
    last: u64,
    failing: bool,
    /// The interfaces that are metered; none where there is no tap.
    interfaces: Option<InterfaceSums>,
    /// Until what passed since was told.
    earlier: Option<Earlier>,
}

impl<E: Environment> Checkpointer<E> {
    /// Opens the store, and makes the node that resumes from it.
    ///
    /// # Errors
    /// When something is missing or cannot be opened; see [`StoreError`].
    pub fn open(
        environment: &E,
        settings: Settings,
        history: &CounterHistory,
        policy: Policy,
        accept_loss: bool,
        interfaces: Option<InterfaceSums>,
    ) -> Result<(Self, NodeOf<E>, StartKind), CheckpointError> {
        let memory = history.current;
        let mut saved = SavedSlots::with_room(memory.counters.slots(), &policy);
        let remain = history.has_earlier();
        let (store, opened) = Store::open(
            environment.disk(),
            environment.randomness(),
            settings,
            remain,
            accept_loss,
            |slot, record| saved.push(slot, &record),
        )?;
        let counters = memory.counters;
        let mut earlier = None;
        let anew =
            || Node::forgetful(policy, counters, environment.clock(), environment.randomness()).keeping();
        let (node, start) = match opened {
            Opened::First if remain => {
                let node = anew().counting_from(counters, |slot| history.base_of_all(slot));
                (node, StartKind::First)
            }
            Opened::First => (anew(), StartKind::First),
            Opened::LossAccepted => (anew(), StartKind::LossAccepted),
            Opened::Resumed(head) => {
                // Memory that no save has named yet bears a mark that only this store can have made.
                let mark = |memory: &CounterMemory| store.memory_mark(memory.generation, head.memory);
                let named = history.holds(head.memory);
                let unnamed = !named && history.oldest().tag_key.bears(&mark(history.oldest()));
                if remain && !named && !unnamed {
                    return Err(CheckpointError::OtherCounters);
                }
                if !remain {
                    saved.restore_tags(memory);
                }
                memory.tag_key.mark(&mark(&memory));
                let same_boot = environment.clock().boot() == head.boot;
                earlier = head.interfaces.filter(|_| same_boot).map(|sum| {
                    let origin = if remain {
                        saved.origin(&sum, &head, history, unnamed)
                    } else {
                        packets_counted(counters)
                    };
                    Earlier { sum, origin, went_on: remain }
                });
                let entries = std::mem::take(&mut saved.entries);
                let bands = std::mem::take(&mut saved.bands);
                let baselines = std::mem::take(&mut saved.baselines);
                let readings = std::mem::take(&mut saved.readings);
                let slots = (entries, readings, bands, baselines);
                let since = |slot: Slot, reading| saved.since((slot, reading), &head, history, unnamed);
                let (clock, randomness) = (environment.clock(), environment.randomness());
                let node = Node::resumed(policy, counters, clock, randomness, &head, slots, since);
                let nothing_lost = remain || head.is_last;
                (node, if nothing_lost { StartKind::Resumed } else { StartKind::ResumedWithoutCounters })
            }
        };
        let clock = environment.clock();
        let last = clock.now().boot_nanoseconds;
        Ok((Self { store, memory, clock, last, failing: false, interfaces, earlier }, node, start))
    }

    /// Makes the tags of accounts.
    #[must_use]
    pub fn tagger(&self) -> Tagger {
        Tagger::new(self.store.tag_key().bytes())
    }

    /// Time since the last save began.
    #[must_use]
    pub fn since_last(&self) -> Duration {
        Duration::from_nanos(self.clock.now().boot_nanoseconds.saturating_sub(self.last))
    }

    /// How many packets passed unseen between the last save before the start and this reading of the
    /// interfaces, once. What had arrived by the reading must have been counted.
    pub fn missed(&mut self, reading: &InterfaceReading) -> u64 {
        let Some(earlier) = self.earlier.take() else { return 0 };
        let counted = packets_counted(self.memory.counters).wrapping_sub(earlier.origin);
        reading.missed_since(&earlier.sum, counted, earlier.went_on)
    }

    /// Saves the node. No epoch may be closed meanwhile. The `last` save is made when nothing is counted
    /// any more.
    ///
    /// # Errors
    /// When writing fails; the next save makes up for it.
    pub fn save(&mut self, state: &State<E>, kind: SaveKind) -> Result<(), StoreError> {
        if !matches!(kind, SaveKind::Limits | SaveKind::Erasure) {
            self.last = self.clock.now().boot_nanoseconds;
        }
        let counters = self.memory.counters;
        let interfaces = self.interfaces.as_mut().and_then(|interfaces| interfaces.now(counters));
        let head =
            Head { interfaces, is_last: kind == SaveKind::Last, ..state.node().head(self.memory.generation) };
        let mut block: Vec<Record> = Vec::with_capacity(BLOCK);
        let slots = self.memory.counters.slots();
        let tags = self.memory.tags;
        let record = |slot: usize| {
            if slot.is_multiple_of(BLOCK) {
                let node = state.node();
                block.clear();
                block.extend((slot..slots.min(slot + BLOCK)).map(|at| {
                    let at = slot_at(at);
                    node.record(at, tags.get(at))
                }));
            }
            block.get(slot % BLOCK).copied().unwrap_or_default()
        };
        let result = match kind {
            SaveKind::Close | SaveKind::Erasure => self.store.save_close(&head, record),
            SaveKind::Running | SaveKind::Limits | SaveKind::Last => self.store.save(&head, record),
        };
        if result.is_ok() {
            state.node().saved();
        }
        result
    }

    /// Records whether a save succeeded; true when that is worth a log line: the first failure, one at
    /// each close while it lasts and at the end, and the recovery.
    pub fn is_news(&mut self, ok: bool, kind: SaveKind) -> bool {
        let news = if ok { self.failing } else { !self.failing || kind != SaveKind::Running };
        self.failing = !ok;
        news
    }
}

impl SavedSlots {
    fn with_room(slots: usize, policy: &Policy) -> Self {
        let (entries, readings) = (Vec::with_capacity(slots), Vec::with_capacity(slots));
        let (bands, tags) = (Vec::with_capacity(slots), Vec::with_capacity(slots));
        let new = policy.flags.map(|flags| Baseline::new(&flags.rates(policy.epoch_seconds).epoch));
        let baselines = Vec::with_capacity(if new.is_some() { slots } else { 0 });
        Self { entries, readings, bands, baselines, new, tags }
    }

    fn push(&mut self, slot: usize, record: &Record) {
        if let Some(new) = self.new.filter(|_| slot_at(slot).is_account()) {
            self.baselines.push(record.baseline.unwrap_or(new));
        }
        self.entries.push(SlotEntry { period: record.period, mark: record.mark });
        self.readings.push(record.reading);
        self.bands.push(record.band);
        self.tags.push(record.tag);
    }

    /// What became of a slot since the save read this of it, by its tag in memory that outlived the process.
    /// `unnamed`: all of that memory is younger than the save.
    fn since(
        &self,
        (slot, reading): (Slot, Totals),
        head: &Head,
        history: &CounterHistory,
        unnamed: bool,
    ) -> SinceSave {
        let tag = self.tags.get(slot.index()).copied().unwrap_or_default();
        let base =
            if unnamed { Some(history.base_of_all(slot)) } else { history.base(head.memory, slot, reading) };
        SinceSave { base, reassigned: tag != history.current.tags.get(slot) }
    }

    /// What all counters of the present memory would have read when this sum was taken: those of the save
    /// were read a moment later.
    fn origin(&self, sum: &InterfaceSum, head: &Head, history: &CounterHistory, unnamed: bool) -> u64 {
        let total = |of: &dyn Fn(Slot) -> Totals| {
            let slots = (0..history.current.counters.slots()).map(slot_at).filter(|slot| *slot != Slot::GAP);
            slots.fold(0_u64, |total, slot| {
                let of = of(slot);
                total.wrapping_add(of.up.packets).wrapping_add(of.down.packets)
            })
        };
        let reading = |slot: Slot| self.readings.get(slot.index()).copied().unwrap_or_default();
        let readings = total(&reading);
        let since = |slot: Slot| self.since((slot, reading(slot)), head, history, unnamed);
        let bases = total(&|slot| since(slot).base.unwrap_or_default());
        bases.wrapping_sub(readings.wrapping_sub(sum.counted))
    }

    fn restore_tags(&self, memory: CounterMemory) {
        for (at, tag) in self.tags.iter().enumerate() {
            memory.tags.set(slot_at(at), *tag);
        }
    }
}

fn slot_at(index: usize) -> Slot {
    Slot::new(u32::try_from(index).unwrap_or(u32::MAX))
}
