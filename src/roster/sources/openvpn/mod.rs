//! An OpenVPN server, by the file in which it writes its state: read whole, in one buffer that is cleared.
//!
//! The file holds real addresses and times besides; `status.rs` walks it without building any of them. Holds
//! when the file was last seen to change, and nothing of what it says.

mod status;

use super::super::account::AccountName;
use super::passed::Passed;
use super::unread::{Said, Unread};
use crate::clock::Stopwatch;
use crate::meter::tags::Tag;
use crate::system::allocator::{REQUEST_BYTES, wipe_stack};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use zeroize::Zeroizing;

/// A server that has not written for so long has ended.
const PATIENCE: Duration = Duration::from_secs(600);
/// More than the file of any server.
const MOST_BYTES: u64 = 64 << 20;

/// When a file was written: seconds and nanoseconds of its file system.
type Written = (i64, i64);

/// A server's status file.
pub struct StatusFile {
    path: PathBuf,
    written: Option<Written>,
    unchanged: Stopwatch,
    /// It has named hardware addresses. That stays so, or its clients' coming and going would show.
    is_of_a_bridge: bool,
    passed: Passed,
}

impl StatusFile {
    /// The file at this path.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self {
            path,
            written: None,
            unchanged: Stopwatch::start(),
            is_of_a_bridge: false,
            passed: Passed::default(),
        }
    }

    /// What the file says now. The server writes it in place: one that breaks off is to be read again a moment
    /// later.
    ///
    /// # Errors
    /// Why it cannot be read, or nobody has written it for ten minutes.
    pub fn read(&mut self, tag_of: impl Fn(&AccountName) -> Tag) -> Said {
        let said = self.said(tag_of);
        self.is_of_a_bridge |= matches!(said, Err(Unread::TapMode));
        // Names passed through here.
        wipe_stack::<REQUEST_BYTES>();
        if self.is_of_a_bridge { Err(Unread::TapMode) } else { said }
    }

    fn said(&mut self, tag_of: impl Fn(&AccountName) -> Tag) -> Said {
        let (bytes, written) = bytes_of(&self.path).map_err(Unread::File)?;
        if self.written != Some(written) {
            (self.written, self.unchanged) = (Some(written), Stopwatch::start());
        }
        if self.unchanged.elapsed() > PATIENCE {
            return Err(Unread::NotWritten);
        }
        let mut rows = Vec::new();
        self.passed = status::read(&bytes, |prefix, account| rows.push((prefix, tag_of(&account))))?;
        Ok(rows)
    }

    /// What of the file was passed over when it was last read.
    #[must_use]
    pub const fn passed(&self) -> Passed {
        self.passed
    }
}

/// A file's bytes, and when it was written.
fn bytes_of(path: &Path) -> io::Result<(Zeroizing<Vec<u8>>, Written)> {
    let mut file = File::open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.len() > MOST_BYTES {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "no status file"));
    }
    // Room for all of it, so that the buffer does not move and leave a copy behind.
    let room = usize::try_from(metadata.len()).unwrap_or_default();
    let mut bytes = Zeroizing::new(vec![0; room]);
    let mut length = 0;
    while length < room {
        match file.read(&mut bytes[length..])? {
            0 => break,
            read => length += read,
        }
    }
    bytes.truncate(length);
    Ok((bytes, (metadata.mtime(), metadata.mtime_nsec())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whether_clients_of_a_bridge_are_there_does_not_show() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("status");
        let mut file = StatusFile::new(path.clone());
        let mut said = |rows: &str| {
            let head = "TITLE,x\nHEADER,ROUTING_TABLE,Virtual Address,Common Name\n";
            std::fs::write(&path, format!("{head}{rows}END\n")).expect("a file of our own");
            file.read(|_| Tag([1; 16]))
        };
        assert!(said("").is_ok_and(|rows| rows.is_empty()), "nobody has come yet");
        for rows in ["ROUTING_TABLE,02:42:ac:11:00:02,alice\n", ""] {
            assert!(matches!(said(rows), Err(Unread::TapMode)), "{rows}");
        }
    }
}
