//! The one process that keeps capabilities: it attaches the program to interfaces, and detaches it.
//!
//! It holds the programs, CAP_BPF, CAP_NET_ADMIN and one socket; it has no thread, no roster, no
//! address, and ends with its socket. It ignores the signals that end the daemon, since a service
//! manager sends them to both at once and the daemon must have the last word.
//! When nothing is to outlive the daemon it takes its filters off at the end; links need no such
//! care, they end with their descriptors.
#![expect(unsafe_code, reason = "fork(2) and close_range(2)")]

use super::hooks;
use super::set::Programs;
use crate::config::Hook;
use crate::system::{capabilities, sandbox};
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

/// Asks to take our filters off an interface; the interface's index follows.
const DETACH: u32 = 0;
/// Asks to attach one direction of an interface, with these bits.
const ATTACH: u32 = 1;
const ETHERNET: u32 = 2;
const UP: u32 = 4;

const MESSAGE_BYTES: usize = 8;

/// The daemon's end of the helper.
pub(super) struct Helper {
    socket: Mutex<Option<OwnedFd>>,
    process: Pid,
}

impl Helper {
    /// Starts the helper, which takes its filters off at its end unless they `outlive` it. Must be
    /// called while the process has one thread.
    pub(super) fn start(programs: &Programs, hook: Hook, outlive: bool) -> io::Result<Self> {
        let (ours, its) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)?;
        // SAFETY: the process has one thread, so the child may do whatever its parent could.
        match unsafe { fork() }? {
            ForkResult::Parent { child } => Ok(Self { socket: Mutex::new(Some(ours)), process: child }),
            ForkResult::Child => {
                drop(ours);
                serve(&its, programs, hook, outlive);
                // SAFETY: ends the process without running what the parent registered for its end.
                unsafe { libc::_exit(0) }
            }
        }
    }

    /// Attaches one direction to the interface of this index. A link lives as long as its
    /// descriptor; a filter has none.
    pub(super) fn attach(&self, index: u32, ethernet: bool, up: bool) -> io::Result<Option<OwnedFd>> {
        let what = ATTACH | if ethernet { ETHERNET } else { 0 } | if up { UP } else { 0 };
        self.ask(what, index)
    }

    /// Takes our filters off an interface.
    pub(super) fn detach(&self, index: u32) -> io::Result<()> {
        self.ask(DETACH, index).map(drop)
    }

    fn ask(&self, what: u32, index: u32) -> io::Result<Option<OwnedFd>> {
        let socket = self.socket.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let socket = socket.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        let message = [what.to_ne_bytes(), index.to_ne_bytes()].concat();
        sendmsg::<()>(socket.as_raw_fd(), &[IoSlice::new(&message)], &[], MsgFlags::MSG_NOSIGNAL, None)?;
        let answer = receive(socket, MsgFlags::MSG_CMSG_CLOEXEC)?;
        let Some(Message { words: [code, _], link }) = answer else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        match code {
            0 => Ok(link),
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

/// A request (what, interface) or an answer (error number, zero), perhaps with a link.
struct Message {
    words: [u32; 2],
    link: Option<OwnedFd>,
}

/// Waits for a message; none when the other end is closed.
fn receive(socket: &OwnedFd, flags: MsgFlags) -> io::Result<Option<Message>> {
    let mut bytes = [0; MESSAGE_BYTES];
    let mut space = nix::cmsg_space!([i32; 1]);
    let mut parts = [IoSliceMut::new(&mut bytes)];
    let message = recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut space), flags)?;
    let mut link = None;
    for control in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(numbers) = control {
            // SAFETY: the kernel made the descriptor for this process with the message.
            link = numbers.first().map(|number| unsafe { OwnedFd::from_raw_fd(*number) });
        }
    }
    let whole = message.bytes == MESSAGE_BYTES;
    let word = |at: usize| u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    Ok(whole.then_some(Message { words: [word(0), word(4)], link }))
}

/// The helper's life: one request, one answer, until the socket closes.
fn serve(socket: &OwnedFd, programs: &Programs, hook: Hook, outlive: bool) {
    for ending in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGUSR1] {
        // SAFETY: ignoring a signal runs no code.
        let _ = unsafe { signal(ending, SigHandler::SigIgn) };
    }
    nix::sys::prctl::set_name(c"bm-helper").unwrap_or_default();
    close_all_but(socket, programs);
    let enclosed = capabilities::keep_only(&capabilities::ATTACHING).and_then(|()| sandbox::enter_helper());
    if enclosed.is_err() {
        return;
    }
    let mut filtered: Vec<u32> = Vec::new();
    while let Ok(Some(Message { words: [what, index], .. })) = receive(socket, MsgFlags::empty()) {
        let result = if what == DETACH {
            hooks::detach_filters(index);
            filtered.retain(|other| *other != index);
            Ok(None)
        } else {
            let (ethernet, up) = (what & ETHERNET != 0, what & UP != 0);
            filtered.push(index);
            hooks::attach(hook, programs.of(ethernet, up), index, up)
        };
        if answer(socket, result).is_err() {
            break;
        }
    }
    if hook == Hook::Clsact && !outlive {
        filtered.into_iter().for_each(hooks::detach_filters);
    }
}

fn answer(socket: &OwnedFd, result: io::Result<Option<OwnedFd>>) -> io::Result<()> {
    let (code, link) = match result {
        Ok(link) => (0, link),
        Err(error) => (error.raw_os_error().unwrap_or(libc::EIO), None),
    };
    let message = [code.to_ne_bytes(), [0; 4]].concat();
    let numbers: Vec<i32> = link.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&numbers)];
    let control = if numbers.is_empty() { &[] } else { rights.as_slice() };
    sendmsg::<()>(socket.as_raw_fd(), &[IoSlice::new(&message)], control, MsgFlags::MSG_NOSIGNAL, None)?;
    Ok(())
}

/// Closes every descriptor that the helper has no use for.
fn close_all_but(socket: &OwnedFd, programs: &Programs) {
    let mut open: Vec<u32> = programs.0.iter().map(|program| program.as_raw_fd().cast_unsigned()).collect();
    open.push(socket.as_raw_fd().cast_unsigned());
    // Standard error stays: a panic must be seen.
    open.push(2);
    open.sort_unstable();
    let mut from = 0;
    for fd in open.into_iter().chain([u32::MAX]) {
        if fd > from {
            // SAFETY: whatever owned these descriptors is the parent's, and never runs here.
            unsafe { libc::syscall(libc::SYS_close_range, from, fd - u32::from(fd != u32::MAX), 0) };
        }
        from = fd.saturating_add(1);
    }
}
