//! Super-packets without tunnels: cases from hand, any bytes, and etherparse as a maker of headers. Tunnels are
//! in `tests/super_packets.rs`.

use super::*;
use etherparse::{
    IpAuthHeader, IpFragOffset, IpHeaders, Ipv4Extensions, Ipv4Header, Ipv4Options, Ipv6Extensions,
    Ipv6FragmentHeader, Ipv6Header, Ipv6RawExtHeader, Ipv6RoutingExtensions, TcpHeader, UdpHeader,
};

const fn tcp(segment_bytes: u16) -> Gso {
    Gso { transport: Transport::Tcp, segment_bytes }
}

const fn udp(segment_bytes: u16) -> Gso {
    Gso { transport: Transport::Udp, segment_bytes }
}

fn v4(header_words: u8) -> Vec<u8> {
    let mut ip = vec![0; 20];
    ip[0] = 0x40 | header_words;
    ip
}

#[test]
fn a_super_packet_counts_as_its_segments_each_with_its_headers() {
    let mut ip = v4(5);
    ip[9] = 6;
    ip.extend([0; 20]);
    ip[32] = 8 << 4;
    let gso = tcp(1448);
    // 52 bytes of headers, 3 segments: 1448 + 1448 + 4.
    assert_eq!(segments(&ip, 52 + 2900, gso), Some((3 * 52 + 2900, 3)));
    assert_eq!(segments(&ip, 52, gso), Some((52, 1)));
    let mut ip = v4(6);
    ip[9] = 17;
    ip.extend([0; 12]);
    let gso = udp(1000);
    assert_eq!(segments(&ip, 32 + 2000, gso), Some((2 * 32 + 2000, 2)));
    // UDP announced, TCP found: the headers are unknown.
    assert_eq!(segments(&ip, 2000, tcp(1000)), None);
}

/// A packet of IPv6 whose extension headers are these bytes, the first of them of this number.
fn v6(number: u8, chain: &[u8]) -> Vec<u8> {
    let mut ip = vec![0; 40];
    (ip[0], ip[6]) = (0x60, number);
    ip.extend(chain);
    ip
}

#[test]
fn extension_headers_belong_to_every_segment() {
    let mut ip = v6(60, &[6, 0, 1, 4, 0, 0, 0, 0]);
    ip.extend([0; 20]);
    ip[48 + 12] = 5 << 4;
    let gso = tcp(100);
    assert_eq!(segments(&ip, 68 + 250, gso), Some((3 * 68 + 250, 3)));
}

/// Chains that etherparse reads in part only.
#[test]
fn a_chain_is_walked_where_etherparse_stops() {
    let gso = udp(100);
    let headers = |number, chain: &[u8]| {
        let counted = segments(&v6(number, chain), 1000, gso);
        counted.map_or(0, |(bytes, packets)| (bytes - 1000) / (packets - 1))
    };
    let empty = |next| [next, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(headers(60, &[empty(0), empty(17)].concat()), 40 + 16 + 8, "hop-by-hop options come second");
    assert_eq!(headers(51, &empty(17)), 40 + 8 + 8, "an authentication header without content");
    assert_eq!(headers(60, &[17, 9, 0, 0, 0, 0, 0, 0]), 40 + 80 + 8, "a header that was not captured whole");
    assert_eq!(headers(43, &[17, 2]), 40 + 24 + 8, "two bytes of it");
    assert_eq!(headers(43, &[17]), 0, "one byte of it");
    for (count, known) in [(8, 40 + 64 + 8), (9, 0), (40, 0)] {
        let mut chain = empty(60).repeat(count);
        chain[(count - 1) * 8] = 17;
        assert_eq!(headers(60, &chain), known, "{count} headers");
        // The same with a header in it at which etherparse stops.
        chain[0] = 0;
        assert_eq!(headers(60, &chain), known, "{count} headers, the second of them hop-by-hop options");
    }
}

/// An extension header with this much content.
fn options(words: usize) -> Ipv6RawExtHeader {
    Ipv6RawExtHeader::new_raw(ip_number::UDP, &vec![0; 6 + 8 * words]).expect("a length that can be")
}

/// A jumbo payload option before TCP, in a super-packet of this length.
#[test]
fn a_jumbo_payload_option_is_taken_out_where_no_length_field_can_state_the_length() {
    let jumbo = |option: u8, next: u8| {
        let mut ip = v6(0, &[next, 0, option, 4, 0, 1, 0x20, 0]);
        ip.extend([0; 20]);
        ip[48 + 12] = 8 << 4;
        ip
    };
    let headers = 40 + 8 + 32;
    let ip = jumbo(0xc2, 6);
    assert_eq!(segments(&ip, headers + 100_000, tcp(1000)), Some((100 * 72 + 100_000, 100)));
    assert_eq!(segments(&ip, 65_537, tcp(1000)), Some((65_457 + 66 * 72, 66)), "the shortest");
    assert_eq!(segments(&ip, 65_536, tcp(1000)), Some((65_456 + 66 * 80, 66)), "one byte shorter");
    let other = jumbo(0xc3, 6);
    assert_eq!(segments(&other, headers + 100_000, tcp(1000)), Some((100 * 80 + 100_000, 100)));
    let mut udp_packet = jumbo(0xc2, 17);
    udp_packet[48 + 12] = 0;
    assert_eq!(segments(&udp_packet, 56 + 100_000, udp(1000)), Some((100 * 56 + 100_000, 100)));
}

#[test]
fn what_the_kernel_does_not_say_enough_of_is_lost() {
    let mut ip = v4(5);
    ip.extend([0; 20]);
    ip[32] = 5 << 4;
    for (protocol, gso, counted) in [
        (6, tcp(1000), true),
        (6, udp(1000), false),
        (17, udp(1000), true),
        (17, tcp(1000), false),
        (50, tcp(1000), false),
        (132, tcp(1000), false),
        (1, udp(1000), false),
        (6, tcp(0), false),
        (6, Gso { transport: Transport::Other, segment_bytes: 1000 }, false),
    ] {
        ip[9] = protocol;
        assert_eq!(segments(&ip, 5000, gso).is_some(), counted, "protocol {protocol}");
    }
    // TCP that does not reach its data offset, and one that is shorter than its fixed header.
    (ip[9], ip[32]) = (6, 4 << 4);
    assert_eq!(segments(&ip, 5000, tcp(1000)), None);
    assert_eq!(segments(&ip[..32], 5000, tcp(1000)), None);
}

proptest::proptest! {
    /// Random bytes: no panic, and never fewer bytes than the super-packet has, but for a jumbo option.
    #[test]
    fn any_bytes_are_walked_without_harm(
        first in proptest::sample::select(vec![0x45_u8, 0x46, 0x60]),
        protocol in proptest::sample::select(vec![0_u8, 4, 6, 17, 41, 43, 47, 51, 60]),
        mut bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 10..220),
        length in 0_u64..200_000,
        segment_bytes in 0_u16..2000,
    ) {
        (bytes[0], bytes[if first < 0x60 { 9 } else { 6 }]) = (first, protocol);
        for gso in [tcp(segment_bytes), udp(segment_bytes)] {
            if let Some((wire, packets)) = segments(&bytes, length, gso) {
                proptest::prop_assert!(wire + JUMBO_HEADER as u64 >= length && packets >= 1);
            }
        }
    }

    /// What etherparse wrote has the length that etherparse says.
    #[test]
    fn headers_are_as_long_as_etherparse_makes_them(
        v6 in proptest::bool::ANY,
        is_tcp in proptest::bool::ANY,
        hop_by_hop in proptest::option::of(0_usize..4),
        destination in proptest::option::of(0_usize..20),
        routing in proptest::option::of(0_usize..4),
        authentication in proptest::option::of(0_usize..6),
        fragment in proptest::bool::ANY,
        option_words in 0_usize..=10,
        payload in 1_usize..5000,
        segment_bytes in 1_u16..2000,
        cut in 0_usize..5000,
    ) {
        let mut ip = if v6 {
            let extensions = Ipv6Extensions {
                hop_by_hop_options: hop_by_hop.map(options),
                destination_options: destination.map(options),
                routing: routing
                    .map(|words| Ipv6RoutingExtensions { routing: options(words), final_destination_options: None }),
                fragment: fragment.then(|| Ipv6FragmentHeader::new(ip_number::UDP, IpFragOffset::ZERO, false, 7)),
                auth: authentication.map(|words| {
                    IpAuthHeader::new(ip_number::UDP, 1, 1, &vec![0; 4 * words]).expect("a length that can be")
                }),
            };
            IpHeaders::Ipv6(Ipv6Header { source: [1; 16], ..Ipv6Header::default() }, extensions)
        } else {
            let mut header = Ipv4Header { source: [1; 4], ..Ipv4Header::default() };
            header.options = Ipv4Options::try_from(&[1; 40][..4 * option_words]).expect("whole words");
            IpHeaders::Ipv4(header, Ipv4Extensions::default())
        };
        ip.set_next_headers(if is_tcp { ip_number::TCP } else { ip_number::UDP });
        let mut packet = Vec::new();
        ip.write(&mut packet).expect("memory takes it");
        if is_tcp {
            let mut header = TcpHeader::default();
            header.set_options_raw(&[1; 40][..4 * option_words]).expect("whole words");
            header.write(&mut packet).expect("memory takes it");
        } else {
            packet.extend(UdpHeader::default().to_bytes());
        }
        let headers = packet.len();
        packet.resize(headers + payload, 0);
        let length = packet.len() as u64;
        // The ring captures the headers and not the payload.
        packet.truncate(headers + cut);
        let packets = payload.div_ceil(usize::from(segment_bytes)) as u64;
        let transport = if is_tcp { Transport::Tcp } else { Transport::Udp };
        let counted = segments(&packet, length, Gso { transport, segment_bytes });
        proptest::prop_assert_eq!(counted, Some((length + (packets - 1) * headers as u64, packets)));
    }
}
