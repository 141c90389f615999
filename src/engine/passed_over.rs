//! What of the VPN servers' words was passed over, by source and part: noted as it happens, told as of the last close
//! and rounded up to a multiple of 8, since most of it follows connections.

use crate::roster::Source;
use crate::roster::sources::Passed;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Counts of each source.
#[derive(Default)]
pub struct PassedOver(Mutex<Counts>);

#[derive(Default)]
struct Counts {
    now: Vec<(Source, usize, Passed)>,
    latched: [Passed; Source::ALL.len()],
}

impl PassedOver {
    /// What of a part of a source was passed over.
    pub(super) fn note(&self, source: Source, part: usize, passed: Passed) {
        let mut counts = self.lock();
        let known = counts.now.iter_mut().find(|(of, at, _)| (*of, *at) == (source, part));
        match known {
            Some((.., known)) => *known = passed,
            None => counts.now.push((source, part, passed)),
        }
    }

    /// An epoch was closed.
    pub(super) fn latch(&self) {
        let mut counts = self.lock();
        let of = |source| {
            let parts = counts.now.iter().filter(|(of, ..)| *of == source);
            parts.fold(Passed::default(), |all, (.., passed)| all.and(*passed))
        };
        counts.latched = Source::ALL.map(of);
    }

    /// What is told of a source.
    #[must_use]
    pub fn told(&self, source: Source) -> Passed {
        self.lock().latched[source as usize].in_eights()
    }

    /// The lock cannot be poisoned, since a panic ends the process.
    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_told_before_the_close_and_then_in_eights() {
        let passed = PassedOver::default();
        let noted = Passed { nameless: 3, malformed: 0, strangers: 9, roomless: 16 };
        passed.note(Source::Radius, 0, noted);
        assert_eq!(passed.told(Source::Radius), Passed::default());
        passed.latch();
        let told = Passed { nameless: 8, malformed: 0, strangers: 16, roomless: 16 };
        assert_eq!((passed.told(Source::Radius), passed.told(Source::OpenVpn)), (told, Passed::default()));
        passed.note(Source::Radius, 0, noted.and(noted));
        assert_eq!(passed.told(Source::Radius), told);
        passed.note(Source::Radius, 1, noted);
        passed.latch();
        assert_eq!((passed.told(Source::Radius).strangers, passed.told(Source::Radius).nameless), (32, 16));
    }
}
