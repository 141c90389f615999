//! What the tap's thread sleeps on: one list in the kernel, so that a wake-up costs what is ready, and not
//! what there is. A server may have hundreds of interfaces.
//!
//! Holds descriptors and numbers of attachments; no packet and no address.
//!
//! # Source
//! epoll(7).

use crate::tap::packet_source::PacketSource;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use std::io;
use std::os::fd::BorrowedFd;

/// The numbers of what is no attachment; those of attachments begin at 1.
const COMMANDS: u64 = 0;
const INTERFACES: u64 = u64::MAX;

/// Sources that one wake-up tells of; the others are told of by the next one.
const READY: usize = 64;

/// The list.
pub(super) struct Waiting {
    list: Epoll,
}

/// What is ready.
#[derive(Default)]
pub(super) struct Woken {
    /// The set of interfaces may have changed, or a source lost its own.
    pub(super) interfaces_changed: bool,
    /// Attachments that have something to count.
    pub(super) serials: Vec<u64>,
}

impl Waiting {
    /// A list of two descriptors: commands are told by one, changes of interfaces by the other.
    pub(super) fn on(commands: BorrowedFd<'_>, interfaces: BorrowedFd<'_>) -> io::Result<Self> {
        let list = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        list.add(commands, EpollEvent::new(EpollFlags::EPOLLIN, COMMANDS))?;
        list.add(interfaces, EpollEvent::new(EpollFlags::EPOLLIN, INTERFACES))?;
        Ok(Self { list })
    }

    /// Waits for a source as well.
    pub(super) fn add(&self, source: &PacketSource, serial: u64) -> io::Result<()> {
        source.fds().try_for_each(|fd| Ok(self.list.add(fd, EpollEvent::new(EpollFlags::EPOLLIN, serial))?))
    }

    /// Waits for a source no longer, though it stays open.
    pub(super) fn remove(&self, source: &PacketSource) {
        // One that was not added is none to remove.
        source.fds().for_each(|fd| _ = self.list.delete(fd));
    }

    /// Waits until something is ready, or for so many milliseconds.
    pub(super) fn wait(&self, milliseconds: Option<u16>) -> Woken {
        let mut events = [EpollEvent::empty(); READY];
        let timeout = milliseconds.map_or(EpollTimeout::NONE, EpollTimeout::from);
        let Ok(ready) = self.list.wait(&mut events, timeout) else { return Woken::default() };
        let mut woken = Woken::default();
        for event in &events[..ready] {
            match event.data() {
                COMMANDS => {}
                INTERFACES => woken.interfaces_changed = true,
                serial => {
                    woken.interfaces_changed |= event.events().contains(EpollFlags::EPOLLERR);
                    woken.serials.push(serial);
                }
            }
        }
        woken
    }
}
