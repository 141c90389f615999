//! Who may ask the control socket for what, and that nothing which is sent to it harms the daemon.

mod daemon;
#[path = "control_roles/descriptors.rs"]
mod descriptors;
mod support;
#[path = "control_roles/syncs.rs"]
mod syncs;

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use blindmeter::clock::Stopwatch;
use daemon::Site;
use daemon::command::{NOBODY, Person, bounded, ended, identity, repeats_nothing};
use nix::sys::signal::Signal;
use support::wait::TIMEOUT;

/// Users that every Debian has: games (5, group 60), daemon (1, group 1), bin (2).
const GAMES: Person = Person { user: 5, group: 65_534, more_groups: &[] };
const DAEMON: Person = Person { user: 1, group: 65_534, more_groups: &[] };
const BIN: Person = Person { user: 2, group: 65_534, more_groups: &[] };
/// Whoever may take a subordinate user id (subuid(5)) is as many users; each carries the person's groups.
const SUBORDINATE: Person = Person { user: 100_000, group: 60, more_groups: &[0, 1, 60] };
/// What a user without any role is told: by the kernel.
const CLOSED: &str = "Permission denied";
const ROOT: Person = Person { user: 0, group: 0, more_groups: &[] };

/// Every request, with the role it needs; the probe account may be exported without end.
fn requests(site: &Site) -> Vec<(Vec<String>, &'static str)> {
    let sync = format!("roster sync {}", site.name("roster.csv"));
    [
        ("roster assign 10.77.0.9 canary-nine", "roster"),
        ("roster unassign 10.77.0.9", "roster"),
        (sync.as_str(), "roster"),
        ("roster counts", "roster"),
        ("accounts show canary-one", "support"),
        ("accounts export canary-probe", "privacy"),
        ("accounts export canary-probe --open-epoch", "privacy"),
        ("accounts export --node", "privacy"),
        ("status", "any"),
    ]
    .map(|(line, role)| (line.split(' ').map(str::to_owned).collect(), role))
    .to_vec()
}

/// A group of the site's own beside the system's, with these members, seen by the daemon alone.
fn write_group(site: &Site, members: &str) {
    let groups = std::fs::read_to_string("/etc/group").expect("every Debian has it");
    site.write("group", format!("{groups}canaries:x:4321:{members}\n"));
}

#[test]
fn a_role_is_a_users_by_name_or_by_the_systems_list_of_a_group() {
    let site = Site::new();
    site.configure("roster = [\"root\"]", "roster = [\"games\"]");
    site.configure("support = [\"root\"]", "support = [\"@daemon\"]");
    site.configure("privacy = [\"root\"]", "privacy = [\"@canaries\"]");
    write_group(&site, "bin,daemon,no-such-user");
    let group = site.name("group");
    let private = format!("mount --bind {group} /etc/group && exec \"$0\" \"$@\"");
    let daemon = site.start_under(&["unshare", "--mount", "--propagation", "private", "sh", "-c", &private]);
    let answers = |person: Person, roles: &[&str]| {
        for (words, role) in requests(&site) {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let outcome = site.command_as(person, &words);
            let said = format!("user {} group {} {words:?}", person.user, person.group);
            if roles.contains(&role) || (role == "any" && (!roles.is_empty() || person.user == 0)) {
                assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""), "{said}");
            } else {
                let named = if role == "any" { "roster, support or privacy" } else { role };
                assert_eq!(outcome.stdout, "", "{said}: nothing is told");
                let needs = format!("needs the {named} role;");
                // Who has none does not get as far as the daemon.
                let why = if roles.is_empty() && person.user != 0 { CLOSED } else { &needs };
                outcome.failed(77, &[why, "[control.roles]"]);
            }
        }
    };
    answers(GAMES, &["roster"]);
    // A primary group, and a listed member of another.
    answers(DAEMON, &["support", "privacy"]);
    answers(BIN, &["privacy"]);
    // What a process carries counts for nothing, nor does a user that the system does not know.
    answers(Person { group: 1, more_groups: &[60, 4321], ..NOBODY }, &[]);
    answers(SUBORDINATE, &[]);
    // Root is in no list here; only the state of its own daemon is open to it.
    answers(ROOT, &[]);
    // The list is the one of the last start or reload.
    write_group(&site, "games");
    answers(BIN, &["privacy"]);
    assert!(daemon.reload().ends_with("reloaded"));
    answers(BIN, &[]);
    answers(GAMES, &["roster", "privacy"]);
}

#[test]
fn a_refusal_comes_through_whatever_the_size_of_the_request() {
    let site = Site::new();
    site.configure("support = [\"root\"]", "support = [\"root\", \"games\"]");
    let _daemon = site.start();
    let lines: String =
        (0..200_000).map(|n| format!("10.77.{}.{},canary-{n}\n", n / 256 % 256, n % 256)).collect();
    site.write("large.csv", format!("prefix,account\n{lines}"));
    let large = site.name("large.csv");
    let other = site.command_as(GAMES, &["roster", "sync", &large]);
    other.failed(77, &["needs the roster role;"]);
    site.command(&["roster", "sync", &large]).failed(78, &[&large, "line 2 and line 65538"]);
}

#[test]
fn an_unknown_name_in_a_role_is_a_warning_and_names_are_resolved_again_at_a_reload() {
    let site = Site::new();
    let (before, after) =
        ("support = [\"root\"]", "support = [\"no-such-user\", \"@no-such-group\", \"root\"]");
    site.configure(before, after);
    let daemon = site.start();
    let said = daemon.said();
    for name in ["no-such-user", "@no-such-group"] {
        let warnings =
            said.lines().filter(|line| line.contains(&format!("no user or group {name};"))).count();
        assert_eq!(warnings, 1, "one warning of {name}: {said}");
    }
    assert!(
        said.trim_end().ends_with("/metrics"),
        "status answers only after the last line of the start: {said}"
    );
    site.command(&["accounts", "show", "canary-one"]).succeeded();
    let show = ["accounts", "show", "canary-one"];
    site.command_as(NOBODY, &show).failed(77, &[CLOSED]);
    site.configure("\"no-such-user\"", "\"nobody\"");
    daemon.reload();
    site.command_as(NOBODY, &show).succeeded();
    site.configure("\"nobody\"", "\"no-such-user\"");
    daemon.reload();
    site.command_as(NOBODY, &show).failed(77, &[CLOSED]);
}

/// The daemon's own `/etc`, so that the machine's is left alone; it is replaced as groupadd(8) and
/// usermod(8) do it, by a new file renamed over the old one.
fn etc(folder: &Path, file: &str, line: &str) {
    let text = std::fs::read_to_string(Path::new("/etc").join(file)).expect("every system has it");
    let new = folder.join(format!("{file}+"));
    std::fs::write(&new, format!("{text}{line}\n")).expect("the folder is ours");
    std::fs::rename(&new, folder.join(file)).expect("the folder is ours");
}

#[test]
fn users_and_groups_that_are_made_or_changed_after_the_start_count_from_the_reload_on() {
    let site = Site::new();
    site.configure("support = [\"root\"]", "support = [\"bm-late-user\", \"@bm-late-group\"]");
    let folder = tempfile::TempDir::new().expect("a temporary directory");
    etc(folder.path(), "passwd", "");
    etc(folder.path(), "group", "");
    std::fs::copy("/etc/nsswitch.conf", folder.path().join("nsswitch.conf")).expect("Debian has it");
    let mount = format!("mount --bind {} /etc && exec \"$@\"", folder.path().display());
    let daemon = site.start_under(&["unshare", "--mount", "sh", "-c", &mount, "sh"]);
    let status = site.command(&["status", "--json"]).stdout;
    assert!(!status.contains("landlock") && !status.contains("seccomp"), "the sandbox is in force: {status}");
    let by_name = Person { user: 64_001, group: 65_534, more_groups: &[] };
    let by_group = Person { user: 2, group: 65_534, more_groups: &[] };
    let by_primary_group = Person { user: 64_004, ..by_group };
    let show = ["accounts", "show", "canary-one"];
    let hold = |expected: [bool; 3]| {
        for (person, expected) in [by_name, by_group, by_primary_group].into_iter().zip(expected) {
            let outcome = site.command_as(person, &show);
            assert_eq!(outcome.code, Some(if expected { 0 } else { 77 }), "{}", person.user);
        }
    };
    hold([false, false, false]);
    etc(folder.path(), "passwd", "bm-late-user:x:64001:64001::/:/bin/false");
    etc(folder.path(), "group", "bm-late-group:x:64002:bin");
    hold([false, false, false]);
    assert_eq!(daemon.reload(), "blindmeter: reloaded");
    hold([true, true, false]);
    etc(folder.path(), "group", "bm-late-group:x:64003:");
    let users = "bm-late-user:x:64001:64001::/:/bin/false\nbm-other:x:64004:64003::/:/bin/false";
    etc(folder.path(), "passwd", users);
    assert_eq!(daemon.reload(), "blindmeter: reloaded");
    hold([true, false, true]);
    etc(folder.path(), "passwd", "");
    etc(folder.path(), "group", "");
    assert_eq!(daemon.reload(), "blindmeter: reloaded");
    hold([false, false, false]);
    let warnings =
        daemon.said().lines().filter(|line| line.contains("no user or group @bm-late-group;")).count();
    assert_eq!(warnings, 2, "at the start and after it was removed: {}", daemon.said());
}

#[test]
fn nothing_that_is_sent_to_the_control_socket_harms_the_daemon() {
    let site = Site::new();
    let mut daemon = site.start();
    let megabyte = vec![b'a'; 1 << 20];
    let nested = [&[b'['; 4000][..], b"\n"].concat();
    let requests: [&[u8]; 16] = [
        b"",
        b"\n\n\n",
        b"\x00\xff\xfe\x80\n\x00\n",
        b"GET /metrics HTTP/1.1\r\nHost: node\r\n\r\n",
        &megabyte,
        &nested,
        b"{\"op\":\"stat",
        b"{\"op\":\"status\"",
        b"{\"op\":\"status\",\"more\":1}\n",
        b"{\"op\":\"frob\"}\n",
        b"[1]\n\"status\"\nnull\n7\n",
        b"{\"op\":\"assign\",\"prefix\":7,\"account\":null}\n",
        b"{\"op\":\"sync\",\"bytes\":18446744073709551615}\n",
        b"{\"op\":\"sync\",\"bytes\":-1}\n{\"op\":\"sync\",\"bytes\":1e99}\n",
        b"{\"op\":\"sync\",\"bytes\":104857600}\nprefix,account\n10.77.0.9,canary\n",
        b"{\"op\":\"sync\",\"bytes\":9}\n\xff\xff\xff\xff\xff\xff\xff\xff\xff{\"op\":\"status\"}\n",
    ];
    for request in requests {
        for closes in [true, false] {
            let mut stream = UnixStream::connect(site.path("control.sock")).expect("everybody may connect");
            stream.set_read_timeout(Some(TIMEOUT)).expect("a time above zero");
            stream.set_write_timeout(Some(TIMEOUT)).expect("a time above zero");
            // The daemon may close on what it does not take.
            let taken = stream.write_all(request);
            assert!(request.len() < megabyte.len() || taken.is_err(), "a line without end is not read to it");
            if closes {
                let _ = stream.shutdown(std::net::Shutdown::Write);
                let mut answer = String::new();
                let _ = stream.read_to_string(&mut answer);
                repeats_nothing(&answer);
                for line in answer.lines() {
                    serde_json::from_str::<serde_json::Value>(line).expect("each answer is JSON on a line");
                }
            }
        }
    }
    site.command(&["status"]).succeeded();
    let counts = site.command(&["roster", "counts", "--json"]).succeeded();
    assert!(counts.contains("\"source\":\"file\",\"prefixes\":2"), "{counts}");
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.await_end(), Some(0));
    let said = daemon.said();
    assert!(said.ends_with("/metrics\nblindmeter: stopping\n"), "nothing of it is logged: {said}");
}

/// Addresses of hooks come and go with connections: an answer that told whether one is assigned would tell who is there
/// (F5 of the attack on 0.1.0).
#[test]
fn taking_an_address_back_tells_nobody_whether_it_was_assigned() {
    let site = Site::new();
    site.configure("roster = [\"root\"]", "roster = [\"root\", \"games\"]");
    let _daemon = site.start();
    let told = |person: Person, address: &str| {
        let outcome = site.command_as(person, &["roster", "unassign", address]);
        (outcome.code, outcome.stdout, outcome.stderr)
    };
    let assigned = |person| {
        site.command(&["roster", "assign", "10.77.0.9", "canary"]).succeeded();
        told(person, "10.77.0.9")
    };
    assert_eq!(assigned(GAMES), told(GAMES, "10.77.0.9"), "one that was, and one that was not");
    assert_eq!(told(GAMES, "10.77.0.99"), (Some(0), String::new(), String::new()));
    assert_ne!(assigned(ROOT), told(ROOT, "10.77.0.9"), "the control: root is told");
}

/// When a VPN server starts anew, all of its clients come at once, and each has its hook.
#[test]
fn a_burst_of_assignments_waits_its_turn_and_loses_none() {
    let site = Site::new();
    let _daemon = site.start();
    let hooks: Vec<UnixStream> = (0..200)
        .map(|host| {
            let mut stream = UnixStream::connect(site.path("control.sock")).expect("there is room to wait");
            stream.set_read_timeout(Some(TIMEOUT)).expect("a time above zero");
            let prefix = format!("10.77.1.{host}");
            let request = format!("{{\"op\":\"assign\",\"prefix\":\"{prefix}\",\"account\":\"canary\"}}\n");
            stream.write_all(request.as_bytes()).expect("the kernel takes it");
            stream
        })
        .collect();
    let answered = hooks.into_iter().filter(|stream| {
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer).is_ok_and(|_| answer == "{\"done\":{}}\n")
    });
    assert_eq!(answered.count(), 200, "assignments that were made");
}

/// Who holds as many connections as he gets keeps neither colleagues nor root waiting.
#[test]
fn one_members_connections_are_in_nobody_elses_way() {
    let site = Site::new();
    site.configure("support = [\"root\"]", "support = [\"games\"]");
    site.configure("privacy = [\"root\"]", "privacy = [\"nobody\"]");
    let _daemon = site.start();
    let mut holder = Command::new("setpriv");
    holder
        .args(identity(GAMES))
        .args(["perl", "-MSocket", "-e", HOLDER_OF_MANY])
        .arg(site.path("control.sock"));
    let mut holder = holder.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("perl is there");
    let mut said = String::new();
    BufReader::new(holder.stdout.take().expect("a pipe")).read_line(&mut said).expect("it says so");
    for person in [NOBODY, ROOT] {
        let begun = Stopwatch::start();
        let outcome = site.command_as(person, &["status", "--json"]);
        assert!(matches!(outcome.code, Some(0 | 2)), "{said} by another: {}", outcome.stderr);
        // What is held ends by itself after half a minute; a turn would come then.
        assert!(begun.elapsed() < Duration::from_secs(15), "it waited {:?}", begun.elapsed());
    }
    assert_eq!(site.command(&["reload"]).code, Some(0), "root's reload");
    drop(holder.stdin.take());
    holder.wait().expect("it ends");
}

/// Makes 900 connections, says how many it has made, and holds them until its standard input ends.
const HOLDER_OF_MANY: &str = "for (1..900) { socket(my $s, AF_UNIX, SOCK_STREAM, 0) or last; \
                              connect($s, pack_sockaddr_un($ARGV[0])) or last; push @s, $s } \
                              $| = 1; print scalar(@s), qq( held\n); <STDIN>;";

/// Makes 150 connections, says so, and holds them until its standard input ends.
const HOLDER: &str = "for (1..150) { socket(my $s, AF_UNIX, SOCK_STREAM, 0); \
                      connect($s, pack_sockaddr_un($ARGV[0])) or die; push @s, $s } \
                      $| = 1; print qq(held\n); <STDIN>;";

/// A file system of this kind in the site's folder; it goes with the site.
struct Mounted(std::path::PathBuf);

impl Mounted {
    fn new(site: &Site, kind: &str, options: &str) -> Self {
        let at = site.path("mounted");
        std::fs::create_dir(&at).expect("the folder is ours");
        let status = Command::new("mount").args(["-t", kind, "-o", options, kind]).arg(&at).status();
        assert!(status.is_ok_and(|status| status.success()), "these tests mount a {kind}");
        Self(at)
    }

    /// Puts the control socket of the site there; its path.
    fn take_socket(&self, site: &Site) -> String {
        let socket = self.0.join("control.sock").display().to_string();
        site.configure(&format!("socket = {:?}", site.name("control.sock")), format!("socket = {socket:?}"));
        socket
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[test]
fn silent_connections_of_a_stranger_shut_nobody_out_where_all_may_connect() {
    let site = Site::new();
    // It has no access lists.
    let plain = Mounted::new(&site, "ramfs", "mode=755");
    let socket = plain.take_socket(&site);
    let daemon = site.start();
    assert!(daemon.said().contains("the file system has no access lists"), "{}", daemon.said());
    // It ends with its standard input, which ends with this test.
    let mut holder = Command::new("setpriv");
    holder.args(&identity(NOBODY)[1..]).args(["perl", "-MSocket", "-e", HOLDER, &socket]);
    let mut holder = holder.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("setpriv can be run");
    let mut said = [0; 5];
    holder.stdout.take().expect("a pipe").read_exact(&mut said).expect("perl-base is installed");
    let outcome = site.command(&["status"]);
    let mut refused = bounded();
    refused.args(identity(NOBODY)).arg(site.program_for_everybody()).args(["status", "--socket", &socket]);
    drop(holder.stdin.take());
    holder.wait().expect("the holder is our child");
    assert_eq!(outcome.code, Some(0), "status while a stranger is silent: {}", outcome.stderr);
    ended(refused).failed(77, &["needs the roster, support or privacy role;"]);
    drop(daemon);
}

#[test]
fn who_has_no_role_does_not_get_as_far_as_the_queue() {
    let site = Site::new();
    let daemon = site.start();
    assert!(!daemon.said().contains("access lists"), "{}", daemon.said());
    let mut holder = Command::new("setpriv");
    holder.args(&identity(NOBODY)[1..]).args(["perl", "-MSocket", "-e", HOLDER, &site.name("control.sock")]);
    let ended = holder.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    assert!(!ended.expect("setpriv can be run").success(), "nobody connects");
    drop(daemon);
}

/// Access times, for whoever may look: a hook's connection must not show in them.
#[test]
fn the_sockets_access_time_does_not_tell_the_last_hook() {
    for (options, tells) in [("relatime", false), ("noatime", false), ("strictatime", true)] {
        let site = Site::new();
        let mounted = Mounted::new(&site, "tmpfs", options);
        let socket = mounted.take_socket(&site);
        let daemon = site.start();
        let accessed = || std::fs::metadata(&socket).expect("it is there").atime();
        let before = accessed();
        assert_eq!(before > 4_000_000_000, !tells, "{options}: far ahead, until somebody connects");
        site.command(&["roster", "assign", "10.77.0.9", "canary"]).succeeded();
        assert_eq!(accessed() > 4_000_000_000, !tells, "{options}");
        let doctor = site.command(&["doctor", "--json"]).stdout;
        let users = doctor.split("\"users\":").nth(1).expect("a remark");
        // Where /proc shows processes, that is said first; this machine's decides.
        assert!(users.contains("/proc") || users.contains("last ran") == tells, "{options}: {users}");
        drop(daemon);
    }
}

/// A folder that the daemon made itself is closed to others, and open to who has a role.
#[test]
fn the_sockets_own_folder_lets_only_those_through_who_have_a_role() {
    let site = Site::new();
    site.configure("support = [\"root\"]", "support = [\"root\", \"games\"]");
    let own = site.path("own");
    let socket = own.join("control.sock").display().to_string();
    site.configure(&format!("socket = {:?}", site.name("control.sock")), format!("socket = {socket:?}"));
    let daemon = site.start();
    let program = site.program_for_everybody();
    let status = |person: Person| {
        let mut command = bounded();
        command.args(identity(person)).arg(&program).args([
            "accounts",
            "show",
            "canary-one",
            "--socket",
            &socket,
        ]);
        ended(command)
    };
    status(GAMES).succeeded();
    status(NOBODY).failed(77, &[CLOSED]);
    let mut look = bounded();
    look.args(identity(NOBODY)).args(["stat", &socket]);
    assert_eq!(ended(look).code, Some(1), "a stranger sees no time of the socket");
    drop(daemon);
}
