//! Who is at the other end of the control socket: user and groups, as the kernel knows them.
//!
//! # Source
//! unix(7), SO_PEERCRED; SO_PEERGROUPS since Linux 4.13 (net/core/sock.c).
#![expect(unsafe_code, reason = "SO_PEERGROUPS has no safe wrapper")]

use nix::unistd::{Group, User};
use std::io;
use std::os::fd::AsRawFd;

/// The identity of a peer.
pub struct Peer {
    /// User id.
    pub uid: u32,
    /// Group ids: the primary one and the supplementary ones.
    pub gids: Vec<u32>,
}

/// Users and groups that have a role, by id.
#[derive(Clone, Default)]
pub struct Members {
    uids: Vec<u32>,
    gids: Vec<u32>,
}

impl Members {
    /// Resolves names of users and groups (`@group`); also returns the names that do not exist.
    #[must_use]
    pub fn resolve(names: &[String]) -> (Self, Vec<String>) {
        let mut members = Self::default();
        let mut unknown = Vec::new();
        for name in names {
            let known = match name.strip_prefix('@') {
                Some(group) => {
                    Group::from_name(group).ok().flatten().map(|group| members.gids.push(group.gid.as_raw()))
                }
                None => User::from_name(name).ok().flatten().map(|user| members.uids.push(user.uid.as_raw())),
            };
            if known.is_none() {
                unknown.push(name.clone());
            }
        }
        (members, unknown)
    }

    /// True when the peer is one of the users, or in one of the groups.
    #[must_use]
    pub fn include(&self, peer: &Peer) -> bool {
        self.uids.contains(&peer.uid) || peer.gids.iter().any(|gid| self.gids.contains(gid))
    }
}

/// The user id this process runs as.
#[must_use]
pub fn own_uid() -> u32 {
    nix::unistd::geteuid().as_raw()
}

/// The supplementary groups of the process that connected.
///
/// # Errors
/// Those of getsockopt(2).
pub fn supplementary_groups(socket: &impl AsRawFd) -> io::Result<Vec<u32>> {
    // NGROUPS_MAX is 65,536; if this is too short, the kernel answers ERANGE with the length.
    let mut groups = vec![0_u32; 64];
    loop {
        let size = groups.len() * size_of::<u32>();
        let mut length = libc::socklen_t::try_from(size).map_err(io::Error::other)?;
        // SAFETY: the pointer and length describe the vector, which outlives the call.
        let result = unsafe {
            libc::getsockopt(
                socket.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_PEERGROUPS,
                groups.as_mut_ptr().cast(),
                &raw mut length,
            )
        };
        let count = length as usize / size_of::<u32>();
        if result == 0 {
            groups.truncate(count);
            return Ok(groups);
        }
        let error = io::Error::last_os_error();
        if error.raw_os_error() != Some(libc::ERANGE) || count <= groups.len() {
            return Err(error);
        }
        groups.resize(count, 0);
    }
}
