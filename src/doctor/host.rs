//! Reads a host's files under a root: `/` of the running system, or a folder that a test filled.
//!
//! Distinguishes "does not exist" from "cannot be read": what cannot be read never counts as passed.
//! Keeps nothing of what it read.

use super::verdict::{Finding, printable};
use rustix::fs::{FileType, Mode, OFlags, fstat, open};
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Longest file that is read: the control file of dynamic debug has some 6,000 lines of 150 bytes,
/// vnStat's database a few megabytes; anything longer is not the file it should be.
const LONGEST_FILE: u64 = 16 << 20;

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
        let read = regular(&self.under(path)).and_then(|file| {
            file.take(LONGEST_FILE + 1).read_to_end(&mut bytes)?;
            let is_long = bytes.len() as u64 > LONGEST_FILE;
            if is_long { Err(io::Error::new(ErrorKind::FileTooLarge, "longer than 16 MiB")) } else { Ok(()) }
        });
        present(path, read.map(|()| bytes))
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

/// A regular file, opened for reading. Some paths are what a process of any user says that it reads: a pipe would
/// never end, and a device may act on being opened, so what is there is looked at first.
fn regular(path: &Path) -> io::Result<File> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let found = open(path, flags, Mode::empty())?;
    if !FileType::from_raw_mode(fstat(&found)?.st_mode).is_file() {
        return Err(io::Error::new(ErrorKind::InvalidInput, "it is no regular file"));
    }
    // By the descriptor: nobody can put something else in its place.
    File::open(format!("/proc/self/fd/{}", found.as_raw_fd()))
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

    /// Any user can name any path in the command line of a process that doctor knows.
    #[test]
    fn what_is_no_file_is_not_opened_and_what_is_too_long_not_read() {
        let (directory, host) = host_with(&[("/etc/link.conf", "->/dev/zero"), ("/etc/a.conf", "text")]);
        let folder = directory.path().join("etc");
        nix::unistd::mkfifo(&folder.join("pipe.conf"), nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
        std::os::unix::fs::symlink("/dev/zero", folder.join("zero.conf")).expect("a link");
        std::os::unix::fs::symlink("/proc/self/status", folder.join("kernel.conf")).expect("a link");
        File::create(folder.join("long.conf"))
            .and_then(|file| file.set_len(40 << 30))
            .expect("a sparse file");
        let said = |name: &str| match host.bytes(&format!("/etc/{name}.conf")) {
            Err(Unreadable(why)) => why,
            Ok(bytes) => format!("{} bytes", bytes.map_or(0, |bytes| bytes.len())),
        };
        for name in ["pipe", "zero"] {
            assert_eq!(said(name), format!("/etc/{name}.conf: it is no regular file"));
        }
        assert_eq!(said("long"), "/etc/long.conf: longer than 16 MiB");
        assert_eq!(said("a"), "4 bytes");
        assert_ne!(said("kernel"), "0 bytes", "a file of the kernel's has no length of its own");
    }
}
