//! What a node keeps from one process to the next, as plain values: one head, and one record for each
//! slot. `store/` encodes them.
//!
//! Holds no account name and no address: an account is a keyed tag.

use super::audit::Audit;
use super::pending::Requests;
use super::rate_limits::RateLimitState;
use super::schedule::ScheduleState;
use super::shares::Shares;
use crate::meter::band::Band;
use crate::meter::calendar::BandDates;
use crate::meter::epoch::Carry;
use crate::meter::flags::baseline::Baseline;
use crate::meter::flags::watch::WatchState;
use crate::meter::ledger::SinceSave;
use crate::meter::release::Release;
use crate::meter::slot::Slot;
use crate::meter::tags::Tag;
use crate::meter::units::Totals;

/// One slot at the moment of a save.
#[derive(Clone, Copy, Default, PartialEq)]
pub struct Record {
    /// Whose slot it is.
    pub tag: Tag,
    /// Sum of the period's closed epochs.
    pub period: Totals,
    /// The cumulative counter when the open epoch began.
    pub mark: Totals,
    /// The cumulative counter at the save.
    pub reading: Totals,
    /// The band that support sees.
    pub band: Band,
    /// What is usual for the account, and its flags; none where flags are off, and of reserved slots.
    pub baseline: Option<Baseline>,
}

/// What is kept of the node's flags besides the accounts' baselines.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct SavedFlags {
    /// Length of the epochs that baselines were learned from: they say nothing of others.
    pub epoch_seconds: u64,
    /// The state of the whole.
    pub state: WatchState,
}

/// What the own packet counters of the metered interfaces read together, and what was counted by then.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct InterfaceSum {
    /// Packets that had passed the interfaces.
    pub passed: u64,
    /// Packets that the counters of all slots held just before, those that are known to be lost included.
    pub counted: u64,
    /// Tells these interfaces from others.
    pub digest: u64,
}

/// Everything that does not belong to one slot.
#[derive(Clone, PartialEq, Eq)]
pub struct Head {
    /// The counter memory that marks and readings come from.
    pub memory: [u8; 16],
    /// The boot whose clock the nanosecond marks belong to.
    pub boot: [u8; 16],
    /// When epochs end.
    pub schedule: ScheduleState,
    /// Boot clock at which the sealed release is due.
    pub publish_at: Option<u64>,
    /// Drawn but not served yet.
    pub sealed: Option<Release>,
    /// Served last.
    pub released: Release,
    /// What the bands are of.
    pub dates: BandDates,
    /// Index of the last refresh of the bands.
    pub refresh_index: u64,
    /// Boot clock at the last refresh.
    pub refreshed_at: u64,
    /// Index of the current period.
    pub period_index: u64,
    /// Boot clock when the period began.
    pub period_began_at: u64,
    /// What is carried over to the next release.
    pub carry: Carry,
    /// How far the interfaces were, for the next process to tell what passed unseen; none where they cannot
    /// be asked.
    pub interfaces: Option<InterfaceSum>,
    /// The process ended with this save, and nothing was counted after it.
    pub is_last: bool,
    /// What staff has looked up and exported.
    pub limits: RateLimitState,
    /// The node's flags; none where they are off.
    pub flags: Option<SavedFlags>,
    /// What staff did, and what waits for a second officer's word.
    pub rights: Rights,
    /// What is added to a fleet's epochs; nothing of a node by itself.
    pub shares: Shares,
}

/// What is kept about the answers to account holders' rights.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Rights {
    /// What staff did.
    pub audit: Audit,
    /// What waits for a second officer's word.
    pub requests: Requests,
}

/// What each counter would have read at the save, as far as that is known, in the readings' own memory: with a
/// million slots another list of them is what a start has no room for. `reassigned` is told slots with another owner.
pub(super) fn bases(
    mut readings: Vec<Totals>,
    since: impl Fn(Slot, Totals) -> SinceSave,
    mut reassigned: impl FnMut(Slot),
) -> Vec<Totals> {
    let mut known = 0;
    for (at, reading) in readings.iter_mut().enumerate() {
        let slot = Slot::new(u32::try_from(at).unwrap_or(u32::MAX));
        let since = since(slot, *reading);
        if since.reassigned {
            reassigned(slot);
        }
        if let Some(base) = since.base.filter(|_| known == at) {
            *reading = base;
            known += 1;
        }
    }
    readings.truncate(known);
    readings.shrink_to_fit();
    readings
}
