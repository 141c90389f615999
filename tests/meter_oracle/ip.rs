//! Makes IP packets of every shape the contract speaks of, and remembers who is in the outermost header.

use super::roster::{Address, Roster};
use crate::support::rng::Rng;

/// Who decides what a packet counts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Judge {
    /// tshark; the generator's plan must say the same.
    Tshark,
    /// The generator's plan, for the reason given: tshark reads such a packet otherwise.
    Plan(&'static str),
}

/// An IP packet.
pub(super) struct IpLayer {
    /// Its bytes, all of them.
    pub(super) bytes: Vec<u8>,
    /// The outermost source.
    pub(super) source: Address,
    /// The outermost destination.
    pub(super) destination: Address,
    /// Who is to judge it.
    pub(super) judge: Judge,
}

/// Makes an IP packet of the given version.
pub(super) fn packet(random: &mut Rng, roster: &Roster, v6: bool) -> IpLayer {
    if v6 { version_six(random, roster, 0) } else { version_four(random, roster, 0) }
}

fn version_four(random: &mut Rng, roster: &Roster, depth: usize) -> IpLayer {
    let (source, destination) = (roster.draw(random, false), roster.draw(random, false));
    let mut judge = Judge::Tshark;
    let mut options = Vec::new();
    if random.one_in(4) {
        options = vec![1; 4 * (1 + random.below(10))];
    } else if random.one_in(12) {
        // A loose source route, half travelled: the header's own destination counts.
        options = vec![131, 11, 4];
        options.extend(roster.draw(random, false).octets());
        options.extend(roster.draw(random, false).octets());
        options.push(0);
        judge = Judge::Plan("tshark puts the end of a source route into ip.dst");
    }
    let (protocol, mut payload) = payload(random, roster, depth, false);
    let fragment = match random.below(6) {
        0 => 0x2000_u16,
        1 => 0x2000 | 185,
        2 => 370,
        3 => 0x4000,
        _ => 0,
    };
    if fragment & 0x1fff != 0 {
        let length = random.below(200);
        payload = random.bytes(length);
    }
    let header_length = 20 + options.len();
    let mut total = short(header_length + payload.len());
    match random.below(12) {
        0 => total = 0,
        1 => total = u16::MAX,
        2 => total = short(header_length + payload.len() / 2),
        3 => total = total.wrapping_add(1 + u16::from(random.byte())),
        4 => {
            total = short(1 + random.below(header_length - 1));
            judge = Judge::Plan("tshark leaves a header whose total length is below its own at that field");
        }
        _ => {}
    }
    let words = u8::try_from(header_length / 4).expect("at most 15 words");
    let mut bytes = vec![0x40 | words, random.byte()];
    bytes.extend(total.to_be_bytes());
    bytes.extend(random.bytes(2));
    bytes.extend(fragment.to_be_bytes());
    bytes.extend([64, protocol]);
    bytes.extend(random.bytes(2));
    bytes.extend(source.octets());
    bytes.extend(destination.octets());
    bytes.extend(options);
    bytes.extend(payload);
    IpLayer { bytes, source, destination, judge }
}

fn version_six(random: &mut Rng, roster: &Roster, depth: usize) -> IpLayer {
    let (source, destination) = (roster.draw(random, true), roster.draw(random, true));
    let (mut next, mut payload) = payload(random, roster, depth, true);
    let extensions = if random.one_in(2) { random.below(4) } else { 0 };
    for _ in 0..extensions {
        let kind = random.pick(&[0_u8, 43, 44, 60]);
        let mut extension = match kind {
            43 => {
                // Routing header of type 0 or 4 with one segment, which is not the packet's destination.
                let mut routing = vec![next, 2, random.pick(&[0, 4]), 1, 0, 0, 0, 0];
                routing.extend(roster.draw(random, true).octets());
                routing
            }
            44 => {
                let offset = random.pick(&[0_u16, 1, 8 * 185, (8 * 185) | 1]).to_be_bytes();
                let mut fragment = vec![next, 0, offset[0], offset[1]];
                fragment.extend(random.bytes(4));
                fragment
            }
            _ => vec![next, 0, 1, 4, 0, 0, 0, 0],
        };
        extension.extend(payload);
        payload = extension;
        next = kind;
    }
    let length = match random.below(12) {
        0 => 0,
        1 => u16::MAX,
        2 => short(payload.len() / 2),
        3 => short(payload.len() + 1 + random.below(200)),
        _ => short(payload.len()),
    };
    let mut bytes = vec![0x60 | (random.byte() & 0x0f)];
    bytes.extend(random.bytes(3));
    bytes.extend(length.to_be_bytes());
    bytes.extend([next, 64]);
    bytes.extend(source.octets());
    bytes.extend(destination.octets());
    bytes.extend(payload);
    IpLayer { bytes, source, destination, judge: Judge::Tshark }
}

/// The protocol number and the bytes above the header. Tunnels and quotations carry other roster addresses.
fn payload(random: &mut Rng, roster: &Roster, depth: usize, v6: bool) -> (u8, Vec<u8>) {
    let kinds = if depth < 2 { 9 } else { 4 };
    match random.below(kinds) {
        0 => (59, Vec::new()),
        1 => {
            let length = if random.one_in(8) { 1400 } else { random.below(90) };
            (50, random.bytes(length))
        }
        2 => {
            let mut tcp = vec![0x13, 0x88, 0x27, 0x10, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x10, 1, 0, 0, 0, 0, 0];
            tcp.extend(vec![0; random.below(60)]);
            (6, tcp)
        }
        3 => {
            let length = 8 + random.below(100);
            let mut udp = vec![0x13, 0x88, 0x27, 0x10];
            udp.extend(short(length).to_be_bytes());
            udp.extend([0, 0]);
            udp.extend(vec![0; length - 8]);
            (17, udp)
        }
        4 => (4, version_four(random, roster, depth + 1).bytes),
        5 => (41, version_six(random, roster, depth + 1).bytes),
        6 => {
            let mut gre = vec![0, 0, 0x08, 0x00];
            gre.extend(version_four(random, roster, depth + 1).bytes);
            (47, gre)
        }
        _ if v6 => {
            // ICMPv6 destination unreachable or time exceeded, quoting the packet it is about.
            let mut error = vec![random.pick(&[1, 3]), 0, 0, 0, 0, 0, 0, 0];
            error.extend(version_six(random, roster, depth + 1).bytes);
            (58, error)
        }
        _ => {
            let mut error = vec![random.pick(&[3, 11]), 1, 0, 0, 0, 0, 0, 0];
            error.extend(version_four(random, roster, depth + 1).bytes);
            (1, error)
        }
    }
}

fn short(length: usize) -> u16 {
    u16::try_from(length).expect("no packet here is longer than 65,535 bytes")
}
