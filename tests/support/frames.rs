//! The one builder of packets, frames and vnet headers, and addresses as plain octets. Headers are
//! etherparse's, which the hot path does not use. What must be malformed is edited afterwards; packets
//! that are an oracle's own are built by the oracle (`meter_oracle`).

use etherparse::{IpNumber, Ipv4Header, Ipv4Options, Ipv6FlowLabel, Ipv6Header, TcpHeader, UdpHeader};

/// A tunnel address, printable here because a test's addresses belong to nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    V4([u8; 4]),
    V6([u8; 16]),
}

pub(crate) const IPV4: u16 = 0x0800;
pub(crate) const IPV6: u16 = 0x86dd;
/// Bytes of an IP header without options or extensions, plus UDP.
pub(crate) const SMALLEST_V4: usize = 28;
pub(crate) const SMALLEST_V6: usize = 48;
pub(crate) const ETHERNET_HEADER: usize = 14;

const UDP: u8 = 17;
const TCP: u8 = 6;
const UDP_HEADER: usize = 8;

impl Address {
    pub(crate) fn v4(value: u32) -> Self {
        Self::V4(value.to_be_bytes())
    }

    pub(crate) fn v6(value: u128) -> Self {
        Self::V6(value.to_be_bytes())
    }

    pub(crate) fn octets(&self) -> &[u8] {
        match self {
            Self::V4(octets) => octets,
            Self::V6(octets) => octets,
        }
    }

    /// The textual form that rosters and `ip` read.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::V4(octets) => octets.map(|octet| octet.to_string()).join("."),
            Self::V6(octets) => octets
                .chunks(2)
                .map(|pair| format!("{:02x}{:02x}", pair[0], pair[1]))
                .collect::<Vec<_>>()
                .join(":"),
        }
    }

    pub(crate) fn ethertype(&self) -> u16 {
        match self {
            Self::V4(_) => IPV4,
            Self::V6(_) => IPV6,
        }
    }

    /// The smallest UDP packet between addresses of this family.
    pub(crate) fn smallest_packet(&self) -> usize {
        match self {
            Self::V4(_) => SMALLEST_V4,
            Self::V6(_) => SMALLEST_V6,
        }
    }
}

/// An IP packet with this payload, whatever it is.
pub(crate) fn packet(from: Address, to: Address, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = ip_header(from, to, protocol, payload.len());
    packet.extend(payload);
    packet
}

/// A UDP packet of `length` bytes from its IP header on. Its checksum is left out.
pub(crate) fn datagram(from: Address, to: Address, length: usize) -> Vec<u8> {
    let payload = length.checked_sub(from.smallest_packet());
    let payload = payload.unwrap_or_else(|| panic!("{length} bytes hold no packet"));
    let mut packet = ip_header(from, to, UDP, UDP_HEADER + payload);
    let length_field = u16::try_from(UDP_HEADER + payload).expect("a packet fits 16 bits");
    let header = UdpHeader { source_port: 9, destination_port: 9, length: length_field, checksum: 0 };
    packet.extend(header.to_bytes());
    packet.resize(length, 0);
    packet
}

/// A TCP segment with `option_words` words of options and `payload` bytes. Its checksum is left out.
pub(crate) fn segment(from: Address, to: Address, option_words: u8, payload: usize) -> Vec<u8> {
    let mut header = TcpHeader::new(443, 50_000, 1, u16::MAX);
    (header.acknowledgment_number, header.ack, header.psh) = (1, true, true);
    // No-operation options.
    let options = vec![1; usize::from(option_words) * 4];
    header.set_options_raw(&options).expect("at most ten words of options");
    let mut packet = ip_header(from, to, TCP, header.header_len() + payload);
    packet.extend(header.to_bytes());
    packet.resize(packet.len() + payload, 0x5a);
    packet
}

/// The same v4 packet with four bytes of IP options (no operation).
pub(crate) fn with_ip_options(packet: &[u8]) -> Vec<u8> {
    let (mut header, payload) = Ipv4Header::from_slice(packet).expect("a v4 packet");
    header.options = Ipv4Options::from([1, 1, 1, 0]);
    header.total_len += 4;
    header.header_checksum = header.calc_header_checksum();
    [header.to_bytes().as_slice(), payload].concat()
}

/// An Ethernet frame with VLAN tags (protocol and control word), outermost first.
pub(crate) fn frame(
    to: [u8; 6],
    from: [u8; 6],
    tags: &[(u16, u16)],
    ethertype: u16,
    payload: &[u8],
) -> Vec<u8> {
    let mut frame = Vec::with_capacity(ETHERNET_HEADER + 4 * tags.len() + payload.len());
    frame.extend(to);
    frame.extend(from);
    for (protocol, control) in tags {
        frame.extend(protocol.to_be_bytes());
        frame.extend(control.to_be_bytes());
    }
    frame.extend(ethertype.to_be_bytes());
    frame.extend(payload);
    frame
}

/// What a vnet header says a super-packet is cut into.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    TcpV4,
    TcpV6,
    UdpV4,
    UdpV6,
}

/// Puts a vnet header before a super-packet; `header_hint` is only a hint, and may be wrong.
pub(crate) fn with_vnet_header(cut: Cut, segment_size: u16, header_hint: u16, packet: &[u8]) -> Vec<u8> {
    let mut joined = vnet_header(cut, segment_size, header_hint, transport_offset(packet));
    joined.extend(packet);
    joined
}

/// The same for a super-packet that stands in a frame.
pub(crate) fn with_vnet_header_before_frame(
    cut: Cut,
    segment_size: u16,
    frame: &[u8],
    packet: &[u8],
) -> Vec<u8> {
    let link = u16::try_from(frame.len() - packet.len()).expect("link headers are short");
    let mut joined = vnet_header(cut, segment_size, 0, link + transport_offset(packet));
    joined.extend(frame);
    joined
}

/// The same where the transport does not stand behind the first IP header: it begins at this offset.
pub(crate) fn with_vnet_header_at(
    cut: Cut,
    segment_size: u16,
    transport_at: usize,
    packet: &[u8],
) -> Vec<u8> {
    let at = u16::try_from(transport_at).expect("headers are short");
    let mut joined = vnet_header(cut, segment_size, 0, at);
    joined.extend(packet);
    joined
}

/// A TCP super-packet that no length field can state (BIG TCP): of IPv4 with a length of 0, of IPv6 with the
/// jumbo payload option as well. Eight bytes of option are in the latter alone.
pub(crate) fn big_segment(from: Address, to: Address, option_words: u8, payload: usize) -> Vec<u8> {
    let mut packet = segment(from, to, option_words, 0);
    match from {
        Address::V4(_) => packet[2..4].fill(0),
        Address::V6(_) => {
            let length = u32::try_from(8 + packet.len() - 40 + payload).expect("a jumbo packet fits 32 bits");
            (packet[4], packet[5], packet[6]) = (0, 0, 0);
            let option = [[TCP, 0, 0xc2, 4], length.to_be_bytes()].concat();
            packet.splice(40..40, option);
        }
    }
    packet.resize(packet.len() + payload, 0x5a);
    packet
}

fn vnet_header(cut: Cut, segment_size: u16, header_hint: u16, transport_at: u16) -> Vec<u8> {
    const NEEDS_CHECKSUM: u8 = 1;
    let (kind, checksum_at) = match cut {
        Cut::TcpV4 => (1, 16),
        Cut::TcpV6 => (4, 16),
        Cut::UdpV4 | Cut::UdpV6 => (5, 6_u16),
    };
    let mut header = vec![NEEDS_CHECKSUM, kind];
    for field in [header_hint, segment_size, transport_at, checksum_at] {
        header.extend(field.to_ne_bytes());
    }
    header
}

fn transport_offset(packet: &[u8]) -> u16 {
    if packet[0] >> 4 == 4 { u16::from(packet[0] & 15) * 4 } else { 40 }
}

/// Parses `02:00:00:00:00:01`.
pub(crate) fn mac(text: &str) -> [u8; 6] {
    let mut octets = [0; 6];
    for (octet, word) in octets.iter_mut().zip(text.split(':')) {
        *octet = u8::from_str_radix(word, 16).expect("a hexadecimal octet");
    }
    octets
}

fn ip_header(from: Address, to: Address, protocol: u8, payload: usize) -> Vec<u8> {
    let length = u16::try_from(payload).expect("a payload fits 16 bits");
    let mut bytes = Vec::with_capacity(from.smallest_packet() + payload);
    match (from, to) {
        (Address::V4(source), Address::V4(destination)) => {
            let header = Ipv4Header::new(length, 64, IpNumber(protocol), source, destination);
            let mut header = header.expect("a v4 packet fits 16 bits");
            header.dont_fragment = false;
            header.header_checksum = header.calc_header_checksum();
            bytes.extend(header.to_bytes());
        }
        (Address::V6(source), Address::V6(destination)) => {
            let header = Ipv6Header {
                traffic_class: 0,
                flow_label: Ipv6FlowLabel::ZERO,
                payload_length: length,
                next_header: IpNumber(protocol),
                hop_limit: 64,
                source,
                destination,
            };
            bytes.extend(header.to_bytes());
        }
        _ => panic!("both ends of a packet are of one family"),
    }
    bytes
}
