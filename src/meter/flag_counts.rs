//! What an epoch reports besides its bytes: how many accounts have a new flag, and a few marks of the
//! node itself. Counts only, and not whose flags they are.

/// The kinds of irregularity, in the order of `blindmeter_epoch_irregular_accounts{kind}`.
pub const KINDS: [&str; 6] = ["heavy", "pktflood", "stall", "surge", "updrift", "upload"];

/// The exact counts of one epoch. Nothing raises flags yet: the daemon passes zeros.
///
/// An account counts for at most its two most severe kinds: the noise on the counts relies on that (see
/// [`super::policy::FLAG_SCALE`]).
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct FlagCounts {
    /// Accounts by kind, in the order of [`KINDS`].
    pub accounts: [u64; KINDS.len()],
    /// Too many accounts were irregular to list them.
    pub mass_event: bool,
    /// The node itself looks interrupted.
    pub interrupted: bool,
    /// Failed log-ins that hooks reported.
    pub failed_attempts: u64,
}
