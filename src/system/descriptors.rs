//! How many descriptors the process may have, and how many of them the tap leaves to everything else.
//!
//! A VPN server may make an interface for each client, and a tap takes descriptors for each. Those of the
//! pages, the control socket and the saves must not depend on how many clients there are.
//!
//! # Source
//! getrlimit(2) (RLIMIT_NOFILE); fcntl(2): a new descriptor has the lowest number that is free.

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::os::fd::{AsRawFd, BorrowedFd};

/// What the tap leaves to others: 256 connections to a page, 64 commands at once, and as many for
/// listeners, files and look-ups.
const RESERVED: u64 = 384;

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

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    #[test]
    fn the_tap_leaves_what_the_others_need() {
        assert_eq!(ceiling(1024), 640);
        assert_eq!(ceiling(524_288), 523_904);
        assert_eq!((ceiling(256), ceiling(0)), (128, 0), "and never more than it takes");
    }

    #[test]
    fn room_is_judged_by_the_next_number() {
        let some = std::io::stdin();
        assert!(is_room(some.as_fd(), 2, 1 << 20) && !is_room(some.as_fd(), 1 << 20, 1 << 20));
        assert!(!is_room(some.as_fd(), 1, 3), "standard descriptors have the first three");
    }
}
