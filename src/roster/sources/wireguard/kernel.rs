//! Asks the kernel for the peers of a device, by generic netlink, until two answers in a row are alike.
//!
//! While peers change, the kernel may list a part of a peer's addresses without a word. So an answer counts
//! when it equals the one before it, of this question or of the last one: of that a digest is kept, under a
//! key that no other process has. The caller's buffer is cleared after each answer. Never joins a multicast
//! group: AmneziaWG's `auth` carries keys and endpoints.
//!
//! # Source
//! include/uapi/linux/genetlink.h, include/uapi/linux/wireguard.h.

use super::super::unread::Unread;
use super::dump::Dump;
use super::wire::{Deadline, refused};
use super::{KEY_BYTES, MOST_PAIRS, Pair};
use crate::system::netlink::{self, REQUEST, REQUEST_DUMP, attribute, attributes, message, messages, text};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, send, socket};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use zeroize::Zeroize;

/// Families and their versions: WireGuard's own, and AmneziaWG's.
const FAMILIES: [(&str, u8); 2] = [("wireguard", 1), ("amneziawg", 3)];

/// GENL_ID_CTRL, CTRL_CMD_GETFAMILY, CTRL_ATTR_FAMILY_ID and CTRL_ATTR_FAMILY_NAME.
const CONTROL: u16 = 0x10;
const GET_FAMILY: u8 = 3;
const FAMILY_ID: u16 = 1;
const FAMILY_NAME: u16 = 2;

/// WG_CMD_GET_DEVICE, WGDEVICE_A_IFNAME.
const GET_DEVICE: u8 = 0;
const DEVICE_NAME: u16 = 2;

/// Answers to one question before it is given up: each peer that changes costs one or two.
const ANSWERS: usize = 16;

/// A new socket to the kernel's generic netlink.
pub(super) fn open() -> Result<OwnedFd, Unread> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkGeneric).map_err(refused)
}

/// The key of the digests, and the digest of the last answer of each device.
pub(super) struct Known {
    key: zeroize::Zeroizing<[u8; 32]>,
    last: Vec<Option<blake3::Hash>>,
}

impl Known {
    /// Nothing is known of so many devices; digests are made under this key.
    pub(super) fn new(devices: usize, key: [u8; 32]) -> Self {
        Self { key: zeroize::Zeroizing::new(key), last: vec![None; devices] }
    }

    /// Notes an answer; true when it is the one before.
    fn is_again(&mut self, device: usize, pairs: &[Pair]) -> bool {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        pairs.iter().for_each(|pair| _ = hasher.update(&pair.0));
        let digest = Some(hasher.finalize());
        hasher.zeroize();
        std::mem::replace(&mut self.last[device], digest) == digest
    }
}

/// The pairs of this device; `open` gives a socket for each question.
pub(super) fn ask(
    open: impl Fn() -> Result<OwnedFd, Unread>,
    (place, device): (usize, &str),
    known: &mut Known,
    buffer: &mut [u8],
    deadline: &Deadline,
) -> Result<Vec<Pair>, Unread> {
    let mut why = Unread::Refused(io::Error::from_raw_os_error(libc::ENODEV));
    for (family, version) in FAMILIES {
        let Some(number) = number_of(&open()?, family, buffer, deadline)? else { continue };
        match stable(&open, (number, version), (place, device), known, buffer, deadline) {
            // It may be one of the other family.
            Err(Unread::Refused(error))
                if matches!(error.raw_os_error(), Some(libc::ENODEV | libc::EOPNOTSUPP)) =>
            {
                why = Unread::Refused(error);
            }
            result => return result,
        }
    }
    Err(why)
}

/// Asks until two answers in a row are alike.
fn stable(
    open: impl Fn() -> Result<OwnedFd, Unread>,
    family: (u16, u8),
    (place, device): (usize, &str),
    known: &mut Known,
    buffer: &mut [u8],
    deadline: &Deadline,
) -> Result<Vec<Pair>, Unread> {
    for _ in 0..ANSWERS {
        let mut pairs = Vec::new();
        let socket = open()?;
        let answer = dump(&socket, family, device, &mut pairs, buffer, deadline);
        buffer.zeroize();
        if !answer? && known.is_again(place, &pairs) {
            return Ok(pairs);
        }
    }
    Err(Unread::Unstable)
}

/// The kernel's number of a family; none where it has none of that name.
fn number_of(
    socket: &OwnedFd,
    family: &str,
    buffer: &mut [u8],
    deadline: &Deadline,
) -> Result<Option<u16>, Unread> {
    let body = [vec![GET_FAMILY, 1, 0, 0], attribute(FAMILY_NAME, &text(family))].concat();
    tell(socket, &message(CONTROL, REQUEST, &body))?;
    let length = deadline.receive(socket, buffer)?;
    let answer = messages(buffer.get(..length).ok_or(Unread::Malformed)?).next();
    let answer = answer.ok_or(Unread::Malformed)?;
    if answer.kind == netlink::ERROR {
        let code = netlink::u32_at(answer.body, 0).map_or(0, u32::cast_signed).saturating_abs();
        let error = io::Error::from_raw_os_error(code);
        return if code == libc::ENOENT { Ok(None) } else { Err(Unread::Refused(error)) };
    }
    let mut parts = attributes(answer.body.get(4..).unwrap_or_default());
    let number = parts.find(|(kind, _)| *kind == FAMILY_ID).and_then(|(_, value)| netlink::u16_at(value, 0));
    number.map(Some).ok_or(Unread::Malformed)
}

/// One dump; true when the device changed meanwhile.
fn dump(
    socket: &OwnedFd,
    (family, version): (u16, u8),
    device: &str,
    pairs: &mut Vec<Pair>,
    buffer: &mut [u8],
    deadline: &Deadline,
) -> Result<bool, Unread> {
    let body = [vec![GET_DEVICE, version, 0, 0], attribute(DEVICE_NAME, &text(device))].concat();
    tell(socket, &message(family, REQUEST_DUMP, &body))?;
    let mut dump = Dump::default();
    while !dump.is_over() {
        let length = deadline.receive(socket, buffer)?;
        let datagram = buffer.get(..length).filter(|datagram| !datagram.is_empty());
        dump.read(datagram.ok_or(Unread::BrokenOff)?, |prefix, key: &[u8; KEY_BYTES]| {
            if pairs.len() == MOST_PAIRS {
                return Err(Unread::TooMany(MOST_PAIRS));
            }
            pairs.push(Pair::new(prefix, key));
            Ok(())
        })?;
    }
    Ok(dump.is_interrupted)
}

fn tell(socket: &OwnedFd, message: &[u8]) -> Result<(), Unread> {
    send(socket.as_raw_fd(), message, MsgFlags::MSG_NOSIGNAL).map(drop).map_err(refused)
}

#[cfg(test)]
mod tests;
