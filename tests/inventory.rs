//! `inventory` is complete: what the sources hold, what a daemon publishes, answers, logs and leaves
//! behind, each stands in its table, and nothing stands there that is not.
//!
//! A struct of the program is either in the table, field by field, or in the list below with the
//! reason why it holds no datum.
#![cfg(not(feature = "lab"))]

#[path = "inventory/covers.rs"]
mod covers;
mod daemon;
#[path = "inventory/exempt.rs"]
mod exempt;
#[path = "inventory/shown.rs"]
mod shown;
#[path = "inventory/sources.rs"]
mod sources;
mod support;
#[path = "inventory/times.rs"]
mod times;

use blindmeter::inventory::{DATA, Datum, Place};
use blindmeter::meter::policy::Policy;
use blindmeter::meter::release::Release;
use blindmeter::meter::scope::{Scope, Terms};
use blindmeter::publish::exposition;
use covers::COVERS;
use daemon::command::{Person, bounded, ended, identity};
use daemon::{PROGRAM, Site};
use exempt::EXEMPT;
use nix::sys::signal::Signal;
use shown::SHOWN;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use tempfile::TempDir;

/// The data of the table in their order, and what each stands for in the sources.
fn covers() -> impl Iterator<Item = &'static (&'static str, &'static [&'static str])> {
    COVERS.iter().chain(SHOWN)
}

/// Kinds and names that the data of the table stand for.
fn lists() -> impl Iterator<Item = (&'static str, &'static str)> {
    covers().flat_map(|(_, texts)| *texts).filter_map(|text| text.split_once(": "))
}

/// The names of a kind that the table covers.
fn covered(kind: &str) -> BTreeSet<String> {
    let names = lists().filter(|(found, _)| *found == kind).flat_map(|(_, names)| names.split(' '));
    names.map(str::to_owned).collect()
}

#[test]
fn every_datum_of_the_table_stands_for_something_in_the_sources() {
    let table: Vec<&str> = DATA.iter().map(|datum| datum.what).collect();
    let covered: Vec<&str> = covers().map(|(what, _)| *what).collect();
    assert_eq!(
        table, covered,
        "tests/inventory/covers.rs and shown.rs have the data of the table, in its order"
    );
    for (what, texts) in covers() {
        assert!(!texts.is_empty() && texts.iter().all(|text| text.contains(": ")), "{what}");
    }
}

/// Both ways: what is there and not in the table, and what is in the table and not there.
fn assert_same(kind: &str, there: &BTreeSet<String>) {
    let table = covered(kind);
    let missing: Vec<&String> = there.difference(&table).collect();
    let stale: Vec<&String> = table.difference(there).collect();
    assert!(!there.is_empty(), "something was looked at");
    assert!(missing.is_empty(), "{kind}: not in tests/inventory/covers.rs: {missing:?}");
    assert!(stale.is_empty(), "{kind}: in tests/inventory/covers.rs, but gone: {stale:?}");
}

#[test]
fn every_field_of_every_struct_is_in_the_table_or_exempt_for_a_reason() {
    let mut found = Vec::new();
    let structs = sources::structs();
    assert!(structs.len() > 100, "{} structs were read", structs.len());
    for (name, fields) in &structs {
        let exempt = EXEMPT.iter().flat_map(|(_, names)| *names);
        let is_exempt = |field: &str| {
            exempt.clone().any(|text| match text.split_once(": ") {
                None => text == name,
                Some((of, fields)) => of == name && fields.split(' ').any(|one| one == field),
            })
        };
        let in_table = covered(name);
        if fields.is_empty() && !is_exempt("") {
            found.push(format!("{name}: no named fields, and not exempt"));
        }
        for field in fields {
            match (in_table.contains(field), is_exempt(field)) {
                (false, false) => found.push(format!("{name}.{field}: not in the table, and not exempt")),
                (true, true) => found.push(format!("{name}.{field}: in the table, and exempt")),
                _ => {}
            }
        }
        let stale = in_table.iter().filter(|field| !fields.contains(*field));
        found.extend(stale.map(|field| format!("{name}.{field}: in the table, but gone")));
    }
    let known = |name: &str| structs.iter().any(|(found, _)| found == name);
    let kinds = ["series", "fleet series", "event", "answer", "map", "file", "function"];
    for (name, _) in lists().filter(|(name, _)| !kinds.contains(name)) {
        if !known(name) {
            found.push(format!("{name}: in the table, but gone"));
        }
    }
    for text in EXEMPT.iter().flat_map(|(_, names)| *names) {
        let (name, fields) = text.split_once(": ").unwrap_or((text, ""));
        let there = structs.iter().find(|(found, _)| found == name);
        let gone = |field: &&str| !there.is_some_and(|(_, there)| there.iter().any(|one| one == field));
        if there.is_none() || fields.split_terminator(' ').any(|field| gone(&field)) {
            found.push(format!("{text}: exempt, but gone"));
        }
    }
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn every_function_of_a_fleets_servers_is_in_the_table() {
    let code = blindmeter::fleet::FUNCTIONS;
    let registered = code.lines().filter(|line| line.starts_with("redis.register_function"));
    let names = registered.filter_map(|line| line.split('\'').nth(1)).map(str::to_owned);
    assert_same("function", &names.collect());
}

#[test]
fn every_static_is_known() {
    // The boot's identity, read once: it is in the sealed head, and names no user. The allocator and the lock of
    // the system's list of users hold nothing of their own, the log's lines are in the table, and the kernel's two
    // programs are as they were built.
    let known = [
        "clock BOOT",
        "log WRITER",
        "main HEAP",
        "system/users LIST",
        "tap/kernel/object SLICED",
        "tap/kernel/object LOCKED",
    ];
    assert_eq!(sources::statics(), known);
}

#[test]
fn every_event_of_the_log_is_in_the_table() {
    assert_same("event", &sources::variants("log", "Event"));
}

#[test]
fn every_answer_of_the_control_socket_is_in_the_table() {
    assert_same("answer", &sources::variants("control/protocol", "Answer"));
}

#[test]
fn every_map_of_the_kernel_program_is_in_the_table() {
    assert_same("map", &sources::maps());
}

#[test]
fn every_series_and_every_file_of_a_running_daemon_is_in_the_table() {
    let site = Site::sealed();
    let daemon = site.start();
    assert_same("series", &series_on(&daemon.metrics()));
    // With the kernel tap there are pins; the ring tap has a file of counters instead.
    let mut files = files(site.path("").as_path());
    drop(daemon);
    let ring = Site::sealed();
    ring.configure("backend = \"auto\"", "backend = \"ring\"");
    let in_memory = TempDir::new_in("/dev/shm").expect("a tmpfs");
    let socket = in_memory.path().join("control.sock");
    ring.configure(&ring.name("control.sock"), socket.display());
    let mut daemon = ring.start();
    files.extend(self::files(ring.path("").as_path()));
    files.extend(self::files(in_memory.path()));
    // And what a stop leaves.
    daemon.end(Signal::SIGTERM);
    files.extend(self::files(in_memory.path()));
    drop(daemon);
    assert_same("file", &files);
}

#[test]
fn every_series_of_a_fleets_page_is_in_the_table() {
    let scope = Scope::Fleet(Terms { nodes: 3, nodes_a_day: 2 });
    let policy = Policy { scope, ..Policy::DEFAULT };
    let status = exposition::fleet_status(&[('A', true)], true, 1, &policy);
    let mut found = series_on(&(exposition::fleet(&Release::none(), 3, &policy) + &status));
    // As on a node's page.
    found.retain(|series| !["blindmeter_build_info", "blindmeter_policy_info"].contains(&series.as_str()));
    assert_same("fleet series", &found);
}

fn series_on(page: &str) -> BTreeSet<String> {
    page.lines().filter(|line| !line.starts_with('#')).map(series_of).collect()
}

fn series_of(line: &str) -> String {
    line.split(['{', ' ']).next().unwrap_or_default().to_owned()
}

/// What lies in the folder of a daemon, by what the configuration calls it.
fn files(root: &Path) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder that was listed").flatten() {
            let (path, kind) = (entry.path(), entry.file_type().expect("an entry has a type"));
            if kind.is_dir() {
                folders.push(path);
            } else if let Some(name) = called(root, &path, kind.is_socket()) {
                names.insert(name);
            }
        }
    }
    names
}

/// None for what the test itself put there.
fn called(root: &Path, path: &Path, is_socket: bool) -> Option<String> {
    let rest = path.strip_prefix(root).expect("it lies in the folder").to_string_lossy().into_owned();
    Some(match rest.as_str() {
        // The daemon's log, which the host keeps, and a copy of the program.
        "stderr" | "blindmeter" => return None,
        // The kernel's own, on every bpffs.
        "bpf/maps.debug" | "bpf/progs.debug" => return None,
        "blindmeter.toml" | "roster.csv" | "ledger.key" => "configuration".into(),
        "control.sock" if is_socket => "control.socket".into(),
        "control.hook/requests" | "control.hook/answers" => "control.hook".into(),
        "control.counters" => "control.counters".into(),
        "ledger.sealed" => "store.path".into(),
        "ledger.sealed.chain" => "store.path.chain".into(),
        pin if pin.starts_with("bpf/pins/") => "tap.pin".into(),
        _ => rest,
    })
}

#[test]
fn the_report_tells_every_datum_the_budget_and_the_residue() {
    let site = Site::new();
    let report = site.command(&["inventory"]);
    assert_eq!(report.code, Some(0), "{}", report.stderr);
    for Datum { what, kept, seen_by, .. } in DATA {
        for text in [what, kept, seen_by] {
            assert!(report.stdout.contains(text), "{text} is told");
        }
    }
    for place in Place::ALL {
        assert!(report.stdout.contains(&format!("{}:\n", place.heading())));
        assert!(DATA.iter().any(|datum| datum.place == place), "{} holds something", place.heading());
    }
    assert!(report.stdout.contains("root on a running node sees packets"), "the residue is told");
    // This configuration is coarse.
    assert!(report.stdout.contains("none with release.mode = \"coarse\""), "{}", report.stdout);
    assert!(report.stdout.contains("unknown: "), "no daemon runs");

    site.configure("mode = \"coarse\"", "mode = \"noisy\"\nepsilon = 0.25");
    let daemon = site.start();
    let report = site.command(&["inventory"]).stdout;
    let budget = "bytes 0.25 + crowd gate 0.3 + interrupted 0.1 + flag counts 0.4 + node series 0.2 = 1.25 a day, \
                  456.25 a year";
    assert!(report.contains(budget), "{report}");
    assert!(report.contains("0 band look-ups, 0 account exports"));
    assert_eq!(site.command(&["accounts", "show", "canary-one"]).code, Some(0));
    let tap = if report.contains("Tap in use: kernel") { "kernel" } else { "ring" };
    let all = site.command(&["inventory", "--all"]).stdout;
    for Datum { what, .. } in DATA {
        let is_of_another = ["kernel tap: ", "ring tap: ", "pnet tap: ", "ring and pnet taps: "]
            .iter()
            .any(|start| what.starts_with(start) && !start.contains(tap));
        assert!(!is_of_another || !report.contains(what), "{what} is no datum of the {tap} tap");
        assert!(all.contains(what), "{what} is told when asked for");
    }
    let json = site.command(&["inventory", "--json"]).stdout;
    assert!(json.contains("\"epsilon_per_account_day\":1.25"), "{json}");
    assert!(json.contains("\"asked\":{\"look_ups\":1,\"exports\":0}"), "{json}");

    let stranger = Person { user: 5, group: 65_534, more_groups: &[] };
    let mut ask = bounded();
    ask.args(identity(stranger)).arg(site.program_for_everybody()).arg("inventory").arg("--config");
    ask.arg(site.path("blindmeter.toml"));
    let report = ended(ask);
    assert_eq!(report.code, Some(0), "the table is no secret");
    assert!(report.stdout.contains("ask for a role in [control.roles]"), "{}", report.stdout);
    drop(daemon);

    let nowhere = site.name("no-such.toml");
    let mut command = bounded();
    command.args([PROGRAM, "inventory", "--config", &nowhere]);
    let report = ended(command);
    assert_eq!(report.code, Some(0), "without a configuration the defaults are told");
    assert!(
        report.stdout.contains("= 2 a day, 730 a year") && report.stdout.contains("these are the defaults")
    );
}
