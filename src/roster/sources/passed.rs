//! What of a source's words was passed over, by reason: numbers alone.

/// Counts by reason. Of a source that is asked, of its last answers; of one that tells by itself, since the start.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Passed {
    /// Peers, rows or requests without an account, or whose name no account can have.
    pub nameless: u64,
    /// What is not as it must be.
    pub malformed: u64,
    /// Requests that are signed with another secret.
    pub strangers: u64,
    /// Prefixes that there was no room for.
    pub roomless: u64,
}

impl Passed {
    /// Each reason, with its count.
    #[must_use]
    pub const fn by_reason(self) -> [(&'static str, u64); 4] {
        [
            ("without an account", self.nameless),
            ("not understood", self.malformed),
            ("signed with another secret", self.strangers),
            ("no room in the roster", self.roomless),
        ]
    }

    /// Both together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self {
            nameless: self.nameless + other.nameless,
            malformed: self.malformed + other.malformed,
            strangers: self.strangers + other.strangers,
            roomless: self.roomless + other.roomless,
        }
    }

    /// Each count rounded up to a multiple of 8, since they follow connections (privacy: L27).
    #[must_use]
    pub const fn in_eights(self) -> Self {
        Self {
            nameless: self.nameless.next_multiple_of(8),
            malformed: self.malformed.next_multiple_of(8),
            strangers: self.strangers.next_multiple_of(8),
            roomless: self.roomless.next_multiple_of(8),
        }
    }
}
