//! One set of maps and programs: made by the loader, or found again under its names.
//!
//! Holds descriptors only. A set's maps are the memory of its counters, named by their generation.

use super::error::KernelError;
use super::header::{self, Header, INFO_WORDS};
use super::object::{self, MAPS, PROGRAMS};
use super::owner::half;
use super::owner_tables::KernelOwners;
use super::owners::Pools;
use super::pins::{Found, PinStore};
use super::sys;
use crate::meter::counters::{Cell, Counters};
use crate::meter::tags::{TagCell, Tags};
use crate::roster::place::PLACES;
use crate::tap::counter_memory::{CounterMemory, TagKey};
use crate::tap::interface_records::InterfaceRecords;
use crate::tap::shared::mapped;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Mutex;

/// Places in [`MAPS`]; from `TABLES` to `NAMES` stand the owners that are not in an array.
const INFO: usize = 0;
const OWNERS: usize = 1;
const UP: usize = 2;
const DOWN: usize = 3;
const TAGS: usize = 4;
const TABLES: usize = 5;
const NAMES: usize = 9;
const STANDING: usize = 10;

/// The four programs.
pub(super) struct Programs(pub(super) [OwnedFd; 4]);

impl Programs {
    /// The program of a link type and direction.
    pub(super) fn of(&self, ethernet: bool, up: bool) -> &OwnedFd {
        &self.0[Self::place(ethernet, up)]
    }

    /// The place of a program among the four.
    pub(super) fn place(ethernet: bool, up: bool) -> usize {
        usize::from(!ethernet) * 2 + usize::from(!up)
    }

    /// The kernel's numbers of them.
    pub(super) fn ids(&self) -> io::Result<[u32; 4]> {
        let mut ids = [0; 4];
        for (id, program) in ids.iter_mut().zip(&self.0) {
            *id = sys::program_id(program)?;
        }
        Ok(ids)
    }
}

/// A set, with what its header says.
pub(super) struct Set {
    pub(super) header: Header,
    pub(super) programs: Programs,
    pub(super) maps: [OwnedFd; 11],
}

impl Set {
    /// Loads a set of this shape, which nobody else holds.
    pub(super) fn load(header: Header, pools: &Pools) -> Result<Self, KernelError> {
        let (programs, maps) = object::load(&header, pools)?;
        let set = Self { header, programs: Programs(programs), maps };
        set.header.write(mapped(&set.maps[INFO], 0, INFO_WORDS)?);
        Ok(set)
    }

    /// The counters and tags, mapped.
    pub(super) fn memory(&self, adopted: bool) -> io::Result<CounterMemory> {
        let (slots, slices) = (self.header.slots as usize, self.header.slices());
        let cells = |map: usize| mapped::<Cell>(&self.maps[map], 0, slices.cells());
        let info = mapped(&self.maps[INFO], 0, INFO_WORDS / 2)?;
        Ok(CounterMemory {
            counters: Counters::over(cells(UP)?, cells(DOWN)?, slices),
            tags: Tags::over(mapped::<TagCell>(&self.maps[TAGS], 0, slots)?),
            tag_key: TagKey::over(&info[header::TAG_KEY..]),
            interfaces: InterfaceRecords::over(&info[header::INTERFACES..=header::INTERFACES]),
            generation: self.header.generation,
            adopted,
        })
    }

    /// The owners, mapped where they are arrays.
    pub(super) fn owners(&self) -> io::Result<KernelOwners> {
        let pools = self.header.pools();
        let table = |at: usize| self.maps[TABLES + at].try_clone();
        let owners = KernelOwners {
            dense: mapped(&self.maps[OWNERS], 0, pools.room())?,
            in_use: mapped(&self.maps[INFO], 0, INFO_WORDS)?,
            tables: [table(0)?, table(1)?, table(2)?, table(3)?],
            entries: Mutex::default(),
            names: Tags::over(mapped::<TagCell>(&self.maps[NAMES], 0, PLACES)?),
            standing: self.maps[STANDING].try_clone()?,
            pools,
        };
        owners.recount()?;
        Ok(owners)
    }

    /// Pins everything of the set.
    pub(super) fn pin(&self, pins: &PinStore) -> io::Result<()> {
        let prefix = prefix(self.header.generation);
        for (name, descriptor) in PROGRAMS.iter().zip(&self.programs.0).chain(MAPS.iter().zip(&self.maps)) {
            pins.pin(&format!("{prefix}{name}"), descriptor)?;
        }
        Ok(())
    }
}

/// Unpins a set.
pub(super) fn unpin(pins: &PinStore, generation: [u8; 16]) {
    let prefix = prefix(generation);
    for name in PROGRAMS.iter().chain(&MAPS) {
        pins.unpin(&format!("{prefix}{name}"));
    }
}

/// What the names of a set begin with: half of its generation is enough to tell a few apart.
fn prefix(generation: [u8; 16]) -> String {
    format!("set-{:016x}-", half(generation))
}

/// The sets among what was found, in no order, and the rest. What is not whole is unpinned: it
/// was being pinned when its process ended, and no link had its programs yet.
pub(super) fn assemble(found: Found, pins: &PinStore) -> Result<(Vec<Set>, Found), KernelError> {
    let mut parts: std::collections::BTreeMap<String, Found> = std::collections::BTreeMap::new();
    let mut rest = Vec::new();
    for (name, descriptor) in found {
        match name.strip_prefix("set-").and_then(|name| name.split_once('-')) {
            Some((generation, part)) => {
                parts.entry(generation.to_owned()).or_default().push((part.to_owned(), descriptor));
            }
            None => rest.push((name, descriptor)),
        }
    }
    let mut sets = Vec::new();
    for (generation, mut parts) in parts {
        let names: Vec<String> = parts.iter().map(|(part, _)| format!("set-{generation}-{part}")).collect();
        let mut take = |name: &str| {
            let at = parts.iter().position(|(part, _)| part == name)?;
            Some(parts.swap_remove(at).1)
        };
        let programs = PROGRAMS.map(&mut take);
        let maps = MAPS.map(&mut take);
        let whole = programs.iter().all(Option::is_some) && maps.iter().all(Option::is_some);
        if !whole {
            names.iter().for_each(|name| pins.unpin(name));
            continue;
        }
        let every = |part: Option<OwnedFd>| part.expect("the set is whole");
        let (programs, maps) = (programs.map(every), maps.map(every));
        let header = Header::read(mapped(&maps[INFO], 0, INFO_WORDS)?).ok_or(KernelError::Foreign)?;
        sets.push(Set { header, programs: Programs(programs), maps });
    }
    Ok((sets, rest))
}
