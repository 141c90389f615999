//! Loading a committed object: programs and maps of a shape.
//!
//! `aya-obj` reads the object and puts maps and functions in their places; maps and programs are made
//! here, since a map whose address stands in the code has one value, whose size is known at the start
//! only. Needs CAP_BPF and CAP_NET_ADMIN.

use super::error::KernelError;
use super::header::Header;
use super::making::{self, MapShape};
use super::owners::{Pools, SLOTS_PER_LINE};
use crate::meter::counters::Cell;
use crate::roster::owners::table_entries;
use crate::roster::place::PLACES;
use aya_obj::{EbpfSectionKind, Map, Object};
use std::collections::{HashMap, HashSet};
use std::error::Error;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

/// An object as it lies in the binary: aligned as its headers want it.
#[repr(C, align(8))]
struct Aligned<T: ?Sized>(T);

/// The two programs, made of meter.bpf.c and locked.bpf.c by `src/tap/bpf/build`. Not constants: those are in the
/// binary once for each part of it that names them.
static SLICED: &Aligned<[u8]> = &Aligned(*include_bytes!("../bpf/meter.bpf.o"));
static LOCKED: &Aligned<[u8]> = &Aligned(*include_bytes!("../bpf/locked.bpf.o"));

/// The programs: by link type and direction.
pub(super) const PROGRAMS: [&str; 4] = ["ethernet_up", "ethernet_down", "ip_up", "ip_down"];

/// The maps.
pub(super) const MAPS: [&str; 11] = [
    "info",
    "owners",
    "up",
    "down",
    "tags",
    "hosts_v4",
    "hosts_v6",
    "routes_v4",
    "routes_v6",
    "names",
    "standing",
];

/// What the name of a section begins with whose address stands in the code.
const SECTION: &str = ".data.";

/// BPF_F_MMAPABLE: user space reads and writes it without a system call.
const MAPPABLE: u32 = 1 << 10;

/// The object that counts into slices of so many processors.
pub(super) fn bytes(processors: u32) -> &'static [u8] {
    if processors == 0 { &LOCKED.0 } else { &SLICED.0 }
}

/// Loads the programs over these pools, and maps as the header says.
pub(super) fn load(header: &Header, pools: &Pools) -> Result<([OwnedFd; 4], [OwnedFd; 11]), KernelError> {
    let mut object = Object::parse(bytes(header.processors)).map_err(broken)?;
    set_constants(&mut object, header, pools)?;
    let mut maps = HashMap::new();
    for (section, map) in &object.maps {
        maps.insert(section.clone(), made(section, map, header, pools)?);
    }
    relocate(&mut object, &maps)?;
    let programs = all(PROGRAMS.into_iter().map(|name| program(&object, name)))?;
    let take = |name: &str| {
        let map = maps.remove(name).or_else(|| maps.remove(&format!("{SECTION}{name}")));
        map.ok_or_else(|| KernelError::Refused(format!("the object lacks the map {name}")))
    };
    Ok((programs, all(MAPS.into_iter().map(take))?))
}

/// Results as the result of an array; nothing is asked for behind the first error.
fn all<T, const N: usize>(
    results: impl Iterator<Item = Result<T, KernelError>>,
) -> Result<[T; N], KernelError> {
    let list: Vec<T> = results.collect::<Result<_, _>>()?;
    Ok(<[T; N]>::try_from(list).unwrap_or_else(|_| unreachable!("as many come out as go in")))
}

/// Writes what the verifier is to take for constants.
fn set_constants(object: &mut Object, header: &Header, pools: &Pools) -> Result<(), KernelError> {
    let ((v4_pools, v4_pool), (v6_pools, v6_pool)) = (pools.described(false), pools.described(true));
    let slices = header.slices();
    let word = |value: usize| u32::try_from(value).map(u32::to_ne_bytes).map_err(io::Error::other);
    let (v4_pools, v6_pools) = (v4_pools.to_ne_bytes(), v6_pools.to_ne_bytes());
    let sizes = [slices.stride(), slices.of_all_processors(), pools.places()];
    let [stride, cells, places] = all(sizes.into_iter().map(|size| word(size).map_err(KernelError::System)))?;
    let is_sliced = header.processors != 0;
    let constants: [(&str, (&[u8], bool)); 7] = [
        ("v4_pools", (&v4_pools, true)),
        ("v6_pools", (&v6_pools, true)),
        ("v4_pool", (&v4_pool, true)),
        ("v6_pool", (&v6_pool, true)),
        ("stride", (&stride, is_sliced)),
        ("cells", (&cells, is_sliced)),
        ("places", (&places, is_sliced)),
    ];
    object.patch_map_data(HashMap::from(constants)).map_err(broken)
}

/// Makes one of the object's maps.
fn made(section: &str, map: &Map, header: &Header, pools: &Pools) -> Result<OwnedFd, KernelError> {
    let name = section.strip_prefix(SECTION).unwrap_or(section);
    let is_value = section != name;
    let (slots, cells, room) = (header.slots as usize, header.slices().cells(), pools.room());
    // Of an array that is one value the size of it, else the number of entries.
    let (value_bytes, entries) = match (name, is_value) {
        ("up" | "down", true) => (cells * size_of::<Cell>(), 1),
        ("up" | "down", false) => (size_of::<Cell>(), cells),
        ("owners", true) => (room * size_of::<u32>(), 1),
        ("owners", false) => (map.value_size() as usize, room / SLOTS_PER_LINE),
        ("tags", _) => (map.value_size() as usize, slots),
        ("names" | "standing", _) => (map.value_size() as usize, PLACES),
        ("hosts_v4" | "hosts_v6" | "routes_v4" | "routes_v6", _) => {
            (map.value_size() as usize, table_entries(slots))
        }
        _ => (map.value_size() as usize, map.max_entries() as usize),
    };
    let number = |value: usize| u32::try_from(value).map_err(io::Error::other);
    let shape = MapShape {
        kind: map.map_type(),
        key_bytes: map.key_size(),
        value_bytes: number(value_bytes)?,
        entries: number(entries)?,
        flags: map.map_flags() | if is_value { MAPPABLE } else { 0 },
    };
    let made =
        making::map(name.trim_start_matches('.'), &shape).map_err(|error| match error.raw_os_error() {
            Some(libc::E2BIG | libc::ENOMEM) if is_value => KernelError::TooLarge,
            _ => KernelError::System(error),
        })?;
    if map.section_kind() == EbpfSectionKind::Rodata {
        making::constants(&made, map.data())?;
    }
    Ok(made)
}

/// Puts the maps' descriptors and the functions that are called into the code.
fn relocate(object: &mut Object, made: &HashMap<String, OwnedFd>) -> Result<(), KernelError> {
    let code: HashSet<usize> = object.functions.keys().map(|(section, _)| *section).collect();
    let maps = object.maps.clone();
    let list = maps.iter().map(|(name, map)| (name.as_str(), made[name].as_raw_fd(), map));
    object.relocate_maps(list, &code).map_err(broken)?;
    object.relocate_calls(&code).map_err(broken)
}

fn program(object: &Object, name: &str) -> Result<OwnedFd, KernelError> {
    let program = object.programs.get(name);
    let code = program.and_then(|program| object.functions.get(&program.function_key()));
    let (Some(program), Some(code)) = (program, code) else {
        return Err(KernelError::Refused(format!("the object lacks the program {name}")));
    };
    let instructions: Vec<[u8; 8]> = code.instructions.iter().map(encoded).collect();
    making::program(name, &instructions, &program.license).map_err(|(error, why)| {
        KernelError::Refused(if why.is_empty() { error.to_string() } else { format!("{error}: {why}") })
    })
}

/// The bytes of an instruction.
fn encoded(instruction: &aya_obj::generated::bpf_insn) -> [u8; 8] {
    let [offset_low, offset_high] = instruction.off.to_ne_bytes();
    let [a, b, c, d] = instruction.imm.to_ne_bytes();
    let registers = if cfg!(target_endian = "little") {
        instruction.dst_reg() | instruction.src_reg() << 4
    } else {
        instruction.dst_reg() << 4 | instruction.src_reg()
    };
    [instruction.code, registers, offset_low, offset_high, a, b, c, d]
}

/// An error of the object and of what caused it, on one line.
fn broken(error: impl Error) -> KernelError {
    let mut parts = vec![error.to_string()];
    let mut source = error.source();
    while let Some(cause) = source {
        parts.push(cause.to_string());
        source = cause.source();
    }
    let first_lines = parts.iter().filter_map(|part| part.lines().next());
    KernelError::Refused(first_lines.collect::<Vec<_>>().join(": "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_asked_for_behind_an_error() {
        let mut asked = 0;
        let results = (1..=3).map(|number| {
            asked += 1;
            if number == 2 { Err(KernelError::TooLarge) } else { Ok(number) }
        });
        assert!(all::<_, 3>(results).is_err());
        assert_eq!(asked, 2);
    }
}
