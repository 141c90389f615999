//! Interfaces that come, go, and change their names: a netlink socket that tells, and a list.
//!
//! Holds indices, names and hardware types; no addresses (they are in the messages, and skipped).
//!
//! # Source
//! rtnetlink(7); include/uapi/linux/rtnetlink.h, if_link.h.

use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;

/// One interface as the kernel lists it.
pub(super) struct InterfaceEntry {
    /// Index, unique while the interface exists.
    pub(super) index: u32,
    /// Name; may change.
    pub(super) name: String,
    /// Hardware type (ARPHRD_*).
    pub(super) hardware: u16,
    /// Packets received and sent, by the interface's own counters.
    pub(super) passed: Passed,
}

/// What an interface's own counters say: packets in, packets out.
#[derive(Clone, Copy, Default)]
pub(super) struct Passed {
    pub(super) up: u64,
    pub(super) down: u64,
}

impl Passed {
    pub(super) fn packets(self) -> u64 {
        self.up.wrapping_add(self.down)
    }
}

const NEW_LINK: u16 = 16;
const DELETED_LINK: u16 = 17;
const GET_LINK: u16 = 18;
const DONE: u16 = 3;
const ERROR: u16 = 2;
const REQUEST_DUMP: u16 = 0x301;
const REQUEST_ONE: u16 = 0x1;
const GROUP_LINK: u32 = 1;
const FAMILY_UNSPECIFIED: u8 = 0;
const ATTRIBUTE_NAME: u16 = 3;
/// IFLA_STATS64: struct rtnl_link_stats64, packets received and sent first.
const ATTRIBUTE_STATISTICS: u16 = 23;

/// A message header and struct ifinfomsg.
const MESSAGE_HEADER: usize = 16;
const LINK_HEADER: usize = 16;

/// Larger than any single datagram of the kernel's (NLMSG_GOODSIZE grows to 32 KiB).
const BUFFER_BYTES: usize = 1 << 16;

/// Dumps that were interrupted by a change are asked for again, this many times.
const DUMP_TRIES: usize = 5;

/// Tells when the set of interfaces may have changed.
pub(super) struct InterfaceEvents {
    socket: Socket,
    buffer: Vec<u8>,
}

impl InterfaceEvents {
    pub(super) fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind(&SocketAddr::new(0, GROUP_LINK))?;
        socket.set_non_blocking(true)?;
        Ok(Self { socket, buffer: Vec::with_capacity(BUFFER_BYTES) })
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Reads what has come, and returns the interfaces that are gone, as they were at their end.
    ///
    /// Events that the kernel had to drop are no error: the caller lists the interfaces anew and
    /// asks every socket whether its interface still exists.
    pub(super) fn gone(&mut self) -> Vec<InterfaceEntry> {
        let mut gone = Vec::new();
        loop {
            self.buffer.clear();
            match self.socket.recv(&mut self.buffer, 0) {
                Ok(_) => {
                    each_message(&self.buffer, |kind, body| {
                        // A device that leaves a bridge is told of in that family; it still exists.
                        if kind == DELETED_LINK
                            && body.first() == Some(&FAMILY_UNSPECIFIED)
                            && let Some(entry) = entry(body)
                        {
                            gone.push(entry);
                        }
                    });
                }
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {}
                Err(_) => return gone,
            }
        }
    }
}

/// Lists the interfaces of this network namespace.
pub(super) fn list() -> io::Result<Vec<InterfaceEntry>> {
    for _ in 0..DUMP_TRIES {
        if let Some(entries) = dump()? {
            return Ok(entries);
        }
    }
    Err(io::ErrorKind::Interrupted.into())
}

/// What the counters of one interface say now; none when it is gone.
pub(super) fn passed(index: u32) -> Option<Passed> {
    let mut socket = Socket::new(NETLINK_ROUTE).ok()?;
    socket.bind_auto().ok()?;
    let mut request = request(REQUEST_ONE);
    request[MESSAGE_HEADER + 4..MESSAGE_HEADER + 8].copy_from_slice(&index.to_ne_bytes());
    socket.send_to(&request, &SocketAddr::new(0, 0), 0).ok()?;
    let mut buffer = Vec::with_capacity(BUFFER_BYTES);
    socket.recv(&mut buffer, 0).ok()?;
    let mut passed = None;
    each_message(&buffer, |kind, body| {
        if kind == NEW_LINK {
            passed = entry(body).map(|entry| entry.passed);
        }
    });
    passed
}

/// Tells the network namespace of the calling thread from others.
pub(super) fn namespace() -> io::Result<u64> {
    Ok(std::fs::metadata("/proc/thread-self/ns/net")?.ino())
}

/// One dump; none when the kernel says that it changed under way.
fn dump() -> io::Result<Option<Vec<InterfaceEntry>>> {
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.bind_auto()?;
    socket.send_to(&request(REQUEST_DUMP), &SocketAddr::new(0, 0), 0)?;
    let (mut entries, mut done, mut interrupted) = (Vec::new(), false, false);
    let mut buffer = Vec::with_capacity(BUFFER_BYTES);
    while !done {
        buffer.clear();
        socket.recv(&mut buffer, 0)?;
        interrupted |= each_message(&buffer, |kind, body| match kind {
            NEW_LINK => entries.extend(entry(body)),
            DONE | ERROR => done = true,
            _ => {}
        });
    }
    Ok((!interrupted).then_some(entries))
}

fn request(flags: u16) -> [u8; MESSAGE_HEADER + LINK_HEADER] {
    let mut request = [0; MESSAGE_HEADER + LINK_HEADER];
    request[..4].copy_from_slice(&(32_u32).to_ne_bytes());
    request[4..6].copy_from_slice(&GET_LINK.to_ne_bytes());
    request[6..8].copy_from_slice(&flags.to_ne_bytes());
    request
}

/// Calls back with each message's type and body; true when one says "interrupted".
fn each_message(mut bytes: &[u8], mut each: impl FnMut(u16, &[u8])) -> bool {
    const INTERRUPTED: u16 = 0x10;
    let mut interrupted = false;
    while let Some((length, kind)) = u32_at(bytes, 0).zip(u16_at(bytes, 4)) {
        let length = length as usize;
        let Some(body) = bytes.get(MESSAGE_HEADER..length) else { break };
        interrupted |= u16_at(bytes, 6).is_some_and(|flags| flags & INTERRUPTED != 0);
        each(kind, body);
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    interrupted
}

fn entry(body: &[u8]) -> Option<InterfaceEntry> {
    let hardware = u16_at(body, 2)?;
    let index = u32_at(body, 4)?;
    let mut attributes = body.get(LINK_HEADER..)?;
    let (mut name, mut passed) = (None, Passed::default());
    while let Some((length, kind)) = u16_at(attributes, 0).zip(u16_at(attributes, 2)) {
        let length = usize::from(length);
        let value = attributes.get(4..length)?;
        if kind == ATTRIBUTE_NAME {
            let text = value.split(|byte| *byte == 0).next()?;
            name = Some(std::str::from_utf8(text).ok()?.to_owned());
        }
        if kind == ATTRIBUTE_STATISTICS {
            passed = Passed { up: u64_at(value, 0)?, down: u64_at(value, 8)? };
        }
        attributes = attributes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Some(InterfaceEntry { index, name: name?, hardware, passed })
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|pair| u16::from_ne_bytes(*pair))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|word| u64::from_ne_bytes(*word))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|word| u32::from_ne_bytes(*word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_holds_the_loopback_interface() {
        let entries = list().expect("a netlink socket");
        assert!(entries.iter().any(|entry| entry.name == "lo" && entry.hardware == 772));
    }

    proptest::proptest! {
        /// A reply that lies about its lengths ends the reading, and nothing else.
        #[test]
        fn any_bytes_are_read_without_harm(
            bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)
        ) {
            each_message(&bytes, |_, body| drop(entry(body)));
        }
    }
}
