//! Figures of traffic have no `Debug`: neither one account's, nor the node's, nor a release.

use blindmeter::meter::clamp::Sums;
use blindmeter::meter::counters::Counters;
use blindmeter::meter::epoch::Carry;
use blindmeter::meter::ledger::{NodeTotals, Sealed};
use blindmeter::meter::release::Release;
use blindmeter::meter::units::{Totals, Volume};

fn print(volume: Volume, totals: Totals, sealed: Sealed, node: NodeTotals) {
    println!("{volume:?}");
    println!("{totals:?}");
    println!("{sealed:?}");
    println!("{node:?}");
}

fn print_the_rest(counters: Counters, release: Release, sums: Sums, carry: Carry) {
    println!("{counters:?}");
    println!("{release:?}");
    println!("{sums:?}");
    println!("{carry:?}");
}

fn main() {}
