//! What bands were refreshed from, with whose it is, handed to whoever sends it to a fleet.
//!
//! Holds nothing of it: a refresh is taken from the node and goes at once. Outside of a fleet there is none.

use super::state::State;
use crate::environment::Environment;
use crate::meter::flags::kind::Kinds;
use crate::meter::slot::Slot;
use crate::meter::tags::Tag;
use crate::node::refreshed::Refreshed;
use std::sync::OnceLock;

/// Of a refresh: every account, used or not.
pub struct Refresh {
    /// The index of the refresh.
    pub week: u64,
    /// The index of the period that it is of.
    pub period: u64,
    /// Who had moved what.
    pub accounts: Vec<RefreshedAccount>,
}

/// An account as of a refresh.
#[derive(Clone, Copy)]
pub struct RefreshedAccount {
    /// Whose it is.
    pub tag: Tag,
    /// Where it was counted.
    pub slot: Slot,
    /// Bytes sent in the period.
    pub up_bytes: u64,
    /// Bytes received.
    pub down_bytes: u64,
    /// The flags that are told of it.
    pub kinds: Kinds,
}

/// Where refreshes go.
#[derive(Default)]
pub(super) struct Refreshes(OnceLock<Box<dyn Fn(Refresh) + Send + Sync>>);

impl<E: Environment> State<E> {
    /// From here on, refreshes go there. It must not wait: the clock's thread calls it.
    pub fn send_refreshes(&self, to: impl Fn(Refresh) + Send + Sync + 'static) {
        // Called once, at the start.
        let _ = self.refreshes.0.set(Box::new(to));
    }

    /// Hands a refresh on, if there was one. Slots must not have changed hands since.
    pub(super) fn tell_refreshed(&self) {
        let Some(send) = self.refreshes.0.get() else { return };
        let refreshed = self.node().take_refreshed();
        let Some(Refreshed { week, period, slots }) = refreshed else { return };
        let account = |(at, (up_bytes, down_bytes, kinds)): (usize, (u64, u64, Kinds))| {
            let slot = Slot::new(u32::try_from(at).ok()?);
            let tag = self.roster().account_of(slot).filter(|_| slot.is_account())?;
            Some(RefreshedAccount { tag, slot, up_bytes, down_bytes, kinds })
        };
        send(Refresh { week, period, accounts: slots.into_iter().enumerate().filter_map(account).collect() });
    }
}
