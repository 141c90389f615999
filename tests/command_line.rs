//! The command line: wrong words end with 64, a daemon that is not there with 69, and a reader that goes
//! away ends nothing badly. What was typed is not repeated where it may be an account or an address.

mod daemon;
#[path = "command_line/shapes.rs"]
mod shapes;
mod support;

use std::fs;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Child, Command, Stdio};

use daemon::command::{NOBODY, Outcome, bounded, ended, identity, repeats_nothing};
use daemon::{PROGRAM, Site};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};

#[test]
fn without_a_daemon_every_command_that_needs_one_says_so() {
    let site = Site::new();
    let socket = site.name("control.sock");
    let ask_all = || {
        for words in [
            &["status"][..],
            &["status", "--json"],
            &["roster", "counts"],
            &["roster", "assign", "10.77.0.1", "canary"],
            &["roster", "unassign", "10.77.0.1"],
            &["roster", "sync", &site.name("roster.csv")],
            &["accounts", "show", "canary"],
            &["accounts", "export", "canary", "--open-epoch"],
            &["accounts", "export", "--node"],
        ] {
            site.command(words).failed(69, &[&socket, "no daemon answers", "blindmeter run"]);
        }
    };
    ask_all();
    drop(UnixListener::bind(&socket).expect("the path is free"));
    ask_all();
    fs::remove_file(&socket).expect("it is ours");
    site.write("control.sock", "a file of somebody else");
    ask_all();
    site.command(&["run"]).failed(74, &["control.socket", &socket]);
    assert!(site.path("control.sock").is_file(), "a file that is no socket stays");
}

/// Words of a command line that is wrong.
const MISUSES: [&[&str]; 11] = [
    &["frob"],
    &["status", "--frob"],
    &["status", "--config", "a", "--socket", "b"],
    &["check", "--config"],
    &["meter"],
    &["gen", "completions", "nosuch"],
    &["accounts", "show"],
    &["accounts", "export", "canary-a", "--node"],
    &["roster", "assign", "10.77.0.9"],
    &["roster", "assign", "10.77.0.9", "canary-a", "canary-b"],
    &["accounts", "show", "canary-a", "canary-b"],
];

#[test]
fn a_wrong_command_line_ends_with_64() {
    for words in [&["roster"][..], &["accounts"]].into_iter().chain(MISUSES) {
        let mut command = bounded();
        command.arg(PROGRAM).args(words);
        let outcome = ended(command);
        assert_eq!(outcome.code, Some(64), "{words:?}: {}", outcome.stderr);
        assert!(outcome.stdout.is_empty() && !outcome.stderr.is_empty(), "{words:?}: it says why");
    }
    let site = Site::new();
    let _daemon = site.start();
    site.command(&["roster", "assign", "10.77.0.300", "canary"]).failed(64, &["not an address"]);
    site.command(&["roster", "unassign", "10.77.0.1/99"]).failed(64, &["0 to 32"]);
    site.command(&["roster", "assign", "10.77.0.3", "canary two"]).failed(64, &["%XX"]);
    site.command(&["accounts", "show", "canary%"]).failed(64, &["%XX"]);
    site.command(&["accounts", "export", &"canary".repeat(22)]).failed(64, &["1 to 128 bytes"]);
}

#[test]
fn a_wrong_command_line_is_answered_in_one_line_that_repeats_nothing() {
    for words in MISUSES {
        let mut command = bounded();
        command.arg(PROGRAM).args(words);
        ended(command).failed(64, &[]);
    }
}

/// Runs the program with these words alone.
fn typed(words: &[&str]) -> Outcome {
    let mut command = bounded();
    command.arg(PROGRAM).args(words);
    ended(command)
}

#[test]
fn no_arguments_print_the_help() {
    let help = typed(&[]).succeeded();
    for text in ["Usage: blindmeter", "Commands:", "check", "status", "--version"] {
        assert!(help.contains(text), "{text:?} is shown: {help}");
    }
    typed(&["roster"])
        .failed(64, &["pass one of assign, unassign, sync, counts", "blindmeter roster --help"]);
}

#[test]
fn a_wrong_argument_is_named_with_the_nearest_right_one() {
    for (words, texts) in [
        (&["chekc"][..], &["no command chekc; did you mean check?"][..]),
        (&["canary-a"], &["argument 1: no such command", "demo"]),
        (&["status", "--jsno"], &["no option --jsno; did you mean --json?", "blindmeter status --help"]),
        (&["status", "--frob=10.77.0.1"], &["no option --frob;"]),
        (&["status", "canary-a"], &["argument 2: not expected"]),
        (&["accounts", "shwo", "canary-a"], &["argument 2: no such command; did you mean show?"]),
        (&["accounts", "canary-a"], &["argument 2: no such command", "show"]),
        (&["accounts", "show", "--canary-a"], &["argument 3: not expected"]),
        (
            &["accounts", "export", "canary-a", "--opn-epoch"],
            &["no option --opn-epoch; did you mean --open-epoch?", "blindmeter accounts export --help"],
        ),
        (&["accounts", "export", "canary-a", "--node"], &["--node", "cannot be used with"]),
        (&["status", "--config", "a", "--socket", "b"], &["--config", "cannot be used with", "--socket"]),
        (&["check", "--config"], &["--config <FILE>: a value is missing"]),
        (&["meter", "a.pcap"], &["missing: --roster <FILE>"]),
        (&["gen", "completions", "nosuch"], &["<SHELL>: expected one of", "bash"]),
        (&["demo", "--accounts", "11"], &["--accounts <ACCOUNTS>: expected a number from 12 to 60000"]),
        (&["demo", "--seconds", "ten"], &["--seconds <SECONDS>: expected whole seconds"]),
        (&["demo", "--listen", "10.77.0.1"], &["--listen <ADDRESS:PORT>: expected an address and a port"]),
    ] {
        typed(words).failed(64, texts);
    }
}

#[test]
fn manual_pages_have_files_exit_status_and_examples() {
    let site = Site::new();
    let folder = site.name("man");
    fs::create_dir(&folder).expect("ours");
    // Somebody has left a link there, to a file of root's.
    site.write("kept", "kept");
    std::os::unix::fs::symlink(site.path("kept"), site.path("man/blindmeter.1")).expect("ours");
    typed(&["gen", "man", &folder]).succeeded();
    assert_eq!(fs::read_to_string(site.path("kept")).expect("ours"), "kept");
    assert!(
        fs::read_to_string(site.path("man/blindmeter.toml.5")).expect("a page").contains("mass_event_share")
    );
    let pages = ["blindmeter.1", "blindmeter-check.1", "blindmeter-roster-assign.1"];
    let pages = pages.map(|page| fs::read_to_string(site.path("man").join(page)).expect("a page"));
    for page in pages.iter().chain([&typed(&["gen", "man"]).succeeded()]) {
        for text in [
            ".SH \"EXIT STATUS\"",
            ".SH \"FILES\"",
            ".SH \"EXAMPLES\"",
            "/etc/blindmeter/blindmeter.toml",
            "/run/blindmeter/control.sock",
            "\\fB78\\fR",
            "NO_COLOR",
        ] {
            assert!(page.contains(text), "{text:?}: {page}");
        }
    }
}

#[test]
fn meter_says_what_is_wrong_and_prints_no_table_of_zeros() {
    let site = Site::new();
    let roster = site.name("roster.csv");
    site.write("no-capture", "hello, this is no capture file at all");
    let good = site.name("empty.pcap");
    let header = [0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 101, 0, 0, 0];
    site.write("empty.pcap", header);
    let missing = site.name("missing.pcap");
    for (files, code, text) in [
        (&[&missing][..], 74, missing.as_str()),
        (&[&good, &missing], 74, &missing),
        (&[&site.name("no-capture")], 2, "no-capture"),
    ] {
        let mut meter = bounded();
        meter.args([PROGRAM, "meter", "--roster", &roster]).args(files);
        let outcome = ended(meter);
        assert_eq!(outcome.stdout, "", "{files:?}");
        outcome.failed(code, &[text]);
    }
    assert!(typed(&["meter", "--roster", &roster, &good]).succeeded().contains("0 packets"));
}

/// What the program prints on a terminal of this width.
fn on_a_terminal(columns: u32, environment: &str, words: &str) -> String {
    let mut script = bounded();
    let line = format!("stty cols {columns} rows 40; {environment} {PROGRAM} {words}");
    script.args(["script", "--quiet", "--return", "--command", &line, "/dev/null"]);
    script.env("TERM", "xterm");
    let outcome = ended(script);
    assert_eq!(outcome.code, Some(0), "{words}: {}", outcome.stdout);
    outcome.stdout
}

#[test]
fn colours_are_for_terminals_whose_user_wants_them() {
    for words in ["--help", "run --help", "help"] {
        let colours = |environment| on_a_terminal(80, environment, words).contains("\x1b[");
        // An empty NO_COLOR is none, as its own page says.
        assert!(colours("") && colours("NO_COLOR="), "{words}: a terminal has bold headings");
        assert!(!colours("NO_COLOR=1") && !colours("TERM=dumb"), "{words}");
    }
    assert!(!on_a_terminal(80, "NO_COLOR=1", "").contains('\x1b'), "the help of no arguments");
    assert!(!typed(&["--help"]).succeeded().contains('\x1b'), "a pipe has no colours");
}

#[test]
fn what_is_printed_fits_the_terminal() {
    for columns in [60, 80] {
        let demo = on_a_terminal(columns, "", "demo --seconds 4 --accounts 20");
        let last = demo.rsplit("\x1b[H").next().unwrap_or_default();
        let shown = last.replace("\x1b[K", "").replace("\x1b[J", "");
        assert!(shown.contains("WHAT A LIVE EXPORTER REVEALS") && shown.contains(" s\r\n"), "{shown}");
        // Addresses and what follows the page are as long as they are.
        let widest = shown.lines().take_while(|line| !line.contains("packets  ")).map(|line| line.trim_end());
        let widest = widest.map(|line| line.chars().count()).max();
        assert!(widest.is_some_and(|widest| widest <= columns as usize), "{widest:?} of {columns}: {shown}");
        for words in ["--help", "run --help", "accounts export --help", "demo --help"] {
            let help = on_a_terminal(columns, "NO_COLOR=1", words);
            let widest = help.lines().map(|line| line.chars().count()).max();
            assert!(widest.is_some_and(|widest| widest <= columns as usize), "{widest:?}: {help}");
        }
    }
}

#[test]
fn a_reader_that_goes_away_does_no_harm() {
    let site = Site::new();
    let daemon = site.start();
    let config = site.name("blindmeter.toml");
    for words in [
        &["check", "--config", &config][..],
        &["run", "--dry-run", "--config", &config],
        &["status", "--config", &config],
        &["status", "--json", "--config", &config],
        &["roster", "counts", "--config", &config],
        &["gen", "man"],
        &["gen", "completions", "bash"],
        &["--help"],
        &["--version"],
        &[],
    ] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let mut command = Command::new(PROGRAM);
        command.args(words).stdout(writer).stderr(Stdio::piped());
        let output = command.spawn().and_then(Child::wait_with_output).expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), said.as_ref()), (Some(0), ""), "{words:?}");
    }
    let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("/dev/full");
    let mut check = Command::new(PROGRAM);
    check.args(["check", "--config", &config]).stdout(full);
    let output = check.output().expect("it runs");
    assert_eq!(output.status.code(), Some(74), "a full disk is no reader that went away");
    assert!(String::from_utf8_lossy(&output.stderr).contains("standard output"));
    drop(daemon);
}

#[test]
fn a_complaint_that_cannot_be_written_keeps_its_exit_code() {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("/dev/full");
    for stderr in [Stdio::from(writer), Stdio::from(full)] {
        let mut check = Command::new(PROGRAM);
        check.args(["check", "--config", "/nonexistent.toml"]).stdin(Stdio::null()).stderr(stderr);
        assert_eq!(check.status().expect("it runs").code(), Some(78));
    }
}

/// Support staff may not read the configuration, which belongs to root and the daemon.
#[test]
fn staff_without_access_to_the_configuration_asks_the_default_socket() {
    let site = Site::new();
    let config = site.name("blindmeter.toml");
    fs::set_permissions(&config, fs::Permissions::from_mode(0o640)).expect("ours");
    // A folder that is nobody's but this test's, in the place of the system's.
    let script = format!(
        "mount -t tmpfs tmpfs /run && mkdir /run/blindmeter && \
         sed 's#^socket = .*#socket = \"/run/blindmeter/control.sock\"#; s#support = .*#support = [\"nobody\"]#' \
         {config} >/run/daemon.toml && {PROGRAM} run --config /run/daemon.toml 2>/dev/null & \
         for wait in $(seq 100); do {staff} status --config {config} >/dev/null 2>&1 && break; sleep 0.1; done; \
         for words in 'status' 'accounts show canary-one' inventory; do \
         {staff} $words --config {config} || kill $!; done; kill $!; wait",
        staff = format_args!("{} {}", identity(NOBODY).join(" "), site.program_for_everybody().display()),
    );
    let mut shell = bounded();
    shell.args(["unshare", "--mount", "sh", "-c", &script]);
    let outcome = ended(shell);
    for text in ["You may not read the configuration", "Tap in use: ", "needs the privacy role"] {
        assert!(outcome.stdout.contains(text), "{text:?}: {} {}", outcome.stdout, outcome.stderr);
    }
    assert!(
        outcome.stdout.contains(": less than 1.0 GiB, possibly none"),
        "{} {}",
        outcome.stdout,
        outcome.stderr
    );
    // A configuration that is not there is a typing error, unless nobody typed it.
    let missing = site.name("missing.toml");
    typed(&["status", "--config", &missing]).failed(78, &[&missing, "No such file"]);
}

/// A socket that takes a connection and never answers.
fn silent(site: &Site) -> UnixListener {
    UnixListener::bind(site.path("control.sock")).expect("the path is free")
}

/// Runs a command with this standard input until it has connected, and gives what others see of its arguments.
fn seen_by_others(site: &Site, words: &[&str], input: &str) -> String {
    let _ = fs::remove_file(site.path("control.sock"));
    let listener = silent(site);
    let mut command = Command::new(PROGRAM);
    command.args(words).arg("--socket").arg(site.path("control.sock"));
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().expect("it runs");
    child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("it reads");
    let accepted = listener.accept();
    let seen = fs::read(format!("/proc/{}/cmdline", child.id())).expect("it waits for an answer");
    child.kill().and_then(|()| child.wait()).expect("it is ours");
    drop(accepted);
    String::from_utf8(seen).expect("text").replace('\0', " ")
}

#[test]
fn the_list_of_processes_shows_no_account_and_no_address() {
    let site = Site::new();
    for (words, input) in [
        (&["roster", "assign", "10.77.0.9", "canary-a"][..], ""),
        (&["roster", "unassign", "10.77.0.9"], ""),
        (&["accounts", "show", "canary-a", "--json"], ""),
        (&["accounts", "export", "--open-epoch", "canary-a"], ""),
        (&["roster", "assign", "-"], "10.77.0.9,canary-a\n"),
        (&["roster", "unassign", "-"], "10.77.0.9\n"),
        (&["accounts", "show", "-"], "canary-a\n"),
    ] {
        let seen = seen_by_others(&site, words, input);
        repeats_nothing(&seen);
        let shown = format!("{PROGRAM} {}", words[0]);
        assert_eq!(seen.trim_end(), shown, "what is left names the command: {words:?}");
    }
}

/// Runs a command with this standard input.
fn told(site: &Site, words: &[&str], input: &str) -> Outcome {
    site.write("input", input);
    let mut command = bounded();
    command.stdin(fs::File::open(site.path("input")).expect("it is ours"));
    command.arg(PROGRAM).args(words).arg("--config").arg(site.path("blindmeter.toml"));
    ended(command)
}

#[test]
fn names_and_addresses_come_by_standard_input() {
    let site = Site::new();
    let _daemon = site.start();
    let lines =
        "# a comment\nprefix,account\n10.77.0.8,canary-a\n\n 10.77.0.9 , canary-b\n10.77.1.0/24,canary%20c";
    assert_eq!(told(&site, &["roster", "assign", "-"], lines).succeeded(), "");
    let sync = told(&site, &["roster", "sync", "-"], "prefix,account\n10.77.0.8,canary-a\n");
    assert_eq!(sync.succeeded(), "");
    assert_eq!(told(&site, &["roster", "unassign", "-"], "10.77.0.8\n").succeeded(), "");
    let shown = told(&site, &["accounts", "show", "-", "--json"], "canary-a\n").succeeded();
    assert!(shown.contains("\"account\":\"canary-a\""), "{shown}");
    assert!(told(&site, &["accounts", "export", "-"], "canary-a\n").succeeded().contains("closed epochs"));
    // What is wrong is named by its line, and not repeated; what came before it is in force.
    let outcome = told(&site, &["roster", "assign", "-"], "10.77.0.8,canary-a\n10.77.0.999,canary-b\n");
    outcome.failed(64, &["standard input, line 2: "]);
    told(&site, &["roster", "assign", "-"], "10.77.0.9 canary-b\n")
        .failed(64, &["line 1: expected prefix,account"]);
    let missing = told(&site, &["roster", "unassign", "-"], "10.77.0.8\n10.77.0.8\n");
    missing.failed(2, &["standard input, line 2: this prefix was not assigned"]);
    told(&site, &["accounts", "show", "-"], "").failed(64, &["holds no account name"]);
    told(&site, &["accounts", "show", "-"], "canary-a\ncanary-b\n")
        .failed(64, &["line 2: pass one account name"]);
    told(&site, &["roster", "assign", "-", "canary-a"], "").failed(64, &["or - alone"]);
    told(&site, &["roster", "sync", "-"], "prefix,account\ncanary-a,10.77.0.8\n")
        .failed(78, &["standard input: line 2"]);
    let long = format!("10.77.0.8,{}\n", "canary".repeat(1000));
    told(&site, &["roster", "assign", "-"], &long).failed(64, &["line 1: longer than 4096 bytes"]);
}

#[test]
fn a_socket_whose_queue_is_full_is_not_waited_for_without_end() {
    let site = Site::new();
    let listener = silent(&site);
    // Whoever connects more often than the queue is long waits.
    let mut queue: Vec<UnixStream> = Vec::new();
    for _ in 0..5000 {
        let stream =
            socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_NONBLOCK, None).expect("a socket");
        let address = UnixAddr::new(&site.path("control.sock")).expect("a short path");
        if connect(stream.as_raw_fd(), &address).is_err() {
            break;
        }
        queue.push(stream.into());
    }
    assert!(queue.len() < 5000, "the queue has an end");
    let mut command = bounded();
    command.arg(PROGRAM).args(["roster", "counts", "--socket"]).arg(site.path("control.sock"));
    ended(command).failed(69, &["does not answer in time", "systemctl status blindmeter"]);
    drop(listener);
}
