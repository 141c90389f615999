//! A super-packet counts as the packets it stands for, each with its own headers: made by hand with
//! wrong hints, and made by the kernel from real TCP and UDP, where a device that cuts them is the oracle.

#[path = "live_super/big.rs"]
mod big;
#[path = "live_super/fragments.rs"]
mod fragments;
mod netns;
#[path = "live_super/passage.rs"]
mod passage;
mod support;
#[path = "live_super/tunnels.rs"]
mod tunnels;

use netns::Namespace;
use netns::daemon::{Daemon, Setup};
use netns::packet_socket::PacketSocket;
use netns::tally::{Expected, Node, Totals, Way, name};
use netns::topology::{CLIENT_ADDRESSES, Family, Oracle, Topology, send_cut_datagrams};
use netns::tun::Tun;
use netns::wire::{HERE, THERE, nobody};
use support::frames::{
    Address, Cut, datagram, frame, mac, segment, with_ip_options, with_vnet_header,
    with_vnet_header_before_frame,
};

const VOLUME: usize = 12 << 20;

#[test]
fn ring_counts_handmade_super_packets_as_their_segments() {
    handmade("ring");
}

#[test]
fn pnet_counts_handmade_super_packets_as_their_segments() {
    handmade("pnet");
}

#[test]
fn tcx_counts_handmade_super_packets_as_their_segments() {
    handmade("tcx");
}

#[test]
fn clsact_counts_handmade_super_packets_as_their_segments() {
    handmade("clsact");
}

#[test]
fn ring_counts_handmade_super_packets_on_veth_without_their_tags() {
    handmade_tagged("ring");
}

#[test]
fn pnet_counts_handmade_super_packets_on_veth_without_their_tags() {
    handmade_tagged("pnet");
}

#[test]
fn tcx_counts_handmade_super_packets_on_veth_without_their_tags() {
    handmade_tagged("tcx");
}

#[test]
fn clsact_counts_handmade_super_packets_on_veth_without_their_tags() {
    handmade_tagged("clsact");
}

#[test]
fn ring_counts_real_tcp_as_the_wire_does() {
    real_tcp("ring");
}

#[test]
fn pnet_counts_real_tcp_as_the_wire_does() {
    real_tcp("pnet");
}

#[test]
fn tcx_counts_real_tcp_as_the_wire_does() {
    real_tcp("tcx");
}

#[test]
fn clsact_counts_real_tcp_as_the_wire_does() {
    real_tcp("clsact");
}

#[test]
fn ring_counts_segmented_udp_as_the_wire_does() {
    segmented_udp("ring");
}

#[test]
fn pnet_counts_segmented_udp_as_the_wire_does() {
    segmented_udp("pnet");
}

#[test]
fn tcx_counts_segmented_udp_as_the_wire_does() {
    segmented_udp("tcx");
}

#[test]
fn clsact_counts_segmented_udp_as_the_wire_does() {
    segmented_udp("clsact");
}

#[test]
fn ring_counts_tunnels_in_handmade_super_packets() {
    tunnels::handmade("ring");
}

#[test]
fn pnet_counts_tunnels_in_handmade_super_packets() {
    tunnels::handmade("pnet");
}

#[test]
fn tcx_counts_tunnels_in_handmade_super_packets() {
    tunnels::handmade("tcx");
}

#[test]
fn clsact_counts_tunnels_in_handmade_super_packets() {
    tunnels::handmade("clsact");
}

#[test]
fn ring_counts_vxlan_over_a_tun_device_as_its_file_shows_it() {
    tunnels::vxlan_over_tun("ring");
}

#[test]
fn pnet_counts_vxlan_over_a_tun_device_as_its_file_shows_it() {
    tunnels::vxlan_over_tun("pnet");
}

#[test]
fn tcx_counts_vxlan_over_a_tun_device_as_its_file_shows_it() {
    tunnels::vxlan_over_tun("tcx");
}

#[test]
fn clsact_counts_vxlan_over_a_tun_device_as_its_file_shows_it() {
    tunnels::vxlan_over_tun("clsact");
}

#[test]
fn ring_counts_tcp_in_vxlan_as_the_wire_does() {
    tunnels::vxlan_over_veth("ring");
}

#[test]
fn pnet_counts_tcp_in_vxlan_as_the_wire_does() {
    tunnels::vxlan_over_veth("pnet");
}

#[test]
fn tcx_counts_tcp_in_vxlan_as_the_wire_does() {
    tunnels::vxlan_over_veth("tcx");
}

#[test]
fn clsact_counts_tcp_in_vxlan_as_the_wire_does() {
    tunnels::vxlan_over_veth("clsact");
}

#[test]
fn ring_counts_handmade_big_tcp_as_its_segments() {
    big::handmade("ring");
}

#[test]
fn pnet_counts_handmade_big_tcp_as_its_segments() {
    big::handmade("pnet");
}

#[test]
fn tcx_counts_handmade_big_tcp_as_its_segments() {
    big::handmade("tcx");
}

#[test]
fn clsact_counts_handmade_big_tcp_as_its_segments() {
    big::handmade("clsact");
}

#[test]
fn ring_counts_or_loses_fragments_of_handmade_datagrams() {
    fragments::handmade("ring");
}

#[test]
fn pnet_counts_or_loses_fragments_of_handmade_datagrams() {
    fragments::handmade("pnet");
}

#[test]
fn tcx_counts_or_loses_fragments_of_handmade_datagrams() {
    fragments::handmade("tcx");
}

#[test]
fn clsact_counts_or_loses_fragments_of_handmade_datagrams() {
    fragments::handmade("clsact");
}

/// One super-packet: how long its headers and its payload are, and how it is to be cut.
struct Case {
    cut: Cut,
    option_words: u8,
    ip_options: bool,
    payload: usize,
    segment_size: u16,
}

fn cases() -> Vec<Case> {
    let case = |cut, option_words, payload, segment_size| Case {
        cut,
        option_words,
        ip_options: false,
        payload,
        segment_size,
    };
    vec![
        case(Cut::TcpV4, 0, 14_600, 1_460),
        case(Cut::TcpV4, 0, 14_601, 1_460),
        case(Cut::TcpV4, 3, 60_000, 1_448),
        case(Cut::TcpV4, 10, 30_000, 1_420),
        case(Cut::TcpV4, 3, 65_483, 536),
        case(Cut::TcpV4, 5, 1_449, 1_448),
        case(Cut::TcpV4, 3, 3_000, 48),
        case(Cut::TcpV6, 0, 14_400, 1_440),
        case(Cut::TcpV6, 3, 60_001, 1_428),
        case(Cut::TcpV6, 10, 5_000, 1_200),
        case(Cut::UdpV4, 0, 12_000, 1_200),
        case(Cut::UdpV4, 0, 12_001, 1_200),
        case(Cut::UdpV6, 0, 50_000, 1_232),
        case(Cut::UdpV6, 0, 2_000, 100),
        Case { cut: Cut::TcpV4, option_words: 3, ip_options: true, payload: 20_000, segment_size: 1_400 },
        Case { cut: Cut::UdpV4, option_words: 0, ip_options: true, payload: 20_000, segment_size: 1_400 },
    ]
}

fn handmade(tap: &'static str) {
    let namespace = Namespace::new();
    let tun = Tun::open_with_offloads(&namespace, "tun0");
    let egress = PacketSocket::egress_with_vnet_header(&namespace, "tun0");
    let cases = cases();
    let address = |account: usize, cut: Cut| {
        let number = u32::try_from(account).expect("small");
        match cut {
            Cut::TcpV4 | Cut::UdpV4 => Address::v4(0x0a08_0001 + number),
            Cut::TcpV6 | Cut::UdpV6 => Address::v6((0xfd42_0008 << 96) + 1 + u128::from(number)),
        }
    };
    let mut roster = String::new();
    for (account, case) in cases.iter().enumerate() {
        roster += &format!("{},{}\n", address(account, case.cut).text(), name(account));
    }
    let setup = Setup { backend: tap, interfaces: vec!["tun0"], pools: vec!["10.8.0.0/16"], roster };
    let daemon = Daemon::start(&namespace, &setup);

    let mut expected = Expected::of(cases.len());
    for (account, case) in cases.iter().enumerate() {
        for way in [Way::Up, Way::Down] {
            let owned = address(account, case.cut);
            let far = nobody(owned, 1);
            let (from, to) = if way == Way::Up { (owned, far) } else { (far, owned) };
            let mut packet = match case.cut {
                Cut::TcpV4 | Cut::TcpV6 => segment(from, to, case.option_words, case.payload),
                Cut::UdpV4 | Cut::UdpV6 => datagram(from, to, case.payload + from.smallest_packet()),
            };
            if case.ip_options {
                packet = with_ip_options(&packet);
            }
            let headers = packet.len() - case.payload;
            let segments = case.payload.div_ceil(usize::from(case.segment_size));
            let bytes = case.payload + segments * headers;
            for hint in [0, 40, u16::try_from(headers).expect("headers are short"), 1_000] {
                let joined = with_vnet_header(case.cut, case.segment_size, hint, &packet);
                match way {
                    Way::Up => tun.inject(&joined),
                    Way::Down => egress.send_super(&joined),
                }
                let packets = u64::try_from(segments).expect("few");
                expected.add(Some(account), way, packets, u64::try_from(bytes).expect("few"));
            }
        }
    }
    expected.assert_held_by(&daemon);
    daemon.stop();
}

/// Super-packets in Ethernet frames, with and without a VLAN tag, both ways over a veth pair.
fn handmade_tagged(tap: &'static str) {
    const STACKS: [&[(u16, u16)]; 3] = [&[], &[(0x8100, 5)], &[(0x88a8, 6)]];
    const SEGMENT: u16 = 1_200;
    const PAYLOAD: usize = 10_000;
    let (namespace, peer) = (Namespace::new(), Namespace::new());
    namespace.veth("metered0", HERE, &peer, "peer0", THERE);
    let egress = PacketSocket::egress_with_vnet_header(&namespace, "metered0");
    let ingress = PacketSocket::towards_peer_with_vnet_header(&peer, "peer0");
    let families = [Address::v4(0x0a08_0001), Address::v6((0xfd42_0008 << 96) + 1)];
    let mut roster = String::new();
    for (account, address) in families.iter().enumerate() {
        roster += &format!("{},{}\n", address.text(), name(account));
    }
    let setup = Setup { backend: tap, interfaces: vec!["metered0"], pools: vec!["10.8.0.0/16"], roster };
    let daemon = Daemon::start(&namespace, &setup);
    let mut expected = Expected::of(families.len());
    for tags in STACKS {
        for (account, owned) in families.iter().enumerate() {
            for (way, socket) in [(Way::Up, &ingress), (Way::Down, &egress)] {
                let far = nobody(*owned, 1);
                let (from, to) = if way == Way::Up { (*owned, far) } else { (far, *owned) };
                let (tcp, udp) = match owned {
                    Address::V4(_) => (Cut::TcpV4, Cut::UdpV4),
                    Address::V6(_) => (Cut::TcpV6, Cut::UdpV6),
                };
                let segments = PAYLOAD.div_ceil(usize::from(SEGMENT));
                for (cut, packet) in [
                    (tcp, segment(from, to, 3, PAYLOAD)),
                    (udp, datagram(from, to, owned.smallest_packet() + PAYLOAD)),
                ] {
                    let (receiver, sender) = if way == Way::Up { (HERE, THERE) } else { (THERE, HERE) };
                    let frame = frame(mac(receiver), mac(sender), tags, owned.ethertype(), &packet);
                    socket.send_frame(&with_vnet_header_before_frame(cut, SEGMENT, &frame, &packet));
                    let bytes = PAYLOAD + segments * (packet.len() - PAYLOAD);
                    let packets = u64::try_from(segments).expect("few");
                    expected.add(Some(account), way, packets, u64::try_from(bytes).expect("few"));
                }
            }
        }
    }
    expected.assert_held_by(&daemon);
    daemon.stop();
}

fn real_tcp(tap: &'static str) {
    let topology = Topology::new();
    let daemon = start(&topology, tap);
    // A busy machine lets pnet, which needs a system call for each packet, fall behind a long flow.
    let volume = if tap == "pnet" { VOLUME / 8 } else { VOLUME };
    let mut whole = Totals::default();
    let mut seen_by_server = 0;
    for (account, (client, family)) in CLIENT_ADDRESSES.iter().enumerate() {
        let before = Oracle::read(&topology);
        topology.talk(client, *family, volume, volume);
        let passed = Oracle::read_when_still(&topology).since(&before);
        // Up: what the router put on the metered link. Down: what it cut for the client.
        let sent = passed.totals();
        assert!(sent.up_bytes > 0 && sent.down_bytes > 0, "the flow ran both ways");
        assert!(
            passed.metered_tx_packets * 2 < sent.down_packets,
            "the metered device sent super-packets: {} for {} on the wire",
            passed.metered_tx_packets,
            sent.down_packets
        );
        seen_by_server += passed.stack_rx_packets;
        whole = whole.plus(sent);
        daemon.await_packets(whole.packets());
        assert_eq!(daemon.export(&name(account)), sent, "the account of {client}");
    }
    assert!(
        seen_by_server * 10 < whole.up_packets * 9,
        "the metered device received super-packets: {seen_by_server} for {} on the wire",
        whole.up_packets
    );
    assert_eq!(daemon.export_node(), Node { attributed: whole, ..Node::default() });
    daemon.stop();
}

fn segmented_udp(tap: &'static str) {
    const DATAGRAMS: usize = 40;
    let topology = Topology::new();
    let daemon = start(&topology, tap);
    let mut whole = Totals::default();
    for (account, (client, family)) in CLIENT_ADDRESSES.iter().enumerate() {
        let before = Oracle::read(&topology);
        let _listeners = [(1_200, 48_000), (1_400, 60_001), (500, 20_001)].map(|(segment_size, length)| {
            send_cut_datagrams(&topology, client, *family, segment_size, length, DATAGRAMS)
        });
        let passed = Oracle::read_when_still(&topology).since(&before);
        let sent = passed.totals();
        let segments = DATAGRAMS * (40 + 43 + 41);
        assert_eq!(sent.down_packets, u64::try_from(segments).expect("few"), "the wire carries segments");
        assert!(passed.metered_tx_packets * 4 < sent.down_packets, "the metered device sent super-packets");
        whole = whole.plus(sent);
        daemon.await_packets(whole.packets());
        assert_eq!(daemon.export(&name(account)), sent, "the account of {client}");
    }
    assert_eq!(daemon.export_node(), Node { attributed: whole, ..Node::default() });
    daemon.stop();
}

fn start(topology: &Topology, tap: &'static str) -> Daemon {
    let mut roster = String::new();
    for (account, (client, family)) in CLIENT_ADDRESSES.iter().enumerate() {
        let length = if *family == Family::V4 { 32 } else { 128 };
        roster += &format!("{client}/{length},{}\n", name(account));
    }
    let setup = Setup { backend: tap, interfaces: vec!["s0"], pools: vec!["10.2.0.0/24"], roster };
    Daemon::start(topology.metered(), &setup)
}
