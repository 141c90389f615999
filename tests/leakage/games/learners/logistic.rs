//! Logistic regression with a ridge, fitted by Newton's steps.

use super::Lesson;

/// Newton's steps; the fit stands still after a handful.
const STEPS: usize = 12;

/// The ridge on standardised numbers: enough that a number that never changes, or two that are one,
/// do no harm.
const RIDGE: f64 = 1e-2;

/// Centre, spread and weight of each number, and the intercept.
pub(crate) struct Logistic {
    columns: Vec<[f64; 3]>,
    intercept: f64,
}

impl Logistic {
    pub(super) fn learn(lesson: &Lesson) -> Self {
        let mut columns: Vec<[f64; 3]> = (0..lesson.width()).map(|column| spread(lesson, column)).collect();
        let rows: Vec<Vec<f64>> = lesson.rows.iter().map(|row| standard(&columns, row)).collect();
        let mut weights = vec![0.0; columns.len() + 1];
        for _ in 0..STEPS {
            let step = newton(&rows, &lesson.answers, &weights);
            weights.iter_mut().zip(step).for_each(|(weight, by)| *weight += by);
        }
        columns.iter_mut().zip(&weights).for_each(|(column, weight)| column[2] = *weight);
        Self { columns, intercept: weights[weights.len() - 1] }
    }

    pub(super) fn score(&self, row: &[f64]) -> f64 {
        let sum =
            |((centre, spread), weight): ((f64, f64), f64), value: f64| (value - centre) / spread * weight;
        let terms = self.columns.iter().zip(row).map(|([c, s, w], value)| sum(((*c, *s), *w), *value));
        terms.sum::<f64>() + self.intercept
    }
}

/// Centre and spread of a column; a column that never changes has a spread of 1.
fn spread(lesson: &Lesson, column: usize) -> [f64; 3] {
    let count = lesson.rows.len() as f64;
    let centre = lesson.rows.iter().map(|row| row[column]).sum::<f64>() / count;
    let square = lesson.rows.iter().map(|row| (row[column] - centre).powi(2)).sum::<f64>() / count;
    [centre, if square > 1e-18 { square.sqrt() } else { 1.0 }, 0.0]
}

/// A row in units of the columns' spread, with a 1 for the intercept.
fn standard(columns: &[[f64; 3]], row: &[f64]) -> Vec<f64> {
    let values = columns.iter().zip(row).map(|([centre, spread, _], value)| (value - centre) / spread);
    values.chain([1.0]).collect()
}

/// The step that solves (X' W X + ridge) step = X' (answer - p) - ridge weights.
fn newton(rows: &[Vec<f64>], answers: &[bool], weights: &[f64]) -> Vec<f64> {
    let width = weights.len();
    let mut matrix = vec![vec![0.0; width]; width];
    let mut side: Vec<f64> = weights.iter().map(|weight| -RIDGE * weight).collect();
    for (row, answer) in rows.iter().zip(answers) {
        let sum: f64 = row.iter().zip(weights).map(|(value, weight)| value * weight).sum();
        let p = 1.0 / (1.0 + (-sum).exp());
        let (weight, left) = ((p * (1.0 - p)).max(1e-6), f64::from(u8::from(*answer)) - p);
        for at in 0..width {
            side[at] += left * row[at];
            for to in 0..=at {
                matrix[at][to] += weight * row[at] * row[to];
            }
        }
    }
    matrix.iter_mut().enumerate().for_each(|(at, line)| line[at] += RIDGE);
    solve(matrix, side)
}

/// Solves a symmetric positive definite system of which the lower half is given, by Cholesky.
fn solve(mut matrix: Vec<Vec<f64>>, mut side: Vec<f64>) -> Vec<f64> {
    let width = side.len();
    for at in 0..width {
        for to in 0..=at {
            let inner: f64 = (0..to).map(|k| matrix[at][k] * matrix[to][k]).sum();
            let left = matrix[at][to] - inner;
            matrix[at][to] = if at == to { left.max(1e-12).sqrt() } else { left / matrix[to][to] };
        }
    }
    for at in 0..width {
        let inner: f64 = (0..at).map(|k| matrix[at][k] * side[k]).sum();
        side[at] = (side[at] - inner) / matrix[at][at];
    }
    for at in (0..width).rev() {
        let inner: f64 = (at + 1..width).map(|k| matrix[k][at] * side[k]).sum();
        side[at] = (side[at] - inner) / matrix[at][at];
    }
    side
}
