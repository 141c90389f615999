//! The pools that the program serves by array: how they are laid out, and as the program is told of them.

use crate::roster::address::{Prefix, TunnelAddress};

/// Pools of each family that the program serves by array (`POOLS` in meter.bpf.c); addresses of
/// further ones go to the hash.
pub(super) const POOLS: usize = 8;

/// Bytes of the program's `struct pool`.
pub(super) const POOL_BYTES: usize = 24;

/// Slots of the dense arrays that share an entry (`SLOTS_PER_LINE` in meter.bpf.c).
pub(super) const SLOTS_PER_LINE: usize = 2;

/// One pool: its first address, its size, and where its slots begin.
struct Pool {
    first: TunnelAddress,
    size: u32,
    base: u32,
}

/// The pools that the program serves by array, and how many slots they have together.
pub(super) struct Pools {
    pools: Vec<Pool>,
    slots: u32,
}

impl Pools {
    /// Lays the first [`POOLS`] pools of each family out one after the other.
    pub(super) fn lay_out(pools: &[Prefix]) -> Self {
        let (mut laid, mut slots) = (Vec::new(), 0);
        let mut of_family = [0; 2];
        for pool in pools {
            let family = &mut of_family[usize::from(matches!(pool.address(), TunnelAddress::V6(_)))];
            let size = pool.size().and_then(|size| u32::try_from(size).ok());
            if let Some(size) = size.filter(|_| *family < POOLS) {
                *family += 1;
                laid.push(Pool { first: pool.address(), size, base: slots });
                slots += size;
            }
        }
        Self { pools: laid, slots }
    }

    /// How many slots they have together.
    pub(super) fn slots(&self) -> u32 {
        self.slots
    }

    /// How many entries the dense array needs, at least one.
    pub(super) fn lines(&self) -> u32 {
        u32::try_from((self.slots as usize).div_ceil(SLOTS_PER_LINE)).unwrap_or(u32::MAX).max(1)
    }

    /// What the program is told of the pools of a family: their number, and for each the bytes of
    /// `struct pool` in meter.bpf.c.
    pub(super) fn described(&self, v6: bool) -> (u32, [u8; POOLS * POOL_BYTES]) {
        let mut described = [0; POOLS * POOL_BYTES];
        let of_family = self.pools.iter().filter(|pool| matches!(pool.first, TunnelAddress::V6(_)) == v6);
        let mut count = 0;
        for (pool, to) in of_family.zip(described.chunks_exact_mut(POOL_BYTES)) {
            let (high, low) = match pool.first {
                TunnelAddress::V4(bits) => ([0; 12], bits),
                TunnelAddress::V6(bits) => {
                    let bytes = bits.to_be_bytes();
                    let (high, low) = bytes.split_at(12);
                    (first(high), u32::from_be_bytes(first(low)))
                }
            };
            to[..12].copy_from_slice(&high);
            to[12..16].copy_from_slice(&low.to_ne_bytes());
            to[16..20].copy_from_slice(&pool.size.to_ne_bytes());
            to[20..].copy_from_slice(&pool.base.to_ne_bytes());
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
                let size = u32::from_ne_bytes(self::first(&pool[16..]));
                laid.push(Pool { first, size, base: u32::from_ne_bytes(self::first(&pool[20..])) });
                slots += size;
            }
        }
        Self { pools: laid, slots }
    }

    /// The address of a place.
    pub(super) fn address_at(&self, place: u32) -> Option<TunnelAddress> {
        let inside = |pool: &&Pool| place.checked_sub(pool.base).is_some_and(|offset| offset < pool.size);
        self.pools.iter().find(inside).map(|pool| match pool.first {
            TunnelAddress::V4(low) => TunnelAddress::V4(low + (place - pool.base)),
            TunnelAddress::V6(low) => TunnelAddress::V6(low + u128::from(place - pool.base)),
        })
    }

    /// The place of an address; none where it lies in no pool.
    pub(super) fn place_of(&self, address: TunnelAddress) -> Option<usize> {
        self.pools.iter().find_map(|pool| {
            let offset = match (address, pool.first) {
                (TunnelAddress::V4(bits), TunnelAddress::V4(first)) => bits.checked_sub(first)?,
                (TunnelAddress::V6(bits), TunnelAddress::V6(first)) => {
                    u32::try_from(bits.checked_sub(first)?).ok()?
                }
                _ => return None,
            };
            (offset < pool.size).then_some((pool.base + offset) as usize)
        })
    }
}

/// The first bytes of a slice that is known to be long enough.
pub(super) fn first<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[..N]);
    out
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
            assert!(again.address_at(u32::try_from(place).expect("small")) == Some(address), "{text}");
        }
        assert!(again.address_at(pools.slots).is_none());
    }
}
