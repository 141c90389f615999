//! Needles that a daemon keeps on purpose (`tests/leakage/plants/source/planted/needles.rs`): one address,
//! eight bytes of payload, one account name, each in each channel, and the search must find every one
//! where it is.
//!
//! That daemon is built of a copy of the sources, so nothing of it is in the product. The short form keeps a needle of one
//! kind in each channel, by the seed, and the full one a needle of each kind. `LEAKAGE_ROW=name` is the needles of that
//! kind or place alone.

#[path = "../plants/copy.rs"]
mod copy;

#[path = "../../netns/mod.rs"]
mod netns;
#[path = "../report/mod.rs"]
mod report;
#[path = "../wireguard/mod.rs"]
mod wireguard;

mod finder;
mod forms;
mod image;
mod maps;
mod path;
mod plan;
mod run;
#[path = "../../support/mod.rs"]
mod support;
mod talk;
mod traffic;
mod verdict;
mod writes;

use copy::{DAEMON, Programs};
use path::Link;
use report::{Figure, Form, Report, Row, form, seed};
use run::{Channel, Setting};
use std::sync::LazyLock;

static REPORT: Report = Report::new("leakage_needle_plants");

/// The copy's build; of its tests one that `leakage_plants` builds as well, so that both have the same daemon.
static PROGRAMS: LazyLock<Programs> = LazyLock::new(|| copy::build(&["leakage_needles"]));

/// Where a needle is planted by this word, and where it must be found: what is in the memory is in a
/// core as well.
const PLACES: [(&str, &[Channel]); 8] = [
    ("memory", &[Channel::Memory, Channel::Core]),
    ("counters", &[Channel::Counters]),
    ("store", &[Channel::Store]),
    ("log", &[Channel::Log]),
    ("pages", &[Channel::Pages]),
    ("answers", &[Channel::Answers]),
    ("writes", &[Channel::Writes]),
    ("process", &[Channel::Process]),
];

/// Few, so that the search is quick: one kept needle is one, however many there are.
const REMOTES: usize = 64;

/// True for all, or for the needles whose names hold what `LEAKAGE_ROW` says.
fn is_asked_for(planted: &str) -> bool {
    std::env::var("LEAKAGE_ROW").map_or(true, |row| planted.contains(&row))
}

/// What can be kept.
const KINDS: [&str; 3] = ["address", "payload", "name"];

/// The needles of this run: a kind, and where it is kept.
fn needles() -> Vec<(&'static str, (&'static str, &'static [Channel]))> {
    if form() == Form::Short && std::env::var_os("LEAKAGE_ROW").is_none() {
        return (seed()..).zip(PLACES).map(|(number, place)| (KINDS[(number % 3) as usize], place)).collect();
    }
    let all = KINDS.into_iter().flat_map(|kind| PLACES.map(|place| (kind, place)));
    all.filter(|(kind, (place, _))| is_asked_for(&named(kind, place))).collect()
}

fn named(kind: &str, place: &str) -> String {
    format!("N-{kind}-{place}")
}

/// Runs a daemon that keeps a needle. Gives the channels that are red, or all that is when none is planted.
fn red(tap: &'static str, link: Link, traced: bool, planted: Option<&str>) -> Vec<String> {
    let plan = plan::Plan::draw(seed(), REMOTES);
    let finder = finder::Finder::new(&plan.needles());
    let setting =
        Setting { program: &PROGRAMS[DAEMON], tap, link, traced, planted: planted.map(str::to_owned) };
    let outcome = run::run(&setting, &plan, &finder);
    let rows = verdict::rows(&setting, &plan, &outcome).into_iter();
    rows.filter(|row| !row.passes).map(|row| format!("{}: {}", row.check, row.note)).collect()
}

/// A row for each channel in which a needle was planted.
fn judged(planted: &str, channels: &[Channel], said: &[String]) -> Vec<Row> {
    let row = |channel: &Channel| {
        let word = format!(": {} ", channel.word());
        // The core's words begin with those of the memory.
        let of_channel = |text: &&String| {
            text.contains(&word) && (text.contains(Channel::Core.word()) == (*channel == Channel::Core))
        };
        let found = said.iter().find(of_channel);
        Row {
            check: format!("planted {planted}: {}", channel.word()),
            control: None,
            figure: Figure::counted(f64::from(u8::from(found.is_some()))),
            goal: "1".to_owned(),
            passes: found.is_some(),
            note: found.cloned().unwrap_or_else(|| "not found".to_owned()),
        }
    };
    channels.iter().map(row).collect()
}

#[test]
fn every_needle_that_is_kept_is_found_where_it_is() {
    let mut rows = Vec::new();
    for (kind, (place, channels)) in needles() {
        let planted = named(kind, place);
        let said = red("pnet", Link::Tun, place == "writes", Some(&planted));
        rows.extend(judged(&planted, channels, &said));
    }
    // With the kernel tap an address that was released stays in the kernel's map, and in the roster's.
    if is_asked_for("N-address-maps") {
        let said = red("tcx", Link::WireGuard, false, Some("N-address-maps"));
        rows.extend(judged("N-address-maps", &[Channel::Maps], &said));
    }
    let caught = rows.iter().filter(|row| row.passes).count();
    let count = |count: usize| f64::from(u32::try_from(count).expect("few"));
    let all = Row {
        check: "kept needles that are found".to_owned(),
        control: None,
        figure: Figure::counted(count(caught)),
        goal: format!("{0} of {0}", rows.len()),
        passes: caught == rows.len(),
        note: "one address, eight bytes of payload, one name; each in each channel".to_owned(),
    };
    rows.insert(0, all);
    REPORT.add(&rows);
    // The same build is green when nothing is planted.
    let green = red("pnet", Link::Tun, false, None);
    assert!(green.is_empty(), "red without a plant: {green:?}");
    report::hold(&rows);
}
