//! Loading the committed object: programs and maps of a shape.
//!
//! Needs CAP_BPF and CAP_NET_ADMIN; with CAP_PERFMON as well the program is compiled without
//! barriers to speculation, which cost up to two fifths.

use super::error::KernelError;
use super::owners::Pools;
use aya::EbpfLoader;
use aya::maps::Map;
use aya::programs::SchedClassifier;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

/// The program, made of meter.bpf.c by `src/tap/bpf/build`.
pub(super) const OBJECT: &[u8] = aya::include_bytes_aligned!("../bpf/meter.bpf.o");

/// The programs: by link type and direction.
pub(super) const PROGRAMS: [&str; 4] = ["ethernet_up", "ethernet_down", "ip_up", "ip_down"];

/// The maps.
pub(super) const MAPS: [&str; 9] =
    ["info", "owners", "up", "down", "tags", "hosts_v4", "hosts_v6", "routes_v4", "routes_v6"];

/// Owners outside the pools that there is room for, at least: the kernel takes memory for those
/// that there are, and 16 bytes for each that there may be.
const TABLE_ENTRIES: u32 = 1 << 16;

/// Loads the programs over these pools, and maps of so many slots.
pub(super) fn load(slots: u32, pools: &Pools) -> Result<([OwnedFd; 4], [OwnedFd; 9]), KernelError> {
    let ((v4_pools, v4_pool), (v6_pools, v6_pool)) = (pools.described(false), pools.described(true));
    let mut loader = EbpfLoader::new();
    for name in ["up", "down", "tags"] {
        loader.map_max_entries(name, slots);
    }
    for name in ["hosts_v4", "hosts_v6", "routes_v4", "routes_v6"] {
        loader.map_max_entries(name, slots.saturating_mul(4).max(TABLE_ENTRIES));
    }
    loader.map_max_entries("owners", pools.lines());
    loader.override_global("v4_pools", &v4_pools, true);
    loader.override_global("v6_pools", &v6_pools, true);
    loader.override_global("v4_pool", v4_pool.as_slice(), true);
    loader.override_global("v6_pool", v6_pool.as_slice(), true);
    let mut object = loader.load(OBJECT).map_err(|error| KernelError::Refused(chain(&error)))?;
    let programs = all(PROGRAMS.map(|name| program(&mut object, name)))?;
    let maps = all(MAPS.map(|name| descriptor(object.map(name)).map_err(KernelError::System)))?;
    Ok((programs, maps))
}

/// An array of results as the result of an array.
fn all<T, const N: usize>(results: [Result<T, KernelError>; N]) -> Result<[T; N], KernelError> {
    let list: Vec<T> = results.into_iter().collect::<Result<_, _>>()?;
    Ok(<[T; N]>::try_from(list).unwrap_or_else(|_| unreachable!("as many come out as go in")))
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
