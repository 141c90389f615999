//! Packets as a tap hands them over: the bytes it captured, and the length that passed.

use crate::support::frames::{Address, datagram};
use blindmeter::meter::slot::Direction;
use blindmeter::tap::Attribution;
use blindmeter::tap::frame::LinkType;

/// What a packet is, as far as the meter may know.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// An IP packet whose inner end is this address.
    Ip(Address),
    /// Something that the link layer announces as no IP.
    NotIp,
    /// A header that is cut.
    Malformed,
    /// Packets that the tap missed: the length is their number.
    Lost,
}

/// One packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Packet {
    pub(crate) kind: Kind,
    /// True from the account into the VPN.
    pub(crate) up: bool,
    /// Bytes above the link layer.
    pub(crate) bytes: u64,
}

/// What is captured of a packet: the header of a datagram to or from somewhere else.
pub(crate) fn captured(address: Address, up: bool) -> Vec<u8> {
    let elsewhere = match address {
        Address::V4(_) => Address::v4(0x0900_0001),
        Address::V6(_) => Address::v6(0x2600 << 112 | 1),
    };
    let (from, to) = if up { (address, elsewhere) } else { (elsewhere, address) };
    datagram(from, to, from.smallest_packet())
}

impl Packet {
    /// Lets the tap see it.
    pub(crate) fn pass(&self, attribution: &Attribution) {
        let direction = if self.up { Direction::Up } else { Direction::Down };
        match self.kind {
            Kind::Ip(address) => {
                let captured = captured(address, self.up);
                attribution.count(LinkType::RawIp, &captured, self.bytes, direction, None);
            }
            Kind::NotIp => {
                let arp = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 6];
                attribution.count(LinkType::Ethernet, &arp, self.bytes, direction, None);
            }
            Kind::Malformed => {
                attribution.count(LinkType::RawIp, &[0x45; 12], self.bytes, direction, None);
            }
            Kind::Lost => attribution.lost(self.bytes),
        }
    }
}
