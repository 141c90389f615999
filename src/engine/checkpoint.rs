//! Between the node and the store: what a start resumes from, and what a save holds.
//!
//! A save copies the records in blocks under short locks, so that nobody waits for the disk; no epoch
//! closes meanwhile, so that the image belongs to one epoch. Knows slots and tags, no names.

use super::state::{NodeOf, State};
use crate::clock::Clock;
use crate::environment::Environment;
use crate::meter::band::Band;
use crate::meter::ledger::{SinceSave, SlotEntry};
use crate::meter::policy::Policy;
use crate::meter::slot::Slot;
use crate::meter::tags::Tag;
use crate::meter::units::Totals;
use crate::node::Node;
use crate::node::saved::{Head, Record};
use crate::roster::tagger::Tagger;
use crate::store::{Opened, Settings, Store, StoreError};
use crate::tap::{CounterHistory, CounterMemory};
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

/// Why a start cannot resume from what it finds.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The counters found are not those that the store belongs to.
    #[error(
        "found counters of another node or store; stop the daemon that uses them, or remove them with \
         `blindmeter detach`"
    )]
    OtherCounters,
}

/// Everything that was saved, by slot, in separate lists: entries and bands are used as they are.
struct SavedSlots {
    entries: Vec<SlotEntry>,
    readings: Vec<Totals>,
    bands: Vec<Band>,
    tags: Vec<Tag>,
}

/// Saves a node to the store, and resumes it from there.
pub struct Checkpointer<E: Environment> {
    store: Store<E::Disk, E::Randomness>,
    memory: CounterMemory,
    clock: E::Clock,
    /// Boot clock when the last save began, or at the start.
    last: u64,
    failing: bool,
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
    ) -> Result<(Self, NodeOf<E>, StartKind), CheckpointError> {
        let memory = history.current;
        let mut saved = SavedSlots::with_room(memory.counters.slots());
        let remain = history.has_earlier();
        let (store, opened) = Store::open(
            environment.disk(),
            environment.randomness(),
            settings,
            remain,
            accept_loss,
            |_, record| saved.push(&record),
        )?;
        let counters = memory.counters;
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
                let entries = std::mem::take(&mut saved.entries);
                let bands = std::mem::take(&mut saved.bands);
                let slots = (entries, saved.readings.as_slice(), bands);
                let since = |slot: Slot| saved.since(slot, &head, history, unnamed);
                let (clock, randomness) = (environment.clock(), environment.randomness());
                let node = Node::resumed(policy, counters, clock, randomness, &head, slots, since);
                (node, if remain { StartKind::Resumed } else { StartKind::ResumedWithoutCounters })
            }
        };
        let clock = environment.clock();
        let last = clock.now().boot_nanoseconds;
        Ok((Self { store, memory, clock, last, failing: false }, node, start))
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

    /// Saves the node. No epoch may be closed meanwhile.
    ///
    /// # Errors
    /// When writing fails; the next save makes up for it.
    pub fn save(&mut self, state: &State<E>, closes: bool) -> Result<(), StoreError> {
        self.last = self.clock.now().boot_nanoseconds;
        let head: Head = state.node().head(self.memory.generation);
        let mut block: Vec<Record> = Vec::with_capacity(BLOCK);
        let slots = self.memory.counters.slots();
        let tags = self.memory.tags;
        let record = |slot: usize| {
            if slot.is_multiple_of(BLOCK) {
                let node = state.node();
                block.clear();
                block.extend((slot..slots.min(slot + BLOCK)).map(|at| {
                    let at = Slot::new(u32::try_from(at).unwrap_or(u32::MAX));
                    node.record(at, tags.get(at))
                }));
            }
            block.get(slot % BLOCK).copied().unwrap_or_default()
        };
        let result =
            if closes { self.store.save_close(&head, record) } else { self.store.save(&head, record) };
        if result.is_ok() {
            state.node().saved();
        }
        result
    }

    /// Records whether a save succeeded; true when that is worth a log line: the first failure, one at
    /// each close while it lasts, and the recovery.
    pub fn is_news(&mut self, ok: bool, closes: bool) -> bool {
        let news = if ok { self.failing } else { !self.failing || closes };
        self.failing = !ok;
        news
    }
}

impl SavedSlots {
    fn with_room(slots: usize) -> Self {
        let (entries, readings) = (Vec::with_capacity(slots), Vec::with_capacity(slots));
        Self { entries, readings, bands: Vec::with_capacity(slots), tags: Vec::with_capacity(slots) }
    }

    fn push(&mut self, record: &Record) {
        self.entries.push(SlotEntry { period: record.period, mark: record.mark });
        self.readings.push(record.reading);
        self.bands.push(record.band);
        self.tags.push(record.tag);
    }

    /// What became of a slot since the save, by its tag in memory that outlived the process. `unnamed`:
    /// all of that memory is younger than the save.
    fn since(&self, slot: Slot, head: &Head, history: &CounterHistory, unnamed: bool) -> SinceSave {
        let at = slot.index();
        let reading = self.readings.get(at).copied().unwrap_or_default();
        let tag = self.tags.get(at).copied().unwrap_or_default();
        let base =
            if unnamed { Some(history.base_of_all(slot)) } else { history.base(head.memory, slot, reading) };
        SinceSave { base, reassigned: tag != history.current.tags.get(slot) }
    }

    fn restore_tags(&self, memory: CounterMemory) {
        for (at, tag) in self.tags.iter().enumerate() {
            memory.tags.set(Slot::new(u32::try_from(at).unwrap_or(u32::MAX)), *tag);
        }
    }
}
