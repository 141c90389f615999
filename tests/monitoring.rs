//! What is delivered for monitoring, `deploy/monitoring/`: rules that promtool has tested, and a dashboard of which
//! every query answers in a real Prometheus that scrapes a daemon and a page of the same form with given releases.
//!
//! How the dashboard looks is not checked here; `tests/monitoring/schema` holds it to Grafana's types.
#![expect(
    clippy::disallowed_methods,
    reason = "rules tell the days apart by the wall clock, and so does this"
)]

mod daemon;
#[path = "monitoring/exporter.rs"]
mod exporter;
#[path = "monitoring/words.rs"]
mod words;

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use daemon::prometheus::{self, get};
use daemon::{Site, http};
use exporter::{Exporter, with};
use serde_json::Value;
use support::ports::free_port;
use support::wait::wait_for;
use words::{alerts, documented, expressions, queries, records, selectors, series};

const RULES: [&str; 2] = ["blindmeter.rules.yml", "blindmeter.alerts.yml"];
const DAY: u64 = 86_400;
/// What Prometheus itself adds to every series, and what the rules add.
const OF_TARGETS: [&str; 2] = ["job", "instance"];
const OF_RULES: [&str; 2] = ["direction", "epoch"];
/// Functions that are for counters, or that count samples: a gauge that changes once a day makes nonsense of them.
const OF_COUNTERS: [&str; 10] = [
    "rate(",
    "irate(",
    "increase(",
    "delta(",
    "deriv(",
    "changes(",
    "resets(",
    "sum_over_time(",
    "avg_over_time(",
    "count_over_time(",
];

fn delivered(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/monitoring").join(file)
}

fn text(file: &str) -> String {
    fs::read_to_string(delivered(file)).expect("a file of deploy/monitoring")
}

fn document(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(file);
    fs::read_to_string(path).expect("a document")
}

fn dashboard() -> Value {
    serde_json::from_str(&text("blindmeter.dashboard.json")).expect("the dashboard is JSON")
}

/// Every expression there is, with where it stands.
fn all_expressions() -> Vec<(String, String)> {
    let of_rules = RULES.into_iter().flat_map(|file| {
        expressions(&text(file)).into_iter().map(move |expression| (file.to_owned(), expression))
    });
    let of_document = words::blocks(&document("monitoring.md"), "promql").into_iter();
    let of_document = of_document.map(|query| ("monitoring.md".to_owned(), query));
    queries(&dashboard()).into_iter().chain(of_rules).chain(of_document).collect()
}

fn promtool(words: &[&str], files: Vec<PathBuf>) -> String {
    let output = Command::new("promtool").args(words).args(files).output();
    let output = output.expect("these tests need promtool: apt-get install prometheus");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(output.status.success(), "promtool {}:\n{said}", words.join(" "));
    said
}

#[test]
fn the_rules_are_well_formed_and_do_what_their_tests_say() {
    let said = promtool(&["check", "rules"], RULES.map(delivered).to_vec());
    let found: usize = RULES.iter().map(|file| expressions(&text(file)).len()).sum();
    let told: Vec<usize> = said
        .lines()
        .filter_map(|line| line.trim().strip_prefix("SUCCESS: ")?.split(' ').next()?.parse().ok())
        .collect();
    assert_eq!(told.iter().sum::<usize>(), found, "every rule was read: {said}");
    let tests = fs::read_dir(delivered("tests")).expect("tests of the rules");
    let mut tests: Vec<PathBuf> = tests.map(|file| file.expect("a file").path()).collect();
    tests.sort();
    assert_eq!(tests.len(), 3, "week, alerts, alerts of days");
    promtool(&["test", "rules"], tests.clone());
    let tested: String = tests.iter().map(|file| fs::read_to_string(file).expect("a test")).collect();
    let named = RULES.iter().flat_map(|file| [alerts(&text(file)), records(&text(file))].concat());
    // Those of one epoch are what the sums are made of.
    for name in named.filter(|name| !name.ends_with(":epoch")) {
        assert!(tested.contains(&name), "no test names {name}");
    }
}

#[test]
fn they_name_only_series_and_labels_that_are_documented() {
    let documented = documented(&document("metrics.md"));
    assert!(documented.len() > 20 && documented["blindmeter_epoch_bytes"] == ["direction"]);
    let recorded: BTreeSet<String> = records(&text(RULES[0])).into_iter().collect();
    let mut used = BTreeSet::new();
    for (place, expression) in all_expressions() {
        for name in series(&expression) {
            assert!(
                documented.contains_key(&name) || recorded.contains(&name),
                "{place}: there is no {name}"
            );
            used.insert(name);
        }
        for (name, label) in selectors(&expression) {
            let of_prometheus = ["up", "ALERTS"].contains(&name.as_str());
            assert!(of_prometheus || used.contains(&name), "{place}: there is no {name}");
            let known = documented.get(&name).is_some_and(|labels| labels.contains(&label))
                || (recorded.contains(&name) && OF_RULES.contains(&label.as_str()))
                || of_prometheus
                || OF_TARGETS.contains(&label.as_str());
            assert!(known, "{place}: {name} has no label {label}");
        }
        for function in OF_COUNTERS {
            let mut calls = expression.match_indices(function);
            let is_call = |(at, _): (usize, &str)| {
                !expression[..at].ends_with(|sign: char| sign.is_alphanumeric() || sign == '_')
            };
            assert!(!calls.any(is_call), "{place}: {function}) is for counters: {expression}");
        }
    }
    assert!(used.len() > 30, "expressions were found: {used:?}");
}

#[test]
fn every_alert_is_explained_and_every_panel_says_what_it_shows() {
    let page = document("monitoring.md");
    let rows: BTreeSet<String> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `Blindmeter")?.split('`').next())
        .map(|name| format!("Blindmeter{name}"))
        .collect();
    assert_eq!(rows, alerts(&text(RULES[1])).into_iter().collect(), "one row for each alert");
    let recorded = records(&text(RULES[0]));
    assert!(recorded.len() == 13 && recorded.iter().all(|name| page.contains(name)), "{recorded:?}");

    let dashboard = dashboard();
    let panels = dashboard["panels"].as_array().expect("panels");
    let mut taken = BTreeMap::new();
    let mut ids = BTreeSet::new();
    for panel in panels {
        let title = panel["title"].as_str().expect("a title");
        assert!(ids.insert(panel["id"].as_u64()), "{title}: its number is taken");
        let place = |key: &str| panel["gridPos"][key].as_u64().expect("a place");
        for column in place("x")..place("x") + place("w") {
            assert!(column < 24, "{title} is too wide");
            for row in place("y")..place("y") + place("h") {
                let other = taken.insert((row, column), title);
                assert!(other.is_none(), "{title} lies over {}", other.unwrap_or_default());
            }
        }
        let told =
            panel["type"] == "row" || panel["description"].as_str().is_some_and(|text| text.ends_with('.'));
        assert!(told, "{title} says what it shows");
        let of = panel["datasource"]["uid"].as_str().unwrap_or("${datasource}");
        assert_eq!(of, "${datasource}", "{title} asks the data source that was chosen");
    }
}

/// A running Prometheus with the delivered rules, and where it answers.
struct Fleet {
    port: u16,
    _process: prometheus::Prometheus,
}

impl Fleet {
    /// One that scrapes these ports, and evaluates each rule every second.
    fn watch(site: &Site, ports: [u16; 2]) -> Self {
        for file in RULES {
            site.write(file, text(file).replace("interval: 4m", "interval: 1s"));
        }
        let [first, second] = ports;
        site.write(
            "prometheus.yml",
            format!(
                "global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}\n\
                 rule_files: [{}, {}]\nscrape_configs: [{{job_name: blindmeter, static_configs: [{{targets: \
                 ['127.0.0.1:{first}', '127.0.0.1:{second}']}}]}}]\n",
                RULES[0], RULES[1]
            ),
        );
        let port = free_port();
        let spawn = |mut command: Command| command.spawn();
        Self { port, _process: prometheus::Prometheus::start(site, port, spawn, |path| get(port, path)) }
    }

    fn api(&self, path: &str) -> Value {
        let answer: http::Answer = get(self.port, &format!("/api/v1/{path}")).expect("Prometheus answers");
        let value: Value = serde_json::from_str(&answer.body).expect("the API speaks JSON");
        assert_eq!(value["status"], "success", "{path}: {value}");
        value["data"].clone()
    }

    fn ask(&self, query: &str) -> Vec<Value> {
        let query: String = form_urlencoded::byte_serialize(query.as_bytes()).collect();
        let data = self.api(&format!("query?query={query}"));
        data["result"].as_array().cloned().unwrap_or_default()
    }

    /// Every rule, as the API tells of it.
    fn rules(&self) -> Vec<Value> {
        let groups = self.api("rules")["groups"].as_array().cloned().expect("groups");
        groups.iter().flat_map(|group| group["rules"].as_array().cloned().expect("rules")).collect()
    }

    /// The value of the only series that a query gives.
    fn value(&self, query: &str) -> Option<f64> {
        let [series] = <[Value; 1]>::try_from(self.ask(query)).ok()?;
        series["value"][1].as_str()?.parse().ok()
    }
}

#[test]
fn every_query_answers_and_a_week_counts_each_epoch_once() {
    let site = Site::new();
    let daemon = site.start();
    let real = daemon.metrics();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_secs();
    // The last epoch of the week, as the rules have it an hour after each midnight.
    let last = (now - 3600) / DAY - 1;
    let page = |ordinal: u64, down: i64, held: bool| {
        let page = with(&real, "blindmeter_epoch", ordinal);
        let page = with(&page, "blindmeter_epoch_bytes{direction=\"down\"}", down);
        let page = with(&page, "blindmeter_epoch_suppressed", u8::from(held));
        let page = with(&page, "blindmeter_epoch_node_noise_stddev{series=\"lost_packets\"}", 30);
        let page = with(&page, "blindmeter_epoch_node_noise_stddev{series=\"malformed_packets\"}", 2);
        let page = with(&page, "blindmeter_epoch_node_noise_stddev{series=\"failed_attempts\"}", 64);
        let page =
            with(&page, "blindmeter_epoch_node_noise_stddev{series=\"unattributed_bytes\"}", 1_u64 << 34);
        let page = with(&page, "blindmeter_epoch_rounding_bytes", 0);
        with(&page, "blindmeter_epoch_noise_stddev_bytes", 40)
    };
    let exporter = Exporter::serve(page(last - 3, 9000, false));
    let fleet = Fleet::watch(&site, [site.port, exporter.port]);
    let node = format!("instance=\"127.0.0.1:{}\"", exporter.port);
    // Each stays for as long as it takes to be recorded, which nobody knows: that must not matter.
    for (ordinal, down, held) in
        [(last - 3, 9000, false), (last - 2, -300, false), (last - 1, 0, true), (last, 700, false)]
    {
        exporter.show(page(ordinal, down, held));
        // Each of the four rules, and bytes in both directions.
        let recorded = format!(
            "count({{__name__=~\"blindmeter:epoch_(bytes|end|error|suppressed).*:epoch\",{node},epoch=\"{ordinal}\"}})"
        );
        wait_for(&format!("epoch {ordinal} is recorded"), || {
            fleet.value(&recorded).filter(|series| *series == 5.0)
        });
    }
    let week = format!("blindmeter:node_week_bytes:sum{{{node},direction=\"down\"}}");
    wait_for("the sum of the week", || fleet.value(&week).filter(|sum| *sum == 9400.0));
    // Rules of one group are recorded one after the other, each as it sees those before it.
    for (name, expected) in [
        ("epochs:count", 4.0),
        ("suppressed_epochs:sum", 1.0),
        // Three epochs have noise.
        ("error_stddev_bytes:sum", 40.0 * 3_f64.sqrt()),
    ] {
        let query = format!("blindmeter:node_week_{name}{{{node}}}");
        wait_for(&format!("the week's {name}"), || {
            fleet.value(&query).filter(|value| (value - expected).abs() < 0.001)
        });
    }
    // The daemon has released nothing yet, and is in no sum.
    wait_for("the sum of the fleet", || {
        fleet.value("blindmeter:fleet_week_bytes:sum{direction=\"down\"}").filter(|sum| *sum == 9400.0)
    });

    let queries = queries(&dashboard());
    assert!(queries.len() > 40, "queries were found");
    for (panel, query) in queries {
        let query = query.replace("$job", "blindmeter").replace("$instance", ".*");
        assert!(!fleet.ask(&query).is_empty(), "{panel}: nothing answers {query}");
    }
    for query in words::blocks(&document("monitoring.md"), "promql") {
        fleet.ask(&query);
    }
    let rules = fleet.rules();
    assert_eq!(rules.len(), RULES.iter().map(|file| expressions(&text(file)).len()).sum::<usize>());
    for rule in &rules {
        assert_eq!(rule["health"], "ok", "{rule}");
    }
    // Of the two nodes nothing is wrong, but that they are lab builds where these tests are. What was told of the epoch
    // that was held back ends with it, at the next evaluation.
    let lab = real.contains("profile=\"lab\"").then_some("BlindmeterLabBuild");
    wait_for(&format!("only {lab:?} fires"), || {
        let rules = fleet.rules();
        let firing = rules.iter().filter(|rule| rule["state"] == "firing");
        firing.filter_map(|rule| rule["name"].as_str()).eq(lab).then_some(())
    });
}
