//! Builders of raw packets, frames and vnet headers, and addresses as plain octets.

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

/// A UDP packet of `length` bytes from its IP header on.
pub(crate) fn datagram(from: Address, to: Address, length: usize) -> Vec<u8> {
    let mut packet = ip_header(from, to, UDP, length);
    let datagram_length = u16::try_from(length - packet.len()).expect("a packet fits 16 bits");
    packet.extend(9_u16.to_be_bytes());
    packet.extend(9_u16.to_be_bytes());
    packet.extend(datagram_length.to_be_bytes());
    packet.resize(length, 0);
    packet
}

/// A TCP segment with `option_words` words of options and `payload` bytes.
pub(crate) fn segment(from: Address, to: Address, option_words: u8, payload: usize) -> Vec<u8> {
    let header_words = 5 + option_words;
    let header = usize::from(header_words) * 4;
    let ip = from.smallest_packet() - 8;
    let mut packet = ip_header(from, to, TCP, ip + header + payload);
    packet.extend(443_u16.to_be_bytes());
    packet.extend(50_000_u16.to_be_bytes());
    packet.extend([0, 0, 0, 1, 0, 0, 0, 1]);
    packet.extend([header_words << 4, 0x18]);
    packet.extend([0xff, 0xff, 0, 0, 0, 0]);
    // No-operation options.
    packet.resize(ip + header, 1);
    packet.resize(ip + header + payload, 0x5a);
    packet
}

/// The same v4 packet with four bytes of IP options (no operation).
pub(crate) fn with_ip_options(packet: &[u8]) -> Vec<u8> {
    let mut header = packet[..20].to_vec();
    header[0] = 0x46;
    let total = u16::try_from(packet.len() + 4).expect("a v4 packet fits 16 bits");
    header[2..4].copy_from_slice(&total.to_be_bytes());
    header[10..12].fill(0);
    header.extend([1, 1, 1, 0]);
    let checksum = checksum(&header);
    header[10..12].copy_from_slice(&checksum.to_be_bytes());
    header.extend(&packet[20..]);
    header
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

fn ip_header(from: Address, to: Address, protocol: u8, length: usize) -> Vec<u8> {
    assert!(length >= from.smallest_packet(), "{length} bytes hold no packet");
    let mut header = Vec::with_capacity(length);
    match from {
        Address::V4(_) => {
            let total = u16::try_from(length).expect("a v4 packet fits 16 bits");
            header.extend([0x45, 0]);
            header.extend(total.to_be_bytes());
            header.extend([0, 0, 0, 0, 64, protocol, 0, 0]);
            header.extend(from.octets());
            header.extend(to.octets());
            let checksum = checksum(&header);
            header[10..12].copy_from_slice(&checksum.to_be_bytes());
        }
        Address::V6(_) => {
            let payload = u16::try_from(length - 40).expect("a v6 payload fits 16 bits");
            header.extend([0x60, 0, 0, 0]);
            header.extend(payload.to_be_bytes());
            header.extend([protocol, 64]);
            header.extend(from.octets());
            header.extend(to.octets());
        }
    }
    header
}

fn checksum(header: &[u8]) -> u16 {
    let mut sum: u32 = header.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).expect("folded to 16 bits")
}
