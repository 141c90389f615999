//! The positive control of the games, held to the real one: prometheus_wireguard_exporter, from
//! crates.io, beside wireguard-go with real handshakes and real traffic in namespaces.
//!
//! The games attack a model of this exporter, since a simulated week has no tunnel. Here the model's
//! page is compared with the program's: the same series and labels, and the same bytes for the same
//! packets. Installing the program needs the registry and a minute, once: it stays below `target/`.

#[path = "../../netns/mod.rs"]
mod netns;
#[path = "../exporter/mod.rs"]
mod peers;
#[path = "../report/mod.rs"]
mod report;
#[path = "../../support/mod.rs"]
mod support;
mod tunnel;
#[path = "../wireguard/mod.rs"]
mod wireguard;

use netns::Namespace;
use peers::{Peer, WRAPPING};
use report::{Figure, Report, Row};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};
use support::wait::wait_for;
use tunnel::{CLIENT_PREFIX, Tunnel};

static REPORT: Report = Report::new("leakage_control");

/// The version whose page was modelled.
const VERSION: &str = "3.6.6";

const PORT: u16 = 9586;

/// Packets each way, and their length.
const PACKETS: [(bool, usize, usize); 4] =
    [(true, 40, 1400), (false, 60, 1400), (true, 7, 100), (false, 3, 333)];

/// Keepalives that WireGuard may send of its own beside the packets of the test.
const KEEPALIVES: u64 = 2;

/// The real exporter on the server's end.
struct Exporter(Child);

impl Drop for Exporter {
    fn drop(&mut self) {
        // One that is gone already needs no signal.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Installs the exporter below `target/`, or finds it there.
fn install() -> PathBuf {
    let root = report::folder().with_file_name("exporter");
    let mut cargo = Command::new(env!("CARGO"));
    // Not optimised: it serves a dozen pages. Its build stays, so that one that was cut off goes on.
    cargo.args(["install", "--quiet", "--debug", "--locked", "--version", VERSION]);
    cargo.arg("--root").arg(&root).arg("--target-dir").arg(root.join("build"));
    let output = cargo
        .arg("prometheus_wireguard_exporter")
        .stdin(Stdio::null())
        .output()
        .expect("cargo runs this test");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "the real exporter cannot be installed, so the control of the games is not checked: {said}"
    );
    root.join("bin/prometheus_wireguard_exporter")
}

fn start(tunnel: &Tunnel) -> Exporter {
    let (namespace, device) = tunnel.server();
    let (program, device) = (install(), device.to_owned());
    let child = namespace.run(move || {
        let port = PORT.to_string();
        Command::new(program)
            .args(["-l", "127.0.0.1", "-p", &port, "-i", &device])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
    });
    Exporter(child.expect("the exporter was installed"))
}

/// The body of its page, once it serves.
fn scrape(namespace: &Namespace) -> String {
    let page = wait_for("a page of the exporter", || {
        namespace.run(|| {
            let mut stream = TcpStream::connect(("127.0.0.1", PORT)).ok()?;
            stream.set_read_timeout(Some(support::wait::TIMEOUT)).ok()?;
            stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: exporter\r\nConnection: close\r\n\r\n").ok()?;
            let mut page = String::new();
            stream.read_to_string(&mut page).ok()?;
            page.starts_with("HTTP/1.1 200").then_some(page)
        })
    });
    page.split_once("\r\n\r\n").expect("a page has a body").1.to_owned()
}

/// Series of the tunnel with their labels in order of name, and their values.
fn series(page: &str) -> BTreeMap<String, u64> {
    let lines = page.lines().filter(|line| line.starts_with("wireguard_"));
    let sample = |line: &str| {
        let (series, value) = line.rsplit_once(' ')?;
        let (name, labels) = series.strip_suffix('}')?.split_once('{')?;
        let mut labels: Vec<&str> = labels.split(',').collect();
        labels.sort_unstable();
        Some((format!("{name}{{{}}}", labels.join(",")), value.parse().ok()?))
    };
    lines.map(|line| sample(line).unwrap_or_else(|| panic!("not a sample: {line}"))).collect()
}

/// The types that a page declares.
fn types(page: &str) -> BTreeSet<&str> {
    page.lines().filter(|line| line.starts_with("# TYPE wireguard_")).collect()
}

#[expect(clippy::disallowed_methods, reason = "the real exporter tells a handshake by the real clock")]
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

#[test]
fn the_model_of_the_exporter_tells_what_the_real_one_tells() {
    let tunnel = Tunnel::new();
    let exporter = start(&tunnel);
    let (namespace, device) = tunnel.server();
    let modelled = |peer: Peer| peers::page(device, &[(tunnel.client_key(), CLIENT_PREFIX, peer)]);

    // A peer that was never there is shown as one that was never there.
    let (before, mut peer) = (scrape(namespace), Peer::default());
    assert_eq!(series(&before), series(&modelled(peer)));
    assert_eq!(types(&before), types(&modelled(peer)));

    let began = now();
    let mut furthest = 0;
    for (up, packets, length) in PACKETS {
        tunnel.send(up, packets, length);
        let bytes = peers::wire_bytes(length as u64, packets as u64);
        peer.renew(began);
        if up {
            peer.received += bytes;
        } else {
            peer.sent += bytes;
        }
        let shown = series(&scrape(namespace));
        let wanted = series(&modelled(peer));
        assert_eq!(shown.keys().collect::<Vec<_>>(), wanted.keys().collect::<Vec<_>>());
        for (name, wanted) in &wanted {
            let shown = shown[name];
            if name.starts_with("wireguard_latest_handshake_seconds") {
                assert!((began..=now()).contains(&shown), "a handshake at {shown}, not since {began}");
                continue;
            }
            let beside =
                shown.checked_sub(*wanted).unwrap_or_else(|| panic!("{name}: {shown}, not {wanted}"));
            assert!(
                beside % WRAPPING == 0 && beside <= KEEPALIVES * WRAPPING,
                "{name}: {shown}, not {wanted}"
            );
            furthest = furthest.max(beside);
        }
    }
    drop(exporter);
    REPORT.add(&[Row {
        check: "control: bytes by which the real exporter is off its model, keepalives".to_owned(),
        control: None,
        figure: Figure::counted(furthest as f64),
        goal: format!("whole keepalives of {WRAPPING}, at most {KEEPALIVES}"),
        passes: true,
        note: format!(
            "prometheus_wireguard_exporter {VERSION} beside wireguard-go: {} packets, same series and labels",
            PACKETS.iter().map(|(_, packets, _)| packets).sum::<usize>()
        ),
    }]);
}
