//! Which of a VPN server's connections each prefix was assigned for, as far as its hooks say so.
//!
//! A server tells of a connection that comes and of one that ends by processes of their own, in no order: the end of a
//! dead connection is often told when the account is connected again, at the same address. Holds a number for a prefix;
//! no account and no time.

use super::address::{Prefix, TunnelAddress};
use super::wiped_map::WipedMap;

/// A connection, as its server numbers it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Session {
    /// The number.
    pub number: u32,
    /// The server may have given it a higher number since it began.
    pub is_renumbered: bool,
}

/// The connections that prefixes were assigned for.
pub(super) struct Sessions(WipedMap<Prefix, u32>);

impl Sessions {
    pub(super) fn none() -> Self {
        Self(WipedMap::new((Prefix::of_host(TunnelAddress::V6(0)), 0)))
    }

    /// The prefix was assigned for this connection, or for none that is known.
    pub(super) fn set(&mut self, prefix: Prefix, session: Option<Session>) {
        match session {
            Some(Session { number, .. }) => self.0.insert(prefix, number),
            None => self.0.remove(&prefix),
        }
    }

    /// The number of the connection, where it is known.
    pub(super) fn of(&self, prefix: Prefix) -> Option<u32> {
        self.0.get(&prefix)
    }

    /// Whether the end of this connection ends what the prefix was assigned for: also where that is not known.
    pub(super) fn is_over(&self, prefix: Prefix, ended: Session) -> bool {
        let began = self.0.get(&prefix);
        began.is_none_or(|began| began == ended.number || (ended.is_renumbered && began < ended.number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn numbered(number: u32) -> Session {
        Session { number, is_renumbered: false }
    }

    #[test]
    fn the_end_of_another_connection_ends_nothing() {
        let prefix = Prefix::of_host(TunnelAddress::V4(7));
        let mut sessions = Sessions::none();
        assert!(sessions.is_over(prefix, numbered(4)));
        sessions.set(prefix, Some(numbered(4)));
        assert!(!sessions.is_over(prefix, numbered(3)) && !sessions.is_over(prefix, numbered(5)));
        assert!(sessions.is_over(prefix, numbered(4)));
        let grown = |number| Session { number, is_renumbered: true };
        assert!(sessions.is_over(prefix, grown(5)) && !sessions.is_over(prefix, grown(3)));
        sessions.set(prefix, None);
        assert!(sessions.is_over(prefix, numbered(3)));
    }
}
