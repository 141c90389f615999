//! Who asks, and who has a role: user ids, as the kernel knows them, and log-in names of the support page as ids
//! that are no user's.
//!
//! A role is never a process's groups: a process can carry a group that the system lists nobody in, and a
//! person with subordinate ids has 65,536 user ids (subuid(5)). What counts is whom the system lists.
//!
//! # Source
//! unix(7), SO_PEERCRED.

use crate::config::Language;

/// The identity of a peer.
#[derive(Clone, Copy)]
pub struct Peer {
    /// User id, or what stands for a log-in name.
    pub uid: u32,
    /// The language to answer in, where it is not the provider's.
    pub language: Option<Language>,
}

/// From here on ids stand for log-in names: no system gives them to people.
const LOG_INS: u32 = 1 << 31;

/// Who is neither a user nor a log-in.
const NOBODY: u32 = u32::MAX;

impl Peer {
    /// The user at the other end of a socket, as the kernel tells. One with an id of a log-in's is nobody.
    #[must_use]
    pub const fn user(uid: u32) -> Self {
        Self { uid: if uid < LOG_INS { uid } else { NOBODY }, language: None }
    }

    /// Whoever has logged in to the support page by this name, or with the certificate of this name.
    #[must_use]
    pub fn logged_in(name: &str) -> Self {
        let hash = blake3::derive_key("blindmeter 2026-11 log-in name", name.as_bytes());
        let [a, b, c, d, ..] = hash;
        // Never what stands for nobody.
        Self { uid: LOG_INS | u32::from_le_bytes([a, b, c, d]) >> 2, language: None }
    }
}

/// Whether an id stands for a log-in name.
#[must_use]
pub const fn is_log_in(uid: u32) -> bool {
    uid >= LOG_INS
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

    /// The members of these log-in names.
    #[must_use]
    pub fn logged_in(names: &[String]) -> Self {
        let mut uids: Vec<u32> = names.iter().map(|name| Peer::logged_in(name).uid).collect();
        uids.sort_unstable();
        uids.dedup();
        Self { uids }
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
