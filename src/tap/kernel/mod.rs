//! The kernel tap: a program at the tc hooks adds to counters that this process only reads.
//!
//! No packet and no address of one ever enters the process. Loading needs CAP_BPF and
//! CAP_NET_ADMIN; afterwards the process needs none: it reads counters and writes owners through
//! mapped memory and map descriptors, and [`helper`] attaches interfaces that come later.
//! There are two programs, and [`counting`] says which one counts here.
//! Maps, programs and links are pinned ([`pins`]), so that the kernel counts on while no process lives;
//! the next one adopts them ([`adopt`]).

mod adopt;
mod attach;
mod counting;
mod error;
mod filters;
mod header;
mod helper;
mod hooks;
mod layout;
mod leftovers;
mod link;
mod loaded;
mod look;
mod making;
mod object;
mod owner;
mod owner_tables;
mod owners;
mod pins;
mod release;
mod set;
mod standing;
mod sys;

pub(super) use attach::AttachedProgram;
pub use attach::Attacher;
pub use counting::Counting;
pub use error::{DetachError, KernelError};
pub(super) use hooks::obstacle_in_slot;
pub use layout::SetLayout;
pub use leftovers::Removed;
pub use loaded::{Kernel, PinnedSets, detach, take_lost_links_off};
pub(super) use look::Stand;
pub use pins::{PinError, PinStore};
pub use release::hook;
pub use standing::with_names;
