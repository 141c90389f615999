//! The positive control: a live per-peer exporter over WireGuard, modelled. For each peer it shows the
//! bytes sent and received so far and the time of the latest handshake, as
//! prometheus_wireguard_exporter does; `leakage_control` holds the model to that program.
//!
//! What is counted is what WireGuard sends: padded and wrapped packets, handshakes, keepalives.
//! Shared by the targets of `tests/leakage/`; holds no traffic and no check.
#![allow(dead_code, reason = "each target of the harness uses its own part of the model")]

/// A packet that carries `length` bytes is padded to 16 and wrapped in 32.
///
/// # Source
/// WireGuard's whitepaper, section 5.4.6.
pub(crate) const WRAPPING: u64 = 32;

/// Handshake initiation and response.
///
/// # Source
/// WireGuard's whitepaper, sections 5.4.2 and 5.4.3.
pub(crate) const INITIATION: u64 = 148;
pub(crate) const RESPONSE: u64 = 92;

/// A key is renewed when a packet is sent with one that is older.
const REKEY_SECONDS: u64 = 120;

/// A peer behind NAT is usually told to send something this often.
pub(crate) const KEEPALIVE_SECONDS: u64 = 25;

/// The inner length of a full packet.
const FULL_PACKET: u64 = 1400;

/// What an exporter reads of one peer: `up` is what was received from it.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct Peer {
    pub(crate) received: u64,
    pub(crate) sent: u64,
    /// Seconds since 1970; 0 before the first.
    pub(crate) latest_handshake: u64,
}

/// What packets of one length come to on the wire.
pub(crate) fn wire_bytes(length: u64, packets: u64) -> u64 {
    packets * (length.next_multiple_of(16) + WRAPPING)
}

impl Peer {
    /// The client is about to send or has to answer: a key that is missing or old is renewed first.
    pub(crate) fn renew(&mut self, now: u64) {
        if now.saturating_sub(self.latest_handshake) >= REKEY_SECONDS {
            self.received += INITIATION;
            self.sent += RESPONSE;
            self.latest_handshake = now;
        }
    }

    /// Bytes of inner packets pass.
    pub(crate) fn pass(&mut self, now: u64, up: u64, down: u64) {
        self.renew(now);
        self.received += bulk(up);
        self.sent += bulk(down);
    }

    /// Nothing was sent for a while.
    pub(crate) fn keep_alive(&mut self, now: u64) {
        self.renew(now);
        self.received += WRAPPING;
    }
}

/// So many inner bytes, in full packets and a rest.
fn bulk(bytes: u64) -> u64 {
    let rest = bytes % FULL_PACKET;
    wire_bytes(FULL_PACKET, bytes / FULL_PACKET) + if rest == 0 { 0 } else { wire_bytes(rest, 1) }
}

/// The page of such an exporter.
pub(crate) fn page(interface: &str, peers: &[(&str, &str, Peer)]) -> String {
    let family = |name: &str, kind: &str, help: &str, value: fn(&Peer) -> u64| {
        let mut text = format!("# HELP {name} {help}\n# TYPE {name} {kind}\n");
        for (key, allowed, peer) in peers {
            let value = value(peer);
            text += &format!(
                "{name}{{interface=\"{interface}\",public_key=\"{key}\",allowed_ips=\"{allowed}\"}} {value}\n"
            );
        }
        text
    };
    [
        family("wireguard_sent_bytes_total", "counter", "Bytes sent to the peer", |peer| peer.sent),
        family("wireguard_received_bytes_total", "counter", "Bytes received from the peer", |peer| {
            peer.received
        }),
        family(
            "wireguard_latest_handshake_seconds",
            "gauge",
            "UNIX timestamp seconds of the last handshake",
            |peer| peer.latest_handshake,
        ),
    ]
    .join("\n")
}
