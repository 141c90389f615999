//! Packets for the comparison of the kernel's program with the parser: of every kind, and random.

use crate::support::frames::{Address, datagram, frame, packet, segment};
use crate::support::rng::Rng;
use crate::support::tunnels::{EACH, Tunnel};
use crate::test_run::is_taken;
use std::fmt;

/// How many addresses of each family there are.
const ENDS: usize = 20;

/// Addresses around everything that the roster of the test owns, and of the link itself.
const V4: [[u8; 4]; ENDS] = [
    [10, 8, 0, 0],
    [10, 8, 0, 1],
    [10, 8, 0, 2],
    [10, 8, 0, 200],
    [10, 8, 0, 255],
    [10, 8, 1, 0],
    [10, 9, 1, 3],
    [10, 9, 8, 0],
    [10, 9, 8, 15],
    [10, 9, 8, 16],
    [172, 16, 0, 9],
    [172, 16, 0, 10],
    [172, 16, 0, 2],
    [172, 32, 0, 1],
    [192, 0, 2, 200],
    [255, 255, 255, 255],
    [169, 254, 0, 1],
    [169, 254, 9, 9],
    [224, 0, 0, 251],
    [240, 0, 0, 1],
];
const V6: [u128; ENDS] = [
    0xfd42_0008_0000_0000_0000_0000_0000_0000,
    0xfd42_0008_0000_0000_0000_0000_0000_0001,
    0xfd42_0008_0000_0000_0000_0000_0000_0002,
    0xfd42_0008_0000_0000_0000_0000_0000_ffff,
    0xfd42_0008_0000_0000_0000_0000_0001_0000,
    0xfd42_0009_0000_0000_0000_0000_0000_0010,
    0xfd42_0009_0000_0000_0000_0000_0000_001f,
    0xfd42_0009_0000_0000_0000_0000_0000_0020,
    0x2001_0db8_ffff_ffff_ffff_ffff_ffff_0fff,
    0x2001_0db8_ffff_ffff_ffff_ffff_ffff_1000,
    0x2001_0db8_0000_0000_0000_0000_0000_0009,
    0x2001_0db8_0000_0000_0000_0000_0000_000f,
    0x2001_0db8_0000_0000_0000_0000_0000_0010,
    0xfd43_0000_0000_0000_0000_0000_0000_0001,
    0x2a00_0000_0000_0000_0000_0000_0000_0001,
    u128::MAX,
    0xfe80_0000_0000_0000_0000_0000_0000_0001,
    0xfe80_0000_0000_0000_0000_0000_0000_0005,
    0xff02_0000_0000_0000_0000_0000_0000_00fb,
    0xfec0_0000_0000_0000_0000_0000_0000_0001,
];

/// One packet as the program gets it.
pub(crate) struct Packet {
    pub(crate) ethernet: bool,
    pub(crate) up: bool,
    pub(crate) bytes: Vec<u8>,
    /// Segment size of a super-packet; 0 for any other.
    pub(crate) segment: u16,
}

impl fmt::Display for Packet {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let link = if self.ethernet { "Ethernet" } else { "IP" };
        let way = if self.up { "up" } else { "down" };
        write!(out, "{way}, {link}, segments of {}, {} bytes:", self.segment, self.bytes.len())?;
        self.bytes.iter().take(80).try_for_each(|byte| write!(out, " {byte:02x}"))
    }
}

/// An IP packet of this length at least; `middle` are the extension headers of IPv6, then the transport.
fn ip(v6: bool, pair: (usize, usize), protocol: u8, middle: &[u8], length: usize) -> Vec<u8> {
    let mut payload = middle.to_vec();
    payload.resize(middle.len().max(length.saturating_sub(if v6 { 40 } else { 20 })), 0x50);
    packet(ends(v6, pair.0), ends(v6, pair.1), protocol, &payload)
}

fn ends(v6: bool, at: usize) -> Address {
    if v6 { Address::v6(V6[at]) } else { Address::V4(V4[at]) }
}

/// What lies in a tunnel: 1,500 bytes of payload behind TCP, with options, or behind UDP.
fn core(v6: bool, tcp: bool, option_words: u8) -> Vec<u8> {
    let (from, to) = (ends(v6, 14), ends(v6, 3));
    if tcp {
        segment(from, to, option_words, 1_500)
    } else {
        datagram(from, to, from.smallest_packet() + 1_500)
    }
}

fn around(tunnel: Tunnel, v6: bool, pair: (usize, usize), inner: &[u8]) -> Vec<u8> {
    tunnel.around(ends(v6, pair.0), ends(v6, pair.1), inner)
}

/// Tunnels in tunnels, some of them with bytes that were changed.
fn nest(random: &mut Rng) -> (bool, Vec<u8>) {
    let mut v6 = random.one_in(2);
    let mut packet = core(v6, random.one_in(2), u8::try_from(random.below(11)).expect("small"));
    for _ in 0..=random.below(3) {
        v6 = random.one_in(2);
        packet = around(random.pick(&EACH), v6, (random.below(16), random.below(16)), &packet);
    }
    if random.one_in(2) {
        for _ in 0..=random.below(4) {
            let at = random.below(packet.len().min(200));
            packet[at] = if random.one_in(2) { random.byte() } else { packet[at] ^ (1 << random.below(8)) };
        }
    }
    if random.one_in(8) {
        packet.truncate(random.below(220));
    }
    (v6, packet)
}

fn framed(tags: usize, ethertype: u16, ip: &[u8]) -> Vec<u8> {
    let tags: Vec<(u16, u16)> = (0..tags).map(|tag| ([0x8100, 0x88a8, 0x9100][tag % 3], 7)).collect();
    frame([2; 6], [2; 6], &tags, ethertype, ip)
}

/// Every address pair, tag count, cut and kind of super-packet, both directions and link types.
pub(crate) fn of_every_kind() -> impl Iterator<Item = Packet> {
    let mut bodies: Vec<(bool, Vec<u8>, u16)> = Vec::new();
    for v6 in [false, true] {
        for at in 0..ENDS {
            for other in [at, at + 5, at + ENDS - 2] {
                bodies.push((v6, ip(v6, (at, other % ENDS), 17, &[], 60 + at), 0));
                bodies.push((v6, ip(v6, (at, other % ENDS), 17, &[], 960 + at), 300));
            }
        }
        let whole = if v6 { 40 } else { 20 };
        for length in 14..=whole + 1 {
            bodies.push((v6, ip(v6, (1, 1), 6, &[], 0)[..length.min(whole)].to_vec(), 0));
        }
        for first in 0..=255 {
            let mut packet = ip(v6, (1, 1), 6, &[], 80);
            packet[0] = first;
            bodies.push((v6, packet, 0));
        }
        for data_offset in 0..=15_u8 {
            let mut tcp = vec![0; 20];
            tcp[12] = data_offset << 4;
            bodies.push((v6, ip(v6, (1, 0), 6, &tcp, 3000), 1000));
        }
        for (segment, length) in [(1, 100), (1448, 2920), (1448, 1500), (65_535, 3000), (500, 40), (8, 3333)]
        {
            bodies.push((v6, ip(v6, (0, 1), 17, &[], length), segment));
            bodies.push((v6, ip(v6, (0, 1), 47, &[], length), segment));
        }
    }
    for (first, chain) in [
        (0_u8, [60_u8, 0, 1, 4, 0, 0, 0, 0].as_slice()),
        (43, &[44, 0, 0, 0, 0, 0, 0, 0, 51, 9, 0, 0, 0, 0, 0, 0, 6, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        (51, &[17, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        (60, &[59, 0, 0, 0, 0, 0, 0, 0]),
        (60, &[60, 0].repeat(40)),
        (60, &[60, 255]),
        // Where etherparse stops and the program does not: hop-by-hop options behind another header, an
        // authentication header without content, and a header that is longer than the packet.
        (60, &[0, 0, 1, 4, 0, 0, 0, 0, 17, 0, 1, 4, 0, 0, 0, 0]),
        (51, &[17, 0, 0, 0, 0, 0, 0, 0]),
        (60, &[17, 255]),
        // As many headers as are walked, and one more.
        (60, &[[60, 0, 1, 4, 0, 0, 0, 0].repeat(7), vec![17, 0, 1, 4, 0, 0, 0, 0]].concat()),
        (60, &[[60, 0, 1, 4, 0, 0, 0, 0].repeat(8), vec![17, 0, 1, 4, 0, 0, 0, 0]].concat()),
    ] {
        bodies.push((true, ip(true, (1, 0), first, chain, 2000), 700));
    }
    for tunnel in EACH {
        for (outer, inner) in [(false, false), (false, true), (true, false), (true, true)] {
            for core in [core(inner, true, 3), core(inner, false, 0)] {
                bodies.push((outer, around(tunnel, outer, (1, 0), &core), 700));
            }
        }
    }
    bodies.into_iter().flat_map(|(v6, body, segment)| {
        let ethertype = if v6 { 0x86dd } else { 0x0800 };
        let mut packets = vec![(false, body.clone())];
        packets.extend((0..=6).map(|tags| (true, framed(tags, ethertype, &body))));
        packets.extend([0x0800, 0x86dd, 0x0806, 0x8847, 0x05dc].map(|other| (true, framed(0, other, &body))));
        let all = packets.into_iter().flat_map(move |(ethernet, bytes)| {
            [true, false].map(|up| Packet { ethernet, up, bytes: bytes.clone(), segment })
        });
        all.filter(|packet| is_taken(&packet.bytes)).collect::<Vec<_>>()
    })
}

/// A packet that is mostly sensible, with some of it made senseless.
pub(crate) fn random(random: &mut Rng) -> Packet {
    let nested = random.one_in(3).then(|| nest(random));
    let v6 = nested.as_ref().map_or_else(|| random.one_in(2), |(v6, _)| *v6);
    let protocols = [6, 17, 0, 43, 44, 51, 60, 1, 58, 47];
    let protocol = protocols[random.below(protocols.len())];
    let mut middle: Vec<u8> = (0..random.below(64)).map(|_| random.byte()).collect();
    if let Some(first) = middle.first_mut()
        && random.one_in(2)
    {
        *first = protocols[random.below(protocols.len())];
    }
    let long = random.one_in(4);
    let length = if long { random.below(3200) } else { random.below(200) };
    let mut body = ip(v6, (random.below(ENDS), random.below(ENDS)), protocol, &middle, length);
    if random.one_in(8) {
        body.truncate(random.below(48));
    }
    let is_nest = nested.is_some();
    if let Some((_, packet)) = nested {
        body = packet;
    }
    let ethernet = random.one_in(2);
    let mut bytes = if ethernet {
        let ethertypes = [0x0800, 0x86dd, 0x8100, 0x88a8, 0x9100, 0x0806];
        let fitting = if v6 { 0x86dd } else { 0x0800 };
        let ethertype = if random.one_in(6) { ethertypes[random.below(ethertypes.len())] } else { fitting };
        let tags = if random.one_in(4) { random.below(7) } else { 0 };
        framed(tags, ethertype, &body)
    } else {
        body
    };
    // Header bytes, flipped; addresses are more likely to be near an owner when they are left alone.
    if random.one_in(3) {
        for _ in 0..=random.below(3) {
            let at = random.below(bytes.len().clamp(1, 70));
            if let Some(byte) = bytes.get_mut(at) {
                *byte = random.byte();
            }
        }
    }
    while !is_taken(&bytes) {
        bytes.push(random.byte());
    }
    let segments = [1, 8, 100, 536, 1448, 9000, 65_535];
    let segment = if is_nest || random.one_in(3) { segments[random.below(segments.len())] } else { 0 };
    Packet { ethernet, up: random.one_in(2), bytes, segment }
}
