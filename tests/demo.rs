//! The demo, as a newcomer runs it: counted equals sent, epochs are released, the page is good.
//!
//! As root, and as an ordinary user, who may not open /dev/net/tun on most machines.

mod support;

use serde_json::Value;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::{Command, Output, Stdio};
use std::time::Duration;
use support::ports::free_port;
use support::wait::{wait_for, wait_for_within};

fn demo(port: u16, seconds: u64) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_blindmeter"));
    command
        .args(["demo", "--json", "--seconds", &seconds.to_string(), "--listen"])
        .arg(format!("127.0.0.1:{port}"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn metrics(port: u16) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").ok()?;
    let mut response = String::new();
    stream.read_to_string(&mut response).ok()?;
    response.split_once("\r\n\r\n").map(|(_, body)| body.to_owned())
}

fn report(output: &Output) -> Value {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        !errors.contains("not in memory"),
        "nothing is assigned from outside, so nothing is forgotten: {errors}"
    );
    assert!(output.status.success(), "the demo failed: {errors}");
    serde_json::from_slice(&output.stdout).expect("one JSON document")
}

fn assert_exact(report: &Value, backend: &str) {
    assert_eq!(report["schema_version"], 1);
    assert_eq!(report["backend"], backend);
    assert_eq!(report["sent"], report["counted"]);
    assert!(report["sent"]["packets"].as_u64().is_some_and(|packets| packets > 10_000));
}

#[test]
fn twenty_seconds_are_counted_exactly_and_three_epochs_released() {
    let port = free_port();
    let child = demo(port, 20).spawn().expect("the demo starts");
    let page = wait_for("the demo serves /metrics", || metrics(port));
    assert!(page.contains("profile=\"demo\"") && page.contains("mode=\"noisy\""));
    let epoch = |page: &str| {
        let line = page.lines().find_map(|line| line.strip_prefix("blindmeter_epoch "));
        line.and_then(|value| value.parse::<u64>().ok()).expect("an ordinal")
    };
    assert_eq!(epoch(&page), 0, "no epoch is released at the start");
    let later = wait_for_within("an epoch is released", Duration::from_secs(18), || {
        metrics(port).filter(|page| epoch(page) > 0)
    });
    assert!(later.contains("blindmeter_epoch_suppressed 0"), "the demo's crowd is large enough");
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool is there: apt-get install prometheus");
    promtool.stdin.take().expect("piped").write_all(later.as_bytes()).expect("promtool reads");
    let checked = promtool.wait_with_output().expect("promtool ends");
    let complaints = String::from_utf8_lossy(&checked.stderr).into_owned();
    assert!(checked.status.success() && complaints.is_empty(), "promtool: {complaints}");

    let report = report(&child.wait_with_output().expect("the demo ends"));
    assert_exact(&report, "kernel");
    assert!(report["epochs_released"].as_u64().is_some_and(|epochs| epochs >= 3));
    assert_eq!(report["accounts"], 40);
}

/// What goes wrong is named once what is usual is known, each with its own kind, and nobody else is.
#[test]
fn the_troubled_accounts_are_flagged_and_nobody_else() {
    let report = report(&demo(free_port(), 30).output().expect("the demo runs"));
    let flagged = report["flagged"].as_array().expect("a list");
    let text = |flag: &Value, key: &str| flag[key].as_str().expect("a text").to_owned();
    let flags: BTreeSet<(String, String)> =
        flagged.iter().map(|flag| (text(flag, "account"), text(flag, "kind"))).collect();
    for (account, kind) in [("account-01", "surge"), ("account-02", "upload"), ("account-03", "stall")] {
        assert!(flags.contains(&(account.to_owned(), kind.to_owned())), "{account} {kind}: {flags:?}");
    }
    let troubled = ["account-01", "account-02", "account-03"];
    assert!(flags.iter().all(|(account, _)| troubled.contains(&account.as_str())), "{flags:?}");
}

/// What the demo's desk answers.
fn ask_desk(port: u16, request: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(30))).ok()?;
    stream.write_all(request.as_bytes()).ok()?;
    let mut response = String::new();
    stream.read_to_string(&mut response).ok()?;
    response.starts_with("HTTP/1.1 200 ").then_some(response)
}

#[test]
fn a_flagged_account_can_be_looked_up_at_the_desk_that_is_told() {
    // Few accounts: the other demos of this run need the machine as well.
    let mut child = demo(free_port(), 300).args(["--accounts", "12"]).spawn().expect("the demo starts");
    let lines = BufReader::new(child.stderr.take().expect("piped")).lines();
    let port = lines.map_while(Result::ok).find_map(|line| {
        let rest = line.strip_prefix("desk: http://127.0.0.1:")?.to_owned();
        rest.split('/').next()?.parse::<u16>().ok()
    });
    let port = port.expect("its address is printed");
    wait_for_within("account-03 is flagged", Duration::from_secs(120), || {
        let list = ask_desk(port, "GET /flagged?lang=en HTTP/1.1\r\nHost: n\r\n\r\n")?;
        list.contains("<strong class=\"name\">account-03</strong>").then_some(())
    });
    let page = ask_desk(
        port,
        "POST /account HTTP/1.1\r\nHost: n\r\nSec-Fetch-Site: same-origin\r\nContent-Type: \
         application/x-www-form-urlencoded\r\nContent-Length: 26\r\n\r\nlang=en&account=account-03",
    );
    child.kill().expect("it runs");
    child.wait().expect("it ends");
    let page = page.expect("the account's page");
    assert!(page.contains("Sorry, it looks as if you are cut off on this node."), "{page}");
}

#[test]
fn an_ordinary_user_sees_the_same() {
    // The binary may lie where that user may not look.
    let folder = tempfile::tempdir().expect("a folder");
    let binary = folder.path().join("blindmeter");
    std::fs::copy(env!("CARGO_BIN_EXE_blindmeter"), &binary).expect("a copy");
    let open = |path: &std::path::Path| {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(path, mode).expect("its mode is set");
    };
    open(folder.path());
    open(&binary);
    let output = Command::new(&binary)
        .args(["demo", "--json", "--seconds", "5", "--listen"])
        .arg(format!("127.0.0.1:{}", free_port()))
        .current_dir("/")
        // std drops root's supplementary groups when it sets the user.
        .uid(65534)
        .gid(65534)
        .output()
        .expect("the demo runs");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    let report = report(&output);
    // The kernel tap is not for a user namespace's root. Where user namespaces are forbidden the demo says so and counts in-process.
    if errors.contains("in-process") {
        assert_exact(&report, "in-process");
    } else {
        assert_exact(&report, "ring");
    }
}

#[test]
fn a_port_that_is_taken_is_said_and_nothing_starts() {
    let held = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = held.local_addr().expect("it has an address");
    let output = demo(address.port(), 1).output().expect("it runs");
    drop(held);
    assert_eq!(output.status.code(), Some(69));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        errors.contains(&format!("blindmeter: --listen {address}: ")) && errors.lines().count() == 1,
        "{errors}"
    );
    assert!(output.stdout.is_empty());
}

/// What each week's line of the fleet's demo says: the two clusters' words and the band.
fn weeks(printed: &str) -> Vec<Vec<String>> {
    let lines = printed.lines().filter(|line| line.starts_with(|first: char| ('1'..='4').contains(&first)));
    lines
        .map(|line| {
            line.split("  ").filter(|cell| !cell.is_empty()).map(|cell| cell.trim().to_owned()).collect()
        })
        .collect()
}

#[test]
fn the_fleets_demo_adds_three_nodes_up_and_leaves_nothing() {
    let run = |path: Option<&str>| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_blindmeter"));
        path.into_iter().for_each(|path| {
            command.env("PATH", path);
        });
        command.args(["fleet", "demo"]).stdin(Stdio::null()).output().expect("the program runs")
    };
    let folders = || {
        let all = std::fs::read_dir("/dev/shm").expect("a tmpfs");
        let names = all.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
        names.filter(|name| name.starts_with("blindmeter-fleet-demo-")).count()
    };
    let output = run(None);
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{printed}{}", String::from_utf8_lossy(&output.stderr));
    let weeks = weeks(&printed);
    assert_eq!(weeks.len(), 4, "{printed}");
    for week in &weeks {
        assert!(week.len() == 7 && week[4] != week[5], "each cluster is told something else: {printed}");
    }
    assert!(
        printed.contains("of 3 nodes 0 have followed at once") && printed.contains("3 at their next sending"),
        "{printed}"
    );
    assert!(printed.contains("3 nodes now say 0 B together"), "{printed}");
    assert_eq!(folders(), 0);
    let refused = run(Some("/nowhere"));
    assert_eq!(refused.status.code(), Some(69));
    assert!(
        String::from_utf8_lossy(&refused.stderr).contains("apt install --no-install-recommends redis-server")
    );
}
