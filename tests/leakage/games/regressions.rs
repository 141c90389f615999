//! Seeds that showed a leak once: `tests/leakage/games.regressions`, a line for each, its game first.
//! Only games that are counted exactly have any; an area under a curve fails by more than its seed.

use std::fs;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/leakage/games.regressions");

fn lines() -> String {
    fs::read_to_string(FILE).expect("the regressions are part of the repository")
}

fn of(text: &str, game: &str) -> Vec<u64> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let pairs = lines.filter_map(|line| line.split_once(' ').filter(|(name, _)| *name == game));
    pairs.map(|(_, seed)| seed.parse().unwrap_or_else(|_| panic!("{FILE}: {seed} is no seed"))).collect()
}

/// The seeds of a game, but for the one that is played anyway.
pub(crate) fn kept(game: &str, played: u64) -> Vec<u64> {
    of(&lines(), game).into_iter().filter(|seed| *seed != played).collect()
}

/// Keeps a seed that showed a leak.
pub(crate) fn keep(game: &str, seed: u64) {
    let text = lines();
    if !of(&text, game).contains(&seed) {
        fs::write(FILE, format!("{text}{game} {seed}\n")).expect("the regressions can be written");
    }
}

#[test]
fn seeds_are_those_of_their_game() {
    let text = "# restarts 5\nrestarts 7\nwatchers 8\nrestarts 9\n";
    assert_eq!(of(text, "restarts"), [7, 9]);
    assert_eq!(of(text, "watchers"), [8]);
}

#[test]
fn every_game_that_is_counted_has_a_seed_to_replay() {
    for game in ["restarts", "watchers"] {
        assert!(!of(&lines(), game).is_empty(), "{game}");
    }
}
