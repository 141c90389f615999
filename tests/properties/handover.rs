//! Addresses change hands while packets are counted: no byte is lost, doubled, or charged to
//! anybody but the owner before and the owner after.

use crate::environment::cases;
use crate::support::rng::Rng;
use blindmeter::meter::counters::Counters;
use blindmeter::meter::ledger::Ledger;
use blindmeter::meter::slot::{Direction, Slot};
use blindmeter::meter::tags::{Tag, Tags};
use blindmeter::meter::units::Totals;
use blindmeter::roster::address::{Prefix, TunnelAddress};
use blindmeter::roster::place::Place;
use blindmeter::roster::tagger::Tagger;
use blindmeter::roster::{Roster, Source};
use blindmeter::tap::Attribution;
use blindmeter::tap::frame::LinkType;
use proptest::prelude::*;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

/// Every way in which an address is found: a pool, a host in the hash, a routed prefix, of both
/// families; the prefix that changes hands, and an address in it.
const PLACES: [(&str, &str); 6] = [
    ("10.8.0.7", "10.8.0.7"),
    ("10.9.0.7", "10.9.0.7"),
    ("10.10.7.0/24", "10.10.7.9"),
    ("fd42:8::7", "fd42:8::7"),
    ("fd42:9::7", "fd42:9::7"),
    ("fd42:10:7::/64", "fd42:10:7::9"),
];

/// What lies around every place: where a host is nobody's, this owner gets its bytes.
const AROUND: [&str; 2] = ["10.0.0.0/8", "fd42::/16"];

/// Accounts that take turns at each place.
const OWNERS: usize = 3;

fn prefix(text: &str) -> Prefix {
    Prefix::parse(text).expect("a good prefix")
}

/// The tag of an account.
fn account(place: usize, owner: usize) -> Tag {
    let [place, owner] = [place, owner].map(|number| u8::try_from(number).expect("few"));
    Tag([[1, place, owner, 0]; 4].as_flattened().try_into().expect("sixteen bytes"))
}

fn roster() -> Roster {
    let tags = Tags::in_memory(PLACES.len() * OWNERS + 3);
    Roster::new(&[prefix("10.8.0.0/24"), prefix("fd42:8::/120")], tags, Tagger::new(&[7; 32]), 7)
}

fn slot(roster: &Roster, account: Tag) -> Slot {
    roster.slot_of(account).expect("the account was named")
}

/// An IP packet of a place, as headers only.
fn packet(address: TunnelAddress, direction: Direction) -> Vec<u8> {
    let (mut ip, source, destination, bytes) = match address {
        TunnelAddress::V4(bits) => (vec![0x45; 20], 12, 16, bits.to_be_bytes().to_vec()),
        TunnelAddress::V6(bits) => (vec![0x60; 40], 8, 24, bits.to_be_bytes().to_vec()),
    };
    let at = if direction == Direction::Up { source } else { destination };
    ip[at..at + bytes.len()].copy_from_slice(&bytes);
    ip
}

/// Counts packets of all places until told to stop; bytes sent for each place.
fn send(attribution: &Attribution, seed: u64, stop: &AtomicBool) -> Vec<u64> {
    let mut randomness = Rng::seeded(seed);
    let packets: Vec<Vec<u8>> = PLACES
        .iter()
        .flat_map(|(_, text)| {
            let address = prefix(text).address();
            [packet(address, Direction::Up), packet(address, Direction::Down)]
        })
        .collect();
    let mut sent = vec![0; PLACES.len()];
    // Relaxed: the number of packets does not matter, the threads are joined.
    while !stop.load(Ordering::Relaxed) {
        for (at, packet) in packets.iter().enumerate() {
            let bytes = 40 + randomness.below_u64(1400);
            let direction = if at % 2 == 0 { Direction::Up } else { Direction::Down };
            attribution.count(LinkType::RawIp, packet, bytes, direction, None);
            sent[at / 2] += bytes;
        }
    }
    sent
}

/// What the writer does to a place.
#[derive(Clone, Copy, Debug)]
enum Change {
    /// The control socket assigns it.
    Assign(usize),
    /// The control socket takes its assignment back; the file's holds again, if there is one.
    Release,
    /// The file is replaced as a whole; every place moves on to its next owner.
    Replace(usize),
    /// A stranger's hosts, sixteen of each family, make the tables grow.
    Grow(u8),
}

fn any_change() -> impl Strategy<Value = (usize, Change)> {
    let change = prop_oneof![
        6 => (0..OWNERS).prop_map(Change::Assign),
        2 => Just(Change::Release),
        1 => (0..OWNERS).prop_map(Change::Replace),
        1 => any::<u8>().prop_map(Change::Grow),
    ];
    (0..PLACES.len(), change)
}

fn make(roster: &Roster, place: usize, change: Change) {
    let (text, _) = PLACES[place];
    match change {
        Change::Assign(owner) => {
            roster.assign(Source::Control, prefix(text), account(place, owner)).expect("room");
        }
        Change::Release => {
            roster.unassign(Source::Control, prefix(text)).expect("a table takes it");
        }
        Change::Replace(owner) => {
            let places = (0..PLACES.len()).map(|at| (prefix(PLACES[at].0), account(at, owner)));
            let around = AROUND.iter().map(|text| (prefix(text), account(0, 0)));
            roster.replace(Source::File, places.chain(around).collect()).expect("room");
        }
        Change::Grow(group) => {
            for host in strangers(group) {
                roster.assign(Source::Control, host, stranger()).expect("room");
            }
        }
    }
}

fn stranger() -> Tag {
    Tag([2; 16])
}

fn strangers(group: u8) -> impl Iterator<Item = Prefix> {
    (0..16).flat_map(move |host| {
        [format!("192.168.{group}.{host}"), format!("fd99::{group:x}:{host:x}")].map(|text| prefix(&text))
    })
}

proptest! {
    #![proptest_config(cases(24))]

    /// Over any hand-overs, with epochs closed meanwhile: a place's owners together have what was
    /// sent for it, nobody else has any of it, and none of it is unattributed.
    #[test]
    fn a_handover_loses_no_byte_and_charges_no_stranger(
        seed: u64, changes in prop::collection::vec(any_change(), 1..600)
    ) {
        let roster = roster();
        let counters = Counters::in_memory(PLACES.len() * OWNERS + 3);
        let mut ledger = Ledger::new(counters);
        for owner in 0..OWNERS {
            make(&roster, 0, Change::Replace(owner));
        }
        let attribution = Attribution { table: roster.table(), counters, place: Place::ANY };
        let stop = AtomicBool::new(false);
        let sent = thread::scope(|scope| {
            let senders: Vec<_> = (0..2)
                .map(|sender| {
                    let (attribution, stop) = (attribution.clone(), &stop);
                    scope.spawn(move || send(&attribution, seed ^ sender, stop))
                })
                .collect();
            for (at, (place, change)) in changes.iter().enumerate() {
                make(&roster, *place, *change);
                if at % 16 == 0 {
                    ledger.seal(u64::MAX);
                    thread::yield_now();
                }
            }
            stop.store(true, Ordering::Relaxed);
            let sent: Vec<_> = senders.into_iter().map(|it| it.join().expect("it sent")).collect();
            sent
        });
        let held = |slot: Slot| ledger.period(slot).plus(ledger.open_epoch(slot));
        for place in 0..PLACES.len() {
            let owners = (0..OWNERS).map(|owner| held(slot(&roster, account(place, owner))));
            let held = owners.fold(Totals::default(), Totals::plus).bytes();
            let sent: u64 = sent.iter().map(|sent| sent[place]).sum();
            prop_assert!(held == sent, "{} has {held} bytes of {sent}", PLACES[place].0);
        }
        prop_assert!(held(Slot::UNATTRIBUTED) == Totals::default());
        // No prefix was lost on the way: the tables have grown under the strangers' hosts.
        let table = roster.table();
        for (_, change) in changes {
            let Change::Grow(group) = change else { continue };
            let owner = slot(&roster, stranger());
            prop_assert!(held(owner) == Totals::default());
            prop_assert!(strangers(group).all(|host| table.slot_of(host.address()) == owner));
        }
    }
}

/// A look-up that overlaps a hand-over sees the owner before it or the owner after it; one that
/// begins later sees the owner after it.
#[test]
fn a_reader_sees_the_old_owner_or_the_new_one() {
    const HANDOVERS: u64 = 20_000;
    for (place, (text, address)) in PLACES.iter().enumerate() {
        let roster = roster();
        let address = prefix(address).address();
        let owners: Vec<Slot> = (0..OWNERS)
            .map(|owner| {
                roster.assign(Source::Control, prefix(text), account(place, owner)).expect("room");
                slot(&roster, account(place, owner))
            })
            .collect();
        let owner_of = |handover: u64| usize::try_from(handover % OWNERS as u64).expect("few owners");
        // The last assignment above was the one of this number.
        let handover = AtomicU64::new(OWNERS as u64 - 1);
        let (last, table) = (OWNERS as u64 + HANDOVERS, roster.table());
        thread::scope(|scope| {
            scope.spawn(|| {
                loop {
                    // Acquire: pairs with the Release below; that hand-over is in force.
                    let before = handover.load(Ordering::Acquire);
                    let seen = table.slot_of(address);
                    // The next one may be in force before its number is told.
                    let after = handover.load(Ordering::Acquire) + 1;
                    let allowed = (before..=after).any(|number| owners[owner_of(number)] == seen);
                    assert!(allowed, "hand-overs {before} to {after} of {text}: somebody else");
                    if before == last {
                        return;
                    }
                }
            });
            for number in OWNERS as u64..=last {
                roster.assign(Source::Control, prefix(text), account(place, owner_of(number))).expect("room");
                handover.store(number, Ordering::Release);
            }
        });
    }
}

/// Where a host is given back, what lies around it owns the address at once: never nobody.
#[test]
fn a_host_that_is_given_back_falls_to_what_lies_around_it() {
    let roster = roster();
    let around = Tag([3; 16]);
    for text in AROUND {
        roster.assign(Source::File, prefix(text), around).expect("room");
    }
    let around = slot(&roster, around);
    let (table, done) = (roster.table(), AtomicBool::new(false));
    for (place, (text, address)) in PLACES.iter().enumerate() {
        roster.assign(Source::Control, prefix(text), account(place, 0)).expect("room");
        let own = slot(&roster, account(place, 0));
        let address = prefix(address).address();
        done.store(false, Ordering::Relaxed);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let seen = table.slot_of(address);
                    assert!(seen == own || seen == around, "{text} was nobody's");
                }
            });
            for _ in 0..10_000 {
                roster.unassign(Source::Control, prefix(text)).expect("a table takes it");
                assert!(table.slot_of(address) == around);
                roster.assign(Source::Control, prefix(text), account(place, 0)).expect("room");
                assert!(table.slot_of(address) == own);
            }
            done.store(true, Ordering::Relaxed);
        });
    }
}
