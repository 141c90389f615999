//! Where two persons are asked for: what waits for a second officer's word, whose word counts, and what is fetched.

use crate::daemon::Site;
use crate::daemon::command::{Outcome, Person, repeats_nothing};
use crate::{BIN, GAMES, audit, json, site, stop};
use serde_json::Value;

fn two_person_site() -> Site {
    let site = site();
    site.configure("[support]", "[support]\ntwo_person = true");
    site
}

/// The number of a request that waits, as its officer is told.
fn waits(outcome: Outcome) -> String {
    let answer = json(&outcome.succeeded());
    answer["id"].as_u64().unwrap_or_else(|| panic!("it waits: {answer}")).to_string()
}

fn approve(site: &Site, person: Person, id: &str) -> Outcome {
    site.command_as(person, &["accounts", "approve", id])
}

const SAME: [&str; 1] = ["whoever asked cannot approve"];

#[test]
fn exports_corrections_and_erasures_wait_for_a_second_officer() {
    let site = two_person_site();
    let mut daemon = site.start();
    let requests: [&[&str]; 4] = [
        &["accounts", "export", "canary-one", "--json"],
        &["accounts", "export", "--node", "--json"],
        &[
            "accounts",
            "correct",
            "canary-one",
            "--up",
            "5",
            "--down",
            "5",
            "--reason",
            "miscounted",
            "--json",
        ],
        &["accounts", "erase", "canary-one", "--json"],
    ];
    let ids = requests.map(|words| waits(site.command_as(GAMES, words)));
    // Asked again it is the same, and another's is another.
    assert_eq!(requests.map(|words| waits(site.command_as(GAMES, words))), ids);
    assert_ne!(waits(site.command_as(BIN, requests[0])), ids[0]);
    let pending = || {
        let text = site.command_as(BIN, &["accounts", "pending", "--json"]).succeeded();
        repeats_nothing(&text);
        json(&text)
    };
    let told = pending();
    let what = |row: &Value| row["what"].as_str().expect("a word").to_owned();
    let rows = told["requests"].as_array().expect("a list");
    assert_eq!(
        rows.iter().map(what).collect::<Vec<_>>(),
        ["export", "export-node", "correct", "erase", "export"]
    );
    assert!(rows[0]["who"] == "uid:5" && rows[0]["is_own"] == false && rows[4]["is_own"] == true);
    // Whoever asked is no second officer, and gets nothing yet; nothing is used up.
    for id in &ids {
        approve(&site, GAMES, id).failed(77, &SAME);
    }
    assert!(site.command(&["inventory"]).succeeded().contains("0 account exports"));
    // What waits outlives a kill.
    daemon.kill();
    let daemon = site.start();
    assert_eq!(pending(), told);
    for (id, words) in ids.iter().zip(requests) {
        approve(&site, BIN, id).succeeded();
        let answer = json(&site.command_as(GAMES, words).succeeded());
        assert!(answer["id"].is_null(), "it is fetched: {answer}");
        if words == requests[0] {
            // Its figures are given again on the day, but for the open epoch, which nobody approved.
            let again = json(&site.command_as(GAMES, words).succeeded());
            assert!(again["period"].is_object(), "{again}");
            waits(site.command_as(GAMES, &["accounts", "export", "canary-one", "--open-epoch", "--json"]));
        }
    }
    let left = pending();
    assert_eq!(left["requests"].as_array().expect("a list").len(), 2, "what was fetched is gone");
    // A second time it waits anew.
    assert_ne!(waits(site.command_as(GAMES, requests[3])), ids[3]);
    approve(&site, BIN, "4000").failed(2, &["no such request waits"]);
    let approvals = audit(&site).into_iter().find(|(_, what, ..)| what == "approve");
    assert_eq!(approvals, Some(("uid:2".into(), "approve".into(), String::new(), 4)));
    repeats_nothing(&stop(daemon));
}

/// Root is one officer, and so is a person with two names.
#[test]
fn one_person_under_two_names_is_one_person() {
    let site = two_person_site();
    site.configure("[web]", "[support.roles]\npersons = [[\"unix:games\", \"unix:bin\"]]\n[web]");
    let daemon = site.start();
    let erase = ["accounts", "erase", "canary-one", "--json"];
    let of_root = waits(site.command(&erase));
    site.command(&["accounts", "approve", &of_root]).failed(77, &SAME);
    let of_games = waits(site.command_as(GAMES, &erase));
    assert_eq!(waits(site.command_as(BIN, &erase)), of_games, "it is the same request");
    approve(&site, BIN, &of_games).failed(77, &SAME);
    approve(&site, BIN, &of_root).succeeded();
    site.command(&["accounts", "approve", &of_games]).succeeded();
    let receipt = json(&site.command_as(BIN, &erase).succeeded());
    assert!(receipt["erased"].is_array(), "either name fetches it: {receipt}");
    repeats_nothing(&stop(daemon));
}

#[test]
fn without_the_rule_nothing_waits() {
    let site = site();
    let daemon = site.start();
    let receipt = json(&site.command_as(GAMES, &["accounts", "erase", "canary-one", "--json"]).succeeded());
    assert!(receipt["erased"].is_array());
    let text = site.command_as(GAMES, &["accounts", "pending"]).succeeded();
    assert!(text.contains("two_person = false") && text.contains("nothing waits"), "{text}");
    repeats_nothing(&stop(daemon));
}

#[test]
fn check_warns_where_nobody_could_approve() {
    let site = two_person_site();
    let warned =
        || site.command(&["check"]).succeeded().contains("fewer than two persons have the role privacy");
    assert!(!warned());
    site.configure("\"root\", \"games\", \"bin\"", "\"games\", \"bin\"");
    assert!(!warned());
    site.configure("[web]", "[support.roles]\npersons = [[\"unix:games\", \"unix:bin\"]]\n[web]");
    assert!(warned());
}
