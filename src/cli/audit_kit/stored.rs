//! What is stored, where and for how long: the files that the configuration names and those that are there, the pins,
//! and the files that the daemon holds open.
//!
//! A file that the program does not make is counted and not named: its name may say whose it is.

use super::process;
use super::report::{Datum, Line};
use super::subject::Subject;
use crate::config::TapKind;
use crate::control::hook_pipe;
use crate::engine::kept_assignments;
use crate::inventory::{DATA, Place};
use crate::store::format::{HEADER_BYTES, Header, VERSION, blob_bytes};
use crate::system::filesystem;
use crate::tap::memory_file;
use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Bits of a file's mode that let anybody but its owner in.
const OTHERS: u32 = 0o077;

/// Every datum of the tap in use, and of every tap where it is not known.
pub(super) fn data(subject: &Subject) -> Vec<Datum> {
    let of_tap = DATA.iter().filter(|datum| datum.is_of(&subject.status.backend));
    of_tap
        .map(|datum| Datum {
            place: datum.place.as_str(),
            what: datum.what,
            kept: datum.kept,
            seen_by: datum.seen_by,
        })
        .collect()
}

/// The files that the program makes or reads: each with what may be appended to its name while it is written.
pub(super) fn known(subject: &Subject) -> BTreeSet<PathBuf> {
    let config = &subject.config;
    let socket = &config.control_socket;
    let mut known = BTreeSet::from([subject.path.clone(), socket.clone()]);
    known.extend([kept_assignments::beside(socket), memory_file::beside(socket)]);
    known.extend(["counters.new", "kept+"].map(|end| socket.with_extension(end)));
    known.extend(["requests", "answers"].map(|file| hook_pipe::beside(socket).join(file)));
    known.insert(socket.with_file_name("interface.toml"));
    known.extend(config.roster_file.clone());
    known.extend(config.web_config_file.clone());
    known.extend(config.desk.as_ref().map(|desk| desk.config_file.clone()));
    known.extend(config.radius.iter().map(|radius| radius.secret_file.clone()));
    for process in process::family(subject.process) {
        known.extend(fs::read_link(format!("/proc/{process}/exe")));
        // Whoever starts it leads these somewhere; it writes to the last alone.
        known.extend((0..3).flat_map(|number| fs::read_link(format!("/proc/{process}/fd/{number}"))));
    }
    if let Some(store) = &config.store {
        known.insert(store.key_file.clone());
        for end in ["", ".new", ".chain", ".chain.new"] {
            let mut name = store.path.clone().into_os_string();
            name.push(end);
            known.insert(name.into());
        }
    }
    known
}

/// What the files answer.
pub(super) fn lines(subject: &Subject) -> Vec<Line> {
    let known = known(subject);
    let mut lines = vec![inventory(subject)];
    match &subject.config.store {
        None => lines.push(Line::ok(
            "store.mode is memory: nothing is kept at rest, and totals end with the process",
            format!("grep -A3 '^\\[store\\]' {}", subject.path.display()),
        )),
        Some(store) => {
            let folder = store.path.parent().unwrap_or(Path::new("/"));
            lines.push(blob(&store.path, subject.config.capacity));
            lines.push(closed(&[&store.path, &with_end(&store.path, ".chain")]));
            lines.push(strangers(folder, &known));
        }
    }
    let of_store = subject.config.store.as_ref().and_then(|store| store.path.parent());
    if let Some(folder) = subject.config.control_socket.parent() {
        if of_store != Some(folder) {
            lines.push(strangers(folder, &known));
        }
        let command = format!("findmnt -T {} -o FSTYPE", folder.display());
        lines.push(match filesystem::kind(folder) {
            Ok(kind) if filesystem::IN_MEMORY.contains(&kind) => {
                Line::ok(format!("{} is in memory, and ends at a reboot", folder.display()), command)
            }
            Ok(_) => Line::note(
                format!("{} is not on a tmpfs: what hooks say is not kept over a stop", folder.display()),
                command,
                "put control.socket below /run",
            ),
            Err(error) => Line::unknown(
                format!("what {} is stored on: {error}", folder.display()),
                command,
                "run as root",
            ),
        });
    }
    lines.push(pins(subject));
    lines.push(open_files(subject, &known));
    lines
}

fn inventory(subject: &Subject) -> Line {
    let data = data(subject);
    let of = |place: Place| data.iter().filter(|datum| datum.place == place.as_str()).count();
    let places: Vec<String> =
        Place::ALL.iter().map(|place| format!("{} {}", of(*place), place.as_str())).collect();
    let what = format!(
        "{} data are held, kept or shown with the {} tap ({}); the table below has each, how long, and who sees it",
        data.len(),
        subject.status.backend,
        places.join(", ")
    );
    Line::ok(what, format!("blindmeter inventory --config {}", subject.path.display()))
}

fn with_end(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

/// Whether the blob is one, of the size that the capacity alone says.
fn blob(path: &Path, capacity: usize) -> Line {
    let command = format!("stat -c '%s %a %n' {0}; head -c 8 {0}", path.display());
    let read = || -> io::Result<(Vec<u8>, u64)> {
        let mut bytes = Vec::new();
        let file = fs::File::open(path)?;
        let length = file.metadata()?.len();
        file.take(HEADER_BYTES as u64).read_to_end(&mut bytes)?;
        Ok((bytes, length))
    };
    let (bytes, length) = match read() {
        Ok(read) => read,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let what = format!("{}: no state is there yet", path.display());
            return Line::unknown(what, command, "run the kit again after the first save");
        }
        Err(error) => {
            return Line::unknown(format!("{}: {error}", path.display()), command, "run as root");
        }
    };
    let expected = blob_bytes(u32::try_from(capacity).unwrap_or(u32::MAX));
    match bytes.first_chunk().and_then(Header::decode) {
        Some(header) if header.version == VERSION && length == expected => {
            let what = format!(
                "{}: sealed, format version {VERSION}, {length} bytes: the size that store.capacity alone says",
                path.display()
            );
            Line::ok(what, command)
        }
        _ => Line::void(
            format!("{}: it is no sealed state of this version and capacity", path.display()),
            command,
            "stop, find what wrote it, and see docs/store-format.md",
        ),
    }
}

/// Whether nobody but the owner may read these.
fn closed(paths: &[&Path]) -> Line {
    let shown: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    let command = format!("stat -c '%a %U %n' {}", shown.join(" "));
    let mut open = 0;
    for path in paths {
        match fs::metadata(path) {
            Ok(metadata) => open += usize::from(metadata.mode() & OTHERS != 0),
            Err(error) => {
                return Line::unknown(format!("the modes of what is kept: {error}"), command, "run as root");
            }
        }
    }
    match open {
        0 => Line::ok("nobody but the daemon's user and root may read what is kept", command),
        _ => Line::void(format!("files that are kept and open to others: {open}"), command, "chmod 600 them"),
    }
}

/// What lies beside the program's files: regular files, devices and pipes, in the folder itself.
fn strangers(folder: &Path, known: &BTreeSet<PathBuf>) -> Line {
    let command = format!("ls -la {}", folder.display());
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries.flatten(),
        Err(error) => {
            return Line::unknown(format!("{}: {error}", folder.display()), command, "run as root");
        }
    };
    let is_strange = |entry: &fs::DirEntry| {
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let is_socket = entry.file_type().is_ok_and(|kind| kind.is_socket());
        !is_folder && !is_socket && !known.contains(&entry.path())
    };
    match entries.filter(is_strange).count() {
        0 => Line::ok(format!("{}: no file but the program's own", folder.display()), command),
        count => Line::unknown(
            format!(
                "{}: files that the program does not make: {count}; this kit cannot say what they hold",
                folder.display()
            ),
            command,
            "look at them, and move them elsewhere",
        ),
    }
}

fn pins(subject: &Subject) -> Line {
    let pin = &subject.config.pin;
    let command = format!("ls -la {}", pin.display());
    if subject.status.backend != TapKind::Kernel.as_str() {
        return Line::ok("the tap in use pins nothing in the kernel", command);
    }
    match fs::read_dir(pin) {
        Ok(entries) => Line::ok(
            format!("{} objects of the kernel tap are pinned at {}", entries.count(), pin.display()),
            command,
        ),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Line::ok(
            "no pins: the kernel tap's objects are the process's own, or in the service manager's store",
            format!("{command}; bpftool map show"),
        ),
        Err(error) => Line::unknown(format!("{}: {error}", pin.display()), command, "run as root"),
    }
}

fn open_files(subject: &Subject, known: &BTreeSet<PathBuf>) -> Line {
    let processes = process::family(subject.process);
    let list: Vec<String> = processes.iter().map(|process| format!("/proc/{process}/fd")).collect();
    let command = format!("ls -l {}", list.join(" "));
    let (mut all, mut strange) = (0, 0);
    for process in &processes {
        match process::open_files(*process) {
            Ok(files) => {
                all += files.len();
                strange += files.iter().filter(|file| !known.contains(*file) && !is_in_memory(file)).count();
            }
            Err(error) => {
                return Line::unknown(
                    format!("which files the daemon holds open: {error}"),
                    command,
                    "run as root",
                );
            }
        }
    }
    match strange {
        0 => Line::ok(
            format!("the daemon's {} processes hold {all} files open, all of them known", processes.len()),
            command,
        ),
        _ => Line::void(
            format!("files that the daemon holds open and should not: {strange}"),
            command,
            "see that this is the released program (blindmeter verify)",
        ),
    }
}

/// A file without a name, in memory.
fn is_in_memory(path: &Path) -> bool {
    path.to_str().is_some_and(|path| path.starts_with("/memfd:") || path.starts_with("anon_inode:"))
}
