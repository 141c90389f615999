//! The wire format of netlink: messages and attributes, built and walked; and one request with its answer.
//!
//! Holds no address and no state. What the kernel says of lengths is checked: bytes that do not fit
//! end the walk, and nothing else.
//!
//! # Source
//! netlink(7), rtnetlink(7); include/uapi/linux/netlink.h (struct nlmsghdr, struct nlmsgerr, struct nlattr).

use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use std::io;

/// NLM_F_REQUEST, and with NLM_F_ACK for a request that is only acknowledged.
pub const REQUEST: u16 = 0x1;
const REQUEST_ACK: u16 = 0x5;

/// NLM_F_REQUEST with NLM_F_DUMP: every object there is.
pub const REQUEST_DUMP: u16 = 0x301;

/// NLM_F_EXCL: fail if the object exists.
pub const EXCLUSIVE: u16 = 0x200;

/// NLM_F_CREATE: create the object if it does not exist.
pub const CREATE: u16 = 0x400;

/// NLM_F_DUMP_INTR: the dump changed under way.
const INTERRUPTED: u16 = 0x10;

/// NLMSG_ERROR: the kernel refuses, or acknowledges.
pub const ERROR: u16 = 2;

/// NLMSG_DONE: the end of a dump.
pub const DONE: u16 = 3;

/// Bytes of struct nlmsghdr and struct nlattr; both stand at multiples of four.
const MESSAGE_HEADER: usize = 16;
const ATTRIBUTE_HEADER: usize = 4;
const ALIGNMENT: usize = 4;

/// One message.
pub struct Message<'a> {
    /// Its type.
    pub kind: u16,
    flags: u16,
    /// What follows its header.
    pub body: &'a [u8],
}

impl Message<'_> {
    /// True for a part of a dump that changed under way.
    #[must_use]
    pub fn is_interrupted(&self) -> bool {
        self.flags & INTERRUPTED != 0
    }
}

/// A message as the kernel takes it.
///
/// # Panics
/// When the body is longer than 4 GiB.
#[must_use]
pub fn message(kind: u16, flags: u16, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(MESSAGE_HEADER + body.len()).expect("messages of this program are short");
    let mut message = length.to_ne_bytes().to_vec();
    message.extend(kind.to_ne_bytes());
    message.extend(flags.to_ne_bytes());
    // Sequence and port: one request at a time, and the kernel fills in who asks.
    message.extend([0; 8]);
    message.extend(body);
    message
}

/// The messages in what was received.
pub fn messages(mut bytes: &[u8]) -> impl Iterator<Item = Message<'_>> {
    std::iter::from_fn(move || {
        let (length, kind, flags) = (u32_at(bytes, 0)?, u16_at(bytes, 4)?, u16_at(bytes, 6)?);
        let (body, rest) = split(bytes, MESSAGE_HEADER, usize::try_from(length).ok()?)?;
        bytes = rest;
        Some(Message { kind, flags, body })
    })
}

/// One attribute, padded to four bytes.
///
/// # Panics
/// When the value is longer than 65,531 bytes.
#[must_use]
pub fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(ATTRIBUTE_HEADER + value.len()).expect("attributes of this program are short");
    let mut attribute = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
    attribute.extend(value);
    attribute.resize(attribute.len().next_multiple_of(ALIGNMENT), 0);
    attribute
}

/// The attributes in a message's body or in another attribute: type and value of each.
pub fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let (length, kind) = (u16_at(bytes, 0)?, u16_at(bytes, 2)?);
        let (value, rest) = split(bytes, ATTRIBUTE_HEADER, usize::from(length))?;
        bytes = rest;
        Some((kind, value))
    })
}

/// What stands between a header and a length, and what follows at the next multiple of four; none
/// where the length lies about either.
fn split(bytes: &[u8], header: usize, length: usize) -> Option<(&[u8], &[u8])> {
    let content = bytes.get(header..length)?;
    Some((content, bytes.get(length.next_multiple_of(ALIGNMENT)..).unwrap_or_default()))
}

/// Text as the kernel expects it: NUL-terminated.
#[must_use]
pub fn text(text: &str) -> Vec<u8> {
    [text.as_bytes(), &[0]].concat()
}

/// The number of 16 bits at this place; none where the bytes end before it.
#[must_use]
pub fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|bytes| u16::from_ne_bytes(*bytes))
}

/// The number of 32 bits at this place; none where the bytes end before it.
#[must_use]
pub fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes))
}

/// The number of 64 bits at this place; none where the bytes end before it.
#[must_use]
pub fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|bytes| u64::from_ne_bytes(*bytes))
}

/// Sends rtnetlink one message of this type and waits for the acknowledgement.
///
/// # Errors
/// What the kernel answers.
pub fn request(kind: u16, flags: u16, body: &[u8]) -> io::Result<()> {
    let reply = ask(kind, flags | REQUEST_ACK, body)?;
    // struct nlmsgerr begins with 0, or the negative errno.
    let code = messages(&reply).next().and_then(|message| u32_at(message.body, 0));
    match code.map(u32::cast_signed) {
        Some(0) => Ok(()),
        Some(code) => Err(io::Error::from_raw_os_error(-code)),
        None => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// Whether the object that a message of this type asks rtnetlink for exists.
#[must_use]
pub fn exists(kind: u16, body: &[u8]) -> bool {
    let reply = ask(kind, REQUEST, body).unwrap_or_default();
    messages(&reply).next().is_some_and(|message| message.kind != ERROR)
}

/// Sends rtnetlink one message; returns the first datagram of the answer.
///
/// # Errors
/// Those of the socket. What the kernel answers is in the datagram.
pub fn ask(kind: u16, flags: u16, body: &[u8]) -> io::Result<Vec<u8>> {
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.bind_auto()?;
    socket.send_to(&message(kind, flags, body), &SocketAddr::new(0, 0), 0)?;
    Ok(socket.recv_from_full()?.0)
}

/// Sends rtnetlink a request for every object of a kind, and hands out the body of each. A list that
/// changes under way may lack one or repeat one.
///
/// # Errors
/// Those of the socket, and what the kernel answers.
pub fn dump(kind: u16, body: &[u8], mut each: impl FnMut(&[u8])) -> io::Result<()> {
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.bind_auto()?;
    socket.send_to(&message(kind, REQUEST_DUMP, body), &SocketAddr::new(0, 0), 0)?;
    let mut buffer = Vec::with_capacity(DUMP_BYTES);
    loop {
        buffer.clear();
        socket.recv(&mut buffer, 0)?;
        for message in messages(&buffer) {
            match message.kind {
                DONE => return Ok(()),
                ERROR => {
                    let code = u32_at(message.body, 0).map_or(0, u32::cast_signed);
                    return Err(io::Error::from_raw_os_error(-code));
                }
                _ => each(message.body),
            }
        }
    }
}

/// Larger than any single datagram of the kernel's (NLMSG_GOODSIZE grows to 32 KiB).
const DUMP_BYTES: usize = 1 << 16;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_built_is_walked_again() {
        let nested = [attribute(6, &7_u32.to_ne_bytes()), attribute(7, &text("bm"))].concat();
        let body =
            [vec![9; 8], attribute(1, &text("bpf")), attribute(2, &nested), attribute(3, &[])].concat();
        let two = [message(44, CREATE, &body), message(DONE, INTERRUPTED, &[0; 4])].concat();
        let walked: Vec<Message<'_>> = messages(&two).collect();
        assert_eq!(walked.iter().map(|message| message.kind).collect::<Vec<_>>(), [44, DONE]);
        assert!(!walked[0].is_interrupted() && walked[1].is_interrupted());
        let found: Vec<(u16, &[u8])> = attributes(&walked[0].body[8..]).collect();
        assert_eq!(found, [(1, b"bpf\0".as_slice()), (2, nested.as_slice()), (3, &[])]);
        let inner: Vec<(u16, &[u8])> = attributes(found[1].1).collect();
        assert_eq!(inner, [(6, 7_u32.to_ne_bytes().as_slice()), (7, b"bm\0")]);
    }

    #[test]
    fn a_length_that_lies_ends_the_walk() {
        let whole = message(16, 0, &[1; 8]);
        for length in [0_u32, 15, 25, u32::MAX] {
            let mut bytes = [whole.clone(), whole.clone()].concat();
            bytes[24..28].copy_from_slice(&length.to_ne_bytes());
            assert_eq!(messages(&bytes).count(), 1, "{length}");
        }
        let whole = attribute(3, &[1; 4]);
        for length in [0_u16, 3, 9, u16::MAX] {
            let mut bytes = [whole.clone(), whole.clone()].concat();
            bytes[8..10].copy_from_slice(&length.to_ne_bytes());
            assert_eq!(attributes(&bytes).count(), 1, "{length}");
        }
    }

    proptest! {
        /// The walks end, and hand out nothing that was not received.
        #[test]
        fn any_bytes_are_walked_without_harm(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut bodies = 0;
            for message in messages(&bytes) {
                bodies += MESSAGE_HEADER + message.body.len();
                let values: usize =
                    attributes(message.body).map(|(_, value)| ATTRIBUTE_HEADER + value.len()).sum();
                prop_assert!(values <= message.body.len());
            }
            prop_assert!(bodies <= bytes.len());
            let values: usize = attributes(&bytes).map(|(_, value)| ATTRIBUTE_HEADER + value.len()).sum();
            prop_assert!(values <= bytes.len());
        }

        /// What the kernel sends in pieces of any length comes out as it went in.
        #[test]
        fn any_attributes_are_walked_as_they_were_built(
            values in proptest::collection::vec((any::<u16>(), proptest::collection::vec(any::<u8>(), 0..40)), 0..8)
        ) {
            let built: Vec<u8> = values.iter().flat_map(|(kind, value)| attribute(*kind, value)).collect();
            let walked: Vec<(u16, Vec<u8>)> =
                attributes(&built).map(|(kind, value)| (kind, value.to_vec())).collect();
            prop_assert_eq!(walked, values);
        }
    }
}
