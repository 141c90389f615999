//! The start without a configuration: one command on a running WireGuard server, and what it shows.
#![expect(clippy::disallowed_methods, reason = "the test measures how long a start takes")]

use std::fs::{self, File};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::netns::daemon::PROGRAM;
use crate::support::process::Process;
use crate::support::wait::{TIMEOUT, wait_for, wait_until};
use crate::tunnel::Tunnel;

/// A mount namespace in which /run/blindmeter is this test's own.
const OWN_RUN: &str =
    "mkdir -p /run/blindmeter && mount -t tmpfs -o mode=0750 tmpfs /run/blindmeter && exec \"$@\"";

fn json(process: &Process, tunnel: &Tunnel, words: &[&str], input: &str) -> Value {
    let said = command(process, tunnel, words, input);
    serde_json::from_str(&said).unwrap_or_else(|error| panic!("{words:?}: {error}: {said}"))
}

/// What a command of the program prints beside this daemon; it must succeed or find something.
fn command(process: &Process, tunnel: &Tunnel, words: &[&str], input: &str) -> String {
    let mut command = Command::new("nsenter");
    command.args(["-t", &process.id().to_string(), "-m", PROGRAM]).args(words);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = tunnel.namespace.run(move || command.spawn()).expect("nsenter is installed");
    std::io::Write::write_all(&mut child.stdin.take().expect("piped"), input.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn one_command_counts_the_peers_of_a_running_server() {
    let tunnel = Tunnel::new('z', 2);
    let folder = tempfile::tempdir().expect("a folder");
    let (printed, log) = (folder.path().join("stdout"), folder.path().join("stderr"));
    let mut line = Command::new("unshare");
    line.args(["--mount", "sh", "-c", OWN_RUN, "sh", PROGRAM, "run", "--interface", &tunnel.end.device]);
    line.args(["--probe", tunnel.key(0)]).stdin(Stdio::null());
    line.stdout(File::create(&printed).expect("a file")).stderr(File::create(&log).expect("a file"));
    let child = tunnel.namespace.run(move || line.spawn()).expect("unshare is installed");
    let daemon = Process::new(child, log.clone());
    let said = |word: &'static str| {
        wait_for(word, || fs::read_to_string(&log).ok()?.contains(word).then_some(()));
        Instant::now()
    };
    // How long the kernel takes to check the tap's program is not the roster's.
    let began = said("tap: ");
    let ready = said("ready:") - began;
    let moved = [tunnel.talk(0, 3), tunnel.talk(1, 2)];
    // The probe as often as one likes, and at once.
    wait_until("the probe shows", TIMEOUT, || {
        let export =
            json(&daemon, &tunnel, &["accounts", "export", "-", "--open-epoch", "--json"], tunnel.key(0));
        export["open_epoch"]["up_bytes"] == moved[0].up_bytes
            && export["open_epoch"]["down_bytes"] == moved[0].down_bytes
    });
    // 0.3 s on a machine that has nothing else to do.
    assert!(ready < Duration::from_secs(15), "the peers were counted {ready:?} after the tap was there");
    let other = json(&daemon, &tunnel, &["accounts", "export", "-", "--open-epoch", "--json"], tunnel.key(1));
    assert_eq!(other["open_epoch"]["up_bytes"], moved[1].up_bytes, "any peer is an account, by its key");
    let node = json(&daemon, &tunnel, &["accounts", "export", "--node", "--json"], "");
    assert_eq!(node["unattributed"]["up_packets"], 0, "nobody's bytes were missed");
    let status = json(&daemon, &tunnel, &["status", "--json"], "");
    assert_eq!(status["sources"][1], serde_json::json!({"source": "wireguard", "up": true}));
    let told = fs::read_to_string(&printed).expect("it prints");
    for word in [
        "metering: ",
        "public key as `wg` prints it",
        "in memory alone",
        "http://127.0.0.1:9776/metrics",
        "first release: 20",
        "fewer than 20 accounts",
        "accounts export -",
        "gen config",
    ] {
        assert!(told.contains(word), "{word}: {told}");
    }
    assert!(!told.contains(tunnel.key(0)), "the probe's name is not repeated");
    // Its command line tells nobody who the probe is.
    let arguments = fs::read(format!("/proc/{}/cmdline", daemon.id())).expect("it lives");
    assert!(!String::from_utf8_lossy(&arguments).contains(tunnel.key(0)));
    // A reload finds the same configuration.
    assert_eq!(command(&daemon, &tunnel, &["reload"], ""), "");
    said("reloaded");
    // A second start beside it is refused, and takes nothing of the first one's away; nor does a dry run.
    for words in [&["run", "--interface", "lo-none"][..], &["run", "--interface", "lo-none", "--dry-run"]] {
        command(&daemon, &tunnel, words, "");
        assert!(daemon.said().lines().all(|line| !line.contains("refused")));
        assert_eq!(command(&daemon, &tunnel, &["reload"], ""), "");
    }
    wait_for("both reloads", || (daemon.said().matches("reloaded").count() == 3).then_some(()));
    // What it proposes is good, on this very host.
    let proposed = command(&daemon, &tunnel, &["gen", "config", "--interface", &tunnel.end.device], "");
    assert!(
        proposed.contains("[[roster.wireguard]]") && proposed.contains("pools = [\"10.88.0.0/24\"]"),
        "{proposed}"
    );
    let file = folder.path().join("proposed.toml");
    fs::write(&file, proposed).expect("a file");
    let checked = command(&daemon, &tunnel, &["check", "--config", file.to_str().expect("text")], "");
    assert!(checked.trim_end().ends_with("OK"), "{checked}");
}
