//! A WireGuard server with clients: Debian's wireguard-go in a namespace each, and datagrams of known length
//! through the tunnel. Keeps what it sent, by client.
#![allow(dead_code, reason = "each target uses its own part")]

use std::process::Stdio;

use crate::netns::tally::Totals;
use crate::netns::{DeviceCounters, Namespace, datagrams};
use crate::wireguard::{End, device, wg};

/// A client: its namespace, its end of the tunnel, its number.
pub(crate) struct Client {
    namespace: Namespace,
    end: End,
    number: usize,
}

pub(crate) struct Tunnel {
    pub(crate) namespace: Namespace,
    pub(crate) end: End,
    pub(crate) clients: Vec<Client>,
}

impl Tunnel {
    /// A server with so many clients, whose devices bear this letter in their names.
    pub(crate) fn new(letter: char, clients: usize) -> Self {
        let namespace = Namespace::new();
        let end = End::start(&namespace, &device(&format!("lw{letter}")));
        raise(&namespace, &end, 1);
        let tunnel = Self { namespace, end, clients: Vec::new() };
        (0..clients).fold(tunnel, |mut tunnel, at| {
            tunnel.connect(at, letter);
            tunnel
        })
    }

    fn connect(&mut self, at: usize, letter: char) {
        let (namespace, number) = (Namespace::new(), at + 2);
        let (ours, its) = (format!("s{at}"), format!("c{at}"));
        let macs = [1, 2].map(|end| format!("02:00:00:07:{at:02}:{end:02}"));
        self.namespace.veth(&ours, &macs[0], &namespace, &its, &macs[1]);
        self.namespace.command(&format!("ip address add 192.0.{number}.1/24 dev {ours}"));
        namespace.command(&format!("ip address add 192.0.{number}.2/24 dev {its}"));
        let end = End::start(
            &namespace,
            &device(&format!("l{}{letter}", (b'a' + u8::try_from(at).expect("few")) as char)),
        );
        raise(&namespace, &end, number);
        self.clients.push(Client { namespace, end, number });
        self.admit(at);
    }

    /// Lets a client in, with its own addresses.
    pub(crate) fn admit(&self, client: usize) {
        let Client { namespace, end, number } = &self.clients[client];
        self.give(client, &format!("10.88.0.{number}/32,fd88::{number}/128"));
        // A session that the server has forgotten is given up by the client after 15 seconds, or at once.
        namespace.command(&format!("wg set {} peer {} remove", end.device, self.end.public));
        end.connect(namespace, &self.end, "10.88.0.1/32,fd88::1/128", &format!("192.0.{number}.1:51820"));
    }

    /// Gives a client these addresses, which nobody else has any more.
    pub(crate) fn give(&self, client: usize, addresses: &str) {
        let Client { end, number, .. } = &self.clients[client];
        self.end.connect(&self.namespace, end, addresses, &format!("192.0.{number}.2:51820"));
    }

    /// Lets a client in no more.
    pub(crate) fn remove(&self, client: usize) {
        let line = format!("wg set {} peer {} remove", self.end.device, self.key(client));
        self.namespace.command(&line);
    }

    /// A client goes to another place: it sends from another port from now on.
    pub(crate) fn roam(&self, client: usize, port: u16) {
        let Client { namespace, end, .. } = &self.clients[client];
        namespace.command(&format!("wg set {} listen-port {port}", end.device));
    }

    /// A client sends from this address as well.
    pub(crate) fn add_address(&self, client: usize, address: &str) {
        let Client { namespace, end, .. } = &self.clients[client];
        namespace.command(&format!("ip address add {address} dev {}", end.device));
    }

    /// A client's public key, as wg(8) prints it.
    pub(crate) fn key(&self, client: usize) -> &str {
        &self.clients[client].end.public
    }

    /// What the kernel counted on the server's device.
    pub(crate) fn counters(&self) -> DeviceCounters {
        self.namespace.device_counters(&self.end.device)
    }

    /// What wg(8) shows of a client: received and sent bytes.
    pub(crate) fn transfer(&self, client: usize) -> Option<(u64, u64)> {
        let shown = wg(&["show", &self.end.device, "transfer"], Stdio::null());
        let line = shown.lines().find(|line| line.starts_with(self.key(client)))?;
        let mut counts = line.split_whitespace().skip(1).map(|count| count.parse().expect("a count"));
        counts.next().zip(counts.next())
    }

    /// Sends datagrams between a client and the server, both families, up and down, each of its own length,
    /// and waits until all have come out of the tunnel.
    pub(crate) fn talk(&self, client: usize, packets: usize) -> Totals {
        let number = self.clients[client].number;
        self.talk_from(client, [format!("10.88.0.{number}"), format!("fd88::{number}")], packets)
    }

    /// The same with other addresses of the client.
    pub(crate) fn talk_from(&self, client: usize, addresses: [String; 2], packets: usize) -> Totals {
        let Client { namespace, number, .. } = &self.clients[client];
        let length = 200 + number * 10;
        datagrams::exchange(
            (namespace, addresses),
            (&self.namespace, ["10.88.0.1", "fd88::1"]),
            packets,
            length,
        )
    }
}

/// Gives an end its addresses inside the tunnel, and sees that the kernel says nothing of its own there.
fn raise(namespace: &Namespace, end: &End, number: usize) {
    let device = &end.device;
    namespace.allow_v6(device);
    namespace.command(&format!("ip address add 10.88.0.{number}/24 dev {device}"));
    namespace.command(&format!("ip -6 address add fd88::{number}/64 dev {device} nodad"));
    namespace.command(&format!("ip link set {device} multicast off mtu 1420 up"));
}
