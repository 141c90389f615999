//! What is attached to one interface, whichever tap it is: the seam between the thread and the taps.

use super::kernel::{Attacher, Attachment};
use super::links::LinkEntry;
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
    pub(super) fn open(
        opener: &Opener,
        link: &LinkEntry,
        hardware: Hardware,
        one_of_many: bool,
    ) -> io::Result<Self> {
        match opener {
            Opener::Kernel(attacher) => {
                attacher.attach(link.index, hardware == Hardware::Ethernet).map(Self::Kernel)
            }
            Opener::Ring => Ring::open(link.index, hardware, one_of_many).map(Self::Ring),
            Opener::Pnet => Pnet::open(link.index, hardware).map(Self::Pnet),
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

    pub(super) fn drain(&mut self, attribution: &Attribution) {
        match self {
            Self::Kernel(_) => {}
            Self::Ring(ring) => ring.drain(attribution),
            Self::Pnet(pnet) => pnet.drain(attribution),
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

    /// Lets nothing more in; what has arrived stays to be read.
    pub(super) fn shut(&mut self) {
        match self {
            Self::Kernel(attachment) => attachment.detach(),
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
