//! RADIUS accounting and a server's status file as the daemon hears them: nothing that a client causes is seen before a
//! close, and of a request nothing is left in memory but whose the address is.
#![cfg(not(feature = "lab"))]

mod daemon;
mod support;

use daemon::{Daemon, Site};
use std::fs::{self, Permissions};
use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;
use support::memory::found;
use support::radius::{RadiusClient, attribute};
use support::wait::let_pass;

const SECRET: &str = "secret-that-servers-share";

/// A site whose daemon hears RADIUS, and a server that speaks to it.
fn site() -> (Site, RadiusClient) {
    let site = Site::new();
    site.write("radius.secret", SECRET);
    fs::set_permissions(site.path("radius.secret"), Permissions::from_mode(0o600)).expect("it is ours");
    let free = UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("loopback");
    let secret = site.name("radius.secret");
    site.configure(
        "[control]\n",
        format!(
            "[[roster.radius]]\nlisten = \"{free}\"\nsecret_file = \"{secret}\"\n\
             [[roster.openvpn]]\nstatus = \"{}\"\npoll = \"1s\"\ngrace = 0\n[control]\n",
            site.name("status")
        ),
    );
    write_status(&site, 2, "");
    let socket = UdpSocket::bind("127.0.0.1:0").expect("loopback");
    socket.connect(free).expect("a datagram socket");
    (site, RadiusClient::new(socket, SECRET))
}

/// An OpenVPN server writes that so many clients are there, and what else.
fn write_status(site: &Site, clients: u32, more: &str) {
    let head = "TITLE,OpenVPN\nHEADER,ROUTING_TABLE,Virtual Address,Common Name\n";
    let row = |client| {
        format!("ROUTING_TABLE,10.77.{}.{},canary-ovpn-{client}\n", 200 + client / 200, client % 200)
    };
    let rows: String = (0..clients).map(row).collect();
    fs::write(site.path("status.new"), format!("{head}{rows}{more}END\n")).expect("a file of our own");
    fs::rename(site.path("status.new"), site.path("status")).expect("a file of our own");
    let_pass(Duration::from_millis(1_500), "it is read");
}

/// The account and the address of a client.
fn of_client(number: u32) -> [Vec<u8>; 2] {
    let name = format!("canary-{number}");
    let address = 0x0a4d_6400 + number;
    [attribute(1, name.as_bytes()), attribute(8, &address.to_be_bytes())]
}

/// All that a daemon shows to whoever reads its page, its log, its state or the sizes of its roster.
fn shown(site: &Site, daemon: &Daemon<'_>) -> [(&'static str, String); 4] {
    let answer = |words: &[&str]| {
        let answer = site.command(words);
        format!("{:?} {}", answer.code, answer.stdout)
    };
    [
        ("/metrics", daemon.metrics()),
        ("the log", daemon.said()),
        ("status", answer(&["status", "--json"])),
        ("roster counts", answer(&["roster", "counts", "--json"])),
    ]
}

#[test]
fn what_clients_do_is_seen_nowhere_before_a_close() {
    let (site, mut server) = site();
    let daemon = site.start();
    let before = shown(&site, &daemon);
    assert!(before[0].1.contains("blindmeter_roster_source_up{source=\"radius\"} 1\n"));
    let look = |what: &str| {
        for (then, now) in before.iter().zip(shown(&site, &daemon)) {
            assert_eq!(then.1, now.1, "{} differs after {what}", now.0);
        }
    };
    server.tell(1, 1, &of_client(1));
    look("a client that came");
    server.tell(2, 1, &of_client(1));
    look("a client that went");
    server.tell(7, 0, &[]);
    look("a server that began anew");
    // More accounts than there is room for.
    (0..100).for_each(|client| server.tell(1, client, &of_client(client)));
    look("clients that found no room");
    (0..100).for_each(|client| server.tell(2, client, &of_client(client)));
    look("clients that left room");
    server.tell(1, 1, &[attribute(1, b""), attribute(8, &[1])]);
    look("a client without a name");
    write_status(&site, 3, "");
    look("a client of OpenVPN that came");
    write_status(&site, 300, "");
    look("clients of OpenVPN that found no room");
    write_status(&site, 1, "");
    look("clients of OpenVPN that went");
    write_status(&site, 1, "ROUTING_TABLE,02:42:ac:11:00:02,canary-bridged\n");
    look("a client of a bridge");
    let stranger = server.packet(&of_client(1), "another secret");
    server.send_in_vain(&stranger);
    look("a stranger's request");
    let good = server.packet(&of_client(1), SECRET);
    server.send_in_vain(&good[..30]);
    server.send_in_vain(b"no packet");
    server.send_in_vain(&[4; 4096]);
    look("what is no request");
}

#[test]
fn counts_tell_in_one_screen_what_works_and_what_a_caller_did() {
    let (site, _server) = site();
    let daemon = site.start();
    let said = site.command(&["roster", "assign", "10.77.3.1", "canary-three"]).succeeded();
    assert!(said.starts_with("assigned, and in force now.") && said.contains("the host reboots"), "{said}");
    let screen = site.command(&["roster", "counts"]).succeeded();
    for line in [
        "radius *",
        "openvpn *",
        "file",
        "room for 64 accounts",
        "bytes without an account: not known before",
    ] {
        assert!(screen.contains(line), "{line}: {screen}");
    }
    assert!(
        screen.lines().count() < 20 && !screen.contains("canary") && !screen.contains("10.77"),
        "{screen}"
    );
    fs::write(site.path("status"), "no status file").expect("ours");
    daemon.await_said("openvpn", 1);
    let screen = site.command(&["roster", "counts"]).succeeded();
    assert!(screen.lines().any(|line| line.contains("openvpn *") && line.contains("DOWN")), "{screen}");
}

#[test]
fn a_roster_that_will_not_fit_is_warned_of_before_it_bites() {
    let (site, _server) = site();
    let rows =
        |count: u32| -> String { (0..count).map(|at| format!("10.77.1.{at},canary-{at}\n")).collect() };
    site.write("roster.csv", format!("prefix,account\n{}", rows(56)));
    let checked = site.command(&["check"]);
    assert!(checked.code == Some(0) && !checked.stdout.contains("store.capacity:"), "{}", checked.stdout);
    site.write("roster.csv", format!("prefix,account\n{}", rows(60)));
    let checked = site.command(&["check"]);
    let told = "store.capacity: 60 accounts are named, and there is room for 64";
    assert!(checked.code == Some(0) && checked.stdout.contains(told), "{}", checked.stdout);
    let _daemon = site.start();
    let status = site.command(&["status"]);
    assert!(status.stdout.contains(told), "{}", status.stdout);
}

#[test]
fn what_a_request_said_is_nowhere_in_memory_a_second_later() {
    let (site, mut server) = site();
    let daemon = site.start();
    let besides = [
        attribute(31, b"198.51.100.213"),
        attribute(32, b"canary-server"),
        attribute(33, b"canary-proxy-state"),
        attribute(77, b"canary-agent/9.01"),
        attribute(25, b"canary-class"),
        attribute(55, &0x6a2b_3c4d_u32.to_be_bytes()),
    ];
    for round in 0..10 {
        let client = [of_client(200).to_vec(), besides.to_vec()].concat();
        [1, 3, 2].into_iter().for_each(|status| server.tell(status, 7000 + round, &client));
        let stranger = server.packet(&client, "another secret");
        server.send_in_vain(&stranger);
    }
    let_pass(Duration::from_secs(1), "what is promised of names");
    let texts = [
        "canary-200",
        "canary-session-700",
        "198.51.100.213",
        "canary-server",
        "canary-proxy-state",
        "canary-agent",
        "canary-class",
        "\u{4d}\u{3c}\u{2b}\u{6a}",
        SECRET,
    ];
    let counts = found(daemon.id(), &texts);
    let (control, said) = counts.split_last().expect("texts");
    assert!(*control > 0, "the control: the secret is kept");
    assert_eq!(said, [0; 8], "what a request said, in memory");
    let said = daemon.said();
    assert!(!said.contains("canary") && !said.contains(SECRET), "{said}");
}
