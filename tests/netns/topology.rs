//! Server, router and client in namespaces of their own. The server's device is the metered one; the
//! router's devices cannot segment, so their counters say what a wire would have carried.
//!
//! ```text
//! server [s0] ---- [r0] router [r1] ---- [c0] client
//! ```

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::thread;
use std::time::Duration;

use super::packet_socket::PacketSocket;
use super::tally::Totals;
use super::{DeviceCounters, Namespace};
use crate::support::frames::{Address, IPV4, datagram, frame, mac};
use crate::support::wait::{TIMEOUT, wait_until_still};

const S0: &str = "02:00:00:00:01:01";
const R0: &str = "02:00:00:00:01:fe";
const R1: &str = "02:00:00:00:02:fe";
const C0: &str = "02:00:00:00:02:01";
/// Bytes of a packet whose passing shows what the counters hold.
const KNOWN_LENGTH: usize = 100;
const UDP_SEGMENT: libc::c_int = 103;
/// Counters that did not move for so long are taken as final (delayed acknowledgements take 40 ms).
const STILL: Duration = Duration::from_millis(300);

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    V4,
    V6,
}

/// The client's addresses, an account each.
pub(crate) const CLIENT_ADDRESSES: [(&str, Family); 4] = [
    ("10.2.0.11", Family::V4),
    ("fd02::11", Family::V6),
    ("10.2.0.12", Family::V4),
    ("fd02::12", Family::V6),
];

pub(crate) struct Topology {
    server: Namespace,
    router: Namespace,
    client: Namespace,
    /// What the counters of `r0` and `r1` hold of each frame's link header: a veth whose peer runs
    /// NAPI does not count it.
    counted_headers: [u64; 2],
}

impl Topology {
    pub(crate) fn new() -> Self {
        let (server, router, client) = (Namespace::new(), Namespace::new(), Namespace::new());
        server.veth("s0", S0, &router, "r0", R0);
        router.veth("r1", R1, &client, "c0", C0);
        for (namespace, device) in [(&server, "s0"), (&router, "r0"), (&router, "r1"), (&client, "c0")] {
            namespace.allow_v6(device);
            // The reports of the addresses' multicast groups go out at once, before the test looks.
            namespace.sysctl(&format!("net/ipv6/conf/{device}/mldv2_unsolicited_report_interval"), "1");
        }
        address(&server, "s0", "10.1.0.1/24", "fd01::1/64");
        address(&router, "r0", "10.1.0.254/24", "fd01::fe/64");
        address(&router, "r1", "10.2.0.254/24", "fd02::fe/64");
        address(&client, "c0", "10.2.0.11/24", "fd02::11/64");
        address(&client, "c0", "10.2.0.12/24", "fd02::12/64");
        for (namespace, device, mac, hosts) in [
            (&server, "s0", R0, ["10.1.0.254", "fd01::fe"].as_slice()),
            (&router, "r0", S0, &["10.1.0.1", "fd01::1"]),
            (&router, "r1", C0, &["10.2.0.11", "10.2.0.12", "fd02::11", "fd02::12"]),
            (&client, "c0", R1, &["10.2.0.254", "fd02::fe"]),
        ] {
            for host in hosts {
                namespace
                    .command(&format!("ip neigh replace {host} lladdr {mac} dev {device} nud permanent"));
            }
        }
        router.allow_forwarding();
        server.command("ip -4 route add default via 10.1.0.254");
        server.command("ip -6 route add default via fd01::fe");
        for device in ["r0", "r1"] {
            router.command(&format!(
                "ethtool -K {device} tso off gso off tx-udp-segmentation off \
                 tx-udp_tnl-segmentation off tx-udp_tnl-csum-segmentation off"
            ));
        }
        // GRO on a veth is NAPI with GRO: what arrives in a burst is merged before the taps see it.
        server.command("ethtool -K s0 gro on");
        let mut topology = Self { server, router, client, counted_headers: [0; 2] };
        Oracle::read_when_still(&topology);
        let headers = [("r0", S0, R0), ("r1", C0, R1)].map(|(device, to, from)| {
            let before = topology.router.device_counters(device);
            let packet = datagram(Address::v4(0x7f00_0001), Address::v4(0x7f00_0001), KNOWN_LENGTH);
            let frame = frame(mac(to), mac(from), &[], IPV4, &packet);
            PacketSocket::egress(&topology.router, device).send_frame(&frame);
            Oracle::read_when_still(&topology);
            let after = topology.router.device_counters(device);
            assert_eq!(after.tx_packets, before.tx_packets + 1, "{device} sent the known packet alone");
            after.tx_bytes - before.tx_bytes - u64::try_from(KNOWN_LENGTH).expect("small")
        });
        topology.counted_headers = headers;
        topology
    }

    pub(crate) fn metered(&self) -> &Namespace {
        &self.server
    }

    /// Makes VXLAN between the server and this address of the client, under this number.
    pub(crate) fn tunnel(&self, client: &str, family: Family, number: usize) {
        self.speak_from(client, family);
        let server = if family == Family::V4 { "10.1.0.1" } else { "fd01::1" };
        for (namespace, device, local, remote, host, far) in
            [(&self.server, "s0", server, client, 1, 2), (&self.client, "c0", client, server, 2, 1)]
        {
            let name = format!("vx{number}");
            namespace.command(&format!(
                "ip link add {name} address 02:00:00:01:00:0{host} type vxlan id {number} \
                 local {local} remote {remote} dstport 4789 dev {device}"
            ));
            namespace.allow_v6(&name);
            namespace.sysctl(&format!("net/ipv6/conf/{name}/mldv2_unsolicited_report_interval"), "1");
            namespace.command(&format!("ip link set {name} up"));
            address(
                namespace,
                &name,
                &inner(Family::V4, number, host, "/24"),
                &inner(Family::V6, number, host, "/64"),
            );
            for family in [Family::V4, Family::V6] {
                let far_address = inner(family, number, far, "");
                namespace.command(&format!(
                    "ip neigh replace {far_address} lladdr 02:00:00:01:00:0{far} dev {name} nud permanent"
                ));
            }
        }
    }

    /// The same as [`Self::talk`] inside a tunnel.
    pub(crate) fn talk_inside(&self, number: usize, family: Family, up: usize, down: usize) {
        let at = inner(family, number, 1, "");
        let at = if family == Family::V4 { format!("{at}:0") } else { format!("[{at}]:0") };
        self.converse(at, up, down);
    }

    /// One TCP connection from the client's address: `up` bytes to the server, then `down` bytes back.
    pub(crate) fn talk(&self, client: &str, family: Family, up: usize, down: usize) {
        self.speak_from(client, family);
        let at = if family == Family::V4 { "10.1.0.1:0" } else { "[fd01::1]:0" };
        self.converse(at.to_owned(), up, down);
    }

    fn converse(&self, at: String, up: usize, down: usize) {
        let listener = self.server.run(move || TcpListener::bind(at)).expect("the server listens");
        let at = listener.local_addr().expect("the listener has a port");
        let serve = thread::spawn(move || -> std::io::Result<usize> {
            let (mut stream, _) = listener.accept()?;
            stream.set_read_timeout(Some(TIMEOUT))?;
            let received = read_all(&mut stream)?;
            stream.write_all(&vec![0x5a; down])?;
            stream.shutdown(Shutdown::Write)?;
            Ok(received)
        });
        let mut stream = self.client.run(move || TcpStream::connect(at)).expect("the client connects");
        stream.set_read_timeout(Some(TIMEOUT)).expect("a timeout can be set");
        stream.write_all(&vec![0xa5; up]).expect("the upload runs");
        stream.shutdown(Shutdown::Write).expect("the upload ends");
        assert_eq!(read_all(&mut stream).expect("the download runs"), down);
        assert_eq!(serve.join().expect("the server serves").expect("the server's side runs"), up);
    }

    /// See [`Namespace::tcp_mishaps`]; of both ends.
    pub(crate) fn tcp_mishaps(&self) -> u64 {
        self.server.tcp_mishaps() + self.client.tcp_mishaps()
    }

    pub(crate) fn speak_from(&self, client: &str, family: Family) {
        let (flag, via) = if family == Family::V4 { ("-4", "10.2.0.254") } else { ("-6", "fd02::fe") };
        self.client.command(&format!("ip {flag} route replace default via {via} dev c0 src {client}"));
    }
}

/// Sends UDP datagrams that the kernel carries as super-packets, from the server to the client. Gives who
/// listens there, to be held until the last one has arrived; what it did not read is not of interest.
#[must_use]
pub(crate) fn send_cut_datagrams(
    topology: &Topology,
    client: &str,
    family: Family,
    segment_size: libc::c_int,
    length: usize,
    datagrams: usize,
) -> UdpSocket {
    let (from, at) = match family {
        Family::V4 => ("10.1.0.1:0", format!("{client}:0")),
        Family::V6 => ("[fd01::1]:0", format!("[{client}]:0")),
    };
    // Somebody must listen, or the client's kernel would answer each datagram. The kernel picks the
    // port: a child that another test forks holds the last listener's for a moment longer.
    let listener = topology.client.run(move || UdpSocket::bind(at)).expect("the client listens");
    let to = listener.local_addr().expect("the listener has a port");
    let socket = topology.server.run(move || UdpSocket::bind(from)).expect("the server has a socket");
    // SAFETY: the value is an int of the length told, and outlives the call.
    let set = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_UDP,
            UDP_SEGMENT,
            (&raw const segment_size).cast(),
            libc::socklen_t::try_from(size_of::<libc::c_int>()).expect("an int is small"),
        )
    };
    assert_eq!(set, 0, "UDP_SEGMENT: {}", std::io::Error::last_os_error());
    let payload = vec![0x5a; length];
    for _ in 0..datagrams {
        socket.send_to(&payload, to).expect("the datagram leaves");
    }
    listener
}

/// What the kernel's own counters say passed the metered link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Oracle {
    towards_server: DeviceCounters,
    towards_client: DeviceCounters,
    metered: DeviceCounters,
    stack_rx_packets: u64,
    counted_headers: [u64; 2],
}

/// The difference of two readings.
pub(crate) struct Passed {
    up_packets: u64,
    up_bytes: u64,
    down_packets: u64,
    down_bytes: u64,
    /// Packets that the metered device sent, a super-packet as one.
    pub(crate) metered_tx_packets: u64,
    /// Packets that the server's stack received, a super-packet as one.
    pub(crate) stack_rx_packets: u64,
}

impl Oracle {
    pub(crate) fn read(topology: &Topology) -> Self {
        let reading = Self {
            towards_server: topology.router.device_counters("r0"),
            towards_client: topology.router.device_counters("r1"),
            metered: topology.server.device_counters("s0"),
            stack_rx_packets: topology.server.ip_packets_received(),
            counted_headers: topology.counted_headers,
        };
        let dropped = [reading.towards_server, reading.towards_client, reading.metered];
        assert!(
            dropped.iter().all(|device| device.rx_dropped == 0),
            "the links drop nothing, or they would be no oracle"
        );
        reading
    }

    pub(crate) fn read_when_still(topology: &Topology) -> Self {
        wait_until_still("the flow ends", STILL, || Self::read(topology))
    }

    pub(crate) fn since(&self, before: &Self) -> Passed {
        let up_packets = self.towards_server.tx_packets - before.towards_server.tx_packets;
        let down_packets = self.towards_client.tx_packets - before.towards_client.tx_packets;
        let up_frames = self.towards_server.tx_bytes - before.towards_server.tx_bytes;
        let down_frames = self.towards_client.tx_bytes - before.towards_client.tx_bytes;
        Passed {
            up_packets,
            up_bytes: up_frames - self.counted_headers[0] * up_packets,
            down_packets,
            down_bytes: down_frames - self.counted_headers[1] * down_packets,
            metered_tx_packets: self.metered.tx_packets - before.metered.tx_packets,
            stack_rx_packets: self.stack_rx_packets - before.stack_rx_packets,
        }
    }
}

impl Passed {
    pub(crate) fn totals(&self) -> Totals {
        Totals {
            up_bytes: self.up_bytes,
            up_packets: self.up_packets,
            down_bytes: self.down_bytes,
            down_packets: self.down_packets,
        }
    }
}

fn address(namespace: &Namespace, device: &str, v4: &str, v6: &str) {
    namespace.command(&format!("ip addr add {v4} dev {device}"));
    namespace.command(&format!("ip addr add {v6} dev {device} nodad"));
}

/// An address inside the tunnel of this number.
fn inner(family: Family, number: usize, host: usize, length: &str) -> String {
    match family {
        Family::V4 => format!("172.20.{number}.{host}{length}"),
        Family::V6 => format!("fd20:{number}::{host}{length}"),
    }
}

fn read_all(stream: &mut TcpStream) -> std::io::Result<usize> {
    let mut buffer = vec![0; 1 << 16];
    let mut total = 0;
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return Ok(total),
            Ok(received) => total += received,
            // A signal that stopped the process ends a read that has a limit.
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
