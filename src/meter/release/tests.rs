//! The gate, the noise, the rounding and the counts of the node, with draws that are known.

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

const NOISY: Policy = Policy { profile: Profile::Standard, flags: None, ..Policy::DEFAULT };
const COARSE: Policy = Policy { mode: Mode::Coarse, ..NOISY };
/// The policies once flags are raised.
const FLAGGING: Policy = Policy { flags: Some(Flagging::DEFAULT), ..NOISY };
const COARSE_FLAGGING: Policy = Policy { flags: Some(Flagging::DEFAULT), ..COARSE };
const NOTHING: FlagCounts = FlagCounts { accounts: [0; KINDS.len()], interruption: 0, failed_attempts: 0 };

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
    under(&NOISY, sealed, raised, randomness)
}

fn under(policy: &Policy, sealed: &Sealed, raised: &FlagCounts, randomness: &mut impl Randomness) -> Release {
    match policy.byte_scale() {
        Some(scale) => Release::noisy(3, sealed, raised, (policy, scale), randomness),
        None => Release::coarse(3, sealed, raised, policy, randomness),
    }
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
    // The gate has noise of the same kind: a scale of 10/3 makes it 3 accounts less.
    assert!(noisy(&sealed(22, 1 << 40, 1), &NOTHING, &mut Falling(0)).suppressed());
    assert!(!noisy(&sealed(23, 1 << 40, 1), &NOTHING, &mut Falling(0)).suppressed());
}

#[test]
fn flag_counts_are_multiples_of_eight_and_never_below_zero() {
    let raised = FlagCounts { accounts: [0, 3, 4, 7, 12, 8, 100], ..NOTHING };
    let of = |release: Release| release.irregular_accounts();
    let few = sealed(0, 0, 0);
    assert_eq!(of(under(&FLAGGING, &few, &raised, &mut Quiet(0))), [0, 0, 8, 8, 16, 8, 104]);
    // Noise of minus 5: 9 becomes 4, which is nearest to 8, a half upwards.
    let raised = FlagCounts { accounts: [0, 3, 4, 8, 17, 9, 100], ..NOTHING };
    assert_eq!(of(under(&FLAGGING, &few, &raised, &mut Falling(0))), [0, 0, 0, 0, 16, 8, 96]);
    assert_eq!(of(under(&COARSE_FLAGGING, &few, &raised, &mut Quiet(0))), [0, 0, 0, 8, 16, 8, 96]);
}

/// Counts its draws.
struct Counted(u64);
impl Randomness for Counted {
    fn next_word(&mut self) -> u64 {
        self.0 += 1;
        Quiet(self.0 - 1).next_word()
    }
}

#[test]
fn where_flags_are_off_nothing_is_shown_or_drawn_for_them() {
    let raised = FlagCounts { accounts: [1000; KINDS.len()], interruption: 1000, ..NOTHING };
    for (off, on) in [(NOISY, FLAGGING), (COARSE, COARSE_FLAGGING)] {
        let draws = |policy: &Policy, raised: &FlagCounts| {
            let mut counted = Counted(0);
            let release = under(policy, &sealed(100, 0, 0), raised, &mut counted);
            (release, counted.0)
        };
        let (release, drawn) = draws(&off, &raised);
        assert!(release == draws(&off, &NOTHING).0);
        assert!(release.irregular_accounts() == [0; KINDS.len()]);
        assert!(!release.mass_event() && !release.interrupted());
        let (release, drawn_with_flags) = draws(&on, &raised);
        assert!(release.mass_event() && release.interrupted() && drawn_with_flags > drawn);
    }
}

#[test]
fn a_mass_event_is_told_from_what_is_released_alone() {
    let of = |policy: &Policy, accounts, account_slots| {
        let raised = FlagCounts { accounts, ..NOTHING };
        let sealed = Sealed { account_slots, ..sealed(100, 0, 0) };
        under(policy, &sealed, &raised, &mut Quiet(0)).mass_event()
    };
    // Thirteen scales of 5 are 65, and 72 is the next multiple of 8 above them.
    for (accounts, account_slots, expected) in [
        ([0, 32, 0, 0, 0, 32, 0], 100, false),
        ([0, 40, 0, 0, 0, 32, 0], 100, true),
        // Kinds that are no reason to contact anybody do not count.
        ([800, 0, 0, 800, 800, 0, 0], 100, false),
        // Above a fiftieth of the slots.
        ([0, 96, 0, 0, 0, 0, 0], 4800, false),
        ([0, 96, 0, 0, 0, 0, 0], 4799, true),
    ] {
        assert!(of(&FLAGGING, accounts, account_slots) == expected, "{accounts:?}");
    }
    assert!(!of(&COARSE_FLAGGING, [0, 7, 0, 0, 0, 0, 0], 40));
    assert!(of(&COARSE_FLAGGING, [0, 8, 0, 0, 0, 0, 0], 40));
}

#[test]
fn a_gap_is_told_whether_the_crowd_is_large_enough_or_not() {
    for active in [0, 1000] {
        for tap_gap in [false, true] {
            let of = Sealed { tap_gap, ..sealed(active, 1 << 40, 1) };
            assert!(
                coarse(&of).tap_gap() == tap_gap && noisy(&of, &NOTHING, &mut Quiet(0)).tap_gap() == tap_gap
            );
        }
    }
}

#[test]
fn an_interruption_is_above_seven_scales_of_noise() {
    for (interruption, quiet, falling) in [(70, false, false), (71, true, false), (81, true, true)] {
        let raised = FlagCounts { interruption, ..NOTHING };
        for policy in [FLAGGING, COARSE_FLAGGING] {
            let few = sealed(0, 0, 0);
            assert!(under(&policy, &few, &raised, &mut Quiet(0)).interrupted() == quiet, "{interruption}");
            assert!(under(&policy, &few, &raised, &mut Falling(0)).interrupted() == falling);
        }
    }
}

/// Bytes up and down, lost and malformed packets, failed attempts.
fn node_counts(policy: &Policy, counts: [u64; 5], randomness: &mut impl Randomness) -> [i64; 5] {
    let [up, down, lost, malformed, failed_attempts] = counts;
    let bytes = |bytes| Volume { bytes, packets: 1 };
    let packets = |packets| Totals { up: Volume { bytes: 1, packets }, down: Volume::default() };
    let sealed = Sealed {
        unattributed: Totals { up: bytes(up), down: bytes(down) },
        lost: packets(lost),
        malformed: packets(malformed),
        // The gate holds the totals back, and nothing of these.
        ..sealed(0, 0, 0)
    };
    let release = under(policy, &sealed, &FlagCounts { failed_attempts, ..NOTHING }, randomness);
    assert!(release.suppressed());
    [
        release.unattributed_up_bytes(),
        release.unattributed_down_bytes(),
        release.lost_packets(),
        release.malformed_packets(),
        release.failed_attempts(),
    ]
}

#[test]
fn counts_of_the_node_have_noise_and_then_are_rounded() {
    let (q, gib) = (1 << 34, 1 << 30);
    let counts = [30 * gib, gib / 2, 3 << 19, (5 << 15) - 1, 96];
    let quiet = node_counts(&NOISY, counts, &mut Quiet(0));
    assert_eq!(quiet, [2 * q, 0, 2 << 20, 2 << 16, 128]);
    // Twenty times the influence less: 20 GiB, 20 x 2^20, 20 x 2^16 and 1,280.
    let falling = node_counts(&NOISY, counts, &mut Falling(0));
    assert_eq!(falling, [q, -q, -18 << 20, -18 << 16, 128 - 1280]);
    assert_eq!(node_counts(&NOISY, [0; 5], &mut Quiet(0)), [0; 5]);
}

#[test]
fn counts_of_the_node_are_rounded_down_in_coarse_mode() {
    let q = 1_u64 << 34;
    let below = [2 * q - 1, q - 1, (1 << 20) - 1, (1 << 16) - 1, 63];
    assert_eq!(node_counts(&COARSE, [1; 5], &mut Quiet(0)), [0; 5]);
    assert_eq!(node_counts(&COARSE, below, &mut Quiet(0)), [1 << 34, 0, 0, 0, 0]);
    // Of what comes down to nobody only a gibibyte is looked at, less than a step.
    let at = [2 * q, 2 * q, 1 << 20, 1 << 16, 64];
    assert_eq!(node_counts(&COARSE, at, &mut Quiet(0)), [2 << 34, 0, 1 << 20, 1 << 16, 64]);
    let [up, down, rest @ ..] = node_counts(&COARSE, [u64::MAX; 5], &mut Quiet(0));
    assert_eq!(down, 0);
    assert!([up].iter().chain(&rest).all(|count| *count > i64::MAX - (2 << 34)), "{up} {rest:?}");
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
        unattributed_up_bytes: -4,
        unattributed_down_bytes: 5,
        lost_packets: -6,
        malformed_packets: -7,
        irregular_accounts: [8, 9, 10, 11, 14, 12, 13],
        mass_event: true,
        interrupted: true,
        tap_gap: true,
        failed_attempts: -14,
    };
    assert!(Release::of_words(release.words()) == release);
}
