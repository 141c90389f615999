//! Confidence bounds of a probability from counted successes.

/// Logarithm of the gamma function, for arguments of at least 1.
///
/// # Source
/// Stirling's series, Abramowitz and Stegun 6.1.41, after shifting the argument above 10.
fn ln_gamma(x: f64) -> f64 {
    let (mut x, mut shift) = (x, 0.0);
    while x < 10.0 {
        shift -= x.ln();
        x += 1.0;
    }
    let y = 1.0 / (x * x);
    let series = (1.0 / 12.0 - y * (1.0 / 360.0 - y * (1.0 / 1260.0 - y / 1680.0))) / x;
    shift + (x - 0.5) * x.ln() - x + 0.5 * (2.0 * std::f64::consts::PI).ln() + series
}

/// The regularised incomplete beta function: P(a beta variable is at most `x`).
///
/// # Source
/// Abramowitz and Stegun 26.5.8, evaluated from the front (Lentz, 1976).
fn beta_distribution(a: f64, b: f64, x: f64) -> f64 {
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - beta_distribution(b, a, 1.0 - x);
    }
    let front = ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * x.ln() + b * (1.0 - x).ln();
    let away = |value: f64| if value.abs() < 1e-300 { 1e-300 } else { value };
    let (mut fraction, mut c, mut d) = (1.0, 1.0, 1.0 / away(1.0 - (a + b) * x / (a + 1.0)));
    fraction *= d;
    for step in 1..100_000 {
        let m = f64::from(step);
        for term in [
            m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0)),
        ] {
            d = 1.0 / away(1.0 + term * d);
            c = away(1.0 + term / c);
            fraction *= c * d;
        }
        if (c * d - 1.0).abs() < 1e-14 {
            break;
        }
    }
    front.exp() * fraction / a
}

/// The lower bound of a probability that fails with this probability (Clopper and Pearson, 1934).
pub(crate) fn lower(successes: u32, runs: u32, fails: f64) -> f64 {
    if successes == 0 {
        return 0.0;
    }
    let (a, b) = (f64::from(successes), f64::from(runs - successes) + 1.0);
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        if beta_distribution(a, b, middle) < fails { low = middle } else { high = middle }
    }
    low
}

/// The upper bound; see [`lower`].
pub(crate) fn upper(successes: u32, runs: u32, fails: f64) -> f64 {
    1.0 - lower(runs - successes, runs, fails)
}

/// Tables of Clopper and Pearson's interval, and the exact binomial tail at its ends.
#[test]
fn bounds_are_those_of_the_tables() {
    let near = |found: f64, known: f64| assert!((found - known).abs() < 5e-5, "{found} for {known}");
    near(lower(5, 10, 0.025), 0.1871);
    near(upper(5, 10, 0.025), 0.8129);
    near(upper(0, 10, 0.025), 0.3085);
    near(lower(10, 10, 0.025), 0.6915);
    near(lower(1, 50, 0.025), 0.0005);
    near(upper(1, 50, 0.025), 0.1065);
    // By the normal distribution, at a million runs.
    near(lower(500_000, 1_000_000, 0.0005), 0.5 - 3.2905 * 0.0005);
}
