//! The kinds of irregularity that an account is flagged with, and the list that each belongs to.
//!
//! Holds names and no account.

/// A kind of irregularity.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Far above the usual volume of the node's accounts.
    Heavy,
    /// Very many small packets with few answers.
    PacketFlood,
    /// Sends, and gets next to nothing back.
    Stall,
    /// Two days or more far above its own usual volume.
    Surge,
    /// Unlike itself in a way that has no name.
    Unusual,
    /// Raised uploads for many epochs in a row.
    UploadDrift,
    /// Sends much more than it usually does, and more than it receives.
    Upload,
}

/// What follows from a flag.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum List {
    /// Support writes to the user.
    Contact,
    /// Shown when somebody asks about the account, and never a reason to write.
    Information,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::Heavy,
        Self::PacketFlood,
        Self::Stall,
        Self::Surge,
        Self::Unusual,
        Self::UploadDrift,
        Self::Upload,
    ];

    /// The position in [`Kind::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The name in reports and series.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Heavy => "heavy",
            Self::PacketFlood => "pktflood",
            Self::Stall => "stall",
            Self::Surge => "surge",
            Self::Unusual => "unusual",
            Self::UploadDrift => "updrift",
            Self::Upload => "upload",
        }
    }

    /// Every kind, the most severe first; those of the contact list come before the others.
    pub const BY_SEVERITY: [Self; 7] = [
        Self::PacketFlood,
        Self::Stall,
        Self::Upload,
        Self::UploadDrift,
        Self::Surge,
        Self::Unusual,
        Self::Heavy,
    ];

    /// What follows from it.
    #[must_use]
    pub const fn list(self) -> List {
        match self {
            Self::PacketFlood | Self::Stall | Self::UploadDrift | Self::Upload => List::Contact,
            Self::Heavy | Self::Surge | Self::Unusual => List::Information,
        }
    }
}

/// A set of kinds: a bit for each, in the order of [`Kind::ALL`].
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Kinds(u8);

impl Kinds {
    /// Adds a kind.
    pub fn add(&mut self, kind: Kind) {
        self.0 |= 1 << kind.index();
    }

    /// True when the kind is among them.
    #[must_use]
    pub const fn has(self, kind: Kind) -> bool {
        self.0 & 1 << kind.index() != 0
    }

    /// True when there are none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The kinds, the most severe first.
    pub fn by_severity(self) -> impl Iterator<Item = Kind> {
        Kind::BY_SEVERITY.into_iter().filter(move |kind| self.has(*kind))
    }

    /// The bits, for the store.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// The set of these bits.
    #[must_use]
    pub const fn of_bits(bits: u8) -> Self {
        Self(bits & 0x7f)
    }
}
