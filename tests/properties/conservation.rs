//! Every byte that was added is in exactly one epoch, whenever the epochs are closed.

use crate::environment::cases;
use crate::support::rng::Rng;
use blindmeter::meter::counters::Counters;
use blindmeter::meter::ledger::Ledger;
use blindmeter::meter::slot::{Direction, Slot};
use blindmeter::meter::units::{Totals, Volume};
use proptest::prelude::*;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

fn added(totals: Totals, direction: Direction, volume: Volume) -> Totals {
    match direction {
        Direction::Up => Totals { up: totals.up.plus(volume), ..totals },
        Direction::Down => Totals { down: totals.down.plus(volume), ..totals },
    }
}

/// One tap: adds packets to random slots, and keeps its own account of them.
fn send(counters: Counters, seed: u64, packets: u64) -> Vec<Totals> {
    let mut randomness = Rng::seeded(seed);
    let mut sent = vec![Totals::default(); counters.slots()];
    for _ in 0..packets {
        let at = randomness.below_u64(sent.len() as u64);
        let slot = Slot::new(u32::try_from(at).expect("few slots"));
        let direction = if randomness.below_u64(2) == 0 { Direction::Up } else { Direction::Down };
        let volume = Volume { bytes: randomness.below_u64(65_536), packets: 1 + randomness.below_u64(45) };
        counters.add(slot, direction, volume.bytes, volume.packets);
        sent[slot.index()] = added(sent[slot.index()], direction, volume);
    }
    sent
}

/// Closes epochs, and now and then a period, until the senders are done; what each slot had in
/// closed periods, and in the last one with the open epoch.
fn close(ledger: &mut Ledger, seed: u64, done: impl Fn() -> bool) -> (Vec<Totals>, u64) {
    let mut randomness = Rng::seeded(seed);
    let slots = ledger.slots();
    let all = || (0..slots).map(|at| Slot::new(u32::try_from(at).expect("few slots")));
    let mut kept = vec![Totals::default(); slots];
    let mut closes = 0;
    while !done() {
        ledger.seal(u64::MAX);
        closes += 1;
        if randomness.below_u64(8) == 0 {
            for slot in all() {
                kept[slot.index()] = kept[slot.index()].plus(ledger.period(slot));
            }
            ledger.begin_period();
        }
    }
    for slot in all() {
        let rest = ledger.period(slot).plus(ledger.open_epoch(slot));
        kept[slot.index()] = kept[slot.index()].plus(rest);
    }
    (kept, closes)
}

proptest! {
    #![proptest_config(cases(24))]

    /// The sum over all closed epochs and the open one is what was sent, slot by slot and direction
    /// by direction, while real threads add.
    #[test]
    fn sealing_loses_no_bytes_under_concurrent_adds(
        seed: u64, senders in 1_u64..4, accounts in 1_usize..6, packets in 1_u64..40_000
    ) {
        let counters = Counters::in_memory(accounts);
        let mut ledger = Ledger::new(counters);
        let finished = AtomicUsize::new(0);
        let (sent, (kept, closes)) = thread::scope(|scope| {
            let threads: Vec<_> = (0..senders)
                .map(|sender| {
                    let finished = &finished;
                    scope.spawn(move || {
                        let sent = send(counters, seed ^ sender, packets);
                        // Release: the sums are complete; pairs with the Acquire below.
                        finished.fetch_add(1, Ordering::Release);
                        sent
                    })
                })
                .collect();
            let done = || finished.load(Ordering::Acquire) == threads.len();
            let kept = close(&mut ledger, seed, done);
            let sent: Vec<_> = threads.into_iter().map(|thread| thread.join().expect("it sent")).collect();
            (sent, kept)
        });
        for (at, kept) in kept.iter().enumerate() {
            let sent = sent.iter().fold(Totals::default(), |sum, sent| sum.plus(sent[at]));
            prop_assert!(*kept == sent, "slot {at} after {closes} closes: {} of {} bytes", kept.bytes(), sent.bytes());
        }
    }
}

/// What the node says of itself is the sum over its slots, closed epochs and open one together.
#[test]
fn the_node_is_the_sum_of_its_slots() {
    let counters = Counters::in_memory(5);
    let mut ledger = Ledger::new(counters);
    let mut sent = send(counters, 1, 10_000);
    ledger.seal(u64::MAX);
    for (sum, more) in sent.iter_mut().zip(send(counters, 2, 10_000)) {
        *sum = sum.plus(more);
    }
    let node = ledger.node();
    let accounts =
        sent[Slot::FIRST_ACCOUNT.index()..].iter().fold(Totals::default(), |sum, it| sum.plus(*it));
    assert!(node.attributed == accounts && node.unattributed == sent[Slot::UNATTRIBUTED.index()]);
    assert!(node.not_ip == sent[Slot::NOT_IP.index()] && node.malformed == sent[Slot::MALFORMED.index()]);
    assert!(node.lost == sent[Slot::LOST.index()]);
}
