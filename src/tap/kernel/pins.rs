//! What outlives the process: descriptors of maps, programs and links under names, as pins on a
//! bpffs or in the service manager's descriptor store.
//!
//! Holds no address and no interface's name. While no process lives the kernel goes on counting,
//! because the names hold the program and its maps; the next process finds them by the names.
//! In memory mode nothing is pinned.
//!
//! # Source
//! sd_notify(3) (FDSTORE, FDPOLL), sd_listen_fds(3); Documentation/bpf (pinning).
#![expect(unsafe_code, reason = "descriptors that the service manager passed are numbers")]

use super::owner::home;
use super::sys;
use crate::system::filesystem::{self, BPF_FILESYSTEM};
use nix::fcntl::{Flock, FlockArg};
use nix::unistd::{UnlinkatFlags, unlinkat};
use sd_notify::NotifyState;
use std::fs::{DirBuilder, File};
use std::io;
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

/// What our names in the descriptor store begin with; others are left alone.
const PREFIX: &str = "bm-";

/// Where descriptors are pinned.
pub enum PinStore {
    /// Pins in a folder of mode 0700, which is locked while the process lives.
    Pins(PathBuf, Flock<File>),
    /// The service manager's descriptor store.
    Manager,
    /// Nowhere: the program and its counters end with the process.
    Nowhere,
}

/// Descriptors by name, as an earlier process left them.
pub(super) type Found = Vec<(String, OwnedFd)>;

/// Why nothing can be pinned at this place.
#[derive(Debug, thiserror::Error)]
pub enum PinError {
    /// The path does not lie on a bpffs.
    #[error(
        "tap.pin {}: no bpffs there, so a process that is killed loses what it counted since the last \
         save; mount one (mount -t bpf bpf /sys/fs/bpf), or use the unit's descriptor store", .0.display()
    )]
    NoBpffs(PathBuf),
    /// The folder belongs to somebody else, or others may enter it.
    #[error(
        "tap.pin {}: the folder must be the daemon's alone; chown it to the daemon's user and chmod 700 it",
        .0.display()
    )]
    NotOurs(PathBuf),
    /// Another daemon holds it.
    #[error("tap.pin {}: another daemon counts here; stop it first, or give this one a pin of its own", .0.display())]
    InUse(PathBuf),
    /// The folder cannot be made or opened.
    #[error(
        "tap.pin {}: {error}, so a process that is killed loses what it counted since the last save; make \
         the folder for the daemon's user alone", folder.display()
    )]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What the kernel says.
        error: io::Error,
    },
}

impl PinError {
    /// True when somebody else is there: the tap must not be started beside it.
    #[must_use]
    pub fn is_in_the_way(&self) -> bool {
        matches!(self, Self::NotOurs(_) | Self::InUse(_))
    }
}

impl PinStore {
    /// Whether an earlier process may have pinned something here.
    #[must_use]
    pub fn may_hold_something(pin: &Path) -> bool {
        pin.exists() || offered_room() > 0
    }

    /// What a dead process pinned in a folder, whoever it belonged to, to be removed.
    ///
    /// # Errors
    /// When a daemon still holds it.
    pub(super) fn of_the_dead(pin: &Path) -> Result<Self, PinError> {
        let folder = match File::open(pin) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::Nowhere),
            opened => opened.map_err(|error| PinError::Folder { folder: pin.to_owned(), error })?,
        };
        let lock = Flock::lock(folder, FlockArg::LockExclusiveNonblock);
        lock.map(|lock| Self::Pins(pin.to_owned(), lock)).map_err(|_| PinError::InUse(pin.to_owned()))
    }

    /// The place for descriptors: the service manager's store where it offers one, else a bpffs.
    ///
    /// # Errors
    /// When this system allows neither.
    pub fn open(pin: &Path) -> Result<Self, PinError> {
        if offered_room() > 0 {
            return Ok(Self::Manager);
        }
        let above = pin.parent().unwrap_or(Path::new("/"));
        if filesystem::kind(above).ok() != Some(BPF_FILESYSTEM) && filesystem::mount_bpf(above).is_err() {
            return Err(PinError::NoBpffs(pin.to_owned()));
        }
        let failed = |error| PinError::Folder { folder: pin.to_owned(), error };
        match DirBuilder::new().mode(0o700).create(pin) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed(error)),
            _ => {}
        }
        let folder = File::open(pin).map_err(failed)?;
        let metadata = folder.metadata().map_err(failed)?;
        if metadata.uid() != nix::unistd::geteuid().as_raw() || metadata.mode() & 0o077 != 0 {
            return Err(PinError::NotOurs(pin.to_owned()));
        }
        let lock = Flock::lock(folder, FlockArg::LockExclusiveNonblock);
        lock.map(|lock| Self::Pins(pin.to_owned(), lock)).map_err(|_| PinError::InUse(pin.to_owned()))
    }

    /// What an earlier process left, by name. Asked once: descriptors that the service manager
    /// passed are taken.
    pub(super) fn found(&self) -> io::Result<Found> {
        match self {
            Self::Nowhere => Ok(Vec::new()),
            Self::Pins(folder, _) => {
                let mut found = Vec::new();
                for entry in std::fs::read_dir(folder)? {
                    let entry = entry?;
                    if let Ok(name) = entry.file_name().into_string() {
                        found.push((name, sys::pinned(&entry.path())?));
                    }
                }
                Ok(found)
            }
            Self::Manager => {
                let mut found = Vec::new();
                for (number, name) in sd_notify::listen_fds_with_names()? {
                    // SAFETY: the service manager passed this descriptor to this process, and it is
                    // taken once: see above.
                    let descriptor = unsafe { OwnedFd::from_raw_fd(number) };
                    if let Some(name) = name.strip_prefix(PREFIX) {
                        found.push((name.to_owned(), descriptor));
                    }
                }
                Ok(found)
            }
        }
    }

    /// Pins a descriptor under a name.
    pub(super) fn pin(&self, name: &str, descriptor: &OwnedFd) -> io::Result<()> {
        match self {
            Self::Nowhere => Ok(()),
            // By the open folder: another file system may be mounted over it by now.
            Self::Pins(folder, open) => match sys::pin_in(&**open, descriptor, name) {
                Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
                    sys::pin(descriptor, &folder.join(name))
                }
                result => result,
            },
            Self::Manager => {
                let name = format!("{PREFIX}{name}");
                // Not to be polled: poll(2) on a map says "error", and the manager would drop it.
                let state =
                    [NotifyState::FdStore, NotifyState::FdName(&name), NotifyState::Custom("FDPOLL=0")];
                sd_notify::notify_with_fds(&state, &[descriptor.as_fd()])
            }
        }
    }

    /// Removes what has this name.
    pub(super) fn unpin(&self, name: &str) {
        // An error says that it is not there.
        let _ = match self {
            Self::Nowhere => Ok(()),
            // By the folder that is held: something may have been mounted over it.
            Self::Pins(_, folder) => {
                unlinkat(&**folder, name, UnlinkatFlags::NoRemoveDir).map_err(Into::into)
            }
            Self::Manager => {
                let name = format!("{PREFIX}{name}");
                sd_notify::notify(&[NotifyState::FdStoreRemove, NotifyState::FdName(&name)])
            }
        };
    }

    /// The folder of pins, where its path leads elsewhere by now: the next process cannot find them.
    pub(super) fn hidden(&self) -> Option<&Path> {
        let Self::Pins(path, folder) = self else { return None };
        let identity = |of: io::Result<std::fs::Metadata>| of.ok().map(|of| (of.dev(), of.ino()));
        (identity(std::fs::metadata(path)) != identity(folder.metadata())).then_some(path)
    }

    /// Removes the folder of pins, if it is empty and may be removed.
    pub(super) fn close(&self) {
        if let Self::Pins(folder, _) = self {
            // Where it was made for us it stays, empty.
            let _ = std::fs::remove_dir(folder);
        }
    }

    /// The number of this place, for the owner of filters and links.
    pub(super) fn home(&self) -> u16 {
        match self {
            Self::Pins(folder, _) => home(folder),
            Self::Manager | Self::Nowhere => 0,
        }
    }

    /// True when nothing outlives the process.
    pub(super) fn is_nowhere(&self) -> bool {
        matches!(self, Self::Nowhere)
    }
}

/// How many descriptors the service manager takes. systemd says so from version 254 on; the unit
/// says it for older ones.
fn offered_room() -> u32 {
    let room = std::env::var("FDSTORE").ok().and_then(|room| room.parse().ok());
    room.filter(|_| std::env::var_os("NOTIFY_SOCKET").is_some()).unwrap_or(0)
}
