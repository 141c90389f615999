//! The account holder's rights: corrections, erasures, the second officer's word, and what staff did.
//!
//! `erasures` runs the daemon's engine on a simulated disk and reads what lies there; the others run the program
//! and ask as staff does.
#![cfg(not(feature = "lab"))]

mod daemon;
#[path = "rights/erasures.rs"]
mod erasures;
#[path = "leakage/sim/mod.rs"]
mod sim;
mod support;
#[path = "rights/two_persons.rs"]
mod two_persons;

use daemon::command::{Person, repeats_nothing};
use daemon::{Daemon, Site};
use nix::sys::signal::Signal;
use serde_json::Value;
use std::fs;

/// Officers beside root: games and bin, which every Debian has.
const GAMES: Person = Person { user: 5, group: 65_534, more_groups: &[] };
const BIN: Person = Person { user: 2, group: 65_534, more_groups: &[] };

/// A site whose store is sealed, with three officers, and support that is root's alone.
fn site() -> Site {
    let site = Site::sealed();
    site.configure("privacy = [\"root\"]", "privacy = [\"root\", \"games\", \"bin\"]");
    // What the requests themselves save is all that is saved.
    site.configure("save_every = \"1s\"", "save_every = \"1h\"");
    site
}

fn stop(mut daemon: Daemon<'_>) -> String {
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.await_end(), Some(0), "{}", daemon.said());
    daemon.said()
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The rows of the audit: who, what, why, how often.
fn audit(site: &Site) -> Vec<(String, String, String, u64)> {
    let text = site.command(&["accounts", "audit", "--json"]).succeeded();
    repeats_nothing(&text);
    let report = json(&text);
    assert_eq!(report["kept_days"], 28);
    let text = |row: &Value, key: &str| row[key].as_str().unwrap_or_default().to_owned();
    let mut rows: Vec<_> = report["entries"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|row| {
            assert_eq!(text(row, "day").len(), "2026-11-29".len(), "a day, and no time");
            let count = row["count"].as_u64().expect("a number");
            (text(row, "who"), text(row, "what"), text(row, "reason"), count)
        })
        .collect();
    rows.sort();
    rows
}

/// Whoever may not know who exists learns it from no receipt, and neither does whoever may.
#[test]
fn corrections_and_erasures_answer_alike_whoever_exists() {
    let site = site();
    let daemon = site.start();
    let correct = |name: &str, more: &[&str]| {
        let words = ["accounts", "correct", name, "--up", "1000", "--down", "0", "--reason", "disputed"];
        site.command(&[&words, more].concat())
    };
    let names = ["canary-one", "canary-nobody"];
    let [one, nobody] = names.map(|name| correct(name, &["--json"]).succeeded());
    assert_eq!(one.replace(names[0], ""), nobody.replace(names[1], ""));
    let receipt = json(&one);
    assert_eq!(receipt["reason"], "disputed");
    assert_eq!((receipt["up_bytes"].as_u64(), receipt["down_bytes"].as_u64()), (Some(1000), Some(0)));
    let [one, nobody] = names.map(|name| site.command(&["accounts", "erase", name, "--json"]).succeeded());
    assert_eq!(one.replace(names[0], ""), nobody.replace(names[1], ""));
    let receipt = json(&one);
    let places = receipt["remains"].as_array().expect("a list").iter();
    let places: Vec<&str> = places.map(|remainder| remainder["place"].as_str().expect("a place")).collect();
    assert_eq!(places[..3], ["open kernel counters", "the blob", "its predecessor"]);
    assert_eq!(
        receipt["day"].as_str().expect("a day").len(),
        "2026-11-29".len(),
        "no time finer than the day"
    );
    let text = site.command(&["accounts", "erase", "canary-one"]).succeeded();
    assert!(text.contains("what remains, and until when:") && !text.contains("canary"), "{text}");
    correct("canary%", &[]).failed(64, &["%XX"]);
    // Whoever lacks the role learns nothing at all.
    site.configure("\"games\", ", "");
    assert_eq!(daemon.reload(), "blindmeter: reloaded");
    for name in names {
        for words in [&["accounts", "erase", name][..], &["accounts", "audit"], &["accounts", "pending"]] {
            site.command_as(GAMES, words).failed(77, &["Permission denied"]);
        }
    }
    repeats_nothing(&stop(daemon));
}

/// The audit tells who, what, how often and why, over a restart and a kill, and never of whom.
#[test]
fn the_audit_tells_what_staff_did_and_never_of_whom() {
    let site = site();
    let mut daemon = site.start();
    site.command(&["accounts", "show", "canary-one"]).succeeded();
    site.command(&["accounts", "show", "canary-two"]).succeeded();
    site.command(&["accounts", "export", "canary-one"]).succeeded();
    // Repeated, it is no other export.
    site.command(&["accounts", "export", "canary-one"]).succeeded();
    site.command(&["accounts", "export", "--node"]).succeeded();
    let words =
        ["accounts", "correct", "canary-one", "--up", "0", "--down", "0", "--reason", "misattributed"];
    site.command_as(GAMES, &words).succeeded();
    site.command_as(GAMES, &words).succeeded();
    site.command_as(BIN, &["accounts", "erase", "canary-two"]).succeeded();
    let wanted = [
        ("uid:0", "export", "", 1),
        ("uid:0", "export-node", "", 1),
        ("uid:0", "show", "", 2),
        ("uid:2", "erase", "", 1),
        ("uid:5", "correct", "misattributed", 2),
    ]
    .map(|(who, what, why, count)| (who.to_owned(), what.to_owned(), why.to_owned(), count));
    assert_eq!(audit(&site), wanted);
    daemon.kill();
    let daemon = site.start();
    assert_eq!(audit(&site), wanted, "after a kill");
    let text = site.command(&["accounts", "audit"]).succeeded();
    assert!(text.contains("games") && text.contains("28 days"), "people are called by their names: {text}");
    repeats_nothing(&text);
    repeats_nothing(&stop(daemon));
}

/// What is done does not show in the size of what lies on the disk.
#[test]
fn the_blob_has_one_size_whatever_staff_did() {
    let site = site();
    site.configure("[support]", "[support]\ntwo_person = true");
    let daemon = site.start();
    let length = || fs::metadata(site.path("ledger.sealed")).expect("the blob is there").len();
    let first = length();
    for number in 0..10 {
        site.command(&["accounts", "erase", &format!("canary-{number}")]).succeeded();
        assert_eq!(length(), first);
    }
    for number in 1..=10 {
        site.command_as(GAMES, &["accounts", "approve", &number.to_string()]).succeeded();
    }
    site.command(&["accounts", "erase", "canary-0"]).succeeded();
    assert_eq!(length(), first);
    stop(daemon);
    assert_eq!(length(), first);
}

#[test]
fn an_officer_corrects_and_erases_a_hundred_times_a_day_also_over_restarts() {
    let site = site();
    let daemon = site.start();
    for number in 0..100 {
        site.command(&["accounts", "erase", &format!("canary-{}", number % 5)]).succeeded();
    }
    let limit = ["each user may correct or erase 100 accounts a day", "tomorrow (UTC)"];
    site.command(&["accounts", "erase", "canary-one"]).failed(77, &limit);
    stop(daemon);
    let daemon = site.start();
    let words = ["accounts", "correct", "canary-one", "--up", "0", "--down", "0", "--reason", "other"];
    site.command(&words).failed(77, &limit);
    site.command_as(GAMES, &words).succeeded();
    repeats_nothing(&stop(daemon));
}

/// One person under two user names has one person's limits.
#[test]
fn two_names_of_one_person_share_the_limits() {
    let site = site();
    site.configure("[web]", "[support.roles]\npersons = [[\"clara\", \"unix:games\", \"unix:bin\"]]\n[web]");
    let daemon = site.start();
    for number in 0..20 {
        let person = if number % 2 == 0 { GAMES } else { BIN };
        site.command_as(person, &["accounts", "export", "--node"]).succeeded();
    }
    for person in [GAMES, BIN] {
        site.command_as(person, &["accounts", "export", "--node"]).failed(77, &["each user may export 20"]);
    }
    site.command(&["accounts", "export", "--node"]).succeeded();
    repeats_nothing(&stop(daemon));
}
