//! What the desk takes: the page of an account and the list of flagged accounts, of a daemon that found both in its
//! store, log-in included.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use blindmeter::clock::Reading;
use blindmeter::config;
use blindmeter::environment::{SystemFiles, SystemRandomness};
use blindmeter::meter::counters::Counters;
use blindmeter::meter::policy::DAY_SECONDS;
use blindmeter::meter::slot::{Direction, Slot};
use blindmeter::meter::tags::Tag;
use blindmeter::node::Node;
use blindmeter::roster::account::AccountName;
use blindmeter::roster::tagger::Tagger;

use crate::daemon::{Site, http};
use crate::inside::{self, SetClock};
use crate::outside::{end, memory, site, start};
use crate::support::ports::free_port;
use crate::{Figure, Goal, account, figure, timed};
use nix::sys::signal::Signal;

/// Accounts that send and receive at the most, and how many of these one flagged is among: more would be a mass
/// event, of which no list is made.
const ACTIVE: u32 = 20_000;
const TO_ONE: u32 = 200;

/// Days on which all of them were as usual.
const DAYS: u64 = 7;

/// Pages that are asked for: as many as one member of staff may in a minute, and some left.
const PAGES: u32 = 25;

/// Measures the desk of a node of this size.
pub(crate) fn measure(accounts: u32) -> Vec<Figure> {
    let site = site(accounts);
    let port = free_port();
    let hash = bcrypt::hash_with_salt("bench", 4, *b"sixteen bytes ok").expect("a hash").to_string();
    site.write("desk.yml", format!("basic_auth_users:\n  anna: {hash}\n"));
    site.configure(
        "refresh = \"7d\"",
        format!(
            "refresh = \"7d\"\nlisten = \"127.0.0.1:{port}\"\nconfig_file = \"{}\"\n[support.roles]\nsupport = [\"anna\"]",
            site.name("desk.yml")
        ),
    );
    site.write("roster.csv", crate::roster(accounts));
    prepare(&site, accounts);
    let daemon = start(&site);
    let log_in = format!("Authorization: Basic {}\r\n", BASE64_STANDARD.encode("anna:bench"));
    let ask = |method: &str, path: &str, body: &str| {
        let form = "Content-Type: application/x-www-form-urlencoded\r\nSec-Fetch-Site: same-origin\r\n";
        let length =
            if body.is_empty() { String::new() } else { format!("{form}Content-Length: {}\r\n", body.len()) };
        let request = format!("{method} {path} HTTP/1.1\r\nHost: n\r\n{log_in}{length}\r\n{body}");
        let (seconds, answer) = timed(|| http::exchange(port, request.as_bytes()));
        let answer = http::parse(&answer).expect("the desk answers");
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        (seconds * 1000.0, answer.body)
    };
    let median = |mut times: Vec<f64>| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    };
    let pages = (0..PAGES).map(|at| ask("POST", "/account", &format!("account={}", account(at * 7).0)).0);
    let page = median(pages.collect());
    let (first, list) = ask("GET", "/flagged", "");
    let named = list.matches("name=\"account\"").count();
    let flagged = active(accounts) / TO_ONE;
    assert!(named >= flagged as usize / 2, "{named} of {flagged} are on the list");
    let later = median((0..PAGES).map(|_| ask("GET", "/flagged", "").0).collect());
    let most = memory(&daemon);
    end(daemon, Signal::SIGTERM);
    vec![
        figure("desk: the page of an account, ms", page, Goal::AtMost(20.0)),
        figure("desk: the flagged accounts, ms", later, Goal::AtMost(50.0)),
        figure("  the first time after a start or a reload", first, Goal::None),
        figure("memory after that, MiB", most.now, Goal::AtMost(320.0)),
    ]
}

fn active(accounts: u32) -> u32 {
    (accounts * 9 / 10).min(ACTIVE)
}

/// Leaves a store in which some accounts are flagged since last midnight.
fn prepare(site: &Site, accounts: u32) {
    let config = config::load(&SystemFiles, &site.path("blindmeter.toml")).expect("a good configuration");
    // The others were never used, and are all alike.
    let counters = Counters::in_memory(active(accounts) as usize + 1);
    let unused = Slot::new(Slot::FIRST_ACCOUNT.word() + active(accounts));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_secs();
    let today = now / DAY_SECONDS * DAY_SECONDS;
    let reading =
        |wall_seconds| Reading { wall_seconds, boot_nanoseconds: (wall_seconds - today / 2) * 1_000_000_000 };
    let clock = SetClock(Rc::new(Cell::new(reading(today - DAYS * DAY_SECONDS))));
    let mut node = Node::forgetful(config.policy.0, counters, clock.clone(), SystemRandomness);
    let mut wall_seconds = today - DAYS * DAY_SECONDS;
    while wall_seconds + 3600 <= now {
        for at in 0..active(accounts) {
            let slot = Slot::new(Slot::FIRST_ACCOUNT.word() + at);
            let is_much = at % TO_ONE == 7 && wall_seconds + DAY_SECONDS >= today && wall_seconds < today;
            let (up, down) =
                if is_much { (2_000_000_000, 2_000_000) } else { (2_000_000 + u64::from(at), 20_000_000) };
            counters.add(slot, Direction::Up, up, up / 700);
            counters.add(slot, Direction::Down, down, down / 900);
        }
        wall_seconds += 3600;
        clock.0.set(reading(wall_seconds));
        // What is due is done by two ticks: the close, and later the release.
        let _ = (node.tick(), node.tick());
    }
    let mut store = inside::store(&site.path(""), accounts);
    let tagger = Tagger::new(store.tag_key().bytes());
    let first = Slot::FIRST_ACCOUNT.word();
    let tag = |slot: usize| match u32::try_from(slot).ok().filter(|slot| *slot >= first) {
        Some(slot) => tagger.tag_of(&AccountName::parse(&account(slot - first).0).expect("a name")),
        None => Tag::NOBODY,
    };
    let record = |at| {
        let slot = Slot::new(u32::try_from(at).expect("a slot"));
        node.record(if at < counters.slots() { slot } else { unused }, tag(at))
    };
    store.save_close(&node.head([2; 16]), record).expect("the disk takes it");
}
