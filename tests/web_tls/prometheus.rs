//! A real Prometheus scrapes over TLS with a certificate of its own and a log-in; with a wrong
//! password it does not.

use serde_json::Value;

use crate::authority::Purpose;
use crate::daemon::http;
use crate::daemon::prometheus::{self, get};
use crate::fixture::{Fixture, MUTUAL, hash};
use crate::support::ports::free_port;
use crate::support::wait::wait_for;

/// A running Prometheus, and where it answers.
struct Prometheus {
    _process: prometheus::Prometheus,
    port: u16,
}

impl Prometheus {
    fn start(fixture: &Fixture) -> Self {
        let port = free_port();
        let spawn = |mut command: std::process::Command| command.spawn();
        Self {
            _process: prometheus::Prometheus::start(&fixture.site, port, spawn, |path| get(port, path)),
            port,
        }
    }

    fn ask(&self, path: &str) -> Option<http::Answer> {
        get(self.port, path)
    }

    /// The health of a target, and what went wrong with it; none before its first scrape.
    fn target(&self, job: &str) -> Option<(String, String)> {
        let answer: Value = serde_json::from_str(&self.ask("/api/v1/targets")?.body).ok()?;
        let targets = answer["data"]["activeTargets"].as_array()?.clone();
        let target = targets.into_iter().find(|target| target["labels"]["job"] == job)?;
        let text = |key: &str| target[key].as_str().unwrap_or_default().to_owned();
        Some((text("health"), text("lastError"))).filter(|(health, _)| health != "unknown")
    }
}

#[test]
fn prometheus_scrapes_over_tls_with_a_certificate_and_a_log_in() {
    let users = format!("basic_auth_users:\n  scraper: {}\n", hash("2y", 10, "canary-password"));
    let fixture = Fixture::new(&[MUTUAL, &users].concat());
    let daemon = fixture.start();
    let (certificate, key) = fixture.files_of(&fixture.clients.issue(Purpose::Client));
    let job = |name: &str, password: &str, more: &str| {
        format!(
            "- job_name: {name}\n  scheme: https\n  basic_auth: {{username: scraper, password: {password}}}\n  \
             tls_config: {{ca_file: {}{more}}}\n  static_configs: [{{targets: ['127.0.0.1:{}']}}]\n",
            fixture.trusted(),
            fixture.port()
        )
    };
    let own = format!(", cert_file: {certificate}, key_file: {key}");
    let jobs = [
        job("good", "canary-password", &own),
        job("wrong", "canary-wrong", &own),
        job("bare", "canary-password", ""),
    ];
    let global = "global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs:\n";
    fixture.site.write("prometheus.yml", format!("{global}{}", jobs.concat()));
    let prometheus = Prometheus::start(&fixture);
    let health = |job: &str| wait_for(&format!("{job} is scraped"), || prometheus.target(job));
    wait_for("the good one is scraped", || (health("good").0 == "up").then_some(()));
    let (wrong, why) = health("wrong");
    assert!(wrong == "down" && why.contains("401"), "{why}");
    let (bare, why) = health("bare");
    assert!(bare == "down" && why.contains("tls"), "{why}");
    let query = prometheus.ask("/api/v1/query?query=blindmeter_epoch").expect("an answer");
    assert!(
        query.body.contains("\"job\":\"good\"") && !query.body.contains("\"job\":\"wrong\""),
        "{}",
        query.body
    );
    assert!(daemon.said().trim_end().ends_with("/metrics"), "none of it is logged: {}", daemon.said());
}
