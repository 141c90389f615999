//! What hooks, RADIUS and `roster assign` said, in a file in memory from a stop to the next start.
//!
//! An assignment that follows a connection says who is online: the file is on a tmpfs alone, of mode 0600, beside the
//! control socket, and is there only while no daemon runs. A start takes it and wipes it, `detach` wipes it, and a reboot
//! ends it with the connections. It holds addresses, keyed tags and connections' numbers, and in memory mode the key of
//! the tags; its length tells their number roughly, to powers of two.

use crate::meter::tags::Tag;
use crate::roster::kept::{ENTRY_BYTES, Kept};
use crate::system::filesystem::IN_MEMORY;
use nix::sys::statfs::fstatfs;
use nix::unistd::geteuid;
use rustix::fs::{CWD, Mode, OFlags, openat};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

const MAGIC: &[u8; 8] = b"bmkept01";

/// Magic (8), number of assignments (8), node (16), mark (16), key (16).
const HEADER_BYTES: usize = 64;

/// The least that is written, and the most that is read: a million assignments.
const LEAST_BYTES: usize = 64 << 10;
const MOST_BYTES: usize = 64 << 20;

/// What an earlier process left.
pub(super) struct Left {
    /// The key of the tags; zeros where a store has it.
    pub(super) key: Zeroizing<[u8; 16]>,
    mark: Tag,
    assignments: Zeroizing<Vec<u8>>,
}

/// The file of a daemon with this control socket.
#[must_use]
pub fn beside(control_socket: &Path) -> PathBuf {
    control_socket.with_extension("kept")
}

/// Whether the file would lie in memory.
#[must_use]
pub fn is_in_memory(path: &Path) -> bool {
    let folder = path.parent().unwrap_or(path);
    // The sandbox allows no statfs(2) of a path.
    let opened = openat(CWD, folder, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
    let kind = opened.ok().and_then(|folder| fstatfs(folder).ok()).map(|system| system.filesystem_type());
    kind.is_some_and(|kind| IN_MEMORY.contains(&kind))
}

/// Writes what the next process is to be told; nothing where it would not lie in memory.
///
/// # Errors
/// Those of the file system.
pub(super) fn write(path: &Path, node: [u8; 16], mark: Tag, key: &[u8; 16], kept: &[Kept]) -> io::Result<()> {
    if !is_in_memory(path) {
        return Ok(());
    }
    let whole = (HEADER_BYTES + kept.len() * ENTRY_BYTES).next_power_of_two().max(LEAST_BYTES);
    let mut text = Zeroizing::new(Vec::with_capacity(whole));
    text.extend_from_slice(MAGIC);
    text.extend_from_slice(&(kept.len() as u64).to_le_bytes());
    for part in [&node, &mark.0, key] {
        text.extend_from_slice(part);
    }
    for one in kept {
        text.extend_from_slice(&one.written());
    }
    text.resize(whole, 0);
    let new = path.with_extension("kept+");
    let _ = fs::remove_file(&new);
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    File::from(openat(CWD, &new, flags, Mode::RUSR | Mode::WUSR)?).write_all(&text)?;
    fs::rename(new, path)
}

/// Reads what an earlier process of this node and user left; nothing where it is no such file.
pub(super) fn read(path: &Path, node: [u8; 16]) -> Option<Left> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = File::from(openat(CWD, path, flags, Mode::empty()).ok()?);
    let metadata = file.metadata().ok()?;
    let is_ours = metadata.is_file() && metadata.uid() == geteuid().as_raw() && metadata.mode() & 0o077 == 0;
    if !is_ours || metadata.size() > MOST_BYTES as u64 {
        return None;
    }
    let mut text = Zeroizing::new(Vec::with_capacity(usize::try_from(metadata.size()).ok()?));
    file.read_to_end(&mut text).ok()?;
    let part = |at: usize| text.get(at..)?.first_chunk::<16>().copied();
    let count = text.get(8..)?.first_chunk().map(|word| u64::from_le_bytes(*word))?;
    let bytes = usize::try_from(count).ok()?.checked_mul(ENTRY_BYTES)?;
    if text.get(..8)? != MAGIC || part(16)? != node {
        return None;
    }
    let assignments = Zeroizing::new(text.get(HEADER_BYTES..HEADER_BYTES.checked_add(bytes)?)?.to_vec());
    Some(Left { mark: Tag(part(32)?), key: Zeroizing::new(part(48)?), assignments })
}

impl Left {
    /// The assignments, for a process whose tags are the same ones; none for another.
    pub(super) fn assignments(&self, mark: Tag) -> Vec<Kept> {
        if mark != self.mark {
            return Vec::new();
        }
        self.assignments.chunks_exact(ENTRY_BYTES).filter_map(Kept::read).collect()
    }
}

/// Overwrites the file and removes it; true when there was one.
///
/// # Errors
/// Those of the file system.
pub fn wipe(path: &Path) -> io::Result<bool> {
    let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = match openat(CWD, path, flags, Mode::empty()) {
        Err(rustix::io::Errno::NOENT) => return Ok(false),
        // Another user's, in a folder of ours.
        Err(rustix::io::Errno::ACCESS) => return fs::remove_file(path).map(|()| true),
        opened => File::from(opened?),
    };
    let metadata = file.metadata()?;
    let zeros = vec![0; LEAST_BYTES];
    let mut at = 0;
    while metadata.is_file() && at < metadata.size() {
        let left = usize::try_from(metadata.size() - at).unwrap_or(LEAST_BYTES).min(LEAST_BYTES);
        file.write_all_at(&zeros[..left], at)?;
        at += left as u64;
    }
    fs::remove_file(path).map(|()| true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    /// An assignment of IPv4 by a hook, for a connection of this number.
    fn some(number: u8) -> Kept {
        let mut bytes = [0; ENTRY_BYTES];
        bytes[0] = number;
        bytes[16..21].copy_from_slice(&[4, 32, 1, 1, number]);
        bytes[24..40].fill(7);
        Kept::read(&bytes).expect("a good one")
    }

    #[test]
    fn what_was_written_is_read_by_the_same_node_and_user_alone() {
        let folder = tempfile::TempDir::new_in("/dev/shm").expect("/dev/shm is a tmpfs");
        let path = folder.path().join("control.kept");
        let kept: Vec<Kept> = (0..9).map(some).collect();
        write(&path, [1; 16], Tag([2; 16]), &[3; 16], &kept).expect("it can be written");
        let metadata = fs::metadata(&path).expect("it is there");
        assert_eq!((metadata.mode() & 0o777, metadata.size()), (0o600, 65_536));
        let left = read(&path, [1; 16]).expect("it is ours");
        assert!(*left.key == [3; 16] && left.assignments(Tag([2; 16])) == kept);
        assert!(left.assignments(Tag([4; 16])).is_empty(), "another key's tags");
        assert!(read(&path, [9; 16]).is_none(), "another node's");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("ours");
        assert!(read(&path, [1; 16]).is_none(), "others could have read it");
        let other = File::open(&path).expect("it is there");
        assert!(wipe(&path).is_ok_and(|was| was) && !path.exists() && wipe(&path).is_ok_and(|was| !was));
        let mut text = vec![1; 65_536];
        other.read_exact_at(&mut text, 0).expect("whoever has it open reads it still");
        assert!(text.iter().all(|byte| *byte == 0), "nothing is left in it");
    }

    #[test]
    fn nothing_is_written_on_a_disk_and_what_is_damaged_is_not_believed() {
        let folder = tempfile::TempDir::new_in("/var/tmp").expect("a folder on the disk");
        let path = folder.path().join("control.kept");
        assert!(!is_in_memory(&path), "the tests' /var/tmp is on a disk");
        write(&path, [1; 16], Tag([2; 16]), &[3; 16], &[some(1)]).expect("nothing is done");
        assert!(!path.exists());
        let memory = tempfile::TempDir::new_in("/dev/shm").expect("/dev/shm is a tmpfs");
        let path = memory.path().join("control.kept");
        write(&path, [1; 16], Tag([2; 16]), &[3; 16], &[some(1)]).expect("it can be written");
        let whole = fs::read(&path).expect("ours");
        for (at, value) in [(0, b'x'), (9, 0xff), (15, 0xff)] {
            let mut text = whole.clone();
            text[at] = value;
            fs::write(&path, text).expect("ours");
            assert!(read(&path, [1; 16]).is_none(), "byte {at}");
        }
        for length in [0, 8, 63, 64, 100] {
            fs::write(&path, &whole[..length]).expect("ours");
            assert!(read(&path, [1; 16]).is_none(), "{length} bytes");
        }
        let mut text = whole;
        text[HEADER_BYTES + 16] = 5;
        fs::write(&path, text).expect("ours");
        assert!(
            read(&path, [1; 16]).expect("a header").assignments(Tag([2; 16])).is_empty(),
            "no such family"
        );
    }
}
