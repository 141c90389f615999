//! Over what is released: one node, or all nodes of a fleet together. Numbers of the policy, no traffic.

/// Over what is released.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// This node alone.
    Node,
    /// All nodes of a fleet together: a node's own page has nothing of traffic.
    Fleet(Terms),
}

/// On which terms a fleet's totals are released.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// The smallest number of nodes that must have sent: [`FEWEST_NODES`] to [`MOST_NODES`].
    pub nodes: u16,
    /// How many nodes an account is taken to use in a day at the most; 1 to `nodes` and [`MOST_NODES_A_DAY`].
    pub nodes_a_day: u16,
}

impl Scope {
    /// The name in the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Fleet(_) => "fleet",
        }
    }
}

/// Sums of fewer nodes are not opened: with two, each would see the other's.
pub const FEWEST_NODES: u16 = 3;

/// Most nodes of a fleet: the words of flags count no further, and the shares of as many fit in a word.
pub const MOST_NODES: u16 = 4095;

/// Most nodes that an account is taken to use in a day: counts have as many times the noise.
pub const MOST_NODES_A_DAY: u16 = 63;

/// Bytes are summed in this unit over a fleet: the sum of all of its nodes fits in a word of a cluster.
pub const UNIT_BYTES: u64 = 1 << 13;

/// A word of a node's share has at most this magnitude: those of the most nodes add up to less than 2^51. The largest
/// scale of noise is far below.
pub(super) const LARGEST_WORD: i64 = 1 << 39;

const _: () = assert!(LARGEST_WORD * (MOST_NODES as i64) < 1 << 51);

/// The most bytes that a node may add to an epoch in a direction.
pub const LARGEST_BYTES: u64 = UNIT_BYTES * LARGEST_WORD.unsigned_abs();

/// The largest scale of the noise on bytes of a fleet, in units of them.
pub(super) const SCALE_CEILING: u128 = 1 << 34;

/// Bytes in units, of an account that is on so many nodes: what is rounded down on each, in both directions, counts in
/// full.
pub(super) fn in_units(bytes: u64, nodes: u16) -> u64 {
    bytes.div_ceil(UNIT_BYTES) + 2 * u64::from(nodes)
}
