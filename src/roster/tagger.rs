//! From a name to the keyed tag that stands for the account: the one place where that is done.
//!
//! Whoever reads a name (a request, a line of a roster) makes its tag here and lets go of the name;
//! everything below knows tags alone. Holds a key, which is overwritten when it is dropped, and no name.
//!
//! # Source
//! BLAKE3 in its keyed mode (O'Connor, Aumasson, Neves, Wilcox-O'Hearn: BLAKE3, 2020, section 2.3).

use super::account::AccountName;
use crate::meter::tags::Tag;
use zeroize::Zeroizing;

/// Bytes of the key.
pub const KEY_BYTES: usize = 32;

/// Makes the tag of an account's name: the same for the same key.
pub struct Tagger(Zeroizing<[u8; KEY_BYTES]>);

impl Tagger {
    /// A tagger of this key.
    #[must_use]
    pub fn new(key: &[u8; KEY_BYTES]) -> Self {
        Self(Zeroizing::new(*key))
    }

    /// A tagger where there is no root key: of sixteen random bytes, which lie beside the tags.
    #[must_use]
    pub fn without_root(random: &[u8; 16]) -> Self {
        Self(Zeroizing::new(blake3::derive_key("blindmeter 2026-11 unkept tag", random)))
    }

    /// The tag of an account.
    #[must_use]
    pub fn tag_of(&self, account: &AccountName) -> Tag {
        let hash = blake3::keyed_hash(&self.0, account.written().as_bytes());
        Tag(hash.as_bytes().first_chunk().copied().expect("a hash has 32 bytes"))
    }
}
