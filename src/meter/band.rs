//! The usage bands that support staff may see: 27 of them, 4.8 bits.
//!
//! Holds the only list of edges. A band gives a lower and an upper bound, never a total.

/// One gibibyte.
const GIB: u64 = 1 << 30;

/// The lower edges of bands 1 to 26, in bytes: 1 GiB times 1.25^k, rounded down, then 256 GiB.
///
/// # Source
/// The product's promise (privacy design, section 4): 27 bands are 4.8 bits per refresh.
pub const EDGES: [u64; 26] = edges();

const fn edges() -> [u64; 26] {
    let mut list = [GIB; 26];
    let mut k = 1;
    while k < 25 {
        list[k] = list[k - 1] / 4 * 5 + list[k - 1] % 4 * 5 / 4;
        k += 1;
    }
    list[25] = 256 * GIB;
    list
}

/// A usage band: 0 is "below 1 GiB, or unused", 26 has no upper edge.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Band(u8);

impl Band {
    /// The band of this many bytes.
    #[must_use]
    pub fn of(bytes: u64) -> Self {
        let below = EDGES.partition_point(|edge| *edge <= bytes);
        Self(u8::try_from(below).unwrap_or(u8::MAX))
    }

    /// The number of the band, 0 to 26, for the store.
    #[must_use]
    pub fn number(self) -> u8 {
        self.0
    }

    /// The band of this number; the top band for a higher one.
    #[must_use]
    pub fn of_number(number: u8) -> Self {
        Self(number.min(26))
    }

    /// The lowest number of bytes in this band.
    #[must_use]
    pub fn at_least_bytes(self) -> u64 {
        usize::from(self.0).checked_sub(1).map_or(0, |k| EDGES[k])
    }

    /// The first number of bytes above this band; none in the top band.
    #[must_use]
    pub fn below_bytes(self) -> Option<u64> {
        EDGES.get(usize::from(self.0)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_grow_by_a_quarter_from_one_to_256_gib() {
        assert_eq!(EDGES[0], GIB);
        assert_eq!(EDGES[1], 1_342_177_280);
        assert!(EDGES[24] < 212 * GIB && EDGES[24] > 211 * GIB);
        assert_eq!(EDGES[25], 256 * GIB);
        assert!(EDGES.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn every_total_lies_between_the_edges_of_its_band() {
        for bytes in [0, 1, GIB - 1, GIB, EDGES[7] - 1, EDGES[7], 256 * GIB, u64::MAX] {
            let band = Band::of(bytes);
            assert!(band.at_least_bytes() <= bytes);
            assert!(band.below_bytes().is_none_or(|edge| bytes < edge));
        }
        assert!(Band::of(256 * GIB).below_bytes().is_none());
    }
}
