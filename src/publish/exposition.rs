//! The two parts of `/metrics` as text. Pure functions of a [`Release`], or of the health of the meter's
//! parts.
//!
//! Gauges only, no sample timestamps, no process collector, no account labels; the set of series
//! depends on the configuration alone and is constant for the life of the process.
//!
//! # Source
//! Prometheus text exposition format 0.0.4.

use crate::meter::flag_counts::KINDS;
use crate::meter::noise::Scale;
use crate::meter::policy::Policy;
use crate::meter::release::Release;
use crate::meter::scope::Scope;
use prometheus::{Encoder, IntGaugeVec, Opts, Registry, TextEncoder};

/// The content type of `/metrics`.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The released part: every `blindmeter_epoch*` series. The policy is the one that the release was made
/// under. Of a node of a fleet they are constant but for its epoch and the tap's gaps, and have no noise.
#[must_use]
pub fn released(release: &Release, policy: &Policy) -> String {
    let page = Page::new("");
    epoch(&page, release, policy, policy.scope == Scope::Node);
    page.plain(
        "epoch_tap_gap",
        "1 if the tap did not count for a part of the epoch, whether or not packets passed.",
        release.tap_gap().into(),
    );
    page.text()
}

/// The released part of a fleet's page: every `blindmeter_fleet_epoch*` series. So many nodes' shares are in it.
#[must_use]
pub fn fleet(release: &Release, nodes: u64, policy: &Policy) -> String {
    let page = Page::new("fleet_");
    epoch(&page, release, policy, true);
    page.plain("epoch_nodes", "Nodes that are in the epoch; 0 where too few had sent.", unsigned(nodes));
    if let Scope::Fleet(terms) = policy.scope {
        page.plain("epoch_needed_nodes", "Nodes that an epoch needs.", terms.nodes.into());
        page.plain(
            "epoch_account_nodes",
            "Nodes that an account is taken to use in a day at the most: on more of them, it is hidden less well.",
            terms.nodes_a_day.into(),
        );
    }
    page.text()
}

/// What a node's page and a fleet's have alike.
fn epoch(page: &Page, release: &Release, policy: &Policy, has_noise: bool) {
    page.plain(
        "epoch",
        "Ordinal of the last released epoch; 0 before the first.",
        unsigned(release.ordinal()),
    );
    page.labelled(
        "epoch_bytes",
        "Bytes of accounts in the epoch, as released; with noise, so can be negative. Up is into the VPN.",
        &["direction"],
        &[(&["up"], release.up_bytes()), (&["down"], release.down_bytes())],
    );
    page.labelled(
        "epoch_unattributed_bytes",
        "Bytes from or to addresses that no account owns, with separate noise; a value can be negative.",
        &["direction"],
        &[(&["up"], release.unattributed_up_bytes()), (&["down"], release.unattributed_down_bytes())],
    );
    page.plain(
        "epoch_suppressed",
        "1 if the epoch was held back: too few accounts, or one account dominated it.",
        release.suppressed().into(),
    );
    let kinds: Vec<[&str; 1]> = KINDS.iter().map(|kind| [kind.name()]).collect();
    let counts = release.irregular_accounts().map(unsigned);
    let rows: Vec<(&[&str], i64)> = kinds.iter().map(<[&str; 1]>::as_slice).zip(counts).collect();
    page.labelled(
        "epoch_irregular_accounts",
        "Accounts newly flagged in the epoch, in multiples of 8 and with separate noise; 0 where flags are off.",
        &["kind"],
        &rows,
    );
    page.plain(
        "epoch_mass_event",
        "1 if, by the released counts, too many accounts were irregular to list them.",
        release.mass_event().into(),
    );
    page.plain("epoch_interrupted", "1 if the node itself looks interrupted.", release.interrupted().into());
    page.plain(
        "epoch_lost_packets",
        "Packets the tap knows it missed, with separate noise; can be negative.",
        release.lost_packets(),
    );
    page.plain(
        "epoch_malformed_packets",
        "Packets whose IP header could not be read, with separate noise; can be negative.",
        release.malformed_packets(),
    );
    page.plain(
        "epoch_failed_attempts",
        "Failed log-ins reported by hooks, with separate noise; can be negative.",
        release.failed_attempts(),
    );
    let stddev = |stddev: u128| if has_noise { i64::try_from(stddev).unwrap_or(i64::MAX) } else { 0 };
    page.plain("epoch_length_seconds", "Length of an epoch.", unsigned(policy.epoch_seconds));
    page.plain("epoch_crowd", "Active accounts that an epoch needs.", unsigned(policy.crowd));
    page.plain(
        "epoch_noise_stddev_bytes",
        "Standard deviation of the noise of epoch_bytes, each direction; 0 without noise.",
        stddev(policy.byte_scale().map_or(0, Scale::standard_deviation)),
    );
    page.plain("epoch_rounding_bytes", "Step that bytes are rounded to.", unsigned(policy.rounding_step()));
    let rows: Vec<([&str; 1], i64)> = policy.node_noise().map(|(series, of)| ([series], stddev(of))).into();
    page.labelled(
        "epoch_node_noise_stddev",
        "Standard deviation of the noise of other series; 0 without noise.",
        &["series"],
        &rows.iter().map(|(labels, value)| (labels.as_slice(), *value)).collect::<Vec<_>>(),
    );
}

/// The status part, which is everything that belongs to no epoch: interface patterns and whether they
/// are attached, roster sources and whether they are up, whether the last save succeeded and the last
/// reload was accepted, when the next release is due by the schedule, and the policy. Traffic changes none of it.
#[must_use]
pub fn status(
    taps: &[(String, bool)],
    sources: &[(&str, bool)],
    store_ok: bool,
    reload_ok: bool,
    next_release_seconds: u64,
    policy: &Policy,
) -> String {
    let page = Page::new("");
    program(&page, policy, policy.published_mode());
    let rows: Vec<([&str; 1], i64)> =
        taps.iter().map(|(name, attached)| ([name.as_str()], (*attached).into())).collect();
    page.labelled(
        "tap_attached",
        "1 if the interface is attached; for a glob, unless an interface that matches failed to attach.",
        &["interface"],
        &rows.iter().map(|(labels, value)| (labels.as_slice(), *value)).collect::<Vec<_>>(),
    );
    let rows: Vec<([&str; 1], i64)> = sources.iter().map(|(source, up)| ([*source], (*up).into())).collect();
    page.labelled(
        "roster_source_up",
        "1 if the source was read.",
        &["source"],
        &rows.iter().map(|(labels, value)| (labels.as_slice(), *value)).collect::<Vec<_>>(),
    );
    page.plain("store_ok", "1 if the last save succeeded; always 1 in memory mode.", store_ok.into());
    page.plain(
        "next_release_timestamp_seconds",
        "When the next release is due by the schedule.",
        unsigned(next_release_seconds),
    );
    page.plain("config_last_reload_successful", "1 if the last reload was accepted.", reload_ok.into());
    page.text()
}

/// The status part of a fleet's page: which clusters were asked without trouble, whether what was opened is kept, when
/// the next epoch is due, and the policy.
#[must_use]
pub fn fleet_status(clusters: &[(char, bool)], store_ok: bool, next_seconds: u64, policy: &Policy) -> String {
    let page = Page::new("");
    program(&page, policy, policy.mode.as_str());
    let names: Vec<(String, i64)> =
        clusters.iter().map(|(letter, up)| (letter.to_string(), (*up).into())).collect();
    let rows: Vec<([&str; 1], i64)> = names.iter().map(|(letter, up)| ([letter.as_str()], *up)).collect();
    page.labelled(
        "fleet_cluster_up",
        "1 if the cluster answered when it was asked last.",
        &["cluster"],
        &rows.iter().map(|(labels, value)| (labels.as_slice(), *value)).collect::<Vec<_>>(),
    );
    page.plain("fleet_store_ok", "1 if the last epoch was kept before it was shown.", store_ok.into());
    page.plain(
        "fleet_next_release_timestamp_seconds",
        "When the next epoch is opened, by the schedule.",
        unsigned(next_seconds),
    );
    page.text()
}

/// Which program and policy this is.
fn program(page: &Page, policy: &Policy, mode: &str) {
    page.labelled(
        "build_info",
        "Always 1; labels give the program's version and commit, and the profile of its privacy floors.",
        &["version", "revision", "profile"],
        &[(
            &[
                env!("CARGO_PKG_VERSION"),
                option_env!("BLINDMETER_REVISION").unwrap_or("unknown"),
                policy.profile.as_str(),
            ],
            1,
        )],
    );
    page.labelled(
        "policy_info",
        "Always 1; labels give the release mode, and a digest of every privacy parameter in force.",
        &["mode", "policy"],
        &[(&[mode, &policy.digest()], 1)],
    );
}

fn unsigned(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A registry for one rendering only, so that nothing else can slip in.
struct Page {
    registry: Registry,
    /// What stands before each name, after the program's own.
    prefix: &'static str,
}

impl Page {
    fn new(prefix: &'static str) -> Self {
        Self { registry: Registry::new(), prefix }
    }

    fn plain(&self, name: &str, help: &str, value: i64) {
        self.labelled(name, help, &[], &[(&[], value)]);
    }

    fn labelled(&self, name: &str, help: &str, labels: &[&str], rows: &[(&[&str], i64)]) {
        let options = Opts::new(format!("blindmeter_{}{name}", self.prefix), help);
        let gauge = IntGaugeVec::new(options, labels).expect("the names and labels listed here are valid");
        for (values, value) in rows {
            gauge.with_label_values(values).set(*value);
        }
        self.registry.register(Box::new(gauge)).expect("each name is registered once");
    }

    fn text(&self) -> String {
        let mut text = Vec::new();
        TextEncoder::new()
            .encode(&self.registry.gather(), &mut text)
            .expect("writing to memory does not fail");
        String::from_utf8(text).expect("the exposition format is UTF-8")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meter::policy::Profile;

    /// The whole page before the first release, series by series.
    #[test]
    fn the_page_before_the_first_release_is_the_golden_one() {
        let policy = Policy { profile: Profile::Standard, ..Policy::DEFAULT };
        let taps = [("wg0".into(), true), ("tun*".into(), true)];
        let sources = [("control", true), ("file", true)];
        let page = released(&Release::none(), &policy)
            + &status(&taps, &sources, true, true, 1_800_000_600, &policy);
        let samples: Vec<&str> = page.lines().filter(|line| !line.starts_with('#')).collect();
        let digest = policy.digest();
        let version = env!("CARGO_PKG_VERSION");
        let revision = option_env!("BLINDMETER_REVISION").unwrap_or("unknown");
        let expected = format!(
            r#"blindmeter_epoch 0
blindmeter_epoch_bytes{{direction="down"}} 0
blindmeter_epoch_bytes{{direction="up"}} 0
blindmeter_epoch_crowd 20
blindmeter_epoch_failed_attempts 0
blindmeter_epoch_interrupted 0
blindmeter_epoch_irregular_accounts{{kind="heavy"}} 0
blindmeter_epoch_irregular_accounts{{kind="pktflood"}} 0
blindmeter_epoch_irregular_accounts{{kind="stall"}} 0
blindmeter_epoch_irregular_accounts{{kind="surge"}} 0
blindmeter_epoch_irregular_accounts{{kind="unusual"}} 0
blindmeter_epoch_irregular_accounts{{kind="updrift"}} 0
blindmeter_epoch_irregular_accounts{{kind="upload"}} 0
blindmeter_epoch_length_seconds 86400
blindmeter_epoch_lost_packets 0
blindmeter_epoch_malformed_packets 0
blindmeter_epoch_mass_event 0
blindmeter_epoch_node_noise_stddev{{series="failed_attempts"}} 1810
blindmeter_epoch_node_noise_stddev{{series="irregular_accounts"}} 7
blindmeter_epoch_node_noise_stddev{{series="lost_packets"}} 29658208
blindmeter_epoch_node_noise_stddev{{series="malformed_packets"}} 1853638
blindmeter_epoch_node_noise_stddev{{series="unattributed_bytes"}} 30370004992
blindmeter_epoch_noise_stddev_bytes 75925012479
blindmeter_epoch_rounding_bytes 17179869184
blindmeter_epoch_suppressed 0
blindmeter_epoch_tap_gap 0
blindmeter_epoch_unattributed_bytes{{direction="down"}} 0
blindmeter_epoch_unattributed_bytes{{direction="up"}} 0
blindmeter_build_info{{profile="standard",revision="{revision}",version="{version}"}} 1
blindmeter_config_last_reload_successful 1
blindmeter_next_release_timestamp_seconds 1800000600
blindmeter_policy_info{{mode="noisy",policy="{digest}"}} 1
blindmeter_roster_source_up{{source="control"}} 1
blindmeter_roster_source_up{{source="file"}} 1
blindmeter_store_ok 1
blindmeter_tap_attached{{interface="tun*"}} 1
blindmeter_tap_attached{{interface="wg0"}} 1"#
        );
        assert_eq!(samples, expected.lines().collect::<Vec<_>>());
        assert!(!page.contains("_created") && page.len() < 5120);
        assert!(page.lines().filter(|line| line.starts_with("# TYPE")).all(|line| line.ends_with(" gauge")));
    }
}
