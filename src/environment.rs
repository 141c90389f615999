//! What the program needs from the outside: clocks, a disk, files to read, and randomness.
//!
//! Tests pass in clocks that they set, disks and files that change, fail or vanish, and randomness from
//! a seed; the code that runs on them is the daemon's.

use crate::clock::{Clock, SystemClock};
use crate::meter::noise::Randomness;
use crate::store::disk::{self, Disk, Secret, SystemDisk};
use crate::system::users;
use rustix::fs::{AtFlags, StatxAttributes, StatxFlags};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;
use zeroize::Zeroizing;

/// The outside that a meter runs on: the system's, or a simulated one.
pub trait Environment: Clone + Send + Sync + 'static {
    /// Its clocks.
    type Clock: Clock + Send + 'static;
    /// Its disk.
    type Disk: Disk + Send + 'static;
    /// Its randomness.
    type Randomness: Randomness + Send + 'static;

    /// How often changes of the roster are made: on a tick, so that the thread that makes them wakes whether
    /// there are any or not. Zero: at once.
    const ROSTER_TICK: Duration;

    /// Its clocks.
    fn clock(&self) -> Self::Clock;

    /// Its disk.
    fn disk(&self) -> Self::Disk;

    /// Its randomness.
    fn randomness(&self) -> Self::Randomness;
}

/// The running system.
#[derive(Clone, Copy)]
pub struct System;

impl Environment for System {
    type Clock = SystemClock;
    type Disk = SystemDisk;
    type Randomness = SystemRandomness;

    const ROSTER_TICK: Duration = Duration::from_millis(10);

    fn clock(&self) -> SystemClock {
        SystemClock
    }

    fn disk(&self) -> SystemDisk {
        SystemDisk
    }

    fn randomness(&self) -> SystemRandomness {
        SystemRandomness
    }
}

/// Files that are read whole, and the system's list of users.
pub trait Files {
    /// Reads a file.
    ///
    /// # Errors
    /// Those of the operating system.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// Reads a file that only its owner may read. An environment without users has no others.
    ///
    /// # Errors
    /// See [`Files::read`].
    fn read_secret(&self, path: &Path) -> io::Result<Secret> {
        Ok(Secret { bytes: Zeroizing::new(self.read(path)?), others_may_read: false })
    }

    /// Whether another file has taken this one's place where the process cannot see it: outside a mount of the file
    /// alone, as containers make them.
    fn is_replaced(&self, path: &Path) -> bool {
        let _ = path;
        false
    }

    /// Whether a file is mounted by itself, without its folder.
    fn is_mounted_alone(&self, path: &Path) -> bool {
        let _ = path;
        false
    }

    /// The ids of the users that a name in `[control.roles]` stands for; see [`users::named`].
    fn users(&self, name: &str) -> Option<Vec<u32>> {
        users::named(name)
    }
}

/// Why a file could not be read, and what to do where that is for the operator.
#[must_use]
pub fn unreadable(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::PermissionDenied => format!(
            "cannot be read: {error}; make it readable by the daemon's user (chgrp blindmeter, chmod 640), and \
             restart the daemon if the folder was not in the configuration before"
        ),
        _ => format!("cannot be read: {error}"),
    }
}

/// Longest part of a secret file that is read, in bytes: private keys have less than 20,000.
const SECRET_BYTES: usize = 1 << 16;

/// The file system of the running system.
pub struct SystemFiles;

impl Files for SystemFiles {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        std::fs::read(path)
    }

    fn read_secret(&self, path: &Path) -> io::Result<Secret> {
        disk::read_secret(path, SECRET_BYTES)
    }

    fn is_mounted_alone(&self, path: &Path) -> bool {
        let found = rustix::fs::statx(rustix::fs::CWD, path, AtFlags::empty(), StatxFlags::TYPE);
        found.is_ok_and(|found| {
            let is_file = u32::from(found.stx_mode) & libc::S_IFMT == libc::S_IFREG;
            is_file && found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT)
        })
    }

    fn is_replaced(&self, path: &Path) -> bool {
        std::fs::metadata(path).is_ok_and(|metadata| metadata.nlink() == 0)
    }
}

/// The kernel's randomness (getrandom(2)).
pub struct SystemRandomness;

/// Sixteen random bytes that identify one thing.
#[must_use]
pub fn identity(randomness: &mut impl Randomness) -> [u8; 16] {
    let (low, high) = (randomness.next_word(), randomness.next_word());
    (u128::from(high) << 64 | u128::from(low)).to_le_bytes()
}

impl Randomness for SystemRandomness {
    /// # Panics
    /// When the kernel has no randomness: a release without noise must not be made.
    fn next_word(&mut self) -> u64 {
        getrandom::u64().expect("the kernel provides randomness")
    }
}
