//! What staff did, for the privacy role: who, what kind, how often, why in a word, on which day.
//!
//! Never of which account, and no time finer than the day. Entries are sorted, so that their order tells nothing of
//! a day, and take the same room at rest however many there are.

/// For so many days an entry is kept.
pub const KEPT_DAYS: u64 = 28;

/// Room for entries; beyond it the oldest look-ups go, and after them the oldest of all.
pub const ENTRIES: usize = 2048;

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Deed {
    /// A look-up of an account's band.
    Show,
    /// An export of an account's totals.
    Export,
    /// An export of the node's.
    ExportNode,
    /// A correction.
    Correct,
    /// An erasure.
    Erase,
    /// A second officer's word.
    Approve,
}

impl Deed {
    /// Each, in the order of their numbers.
    pub const ALL: [Self; 6] =
        [Self::Show, Self::Export, Self::ExportNode, Self::Correct, Self::Erase, Self::Approve];

    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Show => "show",
            Self::Export => "export",
            Self::ExportNode => "export-node",
            Self::Correct => "correct",
            Self::Erase => "erase",
            Self::Approve => "approve",
        }
    }

    /// The number at rest.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The deed of a number; a look-up for one that is none's.
    #[must_use]
    pub fn of_number(number: u8) -> Self {
        Self::ALL.get(usize::from(number)).copied().unwrap_or(Self::Show)
    }
}

/// Why totals are corrected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// Traffic of somebody else was charged.
    Misattributed,
    /// The node counted wrong.
    Miscounted,
    /// The account holder disputes the figure, and nobody can show it.
    Disputed,
    /// Anything else.
    Other,
}

impl Reason {
    /// Each, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Misattributed, Self::Miscounted, Self::Disputed, Self::Other];

    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Misattributed => "misattributed",
            Self::Miscounted => "miscounted",
            Self::Disputed => "disputed",
            Self::Other => "other",
        }
    }

    /// The reason of a word.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.word() == word)
    }

    /// The number at rest; 0 stands for none.
    #[must_use]
    pub fn number(reason: Option<Self>) -> u8 {
        reason.map_or(0, |reason| reason as u8 + 1)
    }

    /// The reason of a number.
    #[must_use]
    pub fn of_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number).checked_sub(1)?).copied()
    }
}

/// So often one member of staff did one thing on one day.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Days since 1970-01-01.
    pub day: u64,
    /// User id, or what stands for a log-in name.
    pub who: u32,
    /// What.
    pub deed: Deed,
    /// Why; of corrections alone.
    pub reason: Option<Reason>,
    /// How often.
    pub count: u16,
}

impl Entry {
    fn key(&self) -> (u64, u32, Deed, Option<Reason>) {
        (self.day, self.who, self.deed, self.reason)
    }
}

/// The entries, sorted by day, and within a day by who and what.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Audit {
    entries: Vec<Entry>,
}

impl Audit {
    /// What was kept.
    #[must_use]
    pub fn resumed(mut entries: Vec<Entry>) -> Self {
        entries.sort_by_key(Entry::key);
        Self { entries }
    }

    /// The entries.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Notes a deed.
    pub fn note(&mut self, day: u64, who: u32, deed: Deed, reason: Option<Reason>) {
        let new = Entry { day, who, deed, reason, count: 1 };
        match self.entries.binary_search_by_key(&new.key(), Entry::key) {
            Ok(at) => self.entries[at].count = self.entries[at].count.saturating_add(1),
            Err(at) => self.entries.insert(at, new),
        }
        if self.entries.len() > ENTRIES {
            let look_up = self.entries.iter().position(|entry| entry.deed == Deed::Show);
            self.entries.remove(look_up.unwrap_or(0));
        }
    }

    /// Forgets what is older than [`KEPT_DAYS`] on this day, and what a clock that was far ahead has left.
    pub fn observe(&mut self, today: u64) {
        self.entries.retain(|entry| entry.day.abs_diff(today) < KEPT_DAYS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deeds_of_a_day_are_one_entry_and_go_after_four_weeks() {
        let mut audit = Audit::default();
        for _ in 0..3 {
            audit.note(100, 7, Deed::Export, None);
        }
        audit.note(100, 7, Deed::Correct, Some(Reason::Disputed));
        audit.note(99, 8, Deed::Show, None);
        let of = |audit: &Audit| {
            audit.entries().iter().map(|entry| (entry.day, entry.who, entry.count)).collect::<Vec<_>>()
        };
        assert_eq!(of(&audit), [(99, 8, 1), (100, 7, 3), (100, 7, 1)]);
        audit.observe(99 + KEPT_DAYS);
        assert_eq!(of(&audit), [(100, 7, 3), (100, 7, 1)]);
        audit.observe(100 + KEPT_DAYS);
        assert!(audit.entries().is_empty());
    }

    #[test]
    fn there_is_room_for_so_many_entries_and_the_oldest_look_ups_go_first() {
        let mut audit = Audit::default();
        let who = |at: usize| u32::try_from(at).expect("small");
        audit.note(0, 7, Deed::Export, None);
        (1..=ENTRIES).for_each(|at| audit.note(at as u64, who(at), Deed::Show, None));
        assert_eq!(audit.entries().len(), ENTRIES);
        assert_eq!(audit.entries()[..2].iter().map(|entry| entry.day).collect::<Vec<_>>(), [0, 2]);
        (1..=ENTRIES).for_each(|at| audit.note(at as u64, who(at), Deed::Erase, None));
        assert_eq!(audit.entries().len(), ENTRIES);
        assert_eq!(audit.entries()[0].day, 1, "where no look-up is left");
    }

    #[test]
    fn numbers_at_rest_come_back_as_what_they_were() {
        for deed in Deed::ALL {
            assert_eq!(Deed::of_number(deed.number()), deed);
        }
        for reason in Reason::ALL.into_iter().map(Some).chain([None]) {
            assert_eq!(Reason::of_number(Reason::number(reason)), reason);
        }
    }
}
