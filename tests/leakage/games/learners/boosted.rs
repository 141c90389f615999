//! Gradient boosted trees for two answers: columns cut into bins, small trees on the gradient of the
//! logarithmic loss, Newton's value in each leaf.
//!
//! # Source
//! Friedman, "Greedy function approximation", Annals of Statistics 29 (2001); bins as in Chen and
//! Guestrin, "XGBoost", KDD 2016, section 3.3.

use super::Lesson;

const TREES: usize = 60;
const DEPTH: usize = 4;
const BINS: usize = 48;
const RATE: f64 = 0.15;

/// Added to the curvature of a leaf, so that small leaves say little.
const RIDGE: f64 = 1.0;

/// The least curvature on each side of a cut.
const LEAST: f64 = 4.0;

/// Trees of equal depth, and the score before the first.
pub(crate) struct Boosted {
    trees: Vec<Tree>,
    base: f64,
}

/// A full tree: nodes in order of their levels, then leaves. A node that is not cut sends all left.
struct Tree {
    cuts: Vec<Option<(usize, f64)>>,
    leaves: Vec<f64>,
}

impl Tree {
    fn leaf(&self, row: &[f64]) -> usize {
        let mut at = 0;
        for _ in 0..DEPTH {
            let right = self.cuts[at].is_some_and(|(column, edge)| row[column] > edge);
            at = 2 * at + 1 + usize::from(right);
        }
        at - self.cuts.len()
    }
}

/// The rows as numbers of bins, and the upper edges of the bins of each column.
struct Binned {
    edges: Vec<Vec<f64>>,
    /// One column after the other.
    bins: Vec<Vec<u8>>,
}

impl Binned {
    fn of(lesson: &Lesson) -> Self {
        let mut edges = Vec::new();
        let mut bins = Vec::new();
        for column in 0..lesson.width() {
            let mut values: Vec<f64> = lesson.rows.iter().map(|row| row[column]).collect();
            values.sort_unstable_by(f64::total_cmp);
            let cuts = (1..BINS).map(|bin| values[(bin * values.len() / BINS).min(values.len() - 1)]);
            let mut cuts: Vec<f64> = cuts.filter(|cut| *cut < values[values.len() - 1]).collect();
            // Columns that are mostly one value: the cut beside it must be there too.
            cuts.push(values[0]);
            cuts.sort_unstable_by(f64::total_cmp);
            cuts.dedup();
            bins.push(lesson.rows.iter().map(|row| bin_of(&cuts, row[column])).collect());
            edges.push(cuts);
        }
        Self { edges, bins }
    }
}

/// A value above an edge is in a later bin.
fn bin_of(edges: &[f64], value: f64) -> u8 {
    u8::try_from(edges.partition_point(|edge| *edge < value)).expect("fewer bins than 256")
}

impl Boosted {
    pub(super) fn learn(lesson: &Lesson) -> Self {
        let binned = Binned::of(lesson);
        let yes = lesson.answers.iter().filter(|answer| **answer).count() as f64;
        let share = (yes / lesson.answers.len() as f64).clamp(1e-6, 1.0 - 1e-6);
        let base = (share / (1.0 - share)).ln();
        let mut scores = vec![base; lesson.rows.len()];
        let mut trees = Vec::new();
        for _ in 0..TREES {
            let slopes: Vec<[f64; 2]> = scores
                .iter()
                .zip(&lesson.answers)
                .map(|(score, answer)| {
                    let p = 1.0 / (1.0 + (-score).exp());
                    [f64::from(u8::from(*answer)) - p, (p * (1.0 - p)).max(1e-9)]
                })
                .collect();
            let (tree, places) = grow(&binned, &slopes);
            scores.iter_mut().zip(places).for_each(|(score, leaf)| *score += tree.leaves[leaf]);
            trees.push(tree);
        }
        Self { trees, base }
    }

    pub(super) fn score(&self, row: &[f64]) -> f64 {
        self.trees.iter().map(|tree| tree.leaves[tree.leaf(row)]).sum::<f64>() + self.base
    }
}

/// Grows one tree; gives it, and the leaf of each row.
fn grow(binned: &Binned, slopes: &[[f64; 2]]) -> (Tree, Vec<usize>) {
    let mut cuts = Vec::new();
    let mut places = vec![0; slopes.len()];
    for level in 0..DEPTH {
        let nodes = 1 << level;
        let level_cuts = best_cuts(binned, slopes, &places, nodes);
        for (row, place) in places.iter_mut().enumerate() {
            let right =
                level_cuts[*place].is_some_and(|(column, bin)| usize::from(binned.bins[column][row]) > bin);
            *place = 2 * *place + usize::from(right);
        }
        cuts.extend(
            level_cuts.into_iter().map(|cut| cut.map(|(column, bin)| (column, binned.edges[column][bin]))),
        );
    }
    let mut sums = vec![[0.0; 2]; 1 << DEPTH];
    for (place, slope) in places.iter().zip(slopes) {
        sums[*place][0] += slope[0];
        sums[*place][1] += slope[1];
    }
    let leaves = sums.iter().map(|[slope, curve]| RATE * slope / (curve + RIDGE)).collect();
    (Tree { cuts, leaves }, places)
}

/// The best column and bin to cut each node of a level at; none where no cut gains anything.
fn best_cuts(
    binned: &Binned,
    slopes: &[[f64; 2]],
    places: &[usize],
    nodes: usize,
) -> Vec<Option<(usize, usize)>> {
    let gain = |[slope, curve]: [f64; 2]| slope * slope / (curve + RIDGE);
    let mut best = vec![(1e-6, None); nodes];
    for (column, bins) in binned.bins.iter().enumerate() {
        let width = binned.edges[column].len() + 1;
        let mut sums = vec![[0.0; 2]; nodes * width];
        for ((bin, place), slope) in bins.iter().zip(places).zip(slopes) {
            let sum = &mut sums[place * width + usize::from(*bin)];
            sum[0] += slope[0];
            sum[1] += slope[1];
        }
        for (node, best) in best.iter_mut().enumerate() {
            let sums = &sums[node * width..(node + 1) * width];
            let all = sums.iter().fold([0.0; 2], |all, sum| [all[0] + sum[0], all[1] + sum[1]]);
            let mut left = [0.0; 2];
            for (bin, sum) in sums[..width - 1].iter().enumerate() {
                left = [left[0] + sum[0], left[1] + sum[1]];
                let right = [all[0] - left[0], all[1] - left[1]];
                let gained = gain(left) + gain(right) - gain(all);
                if left[1] >= LEAST && right[1] >= LEAST && gained > best.0 {
                    *best = (gained, Some((column, bin)));
                }
            }
        }
    }
    best.into_iter().map(|(_, cut)| cut).collect()
}
