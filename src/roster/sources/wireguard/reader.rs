//! The roster reader: the one process that a WireGuard device tells its keys. It keeps CAP_NET_ADMIN, which
//! the kernel asks for, and nothing else.
//!
//! It holds one buffer, which is cleared after each answer, a digest of each device's last one, and a socket;
//! no account, no file, no thread. It asks when it is asked, hands over prefixes and public keys, and ends
//! with its socket.

use super::super::unread::Unread;
use super::kernel::{self, Known};
use super::uapi::{Answer, QUESTION};
use super::wire::{self, Deadline, refused};
use super::{MOST_PAIRS, Pair};
use crate::system::allocator::{REQUEST_BYTES, wipe_stack};
use crate::system::{capabilities, sandbox};
use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, UnixAddr, connect, recv, send, socket};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::path::Path;
use std::time::Duration;
use zeroize::Zeroize;

/// Where programs of the family listen, one socket for each device.
const SOCKETS: &str = "/var/run/wireguard";

/// How long one device is waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// Larger than any datagram of the kernel's, and than any line.
const BUFFER_BYTES: usize = 1 << 16;

/// The reader's life: one question, one answer, until the socket closes.
pub(super) fn serve(socket: BorrowedFd<'_>, devices: &[String]) {
    if sandbox::enter_reader(&capabilities::READING_PEERS).is_err() {
        return;
    }
    let mut key = [0; 32];
    if getrandom::fill(&mut key).is_err() {
        return;
    }
    let mut known = Known::new(devices.len(), key);
    key.zeroize();
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut question = [0; 8];
    loop {
        let length = match recv(socket.as_raw_fd(), &mut question, MsgFlags::empty()) {
            Err(Errno::EINTR) => continue,
            Ok(length) if length > 0 => length,
            _ => return,
        };
        let Some((number, place)) = wire::asked(&question[..length]) else { return };
        let place = usize::try_from(place).unwrap_or(usize::MAX);
        let Some(device) = devices.get(place) else { return };
        let result = ask(Path::new(SOCKETS), (place, device), &mut known, &mut buffer);
        buffer.as_mut_slice().zeroize();
        let sent = match &result {
            Ok(pairs) => wire::answer(socket, number, Ok(pairs)),
            Err(_) => Ok(()),
        };
        let sent = result.err().map_or(sent, |why| wire::answer(socket, number, Err(why)));
        wipe_stack::<REQUEST_BYTES>();
        if sent.is_err() {
            return;
        }
    }
}

/// The pairs of a device: of a program in user space where one listens under its name, else of the kernel.
pub(super) fn ask(
    sockets: &Path,
    (place, device): (usize, &str),
    known: &mut Known,
    buffer: &mut [u8],
) -> Result<Vec<Pair>, Unread> {
    let deadline = Deadline::of(PATIENCE);
    let program = ask_program(&sockets.join(format!("{device}.sock")), buffer, &deadline);
    // A socket without a program was left behind by one that was killed.
    let is_nobodys = |error: &io::Error| {
        matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENOTDIR | libc::ECONNREFUSED))
    };
    match program {
        Err(Unread::Refused(error)) if is_nobodys(&error) => {
            let asked = kernel::ask(kernel::open, (place, device), known, buffer, &deadline);
            match asked {
                Err(Unread::Refused(_)) if error.raw_os_error() == Some(libc::ECONNREFUSED) => {
                    Err(Unread::Refused(error))
                }
                asked => asked,
            }
        }
        asked => asked,
    }
}

fn ask_program(path: &Path, buffer: &mut [u8], deadline: &Deadline) -> Result<Vec<Pair>, Unread> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let stream = socket(AddressFamily::Unix, SockType::Stream, flags, None).map_err(refused)?;
    let address = UnixAddr::new(path).map_err(refused)?;
    match connect(stream.as_raw_fd(), &address) {
        // Its queue is full.
        Err(Errno::EAGAIN) => return Err(Unread::Stalled),
        connected => connected.map_err(refused)?,
    }
    let sent = send(stream.as_raw_fd(), QUESTION, MsgFlags::MSG_NOSIGNAL).map_err(refused)?;
    if sent != QUESTION.len() {
        return Err(Unread::Stalled);
    }
    let mut pairs = Vec::new();
    let mut answer = Answer::new(|prefix, key| {
        if pairs.len() == MOST_PAIRS {
            return Err(Unread::TooMany(MOST_PAIRS));
        }
        pairs.push(Pair::new(prefix, key));
        Ok(())
    });
    let mut held = 0;
    while !answer.is_over() {
        let received = deadline.read(&stream, &mut buffer[held..])?;
        if received == 0 {
            return Err(Unread::BrokenOff);
        }
        held += received;
        let read = answer.read(&buffer[..held])?;
        buffer.copy_within(read..held, 0);
        held -= read;
        if held == buffer.len() {
            // No line is that long.
            return Err(Unread::BrokenOff);
        }
    }
    Ok(pairs)
}

#[cfg(test)]
mod tests;
