//! The one process that keeps capabilities: it attaches the program to interfaces, and detaches it.
//!
//! It holds the programs, CAP_BPF, CAP_NET_ADMIN and one socket; it has no thread, no roster, no
//! address, and ends with its socket. It ignores the signals that end the daemon, since a service
//! manager sends them to both at once and the daemon must have the last word.
#![expect(unsafe_code, reason = "fork(2) and close_range(2)")]

use super::Programs;
use super::hooks;
use crate::config::Hook;
use crate::guard::capabilities;
use nix::sys::signal::{SigHandler, Signal, signal};
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, recvmsg, sendmsg,
    socketpair,
};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid, fork};
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::Mutex;

/// Asks to attach; the interface's index follows.
const ATTACH_ETHERNET: u32 = 1;
const ATTACH_IP: u32 = 2;
/// Asks to take our filters off an interface.
const DETACH: u32 = 3;

const MESSAGE_BYTES: usize = 8;

/// The daemon's end of the helper.
pub(super) struct Helper {
    socket: Mutex<Option<OwnedFd>>,
    process: Pid,
}

/// What keeps the program attached to one interface.
pub(super) enum Attached {
    /// The links of both directions: closing them detaches.
    Links(Vec<OwnedFd>),
    /// Filters, which the helper takes off.
    Filters,
    /// Nothing any more.
    Not,
}

impl Helper {
    /// Starts the helper. Must be called while the process has one thread.
    pub(super) fn start(programs: &Programs, hook: Hook) -> io::Result<Self> {
        let (ours, its) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)?;
        // SAFETY: the process has one thread, so the child may do whatever its parent could.
        match unsafe { fork() }? {
            ForkResult::Parent { child } => Ok(Self { socket: Mutex::new(Some(ours)), process: child }),
            ForkResult::Child => {
                drop(ours);
                serve(&its, programs, hook);
                // SAFETY: ends the process without running what the parent registered for its end.
                unsafe { libc::_exit(0) }
            }
        }
    }

    /// Attaches both directions to the interface of this index.
    pub(super) fn attach(&self, index: u32, ethernet: bool) -> io::Result<Attached> {
        let links = self.ask(if ethernet { ATTACH_ETHERNET } else { ATTACH_IP }, index)?;
        Ok(if links.is_empty() { Attached::Filters } else { Attached::Links(links) })
    }

    /// Takes our filters off an interface.
    pub(super) fn detach(&self, index: u32) -> io::Result<()> {
        self.ask(DETACH, index).map(drop)
    }

    fn ask(&self, what: u32, index: u32) -> io::Result<Vec<OwnedFd>> {
        let socket = self.socket.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let socket = socket.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        let message = [what.to_ne_bytes(), index.to_ne_bytes()].concat();
        sendmsg::<()>(socket.as_raw_fd(), &[IoSlice::new(&message)], &[], MsgFlags::MSG_NOSIGNAL, None)?;
        let answer = receive(socket, MsgFlags::MSG_CMSG_CLOEXEC)?;
        let Some(Message { words: [code, _], links }) = answer else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        match code {
            0 => Ok(links),
            code => Err(io::Error::from_raw_os_error(code.cast_signed())),
        }
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        let socket = self.socket.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
        // Its end closes with ours; what it had left to do is done when it is gone.
        *socket = None;
        let _ = waitpid(self.process, None);
    }
}

/// A request (what, interface) or an answer (error number, zero), with descriptors of links.
struct Message {
    words: [u32; 2],
    links: Vec<OwnedFd>,
}

/// Waits for a message; none when the other end is closed.
fn receive(socket: &OwnedFd, flags: MsgFlags) -> io::Result<Option<Message>> {
    let mut bytes = [0; MESSAGE_BYTES];
    let mut space = nix::cmsg_space!([i32; 2]);
    let mut parts = [IoSliceMut::new(&mut bytes)];
    let message = recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut space), flags)?;
    let mut descriptors = Vec::new();
    for control in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(numbers) = control {
            // SAFETY: the kernel made these descriptors for this process with the message.
            descriptors.extend(numbers.into_iter().map(|number| unsafe { OwnedFd::from_raw_fd(number) }));
        }
    }
    let whole = message.bytes == MESSAGE_BYTES;
    let word = |at: usize| u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    Ok(whole.then(|| Message { words: [word(0), word(4)], links: descriptors }))
}

/// The helper's life: one request, one answer, until the socket closes.
fn serve(socket: &OwnedFd, programs: &Programs, hook: Hook) {
    for ending in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        // SAFETY: ignoring a signal runs no code.
        let _ = unsafe { signal(ending, SigHandler::SigIgn) };
    }
    nix::sys::prctl::set_name(c"bm-helper").unwrap_or_default();
    close_all_but(socket, programs);
    if capabilities::keep_only(&capabilities::ATTACHING).is_err() {
        return;
    }
    let mut filtered: Vec<u32> = Vec::new();
    while let Ok(Some(Message { words: [what, index], .. })) = receive(socket, MsgFlags::empty()) {
        let result = match what {
            ATTACH_ETHERNET | ATTACH_IP => attach(programs, hook, index, what == ATTACH_ETHERNET),
            _ => {
                hooks::detach_filters(index);
                filtered.retain(|other| *other != index);
                Ok(Vec::new())
            }
        };
        if hook == Hook::Clsact && what != DETACH && result.is_ok() {
            filtered.push(index);
        }
        if answer(socket, result).is_err() {
            break;
        }
    }
    for index in filtered {
        hooks::detach_filters(index);
    }
}

fn attach(programs: &Programs, hook: Hook, index: u32, ethernet: bool) -> io::Result<Vec<OwnedFd>> {
    let [up, down] = programs.of(ethernet);
    let up = hooks::attach(hook, up, index, true)?;
    let down = hooks::attach(hook, down, index, false).inspect_err(|_| {
        if hook == Hook::Clsact {
            hooks::detach_filters(index);
        }
    })?;
    Ok(up.into_iter().chain(down).collect())
}

fn answer(socket: &OwnedFd, result: io::Result<Vec<OwnedFd>>) -> io::Result<()> {
    let (code, links) = match result {
        Ok(links) => (0, links),
        Err(error) => (error.raw_os_error().unwrap_or(libc::EIO), Vec::new()),
    };
    let message = [code.to_ne_bytes(), [0; 4]].concat();
    let numbers: Vec<i32> = links.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&numbers)];
    let control = if numbers.is_empty() { &[] } else { rights.as_slice() };
    sendmsg::<()>(socket.as_raw_fd(), &[IoSlice::new(&message)], control, MsgFlags::MSG_NOSIGNAL, None)?;
    Ok(())
}

/// Closes every descriptor that the helper has no use for.
fn close_all_but(socket: &OwnedFd, programs: &Programs) {
    let mut kept: Vec<u32> = programs.descriptors().map(i32::cast_unsigned).collect();
    kept.push(socket.as_raw_fd().cast_unsigned());
    // Standard error stays: a panic must be seen.
    kept.push(2);
    kept.sort_unstable();
    let mut from = 0;
    for fd in kept.into_iter().chain([u32::MAX]) {
        if fd > from {
            // SAFETY: whatever owned these descriptors is the parent's, and never runs here.
            unsafe { libc::syscall(libc::SYS_close_range, from, fd - u32::from(fd != u32::MAX), 0) };
        }
        from = fd.saturating_add(1);
    }
}
