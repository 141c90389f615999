//! Which capabilities this process has, and how it drops them.
//!
//! Must be called before any thread is started: capabilities belong to threads.
//!
//! # Source
//! capabilities(7).

use caps::{CapSet, Capability, CapsHashSet};
use std::io;

/// Needed to open packet sockets.
pub const PACKET_SOCKETS: [Capability; 1] = [Capability::CAP_NET_RAW];

/// Needed to attach the kernel tap's program.
pub const ATTACHING: [Capability; 2] = [Capability::CAP_BPF, Capability::CAP_NET_ADMIN];

/// Needed to ask the kernel who the peers of a WireGuard device are.
pub const READING_PEERS: [Capability; 1] = [Capability::CAP_NET_ADMIN];

/// True when all of these are in the effective set.
#[must_use]
pub fn has(wanted: &[Capability]) -> bool {
    wanted.iter().all(|capability| caps::has_cap(None, CapSet::Effective, *capability).unwrap_or(false))
}

/// Drops all other capabilities, for good.
///
/// # Errors
/// Those of capset(2).
pub fn keep_only(kept: &[Capability]) -> io::Result<()> {
    let kept: CapsHashSet = kept.iter().copied().collect();
    let none = CapsHashSet::new();
    let set = |which, capabilities| caps::set(None, which, capabilities).map_err(io::Error::other);
    // Ambient capabilities go with the inheritable ones.
    set(CapSet::Inheritable, &none)?;
    let permitted = caps::read(None, CapSet::Permitted).map_err(io::Error::other)?;
    let kept = kept.intersection(&permitted).copied().collect();
    set(CapSet::Effective, &kept)?;
    set(CapSet::Permitted, &kept)?;
    nix::sys::prctl::set_no_new_privs().map_err(io::Error::from)
}
