//! A real Prometheus scrapes a node through several epochs while thirty accounts send and receive as
//! they please: between two releases every scrape is the same to the byte, and a release is what was
//! sent, rounded.
#![cfg(feature = "lab")]
#![expect(clippy::disallowed_methods, reason = "epochs follow the wall clock, and so does the traffic here")]

mod daemon;
mod netns;
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use daemon::command::repeats_nothing;
use daemon::prometheus::{self, get};
use daemon::{Site, http};
use netns::Namespace;
use netns::tally::Way;
use netns::wire::{Kind, Wire, nobody};
use serde_json::Value;
use support::frames::{Address, datagram};
use support::rng::Rng;
use support::wait::let_pass;

const EPOCH_SECONDS: u64 = 5;
const ACCOUNTS: u32 = 30;
/// A thousandth of what 1 Gbit/s carries in five seconds, up to the next power of two.
const ROUNDING_STEP: u64 = 1 << 20;
/// Releases to wait for: the first holds the part before it too, two more follow whole epochs.
const RELEASES: usize = 3;
/// The first release comes at the second boundary after the start, the others an epoch apart.
const RUN_LIMIT: Duration = Duration::from_secs(EPOCH_SECONDS * (RELEASES as u64 + 4));
const PROMETHEUS_PORT: u16 = 9090;
/// What Prometheus itself notes about every target.
const OF_PROMETHEUS: [&str; 5] = [
    "up",
    "scrape_duration_seconds",
    "scrape_samples_scraped",
    "scrape_samples_post_metric_relabeling",
    "scrape_series_added",
];
const DOCUMENTED: [&str; 23] = [
    "blindmeter_build_info",
    "blindmeter_policy_info",
    "blindmeter_epoch",
    "blindmeter_epoch_length_seconds",
    "blindmeter_epoch_noise_stddev_bytes",
    "blindmeter_epoch_rounding_bytes",
    "blindmeter_epoch_crowd",
    "blindmeter_next_release_timestamp_seconds",
    "blindmeter_epoch_bytes",
    "blindmeter_epoch_unattributed_bytes",
    "blindmeter_epoch_suppressed",
    "blindmeter_epoch_irregular_accounts",
    "blindmeter_epoch_mass_event",
    "blindmeter_epoch_interrupted",
    "blindmeter_epoch_node_noise_stddev",
    "blindmeter_epoch_lost_packets",
    "blindmeter_epoch_tap_gap",
    "blindmeter_epoch_malformed_packets",
    "blindmeter_epoch_failed_attempts",
    "blindmeter_tap_attached",
    "blindmeter_roster_source_up",
    "blindmeter_store_ok",
    "blindmeter_config_last_reload_successful",
];

/// Bytes up and down that were sent in each epoch of the wall clock.
type Sent = BTreeMap<u64, [u64; 2]>;

/// A running Prometheus, and where it answers.
struct Prometheus<'a> {
    namespace: &'a Namespace,
    _process: prometheus::Prometheus,
}

impl<'a> Prometheus<'a> {
    fn start(namespace: &'a Namespace, site: &Site) -> Self {
        let config = format!(
            "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\nscrape_configs: [{{job_name: node, \
             static_configs: [{{targets: ['127.0.0.1:{}']}}]}}]\n",
            site.port
        );
        site.write("prometheus.yml", config);
        let spawn = |mut command: Command| namespace.run(move || command.spawn());
        let process = prometheus::Prometheus::start(site, PROMETHEUS_PORT, spawn, |path| {
            namespace.run(move || get(PROMETHEUS_PORT, path))
        });
        Self { namespace, _process: process }
    }

    fn ask(&self, path: &str) -> Option<http::Answer> {
        let path = path.to_owned();
        self.namespace.run(move || get(PROMETHEUS_PORT, &path))
    }

    fn api(&self, path: &str) -> Value {
        let answer = self.ask(&format!("/api/v1/{path}")).expect("Prometheus answers");
        let answer: Value = serde_json::from_str(&answer.body).expect("the API speaks JSON");
        assert_eq!(answer["status"], "success", "{path}: {answer}");
        answer["data"].clone()
    }

    /// Every sample of a series there is, as time and value.
    fn samples(&self, series: &str) -> Vec<(String, String)> {
        let query = format!("{series}[5m]").replace('{', "%7B").replace('}', "%7D").replace('"', "%22");
        let answer = self.api(&format!("query?query={}", query.replace('[', "%5B").replace(']', "%5D")));
        pairs(&answer["result"], series)
    }
}

/// The only series of a matrix.
fn pairs(result: &Value, series: &str) -> Vec<(String, String)> {
    let all = result.as_array().expect("a matrix");
    assert_eq!(all.len(), 1, "{series} is one series: {result}");
    let values = all[0]["values"].as_array().expect("values").iter();
    values.map(|pair| (pair[0].to_string(), pair[1].as_str().expect("a text").to_owned())).collect()
}

/// Sends in the middle of each epoch, more and less by chance, until told to stop. Nothing
/// is sent near a boundary, so that it is plain which epoch a packet belongs to.
fn send(wire: &Wire, stop: &AtomicBool) -> Sent {
    let mut rng = Rng::seeded(0x1ab);
    let mut sent = Sent::new();
    // Relaxed: the flag only has to be seen at some time.
    while !stop.load(Ordering::Relaxed) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
        let phase = now.as_millis() % u128::from(EPOCH_SECONDS * 1000);
        if (1000..4000).contains(&phase) {
            let totals = sent.entry(now.as_secs() / EPOCH_SECONDS).or_default();
            for _ in 0..rng.below(200) {
                let account = u32::try_from(rng.below(30)).expect("small");
                let (here, there) = (Address::v4(0x0a4d_0001 + account), nobody(Address::v4(0), 1));
                let length = rng.between(28, 9_000);
                let up = rng.below(3) == 0;
                let (way, packet) = if up {
                    (Way::Up, datagram(here, there, length))
                } else {
                    (Way::Down, datagram(there, here, length))
                };
                wire.send(way, &packet);
                totals[usize::from(!up)] += u64::try_from(length).expect("a length");
            }
        }
        let_pass(Duration::from_millis(20), "the pace of the load");
    }
    sent
}

fn value(body: &str, series: &str) -> u64 {
    let value = body.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    value.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no count {series} in {body}"))
}

/// The samples of an answer, in either format.
fn samples(answer: &str) -> Vec<&str> {
    answer.lines().filter(|line| line.starts_with("blindmeter_")).collect()
}

/// Scrapes ten times a second, in both formats, until enough releases were seen; gives all answers in the text
/// format, headers and all, equal neighbours once, with how often each was seen in a row. Those in OpenMetrics
/// change with them, and hold the same.
fn scrape(namespace: &Namespace, port: u16) -> Vec<(String, usize)> {
    let deadline = Instant::now() + RUN_LIMIT;
    let mut seen: Vec<(String, usize)> = Vec::new();
    let mut open_metrics: Vec<String> = Vec::new();
    // The last release is watched for most of an epoch too.
    while seen.len() <= RELEASES || seen[RELEASES].1 < 30 {
        assert!(Instant::now() < deadline, "{} releases only", seen.len().saturating_sub(1));
        let request = b"GET /metrics HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n";
        let other = b"GET /metrics HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\
                      Accept: application/openmetrics-text;version=1.0.0\r\n\r\n";
        let asked = [&request[..], other];
        let answers = namespace.run(move || asked.map(|request| http::exchange(port, request)));
        let [answer, other] = answers.map(|answer| String::from_utf8(answer).expect("the page is text"));
        // A release may fall between the two.
        if samples(&answer) != samples(&other) {
            continue;
        }
        if open_metrics.last() != Some(&other) {
            assert!(other.ends_with("\n# EOF\n"), "{other}");
            open_metrics.push(other);
        }
        match seen.last_mut() {
            Some((before, times)) if *before == answer => *times += 1,
            _ => seen.push((answer, 1)),
        }
        let_pass(Duration::from_millis(100), "ten scrapes a second");
    }
    assert_eq!(open_metrics.len(), seen.len(), "OpenMetrics changes when the text format does");
    seen
}

#[test]
fn a_prometheus_learns_of_an_epoch_at_its_release_and_of_nothing_else() {
    let namespace = Namespace::new();
    let site = Site::new();
    let wire = Wire::make(&namespace, Kind::Tun, "tun0");
    site.configure("bm-none*", "tun0");
    site.configure("\"24h\"", format!("\"{EPOCH_SECONDS}s\""));
    site.configure("crowd = 20", "crowd = 10");
    let lines: String = (0..ACCOUNTS).map(|n| format!("10.77.0.{},canary-{n}\n", n + 1)).collect();
    site.write("roster.csv", format!("prefix,account\n{lines}"));
    let mut command = site.daemon_command(&[]);
    let mut daemon = site.adopt(namespace.run(move || command.spawn()).expect("setpriv is there"));
    daemon.await_answer();
    let said = daemon.said();
    assert!(said.starts_with("blindmeter: LAB BUILD"), "a lab build says so first: {said}");
    let prometheus = Prometheus::start(&namespace, &site);

    let stop = Arc::new(AtomicBool::new(false));
    let sender = {
        let stop = Arc::clone(&stop);
        thread::spawn(move || send(&wire, &stop))
    };
    let seen = scrape(&namespace, site.port);
    // Relaxed: see the sender.
    stop.store(true, Ordering::Relaxed);
    let sent = sender.join().expect("every packet was taken");

    assert!(seen.iter().all(|(body, _)| body.contains("profile=\"lab\"")), "the page tells of the lab build");
    repeats_nothing(&seen[0].0);
    assert_eq!(value(&seen[0].0, "blindmeter_epoch"), 0, "0 before the first release");
    assert!(seen[1..].iter().all(|(_, times)| *times >= 30), "a page lasts for an epoch");
    let ordinals: Vec<u64> = seen.iter().map(|(body, _)| value(body, "blindmeter_epoch")).collect();
    assert_eq!(seen.len(), RELEASES + 1, "a page changes at a release only: ordinals {ordinals:?}");
    assert!(ordinals[1..].windows(2).all(|pair| pair[1] == pair[0] + 1), "one by one: {ordinals:?}");

    for pair in seen.windows(2) {
        let (before, body) = (value(&pair[0].0, "blindmeter_epoch"), &pair[1].0);
        let ordinal = value(body, "blindmeter_epoch");
        assert_eq!(value(body, "blindmeter_epoch_suppressed"), 0, "thirty busy accounts are a crowd");
        assert_eq!(value(body, "blindmeter_epoch_lost_packets"), 0);
        for (at, direction) in ["up", "down"].into_iter().enumerate() {
            let released = value(body, &format!("blindmeter_epoch_bytes{{direction=\"{direction}\"}}"));
            let sent: u64 = sent.range(before + 1..=ordinal).map(|(_, totals)| totals[at]).sum();
            assert_eq!(released % ROUNDING_STEP, 0, "a multiple of the rounding step");
            assert!(
                released > 0 && released.abs_diff(sent) <= ROUNDING_STEP / 2,
                "{released} of {sent} {direction}"
            );
        }
    }
    what_prometheus_knows(&prometheus, &seen);
}

fn what_prometheus_knows(prometheus: &Prometheus<'_>, seen: &[(String, usize)]) {
    // It asks for OpenMetrics, and takes its units over.
    let metadata = prometheus.api("metadata?metric=blindmeter_epoch_bytes");
    assert_eq!(metadata["blindmeter_epoch_bytes"][0]["unit"], "bytes", "{metadata}");
    let up = prometheus.samples("up");
    assert!(up.len() >= 10 && up.iter().all(|(_, value)| value == "1"), "every scrape came through: {up:?}");
    let ordinals: BTreeMap<_, _> = prometheus.samples("blindmeter_epoch").into_iter().collect();
    assert_eq!(ordinals.len(), up.len(), "each scrape has its epoch");
    let (start, end) = (&up[0].0, &up[up.len() - 1].0);
    for direction in ["up", "down"] {
        let series = format!("blindmeter_epoch_bytes{{direction=\"{direction}\"}}");
        let published: BTreeMap<String, String> = seen
            .iter()
            .map(|(body, _)| (value(body, "blindmeter_epoch").to_string(), value(body, &series).to_string()))
            .collect();
        for (time, bytes) in prometheus.samples(&series) {
            let ordinal = &ordinals[&time];
            assert_eq!(published.get(ordinal), Some(&bytes), "{direction} in epoch {ordinal}");
        }
        let range = format!("start={start}&end={end}&step=1");
        let query = format!("blindmeter_epoch_bytes%7Bdirection=%22{direction}%22%7D");
        let range = prometheus.api(&format!("query_range?query={query}&{range}"));
        let mut steps: Vec<String> = pairs(&range["result"], &series).into_iter().map(|(_, v)| v).collect();
        steps.dedup();
        let scraped = seen.iter().filter(|(body, _)| {
            let ordinal = value(body, "blindmeter_epoch").to_string();
            ordinals.values().any(|scraped| *scraped == ordinal)
        });
        let mut in_order: Vec<String> = scraped.map(|(body, _)| value(body, &series).to_string()).collect();
        assert!(in_order.len() >= RELEASES, "every release was scraped: {ordinals:?}");
        in_order.dedup();
        assert_eq!(steps, in_order, "the graph is a step at each release, and flat between");
    }
    let series = prometheus.api("series?match%5B%5D=%7Bjob=%22node%22%7D");
    let series = series.as_array().expect("a list");
    let names: BTreeSet<&str> = series.iter().filter_map(|series| series["__name__"].as_str()).collect();
    let documented: BTreeSet<&str> = DOCUMENTED.iter().chain(&OF_PROMETHEUS).copied().collect();
    assert_eq!(names, documented, "the documented names and Prometheus's own");
    let published = seen[0].0.lines().filter(|line| line.starts_with("blindmeter_")).count();
    assert_eq!(series.len(), published + OF_PROMETHEUS.len(), "each series once, however long it runs");
}
