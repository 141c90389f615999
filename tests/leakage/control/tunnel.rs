//! A real WireGuard tunnel between two namespaces: Debian's wireguard-go and wireguard-tools, real
//! handshakes, datagrams of known length.

use crate::netns::Namespace;
use crate::wireguard::{End, device};
use std::net::UdpSocket;

/// The address inside the tunnel that the exporter shows of its peer.
pub(crate) const CLIENT_PREFIX: &str = "10.88.0.2/32";

const SERVER: &str = "10.88.0.1";
const CLIENT: &str = "10.88.0.2";

/// Header of IPv4 and of UDP.
const HEADERS: usize = 28;

/// Both ends, each with its namespace.
pub(crate) struct Tunnel {
    server: (Namespace, End),
    client: (Namespace, End),
}

/// Gives an end its address inside the tunnel.
fn raise(namespace: &Namespace, end: &End, address: &str) {
    namespace.command(&format!("ip address add {address}/24 dev {}", end.device));
    namespace.command(&format!("ip link set {} multicast off mtu 1420 up", end.device));
}

impl Tunnel {
    pub(crate) fn new() -> Self {
        let (server, client) = (Namespace::new(), Namespace::new());
        server.veth("s0", "02:00:00:00:08:01", &client, "c0", "02:00:00:00:08:02");
        server.command("ip address add 10.8.0.1/24 dev s0");
        client.command("ip address add 10.8.0.2/24 dev c0");
        let ends = [End::start(&server, &device("lks")), End::start(&client, &device("lkc"))];
        ends[0].connect(&server, &ends[1], CLIENT_PREFIX, "10.8.0.2:51820");
        ends[1].connect(&client, &ends[0], "10.88.0.1/32", "10.8.0.1:51820");
        raise(&server, &ends[0], SERVER);
        raise(&client, &ends[1], CLIENT);
        let [server_end, client_end] = ends;
        Self { server: (server, server_end), client: (client, client_end) }
    }

    /// Where the server's device is, and its name.
    pub(crate) fn server(&self) -> (&Namespace, &str) {
        (&self.server.0, &self.server.1.device)
    }

    /// The key that an exporter at the server shows of the client.
    pub(crate) fn client_key(&self) -> &str {
        &self.client.1.public
    }

    /// Sends so many IP packets of this length through the tunnel, up from the client or down to it,
    /// and waits until the other end has them all.
    pub(crate) fn send(&self, up: bool, packets: usize, length: usize) {
        let (from, to) = if up { (CLIENT, SERVER) } else { (SERVER, CLIENT) };
        let (sender, receiver) = if up { (&self.client, &self.server) } else { (&self.server, &self.client) };
        let listener = receiver.0.run(move || UdpSocket::bind((to, 0))).expect("the other end listens");
        listener.set_read_timeout(Some(crate::support::wait::TIMEOUT)).expect("a timeout can be set");
        let at = listener.local_addr().expect("a listener has a port");
        let socket = sender.0.run(move || UdpSocket::bind((from, 0))).expect("an end has a socket");
        let payload = vec![0x5a; length - HEADERS];
        let mut received = vec![0; length];
        for _ in 0..packets {
            socket.send_to(&payload, at).expect("the datagram leaves");
            let count = listener.recv(&mut received).expect("the datagram comes out of the tunnel");
            assert_eq!(count, payload.len());
        }
    }
}
