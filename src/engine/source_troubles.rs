//! What clients bring about of a VPN server's source (no room for all of them, or more coming and going than can be
//! read): told at the closes of epochs, in the log and as the source's state, and at the start what a start finds.
//!
//! When it begins or ends is a client's coming or going, and nobody is to see it, as with devices that a glob matches.
//! Of a source one part and one reason are said. Holds no address and no account.

use crate::log::{Event, emit};
use crate::roster::Source;
use crate::roster::sources::Unread;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The troubles of each source.
#[derive(Default)]
pub(super) struct SourceTroubles(Mutex<Vec<OfSource>>);

/// Those of one source.
struct OfSource {
    source: Source,
    /// Its parts answer, as far as that is the servers' doing.
    is_up: bool,
    parts: Vec<OfPart>,
    /// The part that is said to be in trouble.
    told: Option<String>,
}

/// Those of one part.
struct OfPart {
    name: String,
    now: Option<Arc<Unread>>,
    /// One of the time since the last close.
    since: Option<Arc<Unread>>,
}

impl SourceTroubles {
    /// What became of a part's word; whether the source is to be shown as up. A part's first word is the start's.
    pub(super) fn note(
        &self,
        source: Source,
        is_up: bool,
        part: &str,
        trouble: Option<Unread>,
        is_first: bool,
    ) -> bool {
        let mut all = self.lock();
        let at = all.iter().position(|known| known.source == source).unwrap_or_else(|| {
            all.push(OfSource { source, is_up, parts: Vec::new(), told: None });
            all.len() - 1
        });
        let known = &mut all[at];
        known.is_up = is_up;
        known.note(part, trouble.map(Arc::new));
        if is_first {
            known.tell();
        }
        known.is_shown_up()
    }

    /// An epoch was closed: says what is news. Gives which sources are to be shown as up.
    pub(super) fn at_close(&self) -> Vec<(Source, bool)> {
        let mut all = self.lock();
        for known in all.iter_mut() {
            known.tell();
            known.parts.iter_mut().for_each(|part| part.since = part.now.clone());
        }
        all.iter().map(|known| (known.source, known.is_shown_up())).collect()
    }

    /// The lock cannot be poisoned, since a panic ends the process.
    fn lock(&self) -> MutexGuard<'_, Vec<OfSource>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OfSource {
    fn note(&mut self, name: &str, now: Option<Arc<Unread>>) {
        match self.parts.iter_mut().find(|part| part.name == name) {
            Some(part) => {
                part.since = now.clone().or_else(|| part.since.take());
                part.now = now;
            }
            None => self.parts.push(OfPart { name: name.to_owned(), since: now.clone(), now }),
        }
    }

    fn tell(&mut self) {
        let troubled = self.parts.iter().find_map(|part| Some((&part.name, part.since.as_ref()?)));
        match (troubled, self.told.take()) {
            (None, None) => {}
            (None, Some(part)) => emit(&Event::SourceBack(self.source.word(), &part)),
            (Some(_), Some(part)) => self.told = Some(part),
            (Some((part, why)), None) => {
                emit(&Event::SourceLost(self.source.word(), part, why));
                self.told = Some(part.clone());
            }
        }
    }

    fn is_shown_up(&self) -> bool {
        self.is_up && self.told.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::roster::RosterError;

    const SOURCE: Source = Source::WireGuard;

    fn full() -> Option<Unread> {
        Some(Unread::NoRoom(RosterError::CapacityExceeded { capacity: 8 }))
    }

    #[test]
    fn of_what_clients_bring_about_nothing_shows_before_the_close() {
        let troubles = SourceTroubles::default();
        let note = |trouble| troubles.note(SOURCE, true, "wg0", trouble, false);
        assert!(troubles.note(SOURCE, true, "wg0", None, true));
        assert!(note(full()) && note(None) && note(Some(Unread::Unstable)) && note(None), "as it was");
        assert!(troubles.at_close() == [(SOURCE, false)], "there was some in the epoch");
        assert!(!note(None), "until the next close");
        assert!(troubles.at_close() == [(SOURCE, true)]);
        // One that lasts is told at every close, however seldom the part is asked.
        assert!(note(full()));
        assert!(troubles.at_close() == [(SOURCE, false)] && troubles.at_close() == [(SOURCE, false)]);
    }

    #[test]
    fn what_a_start_finds_is_told_at_once_and_what_servers_do_is_seen_at_any_time() {
        let troubles = SourceTroubles::default();
        assert!(!troubles.note(SOURCE, true, "wg0", full(), true));
        assert!(!troubles.note(SOURCE, true, "wg0", None, false), "its end is a client's");
        assert!(troubles.at_close() == [(SOURCE, false)] && troubles.at_close() == [(SOURCE, true)]);
        assert!(
            !troubles.note(SOURCE, false, "wg0", None, false)
                && troubles.note(SOURCE, true, "wg0", None, false)
        );
    }
}
