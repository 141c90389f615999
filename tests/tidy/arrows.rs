//! Which module may name which: the order of the rooms, the one table of arrows, and what a file names of
//! the crate.
//!
//! A row is a module and all it may name of the crate outside itself. The longest row that fits a
//! file holds, so that a file can be bound more tightly than its folder.

use crate::modules::Modules;
use crate::source::{Finding, Source, tree};

/// The rooms from the top floor down: each names only what stands below it.
pub(crate) const ROOMS: [&str; 22] = [
    "main",
    "cli",
    "exporter",
    "daemon",
    "desk",
    "control",
    "fleet",
    "engine",
    "log",
    "publish",
    "tap",
    "doctor",
    "config",
    "environment",
    "store",
    "node",
    "roster",
    "inventory",
    "system",
    "meter",
    "clock",
    "exit",
];

/// What may name everything below it: the daemon puts the parts together, and the commands speak to them.
const ALL: &[&str] = &["*"];

/// The arrows. An arrow that no file uses any more is taken out.
const ARROWS: [(&str, &[&str]); 51] = [
    ("lib", &[]),
    ("main", &["cli", "system::allocator::WipingAllocator"]),
    ("cli", ALL),
    ("daemon", ALL),
    // A fleet's page: it opens epochs and serves them, and knows nothing of a node.
    (
        "exporter",
        &[
            "clock",
            "config",
            "daemon::inputs",
            "environment",
            "exit",
            "fleet",
            "log",
            "meter::policy",
            "meter::scope",
            "publish",
            "system",
        ],
    ),
    (
        "exporter/epochs",
        &[
            "fleet::courier",
            "fleet::keys",
            "fleet::look_up::Untold",
            "fleet::opening",
            "meter::policy",
            "meter::release",
            "meter::scope",
            "meter::share",
        ],
    ),
    ("exporter/kept", &["meter::policy", "meter::release", "meter::share", "store::disk", "store::replace"]),
    // The desk asks as the socket is asked: it reaches no engine, no roster and no store.
    (
        "desk",
        &[
            "clock",
            "config::Language",
            "control",
            "environment::Environment",
            "exit",
            "meter::band::EDGES",
            "meter::calendar::Day",
            "meter::flags::kind",
            "node::audit::Reason",
            "publish::web",
        ],
    ),
    // The socket asks the engine; it reaches no tap, no page and no store.
    (
        "control",
        &[
            "clock",
            "config::Language",
            "config::DeskRoles",
            "config::Roles",
            "config::UNIX",
            "engine::hook_counts::HookCounts",
            "engine::roster_writer",
            "engine::state::State",
            "environment::Environment",
            "exit",
            "fleet::link",
            "fleet::look_up",
            "fleet::settings::Role",
            "meter::band::Band",
            "meter::flags::kind",
            "meter::calendar::Day",
            "meter::policy::SmallCrowd",
            "meter::tags::Tag",
            "node::audit",
            "node::pending",
            "node::rate_limits",
            "roster",
            "system::allocator",
            "system::descriptors",
        ],
    ),
    ("control/hook_pipe", &["system::access_list"]),
    ("control/socket", &["exit", "system::access_list", "system::descriptors", "system::service_manager"]),
    // Support's answers are a band and flags, and the totals and the baseline of an export.
    (
        "control/reports",
        &[
            "meter::band",
            "meter::calendar",
            "meter::flags::baseline::Baseline",
            "meter::flags::watch::Verdict",
            "meter::ledger::NodeTotals",
            "meter::units",
            "node::rate_limits",
        ],
    ),
    // What goes to other nodes: refreshes of accounts, by a process that connects to the clusters.
    (
        "fleet",
        &[
            "config::Fleet",
            "config::fleet::LETTERS",
            "environment::Files",
            "environment::unreadable",
            "meter::flags::kind",
            "meter::scope::MOST_NODES",
            "meter::share",
            "meter::tags::Tag",
            "node::shares::Waiting",
        ],
    ),
    ("fleet/epochs", &["engine::state::State", "environment::System", "meter::policy", "node::shares::ROOM"]),
    ("fleet/courier", &["system::child", "system::sandbox"]),
    (
        "fleet/link",
        &[
            "clock",
            "engine::refreshes",
            "engine::state::State",
            "environment::System",
            "log",
            "meter::flags::kind::Kinds",
            "meter::policy",
            "meter::tags::Tag",
            "meter::units::DAY_SECONDS",
        ],
    ),
    (
        "fleet/sending",
        &["engine::refreshes", "meter::flags::kind::Kinds", "meter::slot::Slot", "meter::tags::Tag"],
    ),
    // What the servers are asked knows no account.
    ("fleet/cluster", &[]),
    (
        "engine",
        &[
            "clock",
            "config",
            "environment",
            "exit",
            "log",
            "meter",
            "node",
            "publish::exposition",
            "publish::http::Pages",
            "roster",
            "store",
            "system",
            "tap",
        ],
    ),
    (
        "log",
        &[
            "clock::ImplausibleClock",
            "meter::policy::SmallCrowd",
            "roster::sources::Unread",
            "store::StoreError",
            "system::sandbox::Restriction",
            "tap::Overlap",
            "tap::kernel::PinError",
        ],
    ),
    ("log/writer", &[]),
    // Of traffic, /metrics sees a release.
    ("publish", &[]),
    (
        "publish/exposition",
        &[
            "meter::noise::Scale",
            "meter::policy",
            "meter::flag_counts",
            "meter::release",
            "meter::scope::Scope",
        ],
    ),
    ("publish/http", &["clock", "system::allocator"]),
    ("publish/listeners", &["exit"]),
    // What stands before the pages sees none of them.
    ("publish/web", &["clock", "environment"]),
    // packet -> tap -> roster -> meter
    (
        "tap",
        &[
            "clock::Stopwatch",
            "config::Hook",
            "config::Pattern",
            "config::TapKind",
            "meter::counters",
            "meter::slot",
            "meter::tags",
            "meter::units",
            "roster::place",
            "roster::places",
            "system::allocator",
            "system::descriptors",
            "system::filesystem",
        ],
    ),
    (
        "tap/attribution",
        &[
            "config::Pattern",
            "meter::counters",
            "meter::slot",
            "roster::address",
            "roster::place",
            "roster::table",
        ],
    ),
    ("tap/frame", &["roster::address"]),
    ("tap/interfaces", &["system::netlink"]),
    // What a save keeps of the interfaces.
    ("tap/interface_sum", &["config::Pattern", "meter::counters", "node::saved::InterfaceSum"]),
    (
        "tap/kernel",
        &[
            "config::Hook",
            "meter::counters",
            "meter::slot",
            "meter::tags",
            "roster::address",
            "roster::owners",
            "roster::place",
            "system::capabilities",
            "system::child",
            "system::filesystem",
            "system::netlink",
            "system::processors",
            "system::sandbox",
        ],
    ),
    ("tap/capture_file", &["roster::place"]),
    // It knows the interfaces' patterns; no pool, no roster.
    ("doctor", &["config::Pattern"]),
    (
        "config",
        &[
            "environment::Files",
            "meter::budget",
            "meter::policy",
            "meter::scope",
            "roster::account",
            "roster::address",
            "roster::sources::radius::Naming",
            "roster::sources::strongswan::Identity",
        ],
    ),
    // Clocks, disk, files and randomness as a simulation can replace them.
    ("environment", &["clock", "meter::noise", "store::disk", "system::users"]),
    (
        "store",
        &[
            "meter::band",
            "meter::calendar",
            "meter::epoch::Carry",
            "meter::flags",
            "meter::noise",
            "meter::release",
            "meter::share",
            "meter::slot",
            "meter::tags",
            "meter::units",
            "node::audit",
            "node::pending",
            "node::rate_limits",
            "node::saved",
            "node::schedule::ScheduleState",
            "node::shares",
        ],
    ),
    // The state machine: clocks and slots, no names.
    ("node", &["clock", "meter"]),
    ("roster", &["meter::slot", "meter::tags"]),
    // What asks VPN servers waits for them, in a process of its own where it needs a capability.
    (
        "roster/sources",
        &[
            "clock::Stopwatch",
            "meter::tags",
            "system::allocator",
            "system::capabilities",
            "system::child",
            "system::netlink",
            "system::sandbox",
        ],
    ),
    // What walks their answers names nothing else.
    ("roster/sources/wireguard/dump", &["system::netlink"]),
    ("roster/sources/openvpn/status", &[]),
    ("roster/sources/radius/packet", &[]),
    ("roster/sources/strongswan/message", &[]),
    ("roster/sources/wireguard/quick", &[]),
    ("roster/sources/wireguard/uapi", &[]),
    // What names nothing of the crate. The blind core is one of these.
    ("inventory", &[]),
    ("system", &[]),
    ("meter", &[]),
    ("clock", &[]),
    ("exit", &[]),
];

/// What this file names of the crate and may not.
pub(crate) fn forbidden(source: &Source) -> Vec<Finding> {
    let module = module_of(&source.path);
    let Some((row, allowed)) = row_of(&module) else {
        return vec![source.finding(1, format!("module {module} has no row in tests/tidy/arrows.rs"))];
    };
    let own = row.split('/').next().unwrap_or_default();
    let wrong = named(source).into_iter().filter(|(_, path)| {
        let room = path.split("::").next().unwrap_or_default();
        room != own && !(is_allowed(path, allowed) && is_below(room, own))
    });
    wrong.map(|(line, path)| source.finding(line, format!("{module} may not name crate::{path}"))).collect()
}

/// True for rooms that both have a floor, the first one's below the second one's.
pub(crate) fn is_below(room: &str, other: &str) -> bool {
    let floor = |room: &str| ROOMS.iter().position(|known| *known == room);
    floor(room).zip(floor(other)).is_some_and(|(room, other)| room > other)
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
        ("src/meter/ledger.rs", "mod tests { use super::super::super::log::emit; }"),
        ("src/meter/ledger.rs", "fn f() { g(self::super::super::exit::ExitStatus::Io) }"),
        ("src/tap/ring.rs", "use crate::publish::http::Pages;"),
        ("src/tap/ring.rs", "fn f() { assert!(crate::publish::http::is_open(1)); }"),
        ("src/tap/ring.rs", "#[serde(with = \"crate::publish::http\")] struct A;"),
        ("src/tap/frame.rs", "use crate::roster::{address::Prefix, account::AccountName};"),
        ("src/tap/mod.rs", "fn f() { super::publish::exposition::status(); }"),
        ("src/publish/exposition.rs", "use crate::tap::Tap;"),
        ("src/publish/exposition.rs", "use crate::meter::{release::Release, ledger::Ledger as Book};"),
        ("src/publish/http.rs", "use crate::meter::counters::Counters;"),
        ("src/roster/mod.rs", "use crate::*;"),
        ("src/node/mod.rs", "use super::roster::Roster;"),
        ("src/node/mod.rs", "#[cfg(feature = \"planted\")]\nuse crate::daemon::Engine;"),
        ("src/control/handler.rs", "use blindmeter::meter::counters::Counters;"),
        ("src/control/handler.rs", "use crate::tap::Tap;"),
        ("src/control/server.rs", "use crate::publish::http::Pages;"),
        ("src/daemon/mod.rs", "use crate::cli::output;"),
        ("src/cli/run.rs", "use crate::planted::on;"),
        ("src/engine/mod.rs", "use crate::control::handler::Handler;"),
        ("src/main.rs", "fn main() { blindmeter::daemon::run(); }"),
        ("src/cache/mod.rs", ""),
    ] {
        assert_eq!(forbidden(&Source::new(path, text)).len(), 1, "{path}: {text}");
    }
}

#[test]
fn an_arrow_of_the_table_is_let_through() {
    for (path, text) in [
        ("src/meter/ledger.rs", "use super::slot::Slot; mod tests { use super::super::units::Totals; }"),
        ("src/tap/ring.rs", "//! crate::publish\nuse crate::meter::slot::Slot; use crate::tap::Tap;"),
        ("src/roster/table.rs", "impl A { pub(crate) fn f() {} } mod tests { use super::*; }"),
        (
            "src/publish/exposition.rs",
            "use crate::meter::{release::{self, Release as R, KINDS}, policy::Policy};",
        ),
        ("src/cli/demo/mod.rs", "use crate::publish::http::Pages; use super::output;"),
        ("src/daemon/mod.rs", "use crate::control::server::serve;"),
    ] {
        assert!(forbidden(&Source::new(path, text)).is_empty(), "{path}: {text}");
    }
}

/// Everything that a module reaches over any number of arrows.
fn reached_from(module: &str) -> Vec<&'static str> {
    let mut reached: Vec<&str> = Vec::new();
    let mut waiting = vec![module];
    while let Some(module) = waiting.pop() {
        for (_, allowed) in ARROWS.iter().filter(|(row, _)| row.split('/').next() == Some(module)) {
            for next in allowed.iter().filter_map(|path| path.split("::").next()) {
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
fn the_table_leads_down_only() {
    for (row, allowed) in ARROWS {
        let own = row.split('/').next().unwrap_or_default();
        assert!(allowed != ALL || ["cli", "daemon"].contains(&own), "{row} may name everything");
        for path in allowed.iter().filter(|path| **path != "*") {
            let room = path.split("::").next().unwrap_or_default();
            assert!(is_below(room, own), "{row} names {path}, which does not stand below it");
        }
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
