//! Captures of every kind, whole and in order: the report is what tshark's addresses and lengths add up to.

use std::path::Path;

use super::captures::{Order, Pcapng, pcap};
use super::ip::Judge;
use super::link::{self, LINKS, Packet, Plan};
use super::program::Workbench;
use super::roster::Roster;
use super::tshark;
use crate::support::rng::Rng;

/// Asserts that tshark and the generator agree, so that neither judge is wrong alone.
fn assert_judges_agree(what: &str, file: &Path, packets: &[Packet]) {
    let verdicts = tshark::verdicts(file);
    assert_eq!(verdicts.len(), packets.len(), "{what}: tshark reads every packet");
    let mut judged = 0;
    for (place, (packet, verdict)) in packets.iter().zip(verdicts).enumerate() {
        if packet.judge == Judge::Tshark {
            let planned = Some(packet.plan).filter(|plan| matches!(plan, Plan::Ip { .. }));
            let link = packet.link;
            assert_eq!(
                planned, verdict,
                "{what}: tshark on packet {place} of link type {link}: {:02x?}",
                packet.bytes
            );
            judged += 1;
        }
    }
    assert!(judged * 2 > packets.len(), "{what}: tshark judges most packets");
}

fn pcap_agrees(seed: u64, order: Order, nano: bool) {
    let mut random = Rng::seeded(seed);
    let workbench = Workbench::new(Roster::seeded(&mut random));
    for link in LINKS {
        let packets: Vec<Packet> =
            (0..400).map(|_| link::packet(&mut random, &workbench.roster, link)).collect();
        let what = format!("pcap of link type {link}");
        let file = workbench.write(&format!("link-{link}.pcap"), &pcap(order, nano, link, &packets).bytes);
        assert_judges_agree(&what, &file, &packets);
        workbench.expect_whole(&what, &file, &packets);
    }
}

#[test]
fn every_link_type_agrees_with_tshark_in_little_endian_microsecond_pcap() {
    pcap_agrees(1, Order::Little, false);
}

#[test]
fn every_link_type_agrees_with_tshark_in_big_endian_microsecond_pcap() {
    pcap_agrees(2, Order::Big, false);
}

#[test]
fn every_link_type_agrees_with_tshark_in_little_endian_nanosecond_pcap() {
    pcap_agrees(3, Order::Little, true);
}

#[test]
fn every_link_type_agrees_with_tshark_in_big_endian_nanosecond_pcap() {
    pcap_agrees(4, Order::Big, true);
}

/// Writes one section: interfaces of several link types, some of them never used, and packets in all three blocks.
fn section(random: &mut Rng, roster: &Roster, file: &mut Pcapng, packets: &mut Vec<Packet>) {
    let mut interfaces = vec![random.pick(&LINKS)];
    file.interface(interfaces[0], random.pick(&[0, 65_535, 262_144]));
    for _ in 0..random.below(120) {
        match random.below(12) {
            0 => {
                interfaces.push(random.pick(&LINKS));
                file.interface(interfaces[interfaces.len() - 1], random.pick(&[0, 128, 262_144]));
            }
            1 => {
                // No packet ever comes from these: 802.11, USB, a user's own.
                let link = random.pick(&[105, 189, 147]);
                interfaces.push(link);
                file.interface(link, 96);
            }
            // Name resolution, interface statistics, and kinds nobody has defined: not about packets.
            2 => file.block(4, &[0; 4]),
            3 => file.block(5, &[0; 12]),
            4 => {
                let length = 4 * random.below(30);
                file.block(0x0bad_0bad, &vec![6; length]);
            }
            _ => {}
        }
        let place = random.below(interfaces.len());
        if !LINKS.contains(&interfaces[place]) {
            continue;
        }
        let packet = link::packet(random, roster, interfaces[place]);
        let whole = usize::try_from(packet.original).is_ok_and(|length| length == packet.bytes.len());
        let number = u32::try_from(place).expect("few interfaces");
        match random.below(3) {
            0 if place == 0 && whole => file.simple(&packet),
            1 => file.obsolete(u16::try_from(place).expect("few interfaces"), &packet),
            _ => file.enhanced(number, &packet, random.one_in(3)),
        }
        packets.push(packet);
    }
}

#[test]
fn mixed_pcapng_agrees_with_tshark() {
    for seed in 100..112 {
        let mut random = Rng::seeded(seed);
        let workbench = Workbench::new(Roster::seeded(&mut random));
        let mut packets = Vec::new();
        let mut file = Pcapng::new(random.pick(&[Order::Little, Order::Big]));
        section(&mut random, &workbench.roster, &mut file, &mut packets);
        for _ in 0..3 {
            file.section(random.pick(&[Order::Little, Order::Big]));
            section(&mut random, &workbench.roster, &mut file, &mut packets);
        }
        let what = format!("pcapng of seed {seed}");
        let path = workbench.write("mixed.pcapng", &file.finish().bytes);
        assert_judges_agree(&what, &path, &packets);
        workbench.expect_whole(&what, &path, &packets);
    }
}

/// The rows of one interface are those of another capture's packets, and of a capture that names none.
#[test]
fn rows_of_an_interface_hold_for_packets_of_it() {
    let mut random = Rng::seeded(150);
    let workbench = Workbench::new(Roster::seeded(&mut random));
    let (mut packets, mut file) = (Vec::new(), Pcapng::new(Order::Little));
    section(&mut random, &workbench.roster, &mut file, &mut packets);
    let path = workbench.write("named.pcapng", &file.finish().bytes);
    let plain = workbench.meter(&[&path]).report;
    let csv = workbench.roster.csv();
    let of = |interface: &str| {
        let rows = csv.lines().map(|line| match line {
            "prefix,account" => format!("{line},interface\n"),
            comment if comment.starts_with('#') => format!("{comment}\n"),
            row => format!("{row},{interface}\n"),
        });
        workbench.write("roster.csv", rows.collect::<String>().as_bytes());
        workbench.meter(&[&path])
    };
    let named = of("wg0");
    assert!(named.report == plain, "the captures of this test name wg0");
    assert!(named.complaints.iter().any(|line| line.contains("only pcapng")), "{:?}", named.complaints);
    let other = of("wg1").report;
    assert!(other != plain && !other.contains("\"up_packets\":1"), "nobody's of another interface");
}

#[test]
fn simple_packets_are_captured_up_to_the_snap_length() {
    let mut random = Rng::seeded(200);
    let workbench = Workbench::new(Roster::seeded(&mut random));
    for (snap, v6, enough) in
        [(19, false, false), (20, false, true), (39, true, false), (40, true, true), (61, true, true)]
    {
        let (source, destination) =
            (workbench.roster.draw(&mut random, v6), workbench.roster.draw(&mut random, v6));
        let packet = link::plain(&mut random, 101, source, destination, 90);
        let plan = if enough { packet.plan } else { Plan::Malformed };
        let packet = packet.snapped(snap, plan);
        let mut file = Pcapng::new(Order::Big);
        file.interface(101, u32::try_from(snap).expect("small"));
        file.simple(&packet);
        let what = format!("a simple packet under snap length {snap}");
        let path = workbench.write("simple.pcapng", &file.finish().bytes);
        assert_judges_agree(&what, &path, std::slice::from_ref(&packet));
        workbench.expect_whole(&what, &path, &[packet]);
    }
}
