//! Games G7 and G8: whoever watches the state directory, and whoever reads the log.
//!
//! Both look every second at two worlds that differ in the time of every session, inside its day, and
//! in nothing else. Every second at which anything differs is counted; and the attack of G2 is run on
//! what is seen. The controls are a database that writes an account's page when it moves bytes, and the
//! log of a WireGuard that is told to log its messages.
//! Meanwhile the disk is full for a while, so that failures are watched as well.

use super::boundaries::Sight;
use super::exporter::{Change, Peer, WRAPPING, scrape_steps};
use super::history::{DayHistory, count};
use super::minutes::{Samples, play as ask};
use super::node::{MIDNIGHT, Node};
use super::prior::{self, Of, Priors};
use super::regressions::{keep, kept};
use super::report::{Figure, Form, Row};
use super::sim::apart;
use super::sim::disk::Fault;
use super::statistics::Estimate;
use super::verdict::control;
use super::views::{DayView, NodeChange};
use super::worlds::{AccountDay, DAY_SECONDS, STEP_SECONDS, STEPS, STRATA, World};
use crate::support::rng::Rng;
use blake3::hash;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::thread;

const ACCOUNTS: usize = 50;

/// Its name among the regressions.
const GAME: &str = "watchers";

const PAGE_BYTES: usize = 4096;

/// Bytes of a line of a log.
const LINE_BYTES: f64 = 60.0;

/// What a second shows, as digests: of the directory, and of the log.
type Second = [[u8; 32]; 2];

/// One of two worlds, as both watchers saw it.
struct Watched {
    seconds: Vec<Second>,
    /// Seconds at which the directory or the log showed something.
    busy: [usize; 2],
    samples: [Samples; 2],
}

/// Pages of files, to tell which of them changed.
#[derive(Default)]
struct Pages(BTreeMap<PathBuf, Vec<[u8; 32]>>);

impl Pages {
    /// How many pages are others than before, of the files that have such names.
    fn changed(&mut self, node: &Node) -> usize {
        let mut changed = 0;
        for name in ["ledger.sealed", "ledger.sealed.chain", "ledger.sealed.new"] {
            let path = PathBuf::from("/state").join(name);
            let bytes = node.machine.environment.disk.bytes(&path).unwrap_or_default();
            let pages: Vec<[u8; 32]> = bytes.chunks(PAGE_BYTES).map(|page| *hash(page).as_bytes()).collect();
            let before = self.0.insert(path, pages.clone()).unwrap_or_default();
            changed += pages.iter().enumerate().filter(|(at, page)| before.get(*at) != Some(page)).count();
        }
        changed
    }
}

/// Watches a world for so many days. Both worlds of a pair have the same noise and nonces.
fn watch(world: World, second: bool, days: usize, online: &Priors) -> Watched {
    apart(|log| {
        let mut node = Node::new(ACCOUNTS, Rng::of(&[world.seed, 50]).word(), Some(300));
        let mut peers = [Peer::default(); ACCOUNTS];
        let mut watched = Watched { seconds: Vec::new(), busy: [0; 2], samples: Default::default() };
        let mut pages = Pages::default();
        node.pass_until(MIDNIGHT + u64::from(DAY_SECONDS));
        for day in 0..days {
            let days: Vec<[AccountDay; 2]> = (0..ACCOUNTS)
                .map(|account| [world.day(account, day), world.moved_day(account, day)])
                .collect();
            let truths: Vec<AccountDay> = days.iter().map(|pair| pair[usize::from(second)].clone()).collect();
            let mut next = [0; ACCOUNTS];
            let mut views = [DayView::default(), DayView::default()];
            for step in 0..STEPS {
                if step == STEPS / 3 {
                    node.machine.environment.disk.plan(Fault::Full(40), 0);
                }
                count(&node, &truths, &mut next, step);
                let seen = look(&mut node, log, &mut pages, &mut watched);
                views.iter_mut().zip(seen).for_each(|(view, change)| view.node.push(change));
            }
            let changes: Vec<Vec<Change>> = truths
                .iter()
                .zip(&mut peers)
                .map(|(truth, peer)| scrape_steps(peer, truth, day + 1, 0..STEPS))
                .collect();
            for ((samples, view), control) in watched.samples.iter_mut().zip(views).zip([pages_of, lines_of])
            {
                let control = DayView {
                    accounts: changes.iter().map(|one| control(one)).collect(),
                    node: vec![NodeChange::default(); STEPS],
                    published: [0.0; 2],
                };
                let history = DayHistory { day, truths: truths.clone(), exporter: control, blindmeter: view };
                for (account, [one, other]) in days.iter().enumerate() {
                    samples.add(&history, account, [one, other], second, (world.seed, online));
                }
            }
        }
        watched
    })
}

/// Looks at directory and log in each second of a step; gives what changed in the step.
fn look(
    node: &mut Node,
    log: &mut super::sim::log::Log,
    pages: &mut Pages,
    watched: &mut Watched,
) -> [NodeChange; 2] {
    let mut seen = [NodeChange::default(); 2];
    for _ in 0..STEP_SECONDS {
        node.pass(1);
        let (mut folder, mut journal, mut lines) = (Vec::new(), Vec::new(), Vec::new());
        node.machine.environment.disk.list(&mut folder);
        node.machine.environment.disk.take_journal(&mut journal);
        log.take(&mut lines);
        if !journal.is_empty() {
            let changed = pages.changed(node);
            seen[0].up += changed as f64;
            seen[0].rest += journal.len() as f64;
            seen[0].page = true;
            folder.extend_from_slice(&journal);
            folder.extend_from_slice(&changed.to_le_bytes());
            watched.busy[0] += 1;
        }
        if !lines.is_empty() {
            seen[1].up += lines.len() as f64;
            seen[1].page = true;
            watched.busy[1] += 1;
        }
        watched.seconds.push([*hash(&folder).as_bytes(), *hash(&lines).as_bytes()]);
    }
    seen
}

/// A database that writes an account's page in each step in which it moves bytes.
fn pages_of(changes: &[Change]) -> Vec<Change> {
    let page = |change: &Change| f64::from(u8::from(change.up + change.down > 0.0)) * PAGE_BYTES as f64;
    changes.iter().map(|change| Change { up: page(change), ..Change::default() }).collect()
}

/// A log with a line for each handshake message and each keepalive of a peer.
fn lines_of(changes: &[Change]) -> Vec<Change> {
    let lines = |change: &Change| {
        let alive = (change.up - WRAPPING as f64).abs() < 0.5;
        2.0 * change.handshake + f64::from(u8::from(alive))
    };
    changes.iter().map(|change| Change { up: LINE_BYTES * lines(change), ..Change::default() }).collect()
}

/// Watches a pair of worlds; gives the samples of both games, and by game: seconds that differ,
/// seconds that showed something, seconds in all.
fn pair(world: World, days: usize, online: &Priors) -> ([Samples; 2], [[usize; 3]; 2]) {
    let (one, other) = thread::scope(|scope| {
        let other = scope.spawn(|| watch(world, true, days, online));
        let one = watch(world, false, days, online);
        (one, other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    });
    let counted = [0, 1].map(|game: usize| {
        let seconds = one.seconds.iter().zip(&other.seconds);
        [seconds.filter(|(one, other)| one[game] != other[game]).count(), one.busy[game], one.seconds.len()]
    });
    let ([dir, log], [other_dir, other_log]) = (one.samples, other.samples);
    ([dir.with(other_dir), log.with(other_log)], counted)
}

/// Plays both games.
pub(crate) fn play(seed: u64, form: Form) -> Vec<Row> {
    let [learned, scored] = form.choose([2, 2], [5, 12]);
    let world_of =
        |seed: u64, stream: u64| World { seed: Rng::of(&[seed, 51, stream]).word(), accounts: ACCOUNTS };
    let world = |stream: u64| world_of(seed, stream);
    let online = prior::learn(world(1), 2 * learned, Of::Online);
    let (school, _) = pair(world(1), learned, &online);
    let (exam, mut counted) = pair(world(2), scored, &online);
    if counted.iter().any(|[differ, ..]| *differ > 0) {
        keep(GAME, seed);
    }
    for seed in kept(GAME, seed) {
        let (_, again) = pair(world_of(seed, 2), 1, &online);
        counted.iter_mut().zip(again).for_each(|(counted, again)| counted[0] += again[0]);
    }
    let games = [
        (
            "G7 watcher of the state directory, every second (seconds that tell)",
            "a database that writes pages by account, AUC",
        ),
        ("G8 reader of the log, every second (seconds that tell)", "the log of WireGuard's messages, AUC"),
    ];
    let row = |game: usize| {
        let strata = |sight| (0..STRATA.len()).map(move |at| (at, sight));
        let ask = |(at, sight): (usize, Sight)| ask(&school[game], &exam[game], sight, at);
        let live = strata(Sight::Exporter).map(ask).map(|found| found.1);
        let live = live.min_by(|l, r| l.value.total_cmp(&r.value)).expect("strata");
        let away = |estimate: &Estimate| (estimate.value - 0.5).abs();
        let areas = strata(Sight::Blindmeter).map(ask).map(|found| found.1);
        let area = areas.max_by(|l, r| away(l).total_cmp(&away(r))).expect("strata");
        let [differ, busy, seconds] = counted[game];
        Row {
            check: games[game].0.to_owned(),
            control: Some(control(
                games[game].1,
                &live,
                "DeLong and Obuchowski 95 %, by day of the pair",
                0.95,
            )),
            figure: Figure::counted(differ as f64),
            goal: "0".to_owned(),
            passes: differ == 0 && busy > 0 && away(&area) < 1e-9,
            note: format!(
                "of {seconds} seconds, {busy} with something to see; the same attack: AUC {:.4} over {} minutes",
                area.value,
                exam[game].len()
            ),
        }
    };
    vec![row(0), row(1)]
}
