//! Files that break off, lie about lengths or cannot be read: what was read is kept, one line names the file, nothing
//! else is told. Cut files are judged by the generator's plan: tshark drops or repairs the last record as it likes.

use super::captures::{Capture, Order, Pcapng, pcap, pcap_header, pcap_record};
use super::link::{self, Packet};
use super::program::Workbench;
use super::roster::Roster;
use super::tally::Tally;
use crate::support::rng::Rng;

/// A workbench and some short packets of one link type between its accounts.
pub(super) fn workbench_and_packets(seed: u64, link: u16, count: usize) -> (Workbench, Vec<Packet>) {
    let mut random = Rng::seeded(seed);
    let workbench = Workbench::new(Roster::seeded(&mut random));
    let packets = (0..count).map(|place| {
        let v6 = place % 3 == 2;
        let (source, destination) =
            (workbench.roster.draw(&mut random, v6), workbench.roster.draw(&mut random, v6));
        link::plain(&mut random, link, source, destination, place)
    });
    let packets = packets.collect();
    (workbench, packets)
}

/// Cuts a capture at every byte: what lies wholly before the cut is counted, and the end is clean only at an end.
fn cut_everywhere(workbench: &Workbench, capture: &Capture, packets: &[Packet]) {
    for at in 0..=capture.bytes.len() {
        let file = workbench.write("cut.file", &capture.bytes[..at]);
        let outcome = workbench.meter(&[file]);
        let what = format!("cut at byte {at}");
        if capture.ends.contains(&at) {
            outcome.expect_clean(&what);
        } else {
            outcome.expect_broken(&what, "cut.file");
        }
        let whole = capture.packet_ends.iter().filter(|end| **end <= at).count();
        assert_eq!(outcome.report, Tally::of(&workbench.roster, &packets[..whole]).report(), "{what}");
    }
}

/// Asserts that `bytes` break off after `kept`, from a file and from a pipe alike.
fn assert_breaks_off(workbench: &Workbench, what: &str, bytes: &[u8], kept: &[Packet]) {
    let file = workbench.write("broken.file", bytes);
    let expected = Tally::of(&workbench.roster, kept).report();
    let outcome = workbench.meter_confined(&[file]);
    outcome.expect_broken(what, "broken.file");
    assert_eq!(outcome.report, expected, "{what}");
    let outcome = workbench.meter_piped(&["-"], bytes);
    let line = outcome.complaints.join("\n");
    assert!(
        line.contains('-') || line.contains("stdin") || line.contains("standard input"),
        "{what}: {line}"
    );
    assert_eq!((outcome.code, outcome.complaints.len()), (Some(2), 1), "{what}, on a pipe: {line}");
    assert_eq!(outcome.report, expected, "{what}, on a pipe");
}

/// A capture with every kind of block, and packets in all three kinds.
fn every_block(order: Order, packets: &[Packet]) -> Capture {
    let mut file = Pcapng::new(order);
    file.interface(packets[0].link, 0);
    for (place, packet) in packets.iter().enumerate() {
        match place % 4 {
            0 => file.enhanced(0, packet, false),
            1 => file.simple(packet),
            2 => file.obsolete(0, packet),
            _ => {
                file.block(0x0bad_0bad, &[1; 8]);
                file.enhanced(0, packet, true);
            }
        }
    }
    file.finish()
}

#[test]
fn a_pcap_cut_at_any_byte_keeps_the_whole_records() {
    let (workbench, packets) = workbench_and_packets(500, 1, 4);
    cut_everywhere(&workbench, &pcap(Order::Little, false, 1, &packets), &packets);
}

#[test]
fn a_pcapng_cut_at_any_byte_keeps_the_whole_blocks() {
    let (workbench, packets) = workbench_and_packets(501, 101, 4);
    cut_everywhere(&workbench, &every_block(Order::Big, &packets), &packets);
}

#[test]
fn a_block_that_does_not_fit_its_own_length_breaks_the_file_off() {
    let (workbench, packets) = workbench_and_packets(502, 101, 5);
    for order in [Order::Little, Order::Big] {
        let capture = every_block(order, &packets);
        for block in capture.ends.windows(2) {
            let (from, to) = (block[0], block[1]);
            let kept = capture.packet_ends.iter().filter(|end| **end <= from).count();
            let total = u32::try_from(to - from).expect("a small block");
            let lies = [0, 1, 4, 8, 11, total - 4, total - 1, total + 1, total + 2, total + 4, 0x7fff_fffc];
            for lie in [&lies[..], &[0x8000_0000, 0xffff_fff0, 0xffff_fffc, u32::MAX]].concat() {
                let mut bytes = capture.bytes.clone();
                bytes[from + 4..from + 8].copy_from_slice(&order.four(lie));
                let what = format!("the block at {from} of {total} bytes claims {lie}");
                let file = workbench.write("lie.pcapng", &bytes);
                let outcome = workbench.meter_confined(&[file]);
                outcome.expect_broken(&what, "lie.pcapng");
                assert_eq!(outcome.report, Tally::of(&workbench.roster, &packets[..kept]).report(), "{what}");
            }
            let mut bytes = capture.bytes.clone();
            bytes[to - 4..to].copy_from_slice(&order.four(total + 4));
            let what = format!("the block at {from} ends in another length");
            let file = workbench.write("lie.pcapng", &bytes);
            let outcome = workbench.meter(&[file]);
            outcome.expect_broken(&what, "lie.pcapng");
            assert_eq!(outcome.report, Tally::of(&workbench.roster, &packets[..kept]).report(), "{what}");
        }
    }
}

#[test]
fn a_block_whose_length_is_no_multiple_of_four_breaks_the_file_off() {
    let (workbench, packets) = workbench_and_packets(503, 101, 2);
    for body in [5, 6, 7] {
        let mut file = Pcapng::new(Order::Little);
        file.interface(101, 0);
        file.enhanced(0, &packets[0], false);
        file.block(0x0bad_0bad, &vec![0; body]);
        file.enhanced(0, &packets[1], false);
        assert_breaks_off(&workbench, "an odd block", &file.finish().bytes, &packets[..1]);
    }
}

#[test]
fn a_packet_block_that_promises_more_than_it_holds_breaks_the_file_off() {
    let (workbench, packets) = workbench_and_packets(504, 101, 2);
    for claim in [29, 1_000, 0x7fff_ffff, 0x8000_0000, 0xffff_fff0, u32::MAX] {
        for (kind, fields) in [(6, [0, 0, 0, claim, claim]), (2, [0, 0, 0, claim, claim])] {
            let mut file = Pcapng::new(Order::Big);
            file.interface(101, 0);
            file.enhanced(0, &packets[0], false);
            let mut body: Vec<u8> = fields.into_iter().flat_map(u32::to_be_bytes).collect();
            body.extend(&packets[1].bytes[..20]);
            body.extend([0; 8]);
            file.block(kind, &body);
            file.enhanced(0, &packets[1], false);
            let what = format!("a block of type {kind} with a captured length of {claim}");
            assert_breaks_off(&workbench, &what, &file.finish().bytes, &packets[..1]);
        }
    }
}

#[test]
fn a_simple_packet_that_promises_more_than_its_block_holds_breaks_the_file_off() {
    // Its captured length is what the snap length leaves of the original one (tshark and libpcap refuse the file, too).
    let (workbench, packets) = workbench_and_packets(517, 101, 2);
    for snap in [0, 40] {
        let mut file = Pcapng::new(Order::Little);
        file.interface(101, snap);
        file.enhanced(0, &packets[0], false);
        let mut body = 1_000_u32.to_le_bytes().to_vec();
        body.extend(&packets[1].bytes[..20]);
        file.block(3, &body);
        file.enhanced(0, &packets[1], false);
        let what = format!("20 bytes of 1,000 under snap length {snap}");
        assert_breaks_off(&workbench, &what, &file.finish().bytes, &packets[..1]);
    }
}

#[test]
fn blocks_shorter_than_their_fixed_fields_break_the_file_off() {
    let (workbench, packets) = workbench_and_packets(505, 101, 2);
    for (kind, body) in
        [(6, 16), (6, 0), (2, 16), (2, 0), (3, 0), (1, 4), (1, 0), (0x0a0d_0d0a, 0), (0x0a0d_0d0a, 4)]
    {
        let mut file = Pcapng::new(Order::Little);
        file.interface(101, 0);
        file.simple(&packets[0]);
        file.block(kind, &vec![0; body]);
        file.simple(&packets[1]);
        let what = format!("a block of type {kind:#x} with a body of {body} bytes");
        assert_breaks_off(&workbench, &what, &file.finish().bytes, &packets[..1]);
    }
}

#[test]
fn packets_of_interfaces_that_were_not_declared_break_the_file_off() {
    let (workbench, packets) = workbench_and_packets(506, 101, 2);
    for kind in ["enhanced", "obsolete", "simple"] {
        let mut file = Pcapng::new(Order::Little);
        file.interface(101, 0);
        file.interface(101, 0);
        file.enhanced(1, &packets[0], false);
        // Interfaces belong to their section: the second section has none.
        file.section(Order::Big);
        match kind {
            "enhanced" => file.enhanced(0, &packets[1], false),
            "obsolete" => file.obsolete(0, &packets[1]),
            _ => file.simple(&packets[1]),
        }
        assert_breaks_off(&workbench, kind, &file.finish().bytes, &packets[..1]);
    }
}

#[test]
fn a_second_section_of_no_byte_order_breaks_the_file_off() {
    let (workbench, packets) = workbench_and_packets(507, 101, 1);
    let mut file = Pcapng::new(Order::Little);
    file.interface(101, 0);
    file.simple(&packets[0]);
    file.block(0x0a0d_0d0a, &[0x11; 16]);
    assert_breaks_off(&workbench, "a section of no byte order", &file.finish().bytes, &packets);
}

#[test]
fn what_is_no_capture_breaks_off_at_once() {
    let (workbench, packets) = workbench_and_packets(508, 1, 1);
    let whole = pcap(Order::Little, false, 1, &packets).bytes;
    let mut magic = whole.clone();
    magic[0] ^= 0x40;
    let mut swapped = whole.clone();
    swapped[..4].copy_from_slice(&[0xb2, 0xa1, 0xd4, 0xc3]);
    let mut unordered = Pcapng::new(Order::Little).finish().bytes;
    unordered[8..12].copy_from_slice(&[0; 4]);
    let gzip = [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3][..], &[7; 60]].concat();
    let files: [(&str, &[u8]); 9] = [
        ("an empty file", b""),
        ("one byte", &[0xd4]),
        ("three bytes of a magic", &[0xd4, 0xc3, 0xb2]),
        ("another magic", &magic),
        ("a magic in no byte order", &swapped),
        ("a section of no byte order", &unordered),
        ("gzip", &gzip),
        ("text", b"prefix,account and more text that is no capture of any kind\n"),
        ("zeros", &[0; 200]),
    ];
    for (what, bytes) in files {
        assert_breaks_off(&workbench, what, bytes, &[]);
    }
}

#[test]
fn a_gigantic_captured_length_reserves_no_memory() {
    let (workbench, packets) = workbench_and_packets(509, 1, 3);
    for order in [Order::Little, Order::Big] {
        for captured in [1 << 20, 1 << 28, 0x7fff_ffff, 0x8000_0000, 0xffff_fff0, u32::MAX] {
            let mut bytes = pcap(order, false, 1, &packets).bytes;
            bytes.extend(pcap_record(order, captured, captured));
            bytes.extend(&packets[0].bytes);
            assert_breaks_off(&workbench, &format!("a captured length of {captured}"), &bytes, &packets);
        }
    }
}

#[test]
fn long_records_that_are_there_are_read_in_bounded_memory() {
    let (workbench, packets) = workbench_and_packets(510, 1, 2);
    for captured in [65_536, 262_144, 262_145, 1 << 20] {
        let mut long = packets[0].clone();
        long.bytes.resize(captured, 0);
        let both = [long, packets[1].clone()];
        let file = workbench.write("long.pcap", &pcap(Order::Little, false, 1, &both).bytes);
        workbench.expect_whole(&format!("a record of {captured} bytes"), &file, &both);
    }
    // Half a GiB, most of it a hole; a reader may take it or break off, in a quarter of a GiB of memory.
    let mut bytes = pcap_header(Order::Little, false, 1, u32::MAX);
    bytes.extend(pcap_record(Order::Little, 1 << 29, 1 << 29));
    bytes.extend(&packets[0].bytes);
    let path = workbench.write("hole.pcap", &bytes);
    let file = std::fs::OpenOptions::new().write(true).open(&path).expect("the file was just written");
    file.set_len(24 + 16 + (1 << 29)).expect("files may have holes");
    let outcome = workbench.meter_confined(&[path]);
    assert!(matches!(outcome.code, Some(0 | 2)), "a record of half a GiB: {}", outcome.complaints.join("\n"));
}

#[test]
fn a_packet_of_an_unsupported_link_type_is_an_error_that_names_it() {
    let (workbench, packets) = workbench_and_packets(511, 1, 3);
    let stranger = &packets[2];
    for (link, named) in [(147, "147"), (105, "105"), (195, "195"), (65_535, "65535")] {
        let file = pcap(Order::Big, true, link, std::slice::from_ref(stranger));
        let path = workbench.write("stranger.pcap", &file.bytes);
        let outcome = workbench.meter(&[path]);
        outcome.expect_broken("pcap", "stranger.pcap");
        assert!(outcome.complaints[0].contains(named), "the line names {named}: {}", outcome.complaints[0]);
        assert_eq!(outcome.report, Tally::of(&workbench.roster, &[]).report());

        let mut file = Pcapng::new(Order::Little);
        file.interface(1, 0);
        file.interface(link, 0);
        packets[..2].iter().for_each(|packet| file.enhanced(0, packet, false));
        file.enhanced(1, stranger, false);
        let path = workbench.write("stranger.pcapng", &file.finish().bytes);
        let outcome = workbench.meter(&[path]);
        outcome.expect_broken("pcapng", "stranger.pcapng");
        assert!(outcome.complaints[0].contains(named), "the line names {named}: {}", outcome.complaints[0]);
        assert_eq!(
            outcome.report,
            Tally::of(&workbench.roster, &packets[..2]).report(),
            "what was read before is kept"
        );
    }
}

#[test]
fn a_broken_file_among_others_spoils_only_its_own_rest() {
    let (workbench, packets) = workbench_and_packets(512, 1, 9);
    let first = workbench.write("first.pcap", &pcap(Order::Little, false, 1, &packets[..3]).bytes);
    let mut bytes = pcap(Order::Big, false, 1, &packets[3..6]).bytes;
    bytes.extend([0; 9]);
    let second = workbench.write("second.pcap", &bytes);
    let third = workbench.write("third.pcap", &pcap(Order::Little, true, 1, &packets[6..]).bytes);
    let outcome = workbench.meter(&[&first, &second, &third]);
    outcome.expect_broken("three files", "second.pcap");
    assert_eq!(outcome.report, Tally::of(&workbench.roster, &packets).report());
    let outcome = workbench.meter(&[&second, &first, &second]);
    assert_eq!(
        (outcome.code, outcome.complaints.len()),
        (Some(2), 2),
        "one line for each file that breaks off"
    );
}
