//! The kernel tap: a program at the tc hooks adds to counters that this process only reads.
//!
//! No packet and no address of one ever enters the process. Loading needs CAP_BPF and
//! CAP_NET_ADMIN (CAP_PERFMON as well, or the program is compiled with barriers to speculation,
//! which cost up to two fifths); afterwards the process needs none: it reads counters and writes
//! owners through mapped memory and map descriptors, and [`helper`] attaches interfaces that come
//! later.
//! Maps, programs and links are [`pins`] under names, so that the kernel counts on while no process
//! lives; the next one [`adopt`]s them.

mod adopt;
mod attach;
mod header;
mod helper;
mod hooks;
mod object;
mod owners;
mod pins;
mod set;
mod sys;

pub use attach::Attacher;
pub(super) use attach::Attachment;
pub use pins::{PinError, PinStore};

use super::CounterMemory;
use crate::config::Hook;
use crate::meter::slot::Slot;
use crate::roster::address::Prefix;
use crate::roster::owners::Owners;
use attach::Link;
use header::Header;
use helper::Helper;
use owners::{KernelOwners, Pools};
use set::Set;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::sync::Arc;

/// Linux 5.19: maps are changed without a capability. Linux 6.6: tcx.
const OLDEST_RELEASE: (u32, u32) = (5, 19);
const TCX_RELEASE: (u32, u32) = (6, 6);

/// Why the kernel tap does not work here.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// The kernel is too old.
    #[error("the kernel tap needs Linux 5.19, this is {0}.{1}")]
    Release(u32, u32),
    /// tcx was asked for and the kernel has none.
    #[error("tap.hook: tcx needs Linux 6.6, this is {0}.{1}; write \"auto\" or \"clsact\"")]
    Tcx(u32, u32),
    /// Capabilities are missing.
    #[error(
        "the kernel tap needs CAP_BPF and CAP_NET_ADMIN; run as root, or grant them with \
         AmbientCapabilities=CAP_BPF CAP_NET_ADMIN CAP_PERFMON in the unit"
    )]
    Capabilities,
    /// The kernel refused the program or a map.
    #[error("the kernel refuses the program: {0}")]
    Refused(String),
    /// What is kept in the kernel is not this node's, or of a version that is not known here.
    #[error(
        "counters of another node or version are in the kernel; stop what made them, or remove them with \
         `blindmeter detach`"
    )]
    Foreign,
    /// The program of an earlier process is attached, and may not be taken off.
    #[error(
        "the kernel tap of an earlier process still counts; run `blindmeter detach` as root, or go on with \
         tap.backend = \"kernel\""
    )]
    PinnedSets,
    /// More accounts are in the kernel's maps than there is room for.
    #[error("store.capacity: the running tap holds accounts up to number {0}; set it to {0} or more")]
    CapacityTooSmall(usize),
    /// A system call failed.
    #[error("cannot set up the kernel tap: {0}")]
    System(#[from] io::Error),
}

impl KernelError {
    /// True when no other tap should be taken in its place: something is there that must be looked
    /// at first.
    #[must_use]
    pub fn is_in_the_way(&self) -> bool {
        matches!(self, Self::Foreign | Self::PinnedSets | Self::CapacityTooSmall(_))
    }
}

/// What the program is loaded for.
pub struct SetLayout<'a> {
    /// Ranges that are served by array.
    pub pools: &'a [Prefix],
    /// Accounts that there is room for.
    pub accounts: usize,
    /// Names the memory of the counters, should it be made.
    pub generation: [u8; 16],
    /// Whose it is.
    pub node: [u8; 16],
}

impl SetLayout<'_> {
    fn header(&self, pools: &Pools, predecessor: [u8; 16]) -> io::Result<Header> {
        Ok(Header {
            slots: u32::try_from(Slot::FIRST_ACCOUNT.index() + self.accounts).map_err(io::Error::other)?,
            generation: self.generation,
            predecessor,
            node: self.node,
            layout: self.layout(pools),
            pools: [pools.described(false), pools.described(true)],
        })
    }

    /// What must be the same for a set to be used on: the program, the pools, the capacity.
    fn layout(&self, pools: &Pools) -> [u8; 16] {
        let mut hasher = blake3::Hasher::new();
        hasher.update(object::OBJECT).update(&self.accounts.to_le_bytes());
        for (count, list) in [pools.described(false), pools.described(true)] {
            hasher.update(&count.to_le_bytes()).update(&list);
        }
        let mut layout = [0; 16];
        layout.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        layout
    }
}

/// Takes what a dead daemon left in the kernel out of it: how many pins, and on how many interfaces
/// there was a filter.
///
/// # Errors
/// When a daemon lives there, or capabilities are missing.
pub fn detach(pin: &Path) -> Result<(usize, usize), DetachError> {
    let pins = PinStore::of_the_dead(pin)?;
    Ok(adopt::clear(&pins)?)
}

/// Why what is in the kernel stays there.
#[derive(Debug, thiserror::Error)]
pub enum DetachError {
    /// The pins.
    #[error(transparent)]
    PinStore(#[from] PinError),
    /// The programs.
    #[error(transparent)]
    Kernel(#[from] KernelError),
}

/// The loaded program with its maps.
pub struct Kernel {
    set: Set,
    memory: CounterMemory,
    owners: Arc<KernelOwners>,
    links: Vec<Link>,
    pinned: PinnedSets,
}

impl Kernel {
    /// Goes on with what an earlier process left at this place, or loads the program anew.
    ///
    /// # Errors
    /// What this kernel, these privileges or the pinned of another node do not allow.
    pub fn open(wanted: &SetLayout<'_>, hook: Hook, pins: Arc<PinStore>) -> Result<Self, KernelError> {
        use crate::system::capabilities::{ATTACHING, has};
        let release = release()?;
        if release < OLDEST_RELEASE {
            return Err(KernelError::Release(release.0, release.1));
        }
        if !has(&ATTACHING) {
            return Err(KernelError::Capabilities);
        }
        let opened = adopt::open(wanted, hook, &pins)?;
        let memory = opened.set.memory(opened.adopted)?;
        let owners = Arc::new(opened.set.owners()?);
        let present = opened.is_kept.then_some(opened.set.header.generation);
        let pinned = PinnedSets::of(opened.older, present, pins)?;
        Ok(Self { set: opened.set, memory, owners, links: opened.links, pinned })
    }

    /// Keeps the program and its maps beyond this process, where they are not kept already, until
    /// they are let go of.
    ///
    /// # Errors
    /// When the place does not take them.
    pub fn keep(self) -> io::Result<PinnedSets> {
        let mut pinned = self.pinned;
        if pinned.present.is_none() && !pinned.pins.is_nowhere() {
            self.set.keep(&pinned.pins)?;
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
    pub fn load(pools: &[Prefix], accounts: usize, generation: [u8; 16]) -> Result<Self, KernelError> {
        let wanted = SetLayout { pools, accounts, generation, node: [0; 16] };
        Self::open(&wanted, hook(None)?, Arc::new(PinStore::Nowhere))
    }

    /// The counters that the program adds to, and the tags beside them.
    #[must_use]
    pub fn memory(&self) -> CounterMemory {
        self.memory
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
        let helper = Helper::start(&self.set.programs, hook, !pins.is_nowhere())?;
        Attacher::new(hook, helper, pins, std::mem::take(&mut self.links))
    }
}

/// What is kept of the kernel tap beyond a process: the present set, and those before it.
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
    pub fn take_down(pins: Arc<PinStore>) -> Result<Self, KernelError> {
        let older = adopt::take_down(&pins)?;
        Ok(Self::of(older, None, pins)?)
    }

    /// Lets go of earlier sets: what they counted is in the store.
    pub fn forget_older(&mut self) {
        for memory in self.older.drain(..) {
            set::forget(&self.pins, memory.generation);
        }
    }

    /// Lets go of everything: a real stop leaves nothing.
    pub fn remove(mut self) {
        self.forget_older();
        if let Some(present) = self.present {
            set::forget(&self.pins, present);
        }
        self.pins.close();
    }
}

/// The hook to use: the one that was asked for, or the best of this kernel.
///
/// # Errors
/// When tcx was asked for and the kernel has none.
pub fn hook(asked: Option<Hook>) -> Result<Hook, KernelError> {
    let release = release()?;
    match asked {
        Some(Hook::Tcx) if release < TCX_RELEASE => Err(KernelError::Tcx(release.0, release.1)),
        Some(hook) => Ok(hook),
        None if release < TCX_RELEASE => Ok(Hook::Clsact),
        None => Ok(Hook::Tcx),
    }
}

/// Major and minor number of the running kernel.
fn release() -> io::Result<(u32, u32)> {
    let name = nix::sys::utsname::uname().map_err(io::Error::from)?;
    let text = name.release().to_str().unwrap_or_default();
    let mut numbers = text.split(|letter: char| !letter.is_ascii_digit()).map_while(|part| part.parse().ok());
    Ok((numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)))
}
