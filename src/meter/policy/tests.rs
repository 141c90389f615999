//! Floors, shares of the budget, and the digest.

use super::*;

const STANDARD: Policy = Policy { profile: Profile::Standard, flags: None, ..Policy::DEFAULT };

#[test]
fn a_policy_below_a_floor_is_refused() {
    let broken = |policy: Policy| policy.checked().err();
    assert!(broken(STANDARD).is_none());
    assert!(broken(Policy { epoch_seconds: 3599, ..STANDARD }) == Some(PolicyError::Epoch));
    assert!(broken(Policy { crowd: 9, ..STANDARD }) == Some(PolicyError::Crowd));
    assert!(broken(Policy { refresh_seconds: 6 * DAY_SECONDS, ..STANDARD }) == Some(PolicyError::Refresh));
    assert!(broken(Policy { period_seconds: 36 * DAY_SECONDS, ..STANDARD }) == Some(PolicyError::Period));
    assert!(broken(Policy { period_seconds: 3600, ..STANDARD }) == Some(PolicyError::Period));
    assert!(broken(Policy { link_bits_per_second: 0, ..STANDARD }) == Some(PolicyError::Link));
}

fn noisy(epsilon: &str, clamp_bytes: u64) -> Policy {
    let epsilon = Epsilon::of_decimal(epsilon).unwrap();
    Policy { mode: Mode::Noisy(Noise { epsilon, clamp_bytes }), ..STANDARD }
}

#[test]
fn noise_that_is_too_small_or_cannot_be_computed_is_refused() {
    let broken = |policy: Policy| policy.checked().err();
    assert!(broken(noisy("0.000000001", 1)).is_none());
    assert!(broken(noisy("1.000000001", 1)) == Some(PolicyError::Epsilon));
    assert!(broken(Policy { profile: Profile::Lab, ..noisy("28800", 1) }).is_none());
    assert!(broken(noisy("1", 0)) == Some(PolicyError::Clamp));
    assert!(broken(noisy("1", CLAMP_CEILING)).is_none());
    assert!(broken(noisy("1", CLAMP_CEILING + 1)) == Some(PolicyError::Clamp));
    assert!(broken(noisy("0.000976563", CLAMP_CEILING)).is_none());
    assert!(broken(noisy("0.000976562", CLAMP_CEILING)) == Some(PolicyError::Noise));
    // The largest scale that passes at all is far below what the sampler takes.
    let largest = Policy { profile: Profile::Lab, epoch_seconds: 1, ..noisy("84.375000001", CLAMP_CEILING) };
    let scale = largest.checked().ok().and_then(|policy| policy.byte_scale()).unwrap();
    assert!(scale.numerator() < Scale::CEILING >> 15);
}

#[test]
fn the_scales_are_those_of_a_share_of_the_day() {
    let scale = |policy: Policy| {
        let scale = policy.byte_scale().unwrap();
        (scale.numerator(), scale.denominator())
    };
    let gib = |count: u128| count << 30;
    assert_eq!(scale(STANDARD), (gib(50), 1));
    assert_eq!(scale(Policy { epoch_seconds: 3600, ..STANDARD }), (gib(50 * 24), 1));
    assert_eq!(scale(Policy { epoch_seconds: 3600, ..noisy("0.7", 1 << 20) }), (240 << 20, 7));
    assert_eq!(scale(Policy { epoch_seconds: 2 * DAY_SECONDS, ..STANDARD }), (gib(100), 1));
    for (epoch_seconds, mode, shares) in
        [(DAY_SECONDS, STANDARD.mode, 1), (3600, STANDARD.mode, 24), (3600, Mode::Coarse, 1)]
    {
        let policy = Policy { epoch_seconds, mode, ..STANDARD };
        assert!(policy.gate_scale() == Scale::new(10 * shares, 3));
        assert!(policy.interruption_scale() == Scale::new(10 * shares, 1));
        let is_noisy = mode != Mode::Coarse;
        assert!(policy.flag_scale() == is_noisy.then(|| Scale::new(5 * shares, 1)));
    }
    let lab = Policy { profile: Profile::Lab, epoch_seconds: 5, ..STANDARD };
    assert!(lab.gate_scale() == Scale::new(10, 3));
    assert_eq!(scale(lab), (gib(50 * 17_280), 1));
}

#[test]
fn the_noise_of_a_node_series_is_twenty_times_the_influence_of_a_day() {
    for series in NodeSeries::ALL {
        let influence = u128::from(series.influence());
        let scale = |policy: Policy| policy.node_scale(series);
        assert!(scale(STANDARD) == Some(Scale::new(20 * influence, 1)));
        let hourly = Policy { epoch_seconds: 3600, ..STANDARD };
        assert!(scale(hourly) == Some(Scale::new(24 * 20 * influence, 1)));
        let longer = Policy { epoch_seconds: 7 * DAY_SECONDS, ..STANDARD };
        assert!(scale(longer) == Some(Scale::new(2 * 20 * influence, 1)));
        assert!(scale(Policy { mode: Mode::Coarse, ..STANDARD }).is_none());
    }
    let steps = NodeSeries::ALL.map(|series| STANDARD.node_step(series));
    assert_eq!(steps, [64, 1 << 20, 1 << 16, 1 << 34]);
}

#[test]
fn the_noise_of_flag_counts_is_told_where_it_is_drawn() {
    let flags = |policy: Policy| policy.node_noise()[1];
    assert_eq!(flags(STANDARD), ("irregular_accounts", 0));
    assert_eq!(flags(Policy { flags: Some(Flagging::DEFAULT), ..STANDARD }), ("irregular_accounts", 7));
    let coarse = Policy { flags: Some(Flagging::DEFAULT), mode: Mode::Coarse, ..STANDARD };
    assert!(coarse.node_noise().iter().all(|(_, stddev)| *stddev == 0));
}

#[test]
fn the_rounding_step_is_the_power_of_two_above_a_thousandth_of_the_link() {
    // 1 Gbit/s over a day is 10.8e12 bytes; a thousandth is 10.8e9; the power above is 2^34.
    assert_eq!(STANDARD.rounding_step(), 1 << 34);
    assert_eq!(Policy { link_bits_per_second: 100_000_000, ..STANDARD }.rounding_step(), 1 << 31);
    assert_eq!(Policy { link_bits_per_second: 1, epoch_seconds: 1, ..STANDARD }.rounding_step(), 1);
}

#[test]
fn every_parameter_changes_the_digest() {
    let digest = STANDARD.digest();
    assert_eq!(digest.len(), 16);
    for other in [
        Policy { profile: Profile::Demo, ..STANDARD },
        Policy { epoch_seconds: 3600, ..STANDARD },
        Policy { crowd: 21, ..STANDARD },
        Policy { link_bits_per_second: 2, ..STANDARD },
        Policy { refresh_seconds: 8 * DAY_SECONDS, ..STANDARD },
        Policy { period_seconds: 27 * DAY_SECONDS, ..STANDARD },
        Policy { mode: Mode::Coarse, ..STANDARD },
        Policy { flags: Some(Flagging::DEFAULT), ..STANDARD },
        noisy("0.999999999", 50 << 30),
        noisy("1.0", (50 << 30) - 1),
    ] {
        assert_ne!(other.digest(), digest);
    }
}
