//! The WireGuard family: which peer may use which address, from the kernel (`wireguard`, `amneziawg`) by
//! generic netlink, or from a program in user space (wireguard-go, boringtun and others) by its socket.
//!
//! Either answers with its private key, preshared keys, endpoints and times of handshakes besides. So a
//! process of its own asks (`reader.rs`, `kernel.rs`), walks the answer without building any of these
//! (`uapi.rs`, `dump.rs`), clears its buffer, and hands over prefixes and public keys alone; the daemon
//! (`client.rs`) makes tags of the keys and keeps none of them. Whose a key is, `names.rs` says.

mod client;
mod dump;
mod kernel;
mod names;
mod quick;
mod reader;
mod row;
mod uapi;
mod wire;

pub use client::Reader;
pub use names::Names;
pub use row::NamesError;

use super::super::address::{Prefix, TunnelAddress};
use zeroize::Zeroize;

/// Bytes of a peer's public key.
const KEY_BYTES: usize = 32;

/// Letters of a key as wg(8) prints it.
const KEY_LETTERS: usize = 44;

/// A peer's public key. Cannot be printed; overwritten when it is dropped.
struct PublicKey([u8; KEY_BYTES]);

impl Drop for PublicKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// Bytes of a [`Pair`].
const PAIR_BYTES: usize = 2 + 16 + KEY_BYTES;

/// A prefix and the peer that may use it, as they go from one process to the other: family (32 or 128 bits),
/// length, address, key.
#[derive(Clone, Copy)]
struct Pair([u8; PAIR_BYTES]);

impl Pair {
    fn new(prefix: Prefix, key: &[u8; KEY_BYTES]) -> Self {
        let mut pair = [0; PAIR_BYTES];
        pair[0] = prefix.address().width();
        pair[1] = prefix.length();
        pair[2..18].copy_from_slice(&prefix.address().bits().to_be_bytes());
        pair[18..].copy_from_slice(key);
        Self(pair)
    }

    /// What it stands for; none where the family or the length is none.
    fn parts(&self) -> Option<(Prefix, PublicKey)> {
        let [width, length, rest @ ..] = &self.0;
        let bits = u128::from_be_bytes(*rest.first_chunk()?);
        let address = match width {
            32 => TunnelAddress::V4(u32::try_from(bits).ok()?),
            128 => TunnelAddress::V6(bits),
            _ => return None,
        };
        Some((Prefix::new(address, *length)?, PublicKey(*rest.last_chunk()?)))
    }
}

/// The most prefixes of one device: as many as there may be accounts.
const MOST_PAIRS: usize = 1 << 24;

/// A key as wg(8) prints it: base64.
fn letters(key: &[u8; KEY_BYTES]) -> [u8; KEY_LETTERS] {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut letters = [b'='; KEY_LETTERS];
    for (group, bytes) in letters.chunks_exact_mut(4).zip(key.chunks(3)) {
        let byte = |at: usize| u32::from(bytes.get(at).copied().unwrap_or_default());
        let word = byte(0) << 16 | byte(1) << 8 | byte(2);
        for (at, letter) in group.iter_mut().take(bytes.len() + 1).enumerate() {
            *letter = DIGITS[usize::try_from(word >> (18 - 6 * at) & 63).unwrap_or_default()];
        }
    }
    letters
}

/// True for a key as wg(8) prints it, and no other spelling of one.
fn is_key(text: &str) -> bool {
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    let bytes = text.as_bytes();
    // The last digit stands for four bits: the two lowest of it are zero.
    let last = bytes.get(KEY_LETTERS - 2).is_some_and(|byte| b"AEIMQUYcgkosw048".contains(byte));
    bytes.len() == KEY_LETTERS
        && bytes[KEY_LETTERS - 1] == b'='
        && last
        && bytes[..KEY_LETTERS - 1].iter().all(is_digit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;
    use base64::prelude::BASE64_STANDARD;
    use proptest::prelude::*;

    proptest! {
        /// Against another implementation.
        #[test]
        fn a_key_is_written_as_wg_prints_it(key in any::<[u8; KEY_BYTES]>()) {
            let text = BASE64_STANDARD.encode(key);
            prop_assert_eq!(&letters(&key)[..], text.as_bytes());
            prop_assert!(is_key(&text));
        }

        #[test]
        fn what_is_a_key_is_what_another_implementation_reads(text in "[A-Za-z0-9+/=]{42,46}") {
            let is_read = BASE64_STANDARD.decode(&text).is_ok_and(|bytes| bytes.len() == KEY_BYTES);
            prop_assert_eq!(is_key(&text), is_read);
        }

        #[test]
        fn a_pair_comes_out_as_it_went_in(bits in any::<u128>(), length in 0_u8..=128, key in any::<[u8; KEY_BYTES]>()) {
            let v6 = Prefix::around(TunnelAddress::V6(bits), length);
            let v4 = u32::try_from(bits & 0xffff_ffff).ok().and_then(|bits| Prefix::around(TunnelAddress::V4(bits), length.min(32)));
            for prefix in [v4, v6].into_iter().flatten() {
                let parts = Pair::new(prefix, &key).parts();
                prop_assert!(parts.is_some_and(|(read, back)| read == prefix && back.0 == key));
            }
        }

        #[test]
        fn any_bytes_are_a_pair_or_none(bytes in proptest::collection::vec(any::<u8>(), PAIR_BYTES)) {
            let bytes: [u8; PAIR_BYTES] = bytes.try_into().expect("as many");
            if let Some((prefix, key)) = Pair(bytes).parts() {
                prop_assert!(Pair::new(prefix, &key.0).0 == bytes);
            }
        }
    }
}
