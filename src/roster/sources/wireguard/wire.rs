//! How the daemon and the roster reader speak: a question names a device by its place in the configuration;
//! the answer is pairs, in as many messages as it takes, and an end or a failure.
//!
//! Each message bears the number of its question, so that what came too late for one is not taken for the
//! answer of the next. Holds nothing.

use super::super::unread::Unread;
use super::{PAIR_BYTES, Pair};
use crate::clock::Stopwatch;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, recv, send};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Duration;

/// Pairs in one message: it stays well below what a socket takes at once.
const PAIRS: usize = 500;

/// Bytes of the longest message.
pub(super) const MESSAGE_BYTES: usize = HEADER_BYTES + PAIRS * PAIR_BYTES;

/// Number of the question, and what follows.
const HEADER_BYTES: usize = 8;

const SOME: u32 = 0;
const END: u32 = 1;
const FAILED: u32 = 2;

/// A message of the reader.
pub(super) enum Word<'a> {
    /// Pairs, and more may come.
    Some(&'a [[u8; PAIR_BYTES]]),
    /// That was all: so many.
    End(u32),
    /// It did not work out.
    Failed(Unread),
}

/// The question of this number for this device.
pub(super) fn question(number: u32, device: u32) -> [u8; HEADER_BYTES] {
    (u64::from(device) << 32 | u64::from(number)).to_le_bytes()
}

/// Number and device of a question.
pub(super) fn asked(bytes: &[u8]) -> Option<(u32, u32)> {
    let [number, device] = bytes.as_array::<HEADER_BYTES>()?.as_chunks::<4>().0.as_array::<2>()?;
    Some((u32::from_le_bytes(*number), u32::from_le_bytes(*device)))
}

/// Sends what came of a question.
pub(super) fn answer(socket: BorrowedFd<'_>, number: u32, result: Result<&[Pair], Unread>) -> io::Result<()> {
    let mut message = zeroize::Zeroizing::new(Vec::with_capacity(MESSAGE_BYTES));
    let mut put = |kind: u32, body: &mut dyn Iterator<Item = &[u8]>| {
        message.clear();
        message.extend(number.to_le_bytes());
        message.extend(kind.to_le_bytes());
        body.for_each(|bytes| message.extend(bytes));
        send(socket.as_raw_fd(), &message, MsgFlags::MSG_NOSIGNAL).map(drop)
    };
    match result {
        Ok(pairs) => {
            for some in pairs.chunks(PAIRS) {
                put(SOME, &mut some.iter().map(|pair| pair.0.as_slice()))?;
            }
            let count = u32::try_from(pairs.len()).unwrap_or(u32::MAX);
            put(END, &mut [count.to_le_bytes().as_slice()].into_iter())?;
        }
        Err(why) => {
            let (code, detail) = code_of(&why);
            put(FAILED, &mut [code.to_le_bytes().as_slice(), detail.to_le_bytes().as_slice()].into_iter())?;
        }
    }
    Ok(())
}

/// A message of the reader: the number of its question, and what it says.
pub(super) fn word(message: &[u8]) -> Option<(u32, Word<'_>)> {
    let (header, body) = message.split_first_chunk::<HEADER_BYTES>()?;
    let (number, kind) = asked(header)?;
    let number_at = |at: usize| body.get(at..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes));
    let word = match kind {
        SOME => {
            let (pairs, []) = body.as_chunks::<PAIR_BYTES>() else { return None };
            Word::Some(pairs)
        }
        END => Word::End(number_at(0)?),
        FAILED => Word::Failed(of_code(number_at(0)?, number_at(4)?)),
        _ => return None,
    };
    Some((number, word))
}

/// A failure as numbers; of the operating system's errors the number alone.
fn code_of(why: &Unread) -> (u32, u32) {
    let small = |count: &usize| u32::try_from(*count).unwrap_or(u32::MAX);
    match why {
        Unread::Refused(error) => (1, error.raw_os_error().unwrap_or(libc::EIO).cast_unsigned()),
        Unread::Malformed => (2, 0),
        Unread::BrokenOff => (3, 0),
        Unread::Unstable => (4, 0),
        Unread::TooMany(most) => (5, small(most)),
        _ => (6, 0),
    }
}

fn of_code(code: u32, detail: u32) -> Unread {
    let count = usize::try_from(detail).unwrap_or(usize::MAX);
    match code {
        1 => Unread::Refused(io::Error::from_raw_os_error(detail.cast_signed())),
        2 => Unread::Malformed,
        3 => Unread::BrokenOff,
        4 => Unread::Unstable,
        5 => Unread::TooMany(count),
        _ => Unread::Stalled,
    }
}

/// Until when somebody is waited for.
pub(super) struct Deadline {
    since: Stopwatch,
    limit: Duration,
}

impl Deadline {
    /// So long from now on.
    pub(super) fn of(limit: Duration) -> Self {
        Self { since: Stopwatch::start(), limit }
    }

    /// Waits until a socket has something (`POLLIN`) or takes something (`POLLOUT`).
    pub(super) fn wait(&self, socket: BorrowedFd<'_>, what: PollFlags) -> Result<(), Unread> {
        loop {
            let left = self.limit.checked_sub(self.since.elapsed()).ok_or(Unread::Stalled)?;
            let milliseconds = u16::try_from(left.as_millis()).unwrap_or(u16::MAX).saturating_add(1);
            match poll(&mut [PollFd::new(socket, what)], PollTimeout::from(milliseconds)) {
                Ok(0) | Err(Errno::EINTR) => {}
                Ok(_) => return Ok(()),
                Err(error) => return Err(refused(error)),
            }
        }
    }

    /// The next datagram; 0 where the other end has closed. One that is longer than the buffer is told with its
    /// own length.
    pub(super) fn receive(&self, socket: impl AsFd, buffer: &mut [u8]) -> Result<usize, Unread> {
        self.take(socket.as_fd(), buffer, MsgFlags::MSG_TRUNC)
    }

    /// The next bytes of a stream; 0 where the other end has closed.
    pub(super) fn read(&self, socket: impl AsFd, buffer: &mut [u8]) -> Result<usize, Unread> {
        self.take(socket.as_fd(), buffer, MsgFlags::empty())
    }

    fn take(&self, socket: BorrowedFd<'_>, buffer: &mut [u8], how: MsgFlags) -> Result<usize, Unread> {
        loop {
            self.wait(socket, PollFlags::POLLIN)?;
            match recv(socket.as_raw_fd(), buffer, MsgFlags::MSG_DONTWAIT | how) {
                Err(Errno::EINTR | Errno::EAGAIN) => {}
                received => return received.map_err(refused),
            }
        }
    }
}

/// What the operating system said.
pub(super) fn refused(error: Errno) -> Unread {
    Unread::Refused(error.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
    use proptest::prelude::*;

    fn ends() -> (std::os::fd::OwnedFd, std::os::fd::OwnedFd) {
        socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC).expect("a pair")
    }

    #[test]
    fn an_answer_arrives_in_as_many_messages_as_it_takes() {
        let (one, other) = ends();
        let pairs: Vec<Pair> =
            (0..1_201_u16).map(|at| Pair([u8::try_from(at % 251).expect("small"); PAIR_BYTES])).collect();
        answer(one.as_fd(), 7, Ok(&pairs)).expect("the socket has room");
        let (deadline, mut buffer) = (Deadline::of(Duration::from_secs(5)), vec![0; MESSAGE_BYTES]);
        let mut received = Vec::new();
        loop {
            let length = deadline.receive(&other, &mut buffer).expect("a message");
            match word(&buffer[..length]).expect("well-formed") {
                (7, Word::Some(some)) => received.extend_from_slice(some),
                (7, Word::End(count)) => break assert_eq!(count, 1201),
                _ => panic!("another answer"),
            }
        }
        assert!(received.iter().eq(pairs.iter().map(|pair| &pair.0)));
    }

    #[test]
    fn a_failure_arrives_as_it_was() {
        for why in [
            Unread::Refused(io::Error::from_raw_os_error(libc::EACCES)),
            Unread::Stalled,
            Unread::BrokenOff,
            Unread::Malformed,
            Unread::Unstable,
            Unread::TooMany(1 << 24),
        ] {
            let (one, other) = ends();
            let told = why.to_string();
            answer(one.as_fd(), 9, Err(why)).expect("the socket has room");
            let mut buffer = vec![0; MESSAGE_BYTES];
            let length =
                Deadline::of(Duration::from_secs(5)).receive(&other, &mut buffer).expect("a message");
            let Some((9, Word::Failed(arrived))) = word(&buffer[..length]) else { panic!("a failure") };
            assert_eq!(arrived.to_string(), told);
        }
    }

    #[test]
    fn nobody_is_waited_for_beyond_the_limit() {
        let (one, _other) = ends();
        let nothing = Deadline::of(Duration::from_millis(30)).receive(&one, &mut [0; 8]);
        assert!(matches!(nothing, Err(Unread::Stalled)));
    }

    proptest! {
        #[test]
        fn any_message_is_a_word_or_none(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = (word(&bytes), asked(&bytes));
        }
    }
}
