//! Frames and super-packets: cases from hand, any bytes, and etherparse as a maker of headers.

use super::*;
use etherparse::{
    IpAuthHeader, IpFragOffset, IpHeaders, Ipv4Extensions, Ipv4Header, Ipv4Options, Ipv6Extensions,
    Ipv6RawExtHeader, Ipv6RoutingExtensions, TcpHeader, UdpHeader,
};

fn v4(header_words: u8) -> Vec<u8> {
    let mut ip = vec![0; 20];
    ip[0] = 0x40 | header_words;
    ip[12..16].copy_from_slice(&[10, 8, 0, 2]);
    ip[16..20].copy_from_slice(&[10, 8, 0, 3]);
    ip
}

fn is_ip(frame: &Frame, bytes: u64) -> bool {
    matches!(frame, Frame::Ip(packet) if packet.bytes == bytes
        && packet.source == TunnelAddress::V4(0x0a08_0002)
        && packet.destination == TunnelAddress::V4(0x0a08_0003))
}

#[test]
fn up_to_four_vlan_tags_belong_to_the_link_layer() {
    for tags in 0..=5 {
        let mut frame = vec![0; 12];
        for tag in 0..tags {
            frame.extend([[0x81, 0], [0x88, 0xa8], [0x91, 0]][tag % 3]);
            frame.extend([0, 7]);
        }
        frame.extend([8, 0]);
        frame.extend(v4(5));
        let seen = read(LinkType::Ethernet, &frame, 1500);
        if tags <= 4 {
            assert!(is_ip(&seen, 1500 - 14 - 4 * tags as u64));
        } else {
            assert!(matches!(seen, Frame::NotIp));
        }
    }
}

#[test]
fn a_header_that_is_cut_or_of_another_version_is_malformed() {
    assert!(is_ip(&read(LinkType::RawIp, &v4(5), 77), 77));
    assert!(is_ip(&read(LinkType::RawV4, &v4(15), 77), 77));
    assert!(matches!(read(LinkType::RawIp, &v4(4), 77), Frame::Malformed));
    assert!(matches!(read(LinkType::RawIp, &v4(5)[..19], 77), Frame::Malformed));
    assert!(matches!(read(LinkType::RawV6, &v4(5), 77), Frame::Malformed));
    assert!(matches!(read(LinkType::RawIp, &[], 77), Frame::Malformed));
    assert!(matches!(read(LinkType::RawIp, &[0x60; 39], 77), Frame::Malformed));
    assert!(matches!(read(LinkType::Ethernet, &[8; 13], 77), Frame::Malformed));
}

#[test]
fn a_super_packet_counts_as_its_segments_each_with_its_headers() {
    let mut ip = v4(5);
    ip[9] = 6;
    ip.extend([0; 20]);
    ip[32] = 8 << 4;
    let gso = Gso { tcp: true, segment_bytes: 1448 };
    // 52 bytes of headers, 3 segments: 1448 + 1448 + 4.
    assert_eq!(segments(&ip, 52 + 2900, gso), (3 * 52 + 2900, 3));
    assert_eq!(segments(&ip, 52, gso), (52, 1));
    let mut ip = v4(6);
    ip[9] = 17;
    ip.extend([0; 12]);
    let gso = Gso { tcp: false, segment_bytes: 1000 };
    assert_eq!(segments(&ip, 32 + 2000, gso), (2 * 32 + 2000, 2));
    // UDP announced, TCP found: the headers are unknown.
    assert_eq!(segments(&ip, 2000, Gso { tcp: true, segment_bytes: 1000 }), (2000, 2));
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
    let gso = Gso { tcp: true, segment_bytes: 100 };
    assert_eq!(segments(&ip, 68 + 250, gso), (3 * 68 + 250, 3));
}

/// Chains that etherparse reads in part only, and the kernel's program to their end.
#[test]
fn a_chain_is_walked_where_etherparse_stops() {
    let gso = Gso { tcp: false, segment_bytes: 100 };
    let headers = |number, chain: &[u8]| {
        let (bytes, packets) = segments(&v6(number, chain), 1000, gso);
        (bytes - 1000) / (packets - 1)
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

proptest::proptest! {
    /// Random bytes of every link type: no panic, and never more bytes than the frame has.
    #[test]
    fn any_bytes_are_read_without_harm(
        bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..120),
        length in 0_u64..70_000,
        segment_bytes in 0_u16..2000,
    ) {
        for number in [0, 1, 9, 12, 108, 113, 228, 229, 276] {
            let link_type = LinkType::of_capture(number).expect("a supported type");
            if let Frame::Ip(packet) = read(link_type, &bytes, length) {
                proptest::prop_assert!(packet.bytes <= length);
                let gso = Gso { tcp: length % 2 == 0, segment_bytes };
                let (wire, packets) = segments(&bytes[packet.offset..], packet.bytes, gso);
                proptest::prop_assert!(wire >= packet.bytes && packets >= 1);
            }
        }
    }

    /// What etherparse wrote has the length that etherparse says.
    #[test]
    fn headers_are_as_long_as_etherparse_makes_them(
        v6 in proptest::bool::ANY,
        tcp in proptest::bool::ANY,
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
        ip.set_next_headers(if tcp { ip_number::TCP } else { ip_number::UDP });
        let mut packet = Vec::new();
        ip.write(&mut packet).expect("memory takes it");
        if tcp {
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
        let counted = segments(&packet, length, Gso { tcp, segment_bytes });
        proptest::prop_assert_eq!(counted, (length + (packets - 1) * headers as u64, packets));
    }
}
