//! The HTTP side: what each page answers to the byte, and that nothing a stranger does to the port
//! ends the server or keeps a scraper out.

mod daemon;
#[path = "http/shapes.rs"]
mod shapes;
mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use daemon::Site;
use daemon::command::repeats_nothing;
use daemon::http::{Answer, connect, exchange, get, parse, request};
use nix::sys::signal::Signal;
use support::wait::{TIMEOUT, wait_at_most};

/// Every series of a node with the interfaces `bm-none*` and `bm-none0` and a roster file.
const SERIES: [&str; 37] = [
    "blindmeter_build_info{profile,revision,version}",
    "blindmeter_config_last_reload_successful",
    "blindmeter_epoch",
    "blindmeter_epoch_bytes{direction=\"down\"}",
    "blindmeter_epoch_bytes{direction=\"up\"}",
    "blindmeter_epoch_crowd",
    "blindmeter_epoch_failed_attempts",
    "blindmeter_epoch_interrupted",
    "blindmeter_epoch_irregular_accounts{kind=\"heavy\"}",
    "blindmeter_epoch_irregular_accounts{kind=\"pktflood\"}",
    "blindmeter_epoch_irregular_accounts{kind=\"stall\"}",
    "blindmeter_epoch_irregular_accounts{kind=\"surge\"}",
    "blindmeter_epoch_irregular_accounts{kind=\"unusual\"}",
    "blindmeter_epoch_irregular_accounts{kind=\"updrift\"}",
    "blindmeter_epoch_irregular_accounts{kind=\"upload\"}",
    "blindmeter_epoch_length_seconds",
    "blindmeter_epoch_lost_packets",
    "blindmeter_epoch_malformed_packets",
    "blindmeter_epoch_mass_event",
    "blindmeter_epoch_node_noise_stddev{series=\"failed_attempts\"}",
    "blindmeter_epoch_node_noise_stddev{series=\"irregular_accounts\"}",
    "blindmeter_epoch_node_noise_stddev{series=\"lost_packets\"}",
    "blindmeter_epoch_node_noise_stddev{series=\"malformed_packets\"}",
    "blindmeter_epoch_node_noise_stddev{series=\"unattributed_bytes\"}",
    "blindmeter_epoch_noise_stddev_bytes",
    "blindmeter_epoch_rounding_bytes",
    "blindmeter_epoch_suppressed",
    "blindmeter_epoch_tap_gap",
    "blindmeter_epoch_unattributed_bytes{direction=\"down\"}",
    "blindmeter_epoch_unattributed_bytes{direction=\"up\"}",
    "blindmeter_next_release_timestamp_seconds",
    "blindmeter_policy_info{mode,policy}",
    "blindmeter_roster_source_up{source=\"control\"}",
    "blindmeter_roster_source_up{source=\"file\"}",
    "blindmeter_store_ok",
    "blindmeter_tap_attached{interface=\"bm-none*\"}",
    "blindmeter_tap_attached{interface=\"bm-none0\"}",
];

const PAGES: [&str; 4] = ["/metrics", "/-/healthy", "/-/ready", "/"];

/// A scrape that took longer was kept waiting by somebody.
const SCRAPE_LIMIT: Duration = Duration::from_secs(4);

/// The series of a page, sorted, each without its value and `info` without its labels' values.
fn series(page: &str) -> Vec<String> {
    let samples = page.lines().filter(|line| !line.starts_with('#'));
    let mut names: Vec<String> = samples
        .map(|line| {
            let fields: Vec<&str> = line.split(' ').collect();
            assert!(
                fields.len() == 2 && fields[1].parse::<i64>().is_ok(),
                "a name, a value, no time: {line}"
            );
            match fields[0].split_once("_info{") {
                None => fields[0].to_owned(),
                Some((name, labels)) => {
                    let keys: Vec<&str> =
                        labels.split(',').filter_map(|label| label.split('=').next()).collect();
                    format!("{name}_info{{{}}}", keys.join(","))
                }
            }
        })
        .collect();
    names.sort_unstable();
    names
}

fn scrape_in_time(site: &Site, meanwhile: &str) -> Answer {
    #[expect(clippy::disallowed_methods, reason = "the wait of a scraper is what is measured")]
    let start = Instant::now();
    let answer = get(site.port, "/metrics");
    let took = start.elapsed();
    assert!(took < SCRAPE_LIMIT, "a scrape took {} ms while {meanwhile}", took.as_millis());
    assert_eq!((answer.status, series(&answer.body).len()), (200, SERIES.len() - 1), "while {meanwhile}");
    answer
}

#[test]
fn the_set_of_series_is_the_documented_one_and_constant() {
    let site = Site::new();
    site.configure("\"bm-none*\"", "\"bm-none*\", \"bm-none0\"");
    let mut daemon = site.start();
    let first = daemon.metrics();
    assert_eq!(series(&first), SERIES);
    assert!(first.lines().filter(|line| line.starts_with("# TYPE")).all(|line| line.ends_with(" gauge")));
    assert!(first.len() < 5 * 1024 && first.contains("mode=\"coarse\""));
    let profile = if cfg!(feature = "lab") { "lab" } else { "standard" };
    assert!(first.contains(&format!("profile=\"{profile}\"")), "the profile is told");
    repeats_nothing(&first);

    site.command(&["roster", "assign", "10.77.0.9", "canary-nine"]).succeeded();
    assert_eq!(daemon.metrics(), first, "an assignment changes nothing");
    site.write("roster.csv", "no header");
    daemon.reload();
    let refused = daemon.metrics();
    assert_eq!(series(&refused), SERIES);
    assert_ne!(refused, first, "the page says that a reload was refused");
    site.write("roster.csv", "prefix,account\n");
    daemon.reload();
    assert_eq!(daemon.metrics(), first);
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.await_end(), Some(0));
}

#[test]
fn promtool_finds_nothing_to_say_about_the_page() {
    let site = Site::new();
    let daemon = site.start();
    let mut promtool = Command::new("promtool");
    promtool.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut promtool = promtool.spawn().expect("these tests need promtool: apt-get install prometheus");
    let page = daemon.metrics();
    promtool.stdin.take().expect("a pipe").write_all(page.as_bytes()).expect("promtool reads");
    let output = promtool.wait_with_output().expect("promtool ends with its input");
    let said =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert_eq!((output.status.code(), said.as_str()), (Some(0), ""));
}

#[test]
fn each_page_has_its_type_and_no_header_that_tells_more() {
    let site = Site::new();
    let _daemon = site.start();
    let answer = get(site.port, "/metrics");
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    for (path, body) in [("/-/healthy", "healthy\n"), ("/-/ready", "ready\n")] {
        let answer = get(site.port, path);
        assert_eq!((answer.status, answer.body.as_str()), (200, body));
    }
    for headers in [
        "",
        "Accept-Encoding: gzip, deflate, br, zstd, identity;q=0\r\n",
        "If-None-Match: *\r\nIf-Modified-Since: Mon, 01 Jan 2035 00:00:00 GMT\r\n",
        "Range: bytes=0-9\r\nTE: trailers, gzip\r\n",
        "Accept: application/openmetrics-text; version=1.0.0; q=0.3, text/plain; q=0.4\r\n",
        "Accept: application/openmetrics-text; version=0.0.1, application/vnd.google.protobuf\r\n",
        "Cookie: a=b\r\nOrigin: http://elsewhere\r\nAuthorization: Basic YTpi\r\n",
    ] {
        for path in PAGES {
            let plain = get(site.port, path);
            let answer = request(site.port, "GET", path, headers);
            assert_eq!((answer.status, &answer.body), (200, &plain.body), "{path} with {headers:?}");
            let head = request(site.port, "HEAD", path, headers);
            assert_eq!((head.status, head.body.as_str()), (200, ""), "HEAD {path}");
            assert_eq!(head.headers, answer.headers, "HEAD {path} has the headers of GET");
            let mut names: Vec<&str> = answer.headers.iter().map(|(name, _)| name.as_str()).collect();
            names.sort_unstable();
            assert_eq!(names, ["cache-control", "connection", "content-length", "content-type"], "{path}");
            assert_eq!(answer.header("content-length"), Some(plain.body.len().to_string().as_str()));
        }
    }
}

#[test]
fn open_metrics_is_the_same_page_for_who_asks_for_it() {
    let site = Site::new();
    site.configure("\"bm-none*\"", "\"bm-none*\", \"bm-none0\"");
    let daemon = site.start();
    // What Prometheus 2.42 sends.
    let accept = "Accept: application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;\
                  q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1\r\n";
    let ask = |method| request(site.port, method, "/metrics", accept);
    let answer = ask("GET");
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!((answer.status, answer.header("content-type")), (200, Some(kind)));
    assert_eq!(ask("HEAD").headers, answer.headers);
    let samples = |page: &str| -> Vec<String> {
        page.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
    };
    assert_eq!(samples(&answer.body), samples(&daemon.metrics()));
    assert!(answer.body.ends_with("\n# EOF\n") && answer.body.matches("# EOF").count() == 1);
    let units: Vec<&str> = answer.body.lines().filter_map(|line| line.strip_prefix("# UNIT ")).collect();
    for unit in [
        "blindmeter_epoch_bytes bytes",
        "blindmeter_epoch_length_seconds seconds",
        "blindmeter_epoch_lost_packets packets",
        "blindmeter_next_release_timestamp_seconds seconds",
    ] {
        assert!(units.contains(&unit), "{unit}: {units:?}");
    }
    for named in units {
        let (name, unit) = named.split_once(' ').expect("a name and a unit");
        assert!(name.ends_with(&format!("_{unit}")), "{named}");
    }
    assert_eq!(ask("GET").body, answer.body, "byte for byte");
}

#[test]
fn the_page_has_the_policy_as_numbers_and_when_the_next_release_is_due() {
    let site = Site::new();
    let _daemon = site.start();
    let page = get(site.port, "/metrics").body;
    let value = |series: &str| -> u64 {
        let value = page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        value.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("{series}: {page}"))
    };
    assert_eq!((value("blindmeter_epoch_length_seconds"), value("blindmeter_epoch_crowd")), (86_400, 20));
    // This node is coarse.
    assert_eq!(value("blindmeter_epoch_noise_stddev_bytes"), 0);
    assert!(value("blindmeter_epoch_rounding_bytes").is_power_of_two());
    let status = site.command(&["status", "--json"]).succeeded();
    let status: serde_json::Value = serde_json::from_str(&status).expect("JSON");
    assert_eq!(status["next_release_seconds"], value("blindmeter_next_release_timestamp_seconds"));
}

#[test]
fn other_paths_are_404_and_other_methods_405() {
    let site = Site::new();
    let _daemon = site.start();
    for path in [
        "/metric",
        "/metrics/",
        "/metrics/x",
        "/-/",
        "/-/healthy/x",
        "/../metrics",
        "//metrics",
        "/%6detrics",
    ] {
        let answer = get(site.port, path);
        assert_eq!((answer.status, answer.body.as_str()), (404, ""), "{path}");
        assert!(answer.header("date").is_none() && answer.header("server").is_none(), "{path}");
    }
    assert_eq!(get(site.port, "/metrics?collect[]=canary").status, 200, "a query is not looked at");
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "FROB"] {
        for path in PAGES {
            let answer = request(site.port, method, path, "Content-Length: 0\r\n");
            assert_eq!((answer.status, answer.body.as_str()), (405, ""), "{method} {path}");
            assert_eq!(answer.header("allow"), Some("GET,HEAD"), "{method} {path}");
            assert!(answer.header("date").is_none(), "{method} {path}");
        }
    }
}

#[test]
fn a_request_that_is_too_large_or_no_http_is_refused_and_the_next_one_served() {
    let site = Site::new();
    let daemon = site.start();
    let value = "v".repeat(1000);
    let many: String = (0..200).map(|n| format!("X-{n}: 1\r\n")).collect();
    let large: String = (0..100).map(|n| format!("X-{n}: {value}\r\n")).collect();
    let get = |path: &str, headers: &str| {
        format!("GET {path} HTTP/1.1\r\nHost: node\r\n{headers}\r\n").into_bytes()
    };
    let abuses = [
        ("200 header lines", get("/metrics", &many)),
        ("100 KB of headers", get("/metrics", &large)),
        ("a header of 1 MB", get("/metrics", &format!("X: {}\r\n", value.repeat(1000)))),
        ("a path of 1 MB", get(&format!("/{}", value.repeat(1000)), "")),
        ("an endless first line", value.repeat(1000).into_bytes()),
        (
            "header lines that never end",
            format!("GET / HTTP/1.1\r\n{}", "X: 1\r\n".repeat(100_000)).into_bytes(),
        ),
        ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec()),
        ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".to_vec()),
        ("binary", [&[0xff; 5000][..], b"\r\n\r\n"].concat()),
        ("two lengths", get("/metrics", "Content-Length: 1\r\nContent-Length: 2\r\n")),
        ("a length and chunks", get("/metrics", "Content-Length: -1\r\nTransfer-Encoding: x\r\n")),
    ];
    for (what, bytes) in abuses {
        let answer = exchange(site.port, &bytes);
        match parse(&answer) {
            Some(answer) => assert!((400..500).contains(&answer.status), "{what}: {}", answer.status),
            None => assert!(answer.is_empty(), "{what}: {}", String::from_utf8_lossy(&answer)),
        }
        scrape_in_time(&site, what);
    }
    let mut stream = connect(site.port);
    for _ in 0..3 {
        let keep = b"GET /-/ready HTTP/1.1\r\nHost: node\r\n\r\n";
        stream.write_all(keep).expect("the connection is kept");
        let mut bytes = [0; 512];
        let count = stream.read(&mut bytes).expect("an answer");
        assert_eq!(parse(&bytes[..count]).map(|answer| answer.body), Some("ready\n".to_owned()));
    }
    assert!(daemon.said().trim_end().ends_with("/metrics"), "none of it is logged: {}", daemon.said());
}

/// A connection that has begun a request and goes on no further.
fn half_open(port: u16) -> TcpStream {
    let mut stream = connect(port);
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: node\r\nX-Slow: ").expect("the kernel takes it");
    stream
}

#[test]
fn slow_connections_are_bounded_and_keep_no_scraper_out() {
    let site = Site::new();
    let daemon = site.start();
    let mut slow = Vec::new();
    for round in 0..6 {
        slow.extend((0..100).map(|_| half_open(site.port)));
        let first = scrape_in_time(&site, "half-open connections wait").body;
        assert_eq!(first, daemon.metrics(), "round {round}");
    }
    let held = daemon.descriptors().len();
    assert!(held < 400, "600 slow connections hold {held} descriptors");
    // A byte now and then makes none of them more than slow.
    for stream in &mut slow {
        // Those that were closed for the bound's sake refuse it.
        let _ = stream.write_all(b"y");
    }
    scrape_in_time(&site, "they trickle");
    drop(slow);
    given_back(&daemon, 40);
    assert!(daemon.said().trim_end().ends_with("/metrics"), "none of it is logged: {}", daemon.said());
}

/// Waits until fewer descriptors than this are held.
fn given_back(daemon: &daemon::Daemon<'_>, limit: usize) {
    wait_at_most(TIMEOUT, || daemon.descriptors().len() < limit);
    let held = daemon.descriptors();
    assert!(held.len() < limit, "the descriptors are given back: {}", held.join(" "));
}

#[test]
fn connections_never_take_the_last_descriptors() {
    let site = Site::new();
    let mut daemon = site.start_under(&["prlimit", "--nofile=64:64"]);
    for _ in 0..2 {
        let slow: Vec<TcpStream> = (0..100).map(|_| half_open(site.port)).collect();
        // The oldest make room for whoever comes.
        scrape_in_time(&site, "connections are held open");
        site.command(&["status"]).succeeded();
        assert!(daemon.descriptors().len() < 60, "{}", daemon.descriptors().join(" "));
        drop(slow);
        given_back(&daemon, 35);
        scrape_in_time(&site, "the others are gone");
        site.command(&["status"]).succeeded();
    }
    assert!(daemon.said().trim_end().ends_with("/metrics"), "none of it is logged: {}", daemon.said());
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.await_end(), Some(0));
}
