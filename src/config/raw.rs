//! The configuration file as written: one struct per table, unknown keys refused.
//!
//! Nothing here is checked beyond its type; the parent module builds `Config` from it.

use super::quantity::{BitsPerSecond, Bytes, Seconds};
use serde::Deserialize;
use std::path::PathBuf;
use toml::Spanned;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) tap: Tap,
    #[serde(default)]
    pub(super) node: Node,
    #[serde(default)]
    pub(super) roster: Roster,
    #[serde(default)]
    pub(super) control: Control,
    #[serde(default)]
    pub(super) epoch: Epoch,
    #[serde(default)]
    pub(super) release: Release,
    #[serde(default)]
    pub(super) support: Support,
    #[serde(default)]
    pub(super) web: Web,
    #[serde(default)]
    pub(super) store: Store,
    #[serde(default)]
    pub(super) irregularity: Irregularity,
    pub(super) fleet: Option<Fleet>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tap {
    pub(super) interfaces: Spanned<Vec<Spanned<String>>>,
    pub(super) backend: Option<Spanned<String>>,
    pub(super) hook: Option<Spanned<String>>,
    pub(super) pin: Option<Spanned<PathBuf>>,
    pub(super) memory_budget: Option<Bytes>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct Node {
    pub(super) name: Option<Spanned<String>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct Roster {
    pub(super) probe_account: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) pools: Vec<Spanned<String>>,
    pub(super) file: Option<PathBuf>,
    #[serde(default)]
    pub(super) wireguard: Vec<WireGuard>,
    #[serde(default)]
    pub(super) openvpn: Vec<OpenVpn>,
    #[serde(default)]
    pub(super) strongswan: Vec<StrongSwan>,
    #[serde(default)]
    pub(super) radius: Vec<Radius>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WireGuard {
    pub(super) interface: Spanned<String>,
    pub(super) accounts: Option<PathBuf>,
    pub(super) poll: Option<Spanned<Seconds>>,
    pub(super) grace: Option<Spanned<u64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OpenVpn {
    pub(super) status: Spanned<PathBuf>,
    pub(super) poll: Option<Spanned<Seconds>>,
    pub(super) grace: Option<Spanned<u64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StrongSwan {
    pub(super) socket: Spanned<PathBuf>,
    pub(super) identity: Option<Spanned<String>>,
    pub(super) poll: Option<Spanned<Seconds>>,
    pub(super) grace: Option<Spanned<u64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Radius {
    pub(super) listen: Option<Spanned<String>>,
    pub(super) secret_file: Spanned<PathBuf>,
    pub(super) account: Option<Spanned<String>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct Control {
    pub(super) socket: Option<Spanned<PathBuf>>,
    #[serde(default)]
    pub(super) roles: Roles,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct Roles {
    pub(super) roster: Option<Vec<String>>,
    pub(super) support: Option<Vec<String>>,
    pub(super) privacy: Option<Vec<String>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct Epoch {
    pub(super) length: Option<Spanned<Seconds>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct Release {
    pub(super) scope: Option<Spanned<String>>,
    pub(super) mode: Option<Spanned<String>>,
    pub(super) epsilon: Option<Spanned<f64>>,
    pub(super) clamp: Option<Spanned<Bytes>>,
    pub(super) crowd: Option<Spanned<u64>>,
    pub(super) link_capacity: Option<Spanned<BitsPerSecond>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct Support {
    pub(super) refresh: Option<Spanned<Seconds>>,
    pub(super) listen: Option<Spanned<String>>,
    pub(super) config_file: Option<PathBuf>,
    pub(super) language: Option<Spanned<String>>,
    pub(super) two_person: Option<bool>,
    #[serde(default)]
    pub(super) roles: DeskRoles,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct DeskRoles {
    #[serde(default)]
    pub(super) support: Vec<String>,
    #[serde(default)]
    pub(super) privacy: Vec<String>,
    #[serde(default)]
    pub(super) persons: Vec<Spanned<Vec<String>>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct Irregularity {
    pub(super) enabled: Option<bool>,
    pub(super) preset: Option<Spanned<String>>,
    pub(super) tick: Option<Spanned<Seconds>>,
    pub(super) mass_event_share: Option<Spanned<f64>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct Web {
    pub(super) listen: Option<Vec<Spanned<String>>>,
    pub(super) config_file: Option<PathBuf>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct Store {
    pub(super) mode: Option<Spanned<String>>,
    pub(super) path: Option<PathBuf>,
    pub(super) key_file: Option<PathBuf>,
    pub(super) capacity: Option<Spanned<usize>>,
    pub(super) save_every: Option<Spanned<Seconds>>,
    pub(super) period: Option<Spanned<Seconds>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fleet {
    pub(super) key_file: PathBuf,
    pub(super) credentials_file: PathBuf,
    pub(super) spread: Option<Spanned<Seconds>>,
    pub(super) nodes: Option<Spanned<u16>>,
    pub(super) nodes_a_day: Option<Spanned<u16>>,
    pub(super) cluster: Spanned<Vec<FleetCluster>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FleetCluster {
    pub(super) members: Spanned<Vec<Spanned<String>>>,
    pub(super) ca_file: Option<PathBuf>,
    pub(super) certificate_file: Option<Spanned<PathBuf>>,
    pub(super) private_key_file: Option<Spanned<PathBuf>>,
}
