//! From the bytes of a frame to addresses and a length: pure functions, no I/O, no counting.
//!
//! Reads the fixed header of IP and nothing after it; what a super-packet stands for is in
//! `super_packet.rs`. A header's own length fields are never trusted: the length is the frame's on the wire
//! less its link layer.
//!
//! # Source
//! Link types: the tcpdump group's list (LINKTYPE_*); IPv4: RFC 791 section 3.1; IPv6: RFC 8200
//! section 3; VLAN tags: IEEE 802.1Q, 802.1ad; PPP: RFC 1661 section 2 and RFC 1662 section 3.

use crate::roster::address::TunnelAddress;

/// How the frames of an interface or a capture begin.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum LinkType {
    /// Ethernet, with up to four VLAN tags.
    Ethernet,
    /// The IP header at once, of either version.
    RawIp,
    /// The IPv4 header at once.
    RawV4,
    /// The IPv6 header at once.
    RawV6,
    /// A 4-byte protocol family in either byte order (BSD null).
    Null,
    /// A 4-byte protocol family, big-endian (OpenBSD loop).
    Loop,
    /// Linux cooked capture, version 1.
    CookedV1,
    /// Linux cooked capture, version 2.
    CookedV2,
    /// PPP, with or without address and control bytes, protocol of one or two bytes.
    Ppp,
}

impl LinkType {
    /// The link type of this number in a capture file (its low 16 bits).
    #[must_use]
    pub const fn of_capture(number: u16) -> Option<Self> {
        Some(match number {
            1 => Self::Ethernet,
            12 | 14 | 101 => Self::RawIp,
            228 => Self::RawV4,
            229 => Self::RawV6,
            0 => Self::Null,
            108 => Self::Loop,
            113 => Self::CookedV1,
            276 => Self::CookedV2,
            9 => Self::Ppp,
            _ => return None,
        })
    }
}

/// What a frame holds.
pub enum Frame {
    /// An IP packet.
    Ip(IpPacket),
    /// The link layer announces another protocol.
    NotIp,
    /// The IP header, or the link header before it, cannot be read.
    Malformed,
}

/// The ends of an IP packet and its length.
pub struct IpPacket {
    /// The source address of the outermost header.
    pub source: TunnelAddress,
    /// The destination address of the outermost header.
    pub destination: TunnelAddress,
    /// Length on the wire above the link layer, in bytes.
    pub bytes: u64,
    /// Where the IP header begins in the captured bytes.
    pub offset: usize,
}

/// Which IP version the link layer announces.
#[derive(Clone, Copy)]
enum Announced {
    Either,
    V4,
    V6,
}

/// The protocol under the link header, and the header's length.
enum Above {
    Ip(Announced, usize),
    Other,
    Cut,
}

const ETHERTYPE_V4: u16 = 0x0800;
const ETHERTYPE_V6: u16 = 0x86dd;
const VLAN_TAGS_AT_MOST: usize = 4;

/// Reads one frame: `captured` is what there is of it, `length` its length on the wire.
#[must_use]
pub fn read(link_type: LinkType, captured: &[u8], length: u64) -> Frame {
    match above(link_type, captured) {
        Above::Other => Frame::NotIp,
        Above::Cut => Frame::Malformed,
        Above::Ip(announced, offset) => {
            let bytes = length.saturating_sub(offset as u64);
            match addresses(&captured[offset..], announced) {
                Some((source, destination)) => Frame::Ip(IpPacket { source, destination, bytes, offset }),
                None => Frame::Malformed,
            }
        }
    }
}

fn above(link_type: LinkType, captured: &[u8]) -> Above {
    match link_type {
        LinkType::Ethernet => above_ethernet(captured),
        LinkType::RawIp => Above::Ip(Announced::Either, 0),
        LinkType::RawV4 => Above::Ip(Announced::V4, 0),
        LinkType::RawV6 => Above::Ip(Announced::V6, 0),
        LinkType::Null | LinkType::Loop => above_family(link_type, captured),
        LinkType::CookedV1 => above_cooked(captured, 14, 16),
        LinkType::CookedV2 => above_cooked(captured, 0, 20),
        LinkType::Ppp => above_ppp(captured),
    }
}

fn above_ethernet(captured: &[u8]) -> Above {
    let mut at = 12;
    for _ in 0..=VLAN_TAGS_AT_MOST {
        match big_endian_16(captured, at) {
            None => return Above::Cut,
            Some(ETHERTYPE_V4) => return Above::Ip(Announced::V4, at + 2),
            Some(ETHERTYPE_V6) => return Above::Ip(Announced::V6, at + 2),
            Some(0x8100 | 0x88a8 | 0x9100) => at += 4,
            Some(_) => return Above::Other,
        }
    }
    Above::Other
}

fn above_family(link_type: LinkType, captured: &[u8]) -> Above {
    let Some(field) = captured.first_chunk::<4>() else { return Above::Cut };
    let version = |family: u32| match family {
        2 => Some(Announced::V4),
        10 | 24 | 28 | 30 => Some(Announced::V6),
        _ => None,
    };
    let big_endian = version(u32::from_be_bytes(*field));
    let announced = match link_type {
        LinkType::Null => version(u32::from_le_bytes(*field)).or(big_endian),
        _ => big_endian,
    };
    announced.map_or(Above::Other, |announced| Above::Ip(announced, 4))
}

fn above_cooked(captured: &[u8], protocol_at: usize, header: usize) -> Above {
    if captured.len() < header {
        return Above::Cut;
    }
    match big_endian_16(captured, protocol_at) {
        Some(ETHERTYPE_V4) => Above::Ip(Announced::V4, header),
        Some(ETHERTYPE_V6) => Above::Ip(Announced::V6, header),
        _ => Above::Other,
    }
}

fn above_ppp(captured: &[u8]) -> Above {
    let at = if captured.starts_with(&[0xff, 0x03]) { 2 } else { 0 };
    let Some(&first) = captured.get(at) else { return Above::Cut };
    // 0xff is no protocol: a lone one is the address byte, and the rest was not captured.
    if captured == [0xff] {
        return Above::Cut;
    }
    // RFC 1661, section 2: an odd first byte is the whole protocol field, compressed.
    let (protocol, header) = if first % 2 == 1 {
        (u16::from(first), at + 1)
    } else {
        let Some(protocol) = big_endian_16(captured, at) else { return Above::Cut };
        (protocol, at + 2)
    };
    match protocol {
        0x21 => Above::Ip(Announced::V4, header),
        0x57 => Above::Ip(Announced::V6, header),
        _ => Above::Other,
    }
}

/// Source and destination, where the fixed header is there whole and of the announced version.
#[inline]
fn addresses(ip: &[u8], announced: Announced) -> Option<(TunnelAddress, TunnelAddress)> {
    let first = *ip.first()?;
    match (first >> 4, announced) {
        (4, Announced::Either | Announced::V4) => {
            let header = ip.first_chunk::<20>()?;
            if first & 15 < 5 {
                return None;
            }
            let word =
                |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
            Some((TunnelAddress::V4(word(12)), TunnelAddress::V4(word(16))))
        }
        (6, Announced::Either | Announced::V6) => {
            let header = ip.first_chunk::<40>()?;
            let (source, destination) = header[8..].split_first_chunk::<16>()?;
            let destination = destination.first_chunk::<16>()?;
            let address = |bytes: &[u8; 16]| TunnelAddress::V6(u128::from_be_bytes(*bytes));
            Some((address(source), address(destination)))
        }
        _ => None,
    }
}

pub(super) fn big_endian_16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|pair| u16::from_be_bytes(*pair))
}

#[cfg(test)]
mod tests;
