//! Between the node and the store: what a start goes on from, and what a save holds.
//!
//! A save copies the records in blocks under short locks, so that nobody waits for the disk; nobody
//! closes an epoch meanwhile, so that the image is of one epoch. Knows slots and tags, no names.

use super::state::{NodeOf, State};
use crate::clock::Clock;
use crate::environment::Environment;
use crate::meter::band::Band;
use crate::meter::ledger::{Line, Since};
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

/// Slots that are copied under one lock.
const BLOCK: usize = 4096;

/// How a start went on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum StartKind {
    /// Nothing was ever kept here.
    First,
    /// From the last save, with everything that was counted since.
    Resumed,
    /// From the last save; what was counted since went with the memory it was counted in.
    ResumedWithoutCounters,
    /// What was kept is lost, and the operator said so.
    LossAccepted,
}

/// Why a start cannot go on from what is there.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The counters that are there are not those that the store is about.
    #[error(
        "counters of another node or store are there; stop what made them, or remove them with \
         `blindmeter detach`"
    )]
    OtherCounters,
}

/// Everything that was kept, by slot: apart, since the lines and the bands go on as they are.
struct SavedSlots {
    lines: Vec<Line>,
    readings: Vec<Totals>,
    bands: Vec<Band>,
    tags: Vec<Tag>,
}

/// The store, with what it is told at a save.
pub struct Checkpointer<E: Environment> {
    store: Store<E::Disk, E::Randomness>,
    memory: CounterMemory,
    clock: E::Clock,
    /// Boot clock when the last save began, or at the start.
    last: u64,
    failing: bool,
}

impl<E: Environment> Checkpointer<E> {
    /// Opens the store, and makes the node that goes on from what it holds.
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
        let remain = history.remain();
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
                let same = history.base(head.memory, Slot::UNATTRIBUTED, Totals::default()).is_some();
                if remain && !same {
                    return Err(CheckpointError::OtherCounters);
                }
                if !same {
                    saved.restore_tags(memory);
                }
                let (lines, bands) = (std::mem::take(&mut saved.lines), std::mem::take(&mut saved.bands));
                let slots = (lines, saved.readings.as_slice(), bands);
                let since = |slot: Slot| saved.since(slot, &head, history);
                let (clock, randomness) = (environment.clock(), environment.randomness());
                let node = Node::resumed(policy, counters, clock, randomness, &head, slots, since);
                (node, if same { StartKind::Resumed } else { StartKind::ResumedWithoutCounters })
            }
        };
        let clock = environment.clock();
        let last = clock.now().boot_nanoseconds;
        Ok((Self { store, memory, clock, last, failing: false }, node, start))
    }

    /// What makes the tags of accounts.
    #[must_use]
    pub fn tagger(&self) -> Tagger {
        Tagger::new(self.store.tag_key().bytes())
    }

    /// Time since the last save began.
    #[must_use]
    pub fn since_last(&self) -> Duration {
        Duration::from_nanos(self.clock.now().boot_nanoseconds.saturating_sub(self.last))
    }

    /// Writes the node as it is. No epoch may be closed meanwhile.
    ///
    /// # Errors
    /// When the disk does not take it; the next save makes up for it.
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

    /// Takes note of how a save went; true when that is worth a line: the first failure, one at each
    /// close while it lasts, and the end of it.
    pub fn is_news(&mut self, ok: bool, closes: bool) -> bool {
        let news = if ok { self.failing } else { !self.failing || closes };
        self.failing = !ok;
        news
    }
}

impl SavedSlots {
    fn with_room(slots: usize) -> Self {
        let (lines, readings) = (Vec::with_capacity(slots), Vec::with_capacity(slots));
        Self { lines, readings, bands: Vec::with_capacity(slots), tags: Vec::with_capacity(slots) }
    }

    fn push(&mut self, record: &Record) {
        self.lines.push(Line { period: record.period, mark: record.mark });
        self.readings.push(record.reading);
        self.bands.push(record.band);
        self.tags.push(record.tag);
    }

    /// What became of a slot since the save: its tag in memory that outlived the process tells.
    fn since(&self, slot: Slot, head: &Head, history: &CounterHistory) -> Since {
        let at = slot.index();
        let reading = self.readings.get(at).copied().unwrap_or_default();
        let tag = self.tags.get(at).copied().unwrap_or_default();
        Since {
            base: history.base(head.memory, slot, reading),
            given_away: tag != history.current.tags.get(slot),
        }
    }

    fn restore_tags(&self, memory: CounterMemory) {
        for (at, tag) in self.tags.iter().enumerate() {
            memory.tags.set(Slot::new(u32::try_from(at).unwrap_or(u32::MAX)), *tag);
        }
    }
}
