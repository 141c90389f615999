//! Super-packets with a tunnel inside: handmade ones of every kind, and VXLAN, whose super-packets the kernel
//! cuts before a TUN device's file, or a router's device that cannot, shows them.

use crate::netns::Namespace;
use crate::netns::daemon::{Daemon, Setup};
use crate::netns::packet_socket::PacketSocket;
use crate::netns::tally::{Expected, Node, Totals, Way, name};
use crate::netns::topology::{CLIENT_ADDRESSES, Family, Oracle, Topology};
use crate::netns::tun::Tun;
use crate::start;
use crate::support::frames::{
    Address, Cut, datagram, frame, mac, segment, with_vnet_header_at, with_vnet_header_before_frame,
};
use crate::support::tunnels::EACH;
use crate::support::wait::{TIMEOUT, wait_until};

const INNER_V4: [Address; 2] = [Address::V4([172, 20, 0, 1]), Address::V4([172, 20, 0, 2])];

fn inner_v6() -> [Address; 2] {
    [1, 2].map(|host| Address::v6((0xfd20 << 112) + host))
}

/// Any tunnel, any transport, coming in from a TUN device.
pub(crate) fn handmade(tap: &'static str) {
    const PAYLOAD: usize = 20_000;
    const SEGMENT: u16 = 1_000;
    let namespace = Namespace::new();
    let tun = Tun::open_with_offloads(&namespace, "tun0");
    let mut roster = String::new();
    let v6_client = Address::v6((0xfd42_0008 << 96) + 2);
    let clients = [Address::V4([10, 8, 0, 2]), v6_client];
    for (account, client) in clients.iter().enumerate() {
        roster += &format!("{},{}\n", client.text(), name(account));
    }
    let setup = Setup { backend: tap, interfaces: vec!["tun0"], pools: vec!["10.8.0.0/16"], roster };
    let daemon = Daemon::start(&namespace, &setup);
    let mut expected = Expected::of(clients.len());
    let v6_far = Address::v6(0x2001_0db8 << 96);
    for (account, (client, far)) in clients.iter().zip([Address::V4([192, 0, 2, 9]), v6_far]).enumerate() {
        for tunnel in EACH {
            for (cut, [from, to]) in [(Cut::TcpV4, INNER_V4), (Cut::TcpV6, inner_v6())] {
                let core = segment(from, to, 3, PAYLOAD);
                let packet = tunnel.around(*client, far, &core);
                let headers = packet.len() - PAYLOAD;
                let transport = headers - 32;
                tun.inject(&with_vnet_header_at(cut, SEGMENT, transport, &packet));
                expected.add(Some(account), Way::Up, 20, (PAYLOAD + 20 * headers) as u64);
            }
        }
    }
    expected.assert_held_by(&daemon);
    daemon.stop();
}

/// VXLAN over a TUN device: what the kernel made of each super-packet is read from the device's file.
pub(crate) fn vxlan_over_tun(tap: &'static str) {
    let namespace = Namespace::new();
    let tun = Tun::open(&namespace, "tun0");
    namespace.allow_v6("tun0");
    namespace.command("ip addr add 10.8.0.1/16 dev tun0");
    namespace.command("ip addr add fd42:8::1/112 dev tun0 nodad");
    let clients = ["10.8.0.3", "fd42:8::3"];
    for (at, (client, local)) in clients.iter().zip(["10.8.0.1", "fd42:8::1"]).enumerate() {
        namespace.command(&format!(
            "ip link add vx{at} address 02:00:00:00:00:08 type vxlan id 7 remote {client} local {local} \
             dstport {} dev tun0",
            [4789, 8472][at]
        ));
        namespace.command(&format!("ip link set vx{at} multicast off mtu 1370 up"));
    }
    let roster = clients.iter().enumerate().map(|(at, client)| format!("{client},{}\n", name(at))).collect();
    let setup = Setup { backend: tap, interfaces: vec!["tun0"], pools: vec!["10.8.0.0/16"], roster };
    let daemon = Daemon::start(&namespace, &setup);
    let mut whole = Totals::default();
    for account in 0..clients.len() {
        let device = format!("vx{account}");
        let socket = PacketSocket::egress_with_vnet_header(&namespace, &device);
        let before = (tun.came_out(), tun.bytes_that_came_out());
        let mut packets = 0;
        for [from, to] in [INNER_V4, inner_v6()] {
            let (tcp, udp) = match from {
                Address::V4(_) => (Cut::TcpV4, Cut::UdpV4),
                Address::V6(_) => (Cut::TcpV6, Cut::UdpV6),
            };
            for payload in [2_501, 24_000, 60_000] {
                for (cut, packet) in [
                    (tcp, segment(from, to, 3, payload)),
                    (tcp, segment(from, to, 10, payload)),
                    (udp, datagram(from, to, from.smallest_packet() + payload)),
                ] {
                    for tags in [&[] as &[(u16, u16)], &[(0x8100, 5)]] {
                        for segment_bytes in [600, 1_200] {
                            let to = mac("02:00:00:00:00:09");
                            let from = mac("02:00:00:00:00:08");
                            let frame = frame(to, from, tags, address_type(&packet), &packet);
                            let joined = with_vnet_header_before_frame(cut, segment_bytes, &frame, &packet);
                            socket.send_frame(&joined);
                            packets += payload.div_ceil(usize::from(segment_bytes)) as u64;
                        }
                    }
                }
            }
        }
        wait_until("every segment comes out", TIMEOUT, || tun.came_out() == before.0 + packets);
        let bytes = tun.bytes_that_came_out() - before.1;
        let sent = Totals { down_bytes: bytes, down_packets: packets, ..Totals::default() };
        whole = whole.plus(sent);
        daemon.await_packets(whole.packets());
        assert_eq!(daemon.export(&name(account)), sent, "the account behind {device}");
    }
    assert_eq!(daemon.export_node(), Node { attributed: whole, ..Node::default() });
    daemon.stop();
}

fn address_type(packet: &[u8]) -> u16 {
    if packet[0] >> 4 == 4 { 0x0800 } else { 0x86dd }
}

/// TCP in VXLAN between server and client, which the metered device's GRO joins again.
pub(crate) fn vxlan_over_veth(tap: &'static str) {
    const VOLUME: usize = 2 << 20;
    let topology = Topology::new();
    for (number, (client, family)) in CLIENT_ADDRESSES.iter().enumerate().take(2) {
        topology.tunnel(client, *family, number);
    }
    Oracle::read_when_still(&topology);
    let daemon = start(&topology, tap);
    let mut whole = Totals::default();
    for (number, (client, family)) in CLIENT_ADDRESSES.iter().enumerate().take(2) {
        let mut account = Totals::default();
        topology.speak_from(client, *family);
        for inner in [Family::V4, Family::V6] {
            let before = Oracle::read_when_still(&topology);
            topology.talk_inside(number, inner, VOLUME, VOLUME);
            let passed = Oracle::read_when_still(&topology).since(&before);
            let sent = passed.totals();
            assert!(
                passed.metered_tx_packets * 2 < sent.down_packets,
                "the metered device sent super-packets: {} for {} on the wire",
                passed.metered_tx_packets,
                sent.down_packets
            );
            account = account.plus(sent);
            whole = whole.plus(sent);
            daemon.await_packets(whole.packets());
            assert_eq!(daemon.export(&name(number)), account, "the account of {client}");
        }
    }
    assert_eq!(daemon.export_node(), Node { attributed: whole, ..Node::default() });
    daemon.stop();
}
