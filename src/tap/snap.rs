//! How much of a packet the ring copies: a classic filter that says so of each, headers and never the payload
//! of a common packet.
//!
//! Holds no packet. What a super-packet stands for is known from all headers that its segments repeat, and
//! inside a tunnel they are long; so more is copied of the few packets that may be one of these.
//!
//! # Source
//! bpf(4) and include/uapi/linux/filter.h; ports: IANA's registry of services.

use super::interfaces::Hardware;
use super::socket::Instruction;

/// Bytes above the link layer of a packet that may be a tunnel's: two IP headers, what lies between them, and
/// TCP up to its data offset; a hundred bytes of options may be among them.
const WIDE: u32 = 200;

/// A UDP packet above this length is a super-packet, but on links of jumbo frames.
const LONGEST_COMMON: u32 = 1500;

/// Ports of VXLAN, of Linux's own choice for it, and of Geneve: of these a short super-packet is known as well.
const TUNNEL_PORTS: [u32; 3] = [4789, 8472, 6081];

/// A tagged frame's inner protocol is not known here: four tags, and what follows.
const TAGS: u32 = 16;
const BEHIND_TAGS: u32 = 80;

/// Bytes that a packet must have for the load of a port not to reach behind it.
const PORT_IS_THERE: u32 = 68;

const TCP: u32 = 6;
const UDP: u32 = 17;
/// Protocols that carry an IP header: IPv4, IPv6, GRE.
const INNER_IP: [u32; 3] = [4, 41, 47];
const EXTENSION_HEADERS: [u32; 4] = [0, 43, 51, 60];

const LOAD_LENGTH: u16 = 0x80;
const LOAD_HALF: u16 = 0x28;
const LOAD_HALF_BEHIND_X: u16 = 0x48;
const LOAD_BYTE: u16 = 0x30;
const LOAD_X_HEADER: u16 = 0xb1;
const AND: u16 = 0x54;
const ADD: u16 = 0x04;
const X_TO_A: u16 = 0x87;
const EQUAL: u16 = 0x15;
const GREATER: u16 = 0x25;
const AT_LEAST: u16 = 0x35;
const ANY_BIT: u16 = 0x45;
const RETURN: u16 = 0x06;
const RETURN_A: u16 = 0x16;

/// A step of the filter, before jumps are distances.
#[derive(Clone, Copy)]
enum Step {
    Do(u16, u32),
    /// Goes on at the mark, further down, where the comparison holds.
    If(u16, u32, Mark),
    At(Mark),
}

/// What a packet is known to be at a place of the filter.
#[derive(Clone, Copy, PartialEq)]
enum Mark {
    WithHeader,
    Long,
    V4,
    V4Tcp,
    V4Udp,
    V4UdpWithPort,
    V4Other,
    V6,
    V6Tcp,
    V6Udp,
    V6UdpWithPort,
    Wide,
}

/// The filter of an interface.
///
/// Loads are from the start of the frame: they reach into paged data, which loads relative to the network
/// header do not. A load past the end would drop the packet unseen, so short ones are taken whole first.
pub(super) fn headers_only(hardware: Hardware) -> Vec<Instruction> {
    use Step::{At, Do, If};
    let link = hardware.header_bytes();
    let (version_at, mask, v4, v6) = match hardware {
        Hardware::Ethernet => ((LOAD_HALF, 12), 0xffff, 0x0800, 0x86dd),
        Hardware::Ip => ((LOAD_BYTE, 0), 0xf0, 0x40, 0x60),
    };
    let mut steps = vec![
        Do(LOAD_LENGTH, 0),
        If(AT_LEAST, link + 20, Mark::WithHeader),
        Do(RETURN, link + 20),
        At(Mark::WithHeader),
        Do(version_at.0, version_at.1),
        Do(AND, mask),
        If(EQUAL, v4, Mark::V4),
        If(EQUAL, v6, Mark::V6),
        Do(LOAD_LENGTH, 0),
        If(GREATER, link + TAGS + LONGEST_COMMON, Mark::Long),
        Do(RETURN, link + TAGS + BEHIND_TAGS),
        At(Mark::Long),
        Do(RETURN, link + TAGS + WIDE),
        At(Mark::V4),
        Do(LOAD_X_HEADER, link),
        Do(LOAD_BYTE, link + 9),
        If(EQUAL, TCP, Mark::V4Tcp),
        If(EQUAL, UDP, Mark::V4Udp),
    ];
    let wide_if_any =
        |values: &[u32]| values.iter().map(|value| If(EQUAL, *value, Mark::Wide)).collect::<Vec<_>>();
    steps.extend(wide_if_any(&INNER_IP));
    steps.extend([
        Do(X_TO_A, 0),
        Do(ADD, link + 8),
        Do(RETURN_A, 0),
        // Of the first fragment of TCP also the data offset.
        At(Mark::V4Tcp),
        Do(LOAD_HALF, link + 6),
        If(ANY_BIT, 0x1fff, Mark::V4Other),
        Do(X_TO_A, 0),
        Do(ADD, link + 14),
        Do(RETURN_A, 0),
        At(Mark::V4Udp),
        Do(LOAD_LENGTH, 0),
        If(GREATER, link + LONGEST_COMMON, Mark::Wide),
        If(AT_LEAST, link + PORT_IS_THERE, Mark::V4UdpWithPort),
        Do(X_TO_A, 0),
        Do(ADD, link + 8),
        Do(RETURN_A, 0),
        At(Mark::V4UdpWithPort),
        Do(LOAD_HALF_BEHIND_X, link + 2),
    ]);
    steps.extend(wide_if_any(&TUNNEL_PORTS));
    steps.extend([
        At(Mark::V4Other),
        Do(X_TO_A, 0),
        Do(ADD, link + 8),
        Do(RETURN_A, 0),
        At(Mark::V6),
        Do(LOAD_BYTE, link + 6),
        If(EQUAL, TCP, Mark::V6Tcp),
        If(EQUAL, UDP, Mark::V6Udp),
    ]);
    steps.extend(wide_if_any(&INNER_IP));
    steps.extend(wide_if_any(&EXTENSION_HEADERS));
    steps.extend([
        Do(RETURN, link + 40),
        At(Mark::V6Tcp),
        Do(RETURN, link + 54),
        At(Mark::V6Udp),
        Do(LOAD_LENGTH, 0),
        If(GREATER, link + LONGEST_COMMON, Mark::Wide),
        If(AT_LEAST, link + PORT_IS_THERE, Mark::V6UdpWithPort),
        Do(RETURN, link + 48),
        At(Mark::V6UdpWithPort),
        Do(LOAD_HALF, link + 42),
    ]);
    steps.extend(wide_if_any(&TUNNEL_PORTS));
    steps.extend([Do(RETURN, link + 48), At(Mark::Wide), Do(RETURN, link + WIDE)]);
    assemble(&steps)
}

/// The instructions; a mark is the place of the next one.
fn assemble(steps: &[Step]) -> Vec<Instruction> {
    let place = |of: usize| steps[..of].iter().filter(|step| !matches!(step, Step::At(_))).count();
    let marked = |mark: Mark| {
        let at = steps.iter().position(|step| matches!(step, Step::At(here) if *here == mark));
        place(at.expect("every mark is set"))
    };
    let instruction = |(at, step): (usize, &Step)| match *step {
        Step::Do(code, operand) => Some((code, 0, 0, operand)),
        Step::If(code, operand, mark) => {
            let distance = marked(mark) - place(at) - 1;
            Some((code, u8::try_from(distance).expect("a short filter"), 0, operand))
        }
        Step::At(_) => None,
    };
    steps.iter().enumerate().filter_map(instruction).collect()
}

#[cfg(test)]
mod tests;
