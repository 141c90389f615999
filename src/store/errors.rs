//! Why the store cannot be opened or written, each on one line with the remedy.
//!
//! Holds paths and lengths; nothing of a key, an account or the contents.

use std::io;
use std::path::PathBuf;

/// What is wrong with the key file.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// There is none.
    #[error(
        "is missing; restore this node's key from a backup or, for a new node, create one: \
         head -c 32 /dev/urandom > FILE; chmod 600 FILE"
    )]
    Missing,
    /// It cannot be read.
    #[error("cannot be read: {0}{hint}", hint = hint(.0))]
    Unreadable(io::Error),
    /// Group or others may read it.
    #[error("others can read it; chmod 600 it, and replace the key if others may have read it")]
    TooOpen,
    /// It is not 32 bytes long.
    #[error("has {0} bytes; a key is exactly 32 raw bytes, without a newline")]
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
    #[error("store.key_file {}: {error}", path.display())]
    Key {
        /// The key file.
        path: PathBuf,
        /// What is wrong with it.
        error: KeyFileError,
    },
    /// The disk failed.
    #[error("store {}: cannot be {}: {error}{}", path.display(), done(*step), hint(error))]
    Disk {
        /// The file.
        path: PathBuf,
        /// What was being done.
        step: Step,
        /// The disk's error.
        error: io::Error,
    },
    /// The chain file shows that there was a blob.
    #[error(
        "store {}: the blob is missing, but its chain file shows that there was one; restore it, or \
         start once with --accept-loss", path.display()
    )]
    BlobMissing {
        /// The blob.
        path: PathBuf,
    },
    /// An earlier process's counters exist, but neither blob nor chain.
    #[error(
        "store {}: the blob and the chain file are missing, but counters of an earlier process exist; \
         restore both, or start once with --accept-loss", path.display()
    )]
    CountersAlone {
        /// The blob.
        path: PathBuf,
    },
    /// There is a blob without its chain.
    #[error(
        "store {}: the chain file is missing, and the blob cannot be opened without it; restore it, or \
         start once with --accept-loss", path.display()
    )]
    ChainMissing {
        /// The chain file.
        path: PathBuf,
    },
    /// Neither slot of the chain file can be read.
    #[error(
        "store {}: the chain file is damaged, and the blob cannot be opened without it; restore it, or \
         start once with --accept-loss", path.display()
    )]
    ChainDamaged {
        /// The chain file.
        path: PathBuf,
    },
    /// It does not begin like a blob.
    #[error(
        "store {}: not a blindmeter blob; move it away, or start once with --accept-loss to overwrite \
         it", path.display()
    )]
    NotABlob {
        /// The blob.
        path: PathBuf,
    },
    /// A later version wrote it.
    #[error(
        "store {}: has format version {version}, but this program reads 2 to 5; install the version \
         that wrote it", path.display()
    )]
    Version {
        /// The blob.
        path: PathBuf,
        /// Its version.
        version: u16,
    },
    /// Another node's.
    #[error(
        "store {}: this is another node's blob; restore this node's, or set node.name to the name it was \
         written under", path.display()
    )]
    OtherNode {
        /// The blob.
        path: PathBuf,
    },
    /// Another root key.
    #[error(
        "store {}: {} is not the key it was written with; restore that key, or start once with \
         --accept-loss", path.display(), key_file.display()
    )]
    WrongKey {
        /// The blob.
        path: PathBuf,
        /// The key file.
        key_file: PathBuf,
    },
    /// Shorter than its capacity says.
    #[error("store {}: the blob is cut short; restore a complete one, or start once with --accept-loss", path.display())]
    Truncated {
        /// The blob.
        path: PathBuf,
    },
    /// It is not what was written.
    #[error("store {}: the blob was altered; restore the right one, or start once with --accept-loss", path.display())]
    Altered {
        /// The blob.
        path: PathBuf,
    },
    /// Blob and chain belong to different closes.
    #[error(
        "store {}: the blob and the chain file are from different times: one was restored from a copy; \
         restore the matching other one as well, or start once with --accept-loss", path.display()
    )]
    RolledBack {
        /// The blob.
        path: PathBuf,
    },
    /// It holds more accounts than there is room for.
    #[error("store.capacity: {} needs room for {needed} accounts; set it to {needed} or more", path.display())]
    CapacityTooSmall {
        /// The blob.
        path: PathBuf,
        /// The smallest capacity that fits.
        needed: usize,
    },
}

impl StoreError {
    /// True when `--accept-loss` overrides it: what was kept cannot be recovered.
    #[must_use]
    pub fn is_loss(&self) -> bool {
        !matches!(
            self,
            Self::Key { .. } | Self::Disk { .. } | Self::Version { .. } | Self::CapacityTooSmall { .. }
        )
    }

    /// True when the disk failed, and nothing is wrong with its contents.
    #[must_use]
    pub fn is_disk(&self) -> bool {
        matches!(self, Self::Disk { .. } | Self::Key { error: KeyFileError::Unreadable(_), .. })
    }
}

fn done(step: Step) -> &'static str {
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
            "; mount it writable, or add the folder to ReadWritePaths= in the unit"
        }
        io::ErrorKind::PermissionDenied => "; make the daemon's user own the folder and the files",
        io::ErrorKind::NotFound => "; create its folder, for the daemon's user only",
        io::ErrorKind::FileTooLarge => "; raise LimitFSIZE= in the unit, or ulimit -f",
        io::ErrorKind::IsADirectory => "; name a file",
        _ => "",
    }
}
