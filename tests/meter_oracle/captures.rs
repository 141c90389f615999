//! Writes pcap and pcapng files in every shape the contract names, and remembers where each record ends.

use super::link::Packet;

/// The byte order of a file or a section.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Little,
    Big,
}

impl Order {
    pub(super) fn two(self, number: u16) -> [u8; 2] {
        if self == Self::Little { number.to_le_bytes() } else { number.to_be_bytes() }
    }

    pub(super) fn four(self, number: u32) -> [u8; 4] {
        if self == Self::Little { number.to_le_bytes() } else { number.to_be_bytes() }
    }
}

/// A file under construction.
#[derive(Clone)]
pub(super) struct Capture {
    /// The file's bytes.
    pub(super) bytes: Vec<u8>,
    /// Where the file may end without breaking off: after its header, and after each record or block.
    pub(super) ends: Vec<usize>,
    /// Where each packet's record or block ends.
    pub(super) packet_ends: Vec<usize>,
}

/// The header of a pcap file; `nano` chooses the magic of nanosecond stamps.
pub(super) fn pcap_header(order: Order, nano: bool, link_field: u32, snap: u32) -> Vec<u8> {
    let magic = if nano { 0xa1b2_3c4d } else { 0xa1b2_c3d4 };
    let mut bytes = order.four(magic).to_vec();
    bytes.extend(order.two(2));
    bytes.extend(order.two(4));
    for field in [0, 0, snap, link_field] {
        bytes.extend(order.four(field));
    }
    bytes
}

/// A record header of a pcap file.
pub(super) fn pcap_record(order: Order, captured: u32, original: u32) -> Vec<u8> {
    [1_700_000_000, 999_999, captured, original].into_iter().flat_map(|field| order.four(field)).collect()
}

/// A whole pcap file with a generous snap length.
pub(super) fn pcap(order: Order, nano: bool, link: u16, packets: &[Packet]) -> Capture {
    pcap_with(order, nano, u32::from(link), 262_144, packets)
}

/// A whole pcap file.
pub(super) fn pcap_with(order: Order, nano: bool, link_field: u32, snap: u32, packets: &[Packet]) -> Capture {
    let bytes = pcap_header(order, nano, link_field, snap);
    let mut capture = Capture { ends: vec![bytes.len()], bytes, packet_ends: Vec::new() };
    for packet in packets {
        capture.bytes.extend(pcap_record(order, length(&packet.bytes), packet.original));
        capture.bytes.extend(&packet.bytes);
        capture.ends.push(capture.bytes.len());
        capture.packet_ends.push(capture.bytes.len());
    }
    capture
}

/// A pcapng file under construction; blocks go into the section begun last.
pub(super) struct Pcapng {
    order: Order,
    capture: Capture,
}

impl Pcapng {
    /// Begins a file with a section.
    pub(super) fn new(order: Order) -> Self {
        let capture = Capture { bytes: Vec::new(), ends: Vec::new(), packet_ends: Vec::new() };
        let mut file = Self { order, capture };
        file.section(order);
        file
    }

    /// Begins a section of unknown length, with options.
    pub(super) fn section(&mut self, order: Order) {
        self.order = order;
        let mut body = order.four(0x1a2b_3c4d).to_vec();
        body.extend(order.two(1));
        body.extend(order.two(0));
        body.extend([0xff; 8]);
        body.extend(self.options(&[(2, b"an oracle"), (4, b"meter_oracle")]));
        self.block(0x0a0d_0d0a, &body);
    }

    /// Declares an interface, with options (a name, and nanosecond stamps).
    pub(super) fn interface(&mut self, link: u16, snap: u32) {
        let mut body = self.order.two(link).to_vec();
        body.extend([0, 0]);
        body.extend(self.order.four(snap));
        body.extend(self.options(&[(2, b"wg0"), (9, &[9])]));
        self.block(1, &body);
    }

    /// Adds an enhanced packet block, with options when `commented`.
    pub(super) fn enhanced(&mut self, interface: u32, packet: &Packet, commented: bool) {
        let mut body = Vec::new();
        for field in [interface, 0x0005_0000, 77, length(&packet.bytes), packet.original] {
            body.extend(self.order.four(field));
        }
        body.extend(padded(&packet.bytes));
        if commented {
            body.extend(self.options(&[(1, b"a comment"), (2, &[0, 0, 0, 1])]));
        }
        self.packet_block(6, &body);
    }

    /// Adds a simple packet block: its packet is of interface 0, and captured up to that one's snap length.
    pub(super) fn simple(&mut self, packet: &Packet) {
        let mut body = self.order.four(packet.original).to_vec();
        body.extend(padded(&packet.bytes));
        self.packet_block(3, &body);
    }

    /// Adds an obsolete packet block.
    pub(super) fn obsolete(&mut self, interface: u16, packet: &Packet) {
        let mut body = self.order.two(interface).to_vec();
        body.extend(self.order.two(0xffff));
        for field in [0x0005_0000, 77, length(&packet.bytes), packet.original] {
            body.extend(self.order.four(field));
        }
        body.extend(padded(&packet.bytes));
        self.packet_block(2, &body);
    }

    /// Adds any block with a correct frame around `body`.
    pub(super) fn block(&mut self, kind: u32, body: &[u8]) {
        let total = self.order.four(length(body) + 12);
        let framed = [&self.order.four(kind)[..], &total, body, &total].concat();
        self.capture.bytes.extend(framed);
        self.capture.ends.push(self.capture.bytes.len());
    }

    /// Ends the file.
    pub(super) fn finish(self) -> Capture {
        self.capture
    }

    fn packet_block(&mut self, kind: u32, body: &[u8]) {
        self.block(kind, body);
        self.capture.packet_ends.push(self.capture.bytes.len());
    }

    fn options(&self, options: &[(u16, &[u8])]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (code, value) in options {
            bytes.extend(self.order.two(*code));
            bytes.extend(self.order.two(u16::try_from(value.len()).expect("short options")));
            bytes.extend(padded(value));
        }
        bytes.extend([0; 4]);
        bytes
    }
}

fn padded(bytes: &[u8]) -> Vec<u8> {
    let mut padded = bytes.to_vec();
    padded.resize(bytes.len().next_multiple_of(4), 0);
    padded
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).expect("files here are small")
}
