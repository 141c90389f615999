//! What the kernel answers to a dump of a WireGuard device: attributes in attributes, of which six are read.
//!
//! The private key, preshared keys, endpoints and handshakes are stepped over by their lengths; nothing of
//! them is looked at. A peer whose addresses do not fit one message comes again in the next with its key.
//! Lengths are believed nowhere: what does not fit is an error, since a list that ends early is not whole.
//! Pure: bytes in, pairs out.
//!
//! # Source
//! include/uapi/linux/wireguard.h; amneziawg-linux-kernel-module, uapi/wireguard.h: attributes 1 to 8 of a
//! device and 1 to 10 of a peer are the same.

use super::super::super::address::{Prefix, TunnelAddress};
use super::super::unread::Unread;
use super::KEY_BYTES;
use crate::system::netlink::{DONE, ERROR, u16_at, u32_at};
use std::io;

/// Bytes of struct nlmsghdr, struct genlmsghdr and struct nlattr.
const MESSAGE_HEADER: usize = 16;
const GENERIC_HEADER: usize = 4;
const ATTRIBUTE_HEADER: usize = 4;

/// NLM_F_DUMP_INTR: the device changed while it was dumped.
const INTERRUPTED: u16 = 0x10;

/// Above the numbers of attributes: NLA_F_NESTED, NLA_F_NET_BYTEORDER.
const ATTRIBUTE_NUMBER: u16 = 0x3fff;

const DEVICE_PEERS: u16 = 8;
const PEER_PUBLIC_KEY: u16 = 1;
const PEER_ALLOWED_IPS: u16 = 9;
const ALLOWED_FAMILY: u16 = 1;
const ALLOWED_ADDRESS: u16 = 2;
const ALLOWED_LENGTH: u16 = 3;

/// A dump, read datagram by datagram.
#[derive(Default)]
pub(super) struct Dump {
    is_over: bool,
    /// Whether the kernel said that the device changed meanwhile.
    pub(super) is_interrupted: bool,
}

impl Dump {
    /// True once the kernel said that this was all.
    pub(super) const fn is_over(&self) -> bool {
        self.is_over
    }

    /// Reads a datagram, and hands each prefix to `each` with the key of the peer that may use it.
    pub(super) fn read(
        &mut self,
        mut datagram: &[u8],
        mut each: impl FnMut(Prefix, &[u8; KEY_BYTES]) -> Result<(), Unread>,
    ) -> Result<(), Unread> {
        while !datagram.is_empty() {
            if self.is_over {
                return Err(Unread::Malformed);
            }
            let (length, kind, flags) = (u32_at(datagram, 0), u16_at(datagram, 4), u16_at(datagram, 6));
            let length = length.and_then(|length| usize::try_from(length).ok()).ok_or(Unread::Malformed)?;
            let (kind, flags) = kind.zip(flags).ok_or(Unread::Malformed)?;
            let body = datagram.get(MESSAGE_HEADER..length).ok_or(Unread::Malformed)?;
            datagram = datagram.get(length.next_multiple_of(4)..).unwrap_or_default();
            self.is_interrupted |= flags & INTERRUPTED != 0;
            if kind == DONE || kind == ERROR {
                // Both begin with 0, or the negative number of an error.
                let code = u32_at(body, 0).ok_or(Unread::Malformed)?.cast_signed();
                if code != 0 {
                    return Err(Unread::Refused(io::Error::from_raw_os_error(code.saturating_abs())));
                }
                self.is_over = true;
                continue;
            }
            let device = body.get(GENERIC_HEADER..).ok_or(Unread::Malformed)?;
            self.device(device, &mut each)?;
        }
        Ok(())
    }

    fn device(
        &self,
        device: &[u8],
        each: &mut impl FnMut(Prefix, &[u8; KEY_BYTES]) -> Result<(), Unread>,
    ) -> Result<(), Unread> {
        for attribute in Attributes(device) {
            let (number, peers) = attribute.map_err(|()| Unread::Malformed)?;
            if number == DEVICE_PEERS {
                for peer in Attributes(peers) {
                    self.peer(peer.map_err(|()| Unread::Malformed)?.1, each)?;
                }
            }
        }
        Ok(())
    }

    fn peer(
        &self,
        peer: &[u8],
        each: &mut impl FnMut(Prefix, &[u8; KEY_BYTES]) -> Result<(), Unread>,
    ) -> Result<(), Unread> {
        let (mut key, mut addresses) = (None, None);
        for attribute in Attributes(peer) {
            match attribute.map_err(|()| Unread::Malformed)? {
                (PEER_PUBLIC_KEY, value) => key = value.as_array::<KEY_BYTES>(),
                (PEER_ALLOWED_IPS, value) => addresses = Some(value),
                _ => {}
            }
        }
        let key = key.ok_or(Unread::Malformed)?;
        for allowed in Attributes(addresses.unwrap_or_default()) {
            let (_, allowed) = allowed.map_err(|()| Unread::Malformed)?;
            let prefix = prefix_of(allowed).ok_or(Unread::Malformed)?;
            each(prefix, key)?;
        }
        Ok(())
    }
}

/// The prefix of one allowed address.
fn prefix_of(allowed: &[u8]) -> Option<Prefix> {
    let (mut family, mut address, mut length) = (None, None, None);
    for attribute in Attributes(allowed) {
        match attribute.ok()? {
            (ALLOWED_FAMILY, value) => family = u16_at(value, 0).map(i32::from),
            (ALLOWED_ADDRESS, value) => address = Some(value),
            (ALLOWED_LENGTH, value) => length = value.first().copied(),
            _ => {}
        }
    }
    let address = match family? {
        libc::AF_INET => TunnelAddress::V4(u32::from_be_bytes(address?.try_into().ok()?)),
        libc::AF_INET6 => TunnelAddress::V6(u128::from_be_bytes(address?.try_into().ok()?)),
        _ => return None,
    };
    Prefix::around(address, length?)
}

/// The attributes in these bytes, number and value of each; an error where a length does not fit.
struct Attributes<'a>(&'a [u8]);

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<(u16, &'a [u8]), ()>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let bytes = std::mem::take(&mut self.0);
        let (Some(length), Some(number)) = (u16_at(bytes, 0), u16_at(bytes, 2)) else { return Some(Err(())) };
        let length = usize::from(length);
        let Some(value) = bytes.get(ATTRIBUTE_HEADER..length) else { return Some(Err(())) };
        self.0 = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(Ok((number & ATTRIBUTE_NUMBER, value)))
    }
}

#[cfg(test)]
pub(super) mod tests;
