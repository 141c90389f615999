//! A metered TUN beside other software: a namespace, a daemon's folder, and what was sent.

use std::process::Command;
use std::sync::Arc;

use super::Namespace;
use super::daemon::{Daemon, PORT, Setup};
use super::folder::Folder;
use super::tally::{Expected, Way, name};
use super::wire::{Kind, Wire, nobody};
use crate::support::command::Outcome;
use crate::support::frames::{Address, datagram};

pub(crate) const LENGTH: usize = 120;
pub(crate) const ACCOUNTS: usize = 2;

/// A namespace with a TUN, and the folder of a daemon that meters it.
pub(crate) struct Fixture {
    pub(crate) namespace: Namespace,
    pub(crate) wire: Wire,
    pub(crate) folder: Arc<Folder>,
    pub(crate) expected: Expected,
}

impl Fixture {
    pub(crate) fn new(tap: &'static str) -> Self {
        Self::with(tap, Folder::forgetful)
    }

    pub(crate) fn keeping(tap: &'static str) -> Self {
        Self::with(tap, |setup| Folder::keeping(setup, "24h"))
    }

    pub(crate) fn with(tap: &'static str, folder: impl Fn(&Setup) -> Arc<Folder>) -> Self {
        let namespace = Namespace::new();
        let wire = Wire::make(&namespace, Kind::Tun, "tun0");
        let folder = folder(&setup(tap, "tun0"));
        Self { namespace, wire, folder, expected: Expected::of(ACCOUNTS) }
    }

    pub(crate) fn start(&self) -> Daemon {
        Daemon::start_in(&self.namespace, &self.folder)
    }

    pub(crate) fn spawn(&self, status: i32) -> Daemon {
        let mut daemon = Daemon::spawn_in(&self.namespace, &self.folder);
        daemon.await_start(status);
        daemon
    }

    /// Sends so many packets each way that are counted, and checks every figure.
    pub(crate) fn counts(&mut self, daemon: &Daemon, packets: u64) {
        self.send(packets);
        for way in [Way::Up, Way::Down] {
            self.expected.add(Some(0), way, packets, packets * LENGTH as u64);
        }
        self.expected.assert_held_by(daemon);
    }

    pub(crate) fn send(&self, packets: u64) {
        let (owned, far) = (address(0), nobody(address(0), 1));
        for _ in 0..packets {
            self.wire.send(Way::Up, &datagram(owned, far, LENGTH));
            self.wire.send(Way::Down, &datagram(far, owned, LENGTH));
        }
    }

    pub(crate) fn command(&self, words: &[&str]) -> Outcome {
        self.folder.command_in(&self.namespace, words)
    }

    /// What `tc` lists in one direction.
    pub(crate) fn filters(&self, way: &'static str) -> String {
        let output = self
            .namespace
            .run(move || Command::new("tc").args(["filter", "show", "dev", "tun0", way]).output());
        String::from_utf8_lossy(&output.expect("iproute2 is installed").stdout).into_owned()
    }

    /// The value of `blindmeter_tap_attached`.
    pub(crate) fn attached(&self, daemon: &Daemon) -> u64 {
        let metrics = daemon.metrics(&self.namespace);
        let series = "blindmeter_tap_attached{interface=\"tun0\"} ";
        let value = metrics.lines().find_map(|line| line.strip_prefix(series)).expect("the series is there");
        value.trim().parse().expect("a gauge of whole numbers")
    }

    pub(crate) fn own_filters(&self) -> usize {
        ["ingress", "egress"].map(|way| self.filters(way).matches("blindmeter-").count()).iter().sum()
    }
}

pub(crate) fn address(account: u32) -> Address {
    Address::v4(0x0a08_0001 + account)
}

pub(crate) fn setup(tap: &'static str, interface: &'static str) -> Setup {
    let roster = (0..2).map(|at| format!("{},{}\n", address(at).text(), name(at as usize))).collect();
    Setup { backend: tap, interfaces: vec![interface], pools: vec!["10.8.0.0/24"], roster }
}

/// The folder of a second daemon of the same node, with an interface, a pin and a socket of its own.
pub(crate) fn second(
    tap: &'static str,
    interface: &'static str,
    folder: impl Fn(&Setup) -> Arc<Folder>,
) -> Arc<Folder> {
    let folder = folder(&setup(tap, interface));
    folder.configure(&PORT.to_string(), "9777");
    folder
}

/// Runs a command line (split at spaces) where the test runs; it must succeed.
pub(crate) fn support_command(line: &str) {
    let mut words = line.split_whitespace();
    let command = words.next().expect("a command line has a first word");
    let status = Command::new(command).args(words).status();
    assert!(status.is_ok_and(|status| status.success()), "{line}");
}
