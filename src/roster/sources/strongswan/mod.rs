//! strongSwan, by the vici socket of charon: asked for a complete list of its SAs, each time over a new connection.
//!
//! The list is the blocking one: `noblock` leaves out SAs that are busy. Each message is read into one buffer that is
//! cleared; `message.rs` walks it. Who may use the socket may end tunnels too, so that the updown hook is the better way.
//! Holds the path of the socket.

mod message;

pub use message::Identity;

use super::super::account::AccountName;
use super::passed::Passed;
use super::unread::{Said, Unread};
use crate::clock::Stopwatch;
use crate::meter::tags::Tag;
use crate::system::allocator::{REQUEST_BYTES, wipe_stack};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;
use zeroize::{Zeroize, Zeroizing};

/// How long an answer may take in all: charon waits for each SA that is busy.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long charon may be silent.
const SILENCE: Duration = Duration::from_secs(3);

/// The longest message (README.md of vici: 512 KiB).
const MESSAGE_BYTES: usize = 512 << 10;

/// Packets of vici.
const COMMAND: u8 = 0;
const RESPONSE: u8 = 1;
const REGISTER: u8 = 3;
const CONFIRMED: u8 = 5;
const EVENT: u8 = 7;

const LIST_EVENT: &[u8] = b"list-sa";
const LIST_COMMAND: &[u8] = b"list-sas";

/// A charon that is asked.
pub struct Charon {
    path: PathBuf,
    identity: Identity,
    passed: Passed,
}

impl Charon {
    /// The charon that listens at this path, whose accounts are named so.
    #[must_use]
    pub fn new(path: PathBuf, identity: Identity) -> Self {
        Self { path, identity, passed: Passed::default() }
    }

    /// What charon says of its SAs now.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub fn ask(&mut self, tag_of: impl Fn(&AccountName) -> Tag) -> Said {
        let mut buffer = Zeroizing::new(Vec::new());
        let said = listed(&self.path, self.identity, &mut buffer, tag_of);
        buffer.zeroize();
        // Names passed through here.
        wipe_stack::<REQUEST_BYTES>();
        let (rows, passed) = said?;
        self.passed = passed;
        Ok(rows)
    }

    /// What of the last list was passed over.
    #[must_use]
    pub const fn passed(&self) -> Passed {
        self.passed
    }
}

type Listed = (Vec<(super::super::address::Prefix, Tag)>, Passed);

#[inline(never)]
fn listed(
    path: &Path,
    identity: Identity,
    buffer: &mut Vec<u8>,
    tag_of: impl Fn(&AccountName) -> Tag,
) -> Result<Listed, Unread> {
    let since = Stopwatch::start();
    let mut socket = UnixStream::connect(path).map_err(Unread::Vici)?;
    socket.set_read_timeout(Some(SILENCE)).map_err(Unread::Vici)?;
    socket.set_write_timeout(Some(SILENCE)).map_err(Unread::Vici)?;
    send(&mut socket, REGISTER, LIST_EVENT)?;
    receive(&mut socket, buffer)?;
    if buffer.first() != Some(&CONFIRMED) {
        return Err(Unread::Malformed);
    }
    send(&mut socket, COMMAND, LIST_COMMAND)?;
    let (mut rows, mut passed) = (Vec::new(), Passed::default());
    loop {
        if since.elapsed() > PATIENCE {
            return Err(Unread::Stalled);
        }
        receive(&mut socket, buffer)?;
        match buffer.split_first() {
            Some((&RESPONSE, _)) => return Ok((rows, passed)),
            Some((&EVENT, named)) => {
                let (length, named) = named.split_first().ok_or(Unread::Malformed)?;
                let (name, message) =
                    named.split_at_checked(usize::from(*length)).ok_or(Unread::Malformed)?;
                if name == LIST_EVENT {
                    let row = |prefix, account: &AccountName| rows.push((prefix, tag_of(account)));
                    passed = passed.and(message::read(message, identity, row)?);
                }
            }
            _ => return Err(Unread::Malformed),
        }
    }
}

/// Sends a packet that is a name and nothing else.
fn send(socket: &mut UnixStream, kind: u8, name: &[u8]) -> Result<(), Unread> {
    let length = u8::try_from(name.len()).unwrap_or_default();
    let packet = [&(u32::from(length) + 2).to_be_bytes()[..], &[kind, length], name].concat();
    socket.write_all(&packet).map_err(of_silence)
}

/// Receives a packet into the buffer, which is cleared before.
fn receive(socket: &mut UnixStream, buffer: &mut Vec<u8>) -> Result<(), Unread> {
    let mut length = [0; 4];
    socket.read_exact(&mut length).map_err(of_silence)?;
    let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if length > MESSAGE_BYTES {
        return Err(Unread::Malformed);
    }
    buffer.zeroize();
    buffer.resize(length, 0);
    socket.read_exact(buffer).map_err(of_silence)
}

/// What a read or a write came to.
fn of_silence(error: io::Error) -> Unread {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => Unread::Stalled,
        ErrorKind::UnexpectedEof => Unread::BrokenOff,
        _ => Unread::Vici(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;
    use std::thread;

    const CLIENT: &[u8] = include_bytes!("../../../../tests/corpus/vici/client");

    fn packet(kind: u8, rest: &[u8]) -> Vec<u8> {
        [&u32::try_from(rest.len() + 1).expect("short").to_be_bytes()[..], &[kind], rest].concat()
    }

    fn event(name: &[u8], message: &[u8]) -> Vec<u8> {
        packet(EVENT, &[&[u8::try_from(name.len()).expect("short")], name, message].concat())
    }

    /// What is made of a charon that says this to whoever connects, and then stays silent or goes.
    fn said(words: Vec<u8>, stays: bool) -> Said {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("vici");
        let listener = UnixListener::bind(&path).expect("a socket of our own");
        let charon = thread::spawn(move || {
            let (mut socket, _) = listener.accept().expect("somebody asks");
            let _ = socket.write_all(&words);
            if stays {
                // Until the other end has gone.
                let _ = socket.read_to_end(&mut Vec::new());
            }
        });
        let said = Charon::new(path, Identity::Any).ask(|_| Tag([1; 16]));
        charon.join().expect("it ends");
        said
    }

    #[test]
    fn a_list_is_believed_once_it_is_whole() {
        let confirmed = packet(CONFIRMED, &[]);
        let whole = [
            confirmed.clone(),
            event(b"ike-updown", b"\x01\x01x\x02"),
            event(LIST_EVENT, CLIENT),
            event(LIST_EVENT, b""),
            packet(RESPONSE, b""),
        ]
        .concat();
        assert!(said(whole.clone(), true).is_ok_and(|rows| rows.len() == 2));
        assert!(
            said([confirmed.clone(), packet(RESPONSE, b"")].concat(), true).is_ok_and(|rows| rows.is_empty())
        );
        for length in [0, 3, 5, 20, whole.len() - 1] {
            assert!(
                matches!(said(whole[..length].to_vec(), false), Err(Unread::BrokenOff | Unread::Vici(_))),
                "{length}"
            );
        }
        for (odd, what) in [
            (packet(6, &[]), "no such event"),
            ([confirmed.clone(), packet(2, &[])].concat(), "no such command"),
            ([confirmed.clone(), vec![0xff; 4]].concat(), "a packet of four gigabytes"),
            ([confirmed.clone(), packet(EVENT, &[9, b'l'])].concat(), "a name that does not fit"),
            ([confirmed.clone(), event(LIST_EVENT, &CLIENT[..40])].concat(), "half an SA"),
            (vec![0; 4], "nothing"),
        ] {
            assert!(matches!(said(odd, true), Err(Unread::Malformed)), "{what}");
        }
        assert!(matches!(said(confirmed, true), Err(Unread::Stalled)), "it falls silent");
    }

    #[test]
    fn where_nobody_listens_it_is_said_what_to_do() {
        let why = Charon::new("/nonexistent/vici".into(), Identity::Any).ask(|_| Tag([1; 16])).err();
        assert!(why.is_some_and(|why| why.to_string().contains("does charon run")));
    }
}
