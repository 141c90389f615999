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
    pub(super) irregularity: Option<Spanned<toml::Table>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tap {
    pub(super) interfaces: Spanned<Vec<Spanned<String>>>,
    pub(super) backend: Option<Spanned<String>>,
    pub(super) hook: Option<Spanned<String>>,
    pub(super) pin: Option<PathBuf>,
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
    pub(super) wireguard: Option<Spanned<toml::Value>>,
    pub(super) openvpn: Option<Spanned<toml::Value>>,
    pub(super) strongswan: Option<Spanned<toml::Value>>,
    pub(super) radius: Option<Spanned<toml::Value>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct Control {
    pub(super) socket: Option<PathBuf>,
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
