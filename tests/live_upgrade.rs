//! An upgrade: what an earlier version's program counts in the kernel is gone on with by this one, to the packet,
//! whether the earlier process was restarted, killed, or went while packets passed.
//!
//! The earlier program is the one of BLINDMETER_EARLIER where that names one; else it is this one with the kernel's
//! programs of 0.1.0 in their place, as tests/upgrade keeps them. Needs a lab build, as the earlier program must be.

mod netns;
mod support;

use aho_corasick::AhoCorasick;
use aya::maps::{MapInfo, MapType};
use netns::beside::{Fixture, LENGTH};
use netns::daemon::{Daemon, PROGRAM};
use netns::tally::Way;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;
use support::command::apart;
use support::rng::Rng;
use support::wait::let_pass;
use tempfile::TempDir;

const REPOSITORY: &str = env!("CARGO_MANIFEST_DIR");

/// The released versions, each with a folder of tests/upgrade that is never changed.
const RELEASED: [&str; 1] = ["0.1.0"];

/// The kernel's programs.
const OBJECTS: [&str; 2] = ["meter.bpf.o", "locked.bpf.o"];

/// What of a set that is pinned is a program.
const PROGRAMS: [&str; 4] = ["ethernet_up", "ethernet_down", "ip_up", "ip_down"];

/// What makes the daemon count into slices, or not.
const LAYOUTS: [&str; 2] = ["64MiB", "0MiB"];

/// Held while a program is copied: a child that another test forks meanwhile would hold it open for writing.
static COPYING: Mutex<()> = Mutex::new(());

fn kept(version: &str, file: &str) -> Vec<u8> {
    let path = format!("{REPOSITORY}/tests/upgrade/{version}/{file}");
    fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A program that counts with the objects of an earlier version; `altered`, with a byte of them changed that the
/// kernel never sees, so that it is another program in any case.
fn earlier(folder: &Path, version: &str, altered: bool) -> PathBuf {
    if let Some(path) = std::env::var_os("BLINDMETER_EARLIER") {
        return path.into();
    }
    let mut program = fs::read(PROGRAM).expect("the program is there");
    for object in OBJECTS {
        let present = fs::read(format!("{REPOSITORY}/src/tap/bpf/{object}")).expect("it is committed");
        let mut bytes = kept(version, object);
        if altered {
            // The name of a label.
            let at = bytes.windows(4).rposition(|name| name == b"LBB0").expect("the object has labels");
            bytes[at] = b'M';
        }
        assert!(
            bytes.len() <= present.len(),
            "{object} of {version} has no room in this program: build {version} with `--features lab`, and name the \
             program in BLINDMETER_EARLIER"
        );
        bytes.resize(present.len(), 0);
        // Of two, the one that is read here might not be the one that is loaded.
        let places = places(&program, &present);
        assert_eq!(places.len(), 1, "{object} is in the program once, at {places:?}");
        program[places[0]..][..bytes.len()].copy_from_slice(&bytes);
    }
    let path = folder.join("earlier");
    let _held = COPYING.lock().expect("nobody panics while copying");
    let (source, copy) = (folder.join("bytes"), &path);
    fs::write(&source, program).expect("ours");
    let installed = apart("install").args(["-m", "755"]).arg(&source).arg(copy).status();
    assert!(installed.is_ok_and(|status| status.success()), "coreutils are there");
    path
}

/// Where an object stands in a program: found by a part of it, since a search for the whole takes long.
fn places(program: &[u8], object: &[u8]) -> Vec<usize> {
    let middle = object.len() / 2;
    let finder = AhoCorasick::new([&object[middle..middle + 256]]).expect("one short pattern");
    let starts = finder.find_overlapping_iter(program).filter_map(|found| found.start().checked_sub(middle));
    starts.filter(|at| program[*at..].starts_with(object)).collect()
}

fn start(fixture: &Fixture, program: &Path) -> Daemon {
    let command = apart(program.to_str().expect("temporary paths are text"));
    let mut daemon = Daemon::spawn_as(&fixture.namespace, &fixture.folder, command);
    daemon.await_start(0);
    daemon
}

/// Starts this version's program while packets pass; gives how many there were each way.
fn start_under_load(fixture: &Fixture) -> (Daemon, u64) {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let load = scope.spawn(|| {
            let mut sent = 0;
            // Relaxed: the load only needs to see it eventually.
            while !done.load(Ordering::Relaxed) {
                fixture.send(1);
                sent += 1;
                let_pass(Duration::from_micros(200), "the pace of the load");
            }
            sent
        });
        let daemon = start(fixture, Path::new(PROGRAM));
        done.store(true, Ordering::Relaxed);
        (daemon, load.join().expect("the load sends to the end"))
    })
}

/// The sets of maps that are pinned.
fn sets(fixture: &Fixture) -> Vec<String> {
    let names = fixture.folder.pins().into_iter();
    let mut sets: Vec<String> =
        names.filter_map(|name| Some(name.strip_prefix("set-")?.split('-').next()?.to_owned())).collect();
    sets.sort();
    sets.dedup();
    sets
}

/// From the earlier program to this one and on, with packets before, between and after.
fn upgraded(version: &str, tap: &'static str, budget: &str, altered: bool, is_killed: bool) {
    let what = format!("{version}, {tap}, {budget}, altered {altered}, killed {is_killed}");
    let folder = TempDir::with_prefix("blindmeter-earlier-").expect("a temporary folder");
    let program = earlier(folder.path(), version, altered);
    let mut fixture = Fixture::keeping(tap);
    fixture.folder.configure("[tap]", &format!("[tap]\nmemory_budget = \"{budget}\""));
    let mut rng = Rng::seeded(0x0100);
    let mut packets = || rng.between(20, 200) as u64;
    let daemon = start(&fixture, &program);
    fixture.counts(&daemon, packets());
    let before = sets(&fixture);
    assert_eq!(before.len(), 1, "{what}: {before:?}");
    if is_killed {
        // What it said of owners and tags is saved, what it counted since is in the kernel alone.
        fixture.folder.await_saves(1);
        daemon.kill();
    } else {
        daemon.hand_over();
    }
    // Nobody lives, and the earlier program counts on.
    let between = packets();
    fixture.send(between);
    for way in [Way::Up, Way::Down] {
        fixture.expected.add(Some(0), way, between, between * LENGTH as u64);
    }
    // And packets pass while this one takes over.
    let (daemon, meanwhile) = start_under_load(&fixture);
    for way in [Way::Up, Way::Down] {
        fixture.expected.add(Some(0), way, meanwhile, meanwhile * LENGTH as u64);
    }
    fixture.expected.assert_held_by(&daemon);
    fixture.counts(&daemon, packets());
    fixture.folder.await_saves(2);
    let after = sets(&fixture);
    assert_eq!(after.len(), 1, "{what}: {after:?}");
    if altered {
        assert_ne!(before, after, "{what}: another program has maps of its own");
    }
    // And once more, with this version's own.
    daemon.hand_over();
    let daemon = start(&fixture, Path::new(PROGRAM));
    fixture.counts(&daemon, packets());
    daemon.stop();
}

#[test]
fn tcx_goes_on_with_what_every_released_version_counted() {
    for version in RELEASED {
        for (budget, is_killed) in LAYOUTS.into_iter().zip([true, false]) {
            upgraded(version, "tcx", budget, false, is_killed);
            upgraded(version, "tcx", budget, true, !is_killed);
        }
    }
}

#[test]
fn clsact_goes_on_with_what_every_released_version_counted() {
    for version in RELEASED {
        for (budget, is_killed) in LAYOUTS.into_iter().zip([false, true]) {
            upgraded(version, "clsact", budget, false, is_killed);
            upgraded(version, "clsact", budget, true, !is_killed);
        }
    }
}

/// The state that a released version sealed (tests/store_golden.rs reads every field of it) is gone on with by the
/// program, which seals it anew in this version's format.
#[test]
fn the_state_that_a_released_version_sealed_is_gone_on_with() {
    let fixture = Fixture::keeping("tcx");
    let folder = &fixture.folder;
    folder.configure("capacity = 4096", "capacity = 3");
    folder.configure("live-test", "golden-node");
    // The accounts of the golden files are nobody's names.
    fs::write(folder.path("roster.csv"), "prefix,account\n").expect("ours");
    for (kept, file) in
        [("v2.key", "ledger.key"), ("v5.sealed", "ledger.sealed"), ("v5.chain", "ledger.sealed.chain")]
    {
        fs::copy(format!("{REPOSITORY}/tests/store/golden/{kept}"), folder.path(file)).expect("ours");
        fs::set_permissions(folder.path(file), fs::Permissions::from_mode(0o600)).expect("ours");
    }
    let daemon = fixture.start();
    let said = daemon.said();
    assert!(said.contains("store: resumed"), "{said}");
    folder.await_saves(1);
    daemon.stop();
    let version = fs::read(folder.path("ledger.sealed")).expect("it was saved")[8];
    assert_eq!(u16::from(version), blindmeter::store::format::VERSION);
}

/// What the maps are: kind, bytes of a key and of a value, entries and flags; those that the number of processors
/// decides about are of the locked layout alone.
fn described(fixture: &Fixture) -> String {
    let folder = fixture.folder.path("bpf/blindmeter");
    let mut maps = BTreeMap::new();
    for name in fixture.folder.pins() {
        let Some((_, part)) = name.strip_prefix("set-").and_then(|rest| rest.split_once('-')) else {
            continue;
        };
        // The rest are programs.
        if PROGRAMS.contains(&part) {
            continue;
        }
        let info = MapInfo::from_pin(folder.join(&name)).expect("it is a map");
        let kind = match info.map_type().expect("a kind that is known") {
            MapType::Array => "array",
            MapType::Hash => "hash",
            MapType::LpmTrie => "trie",
            _ => "another",
        };
        let [key, value] = [info.key_size(), info.value_size()];
        let (entries, flags) = (info.max_entries(), info.map_flags());
        let line = format!("{part}: {kind}, key {key}, value {value}, entries {entries}, flags {flags}\n");
        maps.insert(part.to_owned(), line);
    }
    maps.into_values().collect()
}

/// A version whose maps differ from the last release's keeps both descriptions, and goes over from the other.
#[test]
fn the_maps_are_those_of_the_last_release() {
    let fixture = Fixture::keeping("tcx");
    fixture.folder.configure("[tap]", "[tap]\nmemory_budget = \"0MiB\"");
    let daemon = fixture.start();
    fixture.folder.await_saves(1);
    let last = RELEASED.last().expect("there is one");
    let wanted = String::from_utf8(kept(last, "maps")).expect("text");
    let found = described(&fixture);
    assert_eq!(
        found, wanted,
        "maps of {last}; keep that file, and add this version's as a folder of its own"
    );
    daemon.stop();
}

/// The version that is built has its folder, and what is kept never changes.
#[test]
fn what_is_kept_of_releases_is_as_it_was() {
    let version = env!("CARGO_PKG_VERSION");
    assert!(
        RELEASED.contains(&version),
        "{version} has no folder in tests/upgrade: copy the two objects there"
    );
    let sums = fs::read_to_string(format!("{REPOSITORY}/tests/upgrade/SHA256SUMS")).expect("it is there");
    let mut check = apart("sha256sum");
    let output = check
        .args(["--check", "--strict", "--quiet", "SHA256SUMS"])
        .current_dir(format!("{REPOSITORY}/tests/upgrade"));
    let output = output.output().expect("coreutils are there");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    for version in RELEASED {
        let files = fs::read_dir(format!("{REPOSITORY}/tests/upgrade/{version}")).expect("it is there");
        for file in files.flatten() {
            let name = format!("  {version}/{}", file.file_name().to_string_lossy());
            assert!(sums.lines().any(|line| line.ends_with(&name)), "{name} has a sum");
            assert_eq!(file.metadata().expect("it is there").permissions().mode() & 0o111, 0, "{name}");
        }
    }
}
