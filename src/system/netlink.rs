//! Requests to rtnetlink: attributes, one message, the kernel's answer.
//!
//! Holds no address and no state.
//!
//! # Source
//! rtnetlink(7); include/uapi/linux/netlink.h.

use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use std::io;

/// NLM_F_REQUEST, and with NLM_F_ACK for a request that is only acknowledged.
const REQUEST: u16 = 0x1;
const REQUEST_ACK: u16 = 0x5;

/// NLMSG_ERROR.
const ERROR: u16 = 2;

/// NLM_F_EXCL: fail if the object exists.
pub const EXCLUSIVE: u16 = 0x200;

/// NLM_F_CREATE: create the object if it does not exist.
pub const CREATE: u16 = 0x400;

/// One attribute, padded to four bytes.
///
/// # Panics
/// When the value is longer than 65,531 bytes.
#[must_use]
pub fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(4 + value.len()).expect("attributes of this program are short");
    let mut attribute = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
    attribute.extend(value);
    attribute.resize(attribute.len().next_multiple_of(4), 0);
    attribute
}

/// Text as the kernel expects it: NUL-terminated.
#[must_use]
pub fn text(text: &str) -> Vec<u8> {
    [text.as_bytes(), &[0]].concat()
}

/// Sends one message of this type and waits for the acknowledgement.
///
/// # Errors
/// What the kernel answers.
pub fn request(kind: u16, flags: u16, body: &[u8]) -> io::Result<()> {
    let reply = ask(kind, flags | REQUEST_ACK, body)?;
    // struct nlmsgerr: 0, or the negative errno.
    let code = reply.get(16..20).and_then(|code| code.first_chunk()).map(|code| i32::from_ne_bytes(*code));
    match code {
        Some(0) => Ok(()),
        Some(code) => Err(io::Error::from_raw_os_error(-code)),
        None => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// Whether the object that a message of this type asks for exists.
#[must_use]
pub fn exists(kind: u16, body: &[u8]) -> bool {
    let reply = ask(kind, REQUEST, body).unwrap_or_default();
    let answer = reply.get(4..6).and_then(|kind| kind.first_chunk()).map(|kind| u16::from_ne_bytes(*kind));
    answer.is_some_and(|answer| answer != ERROR)
}

/// Sends one message; returns the first message of the answer.
fn ask(kind: u16, flags: u16, body: &[u8]) -> io::Result<Vec<u8>> {
    let length = u32::try_from(16 + body.len()).map_err(io::Error::other)?;
    let mut message = length.to_ne_bytes().to_vec();
    message.extend(kind.to_ne_bytes());
    message.extend(flags.to_ne_bytes());
    message.extend([0; 8]);
    message.extend(body);
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.bind_auto()?;
    socket.send_to(&message, &SocketAddr::new(0, 0), 0)?;
    Ok(socket.recv_from_full()?.0)
}
