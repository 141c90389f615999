//! What an epoch says beside its bytes: how many accounts carry a new flag, and a few marks of the
//! node itself. Counts only; whose flags they are is not in here.

/// The kinds of irregularity, in the order of `blindmeter_epoch_irregular_accounts{kind}`.
pub const KINDS: [&str; 6] = ["heavy", "pktflood", "stall", "surge", "updrift", "upload"];

/// What was raised in one epoch, exact. Nothing raises flags yet: the daemon hands in zeros.
///
/// An account counts for its two most severe kinds at the most: the noise of the counts is made for
/// that (see [`super::policy::FLAG_SCALE`]).
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct FlagCounts {
    /// Accounts by kind, in the order of [`KINDS`].
    pub accounts: [u64; KINDS.len()],
    /// So many accounts were irregular that no list was made.
    pub mass_event: bool,
    /// The node itself looks interrupted.
    pub interrupted: bool,
    /// Failed log-ins that hooks reported.
    pub failed_attempts: u64,
}
