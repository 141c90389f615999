//! A release is not changed after it was made, and the gate that makes it is the core's own.

use blindmeter::meter::ledger::Sealed;
use blindmeter::meter::noise::Randomness;
use blindmeter::meter::policy::Policy;
use blindmeter::meter::flag_counts::FlagCounts;
use blindmeter::meter::release::Release;

fn change(release: &mut Release) {
    release.ordinal = 7;
    release.up_bytes += 1;
    release.suppressed = false;
}

fn go_around_the_epochs(sealed: &Sealed, policy: &Policy, randomness: &mut impl Randomness) -> Release {
    Release::coarse(7, sealed, &FlagCounts::default(), policy, randomness)
}

fn go_around_the_noise(sealed: &Sealed, policy: &Policy, randomness: &mut impl Randomness) -> Release {
    Release::noisy(7, sealed, &FlagCounts::default(), (policy, policy.gate_scale()), randomness)
}

fn main() {}
