//! When the tap looks whether it still stands where it was put, and how often it puts itself back.
//!
//! The kernel tells of filters and qdiscs, not of tcx programs: so there is a look after each news, and
//! one at intervals. Depends on time and on the host's configuration alone, never on traffic. Holds
//! indices of interfaces.

use crate::clock::Stopwatch;
use std::collections::BTreeMap;
use std::time::Duration;

/// Between two looks: longer where there is much to look at, so that they cost the same.
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(30);
const FOR_EACH_INTERFACE: Duration = Duration::from_millis(20);

/// How long a slot that somebody emptied is left to him: who replaces a qdisc removes it first, and puts
/// his own there at once.
const YIELDED: Duration = Duration::from_millis(250);

/// Times that an interface is put in order one after the other, and how long one of them is remembered:
/// whoever insists more often is told of, and has his way meanwhile.
const TRIES: u32 = 5;
const TRY_REMEMBERED: Duration = Duration::from_secs(60);

/// When to look, and what is held back.
pub(super) struct Watch {
    looked: Stopwatch,
    /// Interfaces that are not attached for the time being: since when, and for how long.
    held: BTreeMap<u32, (Stopwatch, Duration)>,
    /// Tries of each interface that are not forgotten, and when the last one was made.
    tries: BTreeMap<u32, (Stopwatch, u32)>,
}

impl Watch {
    pub(super) fn new() -> Self {
        Self { looked: Stopwatch::start(), held: BTreeMap::new(), tries: BTreeMap::new() }
    }

    /// How long until something is due, with so many interfaces attached.
    pub(super) fn next(&self, interfaces: usize) -> Duration {
        let next = |begun: &Stopwatch, after: Duration| after.saturating_sub(begun.elapsed());
        let held = self.held.values().map(|(since, time)| next(since, *time)).min();
        let look = next(&self.looked, interval(interfaces));
        held.map_or(look, |held| held.min(look))
    }

    /// True when a look is due, which begins with this.
    pub(super) fn is_due(&mut self, interfaces: usize) -> bool {
        let is_due = self.looked.elapsed() >= interval(interfaces);
        if is_due {
            self.looked = Stopwatch::start();
        }
        is_due
    }

    /// Leaves an interface alone for a while.
    pub(super) fn hold(&mut self, index: u32, is_insisted: bool) {
        let time = if is_insisted { TRY_REMEMBERED } else { YIELDED };
        self.held.insert(index, (Stopwatch::start(), time));
    }

    /// True while an interface is left alone.
    pub(super) fn is_held(&self, index: u32) -> bool {
        self.held.contains_key(&index)
    }

    /// Ends what was held long enough; true when there was any.
    pub(super) fn release(&mut self) -> bool {
        let before = self.held.len();
        self.held.retain(|_, (since, time)| since.elapsed() < *time);
        self.held.len() < before
    }

    /// Whether an interface may be put in order once more; counts as a try when it may.
    pub(super) fn may_try(&mut self, index: u32) -> bool {
        self.tries.retain(|_, (last, _)| last.elapsed() < TRY_REMEMBERED);
        let (last, tries) = self.tries.entry(index).or_insert((Stopwatch::start(), 0));
        if *tries == TRIES {
            return false;
        }
        *last = Stopwatch::start();
        *tries += 1;
        true
    }
}

fn interval(interfaces: usize) -> Duration {
    let interfaces = u32::try_from(interfaces).unwrap_or(u32::MAX);
    FOR_EACH_INTERFACE.saturating_mul(interfaces).clamp(SHORTEST, LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_interfaces_are_looked_at_less_often() {
        assert_eq!(interval(0), SHORTEST);
        assert_eq!(interval(50), SHORTEST);
        assert_eq!(interval(200), Duration::from_secs(4));
        assert_eq!(interval(usize::MAX), LONGEST);
    }

    #[test]
    fn an_interface_is_put_in_order_a_few_times_and_then_left_alone() {
        let mut watch = Watch::new();
        assert!((0..TRIES).all(|_| watch.may_try(3)));
        assert!(!watch.may_try(3) && watch.may_try(4));
        watch.hold(3, true);
        watch.hold(5, false);
        assert!(watch.is_held(3) && watch.is_held(5) && !watch.is_held(4));
        assert!(watch.next(0) <= YIELDED && !watch.release());
        assert!(!watch.is_due(0) && watch.next(2000) <= LONGEST);
    }
}
