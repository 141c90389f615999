//! What assignments and synchronisations do, seen by whom packets are charged to.
//!
//! Each look exports every account, more often than the limits of exports allow: a lab build runs here.

mod daemon;
mod netns;
mod support;

use daemon::Site;
use netns::Namespace;
use netns::tun::Tun;
use support::frames::{Address, datagram};

/// A daemon on a TUN device, and packets of the test that show who owns an address.
struct Owners<'a> {
    site: &'a Site,
    tun: Tun,
}

const ACCOUNTS: [&str; 5] = ["file-one", "file-two", "control-one", "control-two", "control-three"];

impl Owners<'_> {
    /// Sends one packet from 10.77.0.`host`; gives the account it was charged to.
    fn of(&self, host: u32) -> Option<&'static str> {
        let before = ACCOUNTS.map(|account| self.sent_by(account));
        self.tun.inject(&datagram(Address::v4(0x0a4d_0000 + host), Address::v4(0x0900_0001), 100));
        let after = ACCOUNTS.map(|account| self.sent_by(account));
        let charged: Vec<_> = ACCOUNTS.into_iter().zip(after.iter().zip(before)).collect();
        assert!(charged.iter().map(|(_, (after, before))| *after - before).sum::<u64>() <= 100);
        charged.into_iter().find(|(_, (after, before))| *after - before == 100).map(|(account, _)| account)
    }

    fn sent_by(&self, account: &str) -> u64 {
        let text = self.site.command(&["accounts", "export", account, "--open-epoch", "--json"]).succeeded();
        let export: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        ["period", "open_epoch"].iter().filter_map(|part| export[part]["up_bytes"].as_u64()).sum()
    }
}

#[test]
fn the_control_socket_wins_over_the_file_and_each_changes_only_its_own() {
    let namespace = Namespace::new();
    let site = Site::new();
    let tun = Tun::open(&namespace, "tun0");
    site.configure("bm-none*", "tun0");
    site.write("roster.csv", "prefix,account\n10.77.0.1,file-one\n10.77.0.2,file-two\n");
    let mut command = site.daemon_command(&[]);
    let mut daemon = site.adopt(namespace.run(move || command.spawn()).expect("setpriv is there"));
    daemon.await_answer();
    let owners = Owners { site: &site, tun };
    let does = |words: &[&str]| {
        let said = site.command(words).succeeded();
        let lines = usize::from(words[1] == "assign");
        assert_eq!(said.lines().count(), lines, "{words:?} an assignment alone is confirmed: {said}");
    };
    assert_eq!([1, 2, 3].map(|host| owners.of(host)), [Some("file-one"), Some("file-two"), None]);

    does(&["roster", "assign", "10.77.0.1", "control-one"]);
    does(&["roster", "assign", "10.77.0.3/32", "control-three"]);
    let (one, three) = (Some("control-one"), Some("control-three"));
    assert_eq!([1, 2, 3].map(|host| owners.of(host)), [one, Some("file-two"), three]);

    site.write("sync.csv", "prefix,account\n10.77.0.2,control-two\n10.77.0.2/32,canary\n");
    let sync = ["roster", "sync", &site.name("sync.csv")];
    site.command(&sync).failed(78, &[&site.name("sync.csv"), "line 2 and line 3"]);
    assert_eq!([1, 2, 3].map(|host| owners.of(host)), [one, Some("file-two"), three], "nothing was changed");

    site.write("sync.csv", "prefix,account\n10.77.0.2,control-two\n");
    does(&sync);
    let two = Some("control-two");
    assert_eq!([1, 2, 3].map(|host| owners.of(host)), [Some("file-one"), two, None], "the file shows again");

    site.write("roster.csv", "prefix,account\n10.77.0.1,file-two\n10.77.0.4,file-one\n");
    assert!(daemon.reload().ends_with("reloaded"));
    let owned = [1, 2, 3, 4].map(|host| owners.of(host));
    assert_eq!(owned, [Some("file-two"), two, None, Some("file-one")], "SIGHUP leaves the socket's alone");

    let counts = site.command(&["roster", "counts", "--json"]).succeeded();
    let counts: serde_json::Value = serde_json::from_str(&counts).expect("JSON");
    let sources = serde_json::json!([
        {"source": "control", "prefixes": 0, "accounts": 0, "up": true, "without_account": 0, "latched": true},
        {"source": "file", "prefixes": 2, "accounts": 2, "up": true, "without_account": 0, "latched": false},
    ]);
    assert_eq!(counts["sources"], sources, "before the first close the socket's figures are 0");

    does(&["roster", "unassign", "10.77.0.2"]);
    assert_eq!(owners.of(2), None, "neither names it any more");
    site.command(&["roster", "unassign", "10.77.0.2"]).failed(2, &["nothing was changed"]);
    site.command(&["roster", "unassign", "10.77.0.1"]).failed(2, &["nothing was changed"]);
    assert_eq!(owners.of(1), Some("file-two"), "the file's is not the socket's to release");
}
