//! The process that WireGuard devices tell their keys, and what of them is left a second after a poll: nothing,
//! in no process, no answer, no file and no log.

mod netns;
mod support;
#[path = "live_wireguard/tunnel/mod.rs"]
mod tunnel;
#[path = "leakage/wireguard/mod.rs"]
mod wireguard;

use netns::daemon::{Daemon, Setup};
use netns::folder::Folder;
use std::fs;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use support::memory;
use support::wait::{TIMEOUT, let_pass, wait_for, wait_until};
use tunnel::Tunnel;

/// A daemon that asks the tunnel's device once, at its start.
fn daemon(tunnel: &Tunnel) -> (Daemon, Arc<Folder>) {
    let device: &'static str = tunnel.end.device.clone().leak();
    let setup = Setup { backend: "tcx", interfaces: vec![device], pools: vec![], roster: String::new() };
    let folder = Folder::forgetful(&setup);
    let peers = folder.path("peers.csv");
    let table = format!(
        "[[roster.wireguard]]\ninterface = \"{device}\"\npoll = \"1h\"\naccounts = \"{}\"\n[control]",
        peers.display()
    );
    folder.configure("[control]", &table);
    let row = |client: usize| format!("{},user-{client}\n", tunnel.key(client));
    let rows: String = (0..tunnel.clients.len()).map(row).collect();
    fs::write(peers, format!("public_key,account\n{rows}")).expect("a file");
    (Daemon::start_in(&tunnel.namespace, &folder), folder)
}

fn reader(daemon: &Daemon) -> u32 {
    // A process gives itself its name, a moment after it began.
    wait_for("a reader", || daemon.children().into_iter().find(|(_, name)| name == "bm-reader")).0
}

/// What must be nowhere, by what it is.
struct Needle {
    what: String,
    bytes: Vec<u8>,
}

fn needle(what: &str, bytes: impl AsRef<[u8]>) -> Needle {
    Needle { what: what.to_owned(), bytes: bytes.as_ref().to_vec() }
}

/// A key in every spelling, and either half of its bytes.
fn of_key(what: &str, base64: &str) -> Vec<Needle> {
    let digits = |letter: u8| {
        let place = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
            .iter()
            .position(|one| *one == letter);
        u32::try_from(place.unwrap_or(0)).expect("small")
    };
    let bytes: Vec<u8> = base64
        .as_bytes()
        .chunks(4)
        .flat_map(|four| {
            let word = four.iter().fold(0, |word, letter| word << 6 | digits(*letter));
            word.to_be_bytes()[1..].to_vec()
        })
        .take(32)
        .collect();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    vec![
        needle(&format!("{what}, base64"), &base64[..20]),
        needle(&format!("{what}, hexadecimal"), &hex[..32]),
        needle(&format!("{what}, first half"), &bytes[..16]),
        needle(&format!("{what}, second half"), &bytes[16..]),
    ]
}

/// What the device knows: its private key, preshared keys, public keys of peers, endpoints, handshakes.
fn needles(tunnel: &Tunnel) -> Vec<Needle> {
    let show = |what: &str| wireguard::wg(&["show", &tunnel.end.device, what], Stdio::null());
    let mut needles = of_key("the private key", &show("private-key"));
    for line in show("preshared-keys").lines() {
        let (public, preshared) = line.split_once('\t').expect("two fields");
        needles.extend(of_key("a public key", public));
        needles.extend(of_key("a preshared key", preshared));
    }
    for line in show("endpoints").lines() {
        let endpoint = line.split_once('\t').expect("two fields").1;
        let (address, port) = endpoint.rsplit_once(':').expect("an address and a port");
        let octets: Vec<u8> = address.split('.').map(|octet| octet.parse().expect("IPv4")).collect();
        let port: u16 = port.parse().expect("a port");
        needles.push(needle("an endpoint", endpoint));
        needles
            .push(needle("an endpoint, as the kernel has it", [&port.to_be_bytes()[..], &octets].concat()));
    }
    for line in show("latest-handshakes").lines() {
        let time = line.split_once('\t').expect("two fields").1;
        assert_ne!(time, "0", "there was a handshake");
        needles.push(needle("a time of a handshake", time));
        let seconds: u64 = time.parse().expect("seconds");
        needles.push(needle("a time of a handshake, in binary", seconds.to_le_bytes()));
    }
    needles
}

/// Which of the needles stand in the memory that a process can write.
fn found(process: u32, needles: &[Needle]) -> Vec<&str> {
    let finder =
        aho_corasick::AhoCorasick::new(needles.iter().map(|needle| &needle.bytes)).expect("few needles");
    let mut found = Vec::new();
    memory::each_part(process, |bytes| {
        let hits = finder.find_overlapping_iter(bytes);
        found.extend(hits.map(|hit| needles[hit.pattern().as_usize()].what.as_str()));
    });
    found.sort_unstable();
    found.dedup();
    found
}

#[test]
fn nothing_of_a_device_is_in_memory_a_second_after_it_was_asked() {
    let tunnel = Tunnel::new('m', 2);
    let secret = tempfile::NamedTempFile::new().expect("a file");
    for client in 0..2 {
        tunnel.talk(client, 1);
        fs::write(secret.path(), wireguard::wg(&["genpsk"], Stdio::null())).expect("ours");
        let line = format!(
            "wg set {} peer {} preshared-key {}",
            tunnel.end.device,
            tunnel.key(client),
            secret.path().display()
        );
        tunnel.namespace.command(&line);
    }
    // The daemon reads clocks too: the handshakes are of other seconds.
    let_pass(Duration::from_millis(2_100), "the second of the handshakes");
    let needles = needles(&tunnel);
    // Here they are found, each of them.
    let mut there: Vec<&str> = needles.iter().map(|needle| needle.what.as_str()).collect();
    there.sort_unstable();
    there.dedup();
    assert_eq!(found(std::process::id(), &needles), there, "the control: what is kept is found");

    let (daemon, folder) = daemon(&tunnel);
    let counts = daemon.answer(&["roster", "counts", "--json"]);
    assert_eq!(counts["sources"][1]["prefixes"], 8, "the device was asked: four prefixes, in eights");
    let_pass(Duration::from_secs(1), "what is promised of keys");
    let reader = reader(&daemon);
    for (name, process) in [("daemon", daemon.id()), ("reader", reader), ("helper", daemon.helper())] {
        assert_eq!(found(process, &needles), [""; 0], "in the memory of the {name}");
    }
    let mut told = daemon.said() + &daemon.metrics(&tunnel.namespace);
    for words in [&["status", "--json"][..], &["roster", "counts", "--json"], &["inventory", "--json"]] {
        told += &daemon.command(words).stdout;
    }
    for entry in fs::read_dir(folder.path(""))
        .expect("ours")
        .flatten()
        .filter(|entry| entry.file_name() != "peers.csv")
    {
        told += &String::from_utf8_lossy(&fs::read(entry.path()).unwrap_or_default());
    }
    let texts = needles.iter().filter_map(|needle| std::str::from_utf8(&needle.bytes).ok());
    for text in texts.filter(|text| text.len() > 9) {
        assert!(!told.contains(text), "{text} is told");
    }
}

/// The reader keeps one capability and has its own sandbox; nothing of the daemon's is open in it; it ends with
/// the daemon.
#[test]
fn the_reader_is_enclosed_and_ends_with_the_daemon() {
    let tunnel = Tunnel::new('c', 1);
    let (daemon, _folder) = daemon(&tunnel);
    let reader = reader(&daemon);
    let status = fs::read_to_string(format!("/proc/{reader}/status")).expect("it lives");
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.expect("the kernel tells it").trim().to_owned()
    };
    // CAP_NET_ADMIN.
    assert_eq!(
        (field("CapEff").as_str(), field("CapPrm").as_str()),
        ("0000000000001000", "0000000000001000")
    );
    assert_eq!((field("CapInh"), field("CapAmb")), ("0".repeat(16), "0".repeat(16)));
    assert_eq!(
        (field("NoNewPrivs").as_str(), field("Seccomp").as_str(), field("Threads").as_str()),
        ("1", "2", "1")
    );
    let limits = fs::read_to_string(format!("/proc/{reader}/limits")).expect("root reads limits");
    assert!(limits.lines().any(|line| line.starts_with("Max core file size") && line.split_whitespace().nth(4) == Some("0")));
    let open = fs::read_dir(format!("/proc/{reader}/fd")).expect("root looks").count();
    assert_eq!(open, 2, "its socket and standard error");
    daemon.kill();
    wait_until("the reader ends", TIMEOUT, || !fs::exists(format!("/proc/{reader}")).unwrap_or(true));
}
