//! What the load is known by: the probe account's name and addresses, and what else the auditor lists. The search for
//! all of them at once, and the texts without them.
//!
//! Says nothing of which needle was found, since a report names none.
#![expect(clippy::disallowed_types, reason = "the auditor's own needles become bytes as a packet has them")]

use super::super::input;
use crate::config::Config;
use crate::exit::{ExitError, ExitStatus};
use crate::roster::{csv, place::Place};
use aho_corasick::AhoCorasick;
use std::net::IpAddr;
use std::path::Path;
use zeroize::Zeroizing;

/// Shorter texts stand in memory by chance.
const SHORTEST: usize = 6;

/// The needles.
pub(super) struct Needles {
    /// As text: nowhere, at any time.
    texts: Vec<Zeroizing<String>>,
    /// Remote addresses as a packet has them; four bytes may stand somewhere by chance, so that only more of them
    /// after the load than before say something.
    bytes: Vec<Vec<u8>>,
    finder: Option<AhoCorasick>,
    /// Why the probe account gives none, or not all.
    pub(super) missing: Option<&'static str>,
    /// How many lines of the list were too short to be looked for.
    pub(super) short: usize,
}

/// How often needles were found.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) texts: u64,
    pub(super) bytes: u64,
}

impl Needles {
    /// Those of the probe account, and the lines of a file.
    ///
    /// # Errors
    /// A file that cannot be read (74).
    pub(super) fn of(config: &Config, list: Option<&Path>) -> Result<Self, ExitError> {
        let (mut texts, mut bytes) = (Vec::new(), Vec::new());
        let missing = match &config.probe_account {
            None => Some("roster.probe_account names no account"),
            Some(probe) => {
                let own = addresses(config, probe.reveal());
                let missing = match (probe.reveal().len() < SHORTEST, own.is_empty()) {
                    (true, _) => Some("the probe account's name is shorter than six signs"),
                    (_, true) => Some("the roster file gives the probe account no address"),
                    _ => None,
                };
                texts.extend(own);
                texts.push(Zeroizing::new(probe.reveal().to_owned()));
                missing
            }
        };
        if let Some(path) = list {
            let read = if path == Path::new(input::STANDARD_INPUT) {
                input::whole()?
            } else {
                let read = std::fs::read(path).map(Zeroizing::new);
                read.map_err(|error| {
                    ExitError::new(ExitStatus::Io, format!("{}: cannot be read: {error}", path.display()))
                })?
            };
            for line in String::from_utf8_lossy(&read).lines().map(str::trim).filter(|line| !line.is_empty())
            {
                match line.parse() {
                    Ok(IpAddr::V4(address)) => bytes.push(address.octets().to_vec()),
                    Ok(IpAddr::V6(address)) => bytes.push(address.octets().to_vec()),
                    Err(_) => {}
                }
                texts.push(Zeroizing::new(line.to_owned()));
            }
        }
        let listed = texts.len();
        texts.retain(|text| text.len() >= SHORTEST);
        let is_probe_short =
            config.probe_account.as_ref().is_some_and(|probe| probe.reveal().len() < SHORTEST);
        let short = listed - texts.len() - usize::from(is_probe_short);
        let patterns = texts.iter().map(|text| text.as_bytes()).chain(bytes.iter().map(Vec::as_slice));
        // None of no pattern, and of more than an automaton holds.
        let finder = AhoCorasick::new(patterns).ok().filter(|_| !texts.is_empty());
        Ok(Self { texts, bytes, finder, missing, short })
    }

    /// How many texts and addresses there are.
    pub(super) fn count(&self) -> [usize; 2] {
        [self.texts.len(), self.bytes.len()]
    }

    /// How often needles stand in these bytes.
    pub(super) fn found(&self, haystack: &[u8]) -> Found {
        let mut found = Found::default();
        for hit in self.finder.iter().flat_map(|finder| finder.find_overlapping_iter(haystack)) {
            if hit.pattern().as_usize() < self.texts.len() { found.texts += 1 } else { found.bytes += 1 }
        }
        found
    }

    /// Bytes of the longest needle.
    pub(super) fn longest(&self) -> usize {
        self.texts.iter().map(|text| text.len()).chain([16]).max().unwrap_or(16)
    }

    /// A text with another word in each needle's place.
    pub(super) fn without(&self, text: &str) -> String {
        self.texts.iter().fold(text.to_owned(), |text, needle| text.replace(needle.as_str(), "(a needle)"))
    }
}

/// The single addresses of an account in the roster file, as they stand there.
fn addresses(config: &Config, account: &str) -> Vec<Zeroizing<String>> {
    let Some(text) =
        config.roster_file.as_ref().and_then(|path| std::fs::read(path).ok()).map(Zeroizing::new)
    else {
        return Vec::new();
    };
    let mut lines = Vec::new();
    // What is wrong with the file, `check` says; on which interface a row holds does not matter here.
    let _ = csv::read(
        &text,
        |_| Ok(Place::ANY),
        |row| {
            if row.account.reveal() == account && row.prefix.is_host() {
                lines.push(row.line);
            }
        },
    );
    let text = Zeroizing::new(String::from_utf8_lossy(&text).into_owned());
    let field = |line: usize| {
        let field = text.lines().nth(line.checked_sub(1)?)?.split(',').next()?;
        let address = field.trim().trim_matches('"').split('/').next()?;
        Some(Zeroizing::new(address.to_owned()))
    };
    lines.into_iter().filter_map(field).collect()
}
