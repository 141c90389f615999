//! A WireGuard server and clients of the kernel's own: what its netlink family tells, over many messages.

use std::cell::RefCell;
use std::fmt::Write;
use std::process::{Command, Stdio};

use crate::hosts::Hosts;
use crate::netns::tally::Totals;
use crate::netns::{Namespace, datagrams};

pub(crate) const DEVICE: &str = "wg0";

/// Peers beside the clients, and addresses of each: more than one message of netlink holds, and more of one peer than
/// the rest of a message.
pub(crate) const OTHERS: u32 = 300;
pub(crate) const ADDRESSES: u32 = 30;

/// WireGuard's own messages: the header and the tag of data, and of a keepalive, which is nothing else; the two of a
/// handshake.
const HEADERS: u64 = 32;
const INITIATION: u64 = 148;
const RESPONSE: u64 = 92;

pub(crate) struct Server {
    pub(crate) hosts: Hosts,
    /// The server's public key, and those of the clients.
    own: String,
    pub(crate) keys: Vec<String>,
    /// What was sent, up and down, as WireGuard's messages.
    data: RefCell<[Messages; 2]>,
}

fn wg(words: &[&str], input: &str) -> String {
    let mut child = Command::new("wg")
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("wireguard-tools is installed (tests/run)");
    std::io::Write::write_all(&mut child.stdin.take().expect("piped"), input.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    String::from_utf8(output.stdout).expect("keys are base64").trim().to_owned()
}

impl Server {
    pub(crate) fn new(clients: usize) -> Self {
        let hosts = Hosts::new(clients);
        let private: Vec<String> = (0..=clients).map(|_| wg(&["genkey"], "")).collect();
        let public: Vec<String> = private.iter().map(|key| wg(&["pubkey"], key)).collect();
        for (at, key) in private.iter().enumerate() {
            hosts.write(&format!("key-{at}"), key);
        }
        hosts.write("preshared", &wg(&["genpsk"], ""));
        raise(&hosts, &hosts.server, 0);
        for client in 0..clients {
            raise(&hosts, &hosts.clients[client], client + 1);
        }
        let server =
            Self { own: public[0].clone(), keys: public[1..].to_vec(), hosts, data: RefCell::default() };
        (0..clients).for_each(|client| server.admit(client));
        let mut others = String::new();
        for (other, key) in (1..).zip(server.others()) {
            let addresses: Vec<String> =
                (0..ADDRESSES).map(|at| format!("fd83:{other:x}::{at:x}/128")).collect();
            writeln!(others, "[Peer]\nPublicKey = {key}\nAllowedIPs = {}", addresses.join(", "))
                .expect("text");
        }
        server.hosts.write("others", &others);
        let others = server.hosts.path("others").display().to_string();
        server.hosts.server.command(&format!("wg addconf {DEVICE} {others}"));
        server
    }

    /// Public keys of the other peers: nobody has the private halves, and nobody needs them.
    pub(crate) fn others(&self) -> Vec<String> {
        (0..OTHERS).map(|other| format!("{}{other:04}A=", "A".repeat(38))).collect()
    }

    /// Lets a client in, with its own addresses; it begins anew too, since it does not learn that it was forgotten.
    pub(crate) fn admit(&self, client: usize) {
        let (number, its) = (client + 2, &self.hosts.clients[client]);
        its.command(&format!("wg set {DEVICE} peer {} remove", self.own));
        let (keys, preshared) = ([&self.keys[client], &self.own], self.hosts.path("preshared"));
        let ends = [
            (
                &self.hosts.server,
                keys[0],
                format!("10.83.0.{number}/32,fd83::{number}/128 endpoint 192.0.{number}.2:51820"),
            ),
            (its, keys[1], format!("10.83.0.1/32,fd83::1/128 endpoint 192.0.{number}.1:51820")),
        ];
        for (namespace, key, rest) in ends {
            let preshared = preshared.display();
            namespace
                .command(&format!("wg set {DEVICE} peer {key} preshared-key {preshared} allowed-ips {rest}"));
        }
    }

    pub(crate) fn remove(&self, client: usize) {
        self.hosts.server.command(&format!("wg set {DEVICE} peer {} remove", self.keys[client]));
    }

    /// Sends datagrams between a client and the server, both families, up and down.
    pub(crate) fn talk(&self, client: usize, packets: usize) -> Totals {
        let number = client + 2;
        let addresses = [format!("10.83.0.{number}"), format!("fd83::{number}")];
        let ends = (&self.hosts.clients[client], addresses);
        let moved = datagrams::exchange(
            ends,
            (&self.hosts.server, ["10.83.0.1", "fd83::1"]),
            packets,
            200 + client * 10,
        );
        let mut data = self.data.borrow_mut();
        data[0].note(moved.up_packets, moved.up_bytes);
        data[1].note(moved.down_packets, moved.down_bytes);
        moved
    }

    /// What the kernel counted on the server's device is what WireGuard made of the packets, and besides handshakes and
    /// keepalives alone, each of its length.
    pub(crate) fn assert_explained(&self) {
        let counted = self.hosts.server.device_counters(DEVICE);
        let data = self.data.borrow();
        for (way, packets, bytes) in
            [(0, counted.rx_packets, counted.rx_bytes), (1, counted.tx_packets, counted.tx_bytes)]
        {
            let (packets, bytes) = (packets - data[way].packets, bytes - data[way].bytes);
            let is_explained = (0..=packets).any(|initiations| {
                (0..=packets - initiations).any(|responses| {
                    let keepalives = packets - initiations - responses;
                    initiations * INITIATION + responses * RESPONSE + keepalives * HEADERS == bytes
                })
            });
            assert!(
                is_explained && packets < 20,
                "way {way}: {bytes} bytes in {packets} messages of WireGuard's own"
            );
        }
    }
}

/// What packets of IP become: the device counts messages.
#[derive(Default)]
struct Messages {
    packets: u64,
    bytes: u64,
}

impl Messages {
    /// So many packets of one length, each with headers of its own and filled up to 16 bytes.
    fn note(&mut self, packets: u64, bytes: u64) {
        self.packets += packets;
        self.bytes += packets * ((bytes / packets).next_multiple_of(16) + HEADERS);
    }
}

/// Makes a host's device; the kernel says nothing of its own there.
fn raise(hosts: &Hosts, namespace: &Namespace, at: usize) {
    namespace.command(&format!("ip link add {DEVICE} type wireguard"));
    namespace.allow_v6(DEVICE);
    namespace.command(&format!("ip address add 10.83.0.{}/24 dev {DEVICE}", at + 1));
    namespace.command(&format!("ip -6 address add fd83::{}/64 dev {DEVICE} nodad", at + 1));
    let key = hosts.path(&format!("key-{at}")).display().to_string();
    namespace.command(&format!("wg set {DEVICE} listen-port 51820 private-key {key}"));
    namespace.command(&format!("ip link set {DEVICE} multicast off mtu 1420 up"));
}
