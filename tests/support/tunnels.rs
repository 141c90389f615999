//! Packets inside packets: every kind of tunnel that the kernel cuts with its headers repeated. Written from
//! the tunnels' own documents, and knowing nothing of how the product walks them.

use super::frames::{Address, frame, packet};

const UDP: u8 = 17;
const GRE: u8 = 47;
const DESTINATION_OPTIONS: u8 = 60;
const BRIDGED: u16 = 0x6558;

/// A tunnel.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Tunnel {
    /// IPIP, SIT, or the same over IPv6: one IP header in another.
    Ip,
    /// The same behind the destination options that `ip6tnl` sends (the encapsulation limit).
    IpBehindOptions,
    /// GRE with these flags (0x80 checksum, 0x20 key, 0x10 sequence number).
    Gre(u8),
    /// GRE with these flags and Ethernet inside, behind so many VLAN tags.
    GreTap(u8, usize),
    /// VXLAN, with Ethernet behind so many VLAN tags.
    Vxlan(usize),
    /// VXLAN-GPE with IP inside.
    VxlanIp,
    /// Geneve with this many words of options and Ethernet inside.
    Geneve(u8),
    /// Geneve with this many words of options and IP inside.
    GeneveIp(u8),
    /// Foo-over-UDP: IP behind UDP at once.
    Foo,
    /// GRE behind UDP, with these flags.
    FooGre(u8),
    /// Generic UDP encapsulation with this many words of its own, and IP inside.
    Gue(u8),
    /// The same with GRE inside.
    GueGre(u8, u8),
}

/// One of each, in the shapes that their makers send.
pub(crate) const EACH: [Tunnel; 22] = [
    Tunnel::Ip,
    Tunnel::IpBehindOptions,
    Tunnel::Gre(0),
    Tunnel::Gre(0x80),
    Tunnel::Gre(0x20),
    Tunnel::Gre(0xa0),
    Tunnel::Gre(0xb0),
    Tunnel::GreTap(0, 0),
    Tunnel::GreTap(0x30, 1),
    Tunnel::Vxlan(0),
    Tunnel::Vxlan(1),
    Tunnel::Vxlan(2),
    Tunnel::VxlanIp,
    Tunnel::Geneve(0),
    Tunnel::Geneve(2),
    Tunnel::GeneveIp(0),
    Tunnel::GeneveIp(7),
    Tunnel::Foo,
    Tunnel::FooGre(0x20),
    Tunnel::Gue(0),
    Tunnel::Gue(2),
    Tunnel::GueGre(0, 0x80),
];

impl Tunnel {
    pub(crate) const fn is_over_udp(self) -> bool {
        !matches!(self, Self::Ip | Self::IpBehindOptions | Self::Gre(_) | Self::GreTap(..))
    }

    /// An IP packet inside the tunnel, from one end of the tunnel to the other.
    pub(crate) fn around(self, from: Address, to: Address, inner: &[u8]) -> Vec<u8> {
        let ethertype = if inner[0] >> 4 == 4 { 0x0800 } else { 0x86dd };
        let ip_in_ip = if inner[0] >> 4 == 4 { 4 } else { 41 };
        match self {
            Self::Ip => packet(from, to, ip_in_ip, inner),
            Self::IpBehindOptions => match from {
                Address::V4(_) => packet(from, to, ip_in_ip, inner),
                Address::V6(_) => {
                    let options = [&[ip_in_ip, 0, 4, 1, 4, 1, 1, 0], inner].concat();
                    packet(from, to, DESTINATION_OPTIONS, &options)
                }
            },
            Self::Gre(flags) => packet(from, to, GRE, &gre(flags, ethertype, inner)),
            Self::GreTap(flags, tags) => packet(from, to, GRE, &gre(flags, BRIDGED, &ethernet(tags, inner))),
            Self::Vxlan(tags) => {
                let header = [0x08, 0, 0, 0, 0, 0, 7, 0];
                over_udp(from, to, 4789, &[&header, ethernet(tags, inner).as_slice()].concat())
            }
            Self::VxlanIp => {
                let header = [0x0c, 0, 0, if ip_in_ip == 4 { 1 } else { 2 }, 0, 0, 7, 0];
                over_udp(from, to, 4790, &[&header, inner].concat())
            }
            Self::Geneve(words) => over_udp(from, to, 6081, &geneve(words, BRIDGED, &ethernet(0, inner))),
            Self::GeneveIp(words) => over_udp(from, to, 6081, &geneve(words, ethertype, inner)),
            Self::Foo => over_udp(from, to, 5555, inner),
            Self::FooGre(flags) => over_udp(from, to, 5556, &gre(flags, ethertype, inner)),
            Self::Gue(words) => over_udp(from, to, 6080, &gue(words, ip_in_ip, inner)),
            Self::GueGre(words, flags) => {
                over_udp(from, to, 6080, &gue(words, GRE, &gre(flags, ethertype, inner)))
            }
        }
    }
}

/// A UDP datagram with this payload. Its checksum is left out.
pub(crate) fn over_udp(from: Address, to: Address, port: u16, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(8 + payload.len()).expect("a datagram fits 16 bits");
    let mut datagram = Vec::with_capacity(8 + payload.len());
    for field in [49_152, port, length, 0] {
        datagram.extend(field.to_be_bytes());
    }
    datagram.extend(payload);
    packet(from, to, UDP, &datagram)
}

fn ethernet(tags: usize, inner: &[u8]) -> Vec<u8> {
    let ethertype = if inner[0] >> 4 == 4 { 0x0800 } else { 0x86dd };
    let tags: Vec<(u16, u16)> = (0..tags).map(|tag| ([0x88a8, 0x8100][(tag + 1) % 2], 7)).collect();
    frame([2; 6], [2; 6], &tags, ethertype, inner)
}

fn gre(flags: u8, ethertype: u16, inner: &[u8]) -> Vec<u8> {
    let mut bytes = vec![flags, 0];
    bytes.extend(ethertype.to_be_bytes());
    for _ in [0x80, 0x20, 0x10].iter().filter(|flag| flags & **flag != 0) {
        bytes.extend([1, 2, 3, 4]);
    }
    bytes.extend(inner);
    bytes
}

fn geneve(words: u8, ethertype: u16, inner: &[u8]) -> Vec<u8> {
    let mut bytes = vec![words, 0];
    bytes.extend(ethertype.to_be_bytes());
    bytes.extend([0, 0, 7, 0]);
    bytes.resize(8 + usize::from(words) * 4, 0x33);
    bytes.extend(inner);
    bytes
}

fn gue(words: u8, protocol: u8, inner: &[u8]) -> Vec<u8> {
    let mut bytes = vec![words, protocol, 0, 0];
    bytes.resize(4 + usize::from(words) * 4, 0);
    bytes.extend(inner);
    bytes
}
