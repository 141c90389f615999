//! Fields that may hold a time, and places that read a clock: each one by name, with the reason why it
//! tells nothing of a user. An exemption of the whole struct (`exempt.rs`) does not cover them.

use crate::sources;
use std::collections::BTreeSet;
use syn::visit::{self, Visit};
use syn::{Ident, Item, Type};

/// Types of a time or of a length of time: the standard library's, the kernel's, tokio's, and what
/// `src/clock.rs` hands out.
const TYPES: [&str; 16] = [
    "Stopwatch",
    "Reading",
    "Instant",
    "SystemTime",
    "UnixTime",
    "Duration",
    "TimeSpec",
    "TimeVal",
    "timespec",
    "timeval",
    "time_t",
    "Sleep",
    "Interval",
    "Timeout",
    "DelayQueue",
    "Timestamp",
];

/// `folder/file Name.field`, and why.
const FIELDS: &[(&str, &str)] = &[
    ("clock Stopwatch.0", "the type itself: who keeps one is in this list"),
    ("clock Ticks.next", "the next tick, which comes whatever happens"),
    ("clock Ticks.interval", "a length, of the program"),
    ("clock EqualShares.share", "a length, of the program"),
    ("clock EqualShares.end", "processor time of a thread that takes as much whatever happens"),
    ("config Sealed.save_every", "a length, from the configuration"),
    ("config/servers WireGuard.poll", "a length, from the configuration"),
    ("config/servers OpenVpn.poll", "a length, from the configuration"),
    ("config/ipsec StrongSwan.poll", "a length, from the configuration"),
    ("config/fleet Fleet.spread", "a length, from the configuration"),
    ("fleet/link Schedule.spread", "the same"),
    ("daemon/fleet Prepared.spread", "the same"),
    ("fleet/epochs Rounds.wait", "how long the next round waits after one that failed, whatever passes"),
    ("fleet/link Fleet.paces", "when a cluster is asked next, whatever passes"),
    ("roster/sources/openvpn StatusFile.unchanged", "for how long the server has not written its file"),
    ("roster/sources/wireguard/wire Deadline.limit", "a length, of the program"),
    ("roster/sources/wireguard/wire Deadline.since", "when a device was asked, until it has answered"),
    ("engine Engine.save_every", "the same"),
    ("engine Engine.flags_step", "half of a tick of the flags, from the configuration"),
    ("tap/watch Watch.looked", "the look at hooks, at intervals whatever passes"),
    ("tap/watch Watch.held", "for how long a hook is left to other software of the host"),
    ("tap/watch Watch.tries", "how often other software of the host took a hook"),
    ("tap/worker/attachments Worker.began", "when the tap began"),
    (
        "tap/worker/attachments Worker.counters_read",
        "the look at interfaces while packets pass; `began` a second after",
    ),
];

/// `folder/file`, how often it reads a clock, starts a stop-watch or uses a part of a reading, and what
/// for. It finds a time that is kept as a plain number.
const READERS: &[(&str, usize, &str)] = &[
    ("cli/demo", 1, "the demo's own seconds"),
    ("cli/demo/traffic", 1, "the pace of the demo's packets"),
    ("cli/run", 1, "when the first release would come, in a dry run"),
    ("clock", 18, "the clocks themselves, and whether the wall clock can be right"),
    ("control/hook", 2, "when a hook stops waiting, in the hook's own process"),
    (
        "control/inbox",
        2,
        "whether a hook has stopped waiting by the time its change is made; nothing of it is kept",
    ),
    ("cli/fleet/demo", 4, "the demo's own weeks"),
    ("cli/fleet/demo/servers", 1, "how long the demo waits for servers"),
    ("cli/fleet/check", 2, "how far the servers' clocks are from this one"),
    ("exporter", 4, "which epoch has ended"),
    ("exporter/epochs", 3, "which epoch has ended, and when the next one is opened"),
    ("daemon", 2, "whether the wall clock can be right, at the start"),
    ("daemon/asking", 1, "when each part of a source is due, by the configured interval"),
    ("roster/sources/openvpn", 2, "for how long a status file has stayed as it is"),
    ("roster/sources/strongswan", 1, "how long an answer takes, until it is there"),
    ("engine", 2, "the beat to the service manager"),
    (
        "fleet/link",
        24,
        "when a cluster is asked next, by the configured spread; whether nodes still send a refresh; the day that a sending is of",
    ),
    ("engine/checkpoint", 6, "when the last save began, by the configured interval"),
    ("node/asked", 5, "windows of what staff may ask"),
    ("node/rate_limits", 6, "windows of what staff may ask"),
    ("node/rights", 6, "the day on which staff asks, and windows of what it may ask"),
    ("node/flagged", 1, "whether a tick of the flags is due"),
    ("node/flags", 5, "when a tick of the flags ends"),
    ("node", 20, "when bands, period and release are due; the limits of staff"),
    ("publish/web/login", 1, "how long the check of a log-in took, until it is answered"),
    ("publish/web/tls", 2, "whether a certificate is valid, while it is checked"),
    ("node/schedule", 11, "when an epoch ends"),
    ("node/told", 6, "what status tells: when the next release is due, whether the wall clock can be right"),
    ("roster/sources/wireguard/wire", 1, "how long a device may take to answer"),
    ("tap/watch", 5, "when the hooks were looked at, and how often other software took one"),
    ("tap/worker", 1, "when the tap began"),
    ("tap/worker/look", 2, "the look at interfaces, while packets pass"),
];

/// Finds a type's name in a type, whatever is around it.
#[derive(Default)]
struct Times(bool);

impl<'a> Visit<'a> for Times {
    fn visit_ident(&mut self, ident: &'a Ident) {
        self.0 |= TYPES.iter().any(|name| ident == name);
    }
}

fn is_time(of: &Type) -> bool {
    let mut times = Times::default();
    times.visit_type(of);
    times.0
}

/// Fields of a file's items, wherever these stand, and other names for such a type, which would hide it.
struct Fields {
    module: String,
    found: Vec<String>,
}

impl<'a> Visit<'a> for Fields {
    fn visit_item(&mut self, item: &'a Item) {
        match item {
            Item::Mod(inner) if inner.attrs.iter().any(sources::is_for_tests) => return,
            Item::Struct(item) => self.add(&item.ident.to_string(), item.fields.iter()),
            Item::Enum(item) => {
                for variant in &item.variants {
                    self.add(&format!("{}::{}", item.ident, variant.ident), variant.fields.iter());
                }
            }
            Item::Union(item) => self.add(&item.ident.to_string(), item.fields.named.iter()),
            Item::Type(item) if is_time(&item.ty) => {
                self.found.push(format!("{} {}", self.module, item.ident))
            }
            Item::Static(item) if is_time(&item.ty) => {
                self.found.push(format!("{} {}", self.module, item.ident));
            }
            _ => {}
        }
        visit::visit_item(self, item);
    }

    fn visit_use_rename(&mut self, rename: &'a syn::UseRename) {
        if TYPES.iter().any(|name| rename.ident == name) {
            self.found.push(format!("{} {}", self.module, rename.rename));
        }
    }
}

impl Fields {
    fn add<'f>(&mut self, name: &str, fields: impl Iterator<Item = &'f syn::Field>) {
        for (number, field) in fields.enumerate().filter(|(_, field)| is_time(&field.ty)) {
            let field = field.ident.as_ref().map_or_else(|| number.to_string(), Ident::to_string);
            self.found.push(format!("{} {name}.{field}", self.module));
        }
    }
}

fn fields_of(module: &str, text: &str) -> Vec<String> {
    let mut fields = Fields { module: module.to_owned(), found: Vec::new() };
    fields.visit_file(&syn::parse_file(text).expect("the sources compile"));
    fields.found
}

/// How often a text reads a clock or uses what was read, its tests left out.
fn reads(text: &str) -> usize {
    let text = text.split("\n#[cfg(test)]\n").next().unwrap_or_default();
    [
        "Stopwatch::start",
        ".now()",
        "::now()",
        "clock_gettime(",
        "SystemTime",
        "boot_nanoseconds",
        "wall_seconds",
    ]
    .iter()
    .map(|call| text.matches(call).count())
    .sum()
}

#[test]
fn every_field_that_may_hold_a_time_is_listed_by_name() {
    let files = sources::all_files();
    assert!(files.len() > 80, "{} files were read", files.len());
    let there: BTreeSet<String> = files.iter().flat_map(|(module, text)| fields_of(module, text)).collect();
    let listed: BTreeSet<String> = FIELDS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let missing: Vec<&String> = there.difference(&listed).collect();
    let stale: Vec<&String> = listed.difference(&there).collect();
    assert!(missing.is_empty(), "a time that no list explains: {missing:#?}");
    assert!(stale.is_empty(), "listed, but gone: {stale:#?}");
    assert!(FIELDS.iter().all(|(_, why)| !why.is_empty()));
}

#[test]
fn every_place_that_reads_a_clock_is_listed() {
    let files = sources::all_files();
    let there: BTreeSet<(&str, usize)> = files
        .iter()
        .map(|(module, text)| (module.as_str(), reads(text)))
        .filter(|(_, count)| *count > 0)
        .collect();
    let listed: BTreeSet<(&str, usize)> =
        READERS.iter().map(|(module, count, _)| (*module, *count)).collect();
    let (missing, stale) =
        (there.difference(&listed).collect::<Vec<_>>(), listed.difference(&there).collect::<Vec<_>>());
    assert!(missing.is_empty() && stale.is_empty(), "not listed: {missing:?}; listed, but not so: {stale:?}");
    assert!(READERS.iter().all(|(_, _, why)| !why.is_empty()));
}

#[test]
fn a_time_is_found_in_whatever_it_is_wrapped() {
    let found = |text: &str| fields_of("a", text);
    assert_eq!(found("struct B { recent: Mutex<Vec<(u64, Stopwatch)>>, other: u64 }"), ["a B.recent"]);
    assert_eq!(found("struct B([Option<std::time::Instant>; 4]);"), ["a B.0"]);
    assert_eq!(found("enum B { C { at: &'static Reading }, D(u8) }"), ["a B::C.at"]);
    assert_eq!(found("type B = Arc<Stopwatch>; use clock::Stopwatch as C;"), ["a B", "a C"]);
    assert_eq!(
        found("fn b() { struct C { at: Box<dyn Fn(Duration)> } static D: Cell<Instant> = e(); }"),
        ["a C.at", "a D"]
    );
    assert_eq!(found("#[cfg(test)] mod tests { struct B(Instant); }"), Vec::<String>::new());
}
