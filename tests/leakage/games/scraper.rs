//! The games of whoever scrapes: G1, G2 and G4, played in the same worlds at the same time.
//!
//! Worlds that are learned from and worlds that are scored have different seeds. The scored world is
//! the simulation at scale as well: it says how long it took.

use super::boundaries::{self, Finder, SIGHTS, School, Scores, Sight};
use super::history::{DayHistory, live};
use super::learners::{ATTACKS, Learned, Lesson};
use super::linking;
use super::minutes::{self, Samples};
use super::prior::{self, Of, Priors};
use super::report::{Control, Figure, Form, Row};
use super::statistics::{Estimate, share};
use super::verdict::{Goal, control, figure, worst};
use super::worlds::{STRATA, World};
use crate::support::rng::Rng;
use nix::time::{ClockId, clock_gettime};
use std::thread;

/// How much is lived through.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    pub(crate) accounts: usize,
    pub(crate) learned_days: usize,
    pub(crate) scored_days: usize,
    /// Account-days of a stratum that boundaries are looked for in, each scored day.
    pub(crate) searched: usize,
}

impl Size {
    pub(crate) fn of(form: Form) -> Self {
        form.choose(
            Self { accounts: 60, learned_days: 9, scored_days: 10, searched: 4 },
            Self { accounts: 500, learned_days: 12, scored_days: 60, searched: 2 },
        )
    }
}

/// What was learned.
struct Learnt {
    online: Priors,
    edges: Priors,
    finders: [Vec<[Finder; ATTACKS.len()]>; SIGHTS.len()],
    linkers: [Vec<Learned>; 2],
    minutes: Samples,
}

/// What came of the scored worlds.
struct Scored {
    edges: Scores,
    minutes: Samples,
    /// By sight and attack, the chance of a right name, one for each stratum and day.
    links: [Vec<Vec<[f64; STRATA.len()]>>; 2],
    scrapes: usize,
    core_seconds: f64,
}

const LINKERS: [Sight; 2] = [Sight::Exporter, Sight::Blindmeter];

/// Plays the three games.
pub(crate) fn play(seed: u64, form: Form) -> Vec<Row> {
    let size = Size::of(form);
    let learnt = learn(World { seed: Rng::of(&[seed, 10]).word(), accounts: size.accounts }, size);
    let scored = score(World { seed: Rng::of(&[seed, 11]).word(), accounts: size.accounts }, size, &learnt);
    let mut rng = Rng::of(&[seed, 12]);
    vec![
        edges_row(&scored.edges, form, &mut rng),
        minutes_row(&learnt.minutes, &scored.minutes, form),
        links_row(&scored.links, size),
        scale_row(&scored, size, form),
    ]
}

fn learn(world: World, size: Size) -> Learnt {
    let edges = prior::learn(world, size.learned_days, Of::Boundaries);
    let online = prior::learn(world, size.learned_days, Of::Online);
    let mut schools: [School; SIGHTS.len()] = Default::default();
    let mut lessons: [Lesson; 2] = Default::default();
    let mut rng = Rng::of(&[world.seed, 13]);
    let choosing_from = size.learned_days * 2 / 3;
    let (first, second, _) = pair(world, size.learned_days, world.seed, &online, |history| {
        for account in searched(history, 20, &mut rng) {
            for sight in SIGHTS {
                let school = &mut schools[sight as usize];
                if history.day < choosing_from {
                    let mut rng = Rng::of(&[world.seed, 14, account as u64, history.day as u64]);
                    boundaries::learn_from(school, sight, history, account, &edges, &mut rng);
                } else {
                    boundaries::choose_on(school, sight, history, account);
                }
            }
        }
        for (lesson, sight) in lessons.iter_mut().zip(LINKERS) {
            linking::learn_from(lesson, sight, history, world);
        }
    });
    let finders = SIGHTS.map(|sight| boundaries::graduate(&schools[sight as usize], &edges));
    let linkers = [0, 1].map(|at: usize| ATTACKS.map(|attack| attack.learn(&lessons[at])).into());
    Learnt { online, edges, finders, linkers, minutes: first.0.with(second.0) }
}

fn score(world: World, size: Size, learnt: &Learnt) -> Scored {
    let mut edges = Scores::default();
    let mut links = [vec![Vec::new(); ATTACKS.len()], vec![Vec::new(); ATTACKS.len()]];
    let mut rng = Rng::of(&[world.seed, 15]);
    let (first, second, core_seconds) =
        pair(world, size.scored_days, world.seed, &learnt.online, |history| {
            for account in searched(history, size.searched, &mut rng) {
                edges.add(&learnt.finders, history, account, &learnt.edges);
            }
            for ((links, linkers), sight) in links.iter_mut().zip(&learnt.linkers).zip(LINKERS) {
                let guessed = linking::guess(linkers, sight, history, world);
                links.iter_mut().zip(guessed).for_each(|(all, day)| all.push(day));
            }
        });
    Scored { edges, links, scrapes: first.1 + second.1, minutes: first.0.with(second.0), core_seconds }
}

/// Accounts of a day that boundaries are looked for in: so many of each stratum that have any.
fn searched(history: &DayHistory, of_each: usize, rng: &mut Rng) -> Vec<usize> {
    let mut chosen = Vec::new();
    for stratum in 0..STRATA.len() {
        let all = (stratum..history.truths.len()).step_by(STRATA.len());
        let mut with: Vec<usize> = all.filter(|at| boundaries::has_sessions(&history.truths[*at])).collect();
        for _ in 0..of_each.min(with.len()) {
            chosen.push(with.swap_remove(rng.below(with.len())));
        }
    }
    chosen
}

/// Samples of one world of a pair, scrapes of it, and core-seconds that the games took.
type Half = (Samples, usize, f64);

/// Lives through a world and its moved twin, side by side; hands on the days of the first. Gives the
/// core-seconds that living took as well, saves and scrapes included.
fn pair(
    world: World,
    days: usize,
    noise: u64,
    online: &Priors,
    mut each: impl FnMut(&DayHistory) + Send,
) -> (Half, Half, f64) {
    let start = core_seconds(ClockId::CLOCK_PROCESS_CPUTIME_ID);
    let half = |second: bool, each: &mut (dyn FnMut(&DayHistory) + Send)| {
        let (mut samples, mut games) = (Samples::default(), 0.0);
        let noise = Rng::of(&[noise, 16, u64::from(second)]).word();
        let scrapes = live(world, second, days, noise, |history| {
            let start = core_seconds(ClockId::CLOCK_THREAD_CPUTIME_ID);
            for (account, here) in history.truths.iter().enumerate() {
                let there = if second {
                    world.day(account, history.day)
                } else {
                    world.moved_day(account, history.day)
                };
                let pair = if second { [&there, here] } else { [here, &there] };
                samples.add(history, account, pair, second, (world.seed, online));
            }
            each(history);
            games += core_seconds(ClockId::CLOCK_THREAD_CPUTIME_ID) - start;
        });
        (samples, scrapes, games)
    };
    thread::scope(|scope| {
        let second = scope.spawn(|| half(true, &mut |_| {}));
        let first = half(false, &mut each);
        let second: Half = second.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let used = core_seconds(ClockId::CLOCK_PROCESS_CPUTIME_ID) - start - first.2 - second.2;
        (first, second, used)
    })
}

/// What a thread, or the process, has used of a core so far.
fn core_seconds(clock: ClockId) -> f64 {
    let time = clock_gettime(clock).expect("Linux counts the time of threads");
    time.tv_sec() as f64 + time.tv_nsec() as f64 / 1e9
}

fn edges_row(scores: &Scores, form: Form, rng: &mut Rng) -> Row {
    let mut live: Vec<(usize, _, Estimate)> = Vec::new();
    let mut gains: Vec<(usize, Estimate)> = Vec::new();
    for stratum in 0..STRATA.len() {
        let (attack, estimate) = scores.f1(Sight::Exporter, stratum, rng);
        live.push((stratum, attack, estimate));
        gains.push((stratum, scores.gain(stratum, rng)));
    }
    let (live_at, live_by, live) =
        live.into_iter().min_by(|l, r| l.2.value.total_cmp(&r.2.value)).expect("strata");
    let (stratum, gain) = worst(&gains);
    let (attack, with) = scores.f1(Sight::Blindmeter, stratum, rng);
    let (_, without) = scores.f1(Sight::Nothing, stratum, rng);
    Row {
        check: "G1 session boundaries within 60 s (F1 above no metrics)".to_owned(),
        control: Some(control("live per-peer exporter, F1", &live, "bootstrap 95 %", 0.95)),
        figure: figure(&gain, "bootstrap 95 %"),
        goal: Goal::AtMost(0.01).text(form),
        passes: Goal::AtMost(0.01).holds(&gain, form),
        note: format!(
            "F1 {:.4} with blindmeter's metrics ({}), {:.4} without any; worst stratum {}; the exporter's worst is {} ({})",
            with.value,
            attack.word(),
            without.value,
            STRATA[stratum].word(),
            STRATA[live_at].word(),
            live_by.word(),
        ),
    }
}

fn minutes_row(learned_on: &Samples, scored_on: &Samples, form: Form) -> Row {
    let all = |sight| (0..STRATA.len()).map(move |at| (at, minutes::play(learned_on, scored_on, sight, at)));
    let (live_at, (live_by, live)) =
        all(Sight::Exporter).min_by(|l, r| l.1.1.value.total_cmp(&r.1.1.value)).expect("strata");
    let (at, (by, area)) = all(Sight::Blindmeter)
        .max_by(|l, r| (l.1.1.value - 0.5).abs().total_cmp(&(r.1.1.value - 0.5).abs()))
        .expect("strata");
    let kind = "DeLong and Obuchowski 95 %, by day of the pair";
    Row {
        check: "G2 online in a minute, paired worlds (AUC)".to_owned(),
        control: Some(control("live per-peer exporter, AUC", &live, kind, 0.99)),
        figure: figure(&area, kind),
        goal: Goal::Between(0.49, 0.51).text(form),
        passes: Goal::Between(0.49, 0.51).holds(&area, form),
        note: format!(
            "{} minutes; worst stratum {} ({}); the exporter's worst is {} ({})",
            scored_on.len(),
            STRATA[at].word(),
            by.word(),
            STRATA[live_at].word(),
            live_by.word(),
        ),
    }
}

fn links_row(links: &[Vec<Vec<[f64; STRATA.len()]>>; 2], size: Size) -> Row {
    let chance = 1.0 / size.accounts as f64;
    // For each stratum the best attack.
    let best = |sight: usize| {
        (0..STRATA.len()).map(move |stratum| {
            let by_attack = links[sight].iter().enumerate().map(|(attack, days)| {
                (days.iter().map(|day| day[stratum]).sum::<f64>() / days.len() as f64, attack)
            });
            let (value, attack) = by_attack.max_by(|l, r| l.0.total_cmp(&r.0)).expect("attacks");
            (value, attack, stratum)
        })
    };
    let (live, live_by, live_at) = best(0).min_by(|l, r| l.0.total_cmp(&r.0)).expect("strata");
    let (value, by, at) = best(1).max_by(|l, r| l.0.total_cmp(&r.0)).expect("strata");
    let days = u32::try_from(size.scored_days).expect("days");
    let hits =
        u32::try_from(super::distributions::whole((live * f64::from(days)).round())).expect("hits of days");
    let live = Estimate { value: live, ..share(hits, days) };
    Row {
        check: format!(
            "G4 linking a download of about 2 GiB to one of {} accounts (hit rate)",
            size.accounts
        ),
        control: Some(control("live per-peer exporter, hit rate", &live, "Clopper and Pearson 95 %", 0.15)),
        figure: Figure::counted(value),
        goal: format!("chance, {chance:.4}"),
        passes: (value - chance).abs() < 1e-12,
        note: format!(
            "{days} downloads of each stratum; worst stratum {} ({}); the exporter's worst is {} ({})",
            STRATA[at].word(),
            ATTACKS[by].word(),
            STRATA[live_at].word(),
            ATTACKS[live_by].word(),
        ),
    }
}

fn scale_row(scored: &Scored, size: Size, form: Form) -> Row {
    let seconds = scored.core_seconds / 2.0;
    let goal = form.choose(f64::INFINITY, 60.0);
    Row {
        check: "scale: a minute on two cores".to_owned(),
        control: None::<Control>,
        figure: Figure { interval: "measured".to_owned(), ..Figure::counted(seconds) },
        goal: form.choose("none in the short form".to_owned(), format!("at most {goal} s")),
        passes: seconds <= goal,
        note: format!(
            "two worlds of {} accounts over {} epochs, {} scrapes, half of the core-seconds",
            size.accounts, size.scored_days, scored.scrapes
        ),
    }
}
