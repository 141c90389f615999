//! What is attached to one interface, whichever tap it is: the seam between the thread and the taps.

use super::interfaces::{self, Passed};
use super::kernel::{Attacher, Attachment};
use super::pnet::Pnet;
use super::ring::Ring;
use super::{Attribution, Hardware, TapKind};
use std::io;
use std::os::fd::BorrowedFd;

/// What opens a source on an interface.
pub enum Opener {
    /// Attaches the kernel's program.
    Kernel(Attacher),
    /// Opens a ring.
    Ring,
    /// Opens pnet's sockets.
    Pnet,
}

impl Opener {
    /// Takes the kernel's program off every interface that is not among these, where an earlier
    /// process had put it.
    pub(super) fn let_go_of_others(&self, attached: &[u32]) {
        if let Self::Kernel(attacher) = self {
            attacher.let_go_of_others(attached);
        }
    }

    /// Which tap it opens.
    #[must_use]
    pub const fn kind(&self) -> TapKind {
        match self {
            Self::Kernel(_) => TapKind::Kernel,
            Self::Ring => TapKind::Ring,
            Self::Pnet => TapKind::Pnet,
        }
    }
}

/// A tap on one interface. The kernel's has nothing to drain and nothing to wait for: a packet is
/// counted when it passes.
pub(super) enum Source {
    Kernel(Attachment),
    Ring(Ring),
    Pnet(Pnet),
}

/// How far a source must be read for what has arrived to be counted.
#[derive(Clone, Copy)]
pub(super) enum Marker {
    Ring(usize),
    Pnet([usize; 2]),
}

impl Source {
    /// Opens a source, and says what had passed the interface when it began to see packets; none
    /// where it goes on from an earlier process.
    pub(super) fn open(
        opener: &Opener,
        index: u32,
        hardware: Hardware,
        one_of_many: bool,
    ) -> io::Result<(Self, Option<u64>)> {
        match opener {
            Opener::Kernel(attacher) => attacher
                .attach(index, hardware == Hardware::Ethernet)
                .map(|(attachment, passed)| (Self::Kernel(attachment), passed)),
            Opener::Ring => Ring::open(index, hardware, one_of_many)
                .map(|(ring, passed)| (Self::Ring(ring), Some(passed.packets()))),
            Opener::Pnet => {
                Pnet::open(index, hardware).map(|(pnet, passed)| (Self::Pnet(pnet), Some(passed.packets())))
            }
        }
    }

    pub(super) fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let (first, second) = match self {
            Self::Kernel(_) => (None, None),
            Self::Ring(ring) => (Some(ring.fd()), None),
            Self::Pnet(pnet) => {
                let [up, down] = pnet.fds();
                (Some(up), Some(down))
            }
        };
        first.into_iter().chain(second)
    }

    /// Counts what waits, and what the kernel says was lost; the number of both.
    pub(super) fn drain(&mut self, attribution: &Attribution) -> u64 {
        match self {
            Self::Kernel(_) => 0,
            Self::Ring(ring) => ring.drain(attribution),
            Self::Pnet(pnet) => pnet.drain(attribution),
        }
    }

    /// Packets that have arrived and are not counted yet, about.
    pub(super) fn waiting(&self) -> u64 {
        match self {
            Self::Kernel(_) => 0,
            Self::Ring(ring) => ring.waiting(),
            Self::Pnet(pnet) => pnet.waiting(),
        }
    }

    pub(super) fn marker(&self) -> Option<Marker> {
        match self {
            Self::Kernel(_) => None,
            Self::Ring(ring) => ring.marker().map(Marker::Ring),
            Self::Pnet(pnet) => pnet.marker().map(Marker::Pnet),
        }
    }

    pub(super) fn is_past(&self, marker: Marker) -> bool {
        match (self, marker) {
            (Self::Ring(ring), Marker::Ring(marker)) => ring.is_past(marker),
            (Self::Pnet(pnet), Marker::Pnet(marker)) => pnet.is_past(marker),
            // The interface was attached anew: what the marker stood for was counted at its end.
            _ => true,
        }
    }

    /// Lets nothing more in; what has arrived stays to be read. Says what had passed the interface of
    /// this index by then; none when it is gone.
    pub(super) fn shut(&mut self, index: u32) -> Option<u64> {
        match self {
            Self::Kernel(attachment) => attachment.detach(),
            Self::Ring(ring) => {
                let passed = interfaces::passed(index);
                ring.shut();
                passed.map(Passed::packets)
            }
            Self::Pnet(pnet) => {
                let passed = interfaces::passed(index);
                pnet.shut();
                passed.map(Passed::packets)
            }
        }
    }

    /// Leaves the program to the next process, where it is kept there; other taps end.
    pub(super) fn leave(&mut self) {
        match self {
            Self::Kernel(attachment) => attachment.leave(),
            Self::Ring(ring) => ring.shut(),
            Self::Pnet(pnet) => pnet.shut(),
        }
    }

    pub(super) fn is_bound(&self) -> bool {
        match self {
            // The list of interfaces tells.
            Self::Kernel(_) => true,
            Self::Ring(ring) => ring.is_bound(),
            Self::Pnet(pnet) => pnet.is_bound(),
        }
    }
}
