//! The roster: which account owns which address, from several sources. The only holder of
//! addresses in the program.
//!
//! Flow: a source hands in assignments -> precedence decides -> [`table::Table`] answers the taps
//! with a slot. Nothing here counts, and nothing here prints. RosterWriter are made under one lock;
//! the taps read the table without it. Before a change the caller lets the taps settle, so that
//! packets that arrived before it are charged to the old owner.

pub mod account;
pub mod address;
mod assignments;
pub mod csv;
mod directory;
pub mod owners;
pub mod table;
mod wiped_map;

use crate::meter::slot::Slot;
use crate::meter::tags::{Tag, Tags};
use account::AccountName;
use address::Prefix;
use assignments::{Assignments, Slots};
use directory::Directory;
use owners::{Owned, Owners, OwnersRefused};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};
use table::Table;

/// Where an assignment comes from; the first of the list wins.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The control socket: administrators and the VPN servers' hooks.
    Control,
    /// The roster file.
    File,
}

impl Source {
    /// Every source, in order of precedence.
    pub const ALL: [Self; 2] = [Self::Control, Self::File];

    /// The word that stands for it in metrics and reports.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Control => "control",
            Self::File => "file",
        }
    }

    /// The number that stands for it in the kernel's maps, which outlive the program's version.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Control => 1,
            Self::File => 2,
        }
    }

    /// The source of a number.
    #[must_use]
    pub fn of_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|source| source.code() == code)
    }

    /// True when what the source holds tells who is connected.
    #[must_use]
    pub const fn follows_connections(self) -> bool {
        matches!(self, Self::Control)
    }
}

/// Why an assignment was not made.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RosterError {
    /// More accounts than there are slots.
    #[error("more than {capacity} accounts; raise [store] capacity and restart")]
    CapacityExceeded {
        /// The number of accounts there is room for.
        capacity: usize,
    },
    /// The tap's own look-up did not take the owner.
    #[error(transparent)]
    Owners(#[from] OwnersRefused),
}

/// Numbers about the roster; never addresses.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Prefixes and accounts of each source, in the order of [`Source::ALL`].
    pub sources: [SourceCounts; 2],
    /// Prefixes that two sources give to different accounts.
    pub conflicts: u64,
}

/// Numbers about one source.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct SourceCounts {
    /// Prefixes that the source assigns.
    pub prefixes: u64,
    /// Accounts that own at least one of them.
    pub accounts: u64,
}

/// Who owns what. One per process.
pub struct Roster {
    table: Arc<Table>,
    /// Asked by the tap in place of the table.
    elsewhere: Option<Arc<dyn Owners>>,
    /// What tells whose slot it is after this process.
    identity: Option<Identity>,
    /// The account directory: read by support and exports while assignments go on.
    directory: Directory,
    book: Mutex<Book>,
}

/// Makes the tag of a name.
pub type TagOf = Box<dyn Fn(&[u8]) -> Tag + Send + Sync>;

/// How slots are known again by a later process: by the keyed tag of their account.
pub struct Identity {
    /// Makes the tag of a name.
    pub tag: TagOf,
    /// The tag of each slot, in memory that may outlive the process.
    pub tags: Tags,
}

/// What only the writer needs.
struct Book {
    capacity: usize,
    claims: Assignments,
    next: Slot,
    /// Slots of removed accounts: free after one more close, when no late packet can add to them.
    resting: BTreeSet<Slot>,
    free: Vec<Slot>,
    /// Slots whose account no source has named in this process, or names any more.
    nameless: HashMap<Tag, Slot>,
    /// Slots of adopted owners that a source contradicted.
    contradicted: Vec<Slot>,
    latched: Counts,
}

impl Roster {
    /// A roster without accounts, over these pools and with room for `capacity` accounts.
    #[must_use]
    pub fn new(pools: &[Prefix], capacity: usize, seed: u64) -> Self {
        Self::with(Table::new(pools, seed), None, pools, capacity)
    }

    /// A roster without accounts whose owners are written down elsewhere; its table stays empty.
    #[must_use]
    pub fn over(owners: Arc<dyn Owners>, pools: &[Prefix], capacity: usize) -> Self {
        Self::with(Table::new(&[], 0), Some(owners), pools, capacity)
    }

    fn with(table: Table, elsewhere: Option<Arc<dyn Owners>>, pools: &[Prefix], capacity: usize) -> Self {
        let book = Book {
            capacity,
            claims: Assignments::new(pools),
            next: Slot::FIRST_ACCOUNT,
            resting: BTreeSet::new(),
            free: Vec::new(),
            nameless: HashMap::new(),
            contradicted: Vec::new(),
            latched: Counts::default(),
        };
        let (table, book) = (Arc::new(table), Mutex::new(book));
        Self { table, elsewhere, identity: None, directory: Directory::new(capacity), book }
    }

    /// The same roster, which writes down whose slot it is, and knows again the slots that have a
    /// tag: their accounts come back when a source names them, and leave when the period ends.
    #[must_use]
    pub fn remembering(mut self, identity: Identity) -> Self {
        let book = self.book.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
        let slots = (0..).map(Slot::new).take(identity.tags.slots()).filter(|slot| slot.is_account());
        let tagged = slots.map(|slot| (slot, identity.tags.get(slot))).filter(|(_, tag)| *tag != Tag::NOBODY);
        book.nameless.reserve(tagged.clone().count());
        for (slot, tag) in tagged {
            // Slots in between are free; what they may hold of an earlier owner is let go first.
            book.resting.extend((book.next.word()..slot.word()).map(Slot::new));
            book.next = Slot::new(slot.word() + 1);
            book.nameless.insert(tag, slot);
        }
        self.identity = Some(identity);
        self
    }

    /// Takes over the owners that an earlier process had written down: they hold until a source
    /// contradicts them. An owner without a tag, or of a source that is not known, is let go of.
    ///
    /// # Errors
    /// When the tap's look-up cannot be read or changed.
    pub fn adopt(&self) -> Result<(), RosterError> {
        let (Some(owners), Some(identity)) = (&self.elsewhere, &self.identity) else { return Ok(()) };
        let mut book = self.book();
        for owned in owners.all()? {
            let known = identity.tags.get(owned.slot) != Tag::NOBODY;
            match Source::of_code(owned.source).filter(|_| known) {
                Some(source) => {
                    let claim = book.claims.get(owned.prefix).with(source, Some(owned.slot));
                    book.claims.set(owned.prefix, claim.adopted());
                }
                None => owners.set(Owned { slot: Slot::UNATTRIBUTED, ..owned })?,
            }
        }
        Ok(())
    }

    /// Slots that were found to have been charged for an address that may have been another's, since
    /// an earlier process's last save; each is told once.
    #[must_use]
    pub fn take_contradicted(&self) -> Vec<Slot> {
        std::mem::take(&mut self.book().contradicted)
    }

    /// The look-up for the taps.
    #[must_use]
    pub fn table(&self) -> Arc<Table> {
        Arc::clone(&self.table)
    }

    /// The slot of an account that the roster names, or named since the period began, in this process
    /// or an earlier one.
    #[must_use]
    pub fn slot_of(&self, account: &AccountName) -> Option<Slot> {
        self.named(account).or_else(|| {
            let tag = self.tag_of(account)?;
            self.book().nameless.get(&tag).copied()
        })
    }

    fn named(&self, account: &AccountName) -> Option<Slot> {
        self.directory.slot_of(account)
    }

    /// Every account and its slot, in no order.
    #[must_use]
    pub fn accounts(&self) -> Vec<(AccountName, Slot)> {
        self.directory.all()
    }

    /// Makes an account the owner of a prefix, as far as this source is concerned.
    ///
    /// # Errors
    /// When the account is new and there is no slot left; nothing has changed then.
    pub fn assign(&self, source: Source, prefix: Prefix, account: &AccountName) -> Result<(), RosterError> {
        let mut book = self.book();
        self.require_room(&book, std::iter::once(account))?;
        let slot = self.slot_for(&mut book, account);
        self.claim(&mut book, source, prefix, Some(slot))
    }

    /// Takes back this source's assignment of a prefix; false when it had none.
    ///
    /// # Errors
    /// When the tap's look-up cannot be changed.
    pub fn unassign(&self, source: Source, prefix: Prefix) -> Result<bool, RosterError> {
        let mut book = self.book();
        let claim = book.claims.get(prefix);
        let had = claim.of(source).is_some();
        if had {
            // Who takes an assignment back says by it that it held until now.
            book.claims.set(prefix, claim.believed());
            self.claim(&mut book, source, prefix, None)?;
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
    /// owner: the assignments before it are made.
    pub fn replace(
        &self,
        source: Source,
        mut assignments: Vec<(Prefix, AccountName)>,
    ) -> Result<(), RosterError> {
        let mut book = self.book();
        self.require_room(&book, assignments.iter().map(|(_, account)| account))?;
        assignments.sort_unstable_by_key(|(prefix, _)| *prefix);
        let is_kept = |prefix: &Prefix| assignments.binary_search_by_key(prefix, |(kept, _)| *kept).is_ok();
        let gone: Vec<Prefix> = book.claims.of(source).filter(|prefix| !is_kept(prefix)).collect();
        for (prefix, account) in &assignments {
            let slot = self.slot_for(&mut book, account);
            self.claim(&mut book, source, *prefix, Some(slot))?;
        }
        for prefix in gone {
            self.claim(&mut book, source, prefix, None)?;
        }
        // After a start nearly all were nameless, and now none is.
        book.nameless.shrink_to_fit();
        Ok(())
    }

    /// At the close of an epoch: latches the counts, lets rested slots go, and, when the period
    /// ended, removes the accounts that no source names. Returns the slots that are free from now
    /// on: bytes that came between the close and the removal are held of them until then.
    ///
    /// `saved`: the last save succeeded. While saves fail no slot is let go: after a crash the last
    /// save could not tell its old owner's bytes from a new one's.
    pub fn at_close(&self, period_ended: bool, saved: bool) -> Vec<Slot> {
        let mut book = self.book();
        // What nobody contradicted in an epoch is believed.
        book.claims.believe();
        book.latched = book.claims.counts();
        let rested = if saved { Vec::from_iter(std::mem::take(&mut book.resting)) } else { Vec::new() };
        book.free.extend(&rested);
        if let Some(identity) = &self.identity {
            let freed: Slots = rested.iter().copied().collect();
            book.nameless.retain(|_, slot| !freed.has(*slot));
            for slot in &rested {
                identity.tags.set(*slot, Tag::NOBODY);
            }
        }
        if !period_ended {
            return rested;
        }
        let named = book.claims.named();
        let removed = self.directory.retain(|slot| named.has(slot));
        let slots: Vec<Slot> =
            book.nameless.values().copied().chain(removed.iter().map(|(_, slot)| *slot)).collect();
        book.resting.extend(slots);
        // Until its slot is free an account that is named again gets the same one.
        let tagged = |(account, slot): &(AccountName, Slot)| self.tag_of(account).map(|tag| (tag, *slot));
        book.nameless.extend(removed.iter().filter_map(tagged));
        rested
    }

    fn tag_of(&self, account: &AccountName) -> Option<Tag> {
        self.identity.as_ref().map(|identity| account.tagged(&identity.tag))
    }

    /// Numbers for `roster counts`: of sources that follow connections, as latched at the last
    /// close and rounded up to 8; of the others, as they are.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let book = self.book();
        let mut counts = book.claims.counts();
        let eights = |count: u64| count.div_ceil(8) * 8;
        for (at, source) in Source::ALL.into_iter().enumerate() {
            if source.follows_connections() {
                let latched = book.latched.sources[at];
                counts.sources[at] =
                    SourceCounts { prefixes: eights(latched.prefixes), accounts: eights(latched.accounts) };
            }
        }
        counts.conflicts = eights(book.latched.conflicts);
        counts
    }

    /// A poisoned lock is taken over: every change leaves the book whole at each step.
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn require_room<'a>(
        &self,
        book: &Book,
        accounts: impl ExactSizeIterator<Item = &'a AccountName>,
    ) -> Result<(), RosterError> {
        let fresh = book.capacity - (book.next.index() - Slot::FIRST_ACCOUNT.index());
        let room = fresh + book.free.len();
        // Nearly always there is room for as many accounts as there are assignments.
        if accounts.len() <= room {
            return Ok(());
        }
        let new: HashSet<&AccountName> = accounts.filter(|account| !self.is_known(book, account)).collect();
        if new.len() > room {
            return Err(RosterError::CapacityExceeded { capacity: book.capacity });
        }
        Ok(())
    }

    fn is_known(&self, book: &Book, account: &AccountName) -> bool {
        self.directory.slot_of(account).is_some()
            || (!book.nameless.is_empty()
                && self.tag_of(account).is_some_and(|tag| book.nameless.contains_key(&tag)))
    }

    /// The slot of an account, a new one where it has none. The caller has checked for room.
    fn slot_for(&self, book: &mut Book, account: &AccountName) -> Slot {
        if let Some(slot) = self.named(account) {
            return slot;
        }
        let tag = self.tag_of(account);
        let known = tag.and_then(|tag| book.nameless.remove(&tag));
        let slot = match known {
            Some(slot) => {
                book.resting.remove(&slot);
                slot
            }
            None => book.free.pop().unwrap_or_else(|| {
                let slot = book.next;
                book.next = Slot::new(slot.word() + 1);
                slot
            }),
        };
        if let (Some(identity), Some(tag)) = (&self.identity, tag) {
            identity.tags.set(slot, tag);
        }
        self.directory.insert(account, slot);
        slot
    }

    fn claim(
        &self,
        book: &mut Book,
        source: Source,
        prefix: Prefix,
        slot: Option<Slot>,
    ) -> Result<(), RosterError> {
        let before = book.claims.get(prefix);
        let mut after = before.with(source, slot);
        let (was, is) = (before.owner(), after.owner());
        if was != is {
            self.set(prefix, is)?;
        }
        // What a source says of a prefix that another one owns neither confirms nor contradicts it.
        if let Some((owning, charged)) = was
            && (owning == source || was != is)
            && after.is_adopted()
        {
            after = after.believed();
            if is.is_none_or(|(_, slot)| slot != charged) {
                book.contradicted.push(charged);
            }
        }
        book.claims.set(prefix, after);
        Ok(())
    }

    /// The one place where an owner changes.
    fn set(&self, prefix: Prefix, owner: Option<(Source, Slot)>) -> Result<(), RosterError> {
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
