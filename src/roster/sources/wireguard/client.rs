//! The daemon's end of the roster reader: asks it for a device, and makes accounts of keys.
//!
//! A key lives here from a message to its tag. Holds the socket and the reader's process.

use super::super::super::account::AccountName;
use super::super::super::address::Prefix;
use super::super::passed::Passed;
use super::super::unread::{Said, Unread};
use super::wire::{self, Deadline, MESSAGE_BYTES, Word};
use super::{KEY_BYTES, Names, Pair, reader};
use crate::meter::tags::Tag;
use crate::system::allocator::{REQUEST_BYTES, wipe_stack};
use crate::system::child;
use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, send, socketpair};
use nix::sys::wait::waitpid;
use nix::unistd::Pid;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Duration;
use zeroize::{Zeroize, Zeroizing};

/// How long an answer is waited for: longer than the reader waits for a device.
const PATIENCE: Duration = Duration::from_secs(3);

/// The process that reads WireGuard devices.
pub struct Reader {
    socket: Option<OwnedFd>,
    process: Pid,
    asked: u32,
    /// What of the last answer was passed over.
    passed: Passed,
}

impl Reader {
    /// Starts the process, for these devices. Must be called while this one has one thread.
    ///
    /// # Errors
    /// Those of socketpair(2) and fork(2).
    pub fn start(devices: &[String]) -> io::Result<Self> {
        let (ours, its) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)?;
        let process = child::start(c"bm-reader", &[its.as_fd()], || reader::serve(its.as_fd(), devices))?;
        Ok(Self { socket: Some(ours), process, asked: 0, passed: Passed::default() })
    }

    /// Its number as a process.
    #[must_use]
    pub const fn process(&self) -> Pid {
        self.process
    }

    /// Every prefix of the device at this place, and whose it is; of peers without an account nothing.
    ///
    /// # Errors
    /// Why it cannot be told.
    pub fn ask(&mut self, place: usize, names: &Names, tag_of: impl Fn(&AccountName) -> Tag) -> Said {
        let mut buffer = vec![0; MESSAGE_BYTES];
        let said = self.receive(place, names, tag_of, &mut buffer);
        buffer.as_mut_slice().zeroize();
        // Keys passed through here.
        wipe_stack::<REQUEST_BYTES>();
        said
    }

    /// What of the last answer was passed over.
    #[must_use]
    pub const fn passed(&self) -> Passed {
        self.passed
    }

    #[inline(never)]
    fn receive(
        &mut self,
        place: usize,
        names: &Names,
        tag_of: impl Fn(&AccountName) -> Tag,
        buffer: &mut [u8],
    ) -> Result<Vec<(Prefix, Tag)>, Unread> {
        let socket = self.socket.as_ref().ok_or(Unread::ReaderEnded)?;
        self.asked = self.asked.wrapping_add(1);
        let question = wire::question(self.asked, u32::try_from(place).unwrap_or(u32::MAX));
        match send(socket.as_raw_fd(), &question, MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT) {
            // Earlier questions wait there: it is stuck.
            Err(Errno::EAGAIN) => return Err(Unread::Stalled),
            Err(_) => return Err(Unread::ReaderEnded),
            Ok(_) => {}
        }
        let deadline = Deadline::of(PATIENCE);
        let (mut said, mut pairs, mut nameless) = (Vec::new(), 0_u32, Nameless::default());
        loop {
            let length = match deadline.receive(socket, buffer) {
                Err(Unread::Refused(_)) | Ok(0) => return Err(Unread::ReaderEnded),
                received => received?,
            };
            let message = buffer.get(..length).and_then(wire::word);
            match message.ok_or(Unread::ReaderEnded)? {
                // The end of an answer that came too late.
                (number, _) if number != self.asked => {}
                (_, Word::Failed(why)) => return Err(why),
                (_, Word::End(count)) if count == pairs => {
                    self.passed = Passed { nameless: nameless.peers, ..Passed::default() };
                    return Ok(said);
                }
                (_, Word::End(_)) => return Err(Unread::BrokenOff),
                (_, Word::Some(some)) => {
                    for pair in some {
                        let (prefix, key) = Pair(*pair).parts().ok_or(Unread::ReaderEnded)?;
                        pairs = pairs.wrapping_add(1);
                        match names.account_of(&key.0, &tag_of) {
                            Some(account) => said.push((prefix, account)),
                            None => nameless.note(&key.0),
                        }
                    }
                }
            }
        }
    }
}

/// How many peers have no account, whose prefixes come one after the other.
#[derive(Default)]
struct Nameless {
    peers: u64,
    last: Zeroizing<[u8; KEY_BYTES]>,
}

impl Nameless {
    fn note(&mut self, key: &[u8; KEY_BYTES]) {
        if self.peers == 0 || *self.last != *key {
            self.peers += 1;
            *self.last = *key;
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // Its end closes with ours.
        self.socket = None;
        let _ = waitpid(self.process, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_without_an_account_are_counted_once_each() {
        let mut nameless = Nameless::default();
        for key in [0, 0, 7, 7, 7, 9] {
            nameless.note(&[key; KEY_BYTES]);
        }
        assert_eq!(nameless.peers, 3);
    }
}
