//! Where the packets of one interface come from, whichever tap it is: the seam between the worker and
//! the taps.

use super::attribution::Attribution;
use super::interfaces::{Hardware, Passed};
use super::kernel::{AttachedProgram, Attacher, Stand};
use super::obstacle::Obstacle;
use super::pnet::Pnet;
use super::ring::Ring;
use crate::config::TapKind;
use std::io;
use std::os::fd::BorrowedFd;

/// What opens packet sources on interfaces.
pub enum Opener {
    /// Attaches the kernel's program.
    Kernel(Attacher),
    /// Opens a ring.
    Ring,
    /// Opens pnet's sockets.
    Pnet,
}

impl Opener {
    /// Takes the kernel's program off every interface that is not among these and has it from an
    /// earlier process.
    pub(super) fn detach_others(&self, attached: &[u32]) {
        if let Self::Kernel(attacher) = self {
            attacher.detach_others(attached);
        }
    }

    /// How many descriptors it takes for each interface.
    pub(super) fn descriptors(&self) -> u64 {
        match self {
            Self::Kernel(attacher) => attacher.descriptors(),
            Self::Ring => 1,
            // Two sockets, and pnet's copies of them.
            Self::Pnet => 4,
        }
    }

    /// How the kernel's programs among these sources stand; other sources have no place that another could
    /// take.
    pub(super) fn look(&self, sources: &[&PacketSource]) -> Vec<Stand> {
        let Self::Kernel(attacher) = self else { return Vec::new() };
        let programs = sources.iter().filter_map(|source| match source {
            PacketSource::Kernel(program) => Some(program),
            _ => None,
        });
        attacher.look(&programs.collect::<Vec<_>>())
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
pub(super) enum PacketSource {
    Kernel(AttachedProgram),
    Ring(Ring),
    Pnet(Pnet),
}

/// A source that is to be.
pub(super) enum Prepared {
    /// It counts: what had passed the interface when it began to, or none where it goes on from an earlier
    /// process.
    Counts(PacketSource, Option<u64>),
    /// Nothing passes it yet.
    Waits(Unbound),
}

pub(super) enum Unbound {
    Ring(Ring),
    /// Its sockets are bound as they are opened.
    Pnet(Hardware),
}

impl Prepared {
    pub(super) fn of(opener: &Opener, index: u32, hardware: Hardware, one_of_many: bool) -> io::Result<Self> {
        match opener {
            Opener::Kernel(attacher) => attacher
                .attach(index, hardware == Hardware::Ethernet)
                .map(|(program, passed)| Self::Counts(PacketSource::Kernel(program), passed)),
            Opener::Ring => Ring::prepare(hardware, one_of_many).map(|ring| Self::Waits(Unbound::Ring(ring))),
            Opener::Pnet => Ok(Self::Waits(Unbound::Pnet(hardware))),
        }
    }
}

impl Unbound {
    /// What passes the interface of this index is seen from here on.
    pub(super) fn bind(self, index: u32) -> io::Result<PacketSource> {
        match self {
            Self::Ring(ring) => ring.bind(index).map(|()| PacketSource::Ring(ring)),
            Self::Pnet(hardware) => Pnet::open(index, hardware).map(PacketSource::Pnet),
        }
    }
}

/// How far a source has been read, or must be read for what has arrived to be counted: blocks of a
/// ring, or packets of pnet's two sockets.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Position(pub(super) [usize; 2]);

impl PacketSource {
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

    /// How far it must be read for everything that has arrived to be counted; none when it is counted
    /// already.
    pub(super) fn target(&self) -> Option<Position> {
        match self {
            Self::Kernel(_) => None,
            Self::Ring(ring) => ring.target().map(|block| Position([block, 0])),
            Self::Pnet(pnet) => pnet.target().map(Position),
        }
    }

    /// True when it has been read that far.
    pub(super) fn has_reached(&self, target: Position) -> bool {
        let read = match self {
            Self::Kernel(_) => return true,
            Self::Ring(ring) => [ring.walked(), 0],
            Self::Pnet(pnet) => pnet.read(),
        };
        read.iter().zip(target.0).all(|(read, target)| *read >= target)
    }

    /// Lets nothing more in; what has arrived stays to be read. Returns what had passed the interface by
    /// then, or none when it is gone; `passed` is what its counters read a moment before.
    pub(super) fn shut(&mut self, passed: Option<Passed>) -> Option<u64> {
        match self {
            Self::Kernel(program) => return program.detach(),
            Self::Ring(ring) => ring.shut(),
            Self::Pnet(pnet) => pnet.shut(),
        }
        passed.map(Passed::packets)
    }

    /// Puts the kernel's program in front of these again; returns how many packets it missed by that.
    pub(super) fn put_in_front(&mut self, before: &[Obstacle]) -> io::Result<Passed> {
        match self {
            Self::Kernel(program) => program.put_in_front(before),
            Self::Ring(_) | Self::Pnet(_) => Ok(Passed::default()),
        }
    }

    /// True where the place that the kernel's program stood in is gone, for others to take.
    pub(super) fn is_slot_empty(&self) -> bool {
        matches!(self, Self::Kernel(program) if program.is_slot_empty())
    }

    /// Leaves the program to the next process, where it is pinned; other taps end.
    pub(super) fn leave(&mut self) {
        match self {
            Self::Kernel(program) => program.leave(),
            Self::Ring(ring) => ring.shut(),
            Self::Pnet(pnet) => pnet.shut(),
        }
    }

    pub(super) fn is_bound(&self) -> bool {
        match self {
            // Whether the interface is there is in the list of interfaces.
            Self::Kernel(_) => true,
            Self::Ring(ring) => ring.is_bound(),
            Self::Pnet(pnet) => pnet.is_bound(),
        }
    }
}
