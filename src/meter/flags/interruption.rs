//! Whether the node itself is interrupted: too many of those who send get nothing back.
//!
//! Counts of senders, and none of them named.

use super::super::units::Totals;
use super::constants::Constants;
use super::numbers::number;

/// Senders without whom nothing can be said.
const LEAST_SENDERS: u64 = 8;
/// Sick senders from whom on the node is.
const LEAST_SICK: u64 = 5;

/// Those who send, and those of them who get nothing back.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Senders {
    all: u64,
    sick: u64,
}

/// What the senders of an epoch say about the node.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum NodeState {
    /// Too few send.
    #[default]
    Unknown,
    /// Enough of them get answers.
    Working,
    /// More than a quarter get none.
    Interrupted,
}

impl NodeState {
    /// Every state, by number.
    pub const ALL: [Self; 3] = [Self::Unknown, Self::Working, Self::Interrupted];

    /// The word in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Working => "working",
            Self::Interrupted => "interrupted",
        }
    }

    /// The number, for the store.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The state of this number; unknown for another.
    #[must_use]
    pub fn of_number(number: u8) -> Self {
        Self::ALL.get(usize::from(number)).copied().unwrap_or_default()
    }
}

impl Senders {
    /// Adds an account's epoch.
    pub fn add(&mut self, sums: Totals, constants: &Constants) {
        if sums.up.packets < constants.sender_packets {
            return;
        }
        self.all += 1;
        let is_unanswered = number(sums.down.packets) < 0.05 * number(sums.up.packets);
        self.sick += u64::from(is_unanswered && sums.up.packets < constants.flooding_packets);
    }

    /// What they say about the node.
    #[must_use]
    pub fn state(&self) -> NodeState {
        if self.all < LEAST_SENDERS {
            NodeState::Unknown
        } else if self.sick >= LEAST_SICK && self.sick * 4 > self.all {
            NodeState::Interrupted
        } else {
            NodeState::Working
        }
    }

    /// The sick less a quarter of all, rounded up: one account moves it by one at the most.
    #[must_use]
    pub fn excess(&self) -> i64 {
        let quarters = |count: u64| i64::try_from(count).unwrap_or(i64::MAX / 8);
        (4 * quarters(self.sick) - quarters(self.all) + 3).div_euclid(4)
    }

    /// The share of the sick, from 0 to 1.
    #[must_use]
    pub fn share(&self) -> f64 {
        number(self.sick) / number(self.all.max(1))
    }
}
