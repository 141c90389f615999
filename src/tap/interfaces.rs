//! Interfaces that come, go, and change their names: a netlink socket for events, and a list.
//!
//! Holds indices, names and hardware types; no addresses (they are in the messages, and skipped).
//!
//! # Source
//! rtnetlink(7); include/uapi/linux/rtnetlink.h, if_link.h.

use super::device_rule::Rule;
use super::frame::LinkType;
use crate::system::netlink::{
    DONE, ERROR, REQUEST, REQUEST_DUMP, ask, attributes, message, messages, u16_at, u32_at, u64_at,
};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;

/// One interface as the kernel lists it.
#[derive(Default)]
pub(super) struct InterfaceEntry {
    /// Index, unique while the interface exists.
    pub(super) index: u32,
    /// Name; may change.
    pub(super) name: String,
    /// Its other names (`ip link property`).
    pub(super) other_names: Vec<String>,
    /// Hardware type (ARPHRD_*).
    pub(super) hardware: u16,
    /// What its kind's counters can be compared with.
    pub(super) rule: Rule,
    /// Packets that may wait in its queue.
    pub(super) queue_packets: u32,
    /// Packets received and sent, by the interface's own counters; zeros where they count something else.
    pub(super) passed: Passed,
    /// The number of its XDP program, if it has one.
    pub(super) xdp: Option<u32>,
    /// Index of the bridge, the bond or the like that it belongs to; 0 for none.
    pub(super) master: u32,
    /// Index of the device that passes its packets on, where it is a VLAN or the like on one; 0 for none.
    pub(super) parent: u32,
}

impl InterfaceEntry {
    /// True for the loopback interface (ARPHRD_LOOPBACK).
    pub(super) fn is_loopback(&self) -> bool {
        self.hardware == 772
    }
}

/// Hardware types that can be metered.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Hardware {
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
    pub(super) fn of_number(number: u16) -> Option<Self> {
        match number {
            1 => Some(Self::Ethernet),
            512 | 519 | 768 | 769 | 776 | 0xfffe => Some(Self::Ip),
            _ => None,
        }
    }

    pub(super) fn link_type(self) -> LinkType {
        match self {
            Self::Ethernet => LinkType::Ethernet,
            Self::Ip => LinkType::RawIp,
        }
    }

    pub(super) fn header_bytes(self) -> u32 {
        match self {
            Self::Ethernet => 14,
            Self::Ip => 0,
        }
    }
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

    pub(super) fn plus(self, other: Self) -> Self {
        Self { up: self.up.wrapping_add(other.up), down: self.down.wrapping_add(other.down) }
    }

    /// What of it passed in one direction.
    pub(super) fn one_way(self, up: bool) -> Self {
        if up { Self { down: 0, ..self } } else { Self { up: 0, ..self } }
    }

    /// What passed since an earlier reading; nothing where the counters began anew.
    pub(super) fn since(self, earlier: Self) -> Self {
        Self { up: self.up.saturating_sub(earlier.up), down: self.down.saturating_sub(earlier.down) }
    }
}

const NEW_LINK: u16 = 16;
const DELETED_LINK: u16 = 17;
const GET_LINK: u16 = 18;
const GROUP_LINK: u32 = 1;
/// RTMGRP_TC: qdiscs and filters.
const GROUP_TRAFFIC_CONTROL: u32 = 8;
/// The types of its messages: RTM_NEWQDISC to RTM_GETTFILTER.
const TRAFFIC_CONTROL: std::ops::RangeInclusive<u16> = 36..=46;
const FAMILY_UNSPECIFIED: u8 = 0;
const ATTRIBUTE_NAME: u16 = 3;
/// IFLA_TXQLEN.
const ATTRIBUTE_QUEUE: u16 = 13;
/// IFLA_LINK, IFLA_LINK_NETNSID: the device below, and that it is in another namespace.
const ATTRIBUTE_LINK: u16 = 5;
const ATTRIBUTE_LINK_NAMESPACE: u16 = 37;
const ATTRIBUTE_MASTER: u16 = 10;
/// IFLA_LINKINFO, and in it IFLA_INFO_KIND.
const ATTRIBUTE_LINK_INFO: u16 = 18;
const INFO_KIND: u16 = 1;
/// IFLA_PROP_LIST, and in it IFLA_ALT_IFNAME.
const ATTRIBUTE_PROPERTIES: u16 = 52;
const PROPERTY_NAME: u16 = 53;
/// What an attribute's type is without NLA_F_NESTED and NLA_F_NET_BYTEORDER.
const ATTRIBUTE_TYPE: u16 = 0x3fff;

/// Kinds of device whose packets pass the device below as they are. Others have an IFLA_LINK too: the far
/// end of a pair, or what a tunnel's outer packets leave by.
const STANDING_ON_ANOTHER: [&[u8]; 6] = [b"vlan", b"macvlan", b"macvtap", b"ipvlan", b"ipvtap", b"macsec"];
/// IFLA_STATS64: struct rtnl_link_stats64, packets received and sent first.
const ATTRIBUTE_STATISTICS: u16 = 23;
/// IFLA_XDP, and in it the numbers of programs: of the one, or of each kind.
const ATTRIBUTE_XDP: u16 = 43;
const XDP_PROGRAMS: std::ops::RangeInclusive<u16> = 4..=7;

/// Bytes of struct ifinfomsg; the interface's index is its second word.
const LINK_HEADER: usize = 16;
const INDEX_AT: usize = 4;

/// Larger than any single datagram of the kernel's (NLMSG_GOODSIZE grows to 32 KiB).
const BUFFER_BYTES: usize = 1 << 16;

/// Dumps that were interrupted by a change are asked for again, this many times.
const DUMP_TRIES: usize = 5;

/// What the kernel has told of interfaces since it was asked last.
#[derive(Default)]
pub(super) struct News {
    /// Interfaces that are gone, as they were at their end.
    pub(super) gone: Vec<InterfaceEntry>,
    /// Interfaces as they were when they were first told of, since their end if they had one. Of one that
    /// was made, or moved here from another network namespace, that is how it came.
    pub(super) came: Vec<InterfaceEntry>,
}

impl News {
    fn ended(&mut self, entry: InterfaceEntry) {
        self.came.retain(|came| came.index != entry.index);
        self.gone.push(entry);
    }

    fn told(&mut self, entry: InterfaceEntry) {
        if !self.came.iter().any(|came| came.index == entry.index) {
            self.came.push(entry);
        }
    }
}

/// Tells when the set of interfaces may have changed.
pub(super) struct InterfaceEvents {
    socket: Socket,
    buffer: Vec<u8>,
    hooks: HookNews,
}

/// The interfaces whose qdiscs or filters may have changed.
pub(super) enum HookNews {
    /// Those of these indices.
    Of(BTreeSet<u32>),
    /// Any of them: the kernel had to drop news.
    OfAny,
}

impl InterfaceEvents {
    pub(super) fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind(&SocketAddr::new(0, GROUP_LINK | GROUP_TRAFFIC_CONTROL))?;
        socket.set_non_blocking(true)?;
        Ok(Self { socket, buffer: Vec::with_capacity(BUFFER_BYTES), hooks: HookNews::NONE })
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Where qdiscs or filters may have changed since this was asked last.
    pub(super) fn hooks(&mut self) -> HookNews {
        std::mem::replace(&mut self.hooks, HookNews::NONE)
    }

    /// Reads what has been told.
    ///
    /// Events that the kernel had to drop are no error: the caller lists the interfaces anew and
    /// asks every socket whether its interface still exists.
    pub(super) fn news(&mut self) -> News {
        let mut news = News::default();
        loop {
            self.buffer.clear();
            match self.socket.recv(&mut self.buffer, 0) {
                Ok(_) => {
                    // A device that leaves a bridge is in that family's event; it still exists.
                    let of_links = messages(&self.buffer)
                        .filter(|message| message.body.first() == Some(&FAMILY_UNSPECIFIED));
                    for message in of_links {
                        match (message.kind, entry(message.body)) {
                            (DELETED_LINK, Some(entry)) => news.ended(entry),
                            (NEW_LINK, Some(entry)) => news.told(entry),
                            _ => {}
                        }
                    }
                    let hooks = messages(&self.buffer).filter(|it| TRAFFIC_CONTROL.contains(&it.kind));
                    let indices = hooks.filter_map(|message| u32_at(message.body, INDEX_AT));
                    if let HookNews::Of(changed) = &mut self.hooks {
                        changed.extend(indices);
                    }
                }
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => self.hooks = HookNews::OfAny,
                Err(_) => return news,
            }
        }
    }
}

impl HookNews {
    const NONE: Self = Self::Of(BTreeSet::new());

    /// True where nothing has changed.
    pub(super) fn is_none(&self) -> bool {
        matches!(self, Self::Of(indices) if indices.is_empty())
    }

    /// True where the hooks of this interface may have changed.
    pub(super) fn is_of(&self, index: u32) -> bool {
        match self {
            Self::Of(indices) => indices.contains(&index),
            Self::OfAny => true,
        }
    }
}

/// Lists the interfaces of this network namespace, once.
pub(super) fn list() -> io::Result<Vec<InterfaceEntry>> {
    list_by(&asking()?)
}

/// A socket to ask the kernel by.
pub(super) fn asking() -> io::Result<Socket> {
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.bind_auto()?;
    Ok(socket)
}

/// Lists the interfaces by a socket that was made for it.
pub(super) fn list_by(socket: &Socket) -> io::Result<Vec<InterfaceEntry>> {
    for _ in 0..DUMP_TRIES {
        if let Some(entries) = dump(socket)? {
            return Ok(entries);
        }
    }
    Err(io::ErrorKind::Interrupted.into())
}

/// What the counters of one interface say now; none when it is gone.
pub(super) fn passed(index: u32) -> Option<Passed> {
    let reply = ask(GET_LINK, REQUEST, &link_header(index)).ok()?;
    let answer = messages(&reply).find(|message| message.kind == NEW_LINK)?;
    entry(answer.body).map(|entry| entry.passed)
}

/// Tells the network namespace of the calling thread from others.
pub(super) fn namespace() -> io::Result<u64> {
    Ok(std::fs::metadata("/proc/thread-self/ns/net")?.ino())
}

/// One dump; none when the kernel says that it changed under way.
fn dump(socket: &Socket) -> io::Result<Option<Vec<InterfaceEntry>>> {
    let request = message(GET_LINK, REQUEST_DUMP, &link_header(0));
    socket.send_to(&request, &SocketAddr::new(0, 0), 0)?;
    let (mut entries, mut done, mut interrupted) = (Vec::new(), false, false);
    let mut buffer = Vec::with_capacity(BUFFER_BYTES);
    while !done {
        buffer.clear();
        socket.recv(&mut buffer, 0)?;
        for message in messages(&buffer) {
            interrupted |= message.is_interrupted();
            match message.kind {
                NEW_LINK => entries.extend(entry(message.body)),
                DONE | ERROR => done = true,
                _ => {}
            }
        }
    }
    Ok((!interrupted).then_some(entries))
}

/// struct ifinfomsg that asks for the interface of this index; 0 for all.
fn link_header(index: u32) -> [u8; LINK_HEADER] {
    let mut header = [0; LINK_HEADER];
    header[INDEX_AT..INDEX_AT + 4].copy_from_slice(&index.to_ne_bytes());
    header
}

fn entry(body: &[u8]) -> Option<InterfaceEntry> {
    let mut entry =
        InterfaceEntry { hardware: u16_at(body, 2)?, index: u32_at(body, INDEX_AT)?, ..Default::default() };
    let (mut link, mut device, mut is_elsewhere) = (0, [].as_slice(), false);
    for (kind, value) in attributes(body.get(LINK_HEADER..)?) {
        match kind & ATTRIBUTE_TYPE {
            ATTRIBUTE_NAME => entry.name = name(value)?,
            ATTRIBUTE_PROPERTIES => {
                let named = attributes(value).filter(|(kind, _)| kind & ATTRIBUTE_TYPE == PROPERTY_NAME);
                entry.other_names.extend(named.filter_map(|(_, value)| name(value)));
            }
            ATTRIBUTE_STATISTICS => {
                entry.passed = Passed { up: u64_at(value, 0)?, down: u64_at(value, 8)? };
            }
            ATTRIBUTE_XDP => {
                let mut programs =
                    attributes(value).filter(|(kind, _)| XDP_PROGRAMS.contains(&(kind & ATTRIBUTE_TYPE)));
                entry.xdp = programs.find_map(|(_, value)| u32_at(value, 0));
            }
            ATTRIBUTE_MASTER => entry.master = u32_at(value, 0)?,
            ATTRIBUTE_QUEUE => entry.queue_packets = u32_at(value, 0)?,
            ATTRIBUTE_LINK => link = u32_at(value, 0)?,
            ATTRIBUTE_LINK_INFO => {
                let text = attributes(value).find(|(kind, _)| kind & ATTRIBUTE_TYPE == INFO_KIND);
                device = text.map_or(device, |(_, text)| text.strip_suffix(&[0]).unwrap_or(text));
            }
            ATTRIBUTE_LINK_NAMESPACE => is_elsewhere = true,
            _ => {}
        }
    }
    if STANDING_ON_ANOTHER.contains(&device) && !is_elsewhere {
        entry.parent = link;
    }
    entry.rule = Rule::of(device);
    if entry.rule == Rule::Never {
        entry.passed = Passed::default();
    }
    (!entry.name.is_empty()).then_some(entry)
}

/// A name, which ends with a NUL; none where it is not text.
fn name(value: &[u8]) -> Option<String> {
    let text = value.split(|byte| *byte == 0).next()?;
    Some(std::str::from_utf8(text).ok()?.to_owned())
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
        /// A body that lies about its lengths gives no interface or another, and does nothing else.
        #[test]
        fn any_bytes_are_read_without_harm(
            bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)
        ) {
            drop(entry(&bytes));
        }
    }
}
