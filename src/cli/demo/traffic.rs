//! The demo's synthetic accounts: who is online when, how much they send, and the frames they send.
//!
//! Keeps what a live per-account exporter would have revealed: bytes per account and second. That is
//! the very thing the product never keeps; it exists only here, for comparison.

use super::injector::Injector;
use crate::clock::Stopwatch;
use crate::meter::slot::Direction;
use crate::meter::tags::Tag;
use crate::roster::Roster;
use crate::roster::account::AccountName;
use crate::roster::address::Prefix;
use etherparse::PacketBuilder;
use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The generator's step.
const STEP: Duration = Duration::from_millis(10);

/// Packets per second of an account that is online, from the network to it.
const DOWN_PACKETS: u64 = 480;

/// Packets per second of an account that is online, into the network.
const UP_PACKETS: u64 = 120;

/// Sessions are on or off for this many seconds at a time.
const SESSION_SECONDS: u64 = 4;

/// At most this many accounts are online at once, however many there are: it bounds the load.
const ONLINE_AT_MOST: u64 = 40;

/// Payload bytes of a packet to an account, and of one from it.
const PAYLOAD: (usize, usize) = (1172, 472);

/// What one synthetic account does.
#[derive(Clone, Copy, PartialEq)]
enum Behaviour {
    Sessions,
    Surging,
    Flooding,
    Unanswered,
}

struct Account {
    name: String,
    behaviour: Behaviour,
    up: Vec<u8>,
    down: Vec<u8>,
    /// Hundredths of a packet due, up and down.
    due: [u64; 2],
}

/// What was sent, by account and second, and in total.
pub(super) struct Sent {
    pub(super) packets: AtomicU64,
    pub(super) bytes: AtomicU64,
    /// One row per account: its name, and the bytes of each second.
    pub(super) seconds: Mutex<Vec<(String, Vec<u64>)>>,
    stop: AtomicBool,
}

impl Sent {
    pub(super) fn new(crowd: &Crowd) -> Self {
        let rows = crowd.accounts.iter().map(|account| (account.name.clone(), Vec::new()));
        Self {
            packets: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            seconds: Mutex::new(rows.collect()),
            stop: AtomicBool::new(false),
        }
    }

    /// Asks the generator to end after its current step.
    pub(super) fn stop(&self) {
        // Relaxed: it publishes nothing else; the thread is joined.
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// All synthetic accounts.
pub(super) struct Crowd {
    accounts: Vec<Account>,
}

impl Crowd {
    /// This many accounts, every other one on IPv6; the first three behave oddly.
    pub(super) fn new(count: u32) -> Self {
        let account = |number: u32| Account {
            name: format!("account-{:02}", number + 1),
            behaviour: match number {
                0 => Behaviour::Surging,
                1 => Behaviour::Flooding,
                2 => Behaviour::Unanswered,
                _ => Behaviour::Sessions,
            },
            up: packet(number, Direction::Up),
            down: packet(number, Direction::Down),
            due: [0; 2],
        };
        Self { accounts: (0..count).map(account).collect() }
    }

    /// Every account's name, by its tag.
    pub(super) fn names(&self, roster: &Roster) -> HashMap<Tag, String> {
        let named = |account: &Account| {
            let name = AccountName::parse(&account.name).expect("the demo's names are valid");
            (roster.tag_of(&name), account.name.clone())
        };
        self.accounts.iter().map(named).collect()
    }

    /// The address of each of these accounts.
    pub(super) fn assignments(&self, roster: &Roster) -> Vec<(Prefix, Tag)> {
        let numbered = (0..).zip(&self.accounts);
        let assignment = |(number, account): (u32, &Account)| {
            let prefix = Prefix::parse(&address_text(number)).expect("the demo's addresses are valid");
            let name = AccountName::parse(&account.name).expect("the demo's names are valid");
            (prefix, roster.tag_of(&name))
        };
        numbered.map(assignment).collect()
    }

    /// Sends until told to stop. Returns the first error of a send.
    pub(super) fn send(mut self, injector: &mut Injector, sent: &Arc<Sent>) -> io::Result<()> {
        let watch = Stopwatch::start();
        let online = u64::try_from(self.accounts.len()).unwrap_or(u64::MAX).min(ONLINE_AT_MOST);
        let count = self.accounts.len() as u64;
        let mut step = 0_u32;
        while !sent.stop.load(Ordering::Relaxed) {
            let ahead = (STEP * step).saturating_sub(watch.elapsed());
            std::thread::sleep(ahead);
            step += 1;
            let second = u64::from(step) / 100;
            for (number, account) in self.accounts.iter_mut().enumerate() {
                let bytes = account.step(number as u64, second, (online, count), injector, sent)?;
                let mut rows = sent.seconds.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                let row = &mut rows[number].1;
                row.resize(usize::try_from(second).unwrap_or(0) + 1, 0);
                if let Some(last) = row.last_mut() {
                    *last += bytes;
                }
            }
        }
        Ok(())
    }
}

impl Account {
    /// Sends what is due in one step; returns the bytes.
    fn step(
        &mut self,
        number: u64,
        second: u64,
        (online, count): (u64, u64),
        injector: &mut Injector,
        sent: &Sent,
    ) -> io::Result<u64> {
        let rates = self.rates(number, second, online, count);
        let mut bytes = 0;
        for (side, direction) in [Direction::Up, Direction::Down].into_iter().enumerate() {
            self.due[side] += rates[side];
            let frame = if side == 0 { &self.up } else { &self.down };
            while self.due[side] >= 100 {
                self.due[side] -= 100;
                injector.send(frame, direction)?;
                bytes += frame.len() as u64;
                // Relaxed: sums, read after the thread is joined or for display.
                sent.packets.fetch_add(1, Ordering::Relaxed);
                sent.bytes.fetch_add(frame.len() as u64, Ordering::Relaxed);
            }
        }
        Ok(bytes)
    }

    /// Packets per second, up and down, in this second of the demo.
    fn rates(&self, number: u64, second: u64, online: u64, count: u64) -> [u64; 2] {
        let usual = [UP_PACKETS, DOWN_PACKETS];
        match self.behaviour {
            // What is usual for them must be known first: four epochs, and better six.
            Behaviour::Surging if second >= 16 => usual.map(|rate| rate * 14),
            Behaviour::Flooding if second >= 12 => [UP_PACKETS * 24, DOWN_PACKETS * 2],
            Behaviour::Flooding => [UP_PACKETS / 4, DOWN_PACKETS],
            Behaviour::Unanswered if second >= 12 => [UP_PACKETS, 0],
            Behaviour::Sessions if !is_online(number, second, online, count) => [0, 0],
            _ => usual,
        }
    }
}

/// A fixed session pattern that looks like people: most are online most of the time.
fn is_online(number: u64, second: u64, online: u64, count: u64) -> bool {
    let session = (second + number % SESSION_SECONDS) / SESSION_SECONDS;
    let mixed = (number * 31 + session).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    mixed % 100 < 78 * online / count.max(1)
}

/// The account's address: in 10.66.0.0/16, or in fd66::/112.
fn address_text(number: u32) -> String {
    let host = number + 2;
    if number.is_multiple_of(2) {
        format!("10.66.{}.{}", host >> 8, host & 255)
    } else {
        format!("fd66::{host:x}")
    }
}

/// An IP packet between the account and an outside host.
fn packet(number: u32, direction: Direction) -> Vec<u8> {
    let host = u16::try_from(number + 2).expect("the demo has at most 60,000 accounts");
    let [high, low] = host.to_be_bytes();
    let payload = vec![0; if direction == Direction::Up { PAYLOAD.1 } else { PAYLOAD.0 }];
    let ends = |inside: &[u8], outside: &[u8]| match direction {
        Direction::Up => (inside.to_vec(), outside.to_vec()),
        Direction::Down => (outside.to_vec(), inside.to_vec()),
    };
    let mut bytes = Vec::new();
    let builder = if number.is_multiple_of(2) {
        let (source, destination) = ends(&[10, 66, high, low], &[192, 0, 2, 1]);
        PacketBuilder::ipv4(sized(&source), sized(&destination), 60)
    } else {
        let inside = [0xfd, 0x66, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, high, low];
        let outside = [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
        let (source, destination) = ends(&inside, &outside);
        PacketBuilder::ipv6(sized(&source), sized(&destination), 60)
    };
    builder.udp(4000, 4000).write(&mut bytes, &payload).expect("writing to memory does not fail");
    bytes
}

fn sized<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.try_into().expect("an address of this family")
}
