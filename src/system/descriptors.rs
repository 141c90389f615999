//! How many descriptors the process may have, how many of them the tap leaves to everything else, and that nobody
//! passes some to a socket.
//!
//! A VPN server may make an interface for each client, and a tap takes descriptors for each. Those of the
//! pages, the control socket and the saves must not depend on how many clients there are.
//!
//! # Source
//! getrlimit(2) (RLIMIT_NOFILE); fcntl(2): a new descriptor has the lowest number that is free;
//! include/uapi/asm-generic/socket.h (SO_PASSRIGHTS); net/core/scm.c.
#![expect(unsafe_code, reason = "setsockopt(2) of an option that no library knows yet")]

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

/// What the tap leaves to others: connections to pages, commands, and 32 listeners, files and look-ups.
const RESERVED: u64 = 384;

/// Connections to pages, where the limit is not low.
pub const PAGE_CONNECTIONS: u64 = 256;

/// Connections to the desk, likewise: they are short, and a provider's staff is small. They come out of what is left
/// to listeners, files and look-ups.
pub const DESK_CONNECTIONS: u64 = 16;

/// Connections of commands, likewise.
pub const COMMANDS: u64 = 96;

/// Raises the limit as far as the process may: the soft one is low for the sake of old programs. Call it
/// before anything is opened for good.
pub fn raise_limit() {
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard
    {
        // A limit that stays is told when it is reached.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

/// How many descriptors the process may have.
#[must_use]
pub fn limit() -> u64 {
    // The kernel knows every process's limits.
    getrlimit(Resource::RLIMIT_NOFILE).map_or(0, |(soft, _)| soft)
}

/// What somebody who would hold so many of those that the tap leaves may hold: fewer where the limit is low, so
/// that all of them together leave each other room.
#[must_use]
pub fn share(limit: u64, wanted: u64) -> usize {
    let left = limit - ceiling(limit);
    usize::try_from((wanted * left / RESERVED).clamp(1, wanted)).unwrap_or(1)
}

/// Numbers that the tap's descriptors stay below. Where the limit is low, it leaves one half.
#[must_use]
pub fn ceiling(limit: u64) -> u64 {
    limit - RESERVED.min(limit / 2)
}

/// True when so many new descriptors would stay below the ceiling; `any` is one to make a copy of.
#[must_use]
pub fn is_room(any: BorrowedFd<'_>, wanted: u64, ceiling: u64) -> bool {
    // Every number below that of the copy is in use.
    let copy = any.try_clone_to_owned();
    copy.is_ok_and(|copy| u64::try_from(copy.as_raw_fd()).is_ok_and(|number| number + wanted <= ceiling))
}

/// Whether descriptors may be passed to a socket; from Linux 6.16.
const SO_PASSRIGHTS: libc::c_int = 83;

/// Has the kernel refuse descriptors that are passed to this Unix socket, and to connections that it accepts from then
/// on; false where the kernel cannot.
pub fn refuse_passed(socket: impl AsFd) -> bool {
    let off: libc::c_int = 0;
    let (socket, value) = (socket.as_fd().as_raw_fd(), (&raw const off).cast());
    // SAFETY: `value` points to an int that outlives the call, and 4 is its size.
    let result = unsafe { libc::setsockopt(socket, libc::SOL_SOCKET, SO_PASSRIGHTS, value, 4) };
    result == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tap_leaves_what_the_others_need() {
        assert_eq!(ceiling(1024), 640);
        assert_eq!(ceiling(524_288), 523_904);
        assert_eq!((ceiling(256), ceiling(0)), (128, 0), "and never more than it takes");
    }

    #[test]
    fn a_low_limit_is_shared() {
        for limit in [64, 160, 1024, 524_288] {
            let [pages, commands] = [PAGE_CONNECTIONS, COMMANDS].map(|wanted| share(limit, wanted));
            assert!(pages + commands <= usize::try_from(limit - ceiling(limit)).unwrap_or(0), "{limit}");
        }
        assert_eq!([160, 1024, 524_288].map(|limit| share(limit, PAGE_CONNECTIONS)), [53, 256, 256]);
    }

    #[test]
    fn room_is_judged_by_the_next_number() {
        let some = std::io::stdin();
        assert!(is_room(some.as_fd(), 2, 1 << 20) && !is_room(some.as_fd(), 1 << 20, 1 << 20));
        assert!(!is_room(some.as_fd(), 1, 3), "standard descriptors have the first three");
    }
}
