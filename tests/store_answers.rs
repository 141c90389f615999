//! What the daemon answers when its store is not as it should be: one line, exit 78 (74 where a disk
//! fails), the file and the remedy; and that `--accept-loss` is the only way past a loss.

mod daemon;
mod support;

use daemon::command::{bounded, ended};
use daemon::{PROGRAM, Site};
use nix::sys::signal::Signal;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use support::wait::wait_for;

/// One start and one clean stop; what the daemon said.
fn once(site: &Site) -> String {
    let mut daemon = site.start();
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.await_end(), Some(0), "{}", daemon.said());
    daemon.said()
}

/// The daemon does not start, and says these texts in one line.
fn refused(site: &Site, code: i32, texts: &[&str]) {
    site.command(&["run"]).failed(code, texts);
}

fn once_with_loss_accepted(site: &Site) -> String {
    let mut command = site.daemon_command(&[]);
    command.arg("--accept-loss");
    let mut daemon = site.adopt(command.spawn().expect("the program can be started"));
    daemon.await_answer();
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.await_end(), Some(0), "{}", daemon.said());
    daemon.said()
}

#[test]
fn a_first_start_a_restart_and_a_loss_are_told_apart() {
    let site = Site::sealed();
    assert!(once(&site).contains("store: first start"));
    assert!(once(&site).contains("store: resumed"));
    let blob = fs::read(site.path("ledger.sealed")).expect("the blob is there");
    assert_eq!(
        fs::metadata(site.path("ledger.sealed")).expect("it is there").permissions().mode() & 0o777,
        0o600
    );
    fs::remove_file(site.path("ledger.sealed")).expect("it is ours");
    refused(&site, 78, &["ledger.sealed", "the blob is missing", "--accept-loss"]);
    refused(&site, 78, &["ledger.sealed", "the blob is missing", "--accept-loss"]);
    assert!(once_with_loss_accepted(&site).contains("store: loss accepted"));
    assert!(once(&site).contains("store: resumed"));
    // The blob from before the loss is another chain's.
    fs::write(site.path("ledger.sealed"), &blob).expect("it is ours");
    refused(&site, 78, &["ledger.sealed", "altered", "--accept-loss"]);
}

#[test]
fn blobs_have_one_size_and_no_name_in_them() {
    let site = Site::sealed();
    once(&site);
    let first = fs::read(site.path("ledger.sealed")).expect("the blob is there");
    site.write("roster.csv", "prefix,account\n");
    once(&site);
    let second = fs::read(site.path("ledger.sealed")).expect("the blob is there");
    assert_eq!(first.len(), second.len());
    assert_ne!(first[56..], second[56..], "a fresh nonce makes another blob");
    assert!(!first.windows(6).any(|part| part == b"canary"));
}

#[test]
fn a_key_that_is_missing_or_no_key_is_named_with_the_remedy() {
    let site = Site::sealed();
    let key = site.name("ledger.key");
    for (bytes, texts) in [
        (None, ["is missing", "head -c 32"]),
        (Some([1; 31].as_slice()), ["has 31 bytes", "exactly 32 raw bytes"]),
        (Some([1; 33].as_slice()), ["has 33 bytes", "without a newline"]),
    ] {
        let _ = fs::remove_file(site.path("ledger.key"));
        if let Some(bytes) = bytes {
            site.write_key(bytes);
        }
        refused(&site, 78, &["store.key_file", &key, texts[0], texts[1]]);
        site.command(&["check"]).failed(78, &["store.key_file", &key, texts[0]]);
    }
    site.write_key(&[7; 32]);
    fs::set_permissions(site.path("ledger.key"), Permissions::from_mode(0o640)).expect("it is ours");
    refused(&site, 78, &["store.key_file", &key, "chmod 600"]);
}

#[test]
fn another_key_another_node_and_a_damaged_blob_get_answers_of_their_own() {
    let site = Site::sealed();
    once(&site);
    let blob = fs::read(site.path("ledger.sealed")).expect("the blob is there");
    site.write_key(&[8; 32]);
    let wrong = ["ledger.sealed", "is not the key", &site.name("ledger.key")];
    refused(&site, 78, &wrong);
    let check = || site.command(&["check"]);
    check().failed(78, &wrong);
    site.write_key(&[7; 32]);
    site.configure("\"black-box\"", "\"other\"");
    refused(&site, 78, &["another node's blob", "node.name"]);
    check().failed(78, &["another node's blob", "node.name"]);
    site.configure("\"other\"", "\"black-box\"");
    fs::write(site.path("ledger.sealed"), &blob[..blob.len() - 1]).expect("it is ours");
    refused(&site, 78, &["cut short", "--accept-loss"]);
    fs::write(site.path("ledger.sealed"), &blob[..20]).expect("it is ours");
    refused(&site, 78, &["cut short"]);
    let mut altered = blob.clone();
    altered[200] ^= 1;
    fs::write(site.path("ledger.sealed"), &altered).expect("it is ours");
    refused(&site, 78, &["altered"]);
    fs::write(site.path("ledger.sealed"), [&[0], &blob[1..]].concat()).expect("it is ours");
    refused(&site, 78, &["not a blindmeter blob"]);
    let mut newer = blob.clone();
    newer[8] = 6;
    fs::write(site.path("ledger.sealed"), &newer).expect("it is ours");
    refused(&site, 78, &["version 6", "reads 2 to 5"]);
    fs::write(site.path("ledger.sealed"), &blob).expect("it is ours");
    check().succeeded();
    assert!(once(&site).contains("store: resumed"));
}

#[test]
fn an_older_blob_or_chain_that_was_put_back_is_refused() {
    let site = Site::sealed();
    once(&site);
    let chain = site.path("ledger.sealed.chain");
    let bytes = fs::read(&chain).expect("the chain is there");
    fs::remove_file(&chain).expect("it is ours");
    refused(&site, 78, &["ledger.sealed.chain", "the chain file is missing"]);
    // A link of another generation: what an older or newer copy would hold.
    fs::write(&chain, vec![0; bytes.len()]).expect("it is ours");
    refused(&site, 78, &["the chain file is damaged", "--accept-loss"]);
    fs::write(&chain, &bytes).expect("it is ours");
    assert!(once(&site).contains("store: resumed"));
}

#[test]
fn a_capacity_that_changed_is_grown_into_or_refused() {
    let site = Site::sealed();
    once(&site);
    site.configure("capacity = 64", "capacity = 1");
    site.write("roster.csv", "prefix,account\n10.77.0.1,canary-one\n");
    refused(&site, 78, &["store.capacity", "set it to 2 or more"]);
    site.configure("capacity = 1\n", "capacity = 2\n");
    assert!(once(&site).contains("store: resumed"));
    site.configure("capacity = 2\n", "capacity = 500\n");
    assert!(once(&site).contains("store: resumed"));
}

#[test]
fn a_folder_that_is_missing_or_read_only_is_named() {
    let site = Site::sealed();
    let path = site.name("ledger.sealed");
    let nowhere = site.name("nowhere/ledger.sealed");
    site.configure(&path, &nowhere);
    refused(&site, 74, &[&nowhere, "create its folder"]);
    fs::create_dir(site.path("nowhere")).expect("ours");
    let target = site.name("nowhere");
    mount(&["-t", "tmpfs", "-o", "size=64k,ro", "none", &target]);
    refused(&site, 74, &[&nowhere, "mount it writable"]);
    unmount(&target);
}

#[test]
fn a_full_disk_is_said_once_and_recovered_from() {
    let site = Site::sealed();
    let path = site.name("ledger.sealed");
    fs::create_dir(site.path("small")).expect("ours");
    let target = site.name("small");
    mount(&["-t", "tmpfs", "-o", "size=160k", "none", &target]);
    site.configure(&path, site.name("small/ledger.sealed"));
    let mut daemon = site.start();
    assert_eq!(daemon.metric("blindmeter_store_ok"), "1");
    // Fills the file system but for less than a blob.
    let filled = fs::write(site.path("small/filler"), vec![0; 1 << 20]);
    assert!(filled.is_err(), "the disk is full");
    wait_for("the failed save", || (daemon.metric("blindmeter_store_ok") == "0").then_some(()));
    let line = daemon.await_said("free some space", 1);
    assert!(line.contains("metering continues"), "{line}");
    fs::remove_file(site.path("small/filler")).expect("ours");
    wait_for("a save", || (daemon.metric("blindmeter_store_ok") == "1").then_some(()));
    daemon.await_said("store: saving works again", 1);
    assert_eq!(daemon.said().matches("free some space").count(), 1, "{}", daemon.said());
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.await_end(), Some(0));
    unmount(&target);
}

/// A limit of the process, and no full disk: the kernel would end it by a signal.
#[test]
fn a_file_that_may_not_grow_is_a_disk_that_fails_and_a_stop_meanwhile_says_what_is_lost() {
    let site = Site::sealed();
    let start =
        format!("exec prlimit --fsize=30000:30000 {PROGRAM} run --config {}", site.name("blindmeter.toml"));
    let mut limited = bounded();
    limited.args(["sh", "-c", &start]);
    let outcome = ended(limited);
    let said = &outcome.stderr;
    assert!(
        outcome.code == Some(74) && said.contains("LimitFSIZE= in the unit"),
        "{:?} {said}",
        outcome.code
    );
    let mut daemon = site.start();
    let limit = |bytes: &str| {
        let mut prlimit = Command::new("prlimit");
        prlimit.args(["--pid", &daemon.id().to_string(), &format!("--fsize={bytes}:unlimited")]);
        assert!(prlimit.status().expect("prlimit runs").success());
    };
    limit("30000");
    wait_for("the failed save", || (daemon.metric("blindmeter_store_ok") == "0").then_some(()));
    limit("unlimited");
    wait_for("a save", || (daemon.metric("blindmeter_store_ok") == "1").then_some(()));
    limit("30000");
    wait_for("the failed save", || (daemon.metric("blindmeter_store_ok") == "0").then_some(()));
    assert!(!daemon.said().contains("outlives a stop"), "{}", daemon.said());
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.await_end(), Some(0));
    let said = daemon.said();
    assert!(
        said.lines().last().is_some_and(|line| line.contains("no unit's descriptor store outlives a stop")),
        "{said}"
    );
}

#[test]
fn memory_mode_leaves_nothing() {
    let site = Site::new();
    let said = once(&site);
    assert!(said.contains("store: memory"), "{said}");
    let mut names: Vec<_> = fs::read_dir(site.path("."))
        .expect("the folder is there")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.retain(|name| !name.contains("stderr"));
    names.sort();
    assert_eq!(names, ["blindmeter.toml", "roster.csv"]);
}

fn mount(arguments: &[&str]) {
    assert!(Command::new("mount").args(arguments).status().expect("mount runs").success());
}

fn unmount(target: &str) {
    assert!(Command::new("umount").arg(target).status().expect("umount runs").success());
}
