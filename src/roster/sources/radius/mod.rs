//! A RADIUS accounting server that keeps nothing but whose an address is: what VPN servers tell of their sessions in,
//! changes of the roster and answers out.
//!
//! `packet.rs` reads a request, `sessions.rs` keeps which session has which prefix. Who asks, and on which socket,
//! is the daemon's; nothing is logged here, since each request is a client that comes, goes or stays.

mod packet;
mod secret;
mod sessions;
#[cfg(test)]
mod tests;

pub use packet::PACKET_BYTES;
pub use secret::{GOOD_SECRET_BYTES, Secret};

use super::super::account::AccountName;
use super::super::address::Prefix;
use super::passed::Passed;
use crate::meter::tags::Tag;
use packet::{Request, Status, Unheard};
use sessions::{Last, Mark, Sessions};
use zeroize::Zeroizing;

/// Requests whose repetition is known as such: those of some seconds from a busy server.
const REPEATABLE: usize = 8192;

/// Sessions that have ended, of which a word that was late is not believed.
const ENDED: usize = 4096;

/// Which attribute names a client's account.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// User-Name.
    UserName,
    /// Class, which the server that lets clients in has chosen.
    Class,
}

/// Changes that the roster did not take.
#[derive(Default)]
pub struct Untaken(Vec<(Prefix, bool)>);

impl Untaken {
    /// One of them, and whether there is room for it.
    pub fn push(&mut self, prefix: Prefix, has_room: bool) {
        self.0.push((prefix, has_room));
    }
}

/// A sink of accounting requests.
pub struct Sink {
    /// Of the marks.
    key: Zeroizing<[u8; 32]>,
    sessions: Sessions,
    heard: Last,
    ended: Last,
    passed: Passed,
}

impl Sink {
    /// A sink that has heard nothing, with a random key for what it keeps.
    #[must_use]
    pub fn new(key: [u8; 32]) -> Self {
        Self {
            key: Zeroizing::new(key),
            sessions: Sessions::new(),
            heard: Last::new(REPEATABLE),
            ended: Last::new(ENDED),
            passed: Passed::default(),
        }
    }

    /// A datagram came; `sender` are the bytes of its source. Returns the answer, where there is to be one.
    ///
    /// Whoever has the secret is always answered: a VPN server that is not may turn its clients away.
    pub fn hear(
        &mut self,
        datagram: &[u8],
        sender: &[u8],
        secret: &Secret,
        naming: Naming,
        tag_of: impl Fn(&AccountName) -> Tag,
    ) -> Option<Zeroizing<Vec<u8>>> {
        let request = match Request::read(datagram, secret) {
            Ok(request) => request,
            Err(Unheard::Malformed) => {
                self.passed.malformed += 1;
                return None;
            }
            Err(Unheard::Stranger) => {
                self.passed.strangers += 1;
                return None;
            }
        };
        if self.heard.note(self.mark(&[b"request", sender, request.mark()])) {
            self.apply(&request, sender, naming, tag_of);
        }
        Some(request.answer(secret))
    }

    /// A request of nobody's, as one that comes is signed.
    #[must_use]
    pub fn rehearsal(secret: &Secret) -> Vec<u8> {
        packet::rehearsal(secret)
    }

    /// Does the work of a request, and keeps nothing of it: how long a request takes is then no sign of one.
    pub fn rehearse(&self, datagram: &[u8], secret: &Secret) {
        if let Ok(request) = Request::read(datagram, secret) {
            let mark = self.mark(&[b"request", &[0; 18], request.mark()]);
            std::hint::black_box((self.heard.has(mark), request.answer(secret)));
        }
    }

    /// What the roster is to be told, in order: whose a prefix is from now on.
    pub fn take_changes(&mut self) -> Vec<(Prefix, Option<Tag>)> {
        self.sessions.take_changes()
    }

    /// The roster did not take these.
    pub fn put_back(&mut self, untaken: &mut Untaken) {
        for (prefix, has_room) in untaken.0.drain(..) {
            self.passed.roomless += u64::from(!has_room);
            // Where there is no room it is tried again when the session says that it goes on.
            self.sessions.untold(prefix, has_room);
        }
    }

    /// What was passed over since the start.
    #[must_use]
    pub fn passed(&self) -> Passed {
        self.passed
    }

    fn apply(
        &mut self,
        request: &Request<'_>,
        sender: &[u8],
        naming: Naming,
        tag_of: impl Fn(&AccountName) -> Tag,
    ) {
        // A relay sends for many servers, and a server's address may be another each time.
        let (kind, name) = request.server();
        let source = if name.is_empty() { sender } else { name };
        let server = self.mark(&[b"server", &[kind], source]);
        let status = request.status();
        if status == Status::Restart {
            self.sessions.end_all(server);
            return;
        }
        let Some(name) = request.session() else {
            self.passed.malformed += 1;
            return;
        };
        let session = self.mark(&[b"session", &server.to_le_bytes(), name]);
        match status {
            Status::Stop => {
                let named = request.prefixes().filter_map(Result::ok);
                self.sessions.end(session, named);
                self.ended.note(session);
                return;
            }
            // A session's name comes again after a restart of its server.
            Status::Start if !request.is_late() => self.ended.forget(session),
            Status::Start | Status::Interim => {}
            Status::Restart | Status::Other => return,
        }
        if self.ended.has(session) {
            return;
        }
        let account = match naming {
            Naming::UserName => request.user_name(),
            Naming::Class => request.class(),
        };
        let Some(account) = account.and_then(|bytes| AccountName::of_bytes(bytes).ok()) else {
            self.passed.nameless += 1;
            return;
        };
        let account = tag_of(&account);
        for prefix in request.prefixes() {
            match prefix {
                Ok(prefix) if self.sessions.claim(session, server, prefix, account) => {}
                Ok(_) => self.passed.roomless += 1,
                Err(_) => self.passed.malformed += 1,
            }
        }
    }

    /// The mark of these parts.
    fn mark(&self, parts: &[&[u8]]) -> Mark {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
        }
        hasher.finalize().as_bytes().first_chunk().map_or(0, |half| u128::from_le_bytes(*half))
    }
}
