//! What is attached to the interfaces of this network namespace and is ours: filters by their owner's
//! name, links by the maps of their program. Taken over, or taken off.
//!
//! Nothing is touched whose owner lives, nor what another node, or another place of pins, goes on
//! with. Holds no address. Needs CAP_NET_ADMIN for filters; links whose pins cannot be found need
//! CAP_SYS_ADMIN as well, since only it may open what has a number and no name.

use super::error::KernelError;
use super::filters;
use super::hooks;
use super::owner::{Claim, Owner};
use super::pins::PinStore;
use super::set::Set;
use super::standing;
use super::sys;
use crate::config::Hook;
use crate::tap::interfaces::{self, Hardware};
use std::io;

/// What was taken out of the kernel.
#[derive(Default)]
pub struct Removed {
    /// Names under which something was pinned.
    pub pins: usize,
    /// Interfaces that had a filter.
    pub filtered_interfaces: usize,
    /// Links whose pins could not be found.
    pub links: usize,
}

/// Takes everything of a dead process out of the kernel, readable or not.
pub(super) fn clear(pins: &PinStore, claim: Claim) -> Result<Removed, KernelError> {
    let found = pins.found()?;
    let mut generations = Vec::new();
    for (name, descriptor) in &found {
        if name.starts_with("link-") {
            // An error says that the interface is gone, and the link with it.
            let _ = sys::detach(descriptor);
        }
        generations.extend(generation_of(name));
        pins.unpin(name);
    }
    let is_to_go = |owner: Owner| owner.is_of(&generations) || claim.covers(owner);
    let filtered_interfaces = take_filters_off(is_to_go)?;
    let links = take_links_off(claim)?;
    pins.close();
    Ok(Removed { pins: found.len(), filtered_interfaces, links })
}

/// The half of the generation that a pin of a set has in its name.
fn generation_of(name: &str) -> Option<u64> {
    u64::from_str_radix(name.strip_prefix("set-")?.split('-').next()?, 16).ok()
}

/// Takes the filters of some owners off every interface; how many interfaces had one.
pub(super) fn take_filters_off(is_to_go: impl Fn(Owner) -> bool) -> Result<usize, KernelError> {
    let mut filtered = 0;
    for interface in interfaces::list()? {
        match hooks::detach_filters(interface.index, &is_to_go) {
            Ok(gone) => filtered += usize::from(gone > 0),
            Err(error) if error.raw_os_error() == Some(libc::EPERM) => return Err(KernelError::PinnedSets),
            // It is gone, and its filters with it.
            Err(_) => {}
        }
    }
    Ok(filtered)
}

/// Takes the links of dead processes of this claim off, where their pins are out of sight; how many there
/// were. Those of a living owner stay, this process among them.
pub(super) fn take_links_off(claim: Claim) -> io::Result<usize> {
    let mut gone = 0;
    for interface in interfaces::list()? {
        for ingress in [true, false] {
            // Where the kernel tells nothing of links, there are none, or it is not for us to ask.
            for standing in standing::ours(interface.index, ingress).unwrap_or_default() {
                if claim.covers(standing.owner) && sys::detach(&standing.link).is_ok() {
                    gone += 1;
                }
            }
        }
    }
    Ok(gone)
}

/// Dead owners of this claim whose filters are on interfaces here.
pub(super) fn dead_owners(claim: Claim) -> io::Result<Vec<Owner>> {
    let mut dead: Vec<Owner> = Vec::new();
    for interface in interfaces::list()? {
        for ingress in [true, false] {
            for (owner, _) in filters::ours(interface.index, ingress).unwrap_or_default() {
                if !dead.contains(&owner) && claim.covers(owner) {
                    dead.push(owner);
                }
            }
        }
    }
    Ok(dead)
}

/// Makes every filter of these generations run the set's program, or takes it off where links are used.
pub(super) fn turn_filters(set: &Set, hook: Hook, generations: &[u64]) -> Result<(), KernelError> {
    if hook == Hook::Tcx {
        return take_filters_off(|owner| owner.is_of(generations)).map(drop);
    }
    let owner = Owner::of(&set.header);
    for interface in interfaces::list()? {
        let Some(hardware) = Hardware::of_number(interface.hardware) else { continue };
        for up in [true, false] {
            let program = set.programs.of(hardware == Hardware::Ethernet, up);
            // Where the interface is gone there is none.
            for (other, place) in filters::ours(interface.index, up).unwrap_or_default() {
                if other.is_of(generations) {
                    hooks::replace(program, interface.index, up, &place, owner)?;
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pins_name_tells_the_generation() {
        assert_eq!(generation_of("set-00000000000000ff-up"), Some(255));
        for name in ["set-", "set-up", "link-1-2-ip-up", ""] {
            assert_eq!(generation_of(name), None, "{name}");
        }
    }
}
