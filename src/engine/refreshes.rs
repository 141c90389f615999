//! What bands were refreshed from, with whose it is, handed to whoever sends it to a fleet; and word of each release.
//!
//! Holds nothing of it: a refresh is taken from the node and goes at once. Outside of a fleet there is none.

use crate::meter::flags::kind::Kinds;
use crate::meter::slot::Slot;
use crate::meter::tags::Tag;
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

/// What a fleet is told of.
pub enum News {
    /// Bands were refreshed.
    Refreshed(Refresh),
    /// An epoch was released.
    Released,
}

/// Where news go.
#[derive(Default)]
pub(super) struct Refreshes(pub(super) OnceLock<Box<dyn Fn(News) + Send + Sync>>);
