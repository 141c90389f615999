//! What a scraper of the live per-peer exporter sees of the simulated people: the model of
//! `../exporter` fed with their days.

use super::peers::KEEPALIVE_SECONDS;
pub(crate) use super::peers::{Peer, WRAPPING};
use super::worlds::{AccountDay, DAY_SECONDS, STEP_SECONDS};
use std::ops::Range;

/// What a scrape adds to the one before, for one peer.
#[derive(Clone, Copy, Default)]
pub(crate) struct Change {
    pub(crate) up: f64,
    pub(crate) down: f64,
    pub(crate) handshake: f64,
}

/// Scrapes of one peer over these steps of a day, at the end of each.
pub(crate) fn scrape_steps(
    peer: &mut Peer,
    truth: &AccountDay,
    day: usize,
    steps: Range<usize>,
) -> Vec<Change> {
    let midnight = day as u64 * u64::from(DAY_SECONDS);
    let mut changes = Vec::with_capacity(steps.len());
    let first = truth.moved.partition_point(|piece| piece.step < steps.start);
    let (mut pieces, mut sessions) =
        (truth.moved[first..].iter().peekable(), truth.sessions.iter().peekable());
    for step in steps {
        let second = step as u64 * u64::from(STEP_SECONDS);
        let before = *peer;
        while sessions.next_if(|session| *session.steps().end() < step).is_some() {}
        let online = sessions.peek().is_some_and(|session| session.steps().contains(&step));
        match pieces.next_if(|piece| piece.step == step) {
            Some(piece) => peer.pass(midnight + second, piece.up, piece.down),
            None if online && second % KEEPALIVE_SECONDS < u64::from(STEP_SECONDS) => {
                peer.keep_alive(midnight + second);
            }
            None => {}
        }
        changes.push(Change {
            up: (peer.received - before.received) as f64,
            down: (peer.sent - before.sent) as f64,
            handshake: f64::from(u8::from(peer.latest_handshake != before.latest_handshake)),
        });
    }
    changes
}
