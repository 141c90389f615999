//! What bands were refreshed from, exact: for a fleet, whose nodes add up what an account moved on each of them.
//!
//! Knows slots alone.

use crate::meter::flags::kind::Kinds;

/// Of a refresh.
#[derive(Default)]
pub struct Refreshed {
    /// Its index.
    pub week: u64,
    /// The index of the period that it is of.
    pub period: u64,
    /// Bytes sent and received in that period, and flags, of each slot; empty between two refreshes.
    pub slots: Vec<(u64, u64, Kinds)>,
}
