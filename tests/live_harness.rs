//! The live tests' own instruments, checked without the daemon: a silent namespace, and every frame
//! seen once, in the direction that the live tests take for granted.

mod netns;
mod support;

use std::time::Duration;

use netns::Namespace;
use netns::packet_socket::PacketSocket;
use netns::topology::{CLIENT_ADDRESSES, Oracle, Topology};
use netns::tun::Tun;
use support::frames::{Address, Cut, ETHERNET_HEADER, datagram, frame, mac, segment, with_vnet_header};
use support::wait::{let_pass, wait_for};

const HERE: &str = "02:00:00:00:00:01";
const THERE: &str = "02:00:00:00:00:02";
const FRAMES: u64 = 1_000;
/// A kernel that has something to say of its own (redirects, solicitations, reports) does so by then.
const UNASKED: Duration = Duration::from_secs(3);

fn v4(last: u32) -> Address {
    Address::v4(0x0a08_0000 + last)
}

fn v6(last: u128) -> Address {
    Address::v6(0xfd42_0008_0000_0000_0000_0000_0000_0000 + last)
}

#[test]
fn tun_shows_each_packet_once_and_nothing_else() {
    let namespace = Namespace::new();
    let tun = Tun::open(&namespace, "tun0");
    let oracle = PacketSocket::oracle(&namespace, tun.name());
    let egress = PacketSocket::egress(&namespace, tun.name());
    for number in 0..FRAMES {
        tun.inject(&datagram(v4(1), v4(2), 28 + usize::try_from(number).expect("small")));
        egress.send_ip(&datagram(v6(1), v6(2), 1400));
    }
    let bytes: u64 = (0..FRAMES).map(|number| 28 + number).sum();
    assert_eq!(oracle.take(2 * FRAMES), [(FRAMES, bytes), (FRAMES, FRAMES * 1400)]);
    assert_eq!(tun.came_out(), FRAMES);
}

#[test]
fn veth_shows_each_frame_once_and_nothing_else() {
    let (namespace, peer) = (Namespace::new(), Namespace::new());
    namespace.veth("va0", HERE, &peer, "vb0", THERE);
    let oracle = PacketSocket::oracle(&namespace, "va0");
    let egress = PacketSocket::egress(&namespace, "va0");
    let ingress = PacketSocket::towards_peer(&peer, "vb0");
    for _ in 0..FRAMES {
        let packet = datagram(v4(1), v4(2), 100);
        ingress.send_frame(&frame(mac(HERE), mac(THERE), &[], 0x0800, &packet));
        egress.send_frame(&frame(mac(THERE), mac(HERE), &[(0x88a8, 5), (0x8100, 6)], 0x0800, &packet));
    }
    assert_eq!(oracle.take(2 * FRAMES), [(FRAMES, FRAMES * 114), (FRAMES, FRAMES * 122)]);
}

#[test]
fn forwarded_packet_comes_back_out_once_without_redirects() {
    let namespace = Namespace::new();
    let tun = Tun::open(&namespace, "tun0");
    namespace.allow_v6("tun0");
    namespace.allow_forwarding();
    namespace.command("ip -4 route add default dev tun0");
    namespace.command("ip -6 route add default dev tun0");
    let oracle = PacketSocket::oracle(&namespace, tun.name());
    for _ in 0..FRAMES {
        tun.inject(&datagram(v4(1), v4(2), 100));
        tun.inject(&datagram(v6(1), v6(2), 200));
    }
    let_pass(UNASKED, "what a kernel says of its own comes by then");
    assert_eq!(oracle.take(4 * FRAMES), [(2 * FRAMES, 300 * FRAMES), (2 * FRAMES, 300 * FRAMES)]);
}

#[test]
fn super_packets_stay_whole_up_to_the_tap() {
    let namespace = Namespace::new();
    let tun = Tun::open_with_offloads(&namespace, "tun0");
    let oracle = PacketSocket::oracle(&namespace, tun.name());
    let egress = PacketSocket::egress_with_vnet_header(&namespace, tun.name());
    let tcp = segment(v4(1), v4(2), 3, 20_000);
    let udp = datagram(v6(1), v6(2), 20_000);
    for hint in [0, 40, 1000] {
        tun.inject(&with_vnet_header(Cut::TcpV4, 1400, hint, &tcp));
        tun.inject(&with_vnet_header(Cut::UdpV6, 1200, hint, &udp));
        egress.send_super(&with_vnet_header(Cut::TcpV4, 1400, hint, &tcp));
        egress.send_super(&with_vnet_header(Cut::UdpV6, 1200, hint, &udp));
    }
    let whole = u64::try_from(3 * (tcp.len() + udp.len())).expect("small");
    assert_eq!(oracle.take(12), [(6, whole), (6, whole)]);
    assert_eq!(tcp.len(), 20 + 20 + 12 + 20_000);
}

#[test]
fn router_passes_the_flows_of_the_test_and_nothing_else() {
    let topology = Topology::new();
    let before = Oracle::read(&topology);
    let_pass(UNASKED, "what a kernel says of its own comes by then");
    assert_eq!(Oracle::read(&topology), before, "an idle topology is silent");
    let (client, family) = CLIENT_ADDRESSES[1];
    // A busy machine makes TCP repeat a segment now and then, and options tell of it: then once more.
    let passed = wait_for("a flow in which TCP repeats nothing", || {
        let (before, mishaps) = (Oracle::read_when_still(&topology), topology.tcp_mishaps());
        topology.talk(client, family, 1 << 20, 1 << 20);
        let passed = Oracle::read_when_still(&topology).since(&before);
        (topology.tcp_mishaps() == mishaps).then_some(passed)
    });
    let whole = passed.totals();
    assert!(passed.stack_rx_packets < whole.up_packets, "the metered end merges what arrives");
    // v6 and TCP with time stamps, 8 bytes more of options on the opening segment.
    assert_eq!(whole.up_bytes, (1 << 20) + whole.up_packets * (40 + 32) + 8);
    assert_eq!(whole.down_bytes, (1 << 20) + whole.down_packets * (40 + 32) + 8);
    assert!(passed.metered_tx_packets * 2 < whole.down_packets, "the metered end segments nothing itself");
}

#[test]
fn tagged_frame_arrives_without_its_outer_tag() {
    let (namespace, peer) = (Namespace::new(), Namespace::new());
    namespace.veth("va0", HERE, &peer, "vb0", THERE);
    let oracle = PacketSocket::oracle(&namespace, "va0");
    let ingress = PacketSocket::towards_peer(&peer, "vb0");
    let packet = datagram(v4(1), v4(2), 100);
    ingress.send_frame(&frame(mac(HERE), mac(THERE), &[(0x8100, 5)], 0x0800, &packet));
    let header = u64::try_from(ETHERNET_HEADER).expect("small");
    assert_eq!(oracle.take(1), [(1, header + 100), (0, 0)]);
}
