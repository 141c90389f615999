//! UDP that is cut into fragments of one datagram (UFO): the kernel makes none any more, but takes them from
//! whoever writes to a TUN device or a packet socket.

use crate::netns::tally::{Expected, Way};
use crate::passage::Passage;
use crate::support::frames::{Cut, datagram, with_vnet_header};
use crate::support::wait::{TIMEOUT, wait_until};

const FRAGMENTED: u8 = 3;

/// Into a TUN device, where packet sockets cannot be told of it, and out of another, whose file shows what the
/// kernel made of them.
pub(crate) fn handmade(tap: &'static str) {
    let Passage { namespace: _namespace, whole, cut, egress, clients, far, daemon } =
        Passage::watched_by(tap);
    let mut expected = Expected::of(clients.len());
    let mut out = (0, 0);
    for length in [2_000_usize, 20_000, 60_000] {
        for (account, (client, far)) in clients.iter().zip(far).enumerate() {
            // As much as fits 1,500 bytes; of IPv6 with a fragment header.
            let (ip, segment, each) = if account == 0 { (20, 1_480, 20) } else { (40, 1_448, 48) };
            for way in [Way::Up, Way::Down] {
                let (from, to) = if way == Way::Up { (*client, far) } else { (far, *client) };
                let packet = datagram(from, to, ip + 8 + length);
                let mut joined = with_vnet_header(Cut::UdpV4, segment, 0, &packet);
                joined[1] = FRAGMENTED;
                let packets = (8 + length).div_ceil(usize::from(segment));
                let bytes = (8 + length + packets * each) as u64;
                if way == Way::Down {
                    egress.send_super(&joined);
                    out = (out.0 + packets as u64, out.1 + bytes);
                } else if account == 1 {
                    // Of IPv6 the segments' length does not give it away.
                    continue;
                } else {
                    whole.inject(&joined);
                    if ["ring", "pnet"].contains(&tap) {
                        expected.lost += 1;
                        continue;
                    }
                }
                expected.add(Some(account), way, packets as u64, bytes);
            }
        }
    }
    wait_until("every fragment comes out", TIMEOUT, || cut.came_out() == out.0);
    assert_eq!(cut.bytes_that_came_out(), out.1, "what the kernel made of them");
    expected.assert_held_by(&daemon);
    daemon.stop();
}
