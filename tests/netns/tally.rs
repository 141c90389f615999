//! What was sent, kept by the test: totals, a roster with a naive longest-prefix search, and the
//! comparison with what the daemon exports.

use std::fmt::Write as _;

use super::daemon::Daemon;
use crate::support::frames::Address;
use crate::support::rng::Rng;
use crate::support::wait::{TIMEOUT, wait_at_most};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) up_bytes: u64,
    pub(crate) up_packets: u64,
    pub(crate) down_bytes: u64,
    pub(crate) down_packets: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Ingress: the source's owner sends.
    Up,
    /// Egress: the destination's owner receives.
    Down,
}

impl Totals {
    pub(crate) fn add(&mut self, way: Way, packets: u64, bytes: u64) {
        match way {
            Way::Up => {
                self.up_bytes += bytes;
                self.up_packets += packets;
            }
            Way::Down => {
                self.down_bytes += bytes;
                self.down_packets += packets;
            }
        }
    }

    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            up_bytes: self.up_bytes + other.up_bytes,
            up_packets: self.up_packets + other.up_packets,
            down_bytes: self.down_bytes + other.down_bytes,
            down_packets: self.down_packets + other.down_packets,
        }
    }

    pub(crate) fn packets(self) -> u64 {
        self.up_packets + self.down_packets
    }

    pub(crate) fn bytes(self) -> u64 {
        self.up_bytes + self.down_bytes
    }
}

/// The node's exact counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) attributed: Totals,
    pub(crate) unattributed: Totals,
    pub(crate) not_ip: u64,
    pub(crate) malformed: u64,
    pub(crate) link: u64,
    pub(crate) lost: u64,
}

impl Node {
    pub(crate) fn counted(&self) -> u64 {
        self.attributed.packets() + self.unattributed.packets() + self.not_ip + self.malformed + self.link
    }
}

/// A roster as a list of prefixes; the owner of an address is found by trying every one.
pub(crate) struct Roster {
    prefixes: Vec<(Address, u32, usize)>,
}

impl Roster {
    pub(crate) fn new() -> Self {
        Self { prefixes: Vec::new() }
    }

    pub(crate) fn give(&mut self, account: usize, network: Address, length: u32) {
        self.prefixes.push((network, length, account));
    }

    pub(crate) fn prefixes(&self) -> &[(Address, u32, usize)] {
        &self.prefixes
    }

    pub(crate) fn owner(&self, address: Address) -> Option<usize> {
        let matching = self.prefixes.iter().filter(|(network, length, _)| covers(*network, *length, address));
        matching.max_by_key(|(_, length, _)| *length).map(|(_, _, account)| *account)
    }

    /// A random address inside the prefix.
    pub(crate) fn inside(network: Address, length: u32, rng: &mut Rng) -> Address {
        match network {
            Address::V4(octets) => {
                let host_mask = u32::MAX.checked_shr(length).unwrap_or(0);
                let random = u32::try_from(rng.word() >> 32).expect("32 bits remain");
                Address::v4(u32::from_be_bytes(octets) | (random & host_mask))
            }
            Address::V6(octets) => {
                let host_mask = u128::MAX.checked_shr(length).unwrap_or(0);
                let random = u128::from(rng.word()) << 64 | u128::from(rng.word());
                Address::v6(u128::from_be_bytes(octets) | (random & host_mask))
            }
        }
    }

    /// First and last address of the prefix, and their neighbours outside it.
    pub(crate) fn edges(network: Address, length: u32) -> [Address; 4] {
        match network {
            Address::V4(octets) => {
                let first = u32::from_be_bytes(octets);
                let last = first | u32::MAX.checked_shr(length).unwrap_or(0);
                [first, last, first.wrapping_sub(1), last.wrapping_add(1)].map(Address::v4)
            }
            Address::V6(octets) => {
                let first = u128::from_be_bytes(octets);
                let last = first | u128::MAX.checked_shr(length).unwrap_or(0);
                [first, last, first.wrapping_sub(1), last.wrapping_add(1)].map(Address::v6)
            }
        }
    }

    pub(crate) fn csv(&self) -> String {
        let mut text = String::new();
        for (network, length, account) in &self.prefixes {
            writeln!(text, "{}/{length},{}", network.text(), name(*account)).expect("a string takes text");
        }
        text
    }
}

/// The name of the account with this number.
pub(crate) fn name(account: usize) -> String {
    format!("acct-{account:04}")
}

/// What the daemon should hold.
pub(crate) struct Expected {
    pub(crate) accounts: Vec<Totals>,
    pub(crate) unattributed: Totals,
    pub(crate) not_ip: u64,
    pub(crate) malformed: u64,
    /// Packets that passed while the daemon was not attached, and that it must tell of.
    pub(crate) lost: u64,
}

/// Probes that may pass before the daemon is attached, in a whole test.
const PROBES: u64 = 60;

impl Expected {
    pub(crate) fn of(accounts: usize) -> Self {
        Self {
            accounts: vec![Totals::default(); accounts],
            unattributed: Totals::default(),
            not_ip: 0,
            malformed: 0,
            lost: 0,
        }
    }

    pub(crate) fn add(&mut self, owner: Option<usize>, way: Way, packets: u64, bytes: u64) {
        match owner {
            Some(account) => self.accounts[account].add(way, packets, bytes),
            None => self.unattributed.add(way, packets, bytes),
        }
    }

    pub(crate) fn node(&self) -> Node {
        Node {
            attributed: self.accounts.iter().copied().fold(Totals::default(), Totals::plus),
            unattributed: self.unattributed,
            not_ip: self.not_ip,
            malformed: self.malformed,
            link: 0,
            lost: self.lost,
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.accounts.iter_mut().zip(&other.accounts) {
            *mine = mine.plus(*theirs);
        }
        self.unattributed = self.unattributed.plus(other.unattributed);
        self.not_ip += other.not_ip;
        self.malformed += other.malformed;
    }

    /// Waits until the daemon has seen as much as was sent, then compares every figure.
    pub(crate) fn assert_held_by(&self, daemon: &Daemon) {
        let expected = self.node();
        let node = daemon.await_packets(expected.counted());
        self.compare(daemon, &expected, &node);
    }

    /// The same where probes of unknown number were sent from addresses that nobody owns, some of them
    /// before the daemon was attached.
    pub(crate) fn assert_held_beside_probes(&self, daemon: &Daemon) {
        let wanted = self.node().attributed.packets();
        wait_until_attributed(daemon, wanted);
        let node = daemon.await_packets(0);
        let told = node.lost.clamp(self.lost, self.lost + PROBES);
        let expected = Node { unattributed: node.unattributed, lost: told, ..self.node() };
        self.compare(daemon, &expected, &node);
    }

    fn compare(&self, daemon: &Daemon, expected: &Node, node: &Node) {
        let names: Vec<String> = (0..self.accounts.len()).map(name).collect();
        let exported = daemon.export_all(&names);
        let mut wrong = String::new();
        let pairs = self.accounts.iter().zip(&exported).zip(&names);
        for ((sent, held), name) in pairs.filter(|((sent, held), _)| sent != held).take(8) {
            writeln!(wrong, "{name}\n  sent {}\n  held {}", line(sent), line(held))
                .expect("a string takes text");
        }
        let count = self.accounts.iter().zip(&exported).filter(|(sent, held)| sent != held).count();
        assert!(count == 0, "{count} accounts differ, of which:\n{wrong}the node {}", both(expected, node));
        assert!(node == expected, "the node {}", both(expected, node));
    }
}

fn wait_until_attributed(daemon: &Daemon, packets: u64) {
    // The comparison that follows says more of what is missing.
    wait_at_most(TIMEOUT, || daemon.export_node().attributed.packets() >= packets);
}

fn both(sent: &Node, held: &Node) -> String {
    let side = |node: &Node| {
        format!(
            "attributed {}; unattributed {}; not IP {}; malformed {}; lost {}",
            line(&node.attributed),
            line(&node.unattributed),
            node.not_ip,
            node.malformed,
            node.lost
        )
    };
    format!("was sent\n  {}\nand holds\n  {}", side(sent), side(held))
}

fn line(totals: &Totals) -> String {
    let Totals { up_bytes, up_packets, down_bytes, down_packets } = totals;
    format!("up {up_bytes} B in {up_packets}, down {down_bytes} B in {down_packets}")
}

fn covers(network: Address, length: u32, address: Address) -> bool {
    match (network, address) {
        (Address::V4(network), Address::V4(address)) => {
            let differing = u32::from_be_bytes(network) ^ u32::from_be_bytes(address);
            differing.leading_zeros() >= length
        }
        (Address::V6(network), Address::V6(address)) => {
            let differing = u128::from_be_bytes(network) ^ u128::from_be_bytes(address);
            differing.leading_zeros() >= length
        }
        _ => false,
    }
}
