//! A world that is lived through, scraped every 15 seconds by whoever reads a live exporter and by
//! whoever reads blindmeter. One day after the other: a view is handed on when its day was published.

use super::exporter::{Change, Peer, scrape_steps};
use super::node::{MIDNIGHT, Node, PUBLISHED_AFTER};
use super::views::{DayView, NodeChange};
use super::worlds::{AccountDay, DAY_SECONDS, STEP_SECONDS, STEPS, World};

/// A day: what was true of it, and what each scraper saw.
pub(crate) struct DayHistory {
    pub(crate) day: usize,
    pub(crate) truths: Vec<AccountDay>,
    pub(crate) exporter: DayView,
    pub(crate) blindmeter: DayView,
}

/// How often a node saves its state here: as often as by default.
const SAVE_EVERY_SECONDS: u64 = 300;

/// Lives through so many days; `moved` has every session at another time of its day. Noise is drawn
/// from `noise`. Gives the number of scrapes of blindmeter.
pub(crate) fn live(
    world: World,
    moved: bool,
    days: usize,
    noise: u64,
    mut each: impl FnMut(&DayHistory),
) -> usize {
    let mut node = Node::new(world.accounts, noise, Some(SAVE_EVERY_SECONDS));
    let mut peers = vec![Peer::default(); world.accounts];
    let mut waiting: Option<DayHistory> = None;
    let mut scrapes = 0;
    // The day of the start is never published.
    node.pass_until(MIDNIGHT + u64::from(DAY_SECONDS));
    for day in 0..days {
        let truth = |account| if moved { world.moved_day(account, day) } else { world.day(account, day) };
        let truths: Vec<AccountDay> = (0..world.accounts).map(truth).collect();
        let mut blindmeter = DayView::default();
        let mut next = vec![0; world.accounts];
        for step in 0..STEPS {
            count(&node, &truths, &mut next, step);
            node.pass(u64::from(STEP_SECONDS));
            scrape(&mut node, &mut blindmeter);
            scrapes += 1;
            if node.now() % u64::from(DAY_SECONDS) == PUBLISHED_AFTER + u64::from(STEP_SECONDS) {
                hand_on(&mut waiting, &node, &mut each);
            }
        }
        let changes =
            truths.iter().zip(&mut peers).map(|(truth, peer)| scrape_steps(peer, truth, day + 1, 0..STEPS));
        let exporter = exported(changes.collect());
        waiting = Some(DayHistory { day, truths, exporter, blindmeter });
    }
    node.pass(PUBLISHED_AFTER);
    node.pass(u64::from(STEP_SECONDS));
    node.scrape();
    hand_on(&mut waiting, &node, &mut each);
    scrapes
}

/// What every account moves in a step.
pub(crate) fn count(node: &Node, truths: &[AccountDay], next: &mut [usize], step: usize) {
    for (account, (truth, next)) in truths.iter().zip(next).enumerate() {
        if let Some(piece) = truth.moved.get(*next).filter(|piece| piece.step == step) {
            node.count(account, piece.up, piece.down);
            *next += 1;
        }
    }
}

/// Scrapes blindmeter, and adds what changed to the view.
fn scrape(node: &mut Node, view: &mut DayView) {
    let Some(before) = node.scrape() else {
        view.node.push(NodeChange::default());
        view.accounts.iter_mut().for_each(|changes| changes.push(Change::default()));
        return;
    };
    let (step, page) = (view.node.len(), node.page());
    let change = |way: usize| page.released()[way] - before.released()[way];
    let (up, down) = (change(0), change(1));
    let rest = page.sum() - before.sum() - up - down;
    view.node.push(NodeChange { up, down, rest, page: true });
    for (account, now) in page.accounts(node.accounts()).into_iter().enumerate() {
        if view.accounts.len() <= account {
            view.accounts.push(vec![Change::default(); step]);
        }
        let was = before.of_account(account).unwrap_or(now);
        view.accounts[account].push(Change { up: now[0] - was[0], down: now[1] - was[1], handshake: 0.0 });
    }
}

/// A live exporter's view, of the changes of each of its peers: who reads it adds them up.
fn exported(accounts: Vec<Vec<Change>>) -> DayView {
    let mut node = vec![NodeChange::default(); STEPS];
    for changes in &accounts {
        for (sum, change) in node.iter_mut().zip(changes) {
            sum.up += change.up;
            sum.down += change.down;
            sum.rest += change.handshake;
            sum.page |= change.up + change.down > 0.0;
        }
    }
    let all = |side: fn(&NodeChange) -> f64| node.iter().map(side).sum();
    let published = [all(|sum| sum.up), all(|sum| sum.down)];
    DayView { accounts, node, published }
}

/// The day before was published by now.
fn hand_on(waiting: &mut Option<DayHistory>, node: &Node, each: &mut impl FnMut(&DayHistory)) {
    if let Some(mut history) = waiting.take() {
        history.blindmeter.published = node.page().released();
        each(&history);
    }
}
