//! Reads a host's files under a root: `/` of the running system, or a folder that a test filled.
//!
//! Distinguishes "does not exist" from "cannot be read": what cannot be read never counts as passed.
//! Keeps nothing of what it read.

use super::verdict::{Finding, printable};
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Longest file that is read: the control file of dynamic debug has some 6,000 lines of 150 bytes,
/// vnStat's database a few megabytes; anything longer is not the file it should be.
const LONGEST_FILE: u64 = 64 << 20;

/// A host to examine.
pub struct Host {
    root: PathBuf,
}

/// A file or folder that could not be read, and why.
pub(super) struct Unreadable(pub(super) String);

impl From<Unreadable> for Finding {
    fn from(unreadable: Unreadable) -> Self {
        Self::unknown(unreadable.0, "run as root")
    }
}

impl Host {
    /// The system that this process runs on.
    #[must_use]
    pub fn running() -> Self {
        Self::at("/")
    }

    /// A host whose `/` is this folder.
    #[must_use]
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    fn under(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// The bytes of a file; none if there is no such file.
    pub(super) fn bytes(&self, path: &str) -> Result<Option<Vec<u8>>, Unreadable> {
        let mut bytes = Vec::new();
        let read =
            File::open(self.under(path)).and_then(|file| file.take(LONGEST_FILE).read_to_end(&mut bytes));
        present(path, read.map(|_| bytes))
    }

    /// The text of a file; none if there is no such file.
    pub(super) fn text(&self, path: &str) -> Result<Option<String>, Unreadable> {
        let bytes = self.bytes(path)?;
        Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// The text of a kernel file; none if this kernel has no such file. A tree that is not mounted says
    /// nothing about the kernel.
    pub(super) fn kernel_text(&self, path: &str) -> Result<Option<String>, Unreadable> {
        let text = self.text(path)?;
        let tree = if path.starts_with("/sys") { "/sys/kernel" } else { "/proc/sys/kernel" };
        if text.is_none() && !self.exists(tree) {
            return Err(Unreadable(format!("{tree} is missing")));
        }
        Ok(text.map(|text| text.trim_end().to_owned()))
    }

    /// Names in a folder, sorted; empty if there is no such folder.
    pub(super) fn names(&self, path: &str) -> Result<Vec<String>, Unreadable> {
        let names = fs::read_dir(self.under(path)).and_then(|entries| {
            entries
                .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
                .collect::<io::Result<Vec<_>>>()
        });
        let mut names = present(path, names)?.unwrap_or_default();
        names.sort_unstable();
        Ok(names)
    }

    /// The target of a symbolic link, as written.
    pub(super) fn link(&self, path: &str) -> Result<Option<String>, Unreadable> {
        let target = fs::read_link(self.under(path)).map(|target| target.to_string_lossy().into_owned());
        match target {
            // It exists, but is not a link.
            Err(error) if error.kind() == ErrorKind::InvalidInput => Ok(None),
            other => present(path, other),
        }
    }

    /// Permission bits of what a path resolves to.
    pub(super) fn mode(&self, path: &str) -> Result<Option<u32>, Unreadable> {
        present(path, fs::metadata(self.under(path)).map(|found| found.mode() & 0o7777))
    }

    /// True if the path exists; false if that cannot be found out.
    pub(super) fn exists(&self, path: &str) -> bool {
        self.under(path).exists()
    }

    /// The path of this folder, or of its nearest ancestor that exists, with links resolved.
    pub(super) fn resolved(&self, folder: &Path) -> Result<PathBuf, Unreadable> {
        for folder in folder.ancestors() {
            let shown = folder.display().to_string();
            match present(&shown, fs::canonicalize(self.under(&shown)))? {
                None => {}
                Some(found) => {
                    let root = fs::canonicalize(&self.root).map_err(|error| unreadable("/", &error))?;
                    // A link out of a test's folder leads nowhere.
                    let inside = found.strip_prefix(root).unwrap_or(Path::new(""));
                    return Ok(Path::new("/").join(inside));
                }
            }
        }
        Err(Unreadable(format!("{}: no such folder", folder.display())))
    }
}

/// None for what does not exist.
fn present<T>(path: &str, result: io::Result<T>) -> Result<Option<T>, Unreadable> {
    match result {
        Ok(value) => Ok(Some(value)),
        // ESRCH: a process that ended between its listing and its reading.
        Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(None),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(unreadable(path, &error)),
    }
}

fn unreadable(path: &str, error: &io::Error) -> Unreadable {
    Unreadable(format!("{}: {error}", printable(path)))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use tempfile::TempDir;

    /// A folder that stands for a host, filled with these files. A text that begins with `->` makes
    /// a link; a path that ends with `/` a folder.
    pub(in super::super) fn host_with(files: &[(&str, &str)]) -> (TempDir, Host) {
        let directory = TempDir::new().expect("a temporary directory");
        let host = Host::at(directory.path());
        for (path, text) in files {
            let place = host.under(path);
            fs::create_dir_all(if path.ends_with('/') {
                place.as_path()
            } else {
                place.parent().expect("a file")
            })
            .expect("our own folder");
            // A later file takes the place of an earlier one.
            let _ = fs::remove_file(&place);
            match text.strip_prefix("->") {
                _ if path.ends_with('/') => {}
                Some(target) => std::os::unix::fs::symlink(target, place).expect("our own folder"),
                None => fs::write(place, text).expect("our own folder"),
            }
        }
        (directory, host)
    }

    #[test]
    fn what_cannot_be_read_is_not_taken_for_absent() {
        let (_folder, host) =
            host_with(&[("/etc/is/", ""), ("/etc/file", "a\n"), ("/proc/sys/kernel/a", "1\n")]);
        assert!(matches!(host.text("/etc/file"), Ok(Some(text)) if text == "a\n"));
        assert!(matches!(host.text("/etc/none"), Ok(None)));
        assert!(matches!(host.text("/etc/file/below"), Ok(None)));
        // EISDIR, for root as well.
        assert!(host.text("/etc/is").is_err());
        assert!(matches!(host.kernel_text("/proc/sys/kernel/a"), Ok(Some(text)) if text == "1"));
        assert!(matches!(host.kernel_text("/proc/sys/kernel/b"), Ok(None)));
        assert!(host.kernel_text("/sys/kernel/b").is_err(), "sysfs is not mounted");
    }

    #[test]
    fn a_path_is_resolved_to_what_exists_of_it() {
        let (_folder, host) = host_with(&[("/var/lib/real/", ""), ("/var/lib/link", "->real")]);
        let resolved =
            |path: &str| host.resolved(Path::new(path)).ok().map(|path| path.display().to_string());
        assert_eq!(resolved("/var/lib/link/none/none").as_deref(), Some("/var/lib/real"));
        assert_eq!(resolved("/srv/none").as_deref(), Some("/"));
    }
}
