//! Taps: bytes in, counters up. One meaning of the count, whichever tap sees the packet.
//!
//! On a live interface the direction is the packet's: what comes in is `up` for the owner of its
//! source, what goes out is `down` for the owner of its destination. A packet from one account to
//! another passes twice, and is counted once for each.
//! Holds no account name; addresses pass through [`Attribution::count`] and are not kept.

pub mod capture_file;
mod counter_memory;
mod events;
pub mod frame;
mod gap;
mod interfaces;
pub mod kernel;
pub mod memory_file;
mod pnet;
mod ring;
mod selection;
mod shared;
mod socket;
mod source;
mod worker;

pub use counter_memory::{CounterHistory, CounterMemory, TagKey};
pub use events::{PatternState, TapEvent};
pub use gap::Links;
pub use selection::{Chosen, TapError, choose, survey};
pub use source::Opener;
pub use worker::Tap;

use crate::meter::counters::Counters;
use crate::meter::slot::{Direction, Slot};
use crate::roster::table::Table;
use frame::{Frame, Gso, Link};
use std::sync::Arc;

/// The taps there are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum TapKind {
    /// A program at the tc hooks: nothing of a packet enters the process.
    Kernel,
    /// TPACKET_V3: headers only, in shared memory.
    Ring,
    /// pnet's datalink: whole packets, copied one by one.
    Pnet,
}

impl TapKind {
    /// The word in reports.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Kernel => "kernel",
            Self::Ring => "ring",
            Self::Pnet => "pnet",
        }
    }
}

/// Hardware types that can be metered.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hardware {
    /// A 14-byte Ethernet header, then perhaps VLAN tags.
    Ethernet,
    /// The IP header at once.
    Ip,
}

impl Hardware {
    /// The hardware of an ARPHRD number.
    ///
    /// # Source
    /// include/uapi/linux/if_arp.h: ETHER; PPP, TUNNEL, TUNNEL6, SIT, RAWIP and NONE (tun,
    /// WireGuard, XFRM).
    fn of_number(number: u16) -> Option<Self> {
        match number {
            1 => Some(Self::Ethernet),
            512 | 519 | 768 | 769 | 776 | 0xfffe => Some(Self::Ip),
            _ => None,
        }
    }

    fn link(self) -> Link {
        match self {
            Self::Ethernet => Link::Ethernet,
            Self::Ip => Link::RawIp,
        }
    }

    fn header_bytes(self) -> u32 {
        match self {
            Self::Ethernet => 14,
            Self::Ip => 0,
        }
    }
}

/// A socket that sends whole frames on one interface and receives nothing; for the demo.
///
/// # Errors
/// Those of packet(7).
pub fn sender(index: u32) -> std::io::Result<std::fs::File> {
    socket::sender(index)
}

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
    pub fn count(&self, link: Link, captured: &[u8], length: u64, direction: Direction, gso: Option<Gso>) {
        match frame::read(link, captured, length) {
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

    /// Counts packets that the tap knows it missed.
    pub fn lost(&self, packets: u64) {
        if packets != 0 {
            self.counters.add(Slot::LOST, Direction::Up, 0, packets);
        }
    }
}
