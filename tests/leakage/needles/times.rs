//! When traffic passed is nowhere: a daemon is loaded for some seconds, idles, and is searched for every
//! time that lies within the load.
//!
//! What the daemon does by itself it does once a second, load or not: it looks at its clocks, saves, and
//! looks for interfaces. Those times are of nobody, and each is renewed by the next; after [`IDLE`] none
//! of the load is left. So nothing is excepted, and nothing is asked of the daemon from the first packet
//! on until it was searched: the time of an answer would be the operator's.

use crate::clocks::{AHEAD, Clock, Hit, Now, Span};
use crate::image::{self, Part, Place};
use crate::netns::Namespace;
use crate::netns::daemon::{Daemon, PROGRAM, Setup};
use crate::netns::folder::Folder;
use crate::path::{DEVICE, Link, TunnelPath};
use crate::plan::{POOLS, Plan};
use crate::report::{self, Control as Scored, Figure, Row};
use crate::run::{Channel, Setting};
use crate::support::wait::let_pass;
use crate::talk::{Answers, Control};
use crate::traffic::{self, Load};
use crate::{ALONE, REPORT, maps, setting};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::Command;
use std::sync::PoisonError;
use std::thread;
use std::time::Duration;

/// How long the daemon is left alone before the load: what a start does late is done.
const BEFORE: Duration = Duration::from_secs(2);
const LOAD: Duration = Duration::from_secs(3);
/// A look that finds that something changed comes up to a second later; its time is one of the load.
const NOTICED: Duration = Duration::from_millis(1200);
/// Four rounds of what is done once a second.
const IDLE: Duration = Duration::from_secs(4);
/// Longer than all of these.
const AT_MOST: u64 = 120;

/// Distinct times found in a channel.
type Found = BTreeMap<Channel, BTreeSet<(Place, Hit)>>;

/// What a run gave.
struct Outcome {
    sent: usize,
    counted: usize,
    /// Times of the load.
    load: Found,
    /// Times of the idling after it: those that the daemon holds rightly.
    idle: Found,
    /// Times of as long a span an hour later.
    never: Found,
}

/// The daemon of a run.
struct Bench<'a> {
    folder: &'a Folder,
    daemon: &'a Daemon,
    kernel: bool,
}

#[test]
fn no_time_of_the_load_is_found_after_it() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let form = report::form();
    let plan = Plan::draw(report::seed(), form.choose(256, 4096));
    let mut all = Vec::new();
    for link in form.choose([Link::Tun].as_slice(), &[Link::Tun, Link::WireGuard]) {
        for tap in ["tcx", "ring", "pnet"] {
            let setting = setting(tap, *link, false);
            let rows = rows(&setting, &run(&setting, &plan));
            REPORT.add(&rows);
            all.extend(rows);
        }
    }
    report::hold(&all);
}

fn run(setting: &Setting, plan: &Plan) -> Outcome {
    let namespace = Namespace::new();
    let path = TunnelPath::make(&namespace, setting.link);
    let roster = plan.owners.filed.iter().chain(&plan.owners.unfiled).map(|owner| owner.line());
    let setup = Setup {
        backend: setting.tap,
        interfaces: vec![DEVICE.as_str()],
        pools: POOLS.to_vec(),
        roster: roster.collect(),
    };
    let folder = Folder::keeping(&setup, "24h");
    folder.configure("capacity = 4096", "capacity = 512");
    let [monotonic, boot] = AHEAD.map(|seconds| seconds.to_string());
    let mut command = Command::new("unshare");
    command.args(["--time", "--monotonic", &monotonic, "--boottime", &boot, "--", PROGRAM]);
    let mut daemon = Daemon::spawn_as(&namespace, &folder, command);
    daemon.await_start(0);

    let bench = Bench { folder: &folder, daemon: &daemon, kernel: setting.is_kernel() };
    let_pass(BEFORE, "the start is no time of the load");
    let soon = Now::read();
    let present = bench.look().times(soon, soon.plus(AT_MOST));
    let from = Now::read();
    let load = Load::default();
    thread::scope(|scope| {
        scope.spawn(|| traffic::through(&path, plan, &load, false));
        let_pass(LOAD, "the load lasts");
        load.stop();
    });
    let_pass(NOTICED, "what is to be noticed of the load is");
    let to = Now::read();
    let_pass(IDLE, "times of the load and of the look are apart");
    let held = bench.look();
    let counted = Control(folder.path("control.sock")).settle(&mut Answers::default());
    daemon.stop();
    Outcome {
        sent: usize::try_from(load.sent()).expect("a count"),
        counted,
        load: without(held.times(from, to), &present),
        idle: held.times(to, to.plus(AT_MOST)),
        never: without(held.times(from.plus(3600), to.plus(3600)), &present),
    }
}

/// Takes out what was in the same place before the load began: it is no time of it.
fn without(found: Found, present: &Found) -> Found {
    let present: HashSet<&(Place, Hit)> = present.values().flatten().collect();
    let left = |hits: BTreeSet<(Place, Hit)>| hits.into_iter().filter(|hit| !present.contains(hit)).collect();
    found.into_iter().map(|(channel, hits)| (channel, left(hits))).collect()
}

/// Everything that a daemon holds at a moment.
#[derive(Default)]
struct Held {
    parts: Vec<(Channel, Part)>,
    /// When files were changed: seconds and nanoseconds.
    changes: Vec<(Channel, i64, i64)>,
}

impl Bench<'_> {
    fn look(&self) -> Held {
        let mut held = Held::default();
        let mut add = |channel, parts: Vec<Part>| {
            held.parts.extend(parts.into_iter().map(|part| (channel, part)));
        };
        add(Channel::Core, image::whole(self.daemon.id()));
        if self.kernel {
            add(Channel::Helper, image::whole(self.daemon.helper()));
            let part = |bytes| Part { place: Place::KernelMap, start: 0, bytes };
            add(Channel::Maps, maps::of(self.daemon.id()).into_iter().map(part).collect());
        }
        for entry in fs::read_dir(self.folder.path("")).expect("our own folder").flatten() {
            let channel = match entry.file_name().to_string_lossy().as_ref() {
                "stderr" => Channel::Log,
                "control.counters" => Channel::Counters,
                _ => Channel::Store,
            };
            // A file of a save may be gone by now.
            let Ok(status) = fs::symlink_metadata(entry.path()) else { continue };
            held.changes.push((channel, status.mtime(), status.mtime_nsec()));
            held.changes.push((channel, status.ctime(), status.ctime_nsec()));
            if let Some(bytes) = status.is_file().then(|| fs::read(entry.path()).unwrap_or_default()) {
                held.parts.push((channel, Part { place: Place::File, start: 0, bytes }));
            }
        }
        held
    }
}

impl Held {
    /// Every time between two moments.
    fn times(&self, from: Now, to: Now) -> Found {
        let (process, kernel) = (Span::of_process(from, to), Span::of_kernel(from, to));
        let mut found = Found::new();
        for (channel, part) in &self.parts {
            let span = if part.place == Place::KernelMap { &kernel } else { &process };
            let in_memory = matches!(channel, Channel::Core | Channel::Helper | Channel::Maps);
            let hits = span.find(&part.bytes, part.start, if in_memory { 4 } else { 1 });
            found.entry(*channel).or_default().extend(hits.into_iter().map(|hit| (part.place, hit)));
        }
        for (channel, seconds, rest) in &self.changes {
            let hit = process.changed(*seconds, *rest).map(|hit| (Place::File, hit));
            found.entry(*channel).or_default().extend(hit);
        }
        found
    }
}

/// A row for each channel; and the control, which says that the search would have found a time.
fn rows(setting: &Setting, outcome: &Outcome) -> Vec<Row> {
    let link = if setting.link == Link::Tun { "TUN" } else { "WireGuard" };
    let head = format!("{} over {link}", setting.tap);
    let count = |found: &Found, channel: Channel| {
        Figure::counted(f64::from(u32::try_from(found.get(&channel).map_or(0, BTreeSet::len)).expect("few")))
    };
    let row = |(channel, hits): (&Channel, &BTreeSet<(Place, Hit)>)| {
        let control = (*channel == Channel::Core).then(|| control(&outcome.idle[channel]));
        Row {
            check: format!("times of the load, {head}: {} after it", channel.word()),
            control,
            figure: count(&outcome.load, *channel),
            goal: "0".to_owned(),
            passes: hits.is_empty(),
            note: format!("{}; an hour later {}", tally(hits), count(&outcome.never, *channel).value),
        }
    };
    let seen = Row {
        check: format!("packets counted, {head}, for times"),
        control: None,
        figure: Figure::counted(f64::from(u32::try_from(outcome.counted).expect("a count"))),
        goal: "three quarters of what was sent".to_owned(),
        passes: outcome.counted / 3 >= outcome.sent / 4,
        note: format!("of {} sent", outcome.sent),
    };
    [seen].into_iter().chain(outcome.load.iter().map(row)).collect()
}

/// The daemon holds times of its own: when a save began, when a timer is due. That they are found shows
/// that it runs in the time namespace, and that the search knows its clocks.
fn control(idle: &BTreeSet<(Place, Hit)>) -> Scored {
    let clocks: BTreeSet<Clock> = idle.iter().map(|(_, hit)| hit.clock).collect();
    Scored {
        what: "clocks of which a time of the idling is found".to_owned(),
        figure: Figure::counted(f64::from(u32::try_from(clocks.len()).expect("few"))),
        goal: "monotonic and boot at least".to_owned(),
        scores: clocks.contains(&Clock::Monotonic) && clocks.contains(&Clock::Boot),
    }
}

/// Clocks, forms and places, each with how many.
fn tally(hits: &BTreeSet<(Place, Hit)>) -> String {
    let mut groups = BTreeMap::new();
    for (place, hit) in hits {
        *groups.entry((hit.clock, hit.form, *place)).or_insert(0) += 1;
    }
    let texts: Vec<String> = groups
        .iter()
        .map(|((clock, form, place), count)| format!("{count} {clock:?} {form:?} in {place:?}"))
        .collect();
    if texts.is_empty() { "nothing".to_owned() } else { texts.join(", ") }
}
