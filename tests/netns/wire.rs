//! One metered device with both of its directions, whichever kind it is.

use super::Namespace;
use super::packet_socket::PacketSocket;
use super::tally::Way;
use super::tun::Tun;
use crate::support::frames::{Address, IPV4, IPV6, frame, mac};

/// Link addresses of the metered veth end and of its peer.
pub(crate) const HERE: &str = "02:00:00:00:00:01";
pub(crate) const THERE: &str = "02:00:00:00:00:02";
/// Large enough for packets above a page, which a careless reader cuts.
pub(crate) const MTU: usize = 9_000;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Tun,
    Veth,
}

/// The metered device, with the way in and the way out.
pub(crate) struct Wire {
    name: String,
    egress: PacketSocket,
    far_end: FarEnd,
}

enum FarEnd {
    Tun(Tun),
    Veth { ingress: PacketSocket, _namespace: Namespace },
}

impl Wire {
    pub(crate) fn make(namespace: &Namespace, kind: Kind, name: &str) -> Self {
        let far_end = match kind {
            Kind::Tun => FarEnd::Tun(Tun::open(namespace, name)),
            Kind::Veth => {
                let peer = Namespace::new();
                namespace.veth(name, HERE, &peer, "peer0", THERE);
                peer.command(&format!("ip link set peer0 mtu {MTU}"));
                let ingress = PacketSocket::towards_peer(&peer, "peer0");
                FarEnd::Veth { ingress, _namespace: peer }
            }
        };
        namespace.command(&format!("ip link set {name} mtu {MTU}"));
        Self { name: name.to_owned(), egress: PacketSocket::egress(namespace, name), far_end }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Sends an IP packet through the metered device.
    pub(crate) fn send(&self, way: Way, packet: &[u8]) {
        match (&self.far_end, way) {
            (FarEnd::Tun(tun), Way::Up) => tun.inject(packet),
            (FarEnd::Tun(_), Way::Down) => self.egress.send_ip(packet),
            (FarEnd::Veth { .. }, _) => self.send_tagged(way, &[], packet),
        }
    }

    /// Sends an IP packet in an Ethernet frame with VLAN tags.
    pub(crate) fn send_tagged(&self, way: Way, tags: &[(u16, u16)], packet: &[u8]) {
        let ethertype = if packet[0] >> 4 == 6 { IPV6 } else { IPV4 };
        self.send_payload(way, tags, ethertype, packet);
    }

    /// Sends anything in an Ethernet frame.
    pub(crate) fn send_payload(&self, way: Way, tags: &[(u16, u16)], ethertype: u16, payload: &[u8]) {
        let (to, from) = match way {
            Way::Up => (mac(HERE), mac(THERE)),
            Way::Down => (mac(THERE), mac(HERE)),
        };
        self.send_frame(way, &frame(to, from, tags, ethertype, payload));
    }

    /// Sends an Ethernet frame as it is.
    pub(crate) fn send_frame(&self, way: Way, frame: &[u8]) {
        match (&self.far_end, way) {
            (FarEnd::Veth { ingress, .. }, Way::Up) => ingress.send_frame(frame),
            (FarEnd::Veth { .. }, Way::Down) => self.egress.send_frame(frame),
            (FarEnd::Tun(_), _) => panic!("a TUN device carries no Ethernet frames"),
        }
    }
}

/// An address that no roster of these tests names.
pub(crate) fn nobody(like: Address, number: u32) -> Address {
    match like {
        Address::V4(_) => Address::v4(0x0900_0000 | (number & 0x00ff_ffff)),
        Address::V6(_) => Address::v6((0x2600 << 112) | u128::from(number)),
    }
}
