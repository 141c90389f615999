//! Runs `blindmeter meter` in a folder of its own, and looks at every line it says for what must never be said.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;

use super::captures::{Order, pcap};
use super::link::Packet;
use super::roster::Roster;
use super::tally::Tally;

/// A memory ceiling for runs over files that lie about their lengths, in KiB of address space.
const MEMORY_KIB: &str = "262144";

/// A folder with a roster, captures and the program.
pub(super) struct Workbench {
    folder: tempfile::TempDir,
    /// The roster in force.
    pub(super) roster: Roster,
}

/// What a run left behind.
pub(super) struct Outcome {
    /// The exit code; none after a signal.
    pub(super) code: Option<i32>,
    /// Standard output without white space outside of strings.
    pub(super) report: String,
    /// The lines on standard error, with the folder's name taken out.
    pub(super) complaints: Vec<String>,
}

impl Workbench {
    /// Sets up a folder with this roster.
    pub(super) fn new(roster: Roster) -> Self {
        let folder = tempfile::Builder::new().prefix("oracle-").tempdir().expect("a temporary folder");
        let workbench = Self { folder, roster };
        workbench.write("roster.csv", workbench.roster.csv().as_bytes());
        workbench
    }

    /// Writes a file of the folder.
    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, bytes).expect("the temporary folder takes files");
        path
    }

    /// The path of a file of the folder.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Meters these files.
    pub(super) fn meter<P: AsRef<Path>>(&self, files: &[P]) -> Outcome {
        self.outcome(self.command(files).stdin(Stdio::null()).output())
    }

    /// Meters these files, with `input` on a pipe as standard input.
    pub(super) fn meter_piped<P: AsRef<Path>>(&self, files: &[P], input: &[u8]) -> Outcome {
        let mut child = self
            .command(files)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut pipe = child.stdin.take().expect("a pipe was asked for");
        thread::scope(|scope| {
            // The program may hang up early; what it says then is looked at by the caller.
            scope.spawn(move || pipe.write_all(input));
            self.outcome(child.wait_with_output())
        })
    }

    /// Meters these files with 256 MiB of address space, which holds no record of gigabytes.
    pub(super) fn meter_confined<P: AsRef<Path>>(&self, files: &[P]) -> Outcome {
        let whole = self.command(files);
        let mut command = Command::new("sh");
        command.args(["-c", &format!("ulimit -v {MEMORY_KIB}; exec \"$0\" \"$@\"")]);
        command.arg(whole.get_program()).args(whole.get_args()).stdin(Stdio::null());
        self.outcome(command.output())
    }

    /// The command line for these files.
    pub(super) fn command<P: AsRef<Path>>(&self, files: &[P]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_blindmeter"));
        command.arg("meter");
        for file in files {
            command.arg(file.as_ref());
        }
        command.arg("--roster").arg(self.path("roster.csv")).arg("--json");
        command
    }

    /// Meters one file, which must be read to its end, and compares with what `packets` add up to.
    pub(super) fn expect_whole(&self, what: &str, file: &Path, packets: &[Packet]) {
        let outcome = self.meter(&[file]);
        outcome.expect_clean(what);
        let expected = Tally::of(&self.roster, packets).report();
        if outcome.report != expected {
            let rows =
                expected.split('{').zip(outcome.report.split('{')).filter(|(left, right)| left != right);
            let rows: String =
                rows.map(|(left, right)| format!(" expected {left}\n reported {right}\n")).collect();
            panic!("{what}\n{rows}{}", self.culprits(packets));
        }
    }

    /// Turns a finished run into an outcome, and refuses complaints that tell of traffic or accounts.
    pub(super) fn outcome(&self, output: std::io::Result<Output>) -> Outcome {
        let output = output.expect("the program runs");
        let text = String::from_utf8(output.stderr).expect("complaints are UTF-8");
        let text = text.replace(&*self.folder.path().to_string_lossy(), "");
        let complaints: Vec<String> = text.lines().map(str::to_owned).collect();
        for line in &complaints {
            let named = self.roster.accounts().find(|name| line.contains(name));
            assert!(named.is_none(), "an account name on stderr: {line}");
            assert!(!holds_address(line), "an address on stderr: {line}");
        }
        let report = compact(&String::from_utf8(output.stdout).expect("reports are UTF-8"));
        Outcome { code: output.status.code(), report, complaints }
    }

    /// Names the packets, up to five, that are counted wrongly when each is alone in a file.
    fn culprits(&self, packets: &[Packet]) -> String {
        let mut lines = Vec::new();
        for (place, packet) in packets.iter().enumerate() {
            let alone = std::slice::from_ref(packet);
            let file = self.write("culprit.pcap", &pcap(Order::Little, false, packet.link, alone).bytes);
            let outcome = self.meter(&[file]);
            if outcome.report != Tally::of(&self.roster, alone).report() {
                let hex: String = packet.bytes.iter().take(80).map(|byte| format!("{byte:02x}")).collect();
                let kind = outcome.kind();
                lines.push(format!(
                    " packet {place}, link type {}, {} of {} bytes: {hex}, planned {}, found {kind}",
                    packet.link,
                    packet.bytes.len(),
                    packet.original,
                    packet.plan.kind(),
                ));
            }
        }
        let count = lines.len();
        lines.truncate(5);
        format!("{count} packets are wrong alone as well\n{}", lines.join("\n"))
    }
}

impl Outcome {
    /// Asserts exit code 0 and silence.
    pub(super) fn expect_clean(&self, what: &str) {
        assert_eq!((self.code, self.complaints.join("\n").as_str()), (Some(0), ""), "{what}");
    }

    /// Asserts exit code 2 and one line that names `file`.
    pub(super) fn expect_broken(&self, what: &str, file: &str) {
        assert_eq!(self.code, Some(2), "{what}: {}", self.complaints.join("\n"));
        let [line] = self.complaints.as_slice() else {
            panic!(
                "{what}: one line is promised, there are {}: {}",
                self.complaints.len(),
                self.complaints.join("\n")
            )
        };
        assert!(line.contains(file), "{what}: the line names {file}: {line}");
    }

    /// Asserts that each packet is in exactly one class, as far as the report can tell.
    pub(super) fn expect_sums(&self, what: &str) {
        let report: serde_json::Value = serde_json::from_str(&self.report).expect("the report is JSON");
        let accounts = report["accounts"].as_array().expect("accounts is a list");
        let of = |account: &serde_json::Value, key: &str| account[key].as_u64().expect("an integer");
        let touched: u64 = accounts.iter().map(|row| of(row, "up_packets") + of(row, "down_packets")).sum();
        let apart = ["/unattributed/packets", "/not_ip/packets", "/malformed/packets"];
        let apart: u64 = apart.iter().map(|pointer| self.number(pointer)).sum();
        let attributed = self.number("/total/packets").checked_sub(apart).expect("total is all of them");
        assert!(
            attributed <= touched && touched <= 2 * attributed,
            "{what}: {attributed} touch {touched} ends"
        );
    }

    /// A number of the report, by its path.
    pub(super) fn number(&self, pointer: &str) -> u64 {
        let report: serde_json::Value = serde_json::from_str(&self.report).expect("the report is JSON");
        report
            .pointer(pointer)
            .and_then(serde_json::Value::as_u64)
            .expect("the report has the number, an integer")
    }

    fn kind(&self) -> &'static str {
        if self.code != Some(0) {
            "a failure"
        } else if self.number("/malformed/packets") == 1 {
            "malformed"
        } else if self.number("/not_ip/packets") == 1 {
            "not_ip"
        } else {
            "IP with other addresses or bytes"
        }
    }
}

/// Takes the white space away that lies outside of strings; no string of a report holds a quote.
fn compact(text: &str) -> String {
    let parts = text.split('"').enumerate();
    let parts = parts.map(
        |(place, part)| if place % 2 == 0 { part.split_whitespace().collect() } else { part.to_owned() },
    );
    parts.collect::<Vec<String>>().join("\"")
}

/// Whether a text holds an address of the captures or rosters here: any dotted quad, or the start of an IPv6 address.
/// 192.0.2.0/24, of RFC 5737, is never used here, so that an error may show how a prefix is written.
pub(super) fn holds_address(text: &str) -> bool {
    let words = text.split(|letter: char| !letter.is_ascii_digit() && letter != '.');
    let quad = |word: &str| word.split('.').filter(|part| part.parse::<u8>().is_ok()).count() >= 4;
    let mut words = words.filter(|word| !word.starts_with("192.0.2."));
    words.any(quad) || text.contains("fd42:") || text.contains("fd99:")
}
