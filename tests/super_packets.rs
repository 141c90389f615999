//! What a super-packet stands for, by the parser of the ring and pnet: a table made by hand, every tunnel around
//! every transport, and random nests whose headers were counted while they were made.
//!
//! The taps themselves, with the kernel as the one who cuts, are in `live_super.rs`; the kernel's program is
//! compared with the parser in `kernel_program.rs`.

mod support;

use blindmeter::tap::super_packet::{Gso, Transport, segments};
use support::frames::{Address, datagram, segment, with_ip_options};
use support::rng::Rng;
use support::tunnels::{EACH, Tunnel, over_udp};

const V4: [Address; 2] = [Address::V4([10, 8, 0, 2]), Address::V4([192, 0, 2, 1])];
const V6: [Address; 2] = [Address::V6([0xfd; 16]), Address::V6([0x20; 16])];
const PAYLOAD: usize = 9_000;
const SEGMENT: u16 = 1_200;

/// What `payload` bytes behind `headers` bytes stand for.
fn expected(headers: usize, payload: usize, segment: u16) -> (u64, u64) {
    let packets = payload.div_ceil(usize::from(segment));
    ((payload + packets * headers) as u64, packets as u64)
}

fn count(packet: &[u8], transport: Transport, segment_bytes: u16) -> Option<(u64, u64)> {
    segments(packet, packet.len() as u64, Gso { transport, segment_bytes })
}

/// Where the header of UDP ends that stands outermost.
fn outer_udp(packet: &[u8]) -> Option<usize> {
    match (packet[0] >> 4, packet[9], packet[6]) {
        (4, 17, _) => Some(28),
        (6, _, 17) => Some(48),
        _ => None,
    }
}

/// The innermost packets: IP and transport, and how long their headers are.
fn cores() -> Vec<(Vec<u8>, Transport, usize)> {
    let mut cores = Vec::new();
    for [from, to] in [V4, V6] {
        let ip = from.smallest_packet() - 8;
        for words in [0, 3, 10] {
            let packet = segment(from, to, words, PAYLOAD);
            cores.push((packet, Transport::Tcp, ip + 20 + usize::from(words) * 4));
        }
        cores.push((datagram(from, to, ip + 8 + PAYLOAD), Transport::Udp, ip + 8));
    }
    cores.push((with_ip_options(&segment(V4[0], V4[1], 3, PAYLOAD)), Transport::Tcp, 24 + 32));
    cores
}

/// Lengths by hand, of the kinds that the field reports name.
#[test]
fn the_headers_of_known_tunnels_are_as_long_as_their_documents_say() {
    let tcp = segment(V4[0], V4[1], 3, PAYLOAD);
    for (tunnel, ends, headers) in [
        (Tunnel::Vxlan(0), V4, 20 + 8 + 8 + 14 + 20 + 32),
        (Tunnel::Vxlan(1), V6, 40 + 8 + 8 + 14 + 4 + 20 + 32),
        (Tunnel::Geneve(2), V4, 20 + 8 + 8 + 8 + 14 + 20 + 32),
        (Tunnel::Gre(0), V4, 20 + 4 + 20 + 32),
        (Tunnel::Gre(0xb0), V6, 40 + 16 + 20 + 32),
        (Tunnel::GreTap(0x20, 0), V4, 20 + 8 + 14 + 20 + 32),
        (Tunnel::Ip, V4, 20 + 20 + 32),
        (Tunnel::Ip, V6, 40 + 20 + 32),
        (Tunnel::IpBehindOptions, V6, 40 + 8 + 20 + 32),
        (Tunnel::Gue(0), V4, 20 + 8 + 4 + 20 + 32),
    ] {
        let packet = tunnel.around(ends[0], ends[1], &tcp);
        assert_eq!(packet.len(), headers + PAYLOAD, "{tunnel:?}");
        let counted = count(&packet, Transport::Tcp, SEGMENT);
        assert_eq!(counted, Some(expected(headers, PAYLOAD, SEGMENT)), "{tunnel:?}");
    }
}

#[test]
fn every_tunnel_around_every_transport_repeats_all_headers() {
    let mut nests = 0;
    for (core, transport, headers) in cores() {
        for tunnel in EACH {
            for [from, to] in [V4, V6] {
                let packet = tunnel.around(from, to, &core);
                let all = packet.len() - core.len() + headers;
                let counted = count(&packet, transport, SEGMENT);
                assert_eq!(counted, Some(expected(all, PAYLOAD, SEGMENT)), "{tunnel:?}");
                // The ring copies 200 bytes: enough for each, with TCP's longest options on top.
                let copied = &packet[..200];
                let gso = Gso { transport, segment_bytes: SEGMENT };
                assert_eq!(
                    segments(copied, packet.len() as u64, gso),
                    counted,
                    "{tunnel:?}, as the ring has it"
                );
                // The kernel says that another transport is cut: of TCP there is none; UDP is the one around.
                if transport == Transport::Udp {
                    assert_eq!(count(&packet, Transport::Tcp, SEGMENT), None, "{tunnel:?}");
                } else {
                    let outside = outer_udp(&packet).map(|end| expected(end, packet.len() - end, SEGMENT));
                    assert_eq!(count(&packet, Transport::Udp, SEGMENT), outside, "{tunnel:?}");
                }
                nests += 1;
            }
        }
    }
    assert_eq!(nests, 9 * 22 * 2);
}

/// Datagrams of a tunnel that were joined as what they are outside: each has its own inner header.
#[test]
fn joined_datagrams_of_a_tunnel_are_cut_at_udp() {
    for tunnel in EACH {
        let one = tunnel.around(V4[0], V4[1], &segment(V4[0], V4[1], 3, 1_000));
        if !tunnel.is_over_udp() {
            continue;
        }
        let each = one.len() - 28;
        let joined = one[28..].repeat(7);
        let packet = over_udp(V4[0], V4[1], 4789, &joined);
        let counted = count(&packet, Transport::Udp, u16::try_from(each).expect("short"));
        assert_eq!(counted, Some(expected(28, 7 * each, u16::try_from(each).expect("short"))), "{tunnel:?}");
    }
}

/// Whoever writes a datagram's content cannot have its bytes left out.
#[test]
fn what_looks_like_a_tunnel_and_leads_nowhere_was_a_datagram() {
    for tunnel in EACH {
        for protocol in [0, 1, 6, 50, 132, 255] {
            let mut inner = segment(V4[0], V4[1], 0, PAYLOAD);
            (inner[9], inner[32]) = (protocol, 0);
            let packet = tunnel.around(V4[0], V4[1], &inner);
            let wanted = outer_udp(&packet).map(|end| expected(end, packet.len() - end, SEGMENT));
            assert_eq!(count(&packet, Transport::Udp, SEGMENT), wanted, "{tunnel:?} around {protocol}");
        }
    }
}

#[test]
fn nests_of_tunnels_repeat_all_headers() {
    let mut random = Rng::seeded(11);
    let cores = cores();
    for _ in 0..20_000 {
        let (mut packet, transport, mut headers) = cores[random.below(cores.len())].clone();
        let payload = packet.len() - headers;
        let mut over_udp = 0;
        for _ in 0..random.below(3) {
            let [from, to] = random.pick(&[V4, V6]);
            let tunnel = random.pick(&EACH);
            // A second one over UDP is not looked for: the kernel cuts no such thing.
            over_udp += usize::from(tunnel.is_over_udp());
            if over_udp <= 1 {
                packet = tunnel.around(from, to, &packet);
            }
        }
        headers = packet.len() - payload;
        let segment_bytes = u16::try_from(random.between(1, 3_000)).expect("small");
        let counted = count(&packet, transport, segment_bytes);
        assert_eq!(counted, Some(expected(headers, payload, segment_bytes)), "{:02x?}", &packet[..headers]);
    }
}
