//! Frames: cases from hand, and any bytes.

use super::*;

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

proptest::proptest! {
    /// Random bytes of every link type: no panic, and never more bytes than the frame has.
    #[test]
    fn any_bytes_are_read_without_harm(
        bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..120),
        length in 0_u64..70_000,
    ) {
        for number in [0, 1, 9, 12, 108, 113, 228, 229, 276] {
            let link_type = LinkType::of_capture(number).expect("a supported type");
            if let Frame::Ip(packet) = read(link_type, &bytes, length) {
                proptest::prop_assert!(packet.bytes <= length);
            }
        }
    }
}
