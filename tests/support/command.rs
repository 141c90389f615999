//! Commands: as whom they run, how long at most, and what is asserted of how they end.

use std::process::{Command, Output, Stdio};

/// Seconds after which a command is killed: it then has no exit code, which fails its test.
const COMMAND_LIMIT: &str = "20";
/// Whatever a failure says, it must not repeat these: every tunnel address, account and pool of the
/// tests holds one of them, and nothing else does.
const CANARIES: [&str; 3] = ["10.77.", "fd77:", "canary"];

/// A user of this machine and its groups, by number.
#[derive(Clone, Copy)]
pub(crate) struct Person {
    pub(crate) user: u32,
    pub(crate) group: u32,
    pub(crate) more_groups: &'static [u32],
}

pub(crate) const NOBODY: Person = Person { user: 65_534, group: 65_534, more_groups: &[] };

/// How a command ended.
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Outcome {
    /// Asserts that the command succeeded and said nothing on standard error.
    pub(crate) fn succeeded(self) -> String {
        assert_eq!((self.code, self.stderr.as_str()), (Some(0), ""), "stdout: {}", self.stdout);
        self.stdout
    }

    /// Asserts the exit code, and that standard error is one line that holds each of these texts and
    /// repeats no address and no account.
    pub(crate) fn failed(self, code: i32, texts: &[&str]) {
        let lines: Vec<&str> = self.stderr.lines().filter(|line| !is_of_every_start(line)).collect();
        assert_eq!(self.code, Some(code), "exit code; stderr: {}", self.stderr);
        assert_eq!(lines.len(), 1, "one line on stderr, not: {}", self.stderr);
        for text in texts {
            assert!(lines[0].contains(text), "stderr names {text:?}: {}", lines[0]);
        }
        repeats_nothing(&self.stderr);
    }
}

/// Asserts that a text holds no address, account or pool of these tests.
pub(crate) fn repeats_nothing(text: &str) {
    for canary in CANARIES {
        assert!(!text.to_lowercase().contains(canary), "{canary:?} is repeated: {text}");
    }
}

/// What a daemon says before it can fail to start: of the lab build, and which tap it takes.
fn is_of_every_start(line: &str) -> bool {
    ["blindmeter: LAB BUILD", "blindmeter: tap: ", "blindmeter: store: memory", "blindmeter: release.crowd: "]
        .iter()
        .any(|start| line.starts_with(start))
}

/// `setpriv` with the words that make a process this person's.
pub(crate) fn identity(person: Person) -> Vec<String> {
    let groups: Vec<String> = person.more_groups.iter().map(u32::to_string).collect();
    let groups = if groups.is_empty() {
        "--clear-groups".to_owned()
    } else {
        format!("--groups={}", groups.join(","))
    };
    let words =
        ["setpriv", &format!("--reuid={}", person.user), &format!("--regid={}", person.group), &groups];
    words.map(str::to_owned).to_vec()
}

/// What terminals, CI and service managers set, and what the program or git would heed: a test says itself what it
/// wants of these.
const OUTSIDE: [&str; 16] = [
    "NO_COLOR",
    "CLICOLOR",
    "CLICOLOR_FORCE",
    "CI",
    "COLUMNS",
    "NOTIFY_SOCKET",
    "FDSTORE",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
    "LISTEN_FDS",
    "LISTEN_PID",
    "CREDENTIALS_DIRECTORY",
    "RUNTIME_DIRECTORY",
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
];

/// A command that heeds nothing of what this process was started in.
pub(crate) fn apart(program: &str) -> Command {
    let mut command = Command::new(program);
    for name in OUTSIDE {
        command.env_remove(name);
    }
    command
}

/// The start of a command line that is killed when it takes too long.
pub(crate) fn bounded() -> Command {
    let mut command = apart("timeout");
    command.args(["--foreground", "--signal=KILL", COMMAND_LIMIT]).stdin(Stdio::null());
    command
}

pub(crate) fn ended(mut command: Command) -> Outcome {
    let Output { status, stdout, stderr } = command.output().expect("timeout of coreutils can be run");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the program prints UTF-8");
    Outcome { code: status.code(), stdout: text(stdout), stderr: text(stderr) }
}
