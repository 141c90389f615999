//! Accounting requests of RADIUS, and the answers to them: whether a packet is whole and of somebody who has the
//! secret, and what of it says whose an address is.
//!
//! A request tells real addresses, times and byte counts besides; of its attributes those alone are looked at that
//! are named here. The caller clears the bytes. Pure: bytes in, values that borrow them out.
//!
//! # Source
//! RFC 2866 (accounting), RFC 2865 section 5 (attributes), RFC 2869 section 5.14 (Message-Authenticator; of an
//! accounting request the authenticator is taken as zeros, as FreeRADIUS has it and RFC 5176 section 2.3 says of
//! requests alike), RFC 3162 (IPv6), RFC 4818 (delegated prefixes), RFC 6911 (IPv6 addresses).

use super::super::super::address::{Prefix, TunnelAddress};
use super::secret::Secret;
use hmac::{Hmac, KeyInit, Mac};
use md5::{Digest, Md5};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// The longest packet (RFC 2866, section 3).
pub const PACKET_BYTES: usize = 4096;

const HEADER_BYTES: usize = 20;
const ACCOUNTING_REQUEST: u8 = 4;
const ACCOUNTING_RESPONSE: u8 = 5;

/// Numbers of attributes.
const USER_NAME: u8 = 1;
const NAS_IP_ADDRESS: u8 = 4;
const FRAMED_IP_ADDRESS: u8 = 8;
const CLASS: u8 = 25;
const NAS_IDENTIFIER: u8 = 32;
const PROXY_STATE: u8 = 33;
const STATUS_TYPE: u8 = 40;
const DELAY_TIME: u8 = 41;
const SESSION_ID: u8 = 44;
const MESSAGE_AUTHENTICATOR: u8 = 80;
const NAS_IPV6_ADDRESS: u8 = 95;
const FRAMED_IPV6_PREFIX: u8 = 97;
const DELEGATED_IPV6_PREFIX: u8 = 123;
const FRAMED_IPV6_ADDRESS: u8 = 168;

/// Of no client: it may choose, or the server does (RFC 2865, section 5.8).
const CHOSEN: [u32; 2] = [u32::MAX, u32::MAX - 1];

/// Why a packet is passed over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Unheard {
    /// It is no accounting request, or not whole.
    Malformed,
    /// It was not signed with this secret.
    Stranger,
}

/// What a request tells of a session, or of its server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Status {
    /// A session began.
    Start,
    /// It goes on.
    Interim,
    /// It ended.
    Stop,
    /// The server has begun or ends: none of its sessions is left.
    Restart,
    /// Anything else.
    Other,
}

/// An accounting request that is whole and signed.
#[derive(Clone, Copy)]
pub(super) struct Request<'a> {
    header: [u8; HEADER_BYTES],
    attributes: &'a [u8],
}

impl<'a> Request<'a> {
    /// The request in a datagram; what follows it there is padding.
    ///
    /// # Errors
    /// One that is not whole, or not signed with the secret.
    pub(super) fn read(datagram: &'a [u8], secret: &Secret) -> Result<Self, Unheard> {
        let header: [u8; HEADER_BYTES] = *datagram.first_chunk().ok_or(Unheard::Malformed)?;
        let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
        let attributes = datagram.get(HEADER_BYTES..length).ok_or(Unheard::Malformed)?;
        if header[0] != ACCOUNTING_REQUEST || length > PACKET_BYTES || !are_whole(attributes) {
            return Err(Unheard::Malformed);
        }
        let request = Self { header, attributes };
        let expected = digest(&header[..4], &[0; 16], attributes, secret);
        if !bool::from(expected.ct_eq(&header[4..])) {
            return Err(Unheard::Stranger);
        }
        match request.values(MESSAGE_AUTHENTICATOR).next() {
            None => Ok(request),
            Some(told) if told.len() != 16 => Err(Unheard::Malformed),
            Some(told) => {
                let expected = authenticated(&header[..4], attributes, secret);
                if bool::from(expected.ct_eq(told)) { Ok(request) } else { Err(Unheard::Stranger) }
            }
        }
    }

    /// What tells the request from others of its sender: a repetition has the same.
    pub(super) fn mark(&self) -> &[u8] {
        &self.header[1..]
    }

    /// What it tells.
    pub(super) fn status(&self) -> Status {
        match self.number(STATUS_TYPE) {
            Some(1) => Status::Start,
            Some(2) => Status::Stop,
            Some(3) => Status::Interim,
            Some(7 | 8) => Status::Restart,
            _ => Status::Other,
        }
    }

    /// Whether it tells what was some time ago.
    pub(super) fn is_late(&self) -> bool {
        self.number(DELAY_TIME).is_some_and(|seconds| seconds > 0)
    }

    /// The session's name, as its server has it; none where it is empty or missing.
    pub(super) fn session(&self) -> Option<&'a [u8]> {
        self.values(SESSION_ID).next().filter(|name| !name.is_empty())
    }

    /// What the server calls itself: the attribute, and its value.
    pub(super) fn server(&self) -> (u8, &'a [u8]) {
        let named = |kind| Some((kind, self.values(kind).next()?));
        [NAS_IDENTIFIER, NAS_IP_ADDRESS, NAS_IPV6_ADDRESS].into_iter().find_map(named).unwrap_or_default()
    }

    /// Its User-Name.
    pub(super) fn user_name(&self) -> Option<&'a [u8]> {
        self.values(USER_NAME).next()
    }

    /// Its Class.
    pub(super) fn class(&self) -> Option<&'a [u8]> {
        self.values(CLASS).next()
    }

    /// The client's prefixes; an error for each that is none.
    pub(super) fn prefixes(&self) -> impl Iterator<Item = Result<Prefix, Unheard>> + 'a {
        attributes(self.attributes).filter_map(|(kind, value)| prefix_of(kind, value))
    }

    fn values(&self, wanted: u8) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        attributes(self.attributes).filter(move |(kind, _)| *kind == wanted).map(|(_, value)| value)
    }

    fn number(&self, kind: u8) -> Option<u32> {
        Some(u32::from_be_bytes(self.values(kind).next()?.try_into().ok()?))
    }

    /// The answer: nothing but that the request has come, with what proxies need to find their way back. Its
    /// authenticator signs it; no standard says what another one would be made of.
    pub(super) fn answer(&self, secret: &Secret) -> Zeroizing<Vec<u8>> {
        let mut answer = Zeroizing::new(Vec::with_capacity(PACKET_BYTES));
        answer.extend([ACCOUNTING_RESPONSE, self.header[1], 0, 0]);
        answer.extend(&self.header[4..]);
        for state in self.values(PROXY_STATE) {
            answer.extend([PROXY_STATE, u8::try_from(state.len() + 2).unwrap_or_default()]);
            answer.extend(state);
        }
        let length = u16::try_from(answer.len()).unwrap_or_default();
        answer[2..4].copy_from_slice(&length.to_be_bytes());
        let (head, states) = answer.split_at_mut(HEADER_BYTES);
        let (head, authenticator) = head.split_at_mut(4);
        let digest = digest(head, authenticator, states, secret);
        authenticator.copy_from_slice(&digest);
        answer
    }
}

/// A client's prefix, where an attribute names one.
fn prefix_of(kind: u8, value: &[u8]) -> Option<Result<Prefix, Unheard>> {
    let host = |address| Ok(Prefix::of_host(address));
    let prefix = match kind {
        FRAMED_IP_ADDRESS => match value.try_into().map(u32::from_be_bytes) {
            Ok(bits) if CHOSEN.contains(&bits) => return None,
            Ok(bits) => host(TunnelAddress::V4(bits)),
            Err(_) => Err(Unheard::Malformed),
        },
        FRAMED_IPV6_ADDRESS => match value.try_into().map(u128::from_be_bytes) {
            Ok(bits) => host(TunnelAddress::V6(bits)),
            Err(_) => Err(Unheard::Malformed),
        },
        FRAMED_IPV6_PREFIX | DELEGATED_IPV6_PREFIX => v6_prefix(value).ok_or(Unheard::Malformed),
        _ => return None,
    };
    // An address of zeros is one that is not known yet.
    Some(prefix).filter(|prefix| prefix.is_err() || !prefix.is_ok_and(Prefix::is_nobodys))
}

/// A byte that means nothing, a length in bits, and as many bytes as that needs or more (RFC 3162, section 2.3).
fn v6_prefix(value: &[u8]) -> Option<Prefix> {
    let (length, bytes) = (*value.get(1)?, value.get(2..)?);
    if bytes.len() > 16 || usize::from(length).div_ceil(8) > bytes.len() {
        return None;
    }
    let mut bits = [0; 16];
    bits[..bytes.len()].copy_from_slice(bytes);
    // All addresses there are would be no client's.
    Prefix::around(TunnelAddress::V6(u128::from_be_bytes(bits)), length).filter(|_| length > 0)
}

/// Each attribute's number and value; ends where one is not whole.
fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        let [kind, length, ..] = *bytes else { return None };
        let (attribute, rest) = bytes.split_at_checked(usize::from(length))?;
        bytes = rest;
        Some((kind, attribute.get(2..)?))
    })
}

/// Whether attributes fill these bytes to the end.
fn are_whole(bytes: &[u8]) -> bool {
    attributes(bytes).map(|(_, value)| value.len() + 2).sum::<usize>() == bytes.len()
}

/// A request of about a usual length that tells nothing.
pub(super) fn rehearsal(secret: &Secret) -> Vec<u8> {
    let name = [b'-'; 100];
    let mut request = vec![ACCOUNTING_REQUEST, 0, 0, 122, USER_NAME, 102];
    request.splice(4..4, [0; 16]);
    request.extend(name);
    let digest = digest(&request[..4], &[0; 16], &request[HEADER_BYTES..], secret);
    request[4..HEADER_BYTES].copy_from_slice(&digest);
    request
}

/// The authenticator of a packet.
fn digest(head: &[u8], authenticator: &[u8], attributes: &[u8], secret: &Secret) -> [u8; 16] {
    let digest = Md5::new_with_prefix(head).chain_update(authenticator).chain_update(attributes);
    digest.chain_update(secret.bytes()).finalize().into()
}

/// The Message-Authenticator of a request, in which it and the authenticator are taken as zeros.
fn authenticated(head: &[u8], bytes: &[u8], secret: &Secret) -> [u8; 16] {
    let mut mac = <Hmac<Md5> as KeyInit>::new_from_slice(secret.bytes()).expect("a key of any length");
    mac.update(head);
    mac.update(&[0; 16]);
    for (kind, value) in attributes(bytes) {
        mac.update(&[kind, u8::try_from(value.len() + 2).unwrap_or_default()]);
        mac.update(if kind == MESSAGE_AUTHENTICATOR { &[0; 16] } else { value });
    }
    mac.finalize().into_bytes().into()
}
