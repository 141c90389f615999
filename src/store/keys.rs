//! The root key and the keys derived from it: that of a blob, and that of the tags.
//!
//! Keys are overwritten when they are dropped, and cannot be printed.
//!
//! # Source
//! BLAKE3 in its key-derivation and keyed modes (O'Connor, Aumasson, Neves, Wilcox-O'Hearn: BLAKE3,
//! 2020, section 2.3 and 6.2).

use crate::meter::tags::Tag;
use blake3::Hasher;
use zeroize::Zeroize;

/// Length of every key, in bytes.
pub const KEY_BYTES: usize = 32;

/// A key.
#[derive(Clone)]
pub struct Key([u8; KEY_BYTES]);

impl Drop for Key {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl Key {
    /// A key of these bytes.
    #[must_use]
    pub fn new(bytes: [u8; KEY_BYTES]) -> Self {
        Self(bytes)
    }

    /// The bytes, for a cipher.
    #[must_use]
    pub fn bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }

    /// A key derived for one purpose from this one and `with`.
    fn derived(&self, purpose: &str, with: &[u8]) -> Self {
        let mut hasher = Hasher::new_derive_key(purpose);
        hasher.update(&self.0);
        hasher.update(with);
        let key = Self(*hasher.finalize().as_bytes());
        hasher.zeroize();
        key
    }

    /// The key of a blob: K(n), from the root and the link of the chain.
    #[must_use]
    pub fn of_blob(&self, link: &Self) -> Self {
        self.derived("blindmeter 2026-11 blob", &link.0)
    }

    /// Sixteen bytes that distinguish a wrong root key from an altered blob, and reveal nothing else.
    #[must_use]
    pub fn check(&self) -> [u8; 16] {
        half(self.derived("blindmeter 2026-11 key check", &[]).bytes())
    }

    /// Makes tags of account names on this node.
    #[must_use]
    pub fn tagger(&self, node: &str) -> Tagger {
        Tagger(self.derived("blindmeter 2026-11 account tag", node.as_bytes()))
    }
}

/// Makes the tag of an account's name: the same for the same root key and node.
#[derive(Clone)]
pub struct Tagger(Key);

impl Tagger {
    /// A tagger whose key lives as long as the process, for when nothing is kept at rest.
    #[must_use]
    pub fn of_this_process(random: [u8; 16]) -> Self {
        let mut key = [0; KEY_BYTES];
        key[..16].copy_from_slice(&random);
        let tagger = Self(Key(key).derived("blindmeter 2026-11 unkept tag", &[]));
        key.zeroize();
        tagger
    }

    /// The tag of a name.
    #[must_use]
    pub fn tag(&self, name: &[u8]) -> Tag {
        Tag(half(blake3::keyed_hash(self.0.bytes(), name).as_bytes()))
    }
}

/// Binds files to a node: derived from the node's name, which is not secret.
#[must_use]
pub fn binding(node: &str) -> [u8; 16] {
    half(&blake3::derive_key("blindmeter 2026-11 node", node.as_bytes()))
}

/// The first sixteen bytes.
pub(super) fn half(bytes: &[u8; 32]) -> [u8; 16] {
    let mut half = [0; 16];
    half.copy_from_slice(&bytes[..16]);
    half
}
