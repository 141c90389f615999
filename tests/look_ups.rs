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
    let by_another = |name: &str| site.command_as(OTHER, &["accounts", "export", name]).failed(77, &limit);
    let exports = || site.command(&["inventory"]).succeeded().contains("2 account exports");
    for name in names {
        by_another(name);
        // Who forgot an option gets the figures of the first time.
        export(name).succeeded();
        assert!(
            site.command(&["accounts", "export", name, "--open-epoch", "--json"])
                .succeeded()
                .contains("open_epoch")
        );
    }
    assert!(exports(), "repeats are no exports");
    // The same name, written otherwise.
    by_another("%63anary-one");
    stop(daemon);
    let daemon = site.start();
    names.iter().for_each(|name| by_another(name));
    assert_eq!(export(names[0]).succeeded(), one, "after a restart too");
    // An account that is assigned only now was exported in this week all the same.
    site.command(&["roster", "assign", "10.77.0.9", "canary-nobody"]).succeeded();
    by_another("canary-nobody");
    assert!(exports());
    repeats_nothing(&stop(daemon));
}

/// Whoever could bring about a kill would read one account's exact counter again and again (F4b of the attack on
/// 0.1.0: 100, then 110 packets).
#[test]
fn a_kill_right_after_an_export_forgets_nothing_of_it() {
    let site = site();
    site.configure("save_every = \"1s\"", "save_every = \"1h\"");
    let mut daemon = site.start();
    let export = |words: &[&str]| site.command(&[&["accounts", "export"], words, &["--json"]].concat());
    let first = export(&["canary-one", "--open-epoch"]).succeeded();
    daemon.kill();
    let mut daemon = site.start();
    let by_another = |words: &[&str]| site.command_as(OTHER, &[&["accounts", "export"], words].concat());
    by_another(&["canary-one"]).failed(77, &["an account may be exported once a week"]);
    assert_eq!(export(&["canary-one", "--open-epoch"]).succeeded(), first, "the figures of the first one");
    for _ in 0..20 {
        by_another(&["--node"]).succeeded();
    }
    daemon.kill();
    let daemon = site.start();
    by_another(&["--node"]).failed(77, &["each user may export 20 accounts a day"]);
    by_another(&["canary-two"]).failed(77, &["each user may export 20 accounts a day"]);
    stop(daemon);
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
    export("canary-0").succeeded();
    for name in ["canary-20", "canary-one"] {
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
    assert!(export().succeeded().contains("your first export of this account today"));
    site.command(&["roster", "unassign", "10.77.0.9"]).succeeded();
    for _ in 0..3 {
        assert!(!export().succeeded().contains("your first export"));
    }
    repeats_nothing(&stop(daemon));
}

/// A mistyped name answers like an unused account, and would cost a week: the privacy role is told beforehand.
#[test]
fn a_dry_run_tells_whether_the_roster_names_the_account_and_uses_up_nothing() {
    let site = site();
    let daemon = site.start();
    let plan = |name: &str, more: &[&str]| {
        site.command(&[&["accounts", "export", name, "--dry-run"], more].concat())
    };
    let told = plan("canary-one", &[]).succeeded();
    assert!(
        told.contains("a roster source names this account") && !told.contains("no roster source"),
        "{told}"
    );
    assert!(told.contains("export of the week, and one of the 20 you have left today"), "{told}");
    let told = plan("canary-oen", &["--open-epoch"]).succeeded();
    assert!(
        told.contains("no roster source names this account") && told.contains("and the open epoch"),
        "{told}"
    );
    let told = plan("canary-probe", &[]).succeeded();
    assert!(told.contains("would use up: nothing; no limit holds here"), "{told}");
    // What the socket says tells who is connected: it counts from the next close on.
    site.command(&["roster", "assign", "10.77.0.9", "canary-late"]).succeeded();
    assert!(plan("canary-late", &[]).succeeded().contains("no roster source names"));
    for _ in 0..3 {
        plan("canary-one", &[]).succeeded();
    }
    assert!(site.command(&["inventory"]).succeeded().contains("0 account exports"), "nothing is used up");
    let json = |name: &str| -> serde_json::Value {
        serde_json::from_str(&plan(name, &["--json"]).succeeded()).expect("JSON")
    };
    let report = json("canary-one");
    assert_eq!(
        report.to_string(),
        "{\"account\":\"canary-one\",\"exports\":[\"period\"],\"left_today\":20,\"named_by_roster\":true,\
         \"refusal\":null,\"repeats\":false,\"schema_version\":1,\"uses_up\":1}"
    );
    // The export itself says it too, in its text alone.
    let export =
        |name: &str, more: &[&str]| site.command(&[&["accounts", "export", name], more].concat()).succeeded();
    assert!(export("canary-oen", &[]).contains("no roster source names this account"));
    assert!(!export("canary-oen", &["--json"]).contains("roster"));
    assert!(!export("canary-one", &[]).contains("roster source"));
    assert!(plan("canary-one", &[]).succeeded().contains("repeats the figures of your first export"));
    assert_eq!(json("canary-one")["repeats"], true);
    let other = site.command_as(OTHER, &["accounts", "export", "canary-one", "--dry-run"]).succeeded();
    assert!(other.contains("would be refused: an account may be exported once a week"), "{other}");
    // Support is told nothing of it, and neither is who plans too often.
    site.configure("privacy = [\"root\", \"games\"]", "privacy = [\"root\"]");
    assert_eq!(daemon.reload(), "blindmeter: reloaded");
    site.command_as(OTHER, &["accounts", "export", "canary-one", "--dry-run"]).failed(77, &["privacy role"]);
    let refused = (0..100).map(|_| plan("canary-one", &[])).find(|outcome| outcome.code != Some(0));
    refused.expect("a limit").failed(77, &["plan 100 exports a day", "tomorrow (UTC)"]);
    repeats_nothing(&stop(daemon));
}
