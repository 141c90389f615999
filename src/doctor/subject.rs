//! What the checks are given: what is to be kept private and where, and the facts that no file says.
//!
//! Holds the configuration's interfaces and paths; no pool, no roster, no account.

use crate::config::Pattern;
use std::path::PathBuf;

/// What is to be kept private, and where.
pub struct Subject {
    /// The metered interfaces.
    pub interfaces: Vec<Pattern>,
    /// The folder of the sealed store.
    pub store: StoreLocation,
    /// Where the kernel tap's maps are pinned.
    pub pin: StoreLocation,
    /// The daemon that answers on the control socket.
    pub daemon: Option<Daemon>,
}

/// Where something is kept.
#[derive(Clone)]
pub enum StoreLocation {
    /// In this folder.
    Folder(PathBuf),
    /// It is not kept.
    None,
    /// No configuration was given.
    Unknown,
}

/// A running daemon.
pub struct Daemon {
    /// Its process.
    pub pid: u32,
    /// Its user.
    pub uid: u32,
}

/// What no file says.
pub struct Facts {
    /// Interfaces of this network namespace: index and name.
    pub links: Vec<(u32, String)>,
    /// The state of the clock.
    pub clock: ClockState,
}

/// Whether the clock is synchronised.
pub enum ClockState {
    /// The kernel says so.
    Synchronised,
    /// The kernel says no.
    Unsynchronised,
    /// The kernel does not say, and why.
    Unknown(String),
}
