//! Which hook the running kernel offers, by its release.

use super::error::KernelError;
use crate::config::Hook;
use std::io;

/// Linux 5.19: maps are changed without a capability. Linux 6.6: tcx.
pub(super) const OLDEST_RELEASE: (u32, u32) = (5, 19);
const TCX_RELEASE: (u32, u32) = (6, 6);

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
pub(super) fn release() -> io::Result<(u32, u32)> {
    let name = nix::sys::utsname::uname().map_err(io::Error::from)?;
    let text = name.release().to_str().unwrap_or_default();
    let mut numbers = text.split(|letter: char| !letter.is_ascii_digit()).map_while(|part| part.parse().ok());
    Ok((numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)))
}
