//! The daemon's processes as root sees them: memory, open files, capabilities, the program's file.
//!
//! Changes nothing in them, and keeps nothing of what it reads.

use super::needles::{Found, Needles};
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

/// How much memory is read at a time.
const PART_BYTES: usize = 4 << 20;

/// What a search of memory came to.
#[derive(Clone, Copy, Default)]
pub(super) struct Searched {
    pub(super) found: Found,
    pub(super) bytes: u64,
    pub(super) processes: usize,
}

/// A daemon's process, and those that it started.
pub(super) fn family(process: u32) -> Vec<u32> {
    let mut all = vec![process];
    let mut at = 0;
    while let Some(process) = all.get(at).copied() {
        let children = fs::read_to_string(format!("/proc/{process}/task/{process}/children"));
        all.extend(children.unwrap_or_default().split_whitespace().filter_map(|id| id.parse::<u32>().ok()));
        at += 1;
    }
    all
}

/// Looks for needles in whatever these processes can write.
///
/// # Errors
/// Memory that may not be read, or of which too much went away meanwhile.
pub(super) fn search(processes: &[u32], needles: &Needles) -> io::Result<Searched> {
    let mut searched = Searched { processes: processes.len(), ..Searched::default() };
    let overlap = needles.longest() - 1;
    let mut buffer = vec![0; PART_BYTES + overlap];
    for process in processes {
        let memory = File::open(format!("/proc/{process}/mem"))?;
        let maps = fs::read_to_string(format!("/proc/{process}/maps"))?;
        let mut of_process = 0;
        for (from, to) in maps.lines().filter_map(writable) {
            let mut at = from;
            while at < to {
                // What a part ends with is read again with the next, for a needle that crosses.
                let wanted = usize::try_from(to - at).unwrap_or(usize::MAX).min(buffer.len());
                // A map that is gone, or has no page behind it, holds nothing.
                let Ok(read) = memory.read_at(&mut buffer[..wanted], at) else { break };
                let Found { texts, bytes } = needles.found(&buffer[..read]);
                let again = if read > overlap && at + (read as u64) < to { overlap } else { 0 };
                let twice = needles.found(&buffer[read - again..read]);
                searched.found.texts += texts - twice.texts;
                searched.found.bytes += bytes - twice.bytes;
                if read == 0 {
                    break;
                }
                of_process += (read - again) as u64;
                at += (read - again) as u64;
            }
        }
        if of_process == 0 {
            return Err(io::Error::from(io::ErrorKind::PermissionDenied));
        }
        searched.bytes += of_process;
    }
    Ok(searched)
}

/// The range of a line of `maps` that can be written.
fn writable(line: &str) -> Option<(u64, u64)> {
    let mut words = line.split_whitespace();
    let (range, rights) = (words.next()?, words.next()?);
    let (from, to) = range.split_once('-')?;
    let number = |text| u64::from_str_radix(text, 16).ok();
    rights.starts_with("rw").then_some((number(from)?, number(to)?))
}

/// What descriptors of a process lead to: regular files alone.
///
/// # Errors
/// A process whose descriptors may not be listed.
pub(super) fn open_files(process: u32) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(format!("/proc/{process}/fd"))? {
        let path = entry?.path();
        // Descriptors come and go; one that is gone leads nowhere.
        if let (Ok(metadata), Ok(target)) = (fs::metadata(&path), fs::read_link(&path))
            && metadata.is_file()
        {
            files.push(target);
        }
    }
    Ok(files)
}

/// A field of the process's `status`.
pub(super) fn status(process: u32, field: &str) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    Some(line.trim().to_owned())
}

/// The SHA-256 of a program's file.
///
/// # Errors
/// A file that cannot be read.
pub(super) fn digest(path: &str) -> io::Result<String> {
    let (mut file, mut hasher, mut buffer) = (File::open(path)?, Sha256::new(), vec![0; 1 << 16]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()),
            count => hasher.update(&buffer[..count]),
        }
    }
}
