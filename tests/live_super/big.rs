//! BIG TCP: super-packets that no length field can state, made by hand; the kernel cuts them.

use crate::netns::tally::{Expected, Way};
use crate::passage::Passage;
use crate::support::frames::{Cut, big_segment, with_vnet_header_at};
use crate::support::wait::{TIMEOUT, wait_until};

/// Into a TUN device whole, and out of another, whose file shows what the kernel made of them.
pub(crate) fn handmade(tap: &'static str) {
    const SEGMENT: u16 = 1_400;
    let Passage { namespace: _namespace, whole, cut, egress, clients, far, daemon } =
        Passage::watched_by(tap);
    let mut expected = Expected::of(clients.len());
    let mut out = (0, 0);
    for payload in [65_600_usize, 150_000, 260_000] {
        for (account, (client, far)) in clients.iter().zip(far).enumerate() {
            // What the wire carries has no jumbo option.
            let (kind, ip) = if account == 0 { (Cut::TcpV4, 20) } else { (Cut::TcpV6, 40) };
            let packets = payload.div_ceil(usize::from(SEGMENT));
            let bytes = (payload + packets * (ip + 32)) as u64;
            for way in [Way::Up, Way::Down] {
                let (from, to) = if way == Way::Up { (*client, far) } else { (far, *client) };
                let packet = big_segment(from, to, 3, payload);
                let joined = with_vnet_header_at(kind, SEGMENT, packet.len() - payload - 32, &packet);
                if way == Way::Up {
                    whole.inject(&joined);
                } else {
                    egress.send_super(&joined);
                    out = (out.0 + packets as u64, out.1 + bytes);
                }
                expected.add(Some(account), way, packets as u64, bytes);
            }
        }
    }
    wait_until("every segment comes out", TIMEOUT, || cut.came_out() == out.0);
    assert_eq!(cut.bytes_that_came_out(), out.1, "what the kernel made of them");
    expected.assert_held_by(&daemon);
    daemon.stop();
}
