//! The facts that no file gives: the interfaces of this network namespace, and whether the kernel
//! considers its clock synchronised.
//!
//! # Source
//! if_nameindex(3); adjtimex(2), STA_UNSYNC.
#![expect(unsafe_code, reason = "adjtimex(2) has no safe wrapper here")]

use super::subject::{ClockState, Facts};
use std::io;

/// Asks the running kernel.
///
/// # Errors
/// When the interfaces cannot be listed.
pub fn ask() -> io::Result<Facts> {
    let interfaces = nix::net::if_::if_nameindex()?;
    let link = |interface: &nix::net::if_::Interface| {
        (interface.index(), interface.name().to_string_lossy().into_owned())
    };
    Ok(Facts { links: interfaces.iter().map(link).collect(), clock: clock() })
}

/// Whether somebody keeps the clock: the kernel's status word alone is looked at, no time.
fn clock() -> ClockState {
    // SAFETY: timex is plain old data, for which zeros are valid.
    let mut state: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: no mode is set, so the call only fills the struct, which outlives it.
    if unsafe { libc::adjtimex(&raw mut state) } < 0 {
        return ClockState::Unknown(io::Error::last_os_error().to_string());
    }
    if state.status & libc::STA_UNSYNC == 0 { ClockState::Synchronised } else { ClockState::Unsynchronised }
}
