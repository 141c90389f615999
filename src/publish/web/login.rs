//! Log-in by name and password (RFC 7617): who may see the pages.
//!
//! Holds no name and no password: names are keyed digests, and so are the one right credential of each
//! name and the last few wrong ones. What guessing can cost the node is bounded: one check at a time,
//! and a pause after each that failed.

use super::file::User;
use crate::clock::{Stopwatch, sleep};
use crate::environment;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use zeroize::{Zeroize, Zeroizing};

/// Checks at a time.
const CHECKS: usize = 1;

/// Log-ins that wait for a check even if their connections are closed; further ones wait for a place as
/// long as their connections last.
const PLACES: usize = 16;

/// Failed credentials that are remembered.
const FAILED: usize = 16;

/// After a failed check, nothing is checked for this many times as long as it took: guessing gets at
/// most a quarter of one processor.
const PAUSE: u32 = 3;

/// For work whose result is thrown away.
const SALT: [u8; 16] = *b"the same for all";

/// Under which name a request was admitted. Goes with the request and no further.
#[derive(Clone)]
pub struct LogInName(pub Zeroizing<String>);

/// A keyed digest.
type Digest = [u8; 32];

/// Who may log in.
pub(super) struct LogIn {
    key: Digest,
    rows: Vec<Row>,
    /// The highest cost of a row: what each check costs.
    cost: u32,
    places: Arc<Semaphore>,
    turns: Arc<Semaphore>,
    /// The last failed credentials, so that a scraper with a wrong password also costs only one check.
    failed: Mutex<VecDeque<Digest>>,
}

struct Row {
    name: Digest,
    hash: Zeroizing<String>,
    /// The credential that was right, so that a scraper costs one check, not one per scrape.
    proven: Mutex<Option<Digest>>,
}

/// The credential of a request; wiped when the request ends.
struct Credential {
    text: Zeroizing<Vec<u8>>,
    colon: usize,
}

impl LogIn {
    /// Log-ins of these users; none without users.
    ///
    /// Takes over from the log-ins before a reload: what was proven stays proven for a name whose hash
    /// is unchanged, and a check under way keeps its turn.
    pub(super) fn of(users: &[User], before: Option<&Self>) -> Option<Self> {
        let key = before.map_or_else(random_key, |before| before.key);
        let row = |user: &User| {
            let (name, hash) = (name_digest(&key, user.name.as_bytes()), user.hash.clone());
            let same = |old: &&Row| old.name == name && old.hash == hash;
            let proven = before.and_then(|before| before.rows.iter().find(same)).and_then(Row::proven);
            Row { name, hash, proven: Mutex::new(proven) }
        };
        let rows: Vec<Row> = users.iter().map(row).collect();
        let cost = rows.iter().map(|row| cost_of(&row.hash)).max()?;
        let (places, turns) = match before {
            None => (Arc::new(Semaphore::new(PLACES)), Arc::new(Semaphore::new(CHECKS))),
            Some(before) => (Arc::clone(&before.places), Arc::clone(&before.turns)),
        };
        // What failed before may be right in the new file.
        Some(Self { key, rows, cost, places, turns, failed: Mutex::default() })
    }

    /// How many may log in.
    pub(super) fn users(&self) -> usize {
        self.rows.len()
    }

    /// Who asks with these headers; none for whom is not admitted.
    pub(super) async fn admits(self: &Arc<Self>, headers: &HeaderMap) -> Option<LogInName> {
        let credential = Credential::read(headers)?;
        let name = LogInName(String::from_utf8_lossy(credential.name()).into_owned().into());
        self.is_right(credential).await.then_some(name)
    }

    async fn is_right(self: &Arc<Self>, credential: Credential) -> bool {
        let proof = self.proof(&credential);
        if let Some(is_right) = self.known(&credential, &proof) {
            return is_right;
        }
        let Ok(place) = Arc::clone(&self.places).acquire_owned().await else { return false };
        let (answer, answered) = oneshot::channel();
        // A separate task: closing the connection gives back neither the place nor the turn. A scraper
        // that gave up finds its log-in known when it returns.
        tokio::spawn(Arc::clone(self).check_in_turn(credential, proof, answer, place));
        answered.await.unwrap_or(false)
    }

    async fn check_in_turn(
        self: Arc<Self>,
        credential: Credential,
        proof: Digest,
        answer: oneshot::Sender<bool>,
        place: OwnedSemaphorePermit,
    ) {
        let Ok(turn) = self.turns.acquire().await else { return };
        let mut rest = Duration::ZERO;
        // The same credential may have been checked while this one waited.
        let is_right = match self.known(&credential, &proof) {
            Some(is_right) => is_right,
            None => {
                let (log_in, stopwatch) = (Arc::clone(&self), Stopwatch::start());
                let check = tokio::task::spawn_blocking(move || log_in.check(&credential, proof));
                // A check that panicked has ended the process already.
                let is_right = check.await.unwrap_or(false);
                if !is_right {
                    rest = stopwatch.elapsed() * PAUSE;
                }
                is_right
            }
        };
        // The client may be gone.
        let _ = answer.send(is_right);
        sleep(rest).await;
        drop((turn, place));
    }

    /// What is known about a credential without checking it.
    fn known(&self, credential: &Credential, proof: &Digest) -> Option<bool> {
        let proven = self.row(credential).and_then(Row::proven);
        if proven.is_some_and(|proven| proven.ct_eq(proof).into()) {
            return Some(true);
        }
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.iter().any(|failed| failed.ct_eq(proof).into()).then_some(false)
    }

    /// The row of a name, found in constant time.
    fn row(&self, credential: &Credential) -> Option<&Row> {
        let name = name_digest(&self.key, credential.name());
        let (mut found, mut at) = (Choice::from(0), 0_u32);
        for (index, row) in (0_u32..).zip(&self.rows) {
            let same = row.name.ct_eq(&name);
            at.conditional_assign(&index, same);
            found |= same;
        }
        self.rows.get(at as usize).filter(|_| bool::from(found))
    }

    /// The same work for every name and password: an unknown name costs as much as the highest cost, and
    /// a lower cost is made up for, since 2^c plus the powers from 2^c to 2^(highest - 1) is 2^highest.
    fn check(&self, credential: &Credential, proof: Digest) -> bool {
        let row = self.row(credential);
        let password = credential.password();
        let (matches, more) = match row {
            // Hashes were parsed when they were read.
            Some(row) => {
                (bcrypt::verify(password, &row.hash).unwrap_or(false), cost_of(&row.hash)..self.cost)
            }
            None => (false, self.cost..self.cost + 1),
        };
        for cost in more {
            let _ = std::hint::black_box(bcrypt::hash_with_salt(password, cost, SALT));
        }
        let Some(row) = row.filter(|_| matches) else {
            let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
            failed.truncate(FAILED - 1);
            failed.push_front(proof);
            return false;
        };
        *row.proven.lock().unwrap_or_else(PoisonError::into_inner) = Some(proof);
        true
    }

    fn proof(&self, credential: &Credential) -> Digest {
        keyed(&self.key, b"credential", &credential.text)
    }
}

impl Row {
    fn proven(&self) -> Option<Digest> {
        *self.proven.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for LogIn {
    fn drop(&mut self) {
        self.key.zeroize();
    }
}

/// The cost in a hash; hashes were parsed when they were read.
fn cost_of(hash: &str) -> u32 {
    hash.get(4..6).and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

fn random_key() -> Digest {
    let mut key = [0; 32];
    for half in key.chunks_exact_mut(16) {
        half.copy_from_slice(&environment::identity(&mut environment::SystemRandomness));
    }
    key
}

fn name_digest(key: &Digest, name: &[u8]) -> Digest {
    keyed(key, b"name", name)
}

fn keyed(key: &Digest, what: &[u8], bytes: &[u8]) -> Digest {
    let mut hasher = blake3::Hasher::new_keyed(key);
    // The prefix and its length separate the two kinds.
    hasher.update(&[u8::try_from(what.len()).unwrap_or(u8::MAX)]).update(what).update(bytes);
    let digest = hasher.finalize().into();
    hasher.zeroize();
    digest
}

impl Credential {
    /// # Source
    /// RFC 7617, section 2: `Basic`, base64 of name, colon, password; no control characters.
    fn read(headers: &HeaderMap) -> Option<Self> {
        let mut all = headers.get_all(AUTHORIZATION).iter();
        let (header, None) = (all.next()?, all.next()) else { return None };
        let (scheme, rest) = header.as_bytes().split_at_checked(6)?;
        if !scheme.eq_ignore_ascii_case(b"Basic ") {
            return None;
        }
        let text = Zeroizing::new(BASE64_STANDARD.decode(rest.trim_ascii()).ok()?);
        if text.iter().any(u8::is_ascii_control) {
            return None;
        }
        let colon = text.iter().position(|byte| *byte == b':')?;
        Some(Self { text, colon })
    }

    fn name(&self) -> &[u8] {
        &self.text[..self.colon]
    }

    fn password(&self) -> &[u8] {
        &self.text[self.colon + 1..]
    }
}

#[cfg(test)]
mod tests;
