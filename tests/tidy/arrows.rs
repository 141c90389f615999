//! Which module may name which: the one table of arrows, and what a file names of the crate.
//!
//! A row is a module and all it may name of the crate outside itself. The longest row that fits a
//! file holds, so that a file can be bound more tightly than its folder.

use crate::modules::Modules;
use crate::source::{Finding, Source, tree};

/// What may name everything: the daemon puts the parts together, and the commands speak to them.
const ALL: &[&str] = &["*"];

/// Any module may name this one, in a hook that only its feature compiles.
const PLANTED: &str = "planted";

/// What stands on the line above a hook.
const PLANTED_ALONE: &str = "#[cfg(feature = \"planted\")]";

/// The arrows. An arrow that no file uses any more is taken out.
const ARROWS: [(&str, &[&str]); 31] = [
    ("lib", &[]),
    ("main", &["cli", "system::allocator::WipingAllocator"]),
    ("cli", ALL),
    ("daemon", ALL),
    // Leaks that are planted for the leakage harness; `PLANTED` says how they are reached.
    (PLANTED, ALL),
    (
        "keeper",
        &[
            "clock",
            "control::handler::Desk",
            "meter",
            "node",
            "store",
            "tap::CounterMemory",
            "tap::CounterHistory",
            "world::World",
        ],
    ),
    // The blind core depends on nothing.
    ("meter", &[]),
    // Leaves: each is one side of the outside world.
    ("clock", &[]),
    ("failure", &[]),
    ("guard", &["netlink"]),
    // It knows the interfaces' patterns; no pool, no roster.
    ("guard/doctor", &["config::Pattern"]),
    ("log", &["system::sandbox::Part", "store::StoreError", "tap::kernel::PinError"]),
    ("netlink", &[]),
    ("world", &["clock", "meter::noise", "store::disk"]),
    // The state machine: clocks and slots, no names.
    ("schedule", &["clock::Reading"]),
    ("limits", &["clock::Reading", "meter::policy", "meter::tags"]),
    (
        "store",
        &[
            "limits",
            "meter::band",
            "meter::epoch::Carry",
            "meter::noise",
            "meter::release",
            "meter::slot",
            "meter::tags",
            "meter::units",
            "schedule::ScheduleState",
        ],
    ),
    ("node", &["clock", "limits", "meter", "schedule", "store::image", "world"]),
    // packet -> tap -> roster -> meter
    (
        "tap",
        &[
            "clock::Stopwatch",
            "config::Backend",
            "config::Hook",
            "config::Pattern",
            "system::filesystem",
            "system::allocator",
            "meter::counters",
            "meter::slot",
            "meter::tags",
            "meter::units",
            "roster::table",
        ],
    ),
    ("tap/frame", &["roster::address"]),
    (
        "tap/kernel",
        &[
            "config::Hook",
            "system::capabilities",
            "system::filesystem",
            "system::sandbox",
            "meter::counters",
            "meter::slot",
            "meter::tags",
            "netlink",
            "roster::address",
            "roster::owners",
        ],
    ),
    ("tap/capture_file", &[]),
    ("roster", &["meter::slot", "meter::tags"]),
    (
        "config",
        &[
            "meter::budget",
            "meter::policy",
            "roster::account",
            "roster::address",
            "roster::table::POOL_ADDRESSES",
            "world",
        ],
    ),
    // Of traffic, /metrics sees a release; support sees a band and the totals of an export.
    ("publish", &[]),
    ("publish/exposition", &["meter::policy", "meter::flag_counts", "meter::release"]),
    ("publish/http", &["clock", "failure"]),
    // What stands before the pages sees none of them.
    ("publish/web", &["clock", "world"]),
    ("publish/support", &["meter::band", "meter::ledger::NodeTotals", "meter::units"]),
    // The control socket joins the roster and the node; it reads no counter.
    (
        "control",
        &[
            "clock",
            "config::Roles",
            "failure",
            "guard",
            "limits::Limit",
            "node",
            "publish",
            "roster",
            "tap::Tap",
            "world::World",
        ],
    ),
    // Nothing else is a module of this crate; a new one gets its row here.
    ("", &[]),
];

/// What this file names of the crate and may not.
pub(crate) fn forbidden(source: &Source) -> Vec<Finding> {
    let module = module_of(&source.path);
    let Some((row, allowed)) = row_of(&module).filter(|(row, _)| !row.is_empty()) else {
        return vec![source.finding(1, format!("module {module} has no row in tests/tidy/arrows.rs"))];
    };
    let own = row.split('/').next().unwrap_or_default();
    let named = named(source).into_iter();
    let wrong = named.filter(|(line, path)| {
        path.split("::").next() != Some(own)
            && !is_allowed(path, allowed)
            && !(is_allowed(path, &[PLANTED]) && is_hook(source, *line))
    });
    wrong.map(|(line, path)| source.finding(line, format!("{module} may not name crate::{path}"))).collect()
}

/// True for a line that a build without the feature `planted` does not have.
fn is_hook(source: &Source, line: usize) -> bool {
    let above = line.checked_sub(2).and_then(|at| source.text.lines().nth(at));
    above.is_some_and(|above| above.trim() == PLANTED_ALONE)
}

/// `src/tap/mod.rs` is `tap`, `src/tap/frame.rs` is `tap/frame`.
fn module_of(path: &str) -> String {
    let path = path.trim_start_matches("src/").trim_end_matches(".rs");
    path.trim_end_matches("/mod").to_owned()
}

fn row_of(module: &str) -> Option<&'static (&'static str, &'static [&'static str])> {
    let fits =
        |row: &str| module == row || module.strip_prefix(row).is_some_and(|rest| rest.starts_with('/'));
    ARROWS.iter().filter(|(row, _)| fits(row)).max_by_key(|(row, _)| row.len())
}

fn is_allowed(path: &str, allowed: &[&str]) -> bool {
    let under =
        |place: &str| path.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"));
    allowed.iter().any(|place| *place == "*" || under(place))
}

/// Every path of the crate that a file names, with its line.
fn named(source: &Source) -> Vec<(usize, String)> {
    Modules::named_by(source).into_iter().map(|(line, path)| (line, path.join("::"))).collect()
}

#[test]
fn an_arrow_that_is_not_in_the_table_is_found() {
    for (path, text) in [
        ("src/meter/ledger.rs", "use crate::clock::Reading;"),
        ("src/meter/ledger.rs", "use super::super::roster::Roster;"),
        ("src/meter/ledger.rs", "mod tests { use super::super::super::log::say; }"),
        ("src/tap/ring.rs", "use crate::publish::http::Pages;"),
        ("src/tap/frame.rs", "use crate::roster::{address::Prefix, account::AccountName};"),
        ("src/tap/mod.rs", "fn f() { super::publish::exposition::status(); }"),
        ("src/publish/exposition.rs", "use crate::tap::Tap;"),
        ("src/publish/exposition.rs", "use crate::meter::{release::Release, ledger::Ledger as Book};"),
        ("src/publish/http.rs", "use crate::meter::counters::Counters;"),
        ("src/roster/mod.rs", "use crate::*;"),
        ("src/node.rs", "use super::roster::Roster;"),
        ("src/control/desk.rs", "use blindmeter::meter::counters::Counters;"),
        ("src/main.rs", "fn main() { blindmeter::daemon::run(); }"),
        ("src/cache/mod.rs", ""),
        ("src/node.rs", "fn f() { crate::planted::head(); }"),
        ("src/node.rs", "#[cfg(feature = \"planted\")]\nuse crate::daemon::Engine;"),
        ("src/meter/release.rs", "#[cfg(not(feature = \"planted\"))]\ncrate::planted::on(\"L23\");"),
    ] {
        assert_eq!(forbidden(&Source::new(path, text)).len(), 1, "{path}: {text}");
    }
}

#[test]
fn an_arrow_of_the_table_is_let_through() {
    for (path, text) in [
        ("src/meter/ledger.rs", "use super::slot::Slot; mod tests { use super::super::units::Totals; }"),
        ("src/tap/ring.rs", "//! crate::publish\nuse crate::meter::slot::Slot; use crate::tap::Tap;"),
        ("src/roster/table.rs", "impl A { fn f() {} } mod tests { use super::*; }"),
        (
            "src/publish/exposition.rs",
            "use crate::meter::{release::{self, Release as R, KINDS}, policy::Policy};",
        ),
        ("src/cli/demo/mod.rs", "use crate::publish::http::Pages; use super::output;"),
        ("src/meter/release.rs", "    #[cfg(feature = \"planted\")]\n    if crate::planted::on(\"L23\") {}"),
    ] {
        assert!(forbidden(&Source::new(path, text)).is_empty(), "{path}: {text}");
    }
}

/// Everything that a module reaches over any number of arrows, itself left out.
fn reached_from(module: &str) -> Vec<&'static str> {
    let mut reached: Vec<&str> = Vec::new();
    let mut waiting = vec![module];
    while let Some(module) = waiting.pop() {
        for (row, allowed) in ARROWS.iter().filter(|(row, _)| row.split('/').next() == Some(module)) {
            let all = ["cli", "daemon", PLANTED].contains(&module);
            assert!(*allowed != ALL || all, "{row} may name everything");
            let modules = allowed.iter().filter_map(|path| path.split("::").next());
            for next in modules.filter(|next| *next != "*") {
                if !reached.contains(&next) {
                    reached.push(next);
                    waiting.push(next);
                }
            }
        }
    }
    reached
}

#[test]
fn the_table_has_no_way_round() {
    for (row, allowed) in ARROWS.iter().filter(|(_, allowed)| *allowed != ALL) {
        let module = row.split('/').next().unwrap_or_default();
        assert!(!reached_from(module).contains(&module), "{row} reaches itself");
        assert!(
            module == "main" || allowed.iter().all(|path| !["cli", "daemon", "lib"].contains(path)),
            "{row}"
        );
    }
    assert!(reached_from("meter").is_empty());
    assert!(!reached_from("tap").contains(&"publish") && !reached_from("publish").contains(&"tap"));
    assert!(!reached_from("node").contains(&"roster") && !reached_from("publish").contains(&"roster"));
}

#[test]
fn every_arrow_of_the_table_is_used() {
    let named: Vec<(String, String)> = tree(&["src"])
        .iter()
        .flat_map(|source| named(source).into_iter().map(|(_, path)| (module_of(&source.path), path)))
        .collect();
    for (row, allowed) in ARROWS.iter().filter(|(_, allowed)| *allowed != ALL) {
        for arrow in *allowed {
            let used = |(module, path): &(String, String)| {
                row_of(module).is_some_and(|(found, _)| found == row) && is_allowed(path, &[arrow])
            };
            assert!(named.iter().any(used), "{row} does not name {arrow}: take it out of the table");
        }
    }
}
