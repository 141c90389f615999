//! Why the store cannot be opened or written, each in one line with the remedy.
//!
//! Holds paths and lengths; nothing of a key, of an account, of what was kept.

use std::io;
use std::path::PathBuf;

/// What is the matter with the key file.
#[derive(Debug, thiserror::Error)]
pub enum KeyTrouble {
    /// There is none.
    #[error(
        "is missing; put the backup of this node's key there, or for a new node make one: \
         head -c 32 /dev/urandom > FILE; chmod 600 FILE"
    )]
    Missing,
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(io::Error),
    /// Group or others may read it.
    #[error("others may read it; chmod 600 it, and replace the key if others could have read it")]
    TooOpen,
    /// It is not 32 bytes long.
    #[error("holds {0} bytes; a key is exactly 32 raw bytes, without a line end")]
    Length(usize),
}

/// What was being done when the disk failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Reading, at the start.
    Read,
    /// Writing.
    Write,
}

/// Why the store cannot be opened or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The key file.
    #[error("store.key_file {}: {trouble}", path.display())]
    Key {
        /// The key file.
        path: PathBuf,
        /// What is the matter with it.
        trouble: KeyTrouble,
    },
    /// The disk failed.
    #[error("store {}: cannot be {}: {error}{}", path.display(), word(*step), hint(error))]
    Disk {
        /// The file.
        path: PathBuf,
        /// What was being done.
        step: Step,
        /// What the disk said.
        error: io::Error,
    },
    /// The chain file says that there was a blob.
    #[error(
        "store {}: the blob is missing, and its chain file says that there was one; put it back, or \
         start once with --accept-loss", path.display()
    )]
    BlobMissing {
        /// The blob.
        path: PathBuf,
    },
    /// Counters of an earlier process are there, and neither blob nor chain.
    #[error(
        "store {}: blob and chain file are missing, but counters of an earlier process are there; put \
         them back, or start once with --accept-loss", path.display()
    )]
    CountersAlone {
        /// The blob.
        path: PathBuf,
    },
    /// There is a blob without its chain.
    #[error(
        "store {}: the chain file is missing, without which the blob cannot be opened; put it back, or \
         start once with --accept-loss", path.display()
    )]
    ChainMissing {
        /// The chain file.
        path: PathBuf,
    },
    /// Neither slot of the chain file can be read.
    #[error(
        "store {}: the chain file is damaged, and the blob cannot be opened without it; start once with \
         --accept-loss", path.display()
    )]
    ChainDamaged {
        /// The chain file.
        path: PathBuf,
    },
    /// It does not begin as a blob does.
    #[error(
        "store {}: this is no blob of blindmeter; move it away, or start once with --accept-loss to \
         overwrite it", path.display()
    )]
    NotABlob {
        /// The blob.
        path: PathBuf,
    },
    /// A later version wrote it.
    #[error(
        "store {}: its format is version {version}, this program reads version 1; install the version \
         that wrote it", path.display()
    )]
    Version {
        /// The blob.
        path: PathBuf,
        /// The version that it says.
        version: u16,
    },
    /// Another node's.
    #[error(
        "store {}: this is the blob of another node; put this node's back, or set [node] name to the one \
         it was written under", path.display()
    )]
    OtherNode {
        /// The blob.
        path: PathBuf,
    },
    /// Another root key.
    #[error(
        "store {}: {} is not the key that it was written with; put that key back, or start once with \
         --accept-loss", path.display(), key_file.display()
    )]
    WrongKey {
        /// The blob.
        path: PathBuf,
        /// The key file.
        key_file: PathBuf,
    },
    /// Shorter than its capacity says.
    #[error("store {}: the blob is cut short; put a whole one back, or start once with --accept-loss", path.display())]
    Truncated {
        /// The blob.
        path: PathBuf,
    },
    /// Not as it was written.
    #[error("store {}: the blob was altered; put the right one back, or start once with --accept-loss", path.display())]
    Altered {
        /// The blob.
        path: PathBuf,
    },
    /// Blob and chain are of different closes.
    #[error(
        "store {}: blob and chain file are of different times: one of them was put back from a copy; put \
         the other of that time back as well, or start once with --accept-loss", path.display()
    )]
    RolledBack {
        /// The blob.
        path: PathBuf,
    },
    /// More accounts are in it than there is room for.
    #[error("store.capacity: {} holds accounts up to number {needed}; set it to {needed} or more", path.display())]
    CapacityTooSmall {
        /// The blob.
        path: PathBuf,
        /// The least capacity.
        needed: usize,
    },
}

impl StoreError {
    /// True when `--accept-loss` goes past it: what was kept cannot be had.
    #[must_use]
    pub fn is_loss(&self) -> bool {
        !matches!(
            self,
            Self::Key { .. } | Self::Disk { .. } | Self::Version { .. } | Self::CapacityTooSmall { .. }
        )
    }

    /// True when the disk failed, and nothing is wrong with what it holds.
    #[must_use]
    pub fn is_disk(&self) -> bool {
        matches!(self, Self::Disk { .. } | Self::Key { trouble: KeyTrouble::Unreadable(_), .. })
    }
}

fn word(step: Step) -> &'static str {
    match step {
        Step::Read => "read",
        Step::Write => "written",
    }
}

/// What to do about a failing disk.
fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "; free some space",
        io::ErrorKind::ReadOnlyFilesystem => {
            "; mount it writable, or add the folder to ReadWritePaths= of the unit"
        }
        io::ErrorKind::PermissionDenied => "; the folder and the files must belong to the daemon's user",
        io::ErrorKind::NotFound => "; make its folder, for the daemon's user alone",
        _ => "",
    }
}
