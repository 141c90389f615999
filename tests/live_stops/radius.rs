//! What RADIUS told outlives a stop and a start like what hooks said: in memory alone, until somebody says otherwise. A
//! kill forgets it where nothing outlives the process, and so does a reboot.

use std::fs;
use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt;

use super::{Fixture, mode};
use crate::support::radius::{RadiusClient, attribute};
use crate::support::wait::let_pass;
use std::time::Duration;

const SECRET: &str = "secret-that-servers-share";

const START: u8 = 1;
const STOP: u8 = 2;
const INTERIM: u8 = 3;

/// A fixture whose daemon hears RADIUS.
fn fixture(tap: &'static str, store: &str) -> Fixture {
    let fixture = Fixture::new(tap, store);
    let secret = fixture.folder.path("radius.secret");
    fs::write(&secret, SECRET).expect("ours");
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).expect("ours");
    let table = format!(
        "[[roster.radius]]\nlisten = \"127.0.0.1:1813\"\nsecret_file = \"{}\"\n[control]\n",
        secret.display()
    );
    fixture.folder.configure("[control]\n", &table);
    fixture
}

impl Fixture {
    /// A server tells of a session of this host's.
    fn radius(&self, status: u8, session: u32, account: &str, host: u8) {
        let socket = self.namespace.run(|| {
            let socket = UdpSocket::bind("127.0.0.1:0").expect("loopback");
            socket.connect("127.0.0.1:1813").expect("a datagram socket");
            socket
        });
        let more = [
            attribute(1, account.as_bytes()),
            attribute(8, &[10, 8, 0, host]),
            attribute(31, b"203.0.113.141"),
            attribute(32, b"server-of-the-test"),
        ];
        RadiusClient::new(socket, SECRET).tell(status, session, &more);
        let_pass(Duration::from_millis(200), "a tick of the roster, also of one that is late");
    }
}

#[test]
fn what_radius_told_holds_after_a_stop_until_somebody_says_otherwise() {
    for (tap, store) in [("ring", "sealed"), ("tcx", "memory")] {
        let fixture = fixture(tap, store);
        let daemon = fixture.start();
        for (host, account) in [(40, "alice"), (41, "bob"), (42, "carol"), (43, "dave")] {
            fixture.radius(START, host.into(), account, host);
        }
        fixture.radius(STOP, 43, "dave", 43);
        daemon.stop();
        let kept = fs::read(fixture.kept()).expect("a stop leaves it");
        assert_eq!((mode(&fixture.kept()), kept.len()), (0o600, 65_536));
        for word in ["alice", "carol", "canary-session", "203.0.113", "10.8.0", "server-of-the-test"] {
            assert!(!kept.windows(word.len()).any(|part| part == word.as_bytes()), "{word} is in the file");
        }
        let daemon = fixture.start();
        assert!(!fixture.kept().exists(), "a start wipes it");
        let owners = |hosts: [u32; 4]| hosts.map(|host| fixture.owner(&daemon, host));
        assert_eq!(
            owners([40, 41, 42, 43]),
            [Some("alice"), Some("bob"), Some("carol"), None],
            "{tap}, {store}"
        );
        // One goes on and ends, one's address is another's, and of one nobody says anything.
        fixture.radius(INTERIM, 40, "alice", 40);
        assert_eq!(fixture.owner(&daemon, 40), Some("alice"));
        fixture.radius(STOP, 40, "alice", 40);
        fixture.radius(START, 99, "erin", 41);
        assert_eq!(owners([40, 41, 42, 43]), [None, Some("erin"), Some("carol"), None], "{tap}, {store}");
        daemon.stop();
        let daemon = fixture.start();
        let owners = [40, 41, 42].map(|host| fixture.owner(&daemon, host));
        assert_eq!(owners, [None, Some("erin"), Some("carol")], "over a second stop");
        let said = daemon.stop();
        for word in ["10.8.", "alice", "erin", "203.0"] {
            assert!(!said.contains(word), "{word} is in the log: {said}");
        }
    }
}

/// The roster file, and a hook.
#[test]
fn the_first_source_that_contradicts_what_radius_told_before_a_stop_wins() {
    let fixture = fixture("tcx", "sealed");
    let daemon = fixture.start();
    [44, 45, 46, 48].into_iter().for_each(|host| fixture.radius(START, host.into(), "alice", host));
    daemon.stop();
    fs::write(fixture.folder.path("roster.csv"), "prefix,account\n10.8.0.44,dave\n").expect("ours");
    let daemon = fixture.start();
    assert_eq!(fixture.owner(&daemon, 44), Some("dave"), "the file that was changed meanwhile");
    fixture.ocserv("connect", "bob", 45, "9");
    assert_eq!([45, 46].map(|host| fixture.owner(&daemon, host)), [Some("bob"), Some("alice")]);
    // Once the server says it again, its word goes before the file's.
    fixture.radius(INTERIM, 46, "alice", 46);
    daemon.reload_roster("10.8.0.44,dave\n10.8.0.46,erin\n10.8.0.48,erin\n");
    assert_eq!([46, 48].map(|host| fixture.owner(&daemon, host)), [Some("alice"), Some("erin")], "a reload");
}

#[test]
fn a_kill_or_a_reboot_forgets_what_radius_told_as_the_pages_say() {
    for (tap, store, holds) in [("tcx", "sealed", true), ("tcx", "memory", false), ("ring", "sealed", false)]
    {
        let fixture = fixture(tap, store);
        let daemon = fixture.start();
        fixture.radius(START, 47, "alice", 47);
        assert_eq!(fixture.owner(&daemon, 47), Some("alice"));
        if store == "sealed" {
            fixture.folder.await_saves(2);
        }
        daemon.kill();
        assert!(!fixture.kept().exists(), "a kill leaves no file");
        let daemon = fixture.start();
        let expected = holds.then_some("alice");
        assert_eq!(fixture.owner(&daemon, 47), expected, "after a kill, {tap}, {store}");
        fixture.radius(START, 47, "alice", 47);
        assert_eq!(fixture.owner(&daemon, 47), Some("alice"));
        daemon.stop();
        // What a reboot does to a tmpfs.
        fs::remove_file(fixture.kept()).expect("it was there");
        let daemon = fixture.start();
        assert_eq!(fixture.owner(&daemon, 47), None, "after a reboot, {tap}, {store}");
    }
}
