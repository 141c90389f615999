//! What the tap's thread does before a close: it compares what it saw with the interfaces' own counters.
//!
//! Holds no packet and no address. Nothing but the count of lost packets tells what was found.

use super::attachments::Worker;
use crate::system::allocator::{PACKET_BYTES, wipe_stack};
use crate::tap::conservation;
use std::time::Duration;

/// How long a packet that a device has counted may take to the tap: a block of the ring, and the queue of
/// a processor that is busy.
const ARRIVAL: Duration = Duration::from_millis(20);

/// Packets are counted meanwhile.
const ROUNDS: u32 = 5;

impl Worker {
    /// Compares, and tells the difference as lost.
    #[inline(never)]
    pub(super) fn conserve(&mut self) {
        let before = conservation::seen(self.attribution.counters);
        // What cannot be read now is compared at the next close.
        let Some(there) = self.list() else { return };
        for _ in 0..ROUNDS {
            std::thread::sleep(ARRIVAL / ROUNDS);
            for attachment in &mut self.attachments {
                attachment.drain(&self.attribution);
            }
        }
        let after = conservation::seen(self.attribution.counters);
        self.attribution.lost(self.conservation.close(&there, (before, after)));
        // The last packet's addresses.
        wipe_stack::<PACKET_BYTES>();
    }
}
