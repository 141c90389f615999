//! Room for what is no single address of a pool: the control socket has one half of it, everybody else the other.
//!
//! Were it one room, whoever fills it over the socket would learn from each refusal whether a client that a VPN server
//! tells of has just come or gone. Counts prefixes for each of the tap's tables; holds no address and no account.

use super::address::{Prefix, TunnelAddress};
use super::assignment::Assignment;
use super::error::RosterError;
use super::owners::table_entries;
use super::place::Place;
use super::source::Source;

/// What the halves hold.
pub(super) struct Outside {
    /// Entries of each table that are a half.
    most: usize,
    /// By half, and by table.
    held: [[usize; 4]; 2],
}

impl Outside {
    pub(super) const fn new(accounts: usize) -> Self {
        Self { most: table_entries(accounts) / 2, held: [[0; 4]; 2] }
    }

    /// What is assigned of a prefix outside the pools has changed.
    pub(super) fn changed(&mut self, prefix: Prefix, before: Assignment, after: Assignment) {
        let (table, entries) = weight(prefix);
        for (half, held) in self.held.iter_mut().enumerate() {
            match (is_named_in(half, before), is_named_in(half, after)) {
                (false, true) => held[table] += entries,
                (true, false) => held[table] = held[table].saturating_sub(entries),
                _ => {}
            }
        }
    }

    /// Whether a source's half has room for these, which it does not name yet; for nothing else of the source's own
    /// where they are to be all that it names (`is_all`).
    ///
    /// # Errors
    /// When it has not. It depends on nothing that the other half holds.
    pub(super) fn require(
        &self,
        source: Source,
        prefixes: impl Iterator<Item = Prefix>,
        is_all: bool,
    ) -> Result<(), RosterError> {
        let mut held = if is_all { [0; 4] } else { self.held[half_of(source)] };
        for prefix in prefixes {
            let (table, entries) = weight(prefix);
            held[table] += entries;
            if held[table] > self.most {
                return Err(RosterError::OutsideFull { most: self.most });
            }
        }
        Ok(())
    }
}

const fn half_of(source: Source) -> usize {
    if matches!(source, Source::Control) { 0 } else { 1 }
}

fn is_named_in(half: usize, assignment: Assignment) -> bool {
    Source::ALL.into_iter().any(|source| half_of(source) == half && assignment.of(source).is_some())
}

/// The table of a prefix, and the entries that it takes at the most: an owner on one interface moves the one on all
/// others out of the pool's array.
fn weight(prefix: Prefix) -> (usize, usize) {
    let is_v6 = matches!(prefix.address(), TunnelAddress::V6(_));
    let entries = if prefix.place() == Place::ANY { 1 } else { 2 };
    (usize::from(is_v6) + 2 * usize::from(!prefix.is_host()), entries)
}
