//! The two quantities that are counted, the pair of directions they are counted in, and the day.
//!
//! No `Debug` or `Display`: a traffic figure that can be printed ends up in a log one day.

/// Seconds of a day.
pub const DAY_SECONDS: u64 = 86_400;

/// Bytes and packets that went one way.
///
/// Bytes are those of the packet on the wire without the link-layer header.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Volume {
    /// Bytes above the link layer.
    pub bytes: u64,
    /// Packets on the wire; a super-packet counts as the packets it stands for.
    pub packets: u64,
}

impl Volume {
    /// What was added since `earlier`; both are readings of one cumulative counter.
    ///
    /// Wraps as the counter does, so a counter that passes 2^64 between two readings is exact.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self {
            bytes: self.bytes.wrapping_sub(earlier.bytes),
            packets: self.packets.wrapping_sub(earlier.packets),
        }
    }

    /// The sum, saturating at 2^64 - 1.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            bytes: self.bytes.saturating_add(other.bytes),
            packets: self.packets.saturating_add(other.packets),
        }
    }
}

/// What one slot counted in both directions.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// From the account into the VPN.
    pub up: Volume,
    /// From the VPN to the account.
    pub down: Volume,
}

impl Totals {
    /// What was added since `earlier`; see [`Volume::since`].
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self { up: self.up.since(earlier.up), down: self.down.since(earlier.down) }
    }

    /// The sum; see [`Volume::plus`].
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self { up: self.up.plus(other.up), down: self.down.plus(other.down) }
    }

    /// Bytes of both directions, saturating at 2^64 - 1.
    #[must_use]
    pub fn bytes(self) -> u64 {
        self.up.bytes.saturating_add(self.down.bytes)
    }

    /// Packets of both directions, saturating at 2^64 - 1.
    #[must_use]
    pub fn packets(self) -> u64 {
        self.up.packets.saturating_add(self.down.packets)
    }
}
