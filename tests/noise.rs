//! The noise is the discrete Laplace distribution, exactly: sample by sample what another
//! implementation draws from the same words (`tests/noise/reference.py`), and in bulk what the closed
//! form says.

mod support;

use blindmeter::meter::noise::{Randomness, Scale, discrete_laplace, laplace_share};
use std::process::Command;
use support::rng::Rng;

/// A generator that counts how often it was asked.
struct Words {
    rng: Rng,
    taken: u64,
}

impl Words {
    fn of(seed: u64) -> Self {
        Self { rng: Rng::seeded(seed), taken: 0 }
    }
}

impl Randomness for Words {
    fn next_word(&mut self) -> u64 {
        self.taken += 1;
        self.rng.word()
    }
}

const VECTORS: &str = include_str!("noise/vectors.txt");

/// Every sample, and how many words they took together: a difference in either is another algorithm.
#[test]
fn samples_are_those_of_the_reference_word_by_word() {
    let mut lines = 0;
    for line in VECTORS.lines() {
        let fields: Vec<i128> = line.split(' ').map(|field| field.parse().expect("a number")).collect();
        let [numerator, denominator, seed, taken, samples @ ..] = fields.as_slice() else {
            panic!("a line has a scale, a seed and how many words were taken");
        };
        let scale = Scale::new(numerator.unsigned_abs(), denominator.unsigned_abs());
        let mut words = Words::of(u64::try_from(*seed).expect("a seed"));
        for (at, sample) in samples.iter().enumerate() {
            let found = discrete_laplace(&mut words, scale);
            assert_eq!(found, *sample, "sample {at} of scale {numerator}/{denominator}");
        }
        assert_eq!(i128::from(words.taken), *taken, "words taken at scale {numerator}/{denominator}");
        assert_eq!(samples.len(), 100);
        lines += 1;
    }
    assert_eq!(lines, 17);
}

#[test]
fn the_committed_vectors_are_what_the_reference_writes() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/noise/reference.py");
    let output = Command::new("python3").arg(script).output().expect("these tests need python3");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stdout == VECTORS.as_bytes(), "tests/noise/vectors.txt is not what the script writes");
}

/// P(X <= x) at this scale.
fn distribution(x: i128, scale: f64) -> f64 {
    let tail = |distance: i128| (-(distance as f64) / scale).exp() / (1.0 + (-1.0 / scale).exp());
    if x < 0 { tail(-x) } else { 1.0 - tail(x + 1) }
}

/// Chi-square of so many samples against the distribution of a scale, over at most forty bins that
/// are about equally likely; with the degrees of freedom.
fn chi_square(samples: &[i128], scale: f64) -> (f64, f64) {
    let mut edges: Vec<i128> = (1..20)
        .flat_map(|k| {
            #[expect(clippy::cast_possible_truncation, reason = "far below the ends")]
            let edge = (-scale * (f64::from(k) / 20.0).ln()).round() as i128;
            [-edge - 1, edge]
        })
        .collect();
    edges.sort_unstable();
    edges.dedup();
    let mut seen = vec![0_u32; edges.len() + 1];
    for sample in samples {
        seen[edges.partition_point(|edge| edge < sample)] += 1;
    }
    let (mut sum, mut bins, mut before) = (0.0, 0.0, 0.0);
    for (at, count) in seen.iter().enumerate() {
        let up_to = edges.get(at).map_or(1.0, |edge| distribution(*edge, scale));
        let expected = samples.len() as f64 * (up_to - before);
        before = up_to;
        sum += (f64::from(*count) - expected).powi(2) / expected;
        bins += 1.0;
    }
    (sum, bins - 1.0)
}

/// The 99.99 % quantile of chi-square (Wilson and Hilferty, 1931).
fn quantile(freedom: f64) -> f64 {
    let spread = 2.0 / (9.0 * freedom);
    freedom * (1.0 - spread + 3.719 * spread.sqrt()).powi(3)
}

fn samples(seed: u64, scale: Scale) -> Vec<i128> {
    let mut words = Words::of(seed);
    (0..100_000).map(|_| discrete_laplace(&mut words, scale)).collect()
}

#[test]
fn samples_follow_the_closed_form_at_whole_and_rational_scales() {
    let scales =
        [(1, 1), (2, 1), (4, 1), (48, 1), (1, 2), (3, 2), (22, 7), (12_884_901_888_000, 7), (1 << 90, 3)];
    for (seed, (numerator, denominator)) in (1..).zip(scales) {
        let drawn = samples(seed, Scale::new(numerator, denominator));
        let (found, freedom) = chi_square(&drawn, numerator as f64 / denominator as f64);
        assert!(found < quantile(freedom), "scale {numerator}/{denominator}: {found} at {freedom} degrees");
    }
}

/// The control of the test above: noise that is three hundredths too small or too large is refused.
#[test]
fn samples_of_another_scale_do_not_follow_it() {
    let drawn = samples(1, Scale::new(50 << 30, 1));
    for wrong in [0.97, 1.03] {
        let (found, freedom) = chi_square(&drawn, f64::from(50 << 20) * 1024.0 * wrong);
        assert!(found > quantile(freedom), "{found} at {freedom} degrees");
    }
}

fn sums_of_shares(seed: u64, scale: Scale, shares: u64, added: u64) -> Vec<i128> {
    let mut words = Words::of(seed);
    (0..50_000).map(|_| (0..added).map(|_| laplace_share(&mut words, scale, shares)).sum()).collect()
}

#[test]
fn as_many_shares_as_there_are_add_up_to_one_sample() {
    for (seed, (numerator, denominator, shares)) in
        (1..).zip([(1, 1, 3), (48, 1, 2), (22, 7, 20), (50 << 20, 1, 5), (12_884_901_888_000, 7, 20)])
    {
        let sums = sums_of_shares(seed, Scale::new(numerator, denominator), shares, shares);
        let (found, freedom) = chi_square(&sums, numerator as f64 / denominator as f64);
        let what = format!("{shares} shares of scale {numerator}/{denominator}");
        assert!(found < quantile(freedom), "{what}: {found} at {freedom} degrees");
    }
}

/// The control of the test above: a share that is missing, or one too many, is noticed.
#[test]
fn one_share_less_or_more_is_another_distribution() {
    for added in [4, 6] {
        let sums = sums_of_shares(1, Scale::new(50 << 20, 1), 5, added);
        let (found, freedom) = chi_square(&sums, f64::from(50 << 20));
        assert!(found > quantile(freedom), "{added} of 5: {found} at {freedom} degrees");
    }
}

/// The difference of two negative binomial numbers, whose distribution is computed term by term.
#[test]
fn a_share_alone_is_the_difference_of_two_negative_binomials() {
    const REACH: usize = 60;
    for (whole, shares) in [(2_u32, 3_u64), (5, 20), (1, 1)] {
        let scale = f64::from(whole);
        let (failing, form) = ((-1.0 / scale).exp(), 1.0 / shares as f64);
        let mut one = vec![(1.0 - failing).powf(form)];
        for k in 1..REACH * 4 {
            one.push(one[k - 1] * failing * (k as f64 - 1.0 + form) / k as f64);
        }
        let difference = |x: usize| -> f64 { one.iter().zip(&one[x..]).map(|(a, b)| a * b).sum() };
        let mut words = Words::of(shares);
        let whole = Scale::new(whole.into(), 1);
        let drawn: Vec<i128> = (0..200_000).map(|_| laplace_share(&mut words, whole, shares)).collect();
        let (mut sum, mut bins) = (0.0, 0.0);
        for x in 0..REACH {
            let expected = difference(x) * drawn.len() as f64;
            if expected < 20.0 {
                break;
            }
            for x in if x == 0 { vec![0] } else { vec![x as i128, -(x as i128)] } {
                let seen = drawn.iter().filter(|sample| **sample == x).count() as f64;
                sum += (seen - expected).powi(2) / expected;
                bins += 1.0;
            }
        }
        assert!(sum < quantile(bins), "{shares} shares of scale {scale}: {sum} at {bins} degrees");
    }
}
