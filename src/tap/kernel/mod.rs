//! The kernel tap: a program at the tc hooks adds to counters that this process only reads.
//!
//! No packet and no address of one ever enters the process. Loading needs CAP_BPF and
//! CAP_NET_ADMIN (CAP_PERFMON as well, or the program is compiled with speculation masks, which
//! cost a fifth); afterwards the process needs none: it reads counters and writes owners through
//! mapped memory and map descriptors, and [`helper`] attaches interfaces that come later.

mod helper;
mod hooks;
mod owners;
mod sys;

use super::CounterMemory;
use crate::config::Hook;
use crate::meter::counters::{Cell, Counters};
use crate::meter::slot::Slot;
use crate::meter::tags::{TagCell, Tags};
use crate::roster::address::Prefix;
use crate::roster::owners::Owners;
use aya::EbpfLoader;
use aya::maps::Map;
use aya::programs::SchedClassifier;
use helper::{Attached, Helper};
use owners::{KernelOwners, Pools, SLOTS_PER_LINE};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex};

/// The program, made of meter.bpf.c by `src/tap/bpf/build`.
const OBJECT: &[u8] = aya::include_bytes_aligned!("../bpf/meter.bpf.o");

/// Linux 5.19: maps are changed without a capability. Linux 6.6: tcx.
const OLDEST_RELEASE: (u32, u32) = (5, 19);
const TCX_RELEASE: (u32, u32) = (6, 6);

/// Owners outside the pools that there is room for, at least: the kernel takes memory for those
/// that there are, and 16 bytes for each that there may be.
const TABLE_ENTRIES: u32 = 1 << 16;

/// Words of the program's `struct info`.
const INFO_WORDS: usize = 32;

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
    /// A system call failed.
    #[error("cannot set up the kernel tap: {0}")]
    System(#[from] io::Error),
}

/// The four programs: by link type and direction.
struct Programs([OwnedFd; 4]);

impl Programs {
    /// Up and down of a link type.
    fn of(&self, ethernet: bool) -> [&OwnedFd; 2] {
        let [ethernet_up, ethernet_down, ip_up, ip_down] = &self.0;
        if ethernet { [ethernet_up, ethernet_down] } else { [ip_up, ip_down] }
    }

    fn descriptors(&self) -> impl Iterator<Item = i32> {
        self.0.iter().map(AsRawFd::as_raw_fd)
    }
}

/// The loaded program with its maps, not attached to anything yet.
pub struct Kernel {
    programs: Programs,
    memory: CounterMemory,
    owners: Arc<KernelOwners>,
}

impl Kernel {
    /// Loads the program over these pools, with room for so many accounts. `generation` names the
    /// memory of its counters.
    ///
    /// # Errors
    /// What this kernel or these privileges do not allow.
    pub fn load(pools: &[Prefix], accounts: usize, generation: [u8; 16]) -> Result<Self, KernelError> {
        use crate::guard::capabilities::{ATTACHING, has};
        let release = release()?;
        if release < OLDEST_RELEASE {
            return Err(KernelError::Release(release.0, release.1));
        }
        if !has(&ATTACHING) {
            return Err(KernelError::Capabilities);
        }
        let slots = Slot::FIRST_ACCOUNT.index() + accounts;
        let entries = u32::try_from(slots).map_err(io::Error::other)?;
        let pools = Pools::lay_out(pools);
        let ((v4_pools, v4_pool), (v6_pools, v6_pool)) = (pools.described(false), pools.described(true));
        let table_entries = entries.saturating_mul(4).max(TABLE_ENTRIES);
        let mut loader = EbpfLoader::new();
        for name in ["up", "down", "tags"] {
            loader.map_max_entries(name, entries);
        }
        for name in TABLES {
            loader.map_max_entries(name, table_entries);
        }
        loader.map_max_entries("owners", pools.lines());
        loader.override_global("v4_pools", &v4_pools, true);
        loader.override_global("v6_pools", &v6_pools, true);
        loader.override_global("v4_pool", v4_pool.as_slice(), true);
        loader.override_global("v6_pool", v6_pool.as_slice(), true);
        let refused = |error: aya::EbpfError| KernelError::Refused(chain(&error));
        let mut object = loader.load(OBJECT).map_err(refused)?;
        let mut programs = Vec::new();
        for name in ["ethernet_up", "ethernet_down", "ip_up", "ip_down"] {
            programs.push(program(&mut object, name)?);
        }
        let programs = <[OwnedFd; 4]>::try_from(programs).expect("four names make four programs");
        let map = |name| descriptor(object.map(name));
        let mapped_cells = |name| sys::mapped::<Cell>(&map(name)?, slots);
        let counters = Counters::over(mapped_cells("up")?, mapped_cells("down")?);
        let [hosts_v4, hosts_v6, routes_v4, routes_v6] = TABLES.map(map);
        let owners = KernelOwners {
            dense: sys::mapped(&map("owners")?, pools.lines() as usize * SLOTS_PER_LINE)?,
            in_use: sys::mapped(&map("info")?, INFO_WORDS)?,
            tables: [hosts_v4?, hosts_v6?, routes_v4?, routes_v6?],
            entries: Mutex::default(),
            pools,
        };
        let tags = Tags::over(sys::mapped::<TagCell>(&map("tags")?, slots)?);
        let memory = CounterMemory { counters, tags, generation, adopted: false };
        Ok(Self { programs: Programs(programs), memory, owners: Arc::new(owners) })
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
        self.programs.of(ethernet)[usize::from(!up)].as_fd()
    }

    /// Starts the helper that attaches the program to interfaces, in this network namespace.
    /// Must be called while the process has one thread.
    ///
    /// # Errors
    /// Those of fork(2) and socketpair(2).
    pub fn attacher(&self, hook: Hook) -> io::Result<Attacher> {
        Helper::start(&self.programs, hook).map(|helper| Attacher(Arc::new(helper)))
    }
}

/// Attaches the program to interfaces through the helper. The helper ends with the last copy.
#[derive(Clone)]
pub struct Attacher(Arc<Helper>);

/// The program, attached to one interface in both directions until it is dropped.
pub(super) struct Attachment {
    index: u32,
    attached: Attached,
    helper: Arc<Helper>,
}

impl Attacher {
    pub(super) fn attach(&self, index: u32, ethernet: bool) -> io::Result<Attachment> {
        let attached = self.0.attach(index, ethernet)?;
        Ok(Attachment { index, attached, helper: Arc::clone(&self.0) })
    }
}

impl Attachment {
    /// Takes the program off the interface; nothing is counted when it has returned.
    pub(super) fn detach(&mut self) {
        match std::mem::replace(&mut self.attached, Attached::Not) {
            // Closed descriptors detach.
            Attached::Links(links) => drop(links),
            Attached::Filters => {
                // A helper that is gone has taken its filters with it.
                let _ = self.helper.detach(self.index);
            }
            Attached::Not => {}
        }
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        self.detach();
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

/// The tables of owners that are not arrays, in the order of [`KernelOwners::tables`].
const TABLES: [&str; 4] = ["hosts_v4", "hosts_v6", "routes_v4", "routes_v6"];

/// Major and minor number of the running kernel.
fn release() -> io::Result<(u32, u32)> {
    let name = nix::sys::utsname::uname().map_err(io::Error::from)?;
    let text = name.release().to_str().unwrap_or_default();
    let mut numbers = text.split(|letter: char| !letter.is_ascii_digit()).map_while(|part| part.parse().ok());
    Ok((numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)))
}

fn program(object: &mut aya::Ebpf, name: &str) -> Result<OwnedFd, KernelError> {
    let refused = |error: aya::programs::ProgramError| KernelError::Refused(chain(&error));
    let program = object.program_mut(name).expect("the object has this program");
    let program: &mut SchedClassifier = program.try_into().map_err(refused)?;
    program.load().map_err(refused)?;
    Ok(program.fd().map_err(refused)?.as_fd().try_clone_to_owned()?)
}

fn descriptor(map: Option<&Map>) -> io::Result<OwnedFd> {
    let data = match map {
        Some(Map::Array(data) | Map::HashMap(data) | Map::LpmTrie(data)) => data,
        _ => return Err(io::Error::other("the object lacks a map")),
    };
    data.fd().as_fd().try_clone_to_owned()
}

/// The first line of an error and of what caused it; a verifier's log is not for one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut parts = vec![error.to_string()];
    let mut source = error.source();
    while let Some(cause) = source {
        parts.push(cause.to_string());
        source = cause.source();
    }
    let first_lines = parts.iter().filter_map(|part| part.lines().next());
    first_lines.collect::<Vec<_>>().join(": ")
}
