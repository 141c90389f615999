//! Counted equals sent, to the byte: a thousand accounts on a TUN device and on a veth pair, each tap,
//! both families, both directions, nested prefixes, pools, tags, what is not IP, what cannot be read.

mod netns;
mod support;

use netns::daemon::{Daemon, Setup};
use netns::tally::{Expected, Roster, Way, name};
use netns::tun::Tun;
use netns::wire::{Kind, MTU, Wire, nobody};
use netns::{Namespace, Pace};
use support::frames::{Address, IPV4, IPV6, datagram};
use support::rng::Rng;
use support::wait::wait_for;

const ACCOUNTS: usize = 1_000;
const POOL_V4: u32 = 0x0a08_0000;
const POOL_V6: u128 = 0xfd42_0008 << 96;
const POOLS: [&str; 2] = ["10.8.0.0/16", "fd42:8::/112"];
const WAYS: [Way; 2] = [Way::Up, Way::Down];

#[test]
fn ring_counts_a_thousand_accounts_on_tun_exactly() {
    thousand_accounts("ring", Kind::Tun);
}

#[test]
fn ring_counts_a_thousand_accounts_on_veth_exactly() {
    thousand_accounts("ring", Kind::Veth);
}

#[test]
fn pnet_counts_a_thousand_accounts_on_tun_exactly() {
    thousand_accounts("pnet", Kind::Tun);
}

#[test]
fn tcx_counts_a_thousand_accounts_on_tun_exactly() {
    thousand_accounts("tcx", Kind::Tun);
}

#[test]
fn clsact_counts_a_thousand_accounts_on_tun_exactly() {
    thousand_accounts("clsact", Kind::Tun);
}

#[test]
fn pnet_counts_a_thousand_accounts_on_veth_exactly() {
    thousand_accounts("pnet", Kind::Veth);
}

#[test]
fn tcx_counts_a_thousand_accounts_on_veth_exactly() {
    thousand_accounts("tcx", Kind::Veth);
}

#[test]
fn clsact_counts_a_thousand_accounts_on_veth_exactly() {
    thousand_accounts("clsact", Kind::Veth);
}

#[test]
fn tcx_counts_more_than_four_gib_exactly() {
    beyond_32_bits("tcx");
}

#[test]
fn clsact_counts_more_than_four_gib_exactly() {
    beyond_32_bits("clsact");
}

/// More pools of a family than the kernel's program looks through.
#[test]
fn tcx_finds_the_owners_in_many_pools() {
    many_pools("tcx");
}

#[test]
fn ring_finds_the_owners_in_many_pools() {
    many_pools("ring");
}

#[test]
fn ring_charges_both_ends_of_an_account_to_account_packet_once() {
    account_to_account("ring");
}

#[test]
fn pnet_charges_both_ends_of_an_account_to_account_packet_once() {
    account_to_account("pnet");
}

#[test]
fn tcx_charges_both_ends_of_an_account_to_account_packet_once() {
    account_to_account("tcx");
}

#[test]
fn clsact_charges_both_ends_of_an_account_to_account_packet_once() {
    account_to_account("clsact");
}

#[test]
fn ring_leaves_vlan_tags_to_the_link_layer() {
    vlan_tags("ring");
}

#[test]
fn pnet_leaves_vlan_tags_to_the_link_layer() {
    vlan_tags("pnet");
}

#[test]
fn tcx_leaves_vlan_tags_to_the_link_layer() {
    vlan_tags("tcx");
}

#[test]
fn clsact_leaves_vlan_tags_to_the_link_layer() {
    vlan_tags("clsact");
}

#[test]
fn ring_tells_not_ip_and_malformed_apart_on_veth() {
    odd_frames("ring");
}

#[test]
fn pnet_tells_not_ip_and_malformed_apart_on_veth() {
    odd_frames("pnet");
}

#[test]
fn tcx_tells_not_ip_and_malformed_apart_on_veth() {
    odd_frames("tcx");
}

#[test]
fn clsact_tells_not_ip_and_malformed_apart_on_veth() {
    odd_frames("clsact");
}

#[test]
fn ring_counts_unreadable_packets_on_tun() {
    odd_packets("ring");
}

#[test]
fn pnet_counts_unreadable_packets_on_tun() {
    odd_packets("pnet");
}

#[test]
fn tcx_counts_unreadable_packets_on_tun() {
    odd_packets("tcx");
}

#[test]
fn clsact_counts_unreadable_packets_on_tun() {
    odd_packets("clsact");
}

fn thousand_accounts(tap: &'static str, kind: Kind) {
    let namespace = Namespace::new();
    let wire = Wire::make(&namespace, kind, "metered0");
    let roster = nested_roster();
    let setup =
        Setup { backend: tap, interfaces: vec!["metered0"], pools: POOLS.to_vec(), roster: roster.csv() };
    let daemon = Daemon::start(&namespace, &setup);

    let mut rng = Rng::seeded(0x0b11_4d3e);
    let mut targets: Vec<(Address, Way)> = Vec::new();
    for (number, (network, length, _)) in roster.prefixes().iter().enumerate() {
        let inside = Roster::inside(*network, *length, &mut rng);
        targets.extend(WAYS.map(|way| (inside, way)));
        let edges = Roster::edges(*network, *length);
        targets.push((edges[number % 4], WAYS[number / 4 % 2]));
        targets.push((edges[(number + 1) % 4], WAYS[number / 2 % 2]));
    }
    for number in 0..1_000 {
        targets.push((nobody(Address::v4(0), number), WAYS[rng.below(2)]));
        targets.push((nobody(Address::v6(0), number), WAYS[rng.below(2)]));
    }
    for last in (1..targets.len()).rev() {
        targets.swap(last, rng.below(last + 1));
    }

    let mut expected = Expected::of(ACCOUNTS);
    let mut pace = Pace::of(tap);
    for (number, (address, way)) in targets.iter().enumerate() {
        let length = match rng.below(8) {
            0 => address.smallest_packet(),
            1 => rng.between(1_500, MTU),
            _ => rng.between(address.smallest_packet(), 1_500),
        };
        // The far side may be anybody's: on the way in only the source counts, on the way out only
        // the destination.
        let far = match number % 2 {
            0 => nobody(*address, 77),
            _ => inside_pool(*address, rng.below(ACCOUNTS)),
        };
        let packet = match way {
            Way::Up => datagram(*address, far, length),
            Way::Down => datagram(far, *address, length),
        };
        wire.send(*way, &packet);
        expected.add(roster.owner(*address), *way, 1, u64::try_from(length).expect("a length"));
        pace.step();
    }
    assert!(expected.accounts.iter().all(|totals| totals.up_bytes > 0 && totals.down_bytes > 0));
    assert!(expected.unattributed.up_packets > 500 && expected.unattributed.down_packets > 500);
    expected.assert_held_by(&daemon);
    daemon.stop();
}

fn account_to_account(tap: &'static str) {
    const ENDS: usize = 100;
    let namespace = Namespace::new();
    let tun = Tun::open(&namespace, "tun0");
    namespace.allow_v6("tun0");
    namespace.allow_forwarding();
    namespace.command("ip -4 route add default dev tun0");
    namespace.command("ip -6 route add default dev tun0");
    let mut roster = Roster::new();
    for account in 0..ENDS {
        roster.give(account, inside_pool(Address::v4(0), account), 32);
        roster.give(account, inside_pool(Address::v6(0), account), 128);
    }
    let setup = Setup { backend: tap, interfaces: vec!["tun0"], pools: POOLS.to_vec(), roster: roster.csv() };
    let daemon = Daemon::start(&namespace, &setup);

    let mut rng = Rng::seeded(0x00a2_00a2);
    let mut expected = Expected::of(ENDS);
    let mut pace = Pace::of(tap);
    let mut sent = 0;
    for _ in 0..4_000 {
        let family = [Address::v4(0), Address::v6(0)][rng.below(2)];
        let (sender, receiver) = (rng.below(ENDS), rng.below(ENDS + 10));
        let from = inside_pool(family, sender);
        let to = inside_pool(family, receiver);
        let length = rng.between(from.smallest_packet(), 1_500);
        tun.inject(&datagram(from, to, length));
        sent += 1;
        let bytes = u64::try_from(length).expect("a length");
        expected.add(Some(sender), Way::Up, 1, bytes);
        expected.add(Some(receiver).filter(|account| *account < ENDS), Way::Down, 1, bytes);
        pace.step();
    }
    wait_for("every packet to come back out", || (tun.came_out() >= sent).then_some(()));
    expected.assert_held_by(&daemon);
    assert_eq!(tun.came_out(), sent, "each packet came back out once");
    daemon.stop();
}

fn vlan_tags(tap: &'static str) {
    const STACKS: [&[(u16, u16)]; 7] = [
        &[(0x8100, 5)],
        &[(0x8100, 0)],
        &[(0x88a8, 7), (0x8100, 0xe00c)],
        &[(0x8100, 7), (0x8100, 8)],
        &[(0x9100, 9)],
        &[(0x9100, 9), (0x8100, 10)],
        &[(0x88a8, 1), (0x8100, 2), (0x8100, 3), (0x8100, 4)],
    ];
    let namespace = Namespace::new();
    let wire = Wire::make(&namespace, Kind::Veth, "metered0");
    let mut roster = Roster::new();
    for account in 0..STACKS.len() {
        roster.give(account, inside_pool(Address::v4(0), account), 32);
        roster.give(account, inside_pool(Address::v6(0), account), 128);
    }
    let setup =
        Setup { backend: tap, interfaces: vec!["metered0"], pools: POOLS.to_vec(), roster: roster.csv() };
    let daemon = Daemon::start(&namespace, &setup);

    let mut expected = Expected::of(STACKS.len());
    let mut pace = Pace::of(tap);
    for (account, tags) in STACKS.iter().enumerate() {
        for (family, length) in [(Address::v4(0), 333), (Address::v6(0), 1_280)] {
            let address = inside_pool(family, account);
            for way in WAYS {
                let far = nobody(family, 1);
                let (from, to) = if way == Way::Up { (address, far) } else { (far, address) };
                wire.send_tagged(way, tags, &datagram(from, to, length));
                expected.add(Some(account), way, 1, u64::try_from(length).expect("a length"));
                wire.send_payload(way, tags, 0x0806, &[0; 28]);
                expected.not_ip += 1;
                wire.send_payload(way, tags, family.ethertype(), &[0xf0; 60]);
                expected.malformed += 1;
                pace.step();
            }
        }
    }
    expected.assert_held_by(&daemon);
    daemon.stop();
}

fn odd_frames(tap: &'static str) {
    let namespace = Namespace::new();
    let wire = Wire::make(&namespace, Kind::Veth, "metered0");
    let (owned4, owned6) = (inside_pool(Address::v4(0), 0), inside_pool(Address::v6(0), 0));
    let roster = format!("{},{}\n{},{}\n", owned4.text(), name(0), owned6.text(), name(0));
    let setup = Setup { backend: tap, interfaces: vec!["metered0"], pools: POOLS.to_vec(), roster };
    let daemon = Daemon::start(&namespace, &setup);

    let mut expected = Expected::of(1);
    let whole4 = datagram(owned4, owned4, 60);
    let whole6 = datagram(owned6, owned6, 80);
    let mut short_header = whole4.clone();
    short_header[0] = 0x44;
    for way in WAYS {
        for protocol in [0x0806, 0x8847, 0x8863, 0x8864, 0x88cc, 0x0026, 0x05dc, 0xffff] {
            wire.send_payload(way, &[], protocol, &whole4);
            expected.not_ip += 1;
        }
        let unreadable: [(u16, &[u8]); 8] = [
            (IPV4, &whole6),
            (IPV6, &whole4),
            (IPV4, &[0; 60]),
            (IPV4, &whole4[..19]),
            (IPV6, &whole6[..39]),
            (IPV4, &[]),
            (IPV6, &[]),
            (IPV4, &short_header),
        ];
        for (protocol, payload) in unreadable {
            wire.send_payload(way, &[], protocol, payload);
            expected.malformed += 1;
        }
        // Nothing but the frame's own length is believed: bare headers, padding, lying length fields.
        let mut too_long = whole4.clone();
        too_long[2..4].copy_from_slice(&9_999_u16.to_be_bytes());
        let mut no_length = whole6.clone();
        no_length[4..6].copy_from_slice(&[0, 0]);
        let mut padded = datagram(owned4, owned4, 28);
        padded.resize(46, 0);
        for packet in [&whole4[..20], &whole6[..40], &too_long, &no_length, &padded] {
            wire.send(way, packet);
            expected.add(Some(0), way, 1, u64::try_from(packet.len()).expect("a length"));
        }
    }
    // A frame for anybody is a frame on this wire.
    for receiver in [[0xff; 6], [0x01, 0, 0x5e, 0, 0, 1], [0x02, 9, 9, 9, 9, 9]] {
        let frame = support::frames::frame(receiver, [2, 0, 0, 0, 0, 2], &[], IPV4, &whole4);
        for way in WAYS {
            wire.send_frame(way, &frame);
            expected.add(Some(0), way, 1, 60);
        }
    }
    expected.assert_held_by(&daemon);
    daemon.stop();
}

fn odd_packets(tap: &'static str) {
    let namespace = Namespace::new();
    let wire = Wire::make(&namespace, Kind::Tun, "metered0");
    let (owned4, owned6) = (inside_pool(Address::v4(0), 0), inside_pool(Address::v6(0), 0));
    let roster = format!("{},{}\n{},{}\n", owned4.text(), name(0), owned6.text(), name(0));
    let setup = Setup { backend: tap, interfaces: vec!["metered0"], pools: POOLS.to_vec(), roster };
    let daemon = Daemon::start(&namespace, &setup);

    let mut expected = Expected::of(1);
    let whole4 = datagram(owned4, owned4, 60);
    let whole6 = datagram(owned6, owned6, 80);
    let mut short_header = whole4.clone();
    short_header[0] = 0x43;
    for way in WAYS {
        for packet in [&whole4[..19], &whole6[..39], &whole4[..1], &short_header] {
            wire.send(way, packet);
            expected.malformed += 1;
        }
        for packet in [&whole4[..20], &whole6[..40], &whole4, &whole6] {
            wire.send(way, packet);
            expected.add(Some(0), way, 1, u64::try_from(packet.len()).expect("a length"));
        }
    }
    // Larger than the device's MTU and no super-packet: one packet still.
    for length in [9_001, 20_000, 65_535] {
        wire.send(Way::Up, &datagram(owned4, owned4, length));
        expected.add(Some(0), Way::Up, 1, u64::try_from(length).expect("a length"));
    }
    // The kernel refuses to take these in from a TUN device, but it does send them out.
    for first in [0x05, 0x55, 0xf0] {
        let mut packet = whole4.clone();
        packet[0] = first;
        wire.send(Way::Down, &packet);
        expected.malformed += 1;
    }
    expected.assert_held_by(&daemon);
    daemon.stop();
}

fn beyond_32_bits(tap: &'static str) {
    let namespace = Namespace::new();
    let wire = Wire::make(&namespace, Kind::Tun, "metered0");
    let owned = inside_pool(Address::v4(0), 0);
    let roster = format!("{},{}\n", owned.text(), name(0));
    let setup = Setup { backend: tap, interfaces: vec!["metered0"], pools: POOLS.to_vec(), roster };
    let daemon = Daemon::start(&namespace, &setup);
    let packet = datagram(owned, nobody(owned, 1), 65_535);
    let mut expected = Expected::of(1);
    for _ in 0..65_600 {
        wire.send(Way::Up, &packet);
    }
    expected.add(Some(0), Way::Up, 65_600, 65_600 * 65_535);
    assert!(expected.node().attributed.up_bytes > 1 << 32);
    expected.assert_held_by(&daemon);
    daemon.stop();
}

fn many_pools(tap: &'static str) {
    const MANY: [&str; 14] = [
        "10.60.0.0/24",
        "10.61.0.0/24",
        "10.62.0.0/24",
        "10.63.0.0/24",
        "10.64.0.0/24",
        "10.65.0.0/24",
        "10.66.0.0/24",
        "10.67.0.0/24",
        "10.68.0.0/24",
        "10.69.0.0/24",
        "10.70.0.0/24",
        "10.71.0.0/24",
        "10.72.0.0/24",
        "10.73.0.0/24",
    ];
    let namespace = Namespace::new();
    let wire = Wire::make(&namespace, Kind::Tun, "metered0");
    let address = |pool: usize| Address::v4(0x0a3c_0005 + u32::try_from(pool << 16).expect("small"));
    let roster = (0..MANY.len()).map(|pool| format!("{},{}\n", address(pool).text(), name(pool))).collect();
    let setup = Setup { backend: tap, interfaces: vec!["metered0"], pools: MANY.to_vec(), roster };
    let daemon = Daemon::start(&namespace, &setup);
    let mut expected = Expected::of(MANY.len());
    for pool in 0..MANY.len() {
        for _ in 0..=pool {
            wire.send(Way::Up, &datagram(address(pool), nobody(address(pool), 1), 100));
        }
        let packets = u64::try_from(pool + 1).expect("small");
        expected.add(Some(pool), Way::Up, packets, 100 * packets);
    }
    expected.assert_held_by(&daemon);
    daemon.stop();
}

/// Hosts in the pools and outside, prefixes of odd lengths, nested up to five deep, inside the pools,
/// around them and elsewhere.
fn nested_roster() -> Roster {
    let mut roster = Roster::new();
    for account in 0..ACCOUNTS {
        let wide = u128::try_from(account).expect("small");
        let narrow = u32::try_from(account).expect("small");
        let (second, third) = ((account + 1) % ACCOUNTS, (account + 2) % ACCOUNTS);
        roster.give(account, inside_pool(Address::v4(0), account), 32);
        roster.give(account, inside_pool(Address::v6(0), account), 128);
        if account % 2 == 0 {
            roster.give(account, Address::v4(0xc612_0000 + narrow), 32);
        }
        if account % 5 == 0 {
            let base = 0xac10_0000 + narrow * 64;
            roster.give(account, Address::v4(base), 26);
            roster.give(second, Address::v4(base + 16), 28);
            roster.give(third, Address::v4(base + 17), 32);
        }
        if account % 5 == 1 {
            let base = (0xfd00 << 112) + (wide << 64);
            roster.give(account, Address::v6(base), 64);
            roster.give(second, Address::v6(base + (1 << 48)), 80);
            roster.give(third, Address::v6(base + (1 << 48) + 5), 128);
        }
    }
    roster.give(7, Address::v4(0x6440_0000), 10);
    roster.give(8, Address::v4(0x6464_0000), 16);
    roster.give(9, Address::v4(POOL_V4 + 0x8000), 17);
    roster.give(10, Address::v4(POOL_V4 + 0xc000), 24);
    roster.give(11, Address::v4(POOL_V4 + 0xc080), 27);
    roster.give(12, Address::v4(POOL_V4 + 0xc081), 32);
    roster.give(13, Address::v4(0x0a00_0000), 8);
    roster.give(14, Address::v4(0x0a08_0000), 15);
    roster.give(15, Address::v4(0xc000_0202), 31);
    roster.give(16, Address::v4(0xcb00_7180), 25);
    roster.give(17, Address::v6(POOL_V6 + 0x8000), 113);
    roster.give(18, Address::v6(POOL_V6 + 0xc000), 120);
    roster.give(19, Address::v6(0xfd42_0000 << 96), 16);
    roster.give(20, Address::v6((0xfd42_0008 << 96) + (1 << 33)), 95);
    roster.give(21, Address::v6(0x2001_0db8 << 96), 32);
    roster.give(22, Address::v6((0x2001_0db8 << 96) + 2), 127);
    roster
}

/// The pool address of an account, in the family of `like`.
fn inside_pool(like: Address, account: usize) -> Address {
    let number = u32::try_from(account).expect("small");
    match like {
        Address::V4(_) => Address::v4(POOL_V4 + 1 + number * 7),
        Address::V6(_) => Address::v6(POOL_V6 + 1 + u128::from(number) * 5),
    }
}
