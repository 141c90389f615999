//! The control socket as a file: where it is bound, and who may connect to it.
//!
//! What a peer may ask is `access`'s to say; here it is kept away from whoever has no role, who could otherwise
//! delay others by connecting, and see from an access time when a hook last ran. Logs nothing.
//!
//! # Source
//! unix(7); net/unix/af_unix.c (unix_find_bsd: connecting asks for write permission, and touches the access
//! time); fs/inode.c (relatime_need_update).

use super::peer::own_uid;
use crate::exit::{ExitError, ExitStatus};
use crate::system::access_list::{self, PASS, READ_WRITE};
use crate::system::service_manager;
use rustix::fs::{AtFlags, Timespec, Timestamps, UTIME_OMIT};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

/// An access time that no connection moves on: with `relatime`, the kernel sets one that lies before the last
/// change or a day back. 2100-01-01, UTC.
const FAR_AHEAD_SECONDS: i64 = 4_102_444_800;

/// A socket that is bound.
pub struct Bound {
    /// What to serve.
    pub listener: UnixListener,
    /// Only those who are let in can connect. Otherwise everyone can: the file system has no access lists.
    pub is_closed: bool,
}

/// Binds the socket, for its owner alone; see [`admit`]. Replaces one left by a dead daemon, but not that of a
/// running one.
///
/// # Errors
/// A running daemon (69), or a path where no socket can be created (74).
pub fn bind(path: &Path) -> Result<Bound, ExitError> {
    let failed = |error: io::Error| {
        let code = if error.kind() == io::ErrorKind::PermissionDenied {
            ExitStatus::Permission
        } else {
            ExitStatus::Io
        };
        ExitError::new(code, format!("control.socket {}: {error}", path.display()))
    };
    if let Some(folder) = path.parent() {
        if !folder.exists() {
            std::fs::DirBuilder::new().mode(0o750).create(folder).map_err(failed)?;
        } else if service_manager::runtime_folders().any(|own| own == folder) {
            std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o750)).map_err(failed)?;
        }
    }
    if UnixStream::connect(path).is_ok() {
        let what = format!("control.socket {}: another daemon answers here; stop it first", path.display());
        return Err(ExitError::new(ExitStatus::Unavailable, what));
    }
    if std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket()) {
        std::fs::remove_file(path).map_err(failed)?;
    }
    let listener = UnixListener::bind(path).map_err(failed)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    let is_closed = access_list::admit(path, READ_WRITE, READ_WRITE, &[]).is_ok();
    if !is_closed {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o666)).map_err(failed)?;
    }
    // When somebody last connected must not show; where it cannot be set, `doctor` tells.
    let ahead = Timestamps {
        last_access: Timespec { tv_sec: FAR_AHEAD_SECONDS, tv_nsec: 0 },
        last_modification: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
    };
    let _ = rustix::fs::utimensat(rustix::fs::CWD, path, &ahead, AtFlags::empty());
    Ok(Bound { listener, is_closed })
}

/// Lets these users connect, besides root and the daemon's own. What each may ask depends on the role, as the
/// kernel reports the user; who has none does not get as far as the queue.
pub fn admit(path: &Path, users: &[u32]) {
    let closed = |folder: &Path| {
        let metadata = std::fs::metadata(folder).ok()?;
        (metadata.uid() == own_uid() && metadata.mode() & 0o007 == 0).then(|| folder.to_owned())
    };
    if let Some(folder) = path.parent().and_then(closed) {
        // Where there are no access lists, the folder's mode and group say who passes.
        let _ = access_list::admit(&folder, 7, PASS, users);
    }
    let _ = access_list::admit(path, READ_WRITE, READ_WRITE, users);
}
