//! What the report promises beyond single packets: sums over files, names, nesting, and odd but accepted captures.
//! tshark refuses or reads otherwise much of what is here, so the generator's plan is the judge.

use super::captures::{Order, Pcapng, pcap, pcap_with};
use super::link::{self, LINKS, Packet, Plan};
use super::program::Workbench;
use super::roster::{Address, Prefix, Roster};
use super::tally::Tally;
use crate::support::rng::Rng;

fn workbench_and_packets(seed: u64, link: u16, count: usize) -> (Workbench, Vec<Packet>) {
    let mut random = Rng::seeded(seed);
    let workbench = Workbench::new(Roster::seeded(&mut random));
    let packets = (0..count).map(|_| link::packet(&mut random, &workbench.roster, link)).collect();
    (workbench, packets)
}

#[test]
fn several_files_add_up() {
    let (workbench, packets) = workbench_and_packets(300, 1, 300);
    let mut ng = Pcapng::new(Order::Big);
    ng.interface(1, 0);
    for packet in &packets[200..] {
        ng.enhanced(0, packet, false);
    }
    let files = [
        workbench.write("one.pcap", &pcap(Order::Little, false, 1, &packets[..150]).bytes),
        workbench.write("two.pcap", &pcap(Order::Big, true, 1, &packets[150..200]).bytes),
        workbench.write("three.pcapng", &ng.finish().bytes),
    ];
    let outcome = workbench.meter(&files);
    outcome.expect_clean("three files");
    assert_eq!(outcome.report, Tally::of(&workbench.roster, &packets).report());
    let twice = workbench.meter(&[&files[0], &files[0]]);
    assert_eq!(twice.number("/total/packets"), 300, "a file named twice is read twice");
}

#[test]
fn a_dash_reads_standard_input_and_adds_up_with_files() {
    let (workbench, packets) = workbench_and_packets(301, 113, 200);
    let piped = pcap(Order::Little, false, 113, &packets[..120]).bytes;
    let outcome = workbench.meter_piped(&["-"], &piped);
    outcome.expect_clean("standard input");
    assert_eq!(outcome.report, Tally::of(&workbench.roster, &packets[..120]).report());
    let file = workbench.write("rest.pcap", &pcap(Order::Little, false, 113, &packets[120..]).bytes);
    let outcome = workbench.meter_piped(&[file.as_os_str(), "-".as_ref()], &piped);
    outcome.expect_clean("a file and standard input");
    assert_eq!(outcome.report, Tally::of(&workbench.roster, &packets).report());
    let mut ng = Pcapng::new(Order::Little);
    ng.interface(113, 0);
    packets.iter().for_each(|packet| ng.enhanced(0, packet, true));
    let outcome = workbench.meter_piped(&["-"], &ng.finish().bytes);
    outcome.expect_clean("pcapng on standard input");
    assert_eq!(outcome.report, Tally::of(&workbench.roster, &packets).report());
}

#[test]
fn every_account_is_listed_sorted_by_name_when_nothing_was_captured() {
    let (workbench, _) = workbench_and_packets(302, 1, 0);
    for link in LINKS {
        let file = workbench.write("empty.pcap", &pcap(Order::Big, false, link, &[]).bytes);
        workbench.expect_whole("a capture without packets", &file, &[]);
    }
}

#[test]
fn the_longest_prefix_wins_under_many_rosters() {
    for seed in 400..440 {
        let (workbench, packets) = workbench_and_packets(seed, 101, 500);
        let file = workbench.write("nested.pcap", &pcap(Order::Little, false, 101, &packets).bytes);
        workbench.expect_whole(&format!("roster of seed {seed}"), &file, &packets);
    }
}

#[test]
fn a_packet_between_accounts_is_one_packet_and_counts_for_both() {
    let (up, down) = (Address::v4([10, 8, 0, 2]), Address::v6([0xfd42, 8, 0, 0, 0, 0, 0, 2]));
    let roster = Roster::of(&[Prefix::new(up, 32, "alice"), Prefix::new(down, 64, "bob-1")]);
    let workbench = Workbench::new(roster);
    let mut random = Rng::seeded(303);
    let other = Address { bits: down.bits + 1, ..down };
    // Within one account, too: both ends are bob-1's.
    let packets = [link::plain(&mut random, 1, up, up, 10), link::plain(&mut random, 1, down, other, 20)];
    let file = workbench.write("between.pcap", &pcap(Order::Little, false, 1, &packets).bytes);
    workbench.expect_whole("between accounts", &file, &packets);
    let outcome = workbench.meter(&[&file]);
    for pointer in ["/accounts/0/up_packets", "/accounts/0/down_packets", "/accounts/1/up_packets"] {
        assert_eq!(outcome.number(pointer), 1);
    }
    assert_eq!(outcome.number("/total/packets"), 2);
    assert_eq!(outcome.number("/accounts/1/down_bytes"), 60);
}

#[test]
fn the_whole_space_of_one_version_owns_nothing_of_the_other() {
    let (any4, any6) = (Address::v4([0; 4]), Address::v6([0; 8]));
    let mapped = Address { bits: (0xffff << 32) | 0x0a08_0001, ..any6 };
    let four = Address::v4([10, 8, 0, 1]);
    let mut random = Rng::seeded(304);
    let packets = [
        link::plain(&mut random, 101, four, Address::v4([255; 4]), 1),
        // IPv4-mapped and IPv4-compatible addresses in an IPv6 header are IPv6.
        link::plain(&mut random, 101, mapped, Address { bits: four.bits, ..any6 }, 2),
    ];
    for prefixes in [
        vec![Prefix::new(any4, 0, "four")],
        vec![Prefix::new(any6, 0, "six")],
        vec![Prefix::new(any4, 0, "four"), Prefix::new(any6, 0, "six")],
    ] {
        let workbench = Workbench::new(Roster::of(&prefixes));
        let file = workbench.write("versions.pcap", &pcap(Order::Little, false, 101, &packets).bytes);
        workbench.expect_whole("a roster of one version", &file, &packets);
    }
    // In a roster, an IPv4-mapped address is the IPv4 address that it writes, so that this is one prefix twice.
    let workbench =
        Workbench::new(Roster::of(&[Prefix::new(four, 32, "four"), Prefix::new(mapped, 128, "six")]));
    let outcome = workbench
        .meter(&[&workbench.write("versions.pcap", &pcap(Order::Little, false, 101, &packets).bytes)]);
    assert_eq!(outcome.code, Some(78), "{:?}", outcome.complaints);
    assert!(
        outcome.complaints.iter().any(|line| line.contains("the same prefix for two accounts")),
        "{:?}",
        outcome.complaints
    );
}

#[test]
fn account_names_are_reported_as_the_roster_writes_them() {
    let address = Address::v4([10, 8, 0, 1]);
    let names = ["ann%20lee", "a%2Cb", "100%25", "Jos%C3%A9", "~!$&()*+-./:;=?@[]^_{|}", &"n".repeat(128)];
    for name in names {
        let workbench = Workbench::new(Roster::of(&[Prefix::new(address, 32, name)]));
        let packet = link::plain(&mut Rng::seeded(305), 12, address, address, 0);
        let file = workbench
            .write("names.pcap", &pcap(Order::Little, false, 12, std::slice::from_ref(&packet)).bytes);
        workbench.expect_whole(name, &file, &[packet]);
    }
}

#[test]
fn captured_lengths_above_the_original_are_accepted() {
    let (workbench, mut packets) = workbench_and_packets(306, 1, 60);
    for packet in &mut packets {
        // Shorter on the wire than in the file, yet longer than any link header here.
        if let Plan::Ip { bytes, .. } = &mut packet.plan {
            let less = u32::try_from(*bytes / 2).expect("small");
            packet.original -= less;
            *bytes -= u64::from(less);
        }
    }
    let file = workbench.write("above.pcap", &pcap(Order::Big, false, 1, &packets).bytes);
    workbench.expect_whole("captured above original, pcap", &file, &packets);
    let mut ng = Pcapng::new(Order::Little);
    ng.interface(1, 0);
    for (place, packet) in packets.iter().enumerate() {
        if place % 2 == 0 { ng.enhanced(0, packet, false) } else { ng.obsolete(0, packet) }
    }
    let file = workbench.write("above.pcapng", &ng.finish().bytes);
    workbench.expect_whole("captured above original, pcapng", &file, &packets);
}

#[test]
fn an_original_length_below_the_link_header_counts_no_bytes() {
    let (workbench, mut packets) = workbench_and_packets(307, 1, 40);
    for packet in &mut packets {
        packet.original = 3;
        if let Plan::Ip { bytes, .. } = &mut packet.plan {
            *bytes = 0;
        }
    }
    let file = workbench.write("below.pcap", &pcap(Order::Little, true, 1, &packets).bytes);
    workbench.expect_whole("an original length of 3", &file, &packets);
}

#[test]
fn odd_snap_lengths_are_accepted() {
    let (workbench, packets) = workbench_and_packets(308, 276, 80);
    for snap in [0, 1, 7, 0x7fff_ffff, 0x8000_0000, u32::MAX] {
        let file = workbench.write("snap.pcap", &pcap_with(Order::Big, true, 276, snap, &packets).bytes);
        workbench.expect_whole(&format!("pcap of snap length {snap}"), &file, &packets);
        let mut ng = Pcapng::new(Order::Big);
        ng.interface(276, snap);
        packets.iter().for_each(|packet| ng.enhanced(0, packet, false));
        let file = workbench.write("snap.pcapng", &ng.finish().bytes);
        workbench.expect_whole(&format!("pcapng of snap length {snap}"), &file, &packets);
    }
}

#[test]
fn a_section_may_tell_its_length() {
    let (workbench, packets) = workbench_and_packets(314, 0, 40);
    let mut bytes = Vec::new();
    for (part, order) in packets.chunks(20).zip([Order::Big, Order::Little]) {
        let mut section = Pcapng::new(order);
        section.interface(0, 0);
        part.iter().for_each(|packet| section.enhanced(0, packet, true));
        let mut section = section.finish();
        let length = u32::try_from(section.bytes.len() - section.ends[0]).expect("small");
        let halves = if order == Order::Big { [0, length] } else { [length, 0] };
        let halves: Vec<u8> = halves.into_iter().flat_map(|half| order.four(half)).collect();
        section.bytes[16..24].copy_from_slice(&halves);
        bytes.extend(section.bytes);
    }
    let file = workbench.write("lengths.pcapng", &bytes);
    workbench.expect_whole("sections of known length", &file, &packets);
}

#[test]
fn sums_do_not_wrap_at_32_bits() {
    let (workbench, mut packets) = workbench_and_packets(309, 14, 300);
    for packet in &mut packets {
        packet.original = u32::MAX;
        if let Plan::Ip { bytes, .. } = &mut packet.plan {
            *bytes = u64::from(u32::MAX);
        }
    }
    let file = workbench.write("vast.pcap", &pcap(Order::Little, false, 14, &packets).bytes);
    workbench.expect_whole("packets of 4 GiB", &file, &packets);
}

#[test]
fn only_the_low_16_bits_of_the_link_field_name_the_link_type() {
    let (workbench, packets) = workbench_and_packets(310, 1, 50);
    for field in [0x2400_0001, 0xf000_0001, 0x0001_0001, 0x0400_0001] {
        let file = workbench.write("fcs.pcap", &pcap_with(Order::Big, false, field, 65_535, &packets).bytes);
        workbench.expect_whole(&format!("link field {field:#x}"), &file, &packets);
    }
}

#[test]
fn an_unsupported_link_type_without_packets_is_accepted() {
    let (workbench, packets) = workbench_and_packets(311, 9, 20);
    let file = workbench.write("none.pcap", &pcap(Order::Little, false, 147, &[]).bytes);
    workbench.expect_whole("pcap", &file, &[]);
    let mut ng = Pcapng::new(Order::Big);
    for link in [147, 65_535, 9, 105] {
        ng.interface(link, 0);
    }
    packets.iter().for_each(|packet| ng.enhanced(2, packet, false));
    let file = workbench.write("none.pcapng", &ng.finish().bytes);
    workbench.expect_whole("pcapng", &file, &packets);
}

#[test]
fn link_headers_cut_at_every_byte_are_malformed_until_whole() {
    for link in LINKS {
        for v6 in [false, true] {
            if (link == 228 && v6) || (link == 229 && !v6) {
                continue;
            }
            let mut random = Rng::seeded(312);
            let workbench = Workbench::new(Roster::seeded(&mut random));
            let mut packets = Vec::new();
            // Enough draws for every shape of a header: either byte order, PPP with and without its framing.
            for _ in 0..12 {
                let (from, to) =
                    (workbench.roster.draw(&mut random, v6), workbench.roster.draw(&mut random, v6));
                let whole = link::plain(&mut random, link, from, to, 4);
                let needed = whole.bytes.len() - 4;
                let plan = |at| if at < needed { Plan::Malformed } else { whole.plan };
                packets.extend((0..=whole.bytes.len()).map(|at| whole.clone().snapped(at, plan(at))));
            }
            let file = workbench.write("cuts.pcap", &pcap(Order::Little, false, link, &packets).bytes);
            workbench.expect_whole(&format!("link type {link}"), &file, &packets);
        }
    }
}

#[test]
fn the_table_for_people_names_every_account_and_no_address() {
    let (workbench, packets) = workbench_and_packets(313, 1, 100);
    let file = workbench.write("table.pcap", &pcap(Order::Little, false, 1, &packets).bytes);
    let mut command = workbench.command(&[file]);
    let without_json: Vec<_> =
        command.get_args().filter(|word| *word != "--json").map(ToOwned::to_owned).collect();
    command = std::process::Command::new(command.get_program());
    let output = command.args(without_json).output().expect("the program runs");
    let table = String::from_utf8(output.stdout.clone()).expect("tables are UTF-8");
    workbench.outcome(Ok(output)).expect_clean("a table");
    assert!(workbench.roster.accounts().all(|name| table.contains(name)));
    assert!(!super::program::holds_address(&table));
}
