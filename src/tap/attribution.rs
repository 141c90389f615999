//! From a packet to a counter, whichever tap in user space has it.
//!
//! Addresses pass through [`Attribution::count`] and are not kept. What the kernel's program does is
//! the same, and `tests/kernel_program.rs` compares the two.

use super::events::{PatternState, TapEvent};
use super::frame::{self, Frame, LinkType};
use super::interfaces::Passed;
use super::super_packet::{self, Gso};
use crate::config::Pattern;
use crate::meter::counters::Counters;
use crate::meter::slot::{Direction, Slot};
use crate::roster::address::is_of_the_link;
use crate::roster::place::Place;
use crate::roster::table::Table;
use std::sync::Arc;

/// From a packet to a counter: whose is it, how long was it.
#[derive(Clone)]
pub struct Attribution {
    /// Who owns an address.
    pub table: Arc<Table>,
    /// Where its bytes go.
    pub counters: Counters,
    /// Where the packets are seen: on an interface that has owners of its own, or on any other.
    pub place: Place,
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
                let mut slot = self.table.slot_at(self.place, address);
                if slot == Slot::UNATTRIBUTED
                    && is_of_the_link(packet.source, packet.destination)
                    && self.table.slot_at(self.place, other) == Slot::UNATTRIBUTED
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

    /// Notes a gap where a report says that an interface which the configuration names is not attached, or that
    /// somebody stood before the tap there.
    pub(super) fn gap_of(&self, event: &TapEvent) {
        let is_gap = match event {
            TapEvent::States(states) => states.iter().any(PatternState::is_named_and_not_attached),
            TapEvent::InFrontAgain(text, _) => !Pattern::of_name(text).is_glob(),
            _ => false,
        };
        if is_gap {
            self.gap();
        }
    }

    /// Counts packets that the tap missed where it is attached, each in its direction: what a close compares
    /// with the interface's own counters must not tell of them once more.
    pub(super) fn lost_each_way(&self, missed: Passed) {
        for (direction, packets) in [(Direction::Up, missed.up), (Direction::Down, missed.down)] {
            if packets != 0 {
                self.counters.add(Slot::LOST, direction, 0, packets);
            }
        }
    }

    /// Counts packets that the tap knows it missed.
    pub fn lost(&self, packets: u64) {
        if packets != 0 {
            self.counters.add(Slot::LOST, Direction::Up, 0, packets);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_missed_in_one_direction_is_not_told_again_by_the_close() {
        use crate::tap::conservation::{Conservation, seen};
        use crate::tap::device_rule::Rule;
        use crate::tap::interfaces::InterfaceEntry;
        let counters = Counters::in_memory(1);
        let (table, place) = (Arc::new(Table::new(&[], 1)), Place::ANY);
        let attribution = Attribution { table, counters, place };
        let mut conservation = Conservation::new(counters, true);
        conservation.attached(3, Rule::Packets, Passed::default());
        // Seven packets each way, of which nine in all passed while the program was put in front.
        counters.add(Slot::UNATTRIBUTED, Direction::Up, 500, 5);
        attribution.lost_each_way(Passed { up: 2, down: 7 });
        let passed = Passed { up: 7, down: 7 };
        let there = [InterfaceEntry { index: 3, rule: Rule::Packets, passed, ..Default::default() }];
        let now = seen(counters);
        assert!((now.up, now.down) == (7, 7) && conservation.close(&there, (now, now)) == 0);
    }

    #[test]
    fn a_gap_is_of_what_is_named_and_not_of_a_glob() {
        let gaps = |event: TapEvent| {
            let counters = Counters::in_memory(1);
            let (table, place) = (Arc::new(Table::new(&[], 1)), Place::ANY);
            Attribution { table, counters, place }.gap_of(&event);
            counters.read(Slot::GAP).up.packets
        };
        let states = |named: bool, glob: bool| {
            let state = |text, attached| PatternState {
                pattern: Pattern::of_name(text),
                attached,
                before: Vec::new(),
            };
            TapEvent::States(vec![state("wg0", named), state("ppp*", glob)])
        };
        assert_eq!([(true, true), (true, false), (false, true)].map(|(n, g)| gaps(states(n, g))), [0, 0, 1]);
        let in_front = |text: &str| gaps(TapEvent::InFrontAgain(text.to_owned(), Vec::new()));
        assert_eq!([in_front("wg0"), in_front("ppp*")], [1, 0]);
    }
}
