//! The root key and the keys derived from it: that of a blob, and that of the tags.
//!
//! Keys are overwritten when they are dropped, and cannot be printed.
//!
//! # Source
//! BLAKE3 in its key-derivation and keyed modes (O'Connor, Aumasson, Neves, Wilcox-O'Hearn: BLAKE3,
//! 2020, section 2.3 and 6.2).

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

    /// Sixteen bytes that mark counter memory as this key's: made while the last save was of `saved`.
    #[must_use]
    pub fn mark_of_memory(&self, memory: [u8; 16], saved: [u8; 16]) -> [u8; 16] {
        half(self.derived("blindmeter 2026-11 counter memory", [memory, saved].as_flattened()).bytes())
    }

    /// The key that account names are tagged with on this node.
    #[must_use]
    pub fn of_tags(&self, node: &str) -> Self {
        self.derived("blindmeter 2026-11 account tag", node.as_bytes())
    }
}

/// Binds files to a node: derived from the node's name, which is not secret.
#[must_use]
pub fn binding(node: &str) -> [u8; 16] {
    half(&blake3::derive_key("blindmeter 2026-11 node", node.as_bytes()))
}

/// What no random key is: of so few values, or of letters alone, not one in 10^13 is.
pub(super) fn weakness(key: &[u8; KEY_BYTES]) -> Option<&'static str> {
    let mut values = *key;
    values.sort_unstable();
    let kinds = values.chunk_by(|one, other| one == other).count();
    let weakness = if kinds == 1 {
        Some("one byte over and over")
    } else if kinds <= 8 {
        Some("a few bytes over and over")
    } else if key.windows(2).all(|pair| pair[1] == pair[0].wrapping_add(1)) {
        Some("bytes that count up")
    } else if key.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' ') {
        Some("a text, and no random bytes")
    } else {
        None
    };
    values.zeroize();
    weakness
}

/// The first sixteen bytes.
pub(super) fn half(bytes: &[u8; 32]) -> [u8; 16] {
    let mut half = [0; 16];
    half.copy_from_slice(&bytes[..16]);
    half
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_nobody_drew_is_told() {
        let told = |key: [u8; KEY_BYTES]| weakness(&key);
        assert_eq!(told([0; KEY_BYTES]), Some("one byte over and over"));
        assert_eq!(told(std::array::from_fn(|at| [1, 2][at % 2])), Some("a few bytes over and over"));
        assert_eq!(told(std::array::from_fn(|at| at.to_le_bytes()[0])), Some("bytes that count up"));
        assert_eq!(told(*b"0123456789abcdef0123456789abcdef"), Some("a text, and no random bytes"));
        for number in 0..1000 {
            assert_eq!(
                told(
                    *Key::new([9; KEY_BYTES])
                        .derived("a test", &[u8::try_from(number % 251).unwrap_or(0); 3])
                        .bytes()
                ),
                None
            );
        }
    }

    /// Another key would make strangers of all accounts in the blob.
    ///
    /// # Source
    /// Python's blake3 1.0.11: `blake3(root + node, derive_key_context="blindmeter 2026-11 account tag")`.
    #[test]
    fn the_key_of_tags_is_that_of_another_implementation() {
        let key = Key::new([7; KEY_BYTES]).of_tags("fr-par-3");
        assert!(key.bytes()[..16] == 0x9831_cfda_fe58_033d_18a4_b19b_12e3_345b_u128.to_be_bytes());
        assert!(key.bytes()[16..] == 0xc030_8ea2_c5bb_6efa_068e_f9cb_ba7f_66d4_u128.to_be_bytes());
    }
}
