//! What an epoch reports besides its bytes: how many accounts have a new flag, and how far the node itself
//! looks interrupted. Counts only, and not whose flags they are.

use super::flags::kind::Kind;

/// The kinds of irregularity that are counted, in the order of `blindmeter_epoch_irregular_accounts{kind}`.
pub const KINDS: [Kind; 7] = Kind::ALL;

/// The exact counts of one epoch; zeros where flags are off.
///
/// An account counts for at most its two most severe kinds: the noise on the counts relies on that (see
/// [`super::policy::KINDS_OF_AN_ACCOUNT`]).
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct FlagCounts {
    /// Accounts by kind, in the order of [`KINDS`].
    pub accounts: [u64; KINDS.len()],
    /// The most, over the epoch's ticks, of sick senders less a quarter of all senders, rounded up: one
    /// account moves it by one at the most.
    pub interruption: i64,
    /// Failed log-ins that hooks reported.
    pub failed_attempts: u64,
}
