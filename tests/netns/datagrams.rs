//! Datagrams of known length between two ends of a tunnel, both families, up and down, and what they come to.

use std::net::UdpSocket;

use super::Namespace;
use super::tally::{Totals, Way};
use crate::support::wait::{TIMEOUT, wait_for};

/// Header of IPv4 or IPv6, and of UDP.
const V4_HEADERS: usize = 28;
const V6_HEADERS: usize = 48;

/// Sends so many packets each way between each address of a client and the server's of the same place, one byte
/// longer up and two longer down than `length`, and waits until all have come out of the tunnel.
pub(crate) fn exchange(
    (client, addresses): (&Namespace, [String; 2]),
    (server, of_server): (&Namespace, [&str; 2]),
    packets: usize,
    length: usize,
) -> Totals {
    let mut totals = Totals::default();
    // A client may have one family alone.
    for (address, of_server) in addresses.iter().zip(of_server).filter(|(address, _)| !address.is_empty()) {
        for (way, length) in [(Way::Up, length + 1), (Way::Down, length + 2)] {
            let ends = [(client, address.as_str()), (server, of_server)];
            let [from, to] = if way == Way::Up { ends } else { [ends[1], ends[0]] };
            send(from, to, packets, length);
            let count = |number: usize| u64::try_from(number).expect("small");
            totals.add(way, count(packets), count(packets * length));
        }
    }
    totals
}

fn send(from: (&Namespace, &str), to: (&Namespace, &str), packets: usize, length: usize) {
    let bound = |(namespace, address): (&Namespace, &str)| {
        let address = address.to_owned();
        namespace.run(move || {
            // An address of IPv6 is there a moment after it was added.
            wait_for("an end has its address", || UdpSocket::bind((address.as_str(), 0)).ok())
        })
    };
    let (sender, receiver) = (bound(from), bound(to));
    receiver.set_read_timeout(Some(TIMEOUT)).expect("a timeout can be set");
    let at = receiver.local_addr().expect("it has a port");
    let headers = if at.is_ipv4() { V4_HEADERS } else { V6_HEADERS };
    let (payload, mut received) = (vec![0x5a; length - headers], vec![0; length]);
    for _ in 0..packets {
        sender.send_to(&payload, at).expect("the datagram leaves");
        let count = receiver.recv(&mut received).expect("the datagram comes out of the tunnel");
        assert_eq!(count, payload.len());
    }
}
