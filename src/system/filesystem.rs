//! Which kind of file system a path is on; mounts a bpffs where it is missing.
//!
//! # Source
//! statfs(2); include/uapi/linux/magic.h.

use nix::mount::{MsFlags, mount};
use nix::sys::statfs::{FsType, statfs};
use std::io;
use std::path::Path;

/// bpffs.
pub const BPF_FILESYSTEM: FsType = FsType(0xcafe_4a11);

/// File systems that exist only in memory.
pub const IN_MEMORY: [FsType; 2] = [FsType(0x0102_1994), FsType(0x8584_58f6)];

/// Where bpffs is mounted by convention, and the only place where this program mounts it.
const BPF_MOUNT: &str = "/sys/fs/bpf";

/// The kind of file system that a path is on.
///
/// # Errors
/// Those of statfs(2).
pub fn kind(path: &Path) -> io::Result<FsType> {
    Ok(statfs(path).map_err(io::Error::from)?.filesystem_type())
}

/// Mounts a bpffs at its conventional place, for root only.
///
/// # Errors
/// Those of mount(2), and for any other place.
pub fn mount_bpf(place: &Path) -> io::Result<()> {
    if place != Path::new(BPF_MOUNT) {
        return Err(io::ErrorKind::Unsupported.into());
    }
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("bpf"), place, Some("bpf"), flags, Some("mode=0700")).map_err(io::Error::from)
}
