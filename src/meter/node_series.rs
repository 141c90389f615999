//! The series of the node: counts that belong to no account, but that an account can move.
//!
//! Each has a stated influence, which is what one account is taken to move of it on one day at the most,
//! and noise for that. No clamp holds an account to it, since nobody knows whose these counts are: what an
//! account moves beyond the influence is told by as many times the epsilon (SECURITY.md has the figures).
//! Holds numbers of the policy, no traffic.

use super::budget::Epsilon;

/// A count of the node that is published.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum NodeSeries {
    /// Bytes of addresses that no account owns, in each direction.
    Unattributed,
    /// Packets that the tap knows it missed.
    Lost,
    /// Packets whose IP header could not be read.
    Malformed,
    /// Failed log-ins that hooks reported.
    FailedAttempts,
}

/// Budget of an account-day in each of the series, within its influence.
///
/// # Source
/// Privacy design, section 3; the influences as well.
pub const NODE_SERIES_EPSILON: Epsilon = Epsilon::of_billionths(50_000_000);

impl NodeSeries {
    /// Every one, in the order of the page.
    pub const ALL: [Self; 4] = [Self::FailedAttempts, Self::Lost, Self::Malformed, Self::Unattributed];

    /// The name in `blindmeter_epoch_node_noise_stddev{series=...}` and in `check`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unattributed => "unattributed_bytes",
            Self::Lost => "lost_packets",
            Self::Malformed => "malformed_packets",
            Self::FailedAttempts => "failed_attempts",
        }
    }

    /// What one account is taken to move of it on one day: bytes in both directions together, packets, or
    /// attempts.
    #[must_use]
    pub const fn influence(self) -> u64 {
        match self {
            Self::Unattributed => 1 << 30,
            Self::Lost => 1 << 20,
            Self::Malformed => 1 << 16,
            Self::FailedAttempts => 64,
        }
    }
}
