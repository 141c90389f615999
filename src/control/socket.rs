//! The control socket as a file: where it is bound, and who may connect to it.
//!
//! What a peer may ask is `access`'s to say; here it is kept away from whoever has no role, who could otherwise
//! delay others by connecting, and see from an access time when a hook last ran. Logs nothing.
//!
//! # Source
//! unix(7); net/unix/af_unix.c (unix_find_bsd: connecting asks for write permission, and touches the access
//! time); fs/inode.c (relatime_need_update).

use super::hook_pipe::{self, HookPipe};
use super::peer::own_uid;
use crate::exit::{ExitError, ExitStatus};
use crate::system::access_list::{self, PASS, READ_WRITE};
use crate::system::descriptors::refuse_passed;
use crate::system::service_manager;
use rustix::fs::{AtFlags, Timespec, Timestamps, UTIME_OMIT};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::Path;

/// An access time that no connection moves on: with `relatime`, the kernel sets one that lies before the last
/// change or a day back. 2100-01-01, UTC.
const FAR_AHEAD_SECONDS: i64 = 4_102_444_800;

/// A socket that is bound.
pub struct Bound {
    /// What to serve.
    pub listener: UnixListener,
    /// Where hooks send.
    pub hooks: HookPipe,
    /// Who can connect.
    pub openness: Openness,
}

/// Who can connect to the control socket.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Openness {
    /// Those who are let in.
    Members,
    /// Everyone: the file system has no access lists.
    Everyone,
    /// Root and the daemon's own user: it has none, and this kernel cannot refuse descriptors of strangers.
    Owner,
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
        let remedy = match error.kind() {
            io::ErrorKind::NotFound => "; make its folder first",
            io::ErrorKind::PermissionDenied => "; let the daemon's user write into its folder",
            _ => "",
        };
        ExitError::new(code, format!("control.socket {}: {error}{remedy}", path.display()))
    };
    if let Some(folder) = path.parent() {
        if !folder.exists() {
            std::fs::DirBuilder::new().mode(0o750).create(folder).map_err(failed)?;
        } else if service_manager::runtime_folders().any(|own| own == folder) {
            std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o750)).map_err(failed)?;
        }
    }
    if is_answered(path) {
        let what = format!("control.socket {}: another daemon answers here; stop it first", path.display());
        return Err(ExitError::new(ExitStatus::Unavailable, what));
    }
    if std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket()) {
        std::fs::remove_file(path).map_err(failed)?;
    }
    if let Some(what) = obstacle(path) {
        return Err(ExitError::new(ExitStatus::Io, what));
    }
    let listener = UnixListener::bind(path).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    let openness = close(path, refuse_passed(&listener)).map_err(failed)?;
    // What strangers have passed to connections that nobody accepts any more is closed with the socket, which may
    // take long: the kernel does it when the process has ended.
    std::mem::forget(listener.try_clone());
    let hooks_path = hook_pipe::beside(path);
    let hooks = HookPipe::make(&hooks_path).map_err(|error| {
        let what = format!("{}: {error}; choose another place for control.socket", hooks_path.display());
        ExitError::new(ExitStatus::Io, what)
    })?;
    Ok(Bound { listener, hooks, openness })
}

/// Keeps everybody out but its owner and root. Where the file system cannot let others in, everybody is, if the kernel
/// keeps descriptors out.
fn close(path: &Path, refuses_descriptors: bool) -> io::Result<Openness> {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    let openness = match access_list::admit(path, READ_WRITE, READ_WRITE, &[]) {
        Ok(()) => Openness::Members,
        Err(_) if refuses_descriptors => Openness::Everyone,
        Err(_) => Openness::Owner,
    };
    if openness == Openness::Everyone {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o666))?;
    }
    // When somebody last connected must not show; where it cannot be set, `doctor` tells.
    let ahead = Timestamps {
        last_access: Timespec { tv_sec: FAR_AHEAD_SECONDS, tv_nsec: 0 },
        last_modification: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
    };
    let _ = rustix::fs::utimensat(rustix::fs::CWD, path, &ahead, AtFlags::empty());
    Ok(openness)
}

/// Takes the socket's name and the hooks' pipe away, at the end of who has bound them.
pub fn remove(path: &Path) {
    let _ = std::fs::remove_file(path);
    hook_pipe::remove(&hook_pipe::beside(path));
}

/// Whether anybody listens there; whoever has no place left in its queue does.
pub fn is_answered(path: &Path) -> bool {
    match super::client::connected(path) {
        Ok(_) => true,
        Err(error) => error.kind() == io::ErrorKind::WouldBlock,
    }
}

/// What else stands at the socket's path, and what to do about it. A socket is nothing else: a dead daemon's is
/// replaced.
#[must_use]
pub fn obstacle(path: &Path) -> Option<String> {
    let kind = std::fs::symlink_metadata(path).ok()?.file_type();
    let what = if kind.is_socket() {
        return None;
    } else if kind.is_dir() {
        "a folder is there"
    } else if kind.is_symlink() {
        "a link is there"
    } else {
        "a file is there that is no socket"
    };
    Some(format!("control.socket {}: {what}; move it away, or choose another path", path.display()))
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
