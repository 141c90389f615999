//! What other users of the host see of the daemon while hooks run: its threads' switches, slices and times, its
//! sockets in `/proc/net/unix`, access times of its files, its control group.
//!
//! Windows with a hook in them and windows without take turns by chance; each figure is asked how well it tells
//! them apart.

use super::pipe::Pipe;
use crate::daemon::Site;
use crate::support::http;
use crate::support::rng::Rng;
use crate::support::wait::{let_pass, wait_for};
use blindmeter::clock::Stopwatch;
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// Windows of each kind.
const WINDOWS: usize = 80;

/// An area that chance does not reach: 4.4 standard errors of areas of so many windows.
pub(crate) const CHANCE: f64 = 0.70;

/// Six ticks of the roster's thread.
const WINDOW: Duration = Duration::from_millis(60);

/// Everything that is seen, by what it is of.
type View = BTreeMap<String, u64>;

/// A control group of the daemon's own, as a unit has one, on a mount of the test's own: everybody reads its figures, whatever
/// `/proc` hides.
struct Group {
    mounted: PathBuf,
    group: PathBuf,
}

impl Group {
    fn of(site: &Site, process: u32) -> Self {
        let mounted = site.path("cgroup");
        fs::create_dir(&mounted).expect("the folder is ours");
        let status = Command::new("mount").args(["-t", "cgroup2", "none"]).arg(&mounted).status();
        assert!(status.is_ok_and(|status| status.success()), "these tests mount control groups");
        let group = mounted.join(format!("blindmeter-{process}"));
        fs::create_dir(&group).expect("root makes groups");
        fs::write(group.join("cgroup.procs"), process.to_string()).expect("root moves processes");
        Self { mounted, group }
    }

    /// Processor time so far, in microseconds.
    fn usage(&self) -> u64 {
        let text = fs::read_to_string(self.group.join("cpu.stat")).expect("it is there");
        let line = text.lines().find_map(|line| line.strip_prefix("usage_usec ")).expect("a figure");
        line.parse().expect("a number")
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // The daemon leaves it when it ends; until then it goes back to the first one.
        if let Ok(processes) = fs::read_to_string(self.group.join("cgroup.procs")) {
            processes.lines().for_each(|process| {
                let _ = fs::write(self.mounted.join("cgroup.procs"), process);
            });
        }
        let _ = fs::remove_dir(&self.group);
        let _ = Command::new("umount").arg("--lazy").arg(&self.mounted).status();
    }
}

/// What every user sees where `/proc` hides nothing.
fn view(site: &Site, process: u32, group: &Group) -> View {
    let mut view = View::new();
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    for task in fs::read_dir(format!("/proc/{process}/task")).expect("it runs").flatten() {
        let task = format!("/proc/{process}/task/{}", task.file_name().to_string_lossy());
        let name = read(&format!("{task}/comm")).trim().to_owned();
        for line in read(&format!("{task}/status")).lines() {
            if let Some((what, count)) = line.split_once(":\t").filter(|(what, _)| what.ends_with("switches"))
            {
                view.insert(format!("{name}: {what}"), count.parse().expect("a number"));
            }
        }
        let times = read(&format!("{task}/schedstat"));
        for (what, figure) in ["time", "waited", "slices"].into_iter().zip(times.split_whitespace()) {
            view.insert(format!("{name}: {what}"), figure.parse().expect("a number"));
        }
        let stat = read(&format!("{task}/stat"));
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
        view.insert(format!("{name}: minor faults"), fields[7].parse().expect("a number"));
    }
    for file in ["control.sock", "control.hook", ""] {
        let metadata = fs::metadata(site.path(file)).expect("it is there");
        for (what, time) in [("atime", metadata.atime_nsec()), ("mtime", metadata.mtime_nsec())] {
            view.insert(format!("{file}: {what}"), time.unsigned_abs());
        }
    }
    view.insert("control group: time".to_owned(), group.usage());
    let unix = read("/proc/net/unix");
    view.insert("named sockets".to_owned(), unix.matches(&site.name("control")).count() as u64);
    view
}

/// How often the first of these are larger than the second, ties counted half, whichever way.
pub(crate) fn told_apart(with: &[u64], without: &[u64]) -> f64 {
    let pairs = with.iter().flat_map(|with| without.iter().map(move |without| with.cmp(without) as i32));
    let sum: i32 = pairs.sum();
    0.5 + (f64::from(sum) / (with.len() * without.len()) as f64 / 2.0).abs()
}

/// How well each figure tells so many windows in which this is done from as many others.
fn areas(
    (site, process, group): (&Site, u32, &Group),
    windows: usize,
    mut done: impl FnMut(),
) -> BTreeMap<String, f64> {
    let mut seen: BTreeMap<String, [Vec<u64>; 2]> = BTreeMap::new();
    let mut rng = Rng::of(&[1]);
    let mut left = [windows; 2];
    while left != [0, 0] {
        let does = usize::from(rng.below(left[0] + left[1]) >= left[0]);
        left[does] -= 1;
        // Windows begin anywhere between two ticks, and last equally long.
        let_pass(Duration::from_micros(rng.below_u64(10_000)), "a part of a tick");
        let (before, begun) = (view(site, process, group), Stopwatch::start());
        if does == 1 {
            done();
        }
        let_pass(WINDOW.saturating_sub(begun.elapsed()), "a window");
        for (what, after) in view(site, process, group) {
            let change = after.wrapping_sub(before.get(&what).copied().unwrap_or(0));
            seen.entry(what).or_default()[does].push(change);
        }
    }
    seen.into_iter().map(|(what, [without, with])| (what, told_apart(&with, &without))).collect()
}

#[test]
fn other_users_do_not_see_when_a_hook_ran() {
    let site = Site::new();
    let daemon = site.start();
    let group = Group::of(&site, daemon.id());
    let of = (&site, daemon.id(), &group);
    let mut pipe = Pipe::of(&site);
    let mut host = 0;
    let hook = areas(of, WINDOWS, || {
        host += 1;
        let ask = format!(r#"{{"op":"assign","prefix":"10.77.5.{host}","account":"canary"}}"#);
        let token = pipe.ask(&ask).expect("there is room");
        wait_for("it is answered", || pipe.told(token));
    });
    // The control: what commands cost is far above what other work of the machine hides.
    let command = areas(of, WINDOWS / 4, || (0..10).for_each(|_| ask_status(&site)));
    for (what, area) in &hook {
        println!("{what}: hook {area:.3}, command {:.3}", command[what]);
    }
    assert!(command["blindmeter: slices"] > 0.95, "the control: a connection wakes the main thread");
    assert!(command["control group: time"] > 0.75, "the control of the group: {command:?}");
    let told = hook.iter().filter(|(_, area)| **area > CHANCE);
    let told: Vec<&String> = told.map(|(what, _)| what).collect();
    assert!(told.is_empty(), "seen by other users: {told:?}");
}

/// Asks for the daemon's state over a connection of its own.
fn ask_status(site: &Site) {
    let mut stream = UnixStream::connect(site.path("control.sock")).expect("it listens");
    stream.write_all(b"{\"op\":\"status\"}\n").expect("it reads");
    BufReader::new(stream).read_line(&mut String::new()).expect("it answers");
}

/// How long a page or an answer takes while an address changes hands tells nobody of it.
#[test]
fn answers_take_as_long_with_a_hook_as_without() {
    let site = Site::new();
    let _daemon = site.start();
    let mut pipe = Pipe::of(&site);
    let (mut rng, mut host) = (Rng::of(&[2]), 0);
    let mut taken: BTreeMap<&str, [Vec<u64>; 2]> = BTreeMap::new();
    let mut left = [2 * WINDOWS; 2];
    let nanoseconds = |ask: &mut dyn FnMut()| {
        let begun = Stopwatch::start();
        ask();
        u64::try_from(begun.elapsed().as_nanos()).expect("a short time")
    };
    let ask = || {
        let scrape = nanoseconds(&mut || assert_eq!(http::get(site.port, "/metrics").status, 200));
        let status = nanoseconds(&mut || {
            ask_status(&site);
        });
        [("/metrics", scrape), ("status", status)]
    };
    while left != [0, 0] {
        let does = usize::from(rng.below(left[0] + left[1]) >= left[0]);
        left[does] -= 1;
        let_pass(Duration::from_micros(rng.below_u64(10_000)), "a part of a tick");
        if does == 1 {
            host += 1;
            let request = format!(r#"{{"op":"assign","prefix":"10.77.7.{host}","account":"canary"}}"#);
            pipe.ask(&request).expect("there is room");
        }
        // Until the change is made, and beyond; of each window the longest.
        let (begun, mut longest) = (Stopwatch::start(), BTreeMap::new());
        while begun.elapsed() < Duration::from_millis(12) {
            for (what, time) in ask() {
                let most = longest.entry(what).or_insert(0);
                *most = time.max(*most);
            }
        }
        longest.into_iter().for_each(|(what, most)| taken.entry(what).or_default()[does].push(most));
    }
    for (what, [without, with]) in &taken {
        let area = told_apart(with, without);
        println!("{what}: {area:.3} of {} and {} windows", with.len(), without.len());
        assert!(area < CHANCE, "the time of {what} tells of a hook: {area:.3}");
    }
}
