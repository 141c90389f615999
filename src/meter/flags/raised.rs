//! When a flag is raised, for how long it is shown, and when it may be raised again: one byte for each kind.
//!
//! Counts epochs, and knows no time. What is kept says nothing finer than the epoch.

/// Epochs that are told apart; more is "long ago".
const LONG_AGO: u8 = 31;
/// A flag is shown for this many epochs at least.
const SHOWN_AT_LEAST: u8 = 7;
/// After as many active epochs with a low score, it is no longer shown.
const LOW_EPOCHS: u8 = 2;
/// A score below this share of the threshold is low.
const LOW_SHARE: f64 = 0.6;

/// Of one kind of flag: epochs since it was raised (bits 0 to 4), whether it is shown (bit 5), and how many low
/// active epochs went by (bits 6 and 7).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Raised(u8);

impl Raised {
    /// Not raised yet.
    pub const NEVER: Self = Self(LONG_AGO);

    /// Raised in this epoch.
    pub const IN_THIS_EPOCH: Self = Self(Self::SHOWN);

    const SHOWN: u8 = 1 << 5;
    const LOW_SHIFT: u32 = 6;

    /// True in the epoch in which it is raised.
    #[must_use]
    pub const fn is_new(self) -> bool {
        self.is_shown() && self.epochs_since() == 0
    }

    /// The byte, for the store.
    #[must_use]
    pub const fn byte(self) -> u8 {
        self.0
    }

    /// What a byte of the store says.
    #[must_use]
    pub const fn of_byte(byte: u8) -> Self {
        Self(byte)
    }

    /// Epochs since it was raised, up to 31.
    #[must_use]
    pub const fn epochs_since(self) -> u8 {
        self.0 & LONG_AGO
    }

    /// True while it is shown.
    #[must_use]
    pub const fn is_shown(self) -> bool {
        self.0 & Self::SHOWN != 0
    }

    /// One epoch later.
    #[must_use]
    pub const fn aged(self) -> Self {
        if self.epochs_since() == LONG_AGO { self } else { Self(self.0 + 1) }
    }

    /// After an active epoch in which it was not raised: two low ones in a row end it.
    #[must_use]
    pub fn after(self, score: Option<f64>, threshold: f64) -> Self {
        if !self.is_shown() {
            return self;
        }
        let is_low = score.is_none_or(|score| score < LOW_SHARE * threshold);
        let low = if is_low { ((self.0 >> Self::LOW_SHIFT) + 1).min(LOW_EPOCHS) } else { 0 };
        if low == LOW_EPOCHS && self.epochs_since() >= SHOWN_AT_LEAST {
            return Self(self.epochs_since());
        }
        Self(self.epochs_since() | Self::SHOWN | low << Self::LOW_SHIFT)
    }
}
