//! The pipe of VPN servers' hooks: a named pipe for requests, and a file beside it in which answers stand. What
//! both sides need; what is asked for is `inbox`'s to read, and `hook`'s to send. Logs nothing.
//!
//! No socket, for three reasons: with a socket comes whatever descriptor its sender passes, and to let go of one can
//! take as long as its sender likes; a socket's queue, its length and that of what waits in it are everybody's
//! to list (sock_diag(7)); and a pipe never holds up its writer. Who may write is the access list's to say. A
//! request bears a key that stands where only those can read it who may write. When somebody may no longer, key and
//! pipe are made anew: who has kept the old one open is not heard, and takes nobody's room.
//!
//! # Source
//! fifo(7) and pipe(7): PIPE_BUF, O_NONBLOCK; fs/pipe.c.

use super::protocol::Request;
use crate::system::access_list::{self, PASS, READ, READ_WRITE, WRITE};
use nix::fcntl::{FcntlArg, fcntl};
use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat, openat};
use serde::{Deserialize, Serialize};
use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, FileTypeExt};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// What stands for the control socket's extension.
const EXTENSION: &str = "hook";

const REQUESTS: &str = "requests";
const ANSWERS: &str = "answers";
/// Where both are made before they take the place of others.
const NEW_REQUESTS: &str = "requests+";
const NEW_ANSWERS: &str = "answers+";

/// Every request has this length: longer than any with an address and an account, all of it percent-encoded. The
/// kernel writes so many bytes as one piece.
const RECORD_BYTES: usize = 1024;

/// Room of the pipe where the kernel does not say: its usual one.
const PIPE_BYTES: usize = 64 << 10;

/// Answers that are written at a time, as many as requests find room: empty places where there are fewer.
pub(super) const TOGETHER: usize = 64;

/// Places for answers: the last sixteen times that some were written.
const PLACES: usize = 16 * TOGETHER;

/// An answer's place: what the request called itself, and a code in the lowest bits.
const PLACE_BYTES: usize = size_of::<u64>();
const CODE: u64 = 7;

/// Length of the key, which stands before the first place.
const KEY_BYTES: usize = 16;

/// Proves that a request comes from somebody who may send one.
pub(super) type Key = [u64; 2];

/// Where the hooks' pipe and answers lie, for this control socket: in a folder beside it, as `control.hook` beside
/// `control.sock`.
#[must_use]
pub fn beside(control_socket: &Path) -> PathBuf {
    control_socket.with_extension(EXTENSION)
}

/// A request as it lies in the pipe.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record<Ask = Request> {
    /// See [`Key`].
    pub(super) key: Key,
    /// What the answer is known by; the lowest bits are 0.
    pub(super) token: u64,
    /// When its sender stops waiting, on the boot clock, in nanoseconds.
    pub(super) until: u64,
    /// What is asked for.
    pub(super) ask: Ask,
}

impl Record<&Request> {
    /// The record as it is written: it begins and ends with a line feed, so that nothing which is written before it
    /// spoils it.
    ///
    /// # Errors
    /// An address or account longer than any is.
    pub(super) fn text(&self) -> io::Result<Zeroizing<Vec<u8>>> {
        let mut text = Zeroizing::new(Vec::with_capacity(RECORD_BYTES));
        text.push(b'\n');
        serde_json::to_writer(&mut *text, self).map_err(io::Error::other)?;
        if text.len() >= RECORD_BYTES {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "no address and account are that long"));
        }
        text.resize(RECORD_BYTES - 1, b' ');
        text.push(b'\n');
        Ok(text)
    }
}

/// What a hook is told.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// It is in force.
    Done = 1,
    /// It is not the hook's to ask for, or names what is no address or no account.
    Refused = 2,
    /// There is no room for it.
    Full = 3,
    /// The tap did not catch up.
    NotQuiesced = 4,
}

impl Told {
    const ALL: [Self; 4] = [Self::Done, Self::Refused, Self::Full, Self::NotQuiesced];

    /// What was wrong, and what to do about it.
    pub(super) const fn complaint(self) -> Option<&'static str> {
        match self {
            Self::Done => None,
            Self::Refused => {
                Some("the daemon refuses this address or account; try it without --hook to see why")
            }
            Self::Full => {
                Some("the daemon has no room for it; raise store.capacity, or shorten roster.pools")
            }
            Self::NotQuiesced => Some("the tap did not catch up within two seconds; nothing was changed"),
        }
    }

    const fn code(self) -> u64 {
        self as u64
    }
}

/// The daemon's end.
pub struct HookPipe {
    folder: PathBuf,
    requests: File,
    answers: Answers,
    /// Who may send, besides root and the daemon's own user; sorted.
    admitted: Vec<u32>,
}

/// Where answers are written, and the key that stands there.
pub struct Answers {
    file: File,
    pub(super) key: Key,
    next: usize,
}

impl HookPipe {
    /// Makes the folder and what lies in it anew, for its owner alone; see [`HookPipe::admit`].
    ///
    /// # Errors
    /// Another daemon's that is served, something else in its place, or a folder that cannot be written.
    pub(super) fn make(folder: &Path) -> io::Result<Self> {
        let requests = folder.join(REQUESTS);
        if openat(CWD, &requests, OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW, Mode::empty()).is_ok()
        {
            return Err(io::Error::new(io::ErrorKind::AddrInUse, "another daemon's hooks are served here"));
        }
        // Of a version before this one.
        if fs::symlink_metadata(folder).is_ok_and(|metadata| metadata.file_type().is_socket()) {
            fs::remove_file(folder)?;
        }
        remove(folder);
        DirBuilder::new().mode(0o700).create(folder)?;
        let requests = new_pipe(folder)?;
        let answers = Answers::make(folder, new_key()?)?;
        Ok(Self { folder: folder.to_owned(), requests, answers, admitted: Vec::new() })
    }

    /// Lets these users, sorted, send and read answers, and nobody else but root and the daemon's own. Where somebody
    /// may no longer, the key changes; true then, and the inbox is to be made anew.
    ///
    /// # Errors
    /// A folder that cannot be written; nobody is heard then.
    pub fn admit(&mut self, users: &[u32]) -> io::Result<bool> {
        let is_changed = self.admitted.iter().any(|user| users.binary_search(user).is_err());
        // Where the file system has no access lists, nobody is let in.
        let _ = access_list::admit(&self.folder, 7, PASS, users);
        if is_changed {
            self.requests = new_pipe(&self.folder)?;
            self.answers.key = new_key()?;
            self.answers = Answers::make(&self.folder, self.answers.key)?;
        }
        let _ = access_list::admit(&self.folder.join(REQUESTS), READ_WRITE, WRITE, users);
        let _ = access_list::admit(&self.folder.join(ANSWERS), READ_WRITE, READ, users);
        self.admitted = users.to_vec();
        Ok(is_changed)
    }

    /// What the inbox works on.
    ///
    /// # Errors
    /// No descriptor is left.
    pub(super) fn ends(&self) -> io::Result<(File, Answers)> {
        let Answers { file, key, .. } = &self.answers;
        Ok((self.requests.try_clone()?, Answers { file: file.try_clone()?, key: *key, next: 0 }))
    }
}

impl Answers {
    /// Makes the file of answers anew, with this key, for its owner alone.
    fn make(folder: &Path, key: Key) -> io::Result<Self> {
        let new = folder.join(NEW_ANSWERS);
        let _ = fs::remove_file(&new);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file = File::from(openat(CWD, &new, flags, Mode::RUSR | Mode::WUSR)?);
        let mut text = key.map(u64::to_le_bytes).concat();
        text.resize(KEY_BYTES + PLACES * PLACE_BYTES, 0);
        file.write_all(&text)?;
        fs::rename(new, folder.join(ANSWERS))?;
        Ok(Self { file, key, next: 0 })
    }

    /// Writes these answers, [`TOGETHER`] at the most: as many bytes whether there are any or not.
    pub(super) fn write(&mut self, told: impl Iterator<Item = (u64, Told)>) {
        let mut block = [0; TOGETHER * PLACE_BYTES];
        for (place, (token, told)) in block.chunks_exact_mut(PLACE_BYTES).zip(told) {
            place.copy_from_slice(&(token & !CODE | told.code()).to_le_bytes());
        }
        let at = KEY_BYTES + self.next * PLACE_BYTES;
        // Where it fails, hooks wait as long as they would without an answer.
        let _ = self.file.write_all_at(&block, at as u64);
        self.next = (self.next + TOGETHER) % PLACES;
    }
}

/// Makes the pipe anew, for its owner alone.
fn new_pipe(folder: &Path) -> io::Result<File> {
    let new = folder.join(NEW_REQUESTS);
    let _ = fs::remove_file(&new);
    mknodat(CWD, &new, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?;
    // Open for writing as well: otherwise it ends whenever no hook is there.
    let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NOATIME;
    let pipe = File::from(openat(CWD, &new, flags, Mode::empty())?);
    fs::rename(new, folder.join(REQUESTS))?;
    Ok(pipe)
}

fn new_key() -> io::Result<Key> {
    let random = || getrandom::u64().map_err(io::Error::other);
    Ok([random()?, random()?])
}

/// Takes the folder away, and what the daemon has put there.
pub(super) fn remove(folder: &Path) {
    for name in [REQUESTS, ANSWERS, NEW_REQUESTS, NEW_ANSWERS] {
        let _ = fs::remove_file(folder.join(name));
    }
    let _ = fs::remove_dir(folder);
}

/// How many bytes wait in the pipe at the most.
pub(super) fn room(requests: &File) -> usize {
    fcntl(requests, FcntlArg::F_GETPIPE_SZ).ok().and_then(|room| room.try_into().ok()).unwrap_or(PIPE_BYTES)
}

/// Gives the pipe its usual room again: whoever may write into it may have made it small.
pub(super) fn restore_room(requests: &File) {
    if room(requests) != PIPE_BYTES {
        // Where more waits in it than there would be room for, the next tick does.
        let _ = fcntl(requests, FcntlArg::F_SETPIPE_SZ(PIPE_BYTES.try_into().unwrap_or(libc::c_int::MAX)));
    }
}

/// Takes what waits in the pipe; gives how many bytes that were.
pub(super) fn take(requests: &mut File, buffer: &mut [u8]) -> usize {
    requests.read(buffer).unwrap_or_default()
}

/// Each record of what was taken, as text.
pub(super) fn lines(taken: &[u8]) -> impl Iterator<Item = &[u8]> {
    taken.split(|byte| *byte == b'\n').filter(|line| !line.is_empty())
}

/// Whether a pass took all that found room, so that more may wait to get in.
pub(super) const fn was_full(bytes: usize, room: usize) -> bool {
    bytes + RECORD_BYTES > room
}

/// A hook's end.
pub(super) struct Sender {
    requests: File,
    answers: File,
    key: Key,
}

impl Sender {
    /// Opens pipe and answers.
    ///
    /// # Errors
    /// No daemon, or no permission.
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let requests = File::from(openat(CWD, folder.join(REQUESTS), flags, Mode::empty())?);
        let answers = File::open(folder.join(ANSWERS))?;
        let mut key = [0; KEY_BYTES];
        answers.read_exact_at(&mut key, 0)?;
        let (low, high) = key.split_at(PLACE_BYTES);
        let word = |bytes: &[u8]| bytes.try_into().map_or(0, u64::from_le_bytes);
        Ok(Self { requests, answers, key: [word(low), word(high)] })
    }

    /// Hands a request over without waiting; gives what its answer is known by.
    ///
    /// # Errors
    /// `WouldBlock` where there is no room; a daemon that has ended, or a request that is too long.
    pub(super) fn hand_over(&mut self, ask: &Request, until: u64) -> io::Result<u64> {
        let token = getrandom::u64().map_err(io::Error::other)? & !CODE;
        let record = Record { key: self.key, token, until, ask };
        self.requests.write_all(&record.text()?)?;
        Ok(token)
    }

    /// What became of a request, where that is known.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub(super) fn told(&self, token: u64) -> io::Result<Option<Told>> {
        let mut places = [0; PLACES * PLACE_BYTES];
        self.answers.read_exact_at(&mut places, KEY_BYTES as u64)?;
        let words = places.chunks_exact(PLACE_BYTES).filter_map(|place| place.try_into().ok());
        let mut told = words.map(u64::from_le_bytes).filter(|word| word & !CODE == token && word & CODE != 0);
        Ok(told.find_map(|word| Told::ALL.into_iter().find(|told| told.code() == word & CODE)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::protocol::Connection;
    use super::*;

    fn text(ask: &Request) -> io::Result<Zeroizing<Vec<u8>>> {
        Record { key: [u64::MAX; 2], token: u64::MAX, until: u64::MAX, ask }.text()
    }

    #[test]
    fn every_request_has_one_length_and_no_line_feed_within() {
        let short = Request::Unassign { prefix: "10.0.0.1".to_owned(), interface: None, session: None };
        let longest = Request::Assign {
            prefix: "fd00:".repeat(8) + "/128",
            account: "%41".repeat(128),
            interface: Some("\u{1}".repeat(15)),
            session: Some(Connection { number: u32::MAX, is_renumbered: true }),
        };
        for ask in [short, longest] {
            let text = text(&ask).expect("it fits");
            assert_eq!((text.len(), text.iter().filter(|byte| **byte == b'\n').count()), (RECORD_BYTES, 2));
            let line = text.split(|byte| *byte == b'\n').find(|line| !line.is_empty()).expect("one");
            assert!(serde_json::from_slice::<Record>(line).is_ok_and(|read| read.token == u64::MAX));
        }
        let no_address = Request::Unassign { prefix: "1".repeat(1000), interface: None, session: None };
        assert!(text(&no_address).is_err(), "what is no address is not cut");
    }
}
