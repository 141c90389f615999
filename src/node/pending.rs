//! Requests that wait for a second officer's word: a tag each, what is wanted, who asks, and the day.
//!
//! Whether two ids are one person is the caller's to say. No account name, no time finer than the day.

use super::audit::Reason;
use crate::meter::tags::Tag;

/// A request ends on the day so many days after the one on which it was asked, approved or not.
pub const DAYS: u64 = 7;

/// Room for requests.
pub const ROOM: usize = 64;

/// Requests of one officer that may wait.
pub const OF_AN_OFFICER: usize = 16;

/// What is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// An export of an account, with the open epoch or without.
    Export {
        /// Whether the open epoch is wanted.
        open_epoch: bool,
    },
    /// An export of the node's totals.
    ExportNode,
    /// A correction to so many bytes.
    Correct {
        /// Sent by the account.
        up: u64,
        /// Received by it.
        down: u64,
        /// Why.
        reason: Reason,
        /// Over the whole fleet.
        fleet: bool,
    },
    /// An erasure.
    Erase,
}

/// A request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Pending {
    /// Its number.
    pub id: u32,
    /// Who asks.
    pub who: u32,
    /// Of which account; the tag of none for the node.
    pub tag: Tag,
    /// What.
    pub wanted: Wanted,
    /// The day on which it was asked, in days since 1970-01-01.
    pub day: u64,
    /// Whether a second officer gave the word.
    pub approved: bool,
}

/// Why nothing more may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{OF_AN_OFFICER} requests of one officer, or {ROOM} of all, wait for a second officer already; have them approved first"
)]
pub struct Full;

/// The requests, the oldest first.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Requests {
    /// The number of the last one.
    pub last: u32,
    /// The requests.
    pub all: Vec<Pending>,
}

impl Requests {
    /// Forgets what has ended on this day, and what a clock that was ahead has left.
    pub fn observe(&mut self, today: u64) {
        self.all.retain(|request| request.day.abs_diff(today) < DAYS);
    }

    /// The request of this officer that is the same; a new one where there is none.
    ///
    /// # Errors
    /// When there is no room for it.
    pub fn ask(&mut self, who: u32, tag: Tag, wanted: Wanted, today: u64) -> Result<Pending, Full> {
        if let Some(found) = self.find(who, tag, wanted) {
            return Ok(self.all[found]);
        }
        let own = self.all.iter().filter(|request| request.who == who).count();
        if own >= OF_AN_OFFICER || self.all.len() >= ROOM {
            return Err(Full);
        }
        self.last = self.last.wrapping_add(1);
        let request = Pending { id: self.last, who, tag, wanted, day: today, approved: false };
        self.all.push(request);
        Ok(request)
    }

    /// The word is given; false where there is no such request.
    pub fn approve(&mut self, id: u32) -> bool {
        let found = self.all.iter_mut().find(|request| request.id == id);
        found.map(|request| request.approved = true).is_some()
    }

    /// The request was answered.
    pub fn fetched(&mut self, who: u32, tag: Tag, wanted: Wanted) {
        if let Some(found) = self.find(who, tag, wanted) {
            self.all.remove(found);
        }
    }

    fn find(&self, who: u32, tag: Tag, wanted: Wanted) -> Option<usize> {
        self.all.iter().position(|at| at.who == who && at.tag == tag && at.wanted == wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_waits_once_and_ends_after_a_week() {
        let mut requests = Requests::default();
        let ask = |requests: &mut Requests, who, tag| {
            requests.ask(who, Tag([tag; 16]), Wanted::Erase, 100).expect("there is room").id
        };
        let first = ask(&mut requests, 7, 1);
        assert_eq!(ask(&mut requests, 7, 1), first, "asked again, it is the same");
        assert!(ask(&mut requests, 8, 1) != first && ask(&mut requests, 7, 2) != first);
        assert!(requests.approve(first) && !requests.approve(99));
        assert!(requests.ask(7, Tag([1; 16]), Wanted::Erase, 100).is_ok_and(|request| request.approved));
        requests.fetched(7, Tag([1; 16]), Wanted::Erase);
        assert!(ask(&mut requests, 7, 1) != first, "what was fetched is asked anew");
        requests.observe(100 + DAYS - 1);
        assert_eq!(requests.all.len(), 3);
        requests.observe(100 + DAYS);
        assert!(requests.all.is_empty());
    }

    #[test]
    fn no_officer_takes_all_the_room() {
        let mut requests = Requests::default();
        for at in 0..=OF_AN_OFFICER {
            let tag = Tag([u8::try_from(at).expect("few"); 16]);
            let asked = requests.ask(7, tag, Wanted::Erase, 100);
            assert_eq!(asked.is_ok(), at < OF_AN_OFFICER);
        }
        assert!(requests.ask(8, Tag([1; 16]), Wanted::Erase, 100).is_ok());
    }
}
