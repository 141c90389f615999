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
mod former;
pub mod kept;
pub mod name_index;
mod outside;
pub mod owners;
pub mod place;
pub mod places;
mod quota;
mod quoted;
mod room;
mod sessions;
mod slots;
mod source;
pub mod sources;
pub mod table;
pub mod tagger;
mod text;
mod wiped_map;

pub use error::RosterError;
pub use room::SmallRoom;
pub use sessions::Session;
pub use source::{Counts, Source, SourceCounts};

use crate::meter::slot::Slot;
use crate::meter::tags::{Tag, Tags};
use account::AccountName;
use address::Prefix;
use assignment::Assignment;
use assignments::Assignments;
use directory::Directory;
use owners::{Owned, Owners};
use place::{Place, PlaceError};
use places::Places;
use quota::SocketQuota;
use sessions::Sessions;
use slots::{SlotAllocator, SlotSet};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use table::Table;
use tagger::Tagger;

/// Who owns what. One per process.
pub struct Roster {
    tagger: Arc<Tagger>,
    /// What tags were made with before the node joined a fleet.
    former: Option<Tagger>,
    directory: Arc<Directory>,
    table: Arc<Table>,
    /// Asked by the tap in place of the table.
    elsewhere: Option<Arc<dyn Owners>>,
    writing: Mutex<Writing>,
}

/// What only the writer needs.
struct Writing {
    assignments: Assignments,
    /// What hooks assigned prefixes for.
    sessions: Sessions,
    slots: SlotAllocator,
    socket: SocketQuota,
    /// Slots of inherited owners that a source disputed.
    disputed: Vec<Slot>,
    latched: Counts,
    /// Whom sources that follow connections named at the last close.
    connected: SlotSet,
    /// Servers that have said something.
    heard: [bool; Source::ALL.len()],
}

impl Writing {
    /// The slot of an account that a source names, a new one where it has none.
    fn slot_for(&mut self, source: Source, account: Tag) -> Slot {
        let slot = self.slots.slot_for(account);
        if source == Source::Control {
            self.socket.add(slot);
        }
        slot
    }
}

impl Roster {
    /// A roster over these pools, with room for as many accounts as the memory has tags. It goes on
    /// with the accounts whose tags lie there; nobody owns an address yet.
    #[must_use]
    pub fn new(pools: &[Prefix], tags: Tags, tagger: Tagger, seed: u64) -> Self {
        let tagger = Arc::new(tagger);
        let places = Places::new_ones(Arc::clone(&tagger));
        Self::in_process(pools, tags, (tagger, places), seed)
    }

    /// The same with interfaces that were named before.
    #[must_use]
    pub fn in_process(
        pools: &[Prefix],
        tags: Tags,
        (tagger, places): (Arc<Tagger>, Places),
        seed: u64,
    ) -> Self {
        Self::with(Table::at(pools, seed, places), None, pools, tags, tagger)
    }

    /// The same, whose owners are written down elsewhere; its table stays empty.
    #[must_use]
    pub fn over(owners: Arc<dyn Owners>, pools: &[Prefix], tags: Tags, tagger: Tagger) -> Self {
        let tagger = Arc::new(tagger);
        let places = Places::new(owners.names(), Arc::clone(&tagger), Some(Arc::clone(&owners)));
        Self::with(Table::at(&[], 0, places), Some(owners), pools, tags, tagger)
    }

    fn with(
        table: Table,
        elsewhere: Option<Arc<dyn Owners>>,
        pools: &[Prefix],
        tags: Tags,
        tagger: Arc<Tagger>,
    ) -> Self {
        let directory = Arc::new(Directory::of(tags));
        let writing = Writing {
            assignments: Assignments::new(pools, directory.capacity()),
            sessions: Sessions::none(),
            slots: SlotAllocator::new(Arc::clone(&directory)),
            socket: SocketQuota::new(directory.capacity()),
            disputed: Vec::new(),
            latched: Counts::default(),
            connected: SlotSet::default(),
            heard: [false; Source::ALL.len()],
        };
        let (table, former, writing) = (Arc::new(table), None, Mutex::new(writing));
        Self { tagger, former, directory, table, elsewhere, writing }
    }

    /// Takes over the owners that an earlier process had written down: they hold until a source
    /// disputes them. An owner without a tag, or of a source that is not known, is let go of.
    ///
    /// # Errors
    /// When the tap's look-up cannot be read or changed.
    pub fn inherit(&self) -> Result<(), RosterError> {
        let Some(owners) = &self.elsewhere else { return Ok(()) };
        let mut writing = self.lock();
        let mut nobodys = Vec::new();
        owners.each(&mut |owned| {
            let known = self.directory.holds(owned.slot);
            match Source::of_code(owned.source).filter(|_| known) {
                Some(source) => {
                    let inherited = writing.assignments.get(owned.prefix).inherited(source, owned.slot);
                    writing.assignments.set(owned.prefix, inherited);
                    if source == Source::Control {
                        writing.socket.add(owned.slot);
                    }
                }
                None => nobodys.push(Owned { slot: Slot::UNATTRIBUTED, ..owned }),
            }
        })?;
        for owned in nobodys {
            owners.set(owned)?;
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

    /// The place of an interface's name, from here on also for the taps.
    ///
    /// # Errors
    /// When too many are named.
    pub fn place_of(&self, interface: &str) -> Result<Place, PlaceError> {
        self.table.places().name(interface)
    }

    /// The slot of an account that a source names, or named before its slot was free for others, in
    /// this process or an earlier one.
    #[must_use]
    pub fn slot_of(&self, account: Tag) -> Option<Slot> {
        self.directory.slot_of(account)
    }

    /// The account of a slot.
    #[must_use]
    pub fn account_of(&self, slot: Slot) -> Option<Tag> {
        self.directory.account_of(slot)
    }

    /// Whether nobody but the file and WireGuard devices, which are the operator's, names an address of this
    /// account.
    #[must_use]
    pub fn is_of_operator_alone(&self, account: Tag) -> bool {
        let writing = self.lock();
        // Asked under the lock: the account does not come or go meanwhile.
        self.directory.slot_of(account).is_none_or(|slot| writing.assignments.are_of_operator_alone(slot))
    }

    /// Whether a source names this account; for sources that follow connections, at the last close, since the
    /// moment would tell who is connected.
    #[must_use]
    pub fn is_named(&self, account: Tag) -> bool {
        let writing = self.lock();
        let Some(slot) = self.directory.slot_of(account) else { return false };
        writing.connected.has(slot) || writing.assignments.name_steadily(slot)
    }

    /// Makes an account the owner of a prefix, as far as this source is concerned.
    ///
    /// # Errors
    /// When the account is new and there is no slot left; nothing has changed then.
    pub fn assign(&self, source: Source, prefix: Prefix, account: Tag) -> Result<(), RosterError> {
        let mut writing = self.lock();
        self.require_room_of_one(&writing, source, (prefix, account))?;
        let slot = writing.slot_for(source, account);
        self.decide(&mut writing, source, prefix, Some(slot))
    }

    /// The same for a connection, as a VPN server's hook tells of it.
    ///
    /// # Errors
    /// See [`Roster::assign`].
    pub fn connect(&self, prefix: Prefix, account: Tag, session: Session) -> Result<(), RosterError> {
        let mut writing = self.lock();
        self.require_room_of_one(&writing, Source::Control, (prefix, account))?;
        let slot = writing.slot_for(Source::Control, account);
        self.decide(&mut writing, Source::Control, prefix, Some(slot))?;
        writing.sessions.set(prefix, Some(session));
        Ok(())
    }

    /// Takes back what was assigned for this connection, or for one that nobody numbered: false where the prefix was
    /// assigned for another one since, or not at all.
    ///
    /// # Errors
    /// When the tap's look-up cannot be changed.
    pub fn disconnect(&self, prefix: Prefix, session: Session) -> Result<bool, RosterError> {
        let mut writing = self.lock();
        let is_over = writing.sessions.is_over(prefix, session);
        Ok(is_over && self.take_back(&mut writing, Source::Control, prefix)?)
    }

    /// Does the work of an assignment, and leaves everything as it is: how long a change takes is then no sign of one.
    ///
    /// # Errors
    /// See [`Roster::assign`].
    pub fn rehearse(&self, prefix: Prefix, account: Tag) -> Result<(), RosterError> {
        let mut writing = self.lock();
        self.require_room_of_one(&writing, Source::Control, (prefix, account))?;
        let assignment = writing.assignments.get(prefix);
        self.set_owner(prefix, assignment)?;
        writing.assignments.set(prefix, assignment);
        writing.sessions.set(prefix, None);
        Ok(())
    }

    /// Takes back this source's assignment of a prefix; false when it had none.
    ///
    /// # Errors
    /// When the tap's look-up cannot be changed.
    pub fn unassign(&self, source: Source, prefix: Prefix) -> Result<bool, RosterError> {
        self.take_back(&mut self.lock(), source, prefix)
    }

    fn take_back(&self, writing: &mut Writing, source: Source, prefix: Prefix) -> Result<bool, RosterError> {
        let assignment = writing.assignments.get(prefix);
        let had = assignment.of(source).is_some();
        if had {
            // Who takes an assignment back says by it that it held until now.
            writing.assignments.set(prefix, assignment.confirmed());
            self.decide(writing, source, prefix, None)?;
        }
        Ok(had)
    }

    /// Replaces everything that a source assigns.
    ///
    /// New accounts get slots in the order of their first address, so that a pool's counters lie
    /// as its addresses do.
    ///
    /// # Errors
    /// When there are not enough slots: nothing has changed then. When the tap's look-up refuses an
    /// owner: the assignments before it are made. Of a VPN server, whose clients bring that about, what
    /// there is room for is made in either case, and the rest is nobody's: accounts that have a slot come
    /// first, then the others in the order of their addresses.
    pub fn replace(&self, source: Source, mut assignments: Vec<(Prefix, Tag)>) -> Result<(), RosterError> {
        let mut writing = self.lock();
        assignments.sort_unstable_by_key(|(prefix, _)| *prefix);
        let roomless = self.find_room(&writing, source, &mut assignments, true)?;
        let is_kept = |prefix: &Prefix| assignments.binary_search_by_key(prefix, |(kept, _)| *kept).is_ok();
        let gone: Vec<Prefix> = writing.assignments.of(source).filter(|prefix| !is_kept(prefix)).collect();
        // First what is nobody's any more: it makes room in the tap's look-up.
        for prefix in gone {
            self.decide(&mut writing, source, prefix, None)?;
        }
        let outcome = self.assign_all(&mut writing, source, &assignments).and(roomless.map_or(Ok(()), Err));
        if source.is_server() && !std::mem::replace(&mut writing.heard[source as usize], true) {
            let counts = writing.assignments.counts();
            writing.latched.latch_first(source, &counts);
            let named = writing.assignments.named_by(source);
            named.slots().for_each(|slot| _ = writing.connected.add(slot));
        }
        outcome
    }

    /// Assigns all of these, and leaves what else the source assigns.
    ///
    /// # Errors
    /// See [`Roster::replace`].
    pub fn add(&self, source: Source, mut assignments: Vec<(Prefix, Tag)>) -> Result<(), RosterError> {
        let mut writing = self.lock();
        assignments.sort_unstable_by_key(|(prefix, _)| *prefix);
        let roomless = self.find_room(&writing, source, &mut assignments, false)?;
        self.assign_all(&mut writing, source, &assignments).and(roomless.map_or(Ok(()), Err))
    }

    /// Whether there is room for all accounts. Of a VPN server those are left out that there is none for, and why is
    /// given; anybody else's are refused as a whole.
    fn find_room(
        &self,
        writing: &Writing,
        source: Source,
        assignments: &mut Vec<(Prefix, Tag)>,
        is_all: bool,
    ) -> Result<Option<RosterError>, RosterError> {
        if !source.is_server() {
            let prefixes = assignments.iter().map(|(prefix, _)| *prefix);
            writing.assignments.require_room(source, prefixes, is_all)?;
        }
        let accounts = assignments.iter().map(|(_, account)| *account);
        match self.require_room(writing, source, accounts) {
            Err(full) if source.is_server() => {
                let (room, mut new) = (writing.slots.room(), HashSet::new());
                assignments.retain(|(_, account)| {
                    self.directory.slot_of(*account).is_some()
                        || new.contains(account)
                        || (new.len() < room && new.insert(*account))
                });
                Ok(Some(full))
            }
            found => found.map(|()| None),
        }
    }

    /// Assigns what there is room for.
    fn assign_all(
        &self,
        writing: &mut Writing,
        source: Source,
        assignments: &[(Prefix, Tag)],
    ) -> Result<(), RosterError> {
        let mut outcome = Ok(());
        for (prefix, account) in assignments {
            let room = writing.assignments.require_room(source, std::iter::once(*prefix), false);
            let slot = room.map(|()| writing.slot_for(source, *account));
            match slot.and_then(|slot| self.decide(writing, source, *prefix, Some(slot))) {
                // One that the tap's look-up has no room for keeps out nobody else of a server.
                Err(refused) if source.is_server() => outcome = Err(refused),
                decided => decided?,
            }
        }
        outcome
    }

    /// At the close of an epoch: latches the counts, frees the slots in quarantine, and puts accounts
    /// there that no source names: those of which nothing is held (`is_unused`), and, when the period
    /// ended, all. Returns the slots that are free from now on: bytes that came between the close and the
    /// quarantine are held of them until then.
    ///
    /// `saved`: the last save succeeded. While saves fail no slot is let go: after a crash the last
    /// save could not tell its old owner's bytes from a new one's.
    pub fn at_close(&self, period_ended: bool, saved: bool, is_unused: impl Fn(Slot) -> bool) -> Vec<Slot> {
        let mut writing = self.lock();
        // What nobody disputed in an epoch is confirmed.
        writing.assignments.confirm_all();
        writing.latched = writing.assignments.counts();
        let freed = if saved { writing.slots.end_quarantine() } else { Vec::new() };
        freed.iter().for_each(|slot| writing.socket.remove(*slot));
        writing.connected = writing.assignments.connected();
        let named = writing.assignments.named();
        for slot in writing.assignments.named_elsewhere_alone().slots() {
            writing.socket.remove(slot);
        }
        writing.slots.quarantine(&named, |slot| period_ended || is_unused(slot));
        freed
    }

    /// Accounts that there is room for.
    #[must_use]
    pub fn capacity(&self) -> u64 {
        self.directory.capacity() as u64
    }

    /// Numbers for `roster counts`: of sources that follow connections, as latched at the last
    /// close and rounded up to 8; of the others, as they are.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let writing = self.lock();
        writing.assignments.counts().told(&writing.latched)
    }

    /// Whether a source may give this prefix to this account.
    fn require_room_of_one(
        &self,
        writing: &Writing,
        source: Source,
        (prefix, account): (Prefix, Tag),
    ) -> Result<(), RosterError> {
        writing.assignments.require_room(source, std::iter::once(prefix), false)?;
        self.require_room(writing, source, std::iter::once(account))
    }

    /// Whether a source may name these accounts.
    fn require_room(
        &self,
        writing: &Writing,
        source: Source,
        accounts: impl ExactSizeIterator<Item = Tag> + Clone,
    ) -> Result<(), RosterError> {
        if source == Source::Control {
            let is_new =
                |account: &Tag| self.directory.slot_of(*account).is_none_or(|slot| !writing.socket.has(slot));
            let new: HashSet<Tag> = accounts.clone().filter(is_new).collect();
            writing.socket.require(new.len(), writing.slots.room())?;
        }
        writing.slots.require_room(accounts)
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
        prefix: Prefix,
        slot: Option<Slot>,
    ) -> Result<(), RosterError> {
        let decision = writing.assignments.get(prefix).decide(source, slot);
        if decision.changes_owner {
            self.set_owner(prefix, decision.after)?;
        }
        writing.disputed.extend(decision.disputed);
        writing.assignments.set(prefix, decision.after);
        if source == Source::Control {
            writing.sessions.set(prefix, None);
        }
        Ok(())
    }

    /// The one place where an owner changes.
    fn set_owner(&self, prefix: Prefix, assignment: Assignment) -> Result<(), RosterError> {
        let owner = assignment.owner();
        let (source, slot) = owner.map_or((0, Slot::UNATTRIBUTED), |(source, slot)| (source.code(), slot));
        match &self.elsewhere {
            None => self.table.set(prefix, slot),
            Some(owners) => owners.set(Owned { prefix, slot, source })?,
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
