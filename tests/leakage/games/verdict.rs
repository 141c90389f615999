//! When a figure passes.
//!
//! In the full form the whole interval must lie within the goal: the run has shown it. In the short
//! form, whose samples are few, a figure fails where the whole interval, widened, lies beyond the goal:
//! the run has shown a leak. The row says which it was. A control must score with its figure itself, in
//! both.

use super::report::{Control, Figure, Form};
use super::statistics::Estimate;

/// What a figure must be.
#[derive(Clone, Copy)]
pub(crate) enum Goal {
    AtMost(f64),
    Between(f64, f64),
}

/// By how much the short form widens a 95 % interval before it judges, since every commit has another
/// seed: a run estimates some 120 figures (strata, attacks, volumes), and with intervals of 4.4 standard
/// errors chance fails one run in a thousand.
const WIDENED: f64 = 2.25;

impl Goal {
    /// What is asked, and how this form judges it.
    pub(crate) fn text(self, form: Form) -> String {
        let goal = match self {
            Self::AtMost(most) => format!("at most {most:.4}"),
            Self::Between(least, most) => format!("{least} to {most}"),
        };
        match form {
            Form::Full => goal,
            Form::Short => format!("{goal} in the full form; here not beyond it by {WIDENED} intervals"),
        }
    }

    pub(crate) fn holds(self, figure: &Estimate, form: Form) -> bool {
        let (least, most) = match self {
            Self::AtMost(most) => (f64::NEG_INFINITY, most),
            Self::Between(least, most) => (least, most),
        };
        let wide = |end: f64| figure.value + WIDENED * (end - figure.value);
        match form {
            Form::Short => wide(figure.low) <= most && wide(figure.high) >= least,
            Form::Full => figure.high <= most && figure.low >= least,
        }
    }
}

pub(crate) fn figure(estimate: &Estimate, interval: &str) -> Figure {
    let interval = if estimate.low == estimate.high { "exact" } else { interval };
    Figure { value: estimate.value, low: estimate.low, high: estimate.high, interval: interval.to_owned() }
}

/// A control that has to reach this.
pub(crate) fn control(what: &str, estimate: &Estimate, interval: &str, least: f64) -> Control {
    Control {
        what: what.to_owned(),
        figure: figure(estimate, interval),
        goal: format!("at least {least}"),
        scores: estimate.value >= least,
    }
}

/// The highest of some figures, and which it is.
pub(crate) fn worst<T: Copy>(figures: &[(T, Estimate)]) -> (T, Estimate) {
    let highest = figures.iter().max_by(|left, right| left.1.value.total_cmp(&right.1.value));
    *highest.expect("there are figures")
}

#[test]
fn a_figure_passes_as_its_form_asks() {
    let estimate = |low, high| Estimate { value: (low + high) / 2.0, low, high };
    let goal = Goal::Between(0.49, 0.51);
    assert!(
        goal.holds(&estimate(0.495, 0.505), Form::Full) && !goal.holds(&estimate(0.48, 0.505), Form::Full)
    );
    // Wholly beyond, and by more than a widened interval.
    let short = |low, high| goal.holds(&estimate(low, high), Form::Short);
    assert!(short(0.40, 0.60) && short(0.52, 0.60) && !short(0.60, 0.64));
    assert!(!Goal::AtMost(0.01).holds(&estimate(0.0, 0.02), Form::Full));
    assert!(!Goal::AtMost(0.01).holds(&estimate(0.03, 0.04), Form::Short));
}
