//! From a packet to a counter, whichever tap in user space has it.
//!
//! Addresses pass through [`Attribution::count`] and are not kept. What the kernel's program does is
//! the same, and `tests/kernel_program.rs` compares the two.

use super::frame::{self, Frame, Gso, LinkType};
use crate::meter::counters::Counters;
use crate::meter::slot::{Direction, Slot};
use crate::roster::table::Table;
use std::sync::Arc;

/// From a packet to a counter: whose is it, how long was it.
#[derive(Clone)]
pub struct Attribution {
    /// Who owns an address.
    pub table: Arc<Table>,
    /// Where its bytes go.
    pub counters: Counters,
}

impl Attribution {
    /// Counts one packet of a live interface. Takes no lock and allocates nothing.
    #[inline]
    pub fn count(
        &self,
        link_type: LinkType,
        captured: &[u8],
        length: u64,
        direction: Direction,
        gso: Option<Gso>,
    ) {
        match frame::read(link_type, captured, length) {
            Frame::Ip(packet) => {
                let address = match direction {
                    Direction::Up => packet.source,
                    Direction::Down => packet.destination,
                };
                let (bytes, packets) = match gso {
                    None => (packet.bytes, 1),
                    Some(gso) => frame::segments(&captured[packet.offset..], packet.bytes, gso),
                };
                self.counters.add(self.table.slot_of(address), direction, bytes, packets);
            }
            Frame::NotIp => self.counters.add(Slot::NOT_IP, direction, length, 1),
            Frame::Malformed => self.counters.add(Slot::MALFORMED, direction, length, 1),
        }
    }

    /// The same for an interface that has these names; none where no owner is that interface's own.
    pub(super) fn on<'a>(&self, names: impl Iterator<Item = &'a str>) -> Option<Self> {
        Some(Self { table: Arc::new(self.table.on(names)?), counters: self.counters })
    }

    /// Counts packets that the tap knows it missed.
    pub fn lost(&self, packets: u64) {
        if packets != 0 {
            self.counters.add(Slot::LOST, Direction::Up, 0, packets);
        }
    }
}
