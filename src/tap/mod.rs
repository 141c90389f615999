//! Taps: bytes in, counters up. One meaning of the count, whichever tap sees the packet.
//!
//! On a live interface the direction is the packet's: what comes in is `up` for the owner of its
//! source, what goes out is `down` for the owner of its destination. A packet from one account to
//! another passes twice, and is counted once for each.
//! Holds no account name; addresses pass through [`Attribution::count`] and are not kept.

mod attribution;
pub mod capture_file;
mod conservation;
mod counter_memory;
mod device_rule;
mod events;
pub mod frame;
mod gap;
mod interface_records;
mod interface_sum;
mod interfaces;
pub mod kernel;
mod links;
pub mod memory_file;
mod obstacle;
mod overlaps;
mod packet_source;
mod pnet;
mod quiesce;
mod reconcile;
mod reports;
mod ring;
mod selection;
mod shared;
mod snap;
mod socket;
pub mod super_packet;
mod unseen;
mod watch;
mod worker;

pub use attribution::Attribution;
pub use counter_memory::{CounterHistory, CounterMemory, TagKey};
pub use events::{PatternState, TapEvent};
pub use interface_records::InterfaceRecords;
pub use interface_sum::{InterfaceReading, InterfaceSums, packets_counted};
pub use links::Links;
pub use obstacle::{Obstacle, on_one_line};
pub use overlaps::Overlap;
pub use packet_source::Opener;
pub use selection::{Selection, Survey, TapError, choose, survey};
pub use socket::sender;
pub use worker::Tap;
