//! Hooks of VPN servers: they hold up no server, whatever the daemon does; who has no role is not heard.

#[path = "hooks/argv.rs"]
mod argv;
mod daemon;
#[path = "hooks/harm.rs"]
mod harm;
#[path = "hooks/kept.rs"]
mod kept;
#[path = "hooks/memory.rs"]
mod memory;
#[path = "hooks/pipe.rs"]
mod pipe;
#[path = "hooks/polls.rs"]
mod polls;
#[path = "hooks/scripts.rs"]
mod scripts;
mod support;
#[path = "hooks/ticks.rs"]
mod ticks;
#[path = "hooks/watch.rs"]
mod watch;

use blindmeter::clock::Stopwatch;
use daemon::Site;
use daemon::command::{NOBODY, Outcome, Person, bounded, ended, identity};
use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::signal::Signal;
use pipe::Pipe;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::time::Duration;
use support::wait::{TIMEOUT, let_pass, wait_at_most, wait_for};

/// A user that every Debian has.
const GAMES: Person = Person { user: 5, group: 65_534, more_groups: &[] };

/// A server's hook is to be over by then.
const AT_MOST: Duration = Duration::from_millis(50);

/// How long it waits for the daemon.
const PATIENCE: &str = "0.04";

/// So many hooks are timed.
const TIMED: usize = 10;

/// Runs a hook with these lines on its standard input; how it ended, and how long it took.
fn hook(site: &Site, words: &[&str], lines: &str) -> (Outcome, Duration) {
    let mut command = bounded();
    command.arg(daemon::PROGRAM).args(["roster"]).args(words).args(["-", "--hook", "--config"]);
    command.arg(site.path("blindmeter.toml")).stdin(Stdio::piped());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let begun = Stopwatch::start();
    let mut child = command.spawn().expect("the program can be run");
    let written = child.stdin.take().expect("a pipe").write_all(lines.as_bytes());
    let output = child.wait_with_output().expect("it ends");
    let taken = begun.elapsed();
    written.expect("it reads all");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let (stdout, stderr) = (text(output.stdout), text(output.stderr));
    (Outcome { code: output.status.code(), stdout, stderr }, taken)
}

/// The shortest of some hooks, all of which end well and say nothing. Whatever else runs only makes them longer.
fn shortest(site: &Site, hooks: usize) -> Duration {
    let one = |_| {
        let (outcome, taken) = hook(site, &["assign"], "10.77.0.9,canary\n");
        assert_eq!((outcome.code, outcome.stdout, outcome.stderr), (Some(0), String::new(), String::new()));
        taken
    };
    (0..hooks).map(one).min().expect("there are some")
}

/// What a server's hook may take where other work delays each process: half as much again as the shortest of as many
/// processes that only sleep as long as a hook waits.
fn at_most(processes: usize) -> Duration {
    let one = |_| {
        let mut command = bounded();
        command.args(["sleep", PATIENCE]);
        let begun = Stopwatch::start();
        assert_eq!(ended(command).code, Some(0));
        begun.elapsed()
    };
    let floor = (0..processes).map(one).min().expect("there are some");
    AT_MOST.max(floor * 3 / 2)
}

/// Whether the socket had assigned this address; it has not any more.
fn was_assigned(site: &Site, address: &str) -> bool {
    site.command(&["roster", "unassign", address]).code == Some(0)
}

#[test]
fn what_a_hook_asks_for_is_in_force_when_it_ends() {
    let site = Site::new();
    let _daemon = site.start();
    let mut at_once = 0;
    for _ in 0..20 {
        let (outcome, _) = hook(&site, &["assign"], "10.77.0.9,canary\nfd77:77::9,canary\n");
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
        let are_in_force = was_assigned(&site, "10.77.0.9") && was_assigned(&site, "fd77:77::9");
        at_once += u32::from(are_in_force);
        // Other work may delay the daemon for longer than a hook waits.
        let_pass(Duration::from_millis(if are_in_force { 0 } else { 200 }), "a late change is made");
        for address in ["10.77.0.9", "fd77:77::9"] {
            was_assigned(&site, address);
        }
    }
    assert!(at_once > 5, "{at_once} of 20 hooks ended when their changes were in force");
    assert!(!was_assigned(&site, "10.77.0.9"), "the check is one");
    hook(&site, &["assign"], "10.77.0.9,canary\n");
    hook(&site, &["unassign"], "10.77.0.9\n");
    assert!(!was_assigned(&site, "10.77.0.9"), "a hook takes an address back");
    assert!(shortest(&site, 10) < at_most(10));
}

#[test]
fn a_hook_ends_well_and_soon_with_a_daemon_that_is_dead_stopped_or_overwhelmed() {
    let site = Site::new();
    let before = shortest(&site, 5);
    let mut daemon = site.start();
    daemon.signal(Signal::SIGSTOP);
    let waiting = shortest(&site, TIMED);
    let full = {
        fill(&site);
        shortest(&site, TIMED)
    };
    daemon.signal(Signal::SIGCONT);
    wait_for("what waited in the queue is done", || was_assigned(&site, "10.77.0.9").then_some(()));
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.await_end(), Some(0));
    assert!(!site.path("control.hook").exists(), "the pipe goes with the daemon");
    let all = [before, waiting, full, shortest(&site, 5)];
    let limit = at_most(2 * TIMED);
    println!("no daemon, a stopped one, one with a full queue, a dead one: {all:?}, at most {limit:?}");
    assert!(all.iter().all(|taken| *taken < limit), "{all:?} and {limit:?}");
}

/// More than find room in the queue; whoever finds none tries again.
#[test]
fn none_of_a_hundred_and_fifty_hooks_at_once_is_lost() {
    let site = Site::new();
    site.configure("capacity = 64", "capacity = 256");
    let _daemon = site.start();
    let mut pipe = Pipe::of(&site);
    let begun = Stopwatch::start();
    for host in 0..150 {
        let ask = format!(r#"{{"op":"assign","prefix":"10.77.1.{host}","account":"canary-{host}"}}"#);
        wait_for("there is room", || pipe.ask(&ask).ok());
    }
    println!("150 changes found room within {:?}", begun.elapsed());
    let_pass(Duration::from_millis(100), "what still waits in the pipe is made");
    let made = (0..150).filter(|host| was_assigned(&site, &format!("10.77.1.{host}")));
    assert_eq!(made.count(), 150, "changes that were made");
}

/// Writes what is no request until there is no room.
fn fill(site: &Site) {
    let mut pipe = Pipe::of(site);
    while pipe.requests.write(&[b'?'; 1024]).is_ok() {}
}

#[test]
fn whatever_else_is_written_there_changes_nothing_and_spoils_nothing() {
    let site = Site::new();
    let daemon = site.start();
    let before = daemon.descriptors().len();
    let mut pipe = Pipe::of(&site);
    let good = r#"{"op":"assign","prefix":"10.77.0.9","account":"canary"}"#;
    let (mut stranger, _) = pipe.record(good);
    // The key stands there as a number.
    let digit = stranger.iter().position(u8::is_ascii_digit).expect("a number");
    stranger[digit] = if stranger[digit] == b'1' { b'2' } else { b'1' };
    let mut write = |text: &[u8]| wait_for("there is room", || pipe.requests.write_all(text).ok());
    for _ in 0..20 {
        write(b"?");
        write(b"\xff\x00\n\n\n");
        write(&[b'['; 4096]);
        write(&stranger);
        write(&stranger[1..200]);
    }
    let refused = [
        r#"{"op":"sync","bytes":100}"#,
        r#"{"op":"export_node"}"#,
        r#"{"op":"reload"}"#,
        r#"{"op":"assign","prefix":"10.77.0.8","account":"canary-probe"}"#,
        r#"{"op":"unassign","prefix":"10.77.0.999"}"#,
    ];
    for ask in refused {
        let token = pipe.ask(ask).expect("there is room");
        assert_eq!(wait_for("an answer", || pipe.told(token)), 2, "{ask}");
    }
    assert!(!was_assigned(&site, "10.77.0.9"), "without the key nothing is heard");
    // Right behind what has no end of its own.
    pipe.requests.write_all(b"????").expect("there is room");
    let token = pipe.ask(good).expect("there is room");
    assert_eq!(wait_for("an answer", || pipe.told(token)), 1, "it is made");
    assert!(was_assigned(&site, "10.77.0.9"));
    // The connection that asked whether it has started may have been one of them.
    wait_at_most(TIMEOUT, || daemon.descriptors().len() <= before);
    let kept = daemon.descriptors();
    assert!(kept.len() <= before, "no descriptor is kept, of {before}: {}", kept.join(" "));
}

/// The kernel keeps everybody else out of the pipe: whoever could write there could fill it (F3 of the attack on
/// 0.1.0: hooks lost to members of support).
#[test]
fn only_the_role_of_hooks_gets_as_far_as_their_pipe() {
    let site = Site::new();
    site.configure("support = [\"root\"]", "support = [\"games\"]");
    site.configure("roster = [\"root\"]", "roster = [\"root\", \"nobody\"]");
    let daemon = site.start();
    let may = |person: Person, what: &str| {
        let mut look = bounded();
        look.args(identity(person)).args(["sh", "-c", &format!("{what} 2>/dev/null")]);
        ended(look).code == Some(0)
    };
    let folder = site.name("control.hook");
    let write = format!("printf x >{folder}/requests");
    let time = format!("stat {folder}/requests >&2");
    let read = format!("cat {folder}/answers >/dev/null");
    for what in [&write, &time, &read] {
        assert!(!may(GAMES, what), "a member of support: {what}");
        assert!(may(NOBODY, what), "a hook's user: {what}");
    }
    assert!(!may(NOBODY, &format!("cat {folder}/requests")), "of others' requests");
    // Who loses the role keeps an open pipe, which is nobody's by then: neither heard nor in others' way.
    let mut kept = Pipe::of(&site);
    site.configure("roster = [\"root\", \"nobody\"]", "roster = [\"root\"]");
    daemon.reload();
    assert!(wait_at_most(TIMEOUT, || !may(NOBODY, &write)));
    let_pass(Duration::from_millis(100), "and some ticks");
    let flooded = (0..100).filter(|_| kept.requests.write(&[b'?'; 1024]).is_ok()).count();
    assert_eq!(flooded, 0, "records of one who has kept the pipe open");
    let (record, _) = kept.record(r#"{"op":"assign","prefix":"10.77.0.9","account":"canary"}"#);
    Pipe::of(&site).requests.write_all(&record).expect("there is room");
    let_pass(Duration::from_millis(200), "many ticks");
    assert!(!was_assigned(&site, "10.77.0.9"), "an old key is no key");
    let (outcome, _) = hook(&site, &["assign"], "10.77.0.9,canary\n");
    assert_eq!(outcome.code, Some(0));
    let_pass(Duration::from_millis(100), "it may have been late");
    assert!(was_assigned(&site, "10.77.0.9"), "others are heard as before");
    let mode = |name: &str| fs::metadata(site.path(name)).expect("it is there").permissions().mode() & 0o007;
    assert_eq!(["control.hook", "control.hook/requests", "control.hook/answers"].map(mode), [0; 3]);
    drop(daemon);
}

/// Whoever may write into the pipe may make it small, and be gone: bursts of hooks would find no room from then on.
#[test]
fn the_pipe_has_its_room_again_at_the_next_tick() {
    let site = Site::new();
    let _daemon = site.start();
    let pipe = Pipe::of(&site);
    let room = || fcntl(&pipe.requests, FcntlArg::F_GETPIPE_SZ).expect("it is a pipe");
    let usual = room();
    for other in [4096, 1 << 20] {
        fcntl(&pipe.requests, FcntlArg::F_SETPIPE_SZ(other)).expect("its owner may");
        assert!(wait_at_most(TIMEOUT, || room() == usual), "{other} bytes of room, and not {usual}");
    }
}

/// Sockets, their owners, and the lengths of what waits in them are everybody's to list (sock_diag(7)).
#[test]
fn a_hook_makes_no_socket_and_its_requests_have_one_length() {
    let site = Site::new();
    let _daemon = site.start();
    let traced = |words: &[&str]| {
        let mut command = bounded();
        command.args([
            "strace",
            "-f",
            "-o",
            &site.name("trace"),
            "-e",
            "trace=%network,write",
            daemon::PROGRAM,
        ]);
        command.args(words).arg("--config").arg(site.path("blindmeter.toml"));
        assert_eq!(ended(command).code, Some(0));
        let trace = fs::read_to_string(site.path("trace")).expect("strace is there");
        let sockets = trace.lines().filter(|line| line.contains("socket")).count();
        let written = trace.lines().filter(|line| line.contains("write(") && line.contains("\\n{"));
        let lengths: Vec<String> =
            written.filter_map(|line| line.rsplit("= ").next()).map(str::to_owned).collect();
        (sockets, lengths)
    };
    let long = "c".repeat(100);
    for [address, account] in [["10.77.0.9", "c"], ["fd77:77::ff12/128", &long]] {
        let (sockets, lengths) = traced(&["roster", "assign", address, account, "--hook"]);
        assert_eq!(sockets, 0, "sockets of a hook");
        assert_eq!(lengths, ["1024"], "lengths of its requests");
    }
    assert!(traced(&["roster", "unassign", "10.77.0.9"]).0 > 0, "the control: a command makes one");
}

/// Another daemon's pipe is left alone; what else lies there is not removed.
#[test]
fn what_else_lies_in_the_pipes_place_is_told() {
    let site = Site::new();
    fs::create_dir(site.path("control.hook")).expect("the folder is ours");
    File::create(site.path("control.hook/mine")).expect("the folder is ours");
    let outcome = site.command(&["run"]);
    outcome.failed(74, &["control.hook", "choose another place for control.socket"]);
    assert!(site.path("control.hook/mine").exists());
}

#[test]
fn who_has_not_the_role_is_not_heard() {
    let site = Site::new();
    site.configure("support = [\"root\"]", "support = [\"games\"]");
    let _daemon = site.start();
    for person in [GAMES, NOBODY] {
        let outcome = site.command_as(person, &["roster", "assign", "10.77.0.9", "canary", "--hook"]);
        assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""), "a hook says nothing");
        assert!(!was_assigned(&site, "10.77.0.9"), "{}", person.user);
    }
}

/// A hook runs when a client comes or goes, so what became of hooks is told as connections are.
#[test]
fn what_becomes_of_hooks_is_not_told_before_the_close() {
    let site = Site::new();
    let _daemon = site.start();
    for _ in 0..10 {
        // The probe's addresses come from the file alone.
        let (outcome, _) = hook(&site, &["assign"], "10.77.0.9,canary-probe\n");
        assert_eq!(outcome.code, Some(0));
    }
    let status = site.command(&["status", "--json"]).stdout;
    assert!(
        status.contains("\"hooks_unanswered\":0,\"hooks_refused\":0,"),
        "of hooks before a close: {status}"
    );
}

/// Where the file system has no access lists, root and the daemon's own user are heard, and nobody else.
#[test]
fn a_stranger_is_not_heard_where_there_are_no_access_lists() {
    let site = Site::new();
    let plain = site.path("plain");
    fs::create_dir(&plain).expect("the folder is ours");
    let mounted = Command::new("mount").args(["-t", "ramfs", "-o", "mode=755", "ramfs"]).arg(&plain).status();
    assert!(mounted.is_ok_and(|status| status.success()), "these tests mount a ramfs");
    let socket = plain.join("control.sock").display().to_string();
    site.configure(&format!("socket = {:?}", site.name("control.sock")), format!("socket = {socket:?}"));
    let daemon = site.start();
    let assign = |person: Person| {
        let mut command = bounded();
        command.args(identity(person)).arg(site.program_for_everybody());
        command.args(["roster", "assign", "10.77.0.9", "canary", "--hook", "--socket", &socket]);
        ended(command)
    };
    assert_eq!(assign(NOBODY).code, Some(0));
    let was_his = was_assigned(&site, "10.77.0.9");
    assert_eq!(assign(Person { user: 0, group: 0, more_groups: &[] }).code, Some(0));
    let was_ours = was_assigned(&site, "10.77.0.9");
    drop(daemon);
    let _ = Command::new("umount").arg("--lazy").arg(&plain).status();
    assert!(!was_his && was_ours, "a stranger {was_his}, root {was_ours}");
}

/// Runs `blindmeter hook` as a server does: with these words, and with nothing in its environment but this.
fn of_a_server(site: &Site, words: &[&str], variables: &[(&str, &str)]) -> Outcome {
    let mut command = bounded();
    command.args([daemon::PROGRAM, "hook", "--socket", &site.name("control.sock")]).args(words);
    command.env_clear().envs(variables.iter().copied());
    ended(command)
}

#[test]
fn each_servers_hook_tells_whose_an_address_is_and_that_it_is_nobodys_any_more() {
    let site = Site::new();
    let _daemon = site.start();
    let ocserv = |reason| vec![("REASON", reason), ("USERNAME", "canary"), ("IP_REMOTE", "10.77.0.21")];
    let ipsec = |verb| {
        vec![("PLUTO_VERB", verb), ("PLUTO_PEER_ID", "canary"), ("PLUTO_PEER_CLIENT", "10.77.0.22/32")]
    };
    let ppp = ["ppp0", "/dev/pts/1", "0", "10.77.0.1", "10.77.0.23", ""];
    let peer = vec![("PEERNAME", "canary")];
    let with = |words: &[&'static str], more: &[&'static str]| [words, more].concat();
    let servers = [
        (
            "10.77.0.20",
            (vec!["openvpn", "add", "10.77.0.20", "canary"], vec![]),
            (vec!["openvpn", "delete", "10.77.0.20"], vec![]),
        ),
        ("10.77.0.21", (vec!["ocserv"], ocserv("connect")), (vec!["ocserv"], ocserv("disconnect"))),
        ("10.77.0.22", (vec!["ipsec"], ipsec("up-client")), (vec!["ipsec"], ipsec("down-client"))),
        ("10.77.0.23", (with(&["ppp", "up"], &ppp), peer.clone()), (with(&["ppp", "down"], &ppp), peer)),
    ];
    for (address, up, down) in servers {
        for ((words, variables), is_assigned) in [(&up, true), (&up, true), (&down, false)] {
            let outcome = of_a_server(&site, words, variables);
            assert_eq!(
                (outcome.code, outcome.stdout, outcome.stderr),
                (Some(0), String::new(), String::new())
            );
            assert_eq!(was_assigned(&site, address), is_assigned, "{words:?}");
        }
        // Taken back by the look itself; once more by the server, for the next look.
        of_a_server(&site, &up.0, &up.1);
        of_a_server(&site, &down.0, &down.1);
        assert!(!was_assigned(&site, address), "{address} is nobody's");
    }
}

/// OpenVPN refuses the client, and ocserv too, when their hook fails.
#[test]
fn a_servers_hook_ends_well_whatever_it_is_told() {
    let site = Site::new();
    for words in [
        &["openvpn"][..],
        &["openvpn", "add"],
        &["openvpn", "add", "aa:bb:cc:dd:ee:ff", "canary"],
        &["openvpn", "add", "10.77.0.9", "canary"],
        &["openvpn", "--unknown"],
        &["ocserv", "one", "two"],
        &["ipsec"],
        &["ppp"],
        &["ppp", "sideways"],
        &["unknown-server"],
        &[],
    ] {
        let outcome = of_a_server(&site, words, &[]);
        assert_eq!((outcome.code, outcome.stdout, outcome.stderr), (Some(0), String::new(), String::new()));
    }
}
