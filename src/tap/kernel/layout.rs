//! What the program is loaded for: pools, capacity, and whose counters they are.

use super::counting::Counting;
use super::header::Header;
use super::object;
use super::owners::Pools;
use crate::meter::slot::Slot;
use crate::roster::address::Prefix;
use crate::system::capabilities::has;
use caps::Capability;
use std::io;

/// What the program is loaded for.
pub struct SetLayout<'a> {
    /// Ranges that are served by array.
    pub pools: &'a [Prefix],
    /// Accounts that there is room for.
    pub accounts: usize,
    /// Bytes that slices of counters may take.
    pub memory_budget_bytes: u64,
    /// Names the memory of the counters, should it be made.
    pub generation: [u8; 16],
    /// Whose it is.
    pub node: [u8; 16],
}

impl SetLayout<'_> {
    /// Slots, the reserved ones included.
    pub(super) fn slots(&self) -> usize {
        Slot::FIRST_ACCOUNT.index() + self.accounts
    }

    /// The header of a set of this layout that follows another.
    pub(super) fn header(
        &self,
        pools: &Pools,
        home: u16,
        counting: &Counting,
        predecessor: [u8; 16],
    ) -> io::Result<Header> {
        Ok(Header {
            slots: u32::try_from(self.slots()).map_err(io::Error::other)?,
            processors: counting.processors(),
            home,
            generation: self.generation,
            predecessor,
            node: self.node,
            layout_digest: self.digest(pools, counting),
            pools: [pools.described(false), pools.described(true)],
        })
    }

    /// Tells sets apart that cannot take each other's place: by program, pools, capacity and
    /// number of slices; and by what this kernel has refused, so that it is asked once and not at each start.
    pub(super) fn digest(&self, pools: &Pools, counting: &Counting) -> [u8; 16] {
        let mut hasher = blake3::Hasher::new();
        let processors = counting.processors();
        hasher.update(object::bytes(processors));
        hasher.update(&self.accounts.to_le_bytes()).update(&processors.to_le_bytes());
        for (count, list) in [pools.described(false), pools.described(true)] {
            hasher.update(&count.to_le_bytes()).update(&list);
        }
        if let Counting::Refused(refused, _) = counting {
            // It may take another program, or this one of a process that may do more.
            hasher.update(object::bytes(*refused)).update(&refused.to_le_bytes());
            hasher.update(&[u8::from(has(&[Capability::CAP_PERFMON]))]);
        }
        let mut digest = [0; 16];
        digest.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        digest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_refused_is_known_again_until_something_changes() {
        let layout = |accounts| SetLayout {
            pools: &[],
            accounts,
            memory_budget_bytes: 1 << 26,
            generation: [1; 16],
            node: [2; 16],
        };
        let pools = Pools::lay_out(&[]);
        let digest = |counting: &Counting| layout(9).digest(&pools, counting);
        let refused = |processors, why: &str| Counting::Refused(processors, why.to_owned());
        // Capabilities are a thread's, and each test has one.
        let hold = |held: Capability| {
            let held = [held].into_iter().collect();
            caps::set(None, caps::CapSet::Effective, &held).expect("tests run as root");
        };
        hold(Capability::CAP_BPF);
        let made = digest(&refused(2, "what the verifier said"));
        let asked_again = Counting::Sliced(2).refused_earlier().expect("slices can be refused");
        assert_eq!(digest(&asked_again), made);
        let others = [Counting::Sliced(2), Counting::Locked("the budget".to_owned()), refused(4, "")];
        assert!(others.iter().all(|other| digest(other) != made));
        assert_ne!(layout(10).digest(&pools, &asked_again), made);
        hold(Capability::CAP_PERFMON);
        assert_ne!(digest(&asked_again), made);
    }
}
