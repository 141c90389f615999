//! What is looked at in an account's epoch: five logarithms of its sums.
//!
//! Holds no account and nothing of what is usual for it.

use super::super::units::Totals;
use super::constants::Constants;
use super::numbers::{kept, ln, number};

/// The features that each have a level and a scale of their own, by position.
pub const SENT: usize = 0;
/// See [`SENT`].
pub const RATIO: usize = 1;
/// See [`SENT`].
pub const ANSWERS: usize = 2;
/// See [`SENT`].
pub const SIZE: usize = 3;

/// An epoch of an account as logarithms, and what it was enough for.
#[derive(Clone, Copy)]
pub struct Features {
    /// Bytes up; their ratio to bytes down; packets down for each packet up; bytes of a packet up.
    pub tracked: [f32; 4],
    /// Bytes of both directions.
    pub volume: f32,
    /// Enough bytes for the account to be active.
    pub is_active: bool,
    /// Enough packets up for missing answers to mean something.
    pub is_sender: bool,
}

impl Features {
    /// The features of an epoch's sums.
    #[must_use]
    pub fn of(sums: Totals, constants: &Constants) -> Self {
        let floor = constants.floor_bytes;
        let (up, down) = (number(sums.up.bytes), number(sums.down.bytes));
        let (up_packets, down_packets) = (number(sums.up.packets), number(sums.down.packets));
        let total = number(sums.bytes());
        Self {
            tracked: [
                kept(ln(up.max(floor / 10.0))),
                kept(ln((up + floor / 10.0) / (down + floor))),
                kept(ln((down_packets + 5.0) / (up_packets + 5.0))),
                kept(ln((up + 50.0) / (up_packets + 1.0))),
            ],
            volume: kept(ln(total.max(floor))),
            is_active: total > floor,
            is_sender: sums.up.packets >= constants.sender_packets,
        }
    }
}
