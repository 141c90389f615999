//! Puts IP packets, and what is not IP, behind every link header the contract names, and cuts some short.

use super::ip::{self, Judge};
use super::roster::{Address, Roster};
use crate::support::rng::Rng;

/// Every link type of the contract.
pub(super) const LINKS: [u16; 11] = [1, 12, 14, 101, 228, 229, 0, 108, 113, 276, 9];

/// What a packet must count for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// An IP packet with the addresses of its outermost header and its counted bytes.
    Ip { source: Address, destination: Address, bytes: u64 },
    /// The link layer announces another protocol.
    NotIp,
    /// The header cannot be read.
    Malformed,
}

impl Plan {
    /// A word for it that shows no address.
    pub(super) fn kind(self) -> &'static str {
        match self {
            Self::Ip { .. } => "IP",
            Self::NotIp => "not_ip",
            Self::Malformed => "malformed",
        }
    }
}

/// A record of a capture.
#[derive(Clone)]
pub(super) struct Packet {
    /// The link type.
    pub(super) link: u16,
    /// The captured bytes.
    pub(super) bytes: Vec<u8>,
    /// The length on the wire.
    pub(super) original: u32,
    /// What it counts for.
    pub(super) plan: Plan,
    /// Who judges it.
    pub(super) judge: Judge,
}

/// Makes a record of the given link type.
pub(super) fn packet(random: &mut Rng, roster: &Roster, link: u16) -> Packet {
    if !matches!(link, 12 | 14 | 101 | 228 | 229) && random.one_in(8) {
        let (header, body) = not_ip(random, roster, link);
        return record(random, link, header, body, (Plan::NotIp, Judge::Tshark));
    }
    let v6 = match link {
        228 => false,
        229 => true,
        _ => random.one_in(2),
    };
    let layer = ip::packet(random, roster, v6);
    let mut body = layer.bytes;
    let (mut plan, mut judge) =
        (Plan::Ip { source: layer.source, destination: layer.destination, bytes: 0 }, layer.judge);
    let header = header(random, link, v6);
    if matches!(link, 0 | 108) && header.contains(&10) {
        judge = Judge::Plan("tshark 4.0 does not know Linux's AF_INET6 in a null header");
    }
    if matches!(link, 12 | 14 | 101) && [0, 1, 6].iter().any(|at| body[*at..at + 2] == [0xff, 0x03]) {
        judge = Judge::Plan("tshark takes ff03 at these places of raw IP for PPP");
    }
    if random.one_in(12) {
        plan = Plan::Malformed;
        judge = Judge::Plan("tshark makes what it can of a header that contradicts itself");
        let raw = matches!(link, 12 | 14 | 101);
        let low = body[0] & 0x0f;
        body[0] = match random.below(3) {
            0 if !v6 => 0x40 | random.pick(&[0, 1, 2, 3, 4]),
            1 if !raw => low | if v6 { 0x40 } else { 0x60 },
            _ => low | random.pick(&[0x00, 0x10, 0x30, 0x50, 0x70, 0x80, 0xc0, 0xe0, 0xf0]),
        };
    }
    record(random, link, header, body, (plan, judge))
}

impl Packet {
    /// The same record with only `captured` of its bytes, which are enough or not for `plan`.
    pub(super) fn snapped(mut self, captured: usize, plan: Plan) -> Self {
        self.bytes.truncate(captured);
        self.plan = plan;
        self
    }
}

/// A record of one IP packet behind the plainest header of `link`, whole.
pub(super) fn plain(
    random: &mut Rng,
    link: u16,
    source: Address,
    destination: Address,
    payload: usize,
) -> Packet {
    let header = if link == 1 { ethernet(random, 0, 0, source.v6) } else { header(random, link, source.v6) };
    let mut body = if source.v6 {
        vec![0x60, 0, 0, 0, 0, 0, 59, 64]
    } else {
        vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, 59, 0, 0]
    };
    body.extend(source.octets());
    body.extend(destination.octets());
    body.extend(vec![0; payload]);
    let bytes = u64::try_from(body.len()).expect("small");
    let all = [header, body].concat();
    let original = u32::try_from(all.len()).expect("small");
    Packet { link, bytes: all, original, plan: Plan::Ip { source, destination, bytes }, judge: Judge::Tshark }
}

/// Joins header and body to a record, sometimes longer on the wire, sometimes with fewer captured bytes.
fn record(
    random: &mut Rng,
    link: u16,
    header: Vec<u8>,
    body: Vec<u8>,
    (mut plan, judge): (Plan, Judge),
) -> Packet {
    let head = header.len();
    let all = [header, body].concat();
    let uncaptured = if random.one_in(8) { random.below(2_000) } else { 0 };
    let original = all.len() + uncaptured;
    if let Plan::Ip { bytes, .. } = &mut plan {
        *bytes = u64::try_from(original - head).expect("a length");
    }
    let original = u32::try_from(original).expect("a length");
    let packet = Packet { link, bytes: all, original, plan, judge };
    if random.one_in(4) { cut(random, packet, head) } else { packet }
}

/// Takes captured bytes away, mostly near the places where the contract draws a line.
fn cut(random: &mut Rng, mut packet: Packet, head: usize) -> Packet {
    let at = match random.below(8) {
        0 => random.below(head + 1),
        1 => head.saturating_sub(1),
        2 => head + random.below(41),
        3 => head + 19,
        4 => head + 20,
        5 => head + 39,
        6 => head + 40,
        _ => random.below(packet.bytes.len() + 1),
    };
    let at = at.min(packet.bytes.len());
    if let Plan::Ip { source, .. } = packet.plan {
        let fixed = if source.v6 { 40 } else { 20 };
        let options_end = head + 4 * usize::from(packet.bytes[head] & 0x0f);
        if at < head + fixed {
            packet.plan = Plan::Malformed;
        } else if !source.v6 && at < options_end {
            packet.judge = Judge::Plan("tshark shows no addresses where the options were not captured whole");
        }
    } else if at < head {
        packet.plan = Plan::Malformed;
    }
    packet.bytes.truncate(at);
    packet
}

fn header(random: &mut Rng, link: u16, six: bool) -> Vec<u8> {
    match link {
        1 => {
            let tags = if random.one_in(2) { random.below(5) } else { 0 };
            ethernet(random, tags, 0, six)
        }
        0 | 108 => {
            let family = if six { random.pick(&[10_u32, 24, 28, 30]) } else { 2 };
            if link == 0 && random.one_in(2) {
                family.to_le_bytes().to_vec()
            } else {
                family.to_be_bytes().to_vec()
            }
        }
        113 => cooked_one(random, ethertype(six)),
        276 => cooked_two(random, ethertype(six)),
        9 => {
            let framing: &[u8] = if random.one_in(2) { &[0xff, 0x03] } else { &[] };
            let number = if six { 0x57 } else { 0x21 };
            let protocol = if random.one_in(2) { vec![number] } else { vec![0, number] };
            [framing.to_vec(), protocol].concat()
        }
        _ => Vec::new(),
    }
}

fn ethertype(six: bool) -> u16 {
    if six { 0x86dd } else { 0x0800 }
}

/// An Ethernet header with `tags` VLAN tags; `protocol` 0 stands for IP.
fn ethernet(random: &mut Rng, tags: usize, protocol: u16, six: bool) -> Vec<u8> {
    let mut bytes = vec![0x02, 0, 0x5e];
    bytes.extend(random.bytes(3));
    bytes.extend([0x06, 0, 0x5e]);
    bytes.extend(random.bytes(3));
    for _ in 0..tags {
        bytes.extend(random.pick(&[0x8100_u16, 0x88a8, 0x9100]).to_be_bytes());
        bytes.extend(random.bytes(2));
    }
    bytes.extend(if protocol == 0 { ethertype(six) } else { protocol }.to_be_bytes());
    bytes
}

fn cooked_one(random: &mut Rng, protocol: u16) -> Vec<u8> {
    let mut bytes = vec![0, random.pick(&[0, 1, 3, 4])];
    bytes.extend(random.pick(&[1_u16, 512, 772, 65534]).to_be_bytes());
    bytes.extend([0, 6]);
    bytes.extend(random.bytes(8));
    bytes.extend(protocol.to_be_bytes());
    bytes
}

fn cooked_two(random: &mut Rng, protocol: u16) -> Vec<u8> {
    let mut bytes = protocol.to_be_bytes().to_vec();
    bytes.extend([0, 0, 0, 0, 0, random.byte()]);
    bytes.extend(random.pick(&[1_u16, 512, 772, 65534]).to_be_bytes());
    bytes.extend([random.pick(&[0, 1, 3, 4]), 6]);
    bytes.extend(random.bytes(8));
    bytes
}

/// A link header that announces no IP, and a body, which often hides IP further in.
fn not_ip(random: &mut Rng, roster: &Roster, link: u16) -> (Vec<u8>, Vec<u8>) {
    let six = random.one_in(2);
    let inner = ip::packet(random, roster, six).bytes;
    let behind = |mut shim: Vec<u8>| {
        shim.extend(&inner);
        shim
    };
    match link {
        1 => ethernet_not_ip(random, &inner, six),
        113 | 276 => {
            // ARP, MPLS, a VLAN tag (read on Ethernet only), 802.3, LLC.
            let protocol = random.pick(&[0x0806_u16, 0x8847, 0x8100, 0x0001, 0x0004]);
            let header =
                if link == 113 { cooked_one(random, protocol) } else { cooked_two(random, protocol) };
            let ether = ethertype(six).to_be_bytes();
            (header, behind(vec![0, 5, ether[0], ether[1]]))
        }
        9 => {
            let framing: &[u8] = if random.one_in(2) { &[0xff, 0x03] } else { &[] };
            let protocol: &[u8] = random.pick(&[
                &[0xc0, 0x21],
                &[0x80, 0x21],
                &[0x80, 0x57],
                &[0xc2, 0x23],
                &[0x00, 0xfd],
                &[0xfd],
                &[0x2d],
            ]);
            ([framing, protocol].concat(), inner)
        }
        // The other byte order means nothing on a loop.
        108 if random.one_in(2) => (random.pick(&[2_u32, 10, 24, 28, 30]).to_le_bytes().to_vec(), inner),
        _ => {
            let family = random.pick(&[7_u32, 16, 23]);
            let either = if random.one_in(2) { family.to_be_bytes() } else { family.to_le_bytes() };
            (either.to_vec(), inner)
        }
    }
}

fn ethernet_not_ip(random: &mut Rng, inner: &[u8], six: bool) -> (Vec<u8>, Vec<u8>) {
    let tags = random.below(5);
    let ether = ethertype(six).to_be_bytes();
    let (protocol, shim) = match random.below(8) {
        0 => (0x0806, vec![0, 1, 8, 0, 6, 4, 0, 1]),
        // MPLS: one label, bottom of the stack.
        1 => (random.pick(&[0x8847, 0x8848]), vec![0, 1, 0x01, 64]),
        2 => (0x8864, vec![0x11, 0, 0, 1, 0, 0, 0, if six { 0x57 } else { 0x21 }]),
        3 => (0x8863, vec![0x11, 9, 0, 0, 0, 0]),
        // 802.3 with LLC and SNAP, which would announce IP if anyone read it.
        4 => (1 + u16::from(random.byte()), vec![0xaa, 0xaa, 3, 0, 0, 0, ether[0], ether[1]]),
        5 => (0x88cc, vec![0, 0]),
        // The four tags a reader looks at, then one more.
        6 => {
            return (
                ethernet(random, 4, 0x8100, six),
                [vec![0, 5, ether[0], ether[1]], inner.to_vec()].concat(),
            );
        }
        _ => (random.pick(&[0x05dc, 0x05ff, 0x86de, 0x0801, 0x0008, 0xdd86]), Vec::new()),
    };
    (ethernet(random, tags, protocol, six), [shim, inner.to_vec()].concat())
}
