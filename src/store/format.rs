//! The blob: a plaintext header, then the head and the records in sealed chunks.
//!
//! Its size depends only on the capacity. Chunks follow the STREAM construction: the nonce ends with the
//! chunk's number and whether it is the last, so that chunks cannot be left out, repeated or swapped;
//! the whole header is associated data of each.
//!
//! # Source
//! draft-irtf-cfrg-xchacha-03; RFC 8439; Hoang, Reyhanitabar, Rogaway, Vizár: Online
//! Authenticated-Encryption and its Nonce-Reuse Misuse-Resistance (2015), section 7.

use super::disk::Disk;
use super::image::{HEAD_BYTES, HEAD_BYTES_OF_2, HEAD_BYTES_OF_4, RECORD_BYTES, RECORD_BYTES_OF_3};
use super::keys::Key;
use crate::meter::slot::Slot;
use crate::node::saved::{Head, Record};
use chacha20poly1305::aead::AeadInOut;
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use std::io;

/// The format that this version writes.
pub const VERSION: u16 = 5;

/// The earliest format that this version reads. Its head is shorter, and its records are those of version 3.
pub const EARLIEST: u16 = 2;

/// Bytes of the header.
pub const HEADER_BYTES: usize = 72;

/// Bytes of a chunk before it is sealed.
const CHUNK_BYTES: usize = 1 << 16;

/// Bytes that sealing adds to a chunk.
const SEAL_BYTES: usize = 16;

const _: () = assert!(HEAD_BYTES <= CHUNK_BYTES, "the first chunk holds the whole head");

const MAGIC: &[u8; 8] = b"blindmtr";

/// The plaintext before the chunks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Format version.
    pub version: u16,
    /// How many accounts there is room for.
    pub capacity: u32,
    /// The node it belongs to.
    pub node: [u8; 16],
    /// Number of closes plus one.
    pub generation: u64,
    /// Detects a wrong root key.
    pub key_check: [u8; 16],
    /// Random, fresh at each save.
    pub nonce: [u8; 16],
}

impl Header {
    /// Encodes the header.
    #[must_use]
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..10].copy_from_slice(&self.version.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.capacity.to_le_bytes());
        bytes[16..32].copy_from_slice(&self.node);
        bytes[32..40].copy_from_slice(&self.generation.to_le_bytes());
        bytes[40..56].copy_from_slice(&self.key_check);
        bytes[56..].copy_from_slice(&self.nonce);
        bytes
    }

    /// Decodes a header; none if it does not begin like one.
    #[must_use]
    pub fn decode(bytes: &[u8; HEADER_BYTES]) -> Option<Self> {
        let part = |at: usize| bytes[at..].first_chunk::<16>().copied().unwrap_or_default();
        let rest = bytes.strip_prefix(MAGIC)?;
        Some(Self {
            version: u16::from_le_bytes(*rest.first_chunk()?),
            capacity: u32::from_le_bytes(*bytes[12..].first_chunk()?),
            node: part(16),
            generation: u64::from_le_bytes(*bytes[32..].first_chunk()?),
            key_check: part(40),
            nonce: part(56),
        })
    }
}

/// How many slots a blob of this capacity holds.
fn slots(capacity: u32) -> u64 {
    u64::from(capacity) + Slot::FIRST_ACCOUNT.index() as u64
}

/// Bytes of the head in this version.
const fn head_bytes(version: u16) -> usize {
    match version {
        EARLIEST => HEAD_BYTES_OF_2,
        3 | 4 => HEAD_BYTES_OF_4,
        _ => HEAD_BYTES,
    }
}

/// Bytes of a record in this version.
const fn record_bytes(version: u16) -> usize {
    if version < 4 { RECORD_BYTES_OF_3 } else { RECORD_BYTES }
}

/// Bytes before sealing.
fn plain_bytes(version: u16, capacity: u32) -> u64 {
    head_bytes(version) as u64 + slots(capacity) * record_bytes(version) as u64
}

/// The size in bytes of a blob with room for this many accounts.
#[must_use]
pub fn blob_bytes(capacity: u32) -> u64 {
    sealed_bytes(VERSION, capacity)
}

/// The size in bytes of a blob of this version.
pub(super) fn sealed_bytes(version: u16, capacity: u32) -> u64 {
    let plain = plain_bytes(version, capacity);
    HEADER_BYTES as u64 + plain + plain.div_ceil(CHUNK_BYTES as u64) * SEAL_BYTES as u64
}

/// Seals or opens chunks in order.
struct Cipher {
    cipher: XChaCha20Poly1305,
    header: [u8; HEADER_BYTES],
    nonce: [u8; 16],
    number: u64,
}

impl Cipher {
    fn new(header: &Header, key: &Key) -> Self {
        let cipher = XChaCha20Poly1305::new(key.bytes().into());
        Self { cipher, header: header.encode(), nonce: header.nonce, number: 0 }
    }

    /// The nonce of the next chunk.
    fn next(&mut self, last: bool) -> XNonce {
        let mut nonce = [0; 24];
        nonce[..16].copy_from_slice(&self.nonce);
        nonce[16..].copy_from_slice(&(self.number << 1 | u64::from(last)).to_le_bytes());
        self.number += 1;
        nonce.into()
    }

    fn seal(&mut self, chunk: &mut Vec<u8>, last: bool) -> io::Result<()> {
        let nonce = self.next(last);
        let tag = self.cipher.encrypt_inout_detached(&nonce, &self.header, chunk.as_mut_slice().into());
        chunk.extend(tag.map_err(io::Error::other)?);
        Ok(())
    }

    /// False when the chunk is not what was sealed.
    fn open(&mut self, chunk: &mut Vec<u8>, last: bool) -> bool {
        let nonce = self.next(last);
        let Some(body) = chunk.len().checked_sub(SEAL_BYTES) else { return false };
        let Some(tag) = chunk[body..].first_chunk::<SEAL_BYTES>().copied() else { return false };
        chunk.truncate(body);
        let buffer = chunk.as_mut_slice().into();
        self.cipher.decrypt_inout_detached(&nonce, &self.header, buffer, &tag.into()).is_ok()
    }
}

/// Writes a blob: the header, the head, and a record for each slot. Never holds more than one chunk in
/// memory.
///
/// # Errors
/// Those of the disk.
pub fn write<D: Disk>(
    disk: &D,
    file: &mut D::File,
    header: &Header,
    key: &Key,
    head: &Head,
    mut record: impl FnMut(usize) -> Record,
) -> io::Result<()> {
    disk.append(file, &header.encode())?;
    let mut cipher = Cipher::new(header, key);
    let mut chunk = Vec::with_capacity(CHUNK_BYTES + RECORD_BYTES + SEAL_BYTES);
    chunk.extend(head.encode());
    let slots = usize::try_from(slots(header.capacity)).map_err(io::Error::other)?;
    for slot in 0..slots {
        chunk.extend(record(slot).encode());
        if chunk.len() > CHUNK_BYTES {
            let rest = chunk.split_off(CHUNK_BYTES);
            cipher.seal(&mut chunk, false)?;
            disk.append(file, &chunk)?;
            chunk.clear();
            chunk.extend(rest);
        }
    }
    cipher.seal(&mut chunk, true)?;
    disk.append(file, &chunk)
}

/// Why a blob was not read.
pub enum Unreadable {
    /// The disk failed.
    Io(io::Error),
    /// It is not what was written.
    Altered,
}

/// Reads the chunks of a blob whose header and length have been checked. What was passed on before an
/// error must not be used.
///
/// # Errors
/// When the disk fails, or a chunk is not what was sealed.
pub fn read<D: Disk>(
    disk: &D,
    file: &D::File,
    header: &Header,
    key: &Key,
    mut record: impl FnMut(usize, Record),
) -> Result<Head, Unreadable> {
    let mut cipher = Cipher::new(header, key);
    let (mut left, mut at) = (plain_bytes(header.version, header.capacity), HEADER_BYTES as u64);
    let mut plain: Vec<u8> = Vec::new();
    let (mut head, mut slot) = (None, 0);
    while left > 0 {
        let body = left.min(CHUNK_BYTES as u64);
        left -= body;
        let length = usize::try_from(body).unwrap_or(CHUNK_BYTES) + SEAL_BYTES;
        let mut chunk = vec![0; length];
        disk.read(file, at, &mut chunk).map_err(Unreadable::Io)?;
        at += length as u64;
        if !cipher.open(&mut chunk, left == 0) {
            return Err(Unreadable::Altered);
        }
        plain.extend(&chunk);
        let mut rest = plain.as_slice();
        if head.is_none()
            && let Some((first, after)) = rest.split_at_checked(head_bytes(header.version))
        {
            let mut padded = vec![0; HEAD_BYTES];
            padded[..first.len()].copy_from_slice(first);
            head = padded.first_chunk().map(|bytes| Head::decode(bytes, header.version));
            rest = after;
        }
        while let Some((first, after)) = rest.split_at_checked(record_bytes(header.version)) {
            let mut padded = [0; RECORD_BYTES];
            padded[..first.len()].copy_from_slice(first);
            record(slot, Record::decode(&padded));
            slot += 1;
            rest = after;
        }
        plain = rest.to_vec();
    }
    head.ok_or(Unreadable::Altered)
}
