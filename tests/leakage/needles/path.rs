//! The way that packets take: a TUN device whose other end is the test, or a tunnel of two WireGuards
//! (Debian's wireguard-go) between the node and a client in a namespace of its own.

use crate::netns::Namespace;
use crate::netns::packet_socket::PacketSocket;
use crate::netns::tally::Way;
use crate::netns::wire::{HERE, Kind, THERE, Wire};
use crate::support::wait::wait_for;
use crate::wireguard::{End, device, wg};
use std::process::Stdio;
use std::sync::LazyLock;

/// The device that is metered.
pub(crate) static DEVICE: LazyLock<String> = LazyLock::new(|| device("needle-n"));
/// The client's end of the tunnel.
static CLIENT: LazyLock<String> = LazyLock::new(|| device("needle-c"));
/// Either end lets the other send from any address, as a network behind a client does.
const ANY: &str = "0.0.0.0/0,::/0";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    Tun,
    WireGuard,
}

pub(crate) enum TunnelPath {
    Tun(Wire),
    WireGuard { up: PacketSocket, down: PacketSocket, _ends: [End; 2], _client: Namespace },
}

impl TunnelPath {
    pub(crate) fn make(namespace: &Namespace, link: Link) -> Self {
        match link {
            Link::Tun => Self::Tun(Wire::make(namespace, Kind::Tun, &DEVICE)),
            Link::WireGuard => tunnel(namespace),
        }
    }

    /// Sends an IP packet through the metered device.
    pub(crate) fn send(&self, way: Way, packet: &[u8]) {
        match (self, way) {
            (Self::Tun(wire), _) => wire.send(way, packet),
            (Self::WireGuard { up, .. }, Way::Up) => up.send_ip(packet),
            (Self::WireGuard { down, .. }, Way::Down) => down.send_ip(packet),
        }
    }
}

fn tunnel(node: &Namespace) -> TunnelPath {
    let client = Namespace::new();
    node.veth("carrier0", HERE, &client, "carrier1", THERE);
    node.command("ip address add 192.0.2.1/30 dev carrier0");
    client.command("ip address add 192.0.2.2/30 dev carrier1");
    let ends = [End::start(node, &DEVICE), End::start(&client, &CLIENT)];
    // The client alone says something by itself: two ends that begin at once wait five seconds.
    ends[0].connect(node, &ends[1], ANY, "192.0.2.2:51820 persistent-keepalive off");
    ends[1].connect(&client, &ends[0], ANY, "192.0.2.1:51820 persistent-keepalive 25");
    for (namespace, end) in [(node, &ends[0]), (&client, &ends[1])] {
        namespace.command(&format!("ip link set {} up", end.device));
    }
    for end in &ends {
        wait_for("a handshake", || is_connected(end).then_some(()));
    }
    let up = PacketSocket::egress(&client, &CLIENT);
    let down = PacketSocket::egress(node, &DEVICE);
    TunnelPath::WireGuard { up, down, _ends: ends, _client: client }
}

fn is_connected(end: &End) -> bool {
    let handshakes = wg(&["show", &end.device, "latest-handshakes"], Stdio::null());
    handshakes.split_whitespace().last().is_some_and(|second| second != "0")
}
