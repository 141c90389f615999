//! Before and after a load on the probe account: memory, files, log and page, and whether the load was counted at all.
//!
//! A load that was not counted shows nothing, and is unknown.

use super::super::output;
use super::needles::Needles;
use super::process::{self, Searched};
use super::report::Line;
use super::subject::{Options, Subject};
use super::{logged, published, stored};
use crate::clock;
use crate::control::client;
use crate::control::protocol::{Answer, Request};
use crate::control::reports::AccountExport;
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// After the load: every packet has been counted by then, and a line that it caused is in the log.
const SETTLED: Duration = Duration::from_secs(2);

/// Larger files, and more of them, are not searched.
const FILE_BYTES: u64 = 256 << 20;
const FILES: usize = 10_000;

/// What a look at the daemon came to.
struct Look {
    memory: Result<Searched, String>,
    files: BTreeMap<PathBuf, u64>,
    log_lines: Result<usize, String>,
    page: Result<String, String>,
    counted: Result<[u64; 2], String>,
}

/// What the load answers.
pub(super) fn lines(subject: &Subject, needles: &Needles, options: &Options) -> Vec<Line> {
    let command = "blindmeter audit-kit --load COMMAND".to_owned();
    let [texts, addresses] = needles.count();
    let mut lines = vec![Line::ok(
        format!(
            "looked for: {texts} texts (the probe account's name and addresses, and what --needles lists), and \
             {addresses} remote addresses as packets have them"
        ),
        command.clone(),
    )];
    if let Some(why) = needles.missing {
        let remedy = "set roster.probe_account, and give it one address in the roster file (docs/audit.md)";
        lines.push(Line::unknown(format!("the probe account: {why}"), command.clone(), remedy));
    }
    if addresses == 0 {
        let remedy = "list the far ends of the load, one a line: --needles FILE";
        lines.push(Line::unknown("no remote address was looked for", command.clone(), remedy));
    }
    if needles.short > 0 {
        let what = format!(
            "lines of --needles that are shorter than six signs, and were not looked for: {}",
            needles.short
        );
        lines.push(Line::unknown(what, command.clone(), "list longer ones"));
    }
    let before = Look::at(subject, needles);
    match load(options) {
        Ok(()) => clock::pause(SETTLED),
        Err(why) => {
            lines.push(Line::unknown(format!("no load: {why}"), command, "pass --load COMMAND"));
            lines.push(memory(&before, None));
            lines.push(files(subject, &before, None, needles));
            return lines;
        }
    }
    let after = Look::at(subject, needles);
    lines.push(counted(&before, &after));
    lines.push(memory(&before, Some(&after)));
    lines.push(files(subject, &before, Some(&after), needles));
    lines.extend(log(subject, &before, &after, needles));
    lines.push(page(subject, &before, &after, needles));
    lines.extend(options.also.iter().map(|folder| elsewhere(folder, needles)));
    lines
}

/// Runs the load, or asks for it.
fn load(options: &Options) -> Result<(), String> {
    let Some(command) = &options.load else {
        if !io::stdin().is_terminal() {
            return Err("none was given, and nobody can be asked".to_owned());
        }
        output::note("Now send traffic as the probe account, and press Enter when it is over.");
        let mut line = String::new();
        return io::stdin().read_line(&mut line).map(drop).map_err(|error| error.to_string());
    };
    let status = Command::new("sh")
        .args(["-c", command])
        .stdin(Stdio::null())
        .stdout(io::stderr())
        .status()
        .map_err(|error| format!("the shell cannot be started: {error}"))?;
    match status.success() {
        true => Ok(()),
        false => Err("its command failed".to_owned()),
    }
}

impl Look {
    fn at(subject: &Subject, needles: &Needles) -> Self {
        let family = process::family(subject.process);
        // Before the daemon is asked by name: a request is in its memory until it is answered and wiped.
        let memory = process::search(&family, needles).map_err(|error| error.to_string());
        let log = logged::read(subject);
        Self {
            memory,
            files: sizes(subject),
            log_lines: log.map(|log| log.text.lines().count()).map_err(|(why, _)| why),
            page: published::page(subject),
            counted: counted_so_far(subject),
        }
    }
}

/// What the daemon has counted for the probe account: packets and bytes, both ways.
fn counted_so_far(subject: &Subject) -> Result<[u64; 2], String> {
    let Some(probe) = &subject.config.probe_account else {
        return Err("there is no probe account".to_owned());
    };
    let request = Request::Export { account: probe.reveal().to_owned(), open_epoch: true };
    match client::ask(&subject.config.control_socket, &request, &[]) {
        Ok(Answer::Export(AccountExport { period, open_epoch, .. })) => {
            let parts = [Some(period), open_epoch].into_iter().flatten();
            Ok(parts.fold([0, 0], |[packets, bytes], part| {
                [packets + part.up_packets + part.down_packets, bytes + part.up_bytes + part.down_bytes]
            }))
        }
        Ok(_) => Err("the export waits for a second officer".to_owned()),
        Err(error) => Err(error.message),
    }
}

/// The files that the program made or reads, with their sizes.
fn sizes(subject: &Subject) -> BTreeMap<PathBuf, u64> {
    let known = stored::known(subject).into_iter();
    known
        .filter_map(|path| {
            Some((path.clone(), fs::metadata(&path).ok().filter(fs::Metadata::is_file)?.len()))
        })
        .collect()
}

fn counted(before: &Look, after: &Look) -> Line {
    let command = "blindmeter accounts export - --open-epoch (with the probe account's name)";
    match (&before.counted, &after.counted) {
        (Ok([packets, bytes]), Ok([more_packets, more_bytes])) if more_packets > packets => Line::ok(
            format!(
                "the load was counted for the probe account: {} packets of {} bytes",
                more_packets - packets,
                more_bytes.saturating_sub(*bytes)
            ),
            command,
        ),
        (Ok(_), Ok(_)) => Line::unknown(
            "the load: no packet of it was counted for the probe account, so that what follows shows nothing",
            command,
            "send it through the tunnel, from or to an address of the probe account",
        ),
        (Err(why), _) | (_, Err(why)) => Line::unknown(
            format!("whether the load was counted: {why}"),
            command,
            "run as root, or as a member of the role privacy",
        ),
    }
}

fn memory(before: &Look, after: Option<&Look>) -> Line {
    let command = "gcore -a -o /dev/shm/core PID; grep -c -a -F NEEDLE /dev/shm/core.PID (by hand, as root)";
    let after = after.unwrap_or(before);
    let (before, after) = match (&before.memory, &after.memory) {
        (Ok(before), Ok(after)) => (before, after),
        (Err(why), _) | (_, Err(why)) => {
            return Line::unknown(format!("the daemon's memory: {why}"), command, "run as root");
        }
    };
    let texts = before.found.texts + after.found.texts;
    let more = after.found.bytes.saturating_sub(before.found.bytes);
    let (what, remedy) = match (texts, more) {
        (0, 0) => {
            let what = format!(
                "memory: no needle in {} MiB that {} processes of the daemon can write, before and after",
                after.bytes >> 20,
                after.processes
            );
            return Line::ok(what, command);
        }
        (0, _) => (
            format!("memory: a remote address stands in it {more} times more after the load than before"),
            "run the kit again, since four bytes may stand there by chance; then report it (SECURITY.md)",
        ),
        _ => (
            format!("memory: needles stand in it as text, in both looks together {texts} times"),
            "report it (SECURITY.md)",
        ),
    };
    Line::void(what, command, remedy)
}

fn files(subject: &Subject, before: &Look, after: Option<&Look>, needles: &Needles) -> Line {
    let config = &subject.config;
    // What the operator writes names accounts and addresses; the log has a line of its own.
    let mut own = vec![subject.path.clone()];
    own.extend(config.roster_file.clone());
    own.extend(fs::read_link(format!("/proc/{}/fd/2", subject.process)));
    own.extend(fs::read_link(format!("/proc/{}/exe", subject.process)));
    let after = after.unwrap_or(before);
    let looked: Vec<&PathBuf> = after.files.keys().filter(|path| !own.contains(path)).collect();
    let list: Vec<String> = looked.iter().map(|path| path.display().to_string()).collect();
    let command =
        format!("grep -c -a -F NEEDLE {}", if list.is_empty() { "-".to_owned() } else { list.join(" ") });
    let mut holding = 0;
    for path in &looked {
        match fs::read(path) {
            Ok(bytes) => holding += usize::from(needles.found(&bytes).texts > 0),
            Err(error) => {
                return Line::unknown(format!("files: {}: {error}", path.display()), command, "run as root");
            }
        }
    }
    let grown = looked.iter().filter(|path| before.files.get(**path) != after.files.get(**path)).count();
    match (holding, grown) {
        (0, 0) => Line::ok(
            format!(
                "files: {} files of the daemon's hold no needle, and are as long as before",
                looked.len()
            ),
            command,
        ),
        (0, _) => Line::note(
            format!("files: they hold no needle, and {grown} of {} are not as long as before", looked.len()),
            command,
            "run the kit again: a save may have come in between",
        ),
        _ => Line::void(
            format!("files: files of the daemon's with a needle: {holding}"),
            command,
            "report it (SECURITY.md)",
        ),
    }
}

fn log(subject: &Subject, before: &Look, after: &Look, needles: &Needles) -> Vec<Line> {
    let log = match logged::read(subject) {
        Ok(log) => log,
        Err((why, command)) => {
            return vec![Line::unknown(why, command, "run as root, or as a member of systemd-journal")];
        }
    };
    let holding = log.text.lines().filter(|line| needles.found(line.as_bytes()).texts > 0).count();
    let command = format!("{} | grep -c -F NEEDLE", log.command);
    let mut lines = vec![match holding {
        0 => Line::ok("log: no line holds a needle", command),
        _ => Line::void(format!("log: lines with a needle: {holding}"), command, "report it (SECURITY.md)"),
    }];
    if let (Ok(before), Ok(after)) = (&before.log_lines, &after.log_lines) {
        lines.push(match after.saturating_sub(*before) {
            0 => Line::ok("log: not one line came while the load ran", log.command),
            more => Line::note(
                format!("log: lines that came while the load ran: {more}"),
                log.command,
                "read them: none may be of the traffic",
            ),
        });
    }
    lines
}

fn page(subject: &Subject, before: &Look, after: &Look, needles: &Needles) -> Line {
    let command = published::command(subject);
    let (before, after) = match (&before.page, &after.page) {
        (Ok(before), Ok(after)) => (before, after),
        (Err(why), _) | (_, Err(why)) => {
            let remedy = "fetch it by hand before and after the load, and compare the bytes";
            return Line::unknown(format!("/metrics before and after: {why}"), command, remedy);
        }
    };
    let epoch =
        |page: &str| page.lines().find(|line| line.starts_with("blindmeter_epoch ")).map(ToOwned::to_owned);
    if needles.found(after.as_bytes()).texts > 0 {
        return Line::void("/metrics: a needle is on the page", command, "report it (SECURITY.md)");
    }
    match (before == after, epoch(before) == epoch(after)) {
        (true, _) => Line::ok("/metrics: not one byte of the page differs after the load", command),
        (false, false) => Line::unknown(
            "/metrics: an epoch was released while the load ran",
            command,
            "run the kit again, between two releases",
        ),
        (false, true) => Line::void(
            "/metrics: the page differs after the load, without a release",
            command,
            "compare the pages by hand; then report it (SECURITY.md)",
        ),
    }
}

/// Whether other software wrote down what the load was.
fn elsewhere(folder: &Path, needles: &Needles) -> Line {
    let shown = folder.display();
    let command = format!("grep -r -l -a -F NEEDLE {shown}");
    let (mut waiting, mut looked, mut holding, mut unread) =
        (vec![folder.to_owned()], 0_usize, 0_usize, 0_usize);
    while let Some(path) = waiting.pop() {
        let Ok(metadata) = fs::symlink_metadata(&path) else {
            unread += 1;
            continue;
        };
        if metadata.is_dir() {
            match fs::read_dir(&path) {
                Ok(entries) => waiting.extend(entries.flatten().map(|entry| entry.path())),
                Err(_) => unread += 1,
            }
        } else if metadata.is_file() {
            looked += 1;
            match fs::read(&path) {
                _ if looked > FILES || metadata.len() > FILE_BYTES => unread += 1,
                Ok(bytes) => holding += usize::from(needles.found(&bytes).texts > 0),
                Err(_) => unread += 1,
            }
        }
    }
    match (holding, unread, looked) {
        (0, 0, 1..) => Line::ok(format!("{shown}: none of {looked} files holds a needle"), command),
        (0, ..) => Line::unknown(
            format!("{shown}: {unread} of {looked} files could not be read, or are too large"),
            command,
            "search them by hand",
        ),
        _ => Line::void(
            format!(
                "{shown}: files with a needle, which other software of this host wrote: {holding} of {looked}"
            ),
            command,
            "find which, and have it write less (docs/doctor.md)",
        ),
    }
}
