//! The attack library: three learners that are fitted on some worlds and score samples of others.
//!
//! They see rows of numbers and know nothing of where those come from: the same code attacks the live
//! exporter and blindmeter. Deterministic: the same rows give the same scores.

mod boosted;
mod logistic;
mod threshold;

use boosted::Boosted;
use logistic::Logistic;
use threshold::Threshold;

/// Samples to learn from: rows of equal length, and the answer to each.
#[derive(Default)]
pub(crate) struct Lesson {
    pub(crate) rows: Vec<Vec<f64>>,
    pub(crate) answers: Vec<bool>,
}

impl Lesson {
    pub(crate) fn add(&mut self, row: Vec<f64>, answer: bool) {
        self.rows.push(row);
        self.answers.push(answer);
    }

    fn width(&self) -> usize {
        self.rows.first().map_or(0, Vec::len)
    }
}

/// A kind of attack.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Attack {
    /// The one number that tells the most, and which way.
    Threshold,
    /// Ridge logistic regression.
    Logistic,
    /// Boosted trees.
    Boosted,
}

pub(crate) const ATTACKS: [Attack; 3] = [Attack::Threshold, Attack::Logistic, Attack::Boosted];

impl Attack {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Threshold => "threshold",
            Self::Logistic => "logistic regression",
            Self::Boosted => "boosted trees",
        }
    }

    pub(crate) fn learn(self, lesson: &Lesson) -> Learned {
        match self {
            Self::Threshold => Learned::Threshold(Threshold::learn(lesson)),
            Self::Logistic => Learned::Logistic(Logistic::learn(lesson)),
            Self::Boosted => Learned::Boosted(Boosted::learn(lesson)),
        }
    }
}

/// An attack that was fitted.
pub(crate) enum Learned {
    Threshold(Threshold),
    Logistic(Logistic),
    Boosted(Boosted),
}

impl Learned {
    /// The higher, the likelier the answer is yes.
    pub(crate) fn score(&self, row: &[f64]) -> f64 {
        match self {
            Self::Threshold(learned) => learned.score(row),
            Self::Logistic(learned) => learned.score(row),
            Self::Boosted(learned) => learned.score(row),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::statistics::{Scored, auc};
    use super::*;
    use crate::support::rng::Rng;

    /// Rows of a rule: what each attack reaches on rows that it has not seen.
    fn reached(attack: Attack, rule: impl Fn(&[f64], &mut Rng) -> bool) -> f64 {
        let mut rng = Rng::of(&[7]);
        let mut draw = |count: usize| {
            let mut lesson = Lesson::default();
            for _ in 0..count {
                let row: Vec<f64> = (0..6).map(|_| rng.uniform(-1.0, 1.0)).collect();
                let answer = rule(&row, &mut rng);
                lesson.add(row, answer);
            }
            lesson
        };
        let learned = attack.learn(&draw(6_000));
        let test = draw(6_000);
        let scored = test.rows.iter().zip(&test.answers).enumerate().map(|(cluster, (row, answer))| Scored {
            score: learned.score(row),
            positive: *answer,
            cluster,
        });
        auc(&scored.collect::<Vec<_>>()).value
    }

    #[test]
    fn each_attack_finds_what_is_there_for_it() {
        let logit = |sum: f64, rng: &mut Rng| rng.share() < 1.0 / (1.0 + (-4.0 * sum).exp());
        for attack in ATTACKS {
            let one = reached(attack, |row, _| row[3] < 0.2);
            assert!(one > 0.995, "{}: one number {one}", attack.word());
        }
        for attack in [Attack::Logistic, Attack::Boosted] {
            let sum = reached(attack, |row, rng| logit(row[0] + row[1] - row[2], rng));
            assert!(sum > 0.93, "{}: a sum {sum}", attack.word());
        }
        let product = reached(Attack::Boosted, |row, rng| logit(3.0 * row[4] * row[5], rng));
        assert!(product > 0.90, "a product {product}");
    }

    #[test]
    fn no_attack_finds_what_is_not_there() {
        for attack in ATTACKS {
            let chance = reached(attack, |_, rng| rng.chance(0.3));
            assert!((0.47..0.53).contains(&chance), "{}: {chance}", attack.word());
        }
    }
}
