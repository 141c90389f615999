//! The reports about one account over the whole fleet.
//!
//! They hold the account that was asked for, and of nodes how many there are, never which; of times the days of the
//! schedule alone.

use super::reports::{BandReport, FlagReport, SCHEMA_VERSION};
use serde::{Deserialize, Serialize};

/// What support sees of an account over the fleet.
#[derive(Serialize, Deserialize)]
pub struct FleetView {
    schema_version: u32,
    /// The requested account.
    pub account: String,
    /// Its band over all nodes.
    pub band: BandReport,
    /// Flags that one of its nodes raises, the most severe first.
    pub flags: Vec<FleetFlag>,
    /// Nodes of the fleet, whichever of them know the account.
    pub nodes: u64,
    /// Of these, those that have not sent the week that the band is of.
    pub stale_nodes: u64,
}

/// A flag, and on how many nodes.
#[derive(Serialize, Deserialize)]
pub struct FleetFlag {
    /// The flag.
    #[serde(flatten)]
    pub flag: FlagReport,
    /// On how many nodes it is raised.
    pub nodes: u64,
}

/// How far an erasure or a correction has come over the fleet.
#[derive(Serialize, Deserialize)]
pub struct FleetConfirmation {
    /// Nodes of the fleet, whichever of them know the account.
    pub nodes: u64,
    /// Of these, those that have sent everything since, and so have followed.
    pub followed: u64,
    /// The day by which every node that runs has.
    pub all_by: String,
}

impl FleetView {
    /// The view of an account.
    #[must_use]
    pub fn new(
        account: &str,
        band: BandReport,
        flags: Vec<FleetFlag>,
        (nodes, stale_nodes): (u64, u64),
    ) -> Self {
        Self { schema_version: SCHEMA_VERSION, account: account.to_owned(), band, flags, nodes, stale_nodes }
    }
}
