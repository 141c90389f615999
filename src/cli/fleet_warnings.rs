//! What of a fleet's configuration works and yet disappoints, or is less safe than it could be.
//!
//! Looks at files that were read; asks no server.

use super::service::Unit;
use crate::config::{Config, Fleet};
use crate::fleet::settings::{Role, Settings};

/// The warnings.
pub(super) fn of(config: &Config, fleet: &Fleet, settings: &Settings, unit: &Unit) -> Vec<String> {
    let mut warnings = Vec::new();
    if fleet.clusters.len() == 1 {
        warnings.push(
            "fleet: there is one cluster, and whoever runs it reads what each node wrote of each account's tag in two \
             weeks; a second one under another administrator leaves each with random numbers"
                .to_owned(),
        );
    }
    if !settings.has(Role::Node) {
        warnings.push(
            "fleet credentials_file: no line node:PASSWORD for every cluster, so that this node sends nothing; its \
             accounts are missing in the fleet's sums"
                .to_owned(),
        );
    }
    if config.node_name == "node" {
        warnings.push(
            "fleet: node.name is not set, and two nodes of one name overwrite each other's words; give each its own"
                .to_owned(),
        );
    }
    let is_elsewhere = fleet.clusters.iter().any(|cluster| cluster.ca_file.is_some());
    if is_elsewhere && unit.keeps_others_out() {
        warnings.push(
            "fleet.cluster.members: the unit lets this host alone reach the daemon; add IPAddressAllow= with the servers' \
             addresses to the unit (systemctl edit blindmeter)"
                .to_owned(),
        );
    }
    warnings
}
