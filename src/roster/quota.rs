//! How many accounts the control socket may bring, so that it neither takes all slots nor tells who exists.
//!
//! Whoever fills the free slots over the socket would learn from the next refusal which account has a slot
//! already. So accounts count that the socket has not named yet, known or not; a refusal is the same for both.
//! Holds a bit for each slot; no account.

use super::error::RosterError;
use super::slots::SlotSet;
use crate::meter::slot::Slot;

/// Of so many slots, one is left to the file's own new accounts.
const RESERVE: usize = 16;

/// Whom the control socket has named since their slots were free.
pub(super) struct SocketQuota {
    reserve: usize,
    named: SlotSet,
}

impl SocketQuota {
    pub(super) fn new(capacity: usize) -> Self {
        Self { reserve: capacity / RESERVE, named: SlotSet::default() }
    }

    /// Whether the socket may name so many accounts that it has not named yet; `room` is how many slots are
    /// free.
    ///
    /// # Errors
    /// When there are fewer than it may take.
    pub(super) fn require(&self, new: usize, room: usize) -> Result<(), RosterError> {
        let most = room.saturating_sub(self.reserve);
        if new > most { Err(RosterError::SocketQuota) } else { Ok(()) }
    }

    /// Whether the socket has named the account of this slot.
    pub(super) fn has(&self, slot: Slot) -> bool {
        self.named.has(slot)
    }

    /// The socket names the account of this slot.
    pub(super) fn add(&mut self, slot: Slot) {
        self.named.add(slot);
    }

    /// The slot has another owner from now on, or others name its account and the socket no more.
    pub(super) fn remove(&mut self, slot: Slot) {
        self.named.remove(slot);
    }
}
