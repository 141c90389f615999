//! Two TUN devices under a daemon: super-packets go into one whole, and out of the other, whose file shows what the
//! kernel made of them.

use crate::netns::Namespace;
use crate::netns::daemon::{Daemon, Setup};
use crate::netns::packet_socket::PacketSocket;
use crate::netns::tally::name;
use crate::netns::tun::Tun;
use crate::support::frames::Address;

pub(crate) struct Passage {
    pub(crate) namespace: Namespace,
    /// Takes super-packets whole.
    pub(crate) whole: Tun,
    /// Shows each packet that comes out.
    pub(crate) cut: Tun,
    /// Sends super-packets out by `cut`.
    pub(crate) egress: PacketSocket,
    /// An account's address of each version, and one that nobody owns.
    pub(crate) clients: [Address; 2],
    pub(crate) far: [Address; 2],
    pub(crate) daemon: Daemon,
}

impl Passage {
    pub(crate) fn watched_by(tap: &'static str) -> Self {
        let namespace = Namespace::new();
        let whole = Tun::open_with_offloads(&namespace, "tun0");
        let cut = Tun::open(&namespace, "tun1");
        let egress = PacketSocket::egress_with_vnet_header(&namespace, "tun1");
        let clients = [Address::V4([10, 8, 0, 2]), Address::v6((0xfd42_0008 << 96) + 2)];
        let far = [Address::V4([192, 0, 2, 9]), Address::v6(0x2001_0db8 << 96)];
        let rows = clients.iter().enumerate().map(|(at, client)| format!("{},{}\n", client.text(), name(at)));
        let interfaces = vec!["tun0", "tun1"];
        let setup = Setup { backend: tap, interfaces, pools: vec!["10.8.0.0/16"], roster: rows.collect() };
        let daemon = Daemon::start(&namespace, &setup);
        Self { namespace, whole, cut, egress, clients, far, daemon }
    }
}
