//! Packets that carry needles: every far address both ways, with questions to name servers, greetings
//! that name a site, requests, extension headers, errors that quote a packet.

use crate::netns::tally::Way;
use crate::path::TunnelPath;
use crate::plan::Plan;
use crate::support::frames::{Address, datagram, segment};
use crate::support::rng::Rng;
use crate::support::wait::let_pass;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// Packets between two pauses, and the pause: below what pnet reads, and what it reads when every call
/// of it is traced.
const BURST: u64 = 64;
const PAUSE: Duration = Duration::from_millis(4);
const TRACED_PAUSE: Duration = Duration::from_millis(20);

/// A load that runs until it is told to stop.
#[derive(Default)]
pub(crate) struct Load {
    stop: AtomicBool,
    rounds: AtomicU64,
    sent: AtomicU64,
}

impl Load {
    /// Times that every far address was spoken to.
    pub(crate) fn rounds(&self) -> u64 {
        // Relaxed: a count that orders nothing.
        self.rounds.load(Ordering::Relaxed)
    }

    /// Packets so far.
    pub(crate) fn sent(&self) -> u64 {
        // Relaxed: see above.
        self.sent.load(Ordering::Relaxed)
    }

    pub(crate) fn stop(&self) {
        // Relaxed: the load only needs to see it eventually.
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Speaks to every far address by `each`, again and again; the first round is always finished.
    pub(crate) fn run(&self, plan: &Plan, mut each: impl FnMut(usize, Address)) {
        loop {
            for (number, remote) in plan.remotes.iter().enumerate() {
                // Relaxed: see above.
                if self.stop.load(Ordering::Relaxed) && self.rounds() > 0 {
                    return;
                }
                each(number, *remote);
            }
            self.rounds.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Speaks to every far address, from and to every owner.
pub(crate) fn through(path: &TunnelPath, plan: &Plan, load: &Load, traced: bool) {
    let mut rng = Rng::seeded(plan.seed);
    load.run(plan, |number, remote| {
        let owners: Vec<Address> = plan.held().chain(plan.former()).map(|owner| owner.address).collect();
        let of_family = |owner: &&Address| owner.ethertype() == remote.ethertype();
        let owners: Vec<&Address> = owners.iter().filter(of_family).collect();
        let owner = *owners[rng.below(owners.len())];
        let site = &plan.sites[rng.below(plan.sites.len())];
        path.send(Way::Up, &spoken(owner, remote, number, site, plan));
        path.send(Way::Down, &spoken(remote, owner, number + 1, site, plan));
        // Relaxed: see above.
        if (load.sent.fetch_add(2, Ordering::Relaxed) + 2).is_multiple_of(BURST) {
            let_pass(if traced { TRACED_PAUSE } else { PAUSE }, "the pace of the load");
        }
    });
}

/// One packet of a kind that goes round with the number.
fn spoken(from: Address, to: Address, number: usize, site: &str, plan: &Plan) -> Vec<u8> {
    match number % 6 {
        0 => filled(
            datagram(from, to, from.smallest_packet() + 300),
            from.smallest_packet(),
            &question(site),
            plan,
        ),
        1 => {
            let head = from.smallest_packet() - 8 + 20;
            filled(segment(from, to, 0, 500), head, &greeting(site), plan)
        }
        2 => {
            let head = from.smallest_packet() - 8 + 32;
            filled(segment(from, to, 3, 700), head, &request(site), plan)
        }
        3 => quoted(from, to, plan),
        4 => extended(from, to, plan),
        _ => filled(datagram(from, to, from.smallest_packet() + 8), from.smallest_packet(), &[], plan),
    }
}

/// Puts a text at an offset, and the plan's words behind it to the end.
fn filled(mut packet: Vec<u8>, at: usize, text: &[u8], plan: &Plan) -> Vec<u8> {
    let room = packet.len() - at;
    let text = &text[..text.len().min(room)];
    packet[at..at + text.len()].copy_from_slice(text);
    let words = plan.words.iter().flatten().cycle();
    packet[at + text.len()..].iter_mut().zip(words).for_each(|(byte, word)| *byte = *word);
    packet
}

/// A question to a name server.
fn question(site: &str) -> Vec<u8> {
    let mut text = vec![0x51, 0x7e, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in site.split('.') {
        text.push(u8::try_from(label.len()).expect("labels are short"));
        text.extend(label.bytes());
    }
    text.extend([0, 0, 1, 0, 1]);
    text
}

/// The part of a TLS greeting that names the server.
fn greeting(site: &str) -> Vec<u8> {
    let length = u16::try_from(site.len()).expect("names are short");
    let mut text = vec![0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3, 0, 0];
    for part in [length + 5, length + 3] {
        text.extend(part.to_be_bytes());
    }
    text.push(0);
    text.extend(length.to_be_bytes());
    text.extend(site.bytes());
    text
}

fn request(site: &str) -> Vec<u8> {
    format!("GET /{site} HTTP/1.1\r\nHost: {site}\r\nReferer: https://{site}/\r\n\r\n").into_bytes()
}

/// A packet that quotes one which went the other way, as an error of ICMP does.
fn quoted(from: Address, to: Address, plan: &Plan) -> Vec<u8> {
    let quote = filled(datagram(to, from, 100), to.smallest_packet(), &[], plan);
    let mut packet = filled(datagram(from, to, 300), from.smallest_packet(), &quote, plan);
    match from {
        Address::V4(_) => packet[9] = 1,
        Address::V6(_) => packet[6] = 58,
    }
    packet
}

/// A packet whose options hold words: a v6 header chain, or a v4 header of full length.
fn extended(from: Address, to: Address, plan: &Plan) -> Vec<u8> {
    let mut packet = filled(datagram(from, to, 400), from.smallest_packet() - 8, &[], plan);
    match from {
        Address::V4(_) => packet[0] = 0x4f,
        Address::V6(_) => {
            // Hop-by-hop options, then options for the destination, 24 bytes each; then UDP.
            packet[6] = 0;
            packet[40..42].copy_from_slice(&[60, 2]);
            packet[64..66].copy_from_slice(&[17, 2]);
        }
    }
    packet
}
