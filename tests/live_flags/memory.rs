//! What a list of flags leaves behind: a second after it was answered no name of it is in the memory of the daemon,
//! its helper or its files; and when inside its epoch the trouble was is nowhere, in any form of any clock.
//!
//! The daemon runs in a time namespace whose clocks are far ahead, so that no length or address is a time by chance.

use super::{EPOCH, OVER, Over, TROUBLE, USUAL, await_releases, rates, send};
use crate::clocks::{AHEAD, Clock, Hit, Now, Span};
use crate::image::{self, Place};
use crate::netns::Namespace;
use crate::netns::daemon::{Daemon, PROGRAM, Setup};
use crate::netns::folder::Folder;
use crate::netns::wire::{Kind, Wire};
use crate::support::memory::{found, found_in_files};
use crate::support::wait::{let_pass, wait_at_most};
use serde_json::Value;
use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

const ACCOUNTS: u32 = super::ACCOUNTS;

/// The account whose packets no longer get an answer.
const CUT_OFF: u32 = 4;

/// After that no name of a list is in memory.
const ONE_SECOND: Duration = Duration::from_secs(1);
/// Far longer than any thread that ended a tick idles before it ends.
const FORGOTTEN: Duration = Duration::from_secs(60);
/// Longer than the test.
const AT_MOST: u64 = 240;

fn name(account: u32) -> String {
    format!("canary-of-{account:02}-wqxzjkv")
}

/// A daemon on a device, whose clocks are ahead.
fn daemon(namespace: &Namespace, folder: &Arc<Folder>) -> Daemon {
    let [monotonic, boot] = AHEAD.map(|seconds| seconds.to_string());
    let mut command = Command::new("unshare");
    command.args(["--time", "--monotonic", &monotonic, "--boottime", &boot, "--", PROGRAM]);
    let mut daemon = Daemon::spawn_as(namespace, folder, command);
    daemon.await_start(0);
    daemon
}

/// Every time of a span in the daemon's memory and registers, and in its helper's.
fn times_in_memory(daemon: &Daemon, span: &Span) -> BTreeSet<(Place, Hit)> {
    let parts = [image::whole(daemon.id()), image::whole(daemon.helper())].into_iter().flatten();
    parts
        .flat_map(|part| span.find(&part.bytes, part.start, 4).into_iter().map(move |hit| (part.place, hit)))
        .collect()
}

/// The same in files, and in when they were changed.
fn times_in_files(folder: &Path, span: &Span) -> Vec<Hit> {
    let files = fs::read_dir(folder).expect("our own folder").flatten();
    let times = files.flat_map(|file| {
        let status = file.metadata().expect("it is there");
        let changed = span.changed(status.mtime(), status.mtime_nsec());
        span.find(&fs::read(file.path()).unwrap_or_default(), 0, 1).into_iter().chain(changed)
    });
    times.collect()
}

/// Of the phase's troubles but the one: what else is flagged is not asked here.
fn of_one(account: u32, phase: usize) -> [(u32, usize); 2] {
    rates(account, if account == CUT_OFF { phase } else { USUAL })
}

/// Whoever is told of, with the kinds, and all of the answer.
fn listed(daemon: &Daemon) -> (Vec<(String, String)>, String) {
    let report = daemon.answer(&["accounts", "flagged", "--list", "all", "--json"]);
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let accounts = report["accounts"].as_array().expect("a list").iter();
    let kind = |account: &Value| (text(&account["account"]), text(&account["flags"][0]["kind"]));
    (accounts.map(kind).collect(), report.to_string())
}

#[test]
fn whom_a_list_named_and_when_it_was_is_nowhere_a_second_later() {
    let namespace = Namespace::new();
    let wire = Wire::make(&namespace, Kind::Tun, "tun0");
    let roster = (1..=ACCOUNTS).map(|account| format!("10.8.0.{account},{}\n", name(account))).collect();
    let setup = Setup { backend: "tcx", interfaces: vec!["tun0"], pools: vec!["10.8.0.0/16"], roster };
    let folder = Folder::keeping(&setup, "3s");
    folder.configure("[store]\n", "[irregularity]\ntick = \"1s\"\n[store]\n");
    let daemon = daemon(&namespace, &folder);
    let phase = AtomicUsize::new(USUAL);
    thread::scope(|scope| {
        scope.spawn(|| send(&wire, &phase, of_one));
        let _over = Over(&phase);
        await_releases(&daemon, &namespace, 2);
        let soon = Now::read();
        let present = times_in_memory(&daemon, &Span::of_process(soon, soon.plus(AT_MOST)));
        let present: HashSet<(Place, Hit)> = present.into_iter().collect();

        let from = Now::read();
        phase.store(TROUBLE, Ordering::Relaxed);
        let_pass(EPOCH, "the account is cut off for an epoch's length");
        phase.store(USUAL, Ordering::Relaxed);
        let to = Now::read();
        await_releases(&daemon, &namespace, 2);
        let (flagged, mut said) = listed(&daemon);
        assert_eq!(flagged, [(name(CUT_OFF), "stall".to_owned())]);
        for account in [CUT_OFF, 1] {
            let answer = daemon.answer(&["accounts", "show", &name(account), "--json"]);
            assert_eq!(answer["flags"].as_array().map(Vec::len), Some(usize::from(account == CUT_OFF)));
            said += &answer.to_string();
        }
        let shown = daemon.command(&["accounts", "flagged"]).stdout;
        assert!(shown.contains(&name(CUT_OFF)), "{shown}");
        let trouble = Span::of_process(from, to);
        let told = trouble.find((said + &shown).as_bytes(), 0, 1);
        assert!(told.is_empty(), "times of the trouble in answers: {told:?}");
        let_pass(ONE_SECOND, "what is promised of names");

        let control = folder.path("control.sock");
        let names: Vec<String> = (1..=ACCOUNTS).map(name).collect();
        let needles: Vec<&str> =
            names.iter().map(String::as_str).chain([control.to_str().expect("a path of text")]).collect();
        let counts = found(daemon.id(), &needles);
        let (of_control, of_names) = counts.split_last().expect("a control");
        assert!(*of_control > 0, "the control: what the daemon keeps is found");
        assert!(of_names.iter().all(|count| *count == 0), "names of a list in memory: {of_names:?}");
        assert!(found(daemon.helper(), &needles[..names.len()]).iter().all(|count| *count == 0));

        // The stack of a thread that ended a tick keeps that one's time until it is used again, and ticks come each
        // second whatever passes: what is kept of the trouble stays.
        let left = || -> Vec<(Place, Hit)> {
            let times = times_in_memory(&daemon, &trouble).into_iter();
            times.filter(|hit| !present.contains(hit)).collect()
        };
        let is_gone = wait_at_most(FORGOTTEN, || left().is_empty());
        assert!(is_gone, "times of the trouble in memory: {:?}", left());
        let own = times_in_memory(&daemon, &Span::of_process(to, to.plus(AT_MOST)));
        let is_found = own.iter().any(|(_, hit)| hit.clock == Clock::Boot);
        assert!(is_found, "the control: the daemon's own times are found");
        phase.store(OVER, Ordering::Relaxed);
        fs::remove_file(folder.path("roster.csv")).expect("it is ours, and names them all");
        let in_files = found_in_files(&folder.path(""), &needles[..names.len()]);
        assert!(in_files.iter().all(|count| *count == 0), "names of a list in files: {in_files:?}");
        let in_files = times_in_files(&folder.path(""), &trouble);
        assert!(in_files.is_empty(), "times of the trouble in files: {in_files:?}");
    });
    daemon.stop();
}
