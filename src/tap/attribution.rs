//! From a packet to a counter, whichever tap in user space has it.
//!
//! Addresses pass through [`Attribution::count`] and are not kept. What the kernel's program does is
//! the same, and `tests/kernel_program.rs` compares the two.

use super::events::TapEvent;
use super::frame::{self, Frame, LinkType};
use super::super_packet::{self, Gso};
use crate::meter::counters::Counters;
use crate::meter::slot::{Direction, Slot};
use crate::roster::address::is_of_the_link;
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
    /// Counts one packet of a live interface; how many it stands for, as far as that is known. Takes no lock and
    /// allocates nothing.
    #[inline]
    pub fn count(
        &self,
        link_type: LinkType,
        captured: &[u8],
        length: u64,
        direction: Direction,
        gso: Option<Gso>,
    ) -> u64 {
        match frame::read(link_type, captured, length) {
            Frame::Ip(packet) => {
                let (address, other) = match direction {
                    Direction::Up => (packet.source, packet.destination),
                    Direction::Down => (packet.destination, packet.source),
                };
                let mut slot = self.table.slot_of(address);
                if slot == Slot::UNATTRIBUTED
                    && is_of_the_link(packet.source, packet.destination)
                    && self.table.slot_of(other) == Slot::UNATTRIBUTED
                {
                    slot = Slot::LINK;
                }
                let counted = match gso {
                    None => Some((packet.bytes, 1)),
                    Some(gso) => super_packet::segments(&captured[packet.offset..], packet.bytes, gso),
                };
                match counted {
                    Some((bytes, packets)) => {
                        self.counters.add(slot, direction, bytes, packets);
                        return packets;
                    }
                    None => self.counters.add(Slot::LOST, direction, 0, 1),
                }
            }
            // How many packets it stands for cannot be known.
            Frame::NotIp | Frame::Malformed if gso.is_some() => {
                self.counters.add(Slot::LOST, direction, 0, 1);
            }
            Frame::NotIp => self.counters.add(Slot::NOT_IP, direction, length, 1),
            Frame::Malformed => self.counters.add(Slot::MALFORMED, direction, length, 1),
        }
        1
    }

    /// Notes that the tap did not count for a while, whether or not anything passed meanwhile. Only for
    /// events that no traffic and no user's coming or going can cause.
    pub fn gap(&self) {
        self.counters.add(Slot::GAP, Direction::Up, 0, 1);
    }

    /// Notes a gap where a report says that something of the configuration is not attached, or that somebody
    /// stood before the tap.
    pub(super) fn gap_of(&self, event: &TapEvent) {
        match event {
            TapEvent::States(states) if states.iter().any(|state| !state.attached) => self.gap(),
            TapEvent::InFrontAgain(..) => self.gap(),
            _ => {}
        }
    }

    /// Counts packets that the tap knows it missed.
    pub fn lost(&self, packets: u64) {
        if packets != 0 {
            self.counters.add(Slot::LOST, Direction::Up, 0, packets);
        }
    }
}
