//! The mount table: which file system a path is on, and which device.
//!
//! # Source
//! proc_pid_mountinfo(5); Documentation/filesystems/proc.rst, section 3.5.

use super::host::{Host, Unreadable};
use std::path::{Path, PathBuf};

/// One line of the mount table.
pub(super) struct Mount {
    /// Where it is mounted.
    pub(super) point: PathBuf,
    /// The kind of file system.
    pub(super) kind: String,
    /// What is mounted: often a path under /dev.
    pub(super) source: String,
    /// Device number, `major:minor`; major 0 if the file system has no device of its own.
    pub(super) number: String,
}

/// The mounts that this process sees, in the order they were made.
pub(super) fn all(host: &Host) -> Result<Vec<Mount>, Unreadable> {
    const TABLE: &str = "/proc/self/mountinfo";
    let table = host.text(TABLE)?.ok_or_else(|| Unreadable(format!("{TABLE} is missing")))?;
    Ok(table.lines().filter_map(mount).collect())
}

/// The mount that a path without links is on.
pub(super) fn of<'a>(mounts: &'a [Mount], path: &Path) -> Option<&'a Mount> {
    // The last of those with the longest path: it was mounted over the others.
    mounts
        .iter()
        .filter(|mount| path.starts_with(&mount.point))
        .max_by_key(|mount| mount.point.components().count())
}

fn mount(line: &str) -> Option<Mount> {
    let (place, system) = line.split_once(" - ")?;
    let mut place = place.split(' ').skip(2);
    let number = place.next()?.to_owned();
    let point = PathBuf::from(unescaped(place.nth(1)?));
    let mut system = system.split(' ');
    let kind = system.next()?.to_owned();
    let source = unescaped(system.next()?);
    Some(Mount { point, kind, source, number })
}

/// Spaces, tabs, line feeds and backslashes are written as three octal digits.
pub(super) fn unescaped(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let digits =
            tail.get(..3).filter(|_| *first == b'\\').and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[3..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::super::host::tests::host_with;
    use super::*;

    #[test]
    fn a_path_lies_on_the_longest_and_last_mount() {
        let table = "21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n\
                     22 21 0:30 /@var /var\\040lib rw shared:2 master:1 - btrfs /dev/mapper/a\\040b rw,ssd\n\
                     23 22 0:31 / /var\\040lib rw - tmpfs none rw,size=4k\n\
                     half a line\n";
        let (_folder, host) = host_with(&[("/proc/self/mountinfo", table)]);
        let mounts = all(&host).ok().expect("a table");
        let on = |path: &str| of(&mounts, Path::new(path)).map(|mount| mount.kind.as_str());
        assert_eq!(mounts.len(), 3);
        assert_eq!((on("/var lib/a"), on("/var libs"), on("/")), (Some("tmpfs"), Some("ext4"), Some("ext4")));
        assert_eq!((mounts[1].source.as_str(), mounts[1].number.as_str()), ("/dev/mapper/a b", "0:30"));
    }
}
