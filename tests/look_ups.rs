//! Look-up and export limits, as staff meets them at the daemon: whoever the client is, across restarts,
//! and without telling who exists.
#![cfg(not(feature = "lab"))]

mod daemon;
mod support;

use blindmeter::clock::{Clock, SystemClock};
use daemon::command::{Person, repeats_nothing};
use daemon::{Daemon, Site};
use nix::sys::signal::Signal;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;

/// A member of staff beside root: games, which every Debian has.
const OTHER: Person = Person { user: 5, group: 65_534, more_groups: &[] };

/// A site where both have every role, and whose store is sealed.
fn site() -> Site {
    let site = Site::sealed();
    for role in ["support", "privacy"] {
        site.configure(&format!("{role} = [\"root\"]"), format!("{role} = [\"root\", \"games\"]"));
    }
    site
}

fn stop(mut daemon: Daemon<'_>) -> String {
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.await_end(), Some(0), "{}", daemon.said());
    daemon.said()
}

/// Asks for the band of so many accounts over one connection; how many were told, and what else was said.
fn shown(site: &Site, accounts: impl Iterator<Item = String>) -> (usize, Vec<String>) {
    let stream = UnixStream::connect(site.path("control.sock")).expect("the daemon listens");
    let mut answers = BufReader::new(stream.try_clone().expect("a second handle")).lines();
    let (mut told, mut refusals) = (0, Vec::new());
    for account in accounts {
        writeln!(&stream, "{{\"op\":\"show\",\"account\":\"{account}\"}}").expect("the daemon reads");
        let answer = answers.next().expect("an answer a request").expect("the daemon answers");
        if answer.starts_with("{\"account\":") { told += 1 } else { refusals.push(answer) }
    }
    refusals.dedup();
    (told, refusals)
}

#[test]
fn a_band_says_of_which_day_and_period_it_is() {
    let site = site();
    let daemon = site.start();
    let show =
        |words: &[&str]| site.command(&[&["accounts", "show", "canary-one"], words].concat()).succeeded();
    let report: serde_json::Value = serde_json::from_str(&show(&["--json"])).expect("JSON");
    let now = SystemClock.now().wall_seconds;
    let day = |number: u64| {
        let mut date = std::process::Command::new("date");
        let date = date.args(["-u", "+%F", "-d"]).arg(format!("@{}", number * 86_400)).output();
        let date = date.expect("coreutils are there").stdout;
        String::from_utf8_lossy(&date).trim().to_owned()
    };
    let today = now / 86_400;
    let (as_of, first) = (day(today / 7 * 7), today / 28 * 28);
    let (first, last) = (day(first), day(first + 27));
    assert_eq!(report["band"]["as_of"], as_of.as_str());
    assert_eq!(report["band"]["period"]["first_day"], first.as_str());
    assert_eq!(report["band"]["period"]["last_day"], last.as_str());
    let text = show(&[]);
    assert!(
        text.contains(&format!("used from {first} to {last}: less than 1.0 GiB, possibly none")),
        "{text}"
    );
    assert!(text.contains(&format!("as of {as_of}")), "{text}");
    let unknown = site.command(&["accounts", "show", "canary-nobody"]).succeeded();
    assert_eq!(unknown, text, "alike for all accounts");
    // The dates are kept with the bands.
    stop(daemon);
    let daemon = site.start();
    assert_eq!(show(&[]), text);
    stop(daemon);
}

#[test]
fn a_member_of_staff_looks_up_thirty_accounts_a_minute_whoever_they_are() {
    let site = site();
    let daemon = site.start();
    // Known, unknown and the probe account, one connection or many, an honest client or none.
    let names = ["canary-one", "canary-nobody", "canary-probe"];
    let (told, refusals) = shown(&site, (0..40).map(|at| names[at % 3].to_owned()));
    assert_eq!((told, refusals.len()), (30, 1), "{refusals:?}");
    assert!(refusals[0].starts_with("{\"error\":{\"code\":77,"), "{refusals:?}");
    for name in names {
        site.command(&["accounts", "show", name]).failed(77, &["30 accounts a minute", "in a minute"]);
    }
    site.command_as(OTHER, &["accounts", "show", "canary-one"]).succeeded();
    // A name that is none is no look-up.
    site.command(&["accounts", "show", "canary%"]).failed(64, &["%XX"]);
    stop(daemon);
    // A restart is no way around.
    let daemon = site.start();
    site.command(&["accounts", "show", "canary-one"]).failed(77, &["30 accounts a minute"]);
    repeats_nothing(&stop(daemon));
}

#[test]
fn an_account_is_exported_once_a_week_whether_it_exists_or_not() {
    let site = site();
    let daemon = site.start();
    let export = |account: &str| site.command(&["accounts", "export", account, "--json"]);
    let limit = ["an account may be exported once a week", "from next Thursday, 00:00 UTC"];
    let names = ["canary-one", "canary-nobody"];
    let [one, nobody] = names.map(|name| export(name).succeeded());
    assert_eq!(
        one.replace(names[0], ""),
        nobody.replace(names[1], ""),
        "an unknown one answers like an unused one"
    );
    for name in names {
        export(name).failed(77, &limit);
        site.command(&["accounts", "export", name, "--open-epoch"]).failed(77, &limit);
        site.command_as(OTHER, &["accounts", "export", name]).failed(77, &limit);
    }
    // The same name, written otherwise.
    export("%63anary-one").failed(77, &limit);
    stop(daemon);
    let daemon = site.start();
    for name in names {
        export(name).failed(77, &limit);
    }
    // An account that is assigned only now was exported in this week all the same.
    site.command(&["roster", "assign", "10.77.0.9", "canary-nobody"]).succeeded();
    export("canary-nobody").failed(77, &limit);
    repeats_nothing(&stop(daemon));
}

#[test]
fn an_officer_exports_twenty_accounts_a_day_and_the_probe_account_without_end() {
    let site = site();
    let daemon = site.start();
    let export = |account: &str| site.command(&["accounts", "export", account, "--open-epoch"]);
    export("canary-probe").succeeded();
    for number in 0..20 {
        export(&format!("canary-{number}")).succeeded();
    }
    let limit = ["each user may export 20 accounts a day", "tomorrow (UTC)"];
    for name in ["canary-20", "canary-0", "canary-one"] {
        export(name).failed(77, &limit);
    }
    for _ in 0..3 {
        export("canary-probe").succeeded();
        site.command(&["accounts", "export", "--node"]).failed(77, &limit);
    }
    site.command_as(OTHER, &["accounts", "export", "--node"]).succeeded();
    site.command_as(OTHER, &["accounts", "export", "canary-20"]).succeeded();
    // Which account is the probe is read anew at a reload.
    site.configure("\"canary-probe\"", "\"canary-one\"");
    assert_eq!(daemon.reload(), "blindmeter: reloaded");
    export("canary-one").succeeded();
    export("canary-probe").failed(77, &limit);
    repeats_nothing(&stop(daemon));
}

/// With the roster role an address of anybody could be made the probe's, and the privacy role's exports of it
/// would be a live counter of that one's traffic.
#[test]
fn nobody_elses_address_becomes_the_probe_accounts() {
    let site = site();
    let daemon = site.start();
    let refusal = ["the probe account's addresses come from roster.file alone"];
    site.command(&["roster", "assign", "10.77.0.1", "canary-probe"]).failed(77, &refusal);
    site.write("sync.csv", "prefix,account\n10.77.0.7,canary-seven\n10.77.0.1,%63anary-probe\n");
    site.command(&["roster", "sync", &site.name("sync.csv")]).failed(77, &refusal);
    // An account that has an address over the socket is not exempt, though it becomes the probe by a reload.
    site.command(&["roster", "assign", "10.77.0.9", "canary-one"]).succeeded();
    site.configure("\"canary-probe\"", "\"canary-one\"");
    assert_eq!(daemon.reload(), "blindmeter: reloaded");
    let export = || site.command(&["accounts", "export", "canary-one"]);
    export().succeeded();
    export().failed(77, &["an account may be exported once a week"]);
    site.command(&["roster", "unassign", "10.77.0.9"]).succeeded();
    for _ in 0..3 {
        export().succeeded();
    }
    repeats_nothing(&stop(daemon));
}
