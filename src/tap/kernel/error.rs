//! Why the kernel tap does not work here, and why what is in the kernel stays there.
//!
//! Says which versions, capabilities and settings help; holds no address and no account.

use super::pins::PinError;
use std::io;

/// Why the kernel tap does not work here.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// The kernel is too old.
    #[error("the kernel tap needs Linux 5.19, this is {0}.{1}")]
    Release(u32, u32),
    /// tcx was asked for and the kernel has none.
    #[error("tap.hook: tcx needs Linux 6.6, this is {0}.{1}; write \"auto\" or \"clsact\"")]
    Tcx(u32, u32),
    /// Capabilities are missing.
    #[error(
        "the kernel tap needs CAP_BPF and CAP_NET_ADMIN; run as root, or grant them with \
         AmbientCapabilities=CAP_BPF CAP_NET_ADMIN in the unit"
    )]
    Capabilities,
    /// The kernel takes no array as large as one slice for each processor needs.
    #[error("this kernel takes no array as large as the slices of all processors")]
    TooLarge,
    /// The kernel refused the program or a map.
    #[error("the kernel refuses the program: {0}")]
    Refused(String),
    /// What is pinned is another node's, or of a version that is not known here.
    #[error(
        "counters of another node or version are in the kernel; stop what made them, or remove them with \
         `blindmeter detach`"
    )]
    Foreign,
    /// The program of an earlier process is attached, and may not be taken off.
    #[error(
        "the kernel tap of an earlier process still counts; run `blindmeter detach` as root, or go on with \
         tap.backend = \"kernel\""
    )]
    PinnedSets,
    /// More accounts are in the kernel's maps than there is room for.
    #[error("store.capacity: the running tap holds accounts up to number {0}; set it to {0} or more")]
    CapacityTooSmall(usize),
    /// A system call failed.
    #[error("cannot set up the kernel tap: {0}")]
    System(#[from] io::Error),
}

impl KernelError {
    /// True when no other tap should be taken in its place: something is there that must be looked
    /// at first.
    #[must_use]
    pub fn is_in_the_way(&self) -> bool {
        matches!(self, Self::Foreign | Self::PinnedSets | Self::CapacityTooSmall(_))
    }
}

/// Why what is in the kernel stays there.
#[derive(Debug, thiserror::Error)]
pub enum DetachError {
    /// The pins.
    #[error(transparent)]
    PinStore(#[from] PinError),
    /// The programs.
    #[error(transparent)]
    Kernel(#[from] KernelError),
}
