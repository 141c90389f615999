//! Where an owner lies that the kernel's program looks up: the places of the pools in one array, and the keys
//! of the tables.
//!
//! Holds the pools, and no owner.

use crate::roster::address::{Pool, Prefix, TunnelAddress};
use crate::roster::place::Place;

/// Pools of each family that the program serves by array (`POOLS` in meter.bpf.c); addresses of
/// further ones go to the hash.
pub(super) const POOLS: usize = 8;

/// Bytes of the program's `struct pool`.
pub(super) const POOL_BYTES: usize = 24;

/// Slots of the dense arrays that share an entry (`SLOTS_PER_LINE` in locked.bpf.h).
pub(super) const SLOTS_PER_LINE: usize = 2;

/// The four tables that are not arrays, in the order of the program's `struct info`.
pub(super) const HOSTS_V4: usize = 0;
pub(super) const HOSTS_V6: usize = 1;
pub(super) const ROUTES_V4: usize = 2;
pub(super) const ROUTES_V6: usize = 3;

/// One pool, and the place at which its slots begin.
struct LaidPool {
    pool: Pool,
    base: u32,
}

/// The pools that the program serves by array, and how many slots they have together.
pub(super) struct Pools {
    pools: Vec<LaidPool>,
    slots: u32,
}

impl Pools {
    /// Lays the first [`POOLS`] pools of each family out one after the other.
    pub(super) fn lay_out(pools: &[Prefix]) -> Self {
        let (mut laid, mut slots) = (Vec::new(), 0);
        let mut of_family = [0; 2];
        for pool in pools.iter().filter_map(|range| Pool::of(*range)) {
            let family = &mut of_family[usize::from(matches!(pool.first(), TunnelAddress::V6(_)))];
            if *family < POOLS {
                *family += 1;
                laid.push(LaidPool { pool, base: slots });
                slots += pool.size();
            }
        }
        Self { pools: laid, slots }
    }

    /// How many addresses there are in the pools, each with its place.
    pub(super) fn places(&self) -> usize {
        self.slots as usize
    }

    /// How many owners the dense array has room for.
    pub(super) fn room(&self) -> usize {
        self.places().next_multiple_of(SLOTS_PER_LINE).max(SLOTS_PER_LINE)
    }

    /// What the program is told of the pools of a family: their number, and for each the bytes of
    /// `struct pool` in meter.bpf.c.
    pub(super) fn described(&self, v6: bool) -> (u32, [u8; POOLS * POOL_BYTES]) {
        let mut described = [0; POOLS * POOL_BYTES];
        let of_family =
            self.pools.iter().filter(|laid| matches!(laid.pool.first(), TunnelAddress::V6(_)) == v6);
        let mut count = 0;
        for (laid, to) in of_family.zip(described.chunks_exact_mut(POOL_BYTES)) {
            let (high, low) = match laid.pool.first() {
                TunnelAddress::V4(bits) => ([0; 12], bits),
                TunnelAddress::V6(bits) => {
                    let bytes = bits.to_be_bytes();
                    let (high, low) = bytes.split_at(12);
                    (first(high), u32::from_be_bytes(first(low)))
                }
            };
            to[..12].copy_from_slice(&high);
            to[12..16].copy_from_slice(&low.to_ne_bytes());
            to[16..20].copy_from_slice(&laid.pool.size().to_ne_bytes());
            to[20..].copy_from_slice(&laid.base.to_ne_bytes());
            count += 1;
        }
        (count, described)
    }

    /// The pools of which these are the descriptions, v4 and v6.
    pub(super) fn of_described(described: &[(u32, [u8; POOLS * POOL_BYTES]); 2]) -> Self {
        let (mut laid, mut slots) = (Vec::new(), 0);
        for (family, (count, list)) in described.iter().enumerate() {
            for pool in list.chunks_exact(POOL_BYTES).take(*count as usize) {
                let low = u32::from_ne_bytes(first(&pool[12..]));
                let first = if family == 0 {
                    TunnelAddress::V4(low)
                } else {
                    let high: [u8; 12] = first(pool);
                    TunnelAddress::V6(u128::from_be_bytes(first(
                        &[high.as_slice(), &low.to_be_bytes()].concat(),
                    )))
                };
                let [size, base] = [16, 20].map(|at| u32::from_ne_bytes(self::first(&pool[at..])));
                laid.push(LaidPool { pool: Pool::from_first(first, size), base });
                slots += size;
            }
        }
        Self { pools: laid, slots }
    }

    /// The address of a place.
    pub(super) fn address_at(&self, place: usize) -> Option<TunnelAddress> {
        let of_pool = |laid: &LaidPool| {
            let offset =
                place.checked_sub(laid.base as usize).filter(|offset| *offset < laid.pool.size() as usize)?;
            Some(laid.pool.address_at(offset))
        };
        self.pools.iter().find_map(of_pool)
    }

    pub(super) fn place_of(&self, address: TunnelAddress) -> Option<usize> {
        self.pools.iter().find_map(|laid| Some(laid.base as usize + laid.pool.offset_of(address)?))
    }
}

/// The first bytes of a slice that is known to be long enough.
fn first<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[..N]);
    out
}

/// Bytes of the key of each table.
pub(super) const KEY_BYTES: [usize; 4] = [8, 20, 12, 24];

/// Bits of a trie's key before the address: the number of the interface.
const PLACE_BITS: u32 = 32;

/// The table and the key of a prefix outside the pools, or of one interface.
pub(super) fn key_of(prefix: Prefix) -> (usize, Vec<u8>) {
    let bits = (PLACE_BITS + u32::from(prefix.length())).to_ne_bytes();
    let place = u32::from(prefix.place().number()).to_ne_bytes();
    match (prefix.address(), prefix.is_host()) {
        (TunnelAddress::V4(address), true) => (HOSTS_V4, [place, address.to_be_bytes()].concat()),
        (TunnelAddress::V6(address), true) => (HOSTS_V6, [place.as_slice(), &address.to_be_bytes()].concat()),
        (TunnelAddress::V4(address), false) => (ROUTES_V4, [bits, place, address.to_be_bytes()].concat()),
        (TunnelAddress::V6(address), false) => {
            (ROUTES_V6, [bits.as_slice(), &place, &address.to_be_bytes()].concat())
        }
    }
}

/// The prefix of a key; none where it is no key of ours.
pub(super) fn prefix_of(table: usize, key: &[u8]) -> Option<Prefix> {
    let word = |at: usize| u32::from_ne_bytes(first(&key[at..]));
    let (bits, rest) = match table {
        HOSTS_V4 => (32, key),
        HOSTS_V6 => (128, key),
        _ => (u8::try_from(word(0).checked_sub(PLACE_BITS)?).ok()?, &key[4..]),
    };
    let place = Place::of_number(u32::from_ne_bytes(first(rest)))?;
    let address = match table {
        HOSTS_V4 | ROUTES_V4 => TunnelAddress::V4(u32::from_be_bytes(first(&rest[4..]))),
        _ => TunnelAddress::V6(u128::from_be_bytes(first(&rest[4..]))),
    };
    Some(Prefix::new(address, bits)?.at(place))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(text: &str) -> Prefix {
        Prefix::parse(text).expect("a prefix")
    }

    #[test]
    fn pools_read_back_from_what_the_program_is_told() {
        let pools = ["10.8.0.0/24", "fd42:8::/112", "10.9.0.0/28"].map(prefix);
        let pools = Pools::lay_out(&pools);
        let again = Pools::of_described(&[pools.described(false), pools.described(true)]);
        assert!(again.slots == pools.slots);
        for text in ["10.8.0.0", "10.8.0.255", "10.9.0.15", "fd42:8::", "fd42:8::ffff"] {
            let address = prefix(text).address();
            let place = pools.place_of(address).expect("it lies in a pool");
            assert!(again.place_of(address) == Some(place), "{text}");
            assert!(again.address_at(place) == Some(address), "{text}");
        }
        assert!(again.address_at(pools.slots as usize).is_none());
    }

    #[test]
    fn a_key_stands_for_its_prefix() {
        for text in ["10.1.2.3", "10.1.0.0/16", "0.0.0.0/0", "fd42::7", "fd42::/16", "::/0"] {
            let (table, key) = key_of(prefix(text));
            assert!(key.len() == KEY_BYTES[table] && prefix_of(table, &key) == Some(prefix(text)), "{text}");
            let on_one = prefix(text).at(Place::of_number(7).expect("it is small"));
            assert!(prefix_of(table, &key_of(on_one).1) == Some(on_one), "{text}");
        }
    }
}
