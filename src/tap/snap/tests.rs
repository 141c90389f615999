//! The filter, run as the kernel runs it: what is copied of which packet.

use super::*;

/// What the filter returns for a packet: the bytes to copy, or none where the kernel would drop it for a load
/// past its end.
fn copied(hardware: Hardware, packet: &[u8]) -> Option<usize> {
    let filter = headers_only(hardware);
    let half = |at: usize| Some(u32::from(u16::from_be_bytes(*packet.get(at..)?.first_chunk()?)));
    let (mut a, mut x, mut at) = (0_u32, 0_usize, 0);
    loop {
        let (code, then, otherwise, operand) = filter[at];
        let place = operand as usize;
        at += 1;
        let holds = match code {
            LOAD_LENGTH => {
                a = u32::try_from(packet.len()).ok()?;
                continue;
            }
            LOAD_HALF => {
                a = half(place)?;
                continue;
            }
            LOAD_HALF_BEHIND_X => {
                a = half(x + place)?;
                continue;
            }
            LOAD_BYTE => {
                a = u32::from(*packet.get(place)?);
                continue;
            }
            LOAD_X_HEADER => {
                x = usize::from(packet.get(place)? & 15) * 4;
                continue;
            }
            AND => {
                a &= operand;
                continue;
            }
            ADD => {
                a += operand;
                continue;
            }
            X_TO_A => {
                a = u32::try_from(x).ok()?;
                continue;
            }
            RETURN => return Some(packet.len().min(place)),
            RETURN_A => return Some(packet.len().min(a as usize)),
            EQUAL => a == operand,
            GREATER => a > operand,
            AT_LEAST => a >= operand,
            ANY_BIT => a & operand != 0,
            _ => panic!("an instruction that the filter does not use"),
        };
        at += usize::from(if holds { then } else { otherwise });
    }
}

/// A packet of this protocol and length; of UDP, to this port.
fn packet(version: u8, protocol: u8, port: u16, length: usize) -> Vec<u8> {
    let mut packet = vec![0; length];
    let (first, protocol_at, header) = if version == 4 { (0x46, 9, 24) } else { (0x60, 6, 40) };
    (packet[0], packet[protocol_at]) = (first, protocol);
    if let Some(place) = packet.get_mut(header + 2..header + 4) {
        place.copy_from_slice(&port.to_be_bytes());
    }
    packet
}

/// The same behind an Ethernet header.
fn framed(ethertype: u16, packet: &[u8]) -> Vec<u8> {
    [&[2; 12], ethertype.to_be_bytes().as_slice(), packet].concat()
}

#[test]
fn headers_are_copied_and_of_common_packets_no_payload() {
    for (version, protocol, port, length, wanted) in [
        (4, 6, 443, 1400, 24 + 14),
        (4, 6, 443, 60_000, 24 + 14),
        (4, 17, 443, 1400, 24 + 8),
        (4, 17, 443, 60_000, 200),
        (4, 17, 4789, 600, 200),
        (4, 17, 8472, 600, 200),
        (4, 17, 6081, 600, 200),
        (4, 17, 4789, 60, 24 + 8),
        (4, 1, 0, 1400, 24 + 8),
        (4, 50, 0, 60_000, 24 + 8),
        (4, 4, 0, 600, 200),
        (4, 41, 0, 600, 200),
        (4, 47, 0, 600, 200),
        (4, 47, 0, 90, 90),
        (6, 6, 443, 60_000, 54),
        (6, 17, 443, 1400, 48),
        (6, 17, 443, 1501, 200),
        (6, 17, 6081, 600, 200),
        (6, 17, 6081, 50, 48),
        (6, 58, 0, 1400, 40),
        (6, 41, 0, 600, 200),
        (6, 60, 0, 600, 200),
        (6, 0, 0, 100_000, 200),
    ] {
        let packet = packet(version, protocol, port, length);
        let said = format!("version {version}, protocol {protocol}, port {port}, {length} bytes");
        assert_eq!(copied(Hardware::Ip, &packet), Some(wanted), "{said}");
        let ethertype = if version == 4 { 0x0800 } else { 0x86dd };
        assert_eq!(copied(Hardware::Ethernet, &framed(ethertype, &packet)), Some(14 + wanted), "{said}");
    }
    // A later fragment of TCP has no data offset.
    let mut fragment = packet(4, 6, 0, 1400);
    fragment[7] = 1;
    assert_eq!(copied(Hardware::Ip, &fragment), Some(24 + 8));
    // Tags, and what is no IP.
    assert_eq!(copied(Hardware::Ethernet, &framed(0x8100, &[0; 1400])), Some(14 + 16 + 80));
    assert_eq!(copied(Hardware::Ethernet, &framed(0x8100, &[0; 60_000])), Some(14 + 16 + 200));
}

#[test]
fn no_packet_is_too_short_for_a_load() {
    for first in 0..=255 {
        for protocol in [0, 1, 4, 6, 17, 41, 47] {
            for length in 1..90 {
                let mut bytes = vec![protocol; length];
                bytes[0] = first;
                assert!(copied(Hardware::Ip, &bytes).is_some(), "{length} bytes of {first}, {protocol}");
                for ethertype in [0x0800, 0x86dd, 0x8100] {
                    let frame = framed(ethertype, &bytes);
                    assert!(
                        copied(Hardware::Ethernet, &frame).is_some(),
                        "a frame of {ethertype}, {length} bytes"
                    );
                }
            }
        }
    }
}
