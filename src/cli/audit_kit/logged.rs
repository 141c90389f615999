//! What is logged: where the daemon's lines go, and whether one of them holds an address or an account.
//!
//! Counts lines, and repeats none.

use super::report::Line;
use super::subject::Subject;
use crate::roster::address::Prefix;
use std::collections::HashSet;
use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::process::{Command, Stdio};
use zeroize::Zeroizing;

/// How much of a log is read, from its end.
const LOG_BYTES: u64 = 64 << 20;

/// What the daemon's own lines begin with.
const OWN: &str = "blindmeter: ";

/// Shorter words of a roster are words of the log as well.
const SHORTEST_NAME: usize = 4;

/// A log that was read.
pub(super) struct Log {
    pub(super) text: Zeroizing<String>,
    /// Shows the same.
    pub(super) command: String,
}

/// Reads the daemon's log, where it leads to a file or the journal.
///
/// # Errors
/// Why it cannot be read, and the command that would.
pub(super) fn read(subject: &Subject) -> Result<Log, (String, String)> {
    let descriptor = format!("/proc/{}/fd/2", subject.process);
    let shown = format!("readlink {descriptor}");
    let target = fs::read_link(&descriptor)
        .map_err(|error| (format!("where the daemon logs to: {error}"), shown.clone()))?;
    let target = target.display().to_string();
    if target.starts_with("socket:") {
        return journal(subject);
    }
    if !fs::metadata(&descriptor).is_ok_and(|metadata| metadata.is_file()) {
        let what = if target.starts_with("pipe:") { "a pipe" } else { "what is no file" };
        return Err((format!("the log: it goes to {what}, whose reader keeps it elsewhere"), shown));
    }
    let read = || {
        let mut file = fs::File::open(&descriptor)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(LOG_BYTES)))?;
        let mut bytes = Zeroizing::new(Vec::new());
        file.take(LOG_BYTES).read_to_end(&mut bytes)?;
        Ok::<_, std::io::Error>(bytes)
    };
    let bytes = read().map_err(|error| (format!("the log: {error}"), shown))?;
    let text = Zeroizing::new(String::from_utf8_lossy(&bytes).into_owned());
    Ok(Log { text, command: format!("cat {descriptor}") })
}

/// The lines of the daemon's unit, as the journal has them.
fn journal(subject: &Subject) -> Result<Log, (String, String)> {
    let process = subject.process.to_string();
    let groups = fs::read_to_string(format!("/proc/{process}/cgroup")).unwrap_or_default();
    let unit = groups.lines().find_map(|line| line.rsplit('/').find(|part| part.ends_with(".service")));
    let words = match unit {
        Some(unit) => format!("-u {unit}"),
        None => format!("_PID={process}"),
    };
    let command = format!("journalctl -q --no-pager -o cat {words}");
    let output = Command::new("journalctl")
        .args(["-q", "--no-pager", "-o", "cat", "-n", "200000"])
        .args(words.split(' '))
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    match output {
        Err(error) => Err((format!("the journal: journalctl: {error}"), command)),
        Ok(output) if !output.status.success() => {
            Err(("the journal: journalctl may not read it".to_owned(), command))
        }
        // A daemon that runs has said that it is ready: a journal without it was not shown.
        Ok(output) if output.stdout.is_empty() => {
            Err(("the journal: it shows this user no line of the daemon".to_owned(), command))
        }
        Ok(output) => {
            let text = Zeroizing::new(String::from_utf8_lossy(&output.stdout).into_owned());
            Ok(Log { text, command })
        }
    }
}

/// What the log answers.
pub(super) fn lines(subject: &Subject) -> Vec<Line> {
    let log = match read(subject) {
        Ok(log) => log,
        Err((what, command)) => {
            return vec![Line::unknown(what, command, "run as root, or as a member of systemd-journal")];
        }
    };
    let all = log.text.lines().count();
    let others = log.text.lines().filter(|line| !line.starts_with(OWN)).count();
    let mut lines = vec![Line::ok(
        format!(
            "lines of the daemon's in the log: {}; they are of a closed list of events, without a time of their own",
            all - others
        ),
        log.command.clone(),
    )];
    if others > 0 {
        let what = format!("lines in the same log that are its service manager's or others': {others}");
        lines.push(Line::note(what, log.command.clone(), "read them: this kit only searched them"));
    }
    let known = Known::of(subject);
    let (mut with_address, mut with_name) = (0, 0);
    for line in log.text.lines() {
        with_address += usize::from(known.is_address_in(line));
        with_name += usize::from(known.is_name_in(line));
    }
    let (addresses, names) =
        ("an address other than the node's own listeners", "a name or an address of the roster file");
    for (count, what) in [(with_address, addresses), (with_name, names)] {
        let command = log.command.clone();
        lines.push(match count {
            0 => Line::ok(format!("no line of the log has {what}"), command),
            _ => Line::void(
                format!("lines of the log with {what}: {count}"),
                command,
                "find what wrote them, and delete them",
            ),
        });
    }
    lines
}

/// What a log must not hold, and the addresses that it may.
pub(super) struct Known {
    listeners: Vec<String>,
    roster: HashSet<String>,
}

impl Known {
    pub(super) fn of(subject: &Subject) -> Self {
        let mut listeners: Vec<String> =
            subject.config.listen.iter().map(|address| address.ip().to_string()).collect();
        listeners.extend(subject.config.desk.as_ref().map(|desk| desk.listen.ip().to_string()));
        listeners.extend(subject.config.radius.iter().map(|radius| radius.listen.ip().to_string()));
        let file = subject.config.roster_file.as_ref();
        let text =
            file.and_then(|path| fs::read_to_string(path).ok()).map(Zeroizing::new).unwrap_or_default();
        let words = text.lines().skip(1).flat_map(|line| line.split(',').take(2));
        let words = words.map(|word| word.trim().trim_matches('"'));
        let roster = words.filter(|word| word.len() >= SHORTEST_NAME).map(ToOwned::to_owned).collect();
        Self { listeners, roster }
    }

    /// Whether an address stands in a line that is none of the node's own.
    pub(super) fn is_address_in(&self, line: &str) -> bool {
        let parts = line.split(|sign: char| !(sign.is_ascii_hexdigit() || ".:".contains(sign)));
        parts.map(|part| part.trim_end_matches([':', '.'])).any(|part| {
            let without_port = part.rsplit_once(':').map_or(part, |(address, _)| address);
            let is_strange = |text: &str| {
                Prefix::parse(text).is_ok_and(|found| !found.is_nobodys())
                    && !self.listeners.iter().any(|own| own == text)
            };
            is_strange(part) || (without_port.contains('.') && is_strange(without_port))
        })
    }

    /// Whether a word of the roster file stands in a line.
    pub(super) fn is_name_in(&self, line: &str) -> bool {
        let words = line.split(|sign: char| sign.is_whitespace() || "\"'()[]{}<>,;=".contains(sign));
        words.map(|word| word.trim_end_matches([':', '.'])).any(|word| self.roster.contains(word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_names_of_a_line_are_found_and_the_nodes_own_are_not() {
        let known = Known {
            listeners: vec!["192.0.2.1".to_owned()],
            roster: HashSet::from(["alice".to_owned(), "10.8.0.2".to_owned()]),
        };
        for line in
            ["peer 198.51.100.7:443 up", "from 198.51.100.7.", "[2001:db8::7]:80", "at 2001:db8::7: no"]
        {
            assert!(known.is_address_in(line), "{line}");
        }
        for line in [
            "ready: version 0.1.0, metrics: http://127.0.0.1:9776/metrics",
            "listens at 192.0.2.1:9776 and [::1]:9776, 12:34:56",
            "tap: kernel: Linux 6.1.0, 3 of 4",
        ] {
            assert!(!known.is_address_in(line), "{line}");
        }
        assert!(known.is_name_in("account alice: over") && known.is_name_in("10.8.0.2, gone"));
        assert!(!known.is_name_in("malice 10.8.0.22"));
    }
}
