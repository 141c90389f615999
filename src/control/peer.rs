//! Who is at the other end of the control socket, and who has a role: user ids, as the kernel knows them.
//!
//! A role is never a process's groups: a process can carry a group that the system lists nobody in, and a
//! person with subordinate ids has 65,536 user ids (subuid(5)). What counts is whom the system lists.
//!
//! # Source
//! unix(7), SO_PEERCRED.

/// The identity of a peer.
pub struct Peer {
    /// User id.
    pub uid: u32,
}

/// Users that have a role, by id.
#[derive(Clone, Default)]
pub struct Members {
    uids: Vec<u32>,
}

impl Members {
    /// Resolves names of users and groups (`@group`); also returns the names that do not exist.
    #[must_use]
    pub fn resolve(names: &[String], look_up: impl Fn(&str) -> Option<Vec<u32>>) -> (Self, Vec<String>) {
        let mut members = Self::default();
        let mut unknown = Vec::new();
        for name in names {
            match look_up(name) {
                Some(uids) => members.uids.extend(uids),
                None => unknown.push(name.clone()),
            }
        }
        members.uids.sort_unstable();
        members.uids.dedup();
        (members, unknown)
    }

    /// The users' ids.
    pub fn uids(&self) -> impl Iterator<Item = u32> {
        self.uids.iter().copied()
    }

    /// True when the peer is one of the users.
    #[must_use]
    pub fn include(&self, peer: &Peer) -> bool {
        self.uids.binary_search(&peer.uid).is_ok()
    }
}

/// The user id this process runs as.
#[must_use]
pub fn own_uid() -> u32 {
    nix::unistd::geteuid().as_raw()
}
