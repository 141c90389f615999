//! What packets that a socket dropped stood for: the kernel counts a dropped super-packet as one, so each is taken
//! for as many as those that were read beside it stood for, on average.
//!
//! Where no super-packets pass that is one for one. Holds counts and no packet.

/// How many packets the ones that were read stood for.
#[derive(Clone, Copy, Default)]
pub(super) struct Unseen {
    read: u64,
    stood_for: u64,
    /// Packets that were counted as lost one by one, and that the kernel's count of drops holds as well.
    told: u64,
}

impl Unseen {
    /// Notes a packet that was read, and that stands for so many.
    #[inline]
    pub(super) fn saw(&mut self, stands_for: u64) {
        self.read += 1;
        self.stood_for += stands_for;
    }

    /// Notes that the kernel's count of drops holds, now or soon, a packet that stands for one.
    pub(super) fn knows_a_drop(&mut self) {
        self.told += 1;
    }

    /// What so many dropped packets stood for. Later drops are compared with what is read after these.
    pub(super) fn lost(&mut self, dropped: u64) -> u64 {
        let known = self.told.min(dropped);
        self.told -= known;
        let (read, stood_for) = (self.read.max(1), self.stood_for.max(self.read).max(1));
        let unknown = u128::from(dropped - known);
        let estimate = (unknown * u128::from(stood_for) + u128::from(read) / 2) / u128::from(read);
        if dropped != known {
            (self.read, self.stood_for) = (0, 0);
        }
        known + u64::try_from(estimate).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::Unseen;

    #[test]
    fn a_drop_is_one_where_no_super_packet_passed() {
        let mut unseen = Unseen::default();
        assert_eq!(unseen.lost(7), 7, "nothing was read yet");
        (0..1000).for_each(|_| unseen.saw(1));
        assert_eq!((unseen.lost(0), unseen.lost(9)), (0, 9));
    }

    #[test]
    fn a_drop_stands_for_as_many_as_what_was_read_beside_it() {
        let mut unseen = Unseen::default();
        [100, 90, 1, 1].into_iter().for_each(|stands_for| unseen.saw(stands_for));
        assert_eq!(unseen.lost(10), 480);
        unseen.saw(1);
        assert_eq!(unseen.lost(10), 10, "what was read before is of another time");
    }

    #[test]
    fn a_packet_that_the_kernel_had_no_words_for_is_one() {
        let mut unseen = Unseen::default();
        unseen.saw(50);
        unseen.knows_a_drop();
        unseen.knows_a_drop();
        assert_eq!(unseen.lost(1), 1);
        assert_eq!(unseen.lost(3), 1 + 2 * 50);
    }
}
