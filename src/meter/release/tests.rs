//! The gate, the noise, the rounding and the coarse counts, with draws that are known.

use super::super::clamp::Sums;
use super::super::policy::{Mode, Profile};
use super::super::units::{Totals, Volume};
use super::*;

/// Draws that make every discrete Laplace sample 0, whatever its scale above 1.
struct Quiet(u64);
impl Randomness for Quiet {
    fn next_word(&mut self) -> u64 {
        // Low part 0, kept; exp(-1) fails at its second draw, so the high part is 0; positive.
        let word = [0, 0, 1, 0][usize::try_from(self.0 % 4).unwrap()];
        self.0 += 1;
        word
    }
}

const NOISY: Policy = Policy { profile: Profile::Standard, ..Policy::DEFAULT };
const COARSE: Policy = Policy { mode: Mode::Coarse, ..NOISY };
const NOTHING: FlagCounts =
    FlagCounts { accounts: [0; KINDS.len()], mass_event: false, interrupted: false, failed_attempts: 0 };

fn sealed(active_accounts: u64, up: u64, largest_up: u64) -> Sealed {
    Sealed {
        attributed: Totals { up: Volume { bytes: up, packets: 9 }, down: Volume { bytes: up, packets: 9 } },
        clamped: Sums { up_bytes: up.into(), down_bytes: up.into() },
        largest_up_bytes: largest_up,
        largest_down_bytes: 0,
        active_accounts,
        ..Sealed::default()
    }
}

fn coarse(sealed: &Sealed) -> Release {
    Release::coarse(3, sealed, &NOTHING, &COARSE, &mut Quiet(0))
}

fn noisy(sealed: &Sealed, raised: &FlagCounts, randomness: &mut impl Randomness) -> Release {
    let scale = NOISY.byte_scale().unwrap();
    Release::noisy(3, sealed, raised, (&NOISY, scale), randomness)
}

#[test]
fn totals_are_rounded_to_the_step() {
    let q = 1_u64 << 34;
    for (bytes, shown) in [(4 * q, 4 * q), (4 * q + q / 2, 5 * q), (4 * q + q / 2 - 1, 4 * q)] {
        let of = sealed(100, bytes, q);
        for release in [coarse(&of), noisy(&of, &NOTHING, &mut Quiet(0))] {
            assert!(!release.suppressed() && release.ordinal() == 3);
            assert_eq!(release.up_bytes(), i64::try_from(shown).unwrap());
        }
    }
}

#[test]
fn a_small_crowd_suppresses_and_a_large_one_does_not() {
    for (active, suppressed) in [(0, true), (19, true), (20, false), (1000, false)] {
        let of = sealed(active, 1 << 40, 1);
        for release in [coarse(&of), noisy(&of, &NOTHING, &mut Quiet(0))] {
            assert!(release.suppressed() == suppressed, "{active}");
            assert!(suppressed == (release.up_bytes() == 0));
        }
    }
}

#[test]
fn one_account_above_a_quarter_of_a_direction_suppresses_in_coarse_mode_alone() {
    let total = 1_u64 << 40;
    for (largest, suppressed) in [(total / 4, false), (total / 4 + 1, true), (total, true)] {
        let of = sealed(50, total, largest);
        let release = coarse(&of);
        assert!(release.suppressed() == suppressed);
        assert!(suppressed == (release.down_bytes() == 0));
        assert!(!noisy(&of, &NOTHING, &mut Quiet(0)).suppressed());
    }
}

/// Draws whose samples are minus the scale: low part 0, high part 1, negative.
struct Falling(u64);
impl Randomness for Falling {
    fn next_word(&mut self) -> u64 {
        // The first exp(-1) lives through its second draw and fails at its third; the next fails.
        let word = [0, 0, 0, 1, 1, 1][usize::try_from(self.0 % 6).unwrap()];
        self.0 += 1;
        word
    }
}

#[test]
fn noise_comes_before_rounding_and_a_total_may_be_below_zero() {
    let (q, gib) = (1_i64 << 34, 1_i64 << 30);
    // 60 GiB less 50 GiB of noise are 10 GiB, nearest to one step of 16; rounded first it were 14.
    for (bytes, shown) in [(60 * gib, q), (0, -3 * q), (50 * gib, 0)] {
        let release = noisy(&sealed(1000, u64::try_from(bytes).unwrap(), 1), &NOTHING, &mut Falling(0));
        assert_eq!((release.up_bytes(), release.down_bytes()), (shown, shown), "{bytes}");
    }
    // The gate has noise of the same kind: 2 accounts less.
    assert!(noisy(&sealed(21, 1 << 40, 1), &NOTHING, &mut Falling(0)).suppressed());
    assert!(!noisy(&sealed(22, 1 << 40, 1), &NOTHING, &mut Falling(0)).suppressed());
}

#[test]
fn flag_counts_are_multiples_of_eight_and_never_below_zero() {
    let raised = FlagCounts { accounts: [0, 3, 4, 7, 8, 100], ..NOTHING };
    let of = |release: Release| release.irregular_accounts();
    let few = sealed(0, 0, 0);
    assert_eq!(of(noisy(&few, &raised, &mut Quiet(0))), [0, 0, 8, 8, 8, 104]);
    // Noise of minus 4: 8 becomes 4, which is nearest to 8, a half upwards.
    assert_eq!(of(noisy(&few, &raised, &mut Falling(0))), [0, 0, 0, 0, 8, 96]);
    assert_eq!(of(Release::coarse(1, &few, &raised, &COARSE, &mut Quiet(0))), [0, 0, 0, 0, 8, 96]);
}

#[test]
fn marks_of_the_node_and_failed_attempts_are_passed_on() {
    let raised = FlagCounts { mass_event: true, interrupted: false, failed_attempts: 65, ..NOTHING };
    let other = FlagCounts { mass_event: false, interrupted: true, failed_attempts: 1, ..NOTHING };
    let few = sealed(0, 0, 0);
    for make in [
        |of: &Sealed, raised: &FlagCounts| Release::coarse(1, of, raised, &COARSE, &mut Quiet(0)),
        |of: &Sealed, raised: &FlagCounts| noisy(of, raised, &mut Quiet(0)),
    ] {
        let (one, two) = (make(&few, &raised), make(&few, &other));
        assert!(one.mass_event() && !one.interrupted() && one.failed_attempts() == 128);
        assert!(!two.mass_event() && two.interrupted() && two.failed_attempts() == 64);
    }
}

#[test]
fn coarse_counts_are_powers_of_two_from_their_least() {
    for (count, from, shown) in
        [(0, 1024, 0), (1, 1024, 1024), (1024, 1024, 1024), (1025, 1024, 2048), (u64::MAX, 64, 1 << 63)]
    {
        assert_eq!(coarse_count(count, from), shown);
    }
}

#[test]
fn what_does_not_fit_a_metric_is_held_at_its_ends() {
    for step in [1, 8, 1 << 34, 1 << 62] {
        let most = i64::MAX - i64::try_from(step - 1).unwrap();
        for (value, shown) in [(i128::MAX, most), (i128::MIN, i64::MIN), (1 << 63, most), (0, 0)] {
            assert_eq!(rounded(value, step), shown, "{value} in steps of {step}");
        }
    }
}

#[test]
fn a_release_comes_back_from_its_words() {
    let release = Release {
        ordinal: 1,
        up_bytes: -2,
        down_bytes: 3,
        suppressed: true,
        unattributed_up_bytes: 4,
        unattributed_down_bytes: 5,
        lost_packets: 6,
        malformed_packets: 7,
        irregular_accounts: [8, 9, 10, 11, 12, 13],
        mass_event: true,
        interrupted: true,
        failed_attempts: 14,
    };
    assert!(Release::of_words(release.words()) == release);
}
