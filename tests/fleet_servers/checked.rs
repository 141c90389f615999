//! What `fleet check` and `fleet install` find and do: a cluster as shipped is clean, and each setting, user and program
//! that would keep something or let somebody in is named, with the server that has it.

use crate::fleet::servers::{Form, Servers};
use crate::fleet::words::{Nodes, now};
use crate::support::process::PROGRAM;
use blindmeter::fleet::cluster::Access;
use blindmeter::fleet::servers::check::{Report, check};
use blindmeter::fleet::servers::finding::{Finding, State};
use blindmeter::fleet::servers::install::{install, rendered};
use blindmeter::fleet::settings::Role;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};
use tempfile::TempDir;

/// A host from which a cluster is set up: a configuration, the fleet's key, and the drawn credentials.
struct Desk(TempDir);

impl Desk {
    fn new(servers: &Servers, key: u8) -> Self {
        let folder = TempDir::new().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        fs::write(path("fleet.key"), [key; 32]).expect("a file");
        fs::set_permissions(path("fleet.key"), fs::Permissions::from_mode(0o600)).expect("ours");
        fs::copy(servers.secrets().join("credentials"), path("credentials")).expect("a file");
        let text = format!(
            "[tap]\ninterfaces = [\"wg0\"]\n[store]\nmode = \"memory\"\n[fleet]\nkey_file = \"{}\"\ncredentials_file = \
             \"{}\"\n[[fleet.cluster]]\nmembers = [\"{}\"]\nca_file = \"{}\"\n",
            path("fleet.key").display(),
            path("credentials").display(),
            servers.address(1),
            servers.secrets().join("ca.crt").display()
        );
        fs::write(path("blindmeter.toml"), text).expect("a file");
        Self(folder)
    }

    fn run(&self, words: &[&str]) -> (Option<i32>, String, String) {
        let mut command = Command::new(PROGRAM);
        command.arg("fleet").args(words).arg("--config").arg(self.0.path().join("blindmeter.toml"));
        let Output { status, stdout, stderr } = command.output().expect("the program");
        let text = |bytes| String::from_utf8(bytes).expect("text");
        (status.code(), text(stdout), text(stderr))
    }

    fn edit(&self, file: &str, from: &str, to: &str) {
        let path = self.0.path().join(file);
        let text = fs::read_to_string(&path).expect("a file");
        assert!(text.contains(from));
        fs::write(path, text.replace(from, to)).expect("a file");
    }
}

#[test]
fn a_cluster_is_set_up_by_the_commands_and_clean_as_shipped() {
    let mut servers = Servers::start(Form { tls: true, ..Form::default() });
    let desk = Desk::new(&servers, 1);
    let (code, stdout, _) = desk.run(&["check"]);
    assert_eq!(code, Some(3), "{stdout}");
    assert!(
        stdout.contains("VOID     functions: has lost its functions") && stdout.contains("(every server)")
    );

    assert_eq!(desk.run(&["install"]).1, "cluster A: version 1 loaded on 3 masters\n");
    assert_eq!(
        desk.run(&["install"]),
        (Some(0), "cluster A: version 1 is on all 3 masters already\n".into(), "".into())
    );
    let clean = "cluster A: 6 servers, nothing that keeps a history or opens a door\n";
    assert_eq!(desk.run(&["check"]), (Some(0), clean.to_owned(), String::new()));
    let json = "{\"schema_version\":1,\"void\":false,\"clusters\":[{\"cluster\":\"A\",\"servers\":6,\"findings\":[]}]}\n";
    assert_eq!(desk.run(&["check", "--json"]), (Some(0), json.to_owned(), String::new()));

    refused(&servers, &desk);

    // One master forgets them, as one does that is new; what is printed is what the command loads.
    let (code, printed, _) = desk.run(&["install", "--print", "A"]);
    assert_eq!(code, Some(0));
    let fleet = Nodes::new(1, 1, 1).fleet();
    assert!(printed == rendered(&format!("1 {fleet} A"), &servers.names()));
    let master = servers.masters()[0];
    let replica = servers.replica(master);
    servers.kill(replica);
    servers.kill(master);
    servers.return_server(master, &[]);
    servers.return_server(replica, &[]);
    servers.await_whole();
    let (code, stdout, _) = desk.run(&["check"]);
    assert_eq!(code, Some(3));
    assert!(
        stdout.contains("has lost its functions") && stdout.contains(&servers.address(master)),
        "{stdout}"
    );
    assert!(!stdout.contains("every server"), "{stdout}");
    // The servers' own loader does it on a master alone, and where it has done it, nothing.
    servers.loads(master, &printed);
    servers.loads(replica, &printed);
    servers.loads(master, "none of ours");
    assert_eq!(desk.run(&["install"]).1, "cluster A: version 1 is on all 3 masters already\n");
    crate::support::wait::wait_until("its replica copies them", std::time::Duration::from_secs(10), || {
        desk.run(&["check"]).0 == Some(0)
    });

    // A server that is gone cannot be looked at; nor can a cluster.
    servers.kill(replica);
    let (code, stdout, stderr) = desk.run(&["check"]);
    assert_eq!((code, stderr.as_str()), (Some(69), ""), "{stdout}");
    assert!(stdout.contains("unknown  server") && stdout.contains(&servers.address(replica)), "{stdout}");
    (0..6).filter(|at| *at != replica).for_each(|at| servers.kill(at));
    for words in ["check", "install"] {
        let (code, _, stderr) = desk.run(&[words]);
        assert_eq!(code, Some(69));
        assert!(
            stderr.starts_with("blindmeter: cluster A cannot be reached") && stderr.lines().count() == 1,
            "{stderr}"
        );
    }
}

/// What is not loaded, in one line each.
fn refused(servers: &Servers, desk: &Desk) {
    let fails = |desk: &Desk, words: &[&str], expected: i32, what: &str| {
        let (code, stdout, stderr) = desk.run(words);
        assert_eq!((code, stdout.as_str()), (Some(expected), ""), "{stderr}");
        assert!(stderr.contains(what) && stderr.lines().count() == 1, "{stderr}");
    };
    let other = Desk::new(servers, 2);
    fails(&other, &["install"], 2, "holds the functions of another fleet");
    let (code, stdout, _) = other.run(&["check"]);
    assert!(
        code == Some(3) && stdout.contains("are of another version, fleet or cluster (every server)"),
        "{stdout}"
    );
    assert_eq!(
        other.run(&["install", "--replace-other-fleet"]).1,
        "cluster A: version 1 loaded on 3 masters\n"
    );
    fails(desk, &["install"], 2, "holds the functions of another fleet");
    assert_eq!(desk.run(&["install", "--replace-other-fleet"]).0, Some(0));

    let fleet = Nodes::new(1, 1, 1).fleet();
    for master in servers.masters() {
        let newer = rendered(&format!("2 {fleet} A"), &servers.names());
        let words = ["function", "load", "replace", &newer];
        let loaded = servers.ask_as(master, "blindmeter-install", &servers.secret("install"), &words);
        assert_eq!(loaded.trim(), "blindmeter");
    }
    fails(desk, &["install", "--replace-other-fleet"], 2, "of a newer version");
    for master in servers.masters() {
        let older = rendered(&format!("0 {fleet} A"), &servers.names());
        servers.ask_as(
            master,
            "blindmeter-install",
            &servers.secret("install"),
            &["function", "load", "replace", &older],
        );
    }
    assert_eq!(desk.run(&["install"]).1, "cluster A: version 1 loaded on 3 masters\n");

    desk.edit("credentials", "names:", "#names:");
    fails(desk, &["install"], 2, "calls its commands by other names");
    fails(desk, &["install", "--print", "A"], 78, "no line names:NAMES");
    fails(desk, &["install", "--print", "B"], 64, "expected the letter");
    desk.edit("credentials", "#names:", "names:");
    let install = servers.secret("install");
    desk.edit("credentials", &install, "another");
    fails(desk, &["install"], 77, "refuses the log-in");
    desk.edit("credentials", "install:another", "#install:");
    fails(desk, &["install"], 77, "no line install:PASSWORD");
    desk.edit("credentials", "#install:", &format!("install:{install}"));
}

/// What can be set on a running server, and how the report names it.
const SET: [(&[&str], &str); 24] = [
    (&["config", "set", "save", "3600 1"], "save = \"3600 1\""),
    (&["config", "set", "appendonly", "yes"], "appendonly = \"yes\""),
    (&["config", "set", "repl-diskless-sync", "no"], "repl-diskless-sync = \"no\""),
    (&["config", "set", "repl-diskless-load", "disabled"], "repl-diskless-load = \"disabled\""),
    (&["config", "set", "slowlog-log-slower-than", "10000"], "slowlog-log-slower-than = \"10000\""),
    (&["config", "set", "slowlog-max-len", "128"], "slowlog-max-len = \"128\""),
    (&["config", "set", "latency-monitor-threshold", "1"], "latency-monitor-threshold = \"1\""),
    (&["config", "set", "latency-tracking", "yes"], "latency-tracking = \"yes\""),
    (&["config", "set", "acllog-max-len", "128"], "acllog-max-len = \"128\""),
    (&["config", "set", "notify-keyspace-events", "KEA"], "notify-keyspace-events = \"AKE\""),
    (&["config", "set", "crash-log-enabled", "yes"], "crash-log-enabled = \"yes\""),
    (&["config", "set", "loglevel", "debug"], "loglevel = \"debug\""),
    (&["config", "set", "loglevel", "verbose"], "loglevel = \"verbose\""),
    (&["config", "set", "repl-backlog-size", "64mb"], "repl-backlog-size = \"67108864\""),
    (&["config", "set", "protected-mode", "no"], "protected-mode = \"no\""),
    (&["config", "set", "maxmemory", "0"], "maxmemory = \"0\""),
    (&["config", "set", "maxmemory-policy", "allkeys-lru"], "maxmemory-policy = \"allkeys-lru\""),
    (&["acl", "setuser", "default", "on"], "user default"),
    (&["acl", "setuser", "guest", "on", ">secret", "+get"], "user guest"),
    (&["acl", "setuser", "guest", "on", "nopass"], "user guest"),
    (&["acl", "setuser", "blindmeter-node", "+hscan"], "user blindmeter-node +hscan"),
    (
        &["acl", "setuser", "blindmeter-desk", "(~* +hscan)"],
        "user blindmeter-desk (~* resetchannels -@all +hscan)",
    ),
    (&["acl", "setuser", "blindmeter-check", "~*"], "user blindmeter-check ~*"),
    (
        &["function", "load", "#!lua name=other\nredis.register_function('f', function() return 1 end)"],
        "library other",
    ),
];

/// How each is taken back.
const TAKEN_BACK: [&[&str]; 20] = [
    &["config", "set", "save", "", "appendonly", "no"],
    &["config", "set", "repl-diskless-sync", "yes", "repl-diskless-load", "swapdb"],
    &["config", "set", "slowlog-log-slower-than", "-1", "slowlog-max-len", "0"],
    &["config", "set", "latency-monitor-threshold", "0", "latency-tracking", "no"],
    &["config", "set", "acllog-max-len", "0"],
    &["config", "set", "notify-keyspace-events", ""],
    &["config", "set", "crash-log-enabled", "no"],
    &["config", "set", "loglevel", "notice"],
    &["config", "set", "repl-backlog-size", "1mb"],
    &["config", "set", "protected-mode", "yes"],
    &["config", "set", "maxmemory", "1gb"],
    &["config", "set", "maxmemory-policy", "noeviction"],
    &["acl", "setuser", "default", "off"],
    &["acl", "deluser", "guest"],
    &["acl", "setuser", "blindmeter-node", "-hscan"],
    &["acl", "setuser", "blindmeter-desk", "clearselectors"],
    &["acl", "setuser", "blindmeter-check", "resetkeys"],
    &["function", "delete", "other"],
    &["ping"],
    &["ping"],
];

#[test]
fn each_bad_setting_is_named_with_its_server() {
    let servers = Servers::start(Form { has_tester: true, ..Form::default() });
    let fleet = Nodes::new(1, 1, 5).fleet();
    let access = |role| servers.access('A', &fleet, role);
    install(&access(Role::Install), &servers.names(), false).expect("it is empty");
    // Replicas have them a moment later; then the tester alone is found, on all.
    let found = |report: &Report| -> Vec<(String, usize)> {
        let of = |finding: &Finding| (finding.what.clone(), finding.servers.len());
        report.findings.iter().map(of).collect()
    };
    let looked = || check(&access(Role::Check), now()).expect("it answers");
    let only_tester = vec![("user tester".to_owned(), 6)];
    crate::support::wait::wait_until(
        "replicas copy the functions",
        std::time::Duration::from_secs(10),
        || found(&looked()) == only_tester,
    );

    let master = servers.masters()[0];
    for (at, place) in [(0, master), (1, servers.replica(master))] {
        for (words, what) in SET.iter().skip(at) {
            // A replica takes no functions.
            if at == 1 && words[0] == "function" {
                continue;
            }
            let set = servers.ask_as(place, "tester", "tester", words);
            assert!(["OK", "other"].contains(&set.trim()), "{words:?}: {set}");
            let report = looked();
            let finding = report.findings.iter().find(|finding| finding.what == *what);
            let finding = finding.unwrap_or_else(|| panic!("{what} in {:?}", found(&report)));
            assert!(
                finding.state == State::Void && finding.servers.contains(&servers.address(place)),
                "{what}"
            );
            assert!(
                finding.servers.len() < 3 && !finding.does.is_empty() && !finding.remedy.is_empty(),
                "{what}"
            );
            for words in TAKEN_BACK {
                servers.ask_as(place, "tester", "tester", words);
            }
            // What was set is gone with it; a log that was begun is not waited for.
            assert_eq!(found(&looked()), only_tester, "{what}");
        }
    }

    // The clock that differs is this host's: of all servers it is told.
    let report = check(&access(Role::Check), now() + 121).expect("it answers");
    assert!(found(&report).contains(&("clock".to_owned(), 6)), "{:?}", found(&report));
    assert_eq!(found(&check(&access(Role::Check), now() - 115).expect("it answers")), only_tester);
    changed_functions(&servers, &access(Role::Check), &fleet);
    joined_wrongly(&servers, &access(Role::Check));
}

/// Functions that say they are ours, and are not.
fn changed_functions(servers: &Servers, access: &Access, fleet: &str) {
    let master = servers.masters()[0];
    let code = rendered(&format!("1 {fleet} A"), &servers.names()) + "-- and more\n";
    servers.ask_as(master, "tester", "tester", &["function", "load", "replace", &code]);
    let report = check(access, now()).expect("it answers");
    let finding =
        report.findings.iter().find(|finding| finding.what == "functions").expect("they were changed");
    assert!(
        finding.does.contains("somebody changed them") && finding.servers.contains(&servers.address(master))
    );
}

/// A server of others that was joined to the cluster.
fn joined_wrongly(servers: &Servers, access: &Access) {
    let other = Servers::start(Form { servers: 1, ..Form::default() });
    let address = other.address(0);
    servers.meet(0, &address);
    crate::support::wait::wait_until("it is told", std::time::Duration::from_secs(20), || {
        let report = check(access, now()).expect("it answers");
        report.findings.iter().any(|finding| {
            finding.what == "server" && finding.servers == [address.clone()] && finding.state == State::Void
        })
    });
}

/// What cannot be set on a running server: started with it.
#[test]
fn what_a_server_is_started_with_is_named_too() {
    let folder = TempDir::with_prefix_in("fleet-", env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let more = ["enable-debug-command yes", "enable-module-command local", "enable-protected-configs yes"];
    let mut more: Vec<String> = more.map(str::to_owned).to_vec();
    more.push(format!("unixsocket {}/door", folder.path().display()));
    let fewer = vec!["rename-command MONITOR", "rename-command SAVE", "rename-command SCAN"];
    let mut servers = Servers::start(Form { servers: 1, more, fewer, ..Form::default() });
    servers.kill(0);
    // The last word counts: a folder on a disk.
    servers.return_server(0, &["--dir", &folder.path().display().to_string()]);
    servers.ask(0, &["cluster", "addslotsrange", "0", "16383"]);
    servers.await_whole();
    let access = |role| servers.access('A', &Nodes::new(1, 1, 6).fleet(), role);
    install(&access(Role::Install), &servers.names(), false).expect("it is empty");
    let report = check(&access(Role::Check), now()).expect("it answers");
    let void: Vec<&str> = report
        .findings
        .iter()
        .filter(|finding| finding.state == State::Void)
        .map(|finding| &finding.what[..])
        .collect();
    let expected = [
        "enable-debug-command = \"yes\"",
        "enable-module-command = \"local\"",
        "enable-protected-configs = \"yes\"",
        &format!("unixsocket = \"{}/door\"", folder.path().display()),
        "commands MONITOR SCAN SAVE",
        &format!("dir = \"{}\"", folder.path().display()),
    ];
    assert_eq!(void, expected);
    let notes: Vec<&str> = report
        .findings
        .iter()
        .filter(|finding| finding.state == State::Note)
        .map(|finding| &finding.what[..])
        .collect();
    assert_eq!(notes, ["masters", "replica"]);
}
