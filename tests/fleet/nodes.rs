//! Three nodes of a fleet and two clusters of real servers, in one namespace.

use crate::fleet::servers::{Form, Servers};
use crate::netns::Namespace;
use crate::netns::daemon::{Daemon, PORT, Setup};
use crate::netns::folder::Folder;
use crate::netns::tally::{Way, name};
use crate::netns::wire::{Kind, Wire, nobody};
use crate::support::frames::{Address, datagram};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::{Arc, Mutex};

pub(crate) const NODES: usize = 3;
pub(crate) const KEY: [u8; 32] = [5; 32];
/// Of the lab: a refresh of five seconds, a period that outlasts the test.
pub(crate) const REFRESH_SECONDS: u64 = 5;
pub(crate) const PERIOD_SECONDS: u64 = 100_000;

/// The nodes, and the servers, in one namespace.
pub(crate) struct Fixture {
    pub(crate) namespace: Namespace,
    wires: Vec<Wire>,
    pub(crate) folders: Vec<Arc<Folder>>,
    pub(crate) clusters: Vec<Arc<Mutex<Servers>>>,
}

impl Fixture {
    /// Nodes with this tap and epochs of this length; `more` stands at the end of `[fleet]`.
    pub(crate) fn new(tap: &'static str, epoch: &str, more: &str) -> Self {
        let namespace = Namespace::new();
        let form = Form { gives_up_after: Some(2000), ..Form::default() };
        let start = |_| {
            let form = form.clone();
            Arc::new(Mutex::new(namespace.run(move || Servers::start(form))))
        };
        let clusters: Vec<_> = (0..2).map(start).collect();
        let devices = ["tun0", "tun1", "tun2"];
        let wires = devices.map(|device| Wire::make(&namespace, Kind::Tun, device)).into_iter().collect();
        let folder = |node: usize| {
            // Two send, and two are never used.
            let row = |account: usize| format!("10.8.{node}.{},{}\n", 6 + account, name(account));
            let roster: String = (0..4).map(row).collect();
            let pools = vec![["10.8.0.0/24", "10.8.1.0/24", "10.8.2.0/24"][node]];
            let setup = Setup { backend: tap, interfaces: vec![devices[node]], pools, roster };
            Folder::keeping(&setup, epoch)
        };
        let folders = (0..NODES).map(folder).collect();
        let fixture = Self { namespace, wires, folders, clusters };
        fixture.write_fleet(more);
        fixture
    }

    fn write_fleet(&self, more: &str) {
        for (node, folder) in self.folders.iter().enumerate() {
            let mut credentials = String::new();
            let mut clusters = String::new();
            for (letter, cluster) in ["A", "B"].into_iter().zip(&self.clusters) {
                let cluster = cluster.lock().expect("whole");
                for role in ["node", "desk", "privacy", "totals", "check", "install"] {
                    credentials += &format!("{role}@{letter}:{}\n", cluster.secret(role));
                }
                credentials += &format!("names@{letter}:{}\n", cluster.secret("names"));
                let members: Vec<String> = (0..3).map(|at| format!("{:?}", cluster.address(at))).collect();
                clusters += &format!("[[fleet.cluster]]\nmembers = [{}]\n", members.join(", "));
            }
            for (file, bytes) in [("fleet.key", &KEY[..]), ("fleet.credentials", credentials.as_bytes())] {
                fs::write(folder.path(file), bytes).expect("a secret");
                let owners = fs::Permissions::from_mode(0o600);
                fs::set_permissions(folder.path(file), owners).expect("it is ours");
            }
            folder.configure("name = \"live-test\"", &format!("name = \"node-{node}\""));
            folder.configure(&format!("127.0.0.1:{PORT}"), &format!("127.0.0.1:{}", PORT as usize + node));
            folder.configure(
                "[web]",
                &format!(
                    "period = \"{PERIOD_SECONDS}s\"\n[support]\nrefresh = \"{REFRESH_SECONDS}s\"\n[fleet]\nkey_file = {:?}\n\
                     credentials_file = {:?}\nspread = \"1s\"\n{more}{clusters}[web]",
                    folder.path("fleet.key"),
                    folder.path("fleet.credentials")
                ),
            );
        }
        let installed = self.folders[0].command_in(&self.namespace, &["fleet", "install"]);
        assert_eq!(installed.code, Some(0), "{}{}", installed.stdout, installed.stderr);
    }

    pub(crate) fn start(&self) -> Vec<Daemon> {
        self.folders.iter().map(|folder| Daemon::start_in(&self.namespace, folder)).collect()
    }

    /// So many packets of this length, of an account on a node.
    pub(crate) fn send(&self, node: usize, account: usize, packets: u64, length: usize) {
        let low = u32::try_from(node * 256 + 6 + account).expect("small");
        let address = Address::v4(0x0a08_0000 + low);
        let packet = datagram(address, nobody(address, 1), length);
        (0..packets).for_each(|_| self.wires[node].send(Way::Up, &packet));
    }

    /// Kills every server of a cluster.
    pub(crate) fn lose(&self, place: usize) {
        let servers = Arc::clone(&self.clusters[place]);
        self.namespace.run(move || {
            let mut servers = servers.lock().expect("whole");
            (0..servers.count()).for_each(|at| servers.kill(at));
        });
    }

    /// Starts them again, empty, and loads the functions.
    pub(crate) fn bring_back(&self, place: usize) {
        let servers = Arc::clone(&self.clusters[place]);
        self.namespace.run(move || {
            let mut servers = servers.lock().expect("whole");
            (0..servers.count()).for_each(|at| servers.return_server(at, &[]));
            servers.await_whole();
        });
        let installed = self.folders[0].command_in(&self.namespace, &["fleet", "install"]);
        assert_eq!(installed.code, Some(0), "{}{}", installed.stdout, installed.stderr);
    }
}
