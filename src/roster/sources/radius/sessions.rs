//! Which session has which prefix: what a RADIUS server would keep as a list of who is online, kept as digests.
//!
//! Sessions, servers and requests are marks: digests under a key of this process, of which nothing can be read
//! back. Holds these, and prefixes with the tags of their accounts, in memory alone; no name, no time.

use super::super::super::address::{Prefix, TunnelAddress};
use super::super::super::wiped_map::WipedMap;
use crate::meter::tags::Tag;
use std::collections::{HashSet, VecDeque};

/// A digest.
pub(super) type Mark = u128;

/// The most prefixes of a session: an address of each family, a prefix, a delegated one, and room for two more
/// of each that were replaced.
const OF_A_SESSION: usize = 8;

/// The most prefixes in all: more than one server has clients.
pub(super) const MOST_PREFIXES: usize = 1 << 18;

/// Who has a prefix.
#[derive(Clone, Copy)]
struct Owner {
    session: Mark,
    account: Tag,
    /// The roster holds it, or is about to be told.
    is_told: bool,
}

/// A session that goes on.
#[derive(Clone, Copy)]
struct Session {
    server: Mark,
    prefixes: [Option<Prefix>; OF_A_SESSION],
}

/// A change of the roster: whose a prefix is from now on.
pub(super) type Change = (Prefix, Option<Tag>);

/// The sessions that go on.
pub(super) struct Sessions {
    sessions: WipedMap<Mark, Session>,
    owners: WipedMap<Prefix, Owner>,
    changes: Vec<Change>,
}

impl Sessions {
    /// None.
    pub(super) fn new() -> Self {
        let nowhere = Prefix::of_host(TunnelAddress::V6(0));
        let nobodys = Owner { session: 0, account: Tag([0; 16]), is_told: false };
        let none = Session { server: 0, prefixes: [None; OF_A_SESSION] };
        Self {
            sessions: WipedMap::new((0, none)),
            owners: WipedMap::new((nowhere, nobodys)),
            changes: Vec::new(),
        }
    }

    /// A session has this prefix; false where there is no room to know it.
    pub(super) fn claim(&mut self, session: Mark, server: Mark, prefix: Prefix, account: Tag) -> bool {
        let before = self.owners.get(&prefix);
        let known = self.sessions.get(&session);
        let mut held = known.unwrap_or(Session { server, prefixes: [None; OF_A_SESSION] });
        if before.is_none_or(|owner| owner.session != session) {
            if before.is_none() && self.owners.len() >= MOST_PREFIXES {
                return false;
            }
            if let Some(owner) = before {
                self.forget(owner.session, prefix);
            }
            // A session that has had so many has let go of the first.
            if let Some(oldest) = held.prefixes[0].filter(|_| held.prefixes.iter().all(Option::is_some)) {
                self.owners.remove(&oldest);
                self.changes.push((oldest, None));
                held.prefixes.rotate_left(1);
                held.prefixes[OF_A_SESSION - 1] = None;
            }
            held.prefixes
                .iter_mut()
                .find(|place| place.is_none())
                .into_iter()
                .for_each(|place| *place = Some(prefix));
            self.sessions.insert(session, held);
        }
        if before.is_none_or(|owner| owner.account != account || !owner.is_told) {
            self.changes.push((prefix, Some(account)));
        }
        self.owners.insert(prefix, Owner { session, account, is_told: true });
        true
    }

    /// A session has ended; `named` are prefixes that its last word names. What nobody is known to have may be
    /// what an earlier process was told.
    pub(super) fn end(&mut self, session: Mark, named: impl Iterator<Item = Prefix>) {
        for prefix in named {
            if self.owners.get(&prefix).is_none() {
                self.changes.push((prefix, None));
            }
        }
        let Some(ended) = self.sessions.get(&session) else { return };
        self.sessions.remove(&session);
        for prefix in ended.prefixes.into_iter().flatten() {
            self.owners.remove(&prefix);
            self.changes.push((prefix, None));
        }
    }

    /// A server has begun anew: none of its sessions is left.
    pub(super) fn end_all(&mut self, server: Mark) {
        let of_server = self.sessions.iter().filter(|(_, session)| session.server == server);
        let gone: Vec<Mark> = of_server.map(|(mark, _)| mark).collect();
        gone.into_iter().for_each(|session| self.end(session, std::iter::empty()));
    }

    /// The roster was not told of this prefix: it is to be tried again at once, or when somebody names it again.
    pub(super) fn untold(&mut self, prefix: Prefix, at_once: bool) {
        match self.owners.get(&prefix) {
            Some(owner) if !at_once => self.owners.insert(prefix, Owner { is_told: false, ..owner }),
            owner => self.changes.push((prefix, owner.map(|owner| owner.account))),
        }
    }

    /// What the roster is to be told, in order.
    pub(super) fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    /// A session does not have a prefix any more.
    fn forget(&mut self, session: Mark, prefix: Prefix) {
        let Some(mut held) = self.sessions.get(&session) else { return };
        held.prefixes.iter_mut().filter(|place| **place == Some(prefix)).for_each(|place| *place = None);
        if held.prefixes.iter().all(Option::is_none) {
            self.sessions.remove(&session);
        } else {
            self.sessions.insert(session, held);
        }
    }

    /// Whose each prefix is.
    #[cfg(test)]
    pub(super) fn all(&self) -> std::collections::BTreeMap<Prefix, [u8; 16]> {
        let held: usize = self.sessions.iter().map(|(_, it)| it.prefixes.iter().flatten().count()).sum();
        assert_eq!(held, self.owners.len(), "each prefix is one session's");
        self.owners.iter().map(|(prefix, owner)| (prefix, owner.account.0)).collect()
    }
}

/// The last marks of a kind, so many of them.
pub(super) struct Last {
    known: HashSet<Mark>,
    order: VecDeque<Mark>,
    room: usize,
}

impl Last {
    /// None, with room for so many.
    pub(super) fn new(room: usize) -> Self {
        Self { known: HashSet::new(), order: VecDeque::new(), room }
    }

    /// Whether it is one of them.
    pub(super) fn has(&self, mark: Mark) -> bool {
        self.known.contains(&mark)
    }

    /// Notes one; the oldest makes room. False where it is known already.
    pub(super) fn note(&mut self, mark: Mark) -> bool {
        if !self.known.insert(mark) {
            return false;
        }
        self.order.push_back(mark);
        if self.order.len() > self.room
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }

    /// Forgets one.
    pub(super) fn forget(&mut self, mark: Mark) {
        if self.known.remove(&mark) {
            self.order.retain(|other| *other != mark);
        }
    }
}
