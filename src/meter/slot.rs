//! Slots: the dense numbers that stand for accounts inside the core, and the six reserved ones.
//!
//! Holds no account and no address: only the roster knows who a slot is.

/// The dense index of an account, or of one of the reserved counts.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(u32);

impl Slot {
    /// Packets whose address no account owns.
    pub const UNATTRIBUTED: Self = Self(0);
    /// Packets that the link layer announces as something other than IP.
    pub const NOT_IP: Self = Self(1);
    /// Packets whose IP header could not be read.
    pub const MALFORMED: Self = Self(2);
    /// Packets that the tap knows it missed.
    pub const LOST: Self = Self(3);
    /// How often the tap did not count for a while: one packet stands for one such event, whether or
    /// not anything passed meanwhile. Traffic causes none of them.
    pub const GAP: Self = Self(4);
    /// The device's own chatter: packets from a link-local address, or to one that is link-local,
    /// multicast or broadcast, where no account owns either. In no published series, since a device that
    /// comes and goes with a client would tell by it.
    pub const LINK: Self = Self(5);
    /// The first slot that belongs to an account; those below are reserved.
    pub const FIRST_ACCOUNT: Self = Self(6);

    /// The slot of this index.
    #[must_use]
    pub const fn new(index: u32) -> Self {
        Self(index)
    }

    /// The index, for arrays.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// The index, for tables that hold slots as 32-bit words.
    #[must_use]
    pub const fn word(self) -> u32 {
        self.0
    }

    /// True for a slot that an account can own.
    #[must_use]
    pub const fn is_account(self) -> bool {
        self.0 >= Self::FIRST_ACCOUNT.0
    }
}

/// A packet's direction, as the account sees it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the account into the VPN.
    Up,
    /// From the VPN to the account.
    Down,
}
