//! The roster: which account owns which address, from several sources. The only holder of
//! addresses in the program.
//!
//! Flow: a source hands in prefixes with the tags of accounts -> precedence decides
//! ([`assignment`]) -> [`table::Table`], or the kernel's own, answers the taps with a slot. Nothing
//! here counts, and nothing here prints; a name gets no further than to its tag ([`tagger`]). Changes
//! are made under one lock; the taps read the table, and support and exports the directory, without
//! it. Before a change the caller quiesces the taps, so that packets that arrived before it are
//! charged to the old owner.

pub mod account;
pub mod address;
mod assignment;
mod assignments;
pub mod csv;
mod directory;
mod error;
pub mod owners;
pub mod rows;
mod slots;
mod source;
pub mod table;
pub mod tagger;
mod wiped_map;

pub use error::RosterError;
pub use source::{Counts, Source, SourceCounts};

use crate::meter::slot::Slot;
use crate::meter::tags::{Tag, Tags};
use account::AccountName;
use address::Prefix;
use assignment::Assignment;
use assignments::Assignments;
use directory::Directory;
use owners::{Owned, Owners};
use rows::{InterfaceName, Place, Rows};
use slots::SlotAllocator;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use table::Table;
use tagger::Tagger;

/// Who owns what. One per process.
pub struct Roster {
    tagger: Tagger,
    directory: Arc<Directory>,
    table: Arc<Table>,
    /// Asked by the tap in place of the table.
    elsewhere: Option<Arc<dyn Owners>>,
    writing: Mutex<Writing>,
}

/// What only the writer needs.
struct Writing {
    assignments: Assignments,
    /// Those of one interface alone.
    on: BTreeMap<InterfaceName, Assignments>,
    slots: SlotAllocator,
    /// Slots of inherited owners that a source disputed.
    disputed: Vec<Slot>,
    latched: Counts,
}

impl Roster {
    /// A roster over these pools, with room for as many accounts as the memory has tags. It goes on
    /// with the accounts whose tags lie there; nobody owns an address yet.
    #[must_use]
    pub fn new(pools: &[Prefix], tags: Tags, tagger: Tagger, seed: u64) -> Self {
        Self::with(Table::new(pools, seed), None, pools, tags, tagger)
    }

    /// The same, whose owners are written down elsewhere; its table stays empty.
    #[must_use]
    pub fn over(owners: Arc<dyn Owners>, pools: &[Prefix], tags: Tags, tagger: Tagger) -> Self {
        Self::with(Table::new(&[], 0), Some(owners), pools, tags, tagger)
    }

    fn with(
        table: Table,
        elsewhere: Option<Arc<dyn Owners>>,
        pools: &[Prefix],
        tags: Tags,
        tagger: Tagger,
    ) -> Self {
        let directory = Arc::new(Directory::of(tags));
        let writing = Writing {
            assignments: Assignments::new(pools),
            on: BTreeMap::new(),
            slots: SlotAllocator::new(Arc::clone(&directory)),
            disputed: Vec::new(),
            latched: Counts::default(),
        };
        Self { tagger, directory, table: Arc::new(table), elsewhere, writing: Mutex::new(writing) }
    }

    /// Takes over the owners that an earlier process had written down: they hold until a source
    /// disputes them. An owner without a tag, or of a source that is not known, is let go of.
    ///
    /// # Errors
    /// When the tap's look-up cannot be read or changed.
    pub fn inherit(&self) -> Result<(), RosterError> {
        let Some(owners) = &self.elsewhere else { return Ok(()) };
        let mut writing = self.lock();
        for owned in owners.all()? {
            let known = self.directory.holds(owned.slot);
            match Source::of_code(owned.source).filter(|_| known) {
                Some(source) => {
                    let inherited = writing.assignments.get(owned.prefix).inherited(source, owned.slot);
                    writing.assignments.set(owned.prefix, inherited);
                }
                None => owners.set(Owned { slot: Slot::UNATTRIBUTED, ..owned })?,
            }
        }
        Ok(())
    }

    /// Slots that were found to have been charged for an address that may have been another's, since
    /// an earlier process's last save; each is told once.
    #[must_use]
    pub fn take_disputed(&self) -> Vec<Slot> {
        std::mem::take(&mut self.lock().disputed)
    }

    /// The look-up for the taps.
    #[must_use]
    pub fn table(&self) -> Arc<Table> {
        Arc::clone(&self.table)
    }

    /// The tag that an account is known by, whether it exists or not.
    #[must_use]
    pub fn tag_of(&self, account: &AccountName) -> Tag {
        self.tagger.tag_of(account)
    }

    /// The slot of an account that a source names, or named before its slot was free for others, in
    /// this process or an earlier one.
    #[must_use]
    pub fn slot_of(&self, account: Tag) -> Option<Slot> {
        self.directory.slot_of(account)
    }

    /// Makes an account the owner of a prefix, on one interface or on any, as far as this source is
    /// concerned.
    ///
    /// # Errors
    /// When the account is new and there is no slot left, or the tap does not tell interfaces apart;
    /// nothing has changed then.
    pub fn assign(&self, source: Source, place: impl Into<Place>, account: Tag) -> Result<(), RosterError> {
        let Place { interface, prefix } = place.into();
        self.require_interfaces(interface.is_some())?;
        let mut writing = self.lock();
        writing.slots.require_room(std::iter::once(account))?;
        let slot = writing.slots.slot_for(account);
        self.decide(&mut writing, source, interface.as_ref(), prefix, Some(slot))
    }

    /// Takes back this source's assignment of a prefix, on one interface or on any; false when it had
    /// none.
    ///
    /// # Errors
    /// When the tap's look-up cannot be changed.
    pub fn unassign(&self, source: Source, place: impl Into<Place>) -> Result<bool, RosterError> {
        let Place { interface, prefix } = place.into();
        let mut writing = self.lock();
        let assignments = writing.on(interface.as_ref());
        let assignment = assignments.get(prefix);
        let had = assignment.of(source).is_some();
        if had {
            // Who takes an assignment back says by it that it held until now.
            assignments.set(prefix, assignment.confirmed());
            self.decide(&mut writing, source, interface.as_ref(), prefix, None)?;
        }
        Ok(had)
    }

    /// Replaces everything that a source assigns.
    ///
    /// New accounts get slots in the order of their first address, so that a pool's counters lie
    /// as its addresses do.
    ///
    /// # Errors
    /// When there are not enough slots, or the tap does not tell interfaces apart: nothing has changed
    /// then. When the tap's look-up refuses an owner: the assignments before it are made.
    pub fn replace(&self, source: Source, rows: impl Into<Rows<Tag>>) -> Result<(), RosterError> {
        let rows = rows.into();
        self.require_interfaces(!rows.on.is_empty())?;
        let mut writing = self.lock();
        if rows.on.is_empty() {
            writing.slots.require_room(rows.anywhere.iter().map(|(_, account)| *account))?;
        } else {
            let accounts: Vec<Tag> = rows.all().map(|(_, account)| *account).collect();
            writing.slots.require_room(accounts.into_iter())?;
        }
        let unnamed: Vec<InterfaceName> =
            writing.on.keys().filter(|interface| !rows.on.contains_key(interface)).cloned().collect();
        self.replace_on(&mut writing, source, None, rows.anywhere)?;
        for interface in unnamed {
            self.replace_on(&mut writing, source, Some(&interface), Vec::new())?;
        }
        for (interface, rows) in rows.on {
            self.replace_on(&mut writing, source, Some(&interface), rows)?;
        }
        Ok(())
    }

    fn replace_on(
        &self,
        writing: &mut Writing,
        source: Source,
        interface: Option<&InterfaceName>,
        mut rows: Vec<(Prefix, Tag)>,
    ) -> Result<(), RosterError> {
        rows.sort_unstable_by_key(|(prefix, _)| *prefix);
        let is_kept = |prefix: &Prefix| rows.binary_search_by_key(prefix, |(kept, _)| *kept).is_ok();
        let gone: Vec<Prefix> = writing.on(interface).of(source).filter(|prefix| !is_kept(prefix)).collect();
        for (prefix, account) in &rows {
            let slot = writing.slots.slot_for(*account);
            self.decide(writing, source, interface, *prefix, Some(slot))?;
        }
        for prefix in gone {
            self.decide(writing, source, interface, prefix, None)?;
        }
        Ok(())
    }

    /// The kernel's program asks whose an address is, and not where.
    fn require_interfaces(&self, named: bool) -> Result<(), RosterError> {
        if named && self.elsewhere.is_some() { Err(RosterError::OneForAllInterfaces) } else { Ok(()) }
    }

    /// At the close of an epoch: latches the counts, frees the slots in quarantine, and, when the
    /// period ended, puts the accounts there that no source names. Returns the slots that are free
    /// from now on: bytes that came between the close and the quarantine are held of them until then.
    ///
    /// `saved`: the last save succeeded. While saves fail no slot is let go: after a crash the last
    /// save could not tell its old owner's bytes from a new one's.
    pub fn at_close(&self, period_ended: bool, saved: bool) -> Vec<Slot> {
        let mut writing = self.lock();
        // What nobody disputed in an epoch is confirmed.
        writing.assignments.confirm_all();
        writing.on.values_mut().for_each(Assignments::confirm_all);
        writing.latched = writing.counts();
        let freed = if saved { writing.slots.end_quarantine() } else { Vec::new() };
        if period_ended {
            let mut named = writing.assignments.named();
            writing.on.values().for_each(|assignments| named.extend(&assignments.named()));
            writing.slots.quarantine_all_but(&named);
        }
        freed
    }

    /// Numbers for `roster counts`: of sources that follow connections, as latched at the last
    /// close and rounded up to 8; of the others, as they are.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let writing = self.lock();
        writing.counts().told(&writing.latched)
    }

    /// A poisoned lock is taken over: every change leaves the roster whole at each step.
    fn lock(&self) -> MutexGuard<'_, Writing> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a source's word in force: it names this slot, or nobody any more.
    fn decide(
        &self,
        writing: &mut Writing,
        source: Source,
        interface: Option<&InterfaceName>,
        prefix: Prefix,
        slot: Option<Slot>,
    ) -> Result<(), RosterError> {
        let decision = writing.on(interface).get(prefix).decide(source, slot);
        if decision.changes_owner {
            self.set_owner(interface, prefix, decision.after)?;
        }
        writing.disputed.extend(decision.disputed);
        writing.on(interface).set(prefix, decision.after);
        Ok(())
    }

    /// The one place where an owner changes.
    fn set_owner(
        &self,
        interface: Option<&InterfaceName>,
        prefix: Prefix,
        assignment: Assignment,
    ) -> Result<(), RosterError> {
        let owner = assignment.owner();
        let (source, slot) = owner.map_or((0, Slot::UNATTRIBUTED), |(source, slot)| (source.code(), slot));
        match (&self.elsewhere, interface) {
            (None, None) => self.table.set(prefix, slot),
            (None, Some(interface)) => self.table.set_on(interface, prefix, slot),
            (Some(owners), _) => owners.set(Owned { prefix, slot, source })?,
        }
        Ok(())
    }
}

impl Writing {
    /// The assignments of one interface, or of any.
    fn on(&mut self, interface: Option<&InterfaceName>) -> &mut Assignments {
        match interface {
            None => &mut self.assignments,
            Some(interface) => self.on.entry(interface.clone()).or_insert_with(|| Assignments::new(&[])),
        }
    }

    fn counts(&self) -> Counts {
        // An account counts once for each interface that has it.
        let counts = self.on.values().map(Assignments::counts);
        counts.fold(self.assignments.counts(), Counts::plus)
    }
}

#[cfg(test)]
mod tests;
