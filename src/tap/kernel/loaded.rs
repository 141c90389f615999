//! The loaded program with its maps, and what of earlier ones is pinned beside it.
//!
//! Holds descriptors and mapped memory; when to load, pin and remove is the caller's.

use super::adopt;
use super::attach::{Attacher, Before};
use super::counting::Counting;
use super::error::{DetachError, KernelError};
use super::helper::Helper;
use super::layout::SetLayout;
use super::leftovers::{Removed, clear, dead_owners, take_links_off};
use super::link::BpfLink;
use super::owner::{Claim, Mark, Owner, home};
use super::owner_tables::KernelOwners;
use super::pins::PinStore;
use super::release::{OLDEST_RELEASE, hook, release};
use super::set::{self, Set};
use crate::config::Hook;
use crate::roster::address::Prefix;
use crate::roster::owners::Owners;
use crate::system::capabilities::{ATTACHING, has};
use crate::tap::counter_memory::CounterMemory;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::sync::Arc;

/// The loaded program with its maps.
pub struct Kernel {
    set: Set,
    memory: CounterMemory,
    owners: Arc<KernelOwners>,
    links: Vec<BpfLink>,
    counting: Counting,
    /// Whose the program is, until it is attached by somebody who says so.
    mark: Option<Mark>,
    pinned: PinnedSets,
}

impl Kernel {
    /// Goes on with what an earlier process left at this place, or loads the program anew.
    ///
    /// # Errors
    /// What this kernel or these privileges do not allow, or the pinned sets of another node.
    pub fn open(layout: &SetLayout<'_>, hook: Hook, pins: Arc<PinStore>) -> Result<Self, KernelError> {
        let release = release()?;
        if release < OLDEST_RELEASE {
            return Err(KernelError::Release(release.0, release.1));
        }
        if !has(&ATTACHING) {
            return Err(KernelError::Capabilities);
        }
        let opened = adopt::open(layout, hook, &pins)?;
        let memory = opened.set.memory(opened.adopted)?;
        let owners = Arc::new(opened.set.owners()?);
        let present = opened.is_pinned.then_some(opened.set.header.generation);
        let pinned = PinnedSets::of(opened.older, present, pins)?;
        let (links, counting, mark) = (opened.links, opened.counting, Some(opened.mark));
        Ok(Self { set: opened.set, memory, owners, links, counting, mark, pinned })
    }

    /// Pins the program and its maps, where they are not pinned already, so that they outlive this
    /// process.
    ///
    /// # Errors
    /// When the place does not take them.
    pub fn pin(self) -> io::Result<PinnedSets> {
        let mut pinned = self.pinned;
        if pinned.present.is_none() && !pinned.pins.is_nowhere() {
            self.set.pin(&pinned.pins)?;
            pinned.present = Some(self.set.header.generation);
        }
        Ok(pinned)
    }

    /// The counters before this one's that an earlier process left, the oldest first.
    #[must_use]
    pub fn older(&self) -> Vec<CounterMemory> {
        self.pinned.older.clone()
    }

    /// Loads the program over these pools, with room for so many accounts, for this process alone.
    ///
    /// # Errors
    /// What this kernel or these privileges do not allow.
    pub fn load(
        pools: &[Prefix],
        accounts: usize,
        memory_budget_bytes: u64,
        generation: [u8; 16],
    ) -> Result<Self, KernelError> {
        let layout = SetLayout { pools, accounts, memory_budget_bytes, generation, node: [0; 16] };
        Self::open(&layout, hook(None)?, Arc::new(PinStore::Nowhere))
    }

    /// The counters that the program adds to, and the tags beside them.
    #[must_use]
    pub fn memory(&self) -> CounterMemory {
        self.memory
    }

    /// How the program counts, and why.
    #[must_use]
    pub fn counting(&self) -> &Counting {
        &self.counting
    }

    /// Where the program looks owners up.
    #[must_use]
    pub fn owners(&self) -> Arc<dyn Owners> {
        Arc::clone(&self.owners) as Arc<dyn Owners>
    }

    /// One of the programs: of Ethernet or of bare IP, for packets that come in or go out.
    #[must_use]
    pub fn program(&self, ethernet: bool, up: bool) -> BorrowedFd<'_> {
        self.set.programs.of(ethernet, up).as_fd()
    }

    /// Starts the helper that attaches the program to interfaces, in this network namespace.
    /// Must be called while the process has one thread.
    ///
    /// # Errors
    /// Those of fork(2) and socketpair(2).
    pub fn attacher(&mut self, hook: Hook) -> io::Result<Attacher> {
        let pins = Arc::clone(&self.pinned.pins);
        let owner = Owner::of(&self.set.header);
        let dead = dead_owners(Claim::new(self.set.header.node, pins.home()))?;
        let has_dead = !dead.is_empty();
        let helper = Helper::start(&self.set.programs, hook, !pins.is_nowhere(), owner, dead)?;
        let before = Before { links: std::mem::take(&mut self.links), has_dead };
        Attacher::new(hook, helper, pins, (owner, self.mark.take()), self.set.programs.ids()?, before)
    }
}

/// The sets of the kernel tap that are pinned: the present one, and those before it.
pub struct PinnedSets {
    /// The counters of earlier sets, the oldest first; nothing is added to them any more.
    pub older: Vec<CounterMemory>,
    present: Option<[u8; 16]>,
    pins: Arc<PinStore>,
}

impl PinnedSets {
    fn of(older: Vec<Set>, present: Option<[u8; 16]>, pins: Arc<PinStore>) -> io::Result<Self> {
        let older = older.iter().map(|set| set.memory(true)).collect::<io::Result<_>>()?;
        Ok(Self { older, present, pins })
    }

    /// Takes down what an earlier process left, for a tap that counts elsewhere.
    ///
    /// # Errors
    /// When a filter is there and may not be taken off.
    pub fn take_down(pins: Arc<PinStore>, node: [u8; 16]) -> Result<Self, KernelError> {
        let older = adopt::take_down(&pins, node)?;
        Ok(Self::of(older, None, pins)?)
    }

    /// Where the sets are pinned, if the next process cannot find them there.
    #[must_use]
    pub fn hidden(&self) -> Option<&Path> {
        self.present.and_then(|_| self.pins.hidden())
    }

    /// Removes earlier sets: what they counted is in the store.
    pub fn forget_older(&mut self) {
        for memory in self.older.drain(..) {
            set::unpin(&self.pins, memory.generation);
        }
    }

    /// Removes everything: a real stop leaves nothing.
    pub fn remove(mut self) {
        self.forget_older();
        if let Some(present) = self.present {
            set::unpin(&self.pins, present);
        }
        self.pins.close();
    }
}

/// Takes off links that a dead daemon of this node left and whose pins are out of sight: what they count is
/// out of reach. Nothing happens where this process may not look for them.
pub fn take_lost_links_off(pins: &PinStore, node: [u8; 16]) {
    let _ = take_links_off(Claim::new(node, pins.home()));
}

/// Takes what a dead daemon of this node left in the kernel out of it.
///
/// # Errors
/// When a daemon lives there, or capabilities are missing.
pub fn detach(pin: &Path, node: [u8; 16]) -> Result<Removed, DetachError> {
    let pins = PinStore::of_the_dead(pin)?;
    Ok(clear(&pins, Claim::new(node, home(pin)))?)
}
