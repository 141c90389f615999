//! Going on from what an earlier process left: its maps where they have the layout that is asked for,
//! else new ones to which the attached program is moved without missing a packet.
//!
//! Holds no account. Needs CAP_NET_ADMIN for filters, and what loading needs for new maps.
//!
//! A new set that follows another is pinned before any interface has its program, and names the set
//! that it follows: wherever a process ends, the next one finds the whole chain and every counter in
//! it. The first set is pinned once the store is open, so that counters are never
//! found alone.

use super::counting::Counting;
use super::error::KernelError;
use super::hooks;
use super::layout::SetLayout;
use super::link::BpfLink;
use super::owners::Pools;
use super::pins::{Found, PinStore};
use super::set::{self, Set};
use super::sys;
use crate::config::Hook;
use crate::meter::slot::Slot;
use crate::meter::tags::Tag;
use crate::roster::owners::Owners;
use crate::tap::interfaces::{self, Hardware};
use std::io;

/// What the kernel tap goes on with.
pub(super) struct Opened {
    /// The set that counts from here on.
    pub(super) set: Set,
    /// The sets before it, the oldest first: nothing is added to them any more.
    pub(super) older: Vec<Set>,
    /// Links that are attached already.
    pub(super) links: Vec<BpfLink>,
    /// An earlier process made the set.
    pub(super) adopted: bool,
    /// The set is pinned.
    pub(super) is_pinned: bool,
    /// How it counts.
    pub(super) counting: Counting,
}

/// Finds or makes the set to count with.
pub(super) fn open(layout: &SetLayout<'_>, hook: Hook, pins: &PinStore) -> Result<Opened, KernelError> {
    let (mut chain, mut links) = found(pins)?;
    if chain.iter().any(|set| set.header.node != layout.node) {
        return Err(KernelError::Foreign);
    }
    let pools = Pools::lay_out(layout.pools);
    let counting = Counting::choose(layout.slots(), layout.memory_budget_bytes);
    let (set, adopted, counting) = match newest(layout, &pools, counting.processors(), &mut chain) {
        Ok((set, adopted)) => (set, adopted, counting),
        // What the sliced program needs and a kernel may not have, the locked one does without.
        Err(error) if let Some(counting) = counting.without_slices(&error) => {
            let (set, adopted) = newest(layout, &pools, counting.processors(), &mut chain)?;
            (set, adopted, counting)
        }
        Err(error) => return Err(error),
    };
    if let Some(before) = chain.last().filter(|_| !adopted) {
        copy(before, &set)?;
        set.pin(pins)?;
    }
    if hook == Hook::Tcx {
        turn_links(&set, &mut links, pins)?;
    } else {
        links.drain(..).for_each(|link| link.remove(pins));
    }
    if !pins.is_nowhere() {
        turn_filters(&set, hook)?;
    }
    if !chain.is_empty() {
        sys::wait_for_running_programs()?;
    }
    let is_pinned = adopted || !chain.is_empty();
    Ok(Opened { set, older: chain, links, adopted, is_pinned, counting })
}

/// The newest set of the chain where it is of this layout, taken off the chain; else a new one that
/// follows it. True when it was there.
fn newest(
    layout: &SetLayout<'_>,
    pools: &Pools,
    processors: u32,
    chain: &mut Vec<Set>,
) -> Result<(Set, bool), KernelError> {
    let digest = layout.digest(pools, processors);
    if let Some(newest) = chain.pop_if(|newest| newest.header.layout_digest == digest) {
        return Ok((newest, true));
    }
    let predecessor = chain.last().map_or([0; 16], |before| before.header.generation);
    Ok((Set::load(layout.header(pools, processors, predecessor)?, pools)?, false))
}

/// What was left, for a tap that counts elsewhere: the sets, with nothing attached any more.
pub(super) fn take_down(pins: &PinStore) -> Result<Vec<Set>, KernelError> {
    let (chain, links) = found(pins)?;
    links.iter().for_each(|link| link.remove(pins));
    take_filters_off()?;
    if !chain.is_empty() {
        sys::wait_for_running_programs()?;
    }
    Ok(chain)
}

/// Takes everything of a dead process out of the kernel, readable or not: how many names, and on how
/// many interfaces there was a filter.
pub(super) fn clear(pins: &PinStore) -> Result<(usize, usize), KernelError> {
    let found = pins.found()?;
    for (name, descriptor) in &found {
        if name.starts_with("link-") {
            // An error says that the interface is gone, and the link with it.
            let _ = sys::detach(descriptor);
        }
        pins.unpin(name);
    }
    let filtered = take_filters_off()?;
    pins.close();
    Ok((found.len(), filtered))
}

/// Takes every filter of ours off; how many interfaces had one.
fn take_filters_off() -> Result<usize, KernelError> {
    let filtered: Vec<u32> = interfaces::list()?
        .iter()
        .map(|entry| entry.index)
        .filter(|index| hooks::has_filter(*index))
        .collect();
    for index in &filtered {
        hooks::detach_filters(*index);
        if hooks::has_filter(*index) {
            return Err(KernelError::PinnedSets);
        }
    }
    Ok(filtered.len())
}

/// The sets in their order, the oldest first, and the links of this network namespace.
fn found(pins: &PinStore) -> Result<(Vec<Set>, Vec<BpfLink>), KernelError> {
    let (mut sets, rest) = set::assemble(pins.found()?, pins)?;
    let mut chain: Vec<Set> = Vec::new();
    while !sets.is_empty() {
        let follows_none =
            |set: &Set| !sets.iter().any(|other| other.header.generation == set.header.predecessor);
        let oldest = sets.iter().position(follows_none).ok_or(KernelError::Foreign)?;
        let oldest = sets.swap_remove(oldest);
        // Two sets that follow none are not of one history.
        if chain.last().is_some_and(|before| before.header.generation != oldest.header.predecessor) {
            return Err(KernelError::Foreign);
        }
        chain.push(oldest);
    }
    Ok((chain, links_of(rest, pins)?))
}

fn links_of(found: Found, pins: &PinStore) -> io::Result<Vec<BpfLink>> {
    let namespace = interfaces::namespace()?;
    let mut links = Vec::new();
    for (name, descriptor) in found {
        match BpfLink::of_name(&name, descriptor) {
            Some(link) if link.namespace == namespace => links.push(link),
            _ => pins.unpin(&name),
        }
    }
    Ok(links)
}

/// Tags and owners go over, before a packet meets the new set.
fn copy(from: &Set, to: &Set) -> Result<(), KernelError> {
    let (from_memory, to_memory) = (from.memory(true)?, to.memory(false)?);
    to_memory.interfaces.raise_highest(from_memory.interfaces.highest());
    to_memory.tag_key.take_over(from_memory.tag_key);
    let (before, after) = (from_memory.tags, to_memory.tags);
    for at in Slot::FIRST_ACCOUNT.index()..before.slots() {
        let slot = Slot::new(u32::try_from(at).unwrap_or(u32::MAX));
        let tag = before.get(slot);
        if tag != Tag::NOBODY && at >= after.slots() {
            return Err(KernelError::CapacityTooSmall(at + 1 - Slot::FIRST_ACCOUNT.index()));
        }
        after.set(slot, tag);
    }
    let refused = |error: crate::roster::owners::OwnersRefused| KernelError::Refused(error.to_string());
    let owners = to.owners()?;
    for owned in from.owners()?.all().map_err(refused)? {
        owners.set(owned).map_err(refused)?;
    }
    Ok(())
}

/// Makes every link run the set's program; those of interfaces that are gone are unpinned.
fn turn_links(set: &Set, links: &mut Vec<BpfLink>, pins: &PinStore) -> io::Result<()> {
    let mut failed = None;
    links.retain(|link| {
        let program = set.programs.of(link.ethernet, link.up);
        let turned = sys::link_target(&link.descriptor).and_then(|(running, index)| {
            if index == link.index && running != sys::program_id(program)? {
                sys::exchange(&link.descriptor, program)?;
            }
            Ok(index == link.index)
        });
        match turned {
            Ok(there) => {
                if !there {
                    pins.unpin(&link.name());
                }
                there
            }
            Err(error) => {
                failed = Some(error);
                true
            }
        }
    });
    failed.map_or(Ok(()), Err)
}

/// Makes every filter that an earlier process left run the set's program, or takes it off where links are used.
fn turn_filters(set: &Set, hook: Hook) -> io::Result<()> {
    for interface in interfaces::list()? {
        if !hooks::has_filter(interface.index) {
            continue;
        }
        let hardware = Hardware::of_number(interface.hardware);
        match (hook, hardware) {
            (Hook::Clsact, Some(hardware)) => {
                for up in [true, false] {
                    let program = set.programs.of(hardware == Hardware::Ethernet, up);
                    hooks::attach(hook, program, interface.index, up)?;
                }
            }
            _ => hooks::detach_filters(interface.index),
        }
    }
    Ok(())
}
