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
use super::layout::SetLayout;
use super::leftovers::{take_filters_off, turn_filters};
use super::link::BpfLink;
use super::owner::{Claim, Mark, Owner, half};
use super::owners::Pools;
use super::pins::{Found, PinStore};
use super::set::{self, Set};
use super::sys;
use crate::config::Hook;
use crate::meter::slot::Slot;
use crate::meter::tags::Tag;
use crate::roster::owners::Owners;
use crate::roster::place::PLACES;
use crate::tap::interfaces;
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
    /// Says that its owner lives.
    pub(super) mark: Mark,
}

/// Finds or makes the set to count with.
pub(super) fn open(layout: &SetLayout<'_>, hook: Hook, pins: &PinStore) -> Result<Opened, KernelError> {
    let (mut chain, mut links) = found(pins)?;
    if chain.iter().any(|set| set.header.node != layout.node) {
        return Err(KernelError::Foreign);
    }
    let pools = Pools::lay_out(layout.pools);
    let generations: Vec<u64> = chain.iter().map(|set| half(set.header.generation)).collect();
    let counting = Counting::choose(layout.slots(), layout.memory_budget_bytes);
    let is_made_so = |counting: &Counting| {
        chain.last().is_some_and(|set| set.header.layout_digest == layout.digest(&pools, counting))
    };
    // A kernel that refuses the sliced program has taken its time for that.
    let counting = counting.refused_earlier().filter(is_made_so).unwrap_or(counting);
    let home = pins.home();
    let (set, adopted, counting) = match newest(layout, &pools, home, &counting, &mut chain) {
        Ok((set, adopted)) => (set, adopted, counting),
        // What the sliced program needs and a kernel may not have, the locked one does without.
        Err(error) if let Some(counting) = counting.without_slices(&error) => {
            let (set, adopted) = newest(layout, &pools, home, &counting, &mut chain)?;
            (set, adopted, counting)
        }
        Err(error) => return Err(error),
    };
    if let Some(before) = chain.last().filter(|_| !adopted) {
        copy(before, &set)?;
        set.pin(pins)?;
    }
    // Before anything is attached, so that nobody takes it for a dead one's.
    let mark = Owner::of(&set.header).mark(&set.programs.ids()?);
    if hook == Hook::Tcx {
        turn_links(&set, &mut links, pins)?;
    } else {
        links.drain(..).for_each(|link| link.remove(pins));
    }
    if !generations.is_empty() {
        turn_filters(&set, hook, &generations)?;
    }
    if !chain.is_empty() {
        sys::wait_for_running_programs()?;
    }
    let is_pinned = adopted || !chain.is_empty();
    Ok(Opened { set, older: chain, links, adopted, is_pinned, counting, mark })
}

/// The newest set of the chain where it is of this layout, taken off the chain; else a new one that
/// follows it. True when it was there.
fn newest(
    layout: &SetLayout<'_>,
    pools: &Pools,
    home: u16,
    counting: &Counting,
    chain: &mut Vec<Set>,
) -> Result<(Set, bool), KernelError> {
    let digest = layout.digest(pools, counting);
    if let Some(newest) = chain.pop_if(|newest| newest.header.layout_digest == digest) {
        return Ok((newest, true));
    }
    let predecessor = chain.last().map_or([0; 16], |before| before.header.generation);
    Ok((Set::load(layout.header(pools, home, counting, predecessor)?, pools)?, false))
}

/// What was left, for a tap that counts elsewhere: the sets, with nothing attached any more.
pub(super) fn take_down(pins: &PinStore, node: [u8; 16]) -> Result<Vec<Set>, KernelError> {
    let (chain, links) = found(pins)?;
    links.iter().for_each(|link| link.remove(pins));
    let generations: Vec<u64> = chain.iter().map(|set| half(set.header.generation)).collect();
    let claim = Claim::new(node, pins.home());
    take_filters_off(|owner| owner.is_of(&generations) || claim.covers(owner))?;
    if !chain.is_empty() {
        sys::wait_for_running_programs()?;
    }
    Ok(chain)
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
    let (owners, old_owners) = (to.owners()?, from.owners()?);
    for at in 0..PLACES {
        let at = Slot::new(u32::try_from(at).unwrap_or(u32::MAX));
        owners.names().set(at, old_owners.names().get(at));
    }
    for (index, place) in old_owners.standing() {
        owners.stand(index, place).map_err(refused)?;
    }
    let mut taken = Ok(());
    let told = old_owners.each(&mut |owned| {
        if taken.is_ok() {
            taken = owners.set(owned);
        }
    });
    told.and(taken).map_err(refused)
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
