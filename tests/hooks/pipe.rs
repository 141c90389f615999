//! The hooks' pipe as its documents describe it (docs/operating.md), written by hand: a key and answers in one file,
//! requests of 1,024 bytes in the pipe.

use crate::daemon::Site;
use rustix::fs::{Mode, OFlags, open};
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;

/// One end of it.
pub(crate) struct Pipe {
    pub(crate) requests: File,
    answers: File,
    pub(crate) key: [u64; 2],
    last: u64,
}

impl Pipe {
    pub(crate) fn of(site: &Site) -> Self {
        let folder = site.path("control.hook");
        let flags = OFlags::WRONLY | OFlags::NONBLOCK;
        let requests = File::from(open(folder.join("requests"), flags, Mode::empty()).expect("a daemon"));
        let text = fs::read(folder.join("answers")).expect("it is there");
        let word = |at: usize| u64::from_le_bytes(text[at..at + 8].try_into().expect("eight bytes"));
        let answers = File::open(folder.join("answers")).expect("it is there");
        Self { requests, answers, key: [word(0), word(8)], last: 0 }
    }

    /// A request, and what its answer is known by.
    pub(crate) fn record(&mut self, ask: &str) -> (Vec<u8>, u64) {
        self.last += 8;
        let (key, token) = (self.key, self.last);
        let until = u64::MAX;
        let text = format!(r#"{{"key":{key:?},"token":{token},"until":{until},"ask":{ask}}}"#);
        (format!("\n{text:<1022}\n").into_bytes(), token)
    }

    /// Writes a request; gives what its answer is known by.
    pub(crate) fn ask(&mut self, ask: &str) -> io::Result<u64> {
        let (record, token) = self.record(ask);
        self.requests.write_all(&record)?;
        Ok(token)
    }

    /// The code of an answer that stands there.
    pub(crate) fn told(&self, token: u64) -> Option<u64> {
        let mut text = vec![0; 16 + 8 * 1024];
        self.answers.read_exact_at(&mut text, 0).expect("it has one length");
        let words =
            text[16..].chunks_exact(8).map(|word| u64::from_le_bytes(word.try_into().expect("eight")));
        words.into_iter().find(|word| *word & !7 == token && *word != 0).map(|word| word & 7)
    }
}
