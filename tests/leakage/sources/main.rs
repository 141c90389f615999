//! Layer 1 of the leakage harness with live sources: two worlds in which the same clients log in, move the same packets
//! and go, at other times within one epoch, told by every kind of source. Everything that either of them shows is the
//! same before, meanwhile and after the close.
//!
//! The lab build alone has epochs of seconds. How it is told by simulated sources is in `tests/leakage/pairs/`.

#![expect(clippy::disallowed_methods, reason = "epochs follow the wall clock, and so do log-ins here")]

#[path = "../../netns/mod.rs"]
mod netns;
#[path = "../report/mod.rs"]
mod report;
#[path = "../../support/mod.rs"]
mod support;
mod world;

use report::{Control, Figure, Report, Row};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use support::wait::{let_pass, wait_for_within};
use world::{TELLERS, World};

static REPORT: Report = Report::new("leakage_sources");

/// Seconds of an epoch; where the machine is too slow for a course within one, the next.
const EPOCH_SECONDS: [u64; 3] = [14, 60, 180];

/// Longer than a server is asked each second.
const POLLED: Duration = Duration::from_millis(2_200);

/// Packets each way of a client: more than a mebibyte, which is who counts for the crowd.
const PACKETS: usize = 130;

/// What they come to.
const MOVED: u64 = PACKETS as u64 * (world::UP_BYTES + world::DOWN_BYTES) as u64;

/// Clients of each kind of source: one comes and goes, one comes, one goes.
const PASSES: u8 = 1;
const COMES: u8 = 2;
const GOES: u8 = 3;

/// Everything that a world shows at one moment.
type Shown = Vec<(&'static str, String)>;

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970")
}

/// What clients do in an epoch: told, in force, moved, gone.
fn course(world: &mut World, mut look: impl FnMut(&World, &str)) {
    for teller in TELLERS {
        world.tell((teller, PASSES), true);
        world.tell((teller, COMES), true);
    }
    world.fail();
    let_pass(POLLED, "servers are asked");
    look(world, "while they are there");
    for teller in TELLERS {
        [PASSES, COMES, GOES].into_iter().for_each(|number| world.talk((teller, number), PACKETS));
    }
    for teller in TELLERS {
        world.tell((teller, PASSES), false);
        world.tell((teller, GOES), false);
    }
    let_pass(POLLED, "servers are asked");
    look(world, "when some are gone");
}

/// What is different between two worlds, or between one world's looks.
fn differs(one: &Shown, other: &Shown) -> Option<String> {
    let mut pairs = one.iter().zip(other).filter(|((_, text), (_, others))| text != others);
    pairs.next().map(|((name, text), (_, others))| {
        format!("{name} differs:\n--- one\n{text}\n--- the other\n{others}")
    })
}

/// One course in epochs of this length; none where it did not end within its epoch.
fn try_within(epoch_seconds: u64) -> Option<usize> {
    let epoch = || now().as_secs() / epoch_seconds;
    let start = epoch() + 1;
    wait_for_within("the next epoch", Duration::from_secs(2 * epoch_seconds), || {
        (epoch() >= start).then_some(())
    });
    let id = std::process::id();
    let mut worlds = ["lsa", "lsb"].map(|letter| World::new(&format!("{letter}{id}"), epoch_seconds));
    let begun = now();
    for world in &mut worlds {
        TELLERS.into_iter().for_each(|teller| world.tell((teller, GOES), true));
    }
    let_pass(POLLED, "servers are asked");
    let [one, other] = &mut worlds;
    let first = one.shown();
    // The epoch of a start goes on to the second boundary. What is asked after it may be answered otherwise.
    let mut looks = vec![(other.shown(), "at first".to_owned(), now())];
    for (world, letter) in [(&mut *one, "the first"), (&mut *other, "the second")] {
        course(world, |world, when| looks.push((world.shown(), format!("{letter} world, {when}"), now())));
    }
    for (world, letter) in [(&*one, "the first"), (&*other, "the second")] {
        looks.push((world.shown(), format!("{letter} world, at last"), now()));
    }
    // Both are to have begun in the first epoch, and nothing may have been closed yet.
    let boundary = |epochs: u64| Duration::from_secs((start + epochs) * epoch_seconds);
    if begun > boundary(1) || looks.iter().any(|(_, _, taken)| *taken > boundary(2)) {
        return None;
    }
    for (shown, when, _) in &looks {
        if let Some(what) = differs(&first, shown) {
            panic!("{when}: {what}");
        }
    }
    assert_after_the_close(&first, one, other, boundary(3)).then_some(looks.len() + 3)
}

/// After the release both worlds show the same, and something else than before; what clients moved was theirs. False
/// where the next epoch ended before all was seen.
fn assert_after_the_close(before: &Shown, one: &World, other: &World, end: Duration) -> bool {
    let of_epoch =
        |page: &str| page.lines().find(|line| line.starts_with("blindmeter_epoch ")).map(str::to_owned);
    let last = of_epoch(&before[0].1);
    for world in [one, other] {
        wait_for_within("the release", Duration::from_secs(300), || {
            (of_epoch(&world.page("/metrics")) != last).then_some(())
        });
    }
    let [shown, others] = [one, other].map(World::shown);
    if now() > end {
        return false;
    }
    if let Some(what) = differs(&shown, &others) {
        panic!("after the release: {what}");
    }
    let told: Vec<&str> = before
        .iter()
        .zip(&shown)
        .filter(|((_, text), (_, now))| text != now)
        .map(|((name, _), _)| *name)
        .collect();
    for name in ["/metrics", "status --json", "roster counts --json"] {
        assert!(told.contains(&name), "the control: the close tells, also in {name}: {told:?}");
    }
    for teller in TELLERS {
        for number in [PASSES, COMES, GOES] {
            let charged = [one, other].map(|world| world.charged((teller, number)));
            assert_eq!(charged, [MOVED; 2], "{teller:?} {number}: what its clients moved");
        }
    }
    true
}

#[test]
fn when_clients_come_and_go_within_an_epoch_shows_nowhere() {
    let looks = EPOCH_SECONDS.into_iter().find_map(try_within).expect("a course within an epoch");
    #[expect(clippy::cast_precision_loss, reason = "some looks")]
    let looks = Figure::counted(looks as f64);
    REPORT.add(&[Row {
        check: "two daemons with live sources: looks that differ, clients having come at other times"
            .to_owned(),
        control: Some(Control {
            what: "looks, after the last of which the close is told".to_owned(),
            figure: looks,
            goal: "more than 6".to_owned(),
            scores: true,
        }),
        figure: Figure::counted(0.0),
        goal: "0".to_owned(),
        passes: true,
        note: format!(
            "{} clients by {} kinds of source; one that differs ends the test",
            3 * TELLERS.len(),
            TELLERS.len()
        ),
    }]);
}
