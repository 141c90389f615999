//! The processor time of a tick, which any local user sees, does not tell how many accounts sent in it.

use crate::sums;
use crate::support::rng::Rng;
use blindmeter::meter::flags::rates::{Preset, Rates};
use blindmeter::meter::flags::watch::{Watch, WatchState};
use blindmeter::meter::units::Totals;
use nix::time::{ClockId, clock_gettime};

const ACCOUNTS: usize = 20_000;
const DAYS: usize = 6;
const ROUNDS: usize = 31;

/// Who sends in a tick: nobody, so many of a thousand, or all.
const SENDERS: [usize; 4] = [0, 10, 500, 1_000];

/// How much longer one may take than another, as a share: some nanoseconds an account.
const APART: f64 = 0.15;

/// Processor time of this thread, in nanoseconds.
fn spent() -> i64 {
    let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("Linux has this clock");
    time.tv_sec() * 1_000_000_000 + time.tv_nsec()
}

#[test]
fn a_tick_takes_as_long_whoever_sent_in_it() {
    let rates = Rates::of(86_400, 3_600_000_000_000, Preset::Strict);
    let mut watch = Watch::resumed(&rates, 20_000, Vec::new(), ACCOUNTS, WatchState::default());
    let mut rng = Rng::seeded(5);
    let usual: Vec<Totals> = (0..ACCOUNTS)
        .map(|_| {
            let busy = 1 + rng.word() % 40;
            sums([busy * 200_000, busy * 1_000], [busy * 4_000_000, busy * 3_000])
        })
        .collect();
    for _ in 0..DAYS {
        watch.close(|at| usual[at]);
    }
    let mut spans = SENDERS.map(|_| Vec::new());
    for round in 0..ROUNDS {
        for (of_thousand, spans) in SENDERS.iter().zip(&mut spans) {
            // Now these and now those, so that no processor learns who.
            let sends = |at: usize| (at.wrapping_mul(0x9e37_79b1) + round * 7919) % 1000 < *of_thousand;
            let ticked: Vec<Totals> =
                (0..ACCOUNTS).map(|at| if sends(at) { usual[at] } else { Totals::default() }).collect();
            let before = spent();
            watch.tick(|at| ticked[at]);
            spans.push(spent() - before);
        }
    }
    let medians = spans.map(|mut spans| {
        spans.sort_unstable();
        spans[ROUNDS / 2] as f64
    });
    let (least, most) =
        medians.iter().fold((f64::MAX, 0.0_f64), |(least, most), it| (least.min(*it), most.max(*it)));
    let told = format!("nanoseconds of a tick in which {SENDERS:?} of a thousand sent: {medians:?}");
    println!("{told}");
    assert!(most <= least * (1.0 + APART), "{told}");
}
