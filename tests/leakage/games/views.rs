//! What a scraper sees of one day, from a live exporter or from blindmeter, in one form; and the
//! numbers that the attacks work on. Nothing of the truth is in it.

use super::exporter::Change;
use super::worlds::{STEP_SECONDS, STEPS};

/// From one scrape to the next, what changed of the whole node.
#[derive(Clone, Copy, Default)]
pub(crate) struct NodeChange {
    pub(crate) up: f64,
    pub(crate) down: f64,
    /// Sum over every other series of the page.
    pub(crate) rest: f64,
    /// The page differs in any byte.
    pub(crate) page: bool,
}

/// A day of scrapes.
#[derive(Clone, Default)]
pub(crate) struct DayView {
    /// By account, where the target has series of accounts; else empty.
    pub(crate) accounts: Vec<Vec<Change>>,
    pub(crate) node: Vec<NodeChange>,
    /// What the target says of the whole day once it is over: bytes up and down.
    pub(crate) published: [f64; 2],
}

/// Windows of steps around a moment, first and last.
const WINDOWS: [(isize, isize); 7] = [(-20, -5), (-4, -2), (-1, -1), (0, 0), (1, 1), (2, 4), (5, 20)];

/// The one at the moment itself.
const HERE: (isize, isize) = (0, 0);

/// The nearest windows, for what happens seldom.
const NEAR: (isize, isize) = (-4, 4);

/// Quarters of an hour of a day.
pub(crate) const QUARTERS: usize = 96;

/// Sums over steps, so that a window costs two look-ups.
struct Sums(Vec<f64>);

impl Sums {
    fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut sum = 0.0;
        let mut sums = vec![0.0];
        sums.extend(values.map(|value| {
            sum += value;
            sum
        }));
        Self(sums)
    }

    fn over(&self, step: usize, (first, last): (isize, isize)) -> f64 {
        let at = |offset: isize| step.saturating_add_signed(offset).min(self.0.len() - 1);
        self.0[at(last + 1)] - self.0[at(first)]
    }
}

/// A sum of bytes on a scale on which a keepalive and a film both show; changes may be negative.
fn scaled(bytes: f64) -> f64 {
    bytes.signum() * bytes.abs().ln_1p()
}

/// What an attack may look at around each step of one account's day.
pub(crate) struct Looks {
    account: Option<[Sums; 3]>,
    node: Option<[Sums; 4]>,
    published: [f64; 2],
}

impl Looks {
    /// Of a target's view; a target without series of accounts shows the node alone.
    pub(crate) fn of(view: &DayView, account: usize) -> Self {
        let changes = view.accounts.get(account).map(|changes| {
            [
                Sums::of(changes.iter().map(|change| change.up)),
                Sums::of(changes.iter().map(|change| change.down)),
                Sums::of(changes.iter().map(|change| change.handshake)),
            ]
        });
        let node = [
            Sums::of(view.node.iter().map(|change| change.up)),
            Sums::of(view.node.iter().map(|change| change.down)),
            Sums::of(view.node.iter().map(|change| change.rest)),
            Sums::of(view.node.iter().map(|change| f64::from(u8::from(change.page)))),
        ];
        Self { account: changes, node: Some(node), published: view.published }
    }

    /// Of no target: what an attack has that sees no metrics.
    pub(crate) fn of_nothing() -> Self {
        Self { account: None, node: None, published: [0.0; 2] }
    }

    /// The numbers of one step: the hour, with what is known of it beforehand, then what the scrapes
    /// around it show.
    pub(crate) fn row(&self, step: usize, prior: &[f64; QUARTERS]) -> Vec<f64> {
        let turn = std::f64::consts::TAU * step as f64 / STEPS as f64;
        let mut row =
            vec![prior[quarter(step)], turn.sin(), turn.cos(), (2.0 * turn).sin(), (2.0 * turn).cos()];
        let over = |sums: Option<&Sums>, window| sums.map_or(0.0, |sums| sums.over(step, window));
        let account = |at: usize| self.account.as_ref().map(|sums| &sums[at]);
        let node = |at: usize| self.node.as_ref().map(|sums| &sums[at]);
        for window in WINDOWS {
            row.push(scaled(over(account(0), window) + over(account(1), window)));
            row.push(scaled(over(node(0), window) + over(node(1), window)));
        }
        row.push(scaled(over(account(0), HERE)));
        row.push(over(account(2), NEAR));
        row.push(scaled(over(node(2), NEAR)));
        row.push(over(node(3), NEAR));
        row.extend(self.published.map(scaled));
        row
    }
}

/// The quarter of an hour that a step lies in.
pub(crate) fn quarter(step: usize) -> usize {
    (step * QUARTERS / STEPS).min(QUARTERS - 1)
}

/// The step that a second of the day lies in.
pub(crate) fn step_of(second: u32) -> usize {
    (second / STEP_SECONDS) as usize
}
