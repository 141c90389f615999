//! The simplest attack: the one number that ranks the answers best, upwards or downwards.

use super::super::statistics::{Scored, auc};
use super::Lesson;

/// Which number, and whether a low one means yes.
pub(crate) struct Threshold {
    column: usize,
    falls: bool,
}

impl Threshold {
    pub(super) fn learn(lesson: &Lesson) -> Self {
        let areas = (0..lesson.width()).map(|column| {
            let scored = lesson.rows.iter().zip(&lesson.answers).enumerate();
            let scored = scored.map(|(cluster, (row, answer))| Scored {
                score: row[column],
                positive: *answer,
                cluster,
            });
            (column, auc(&scored.collect::<Vec<_>>()).value)
        });
        let (column, area) = areas
            .max_by(|left, right| (left.1 - 0.5).abs().total_cmp(&(right.1 - 0.5).abs()))
            .expect("rows have numbers");
        Self { column, falls: area < 0.5 }
    }

    pub(super) fn score(&self, row: &[f64]) -> f64 {
        if self.falls { -row[self.column] } else { row[self.column] }
    }
}
