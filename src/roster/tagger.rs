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

    /// The tag of an interface's name. No account's name has a byte of zero, so that it is no account's.
    pub(super) fn tag_of_interface(&self, name: &str) -> Tag {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        hasher.update(&[0]).update(name.as_bytes());
        Tag(hasher.finalize().as_bytes().first_chunk().copied().expect("a hash has 32 bytes"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tags are kept in blobs: another tag for the same name would make a stranger of everybody.
    ///
    /// # Source
    /// Python's blake3 1.0.11: `blake3(name, key=key).digest()[:16]`.
    #[test]
    fn the_tag_of_a_name_is_that_of_another_implementation() {
        let name = AccountName::parse("J%c3%b6rg%20B").expect("a good name");
        let mut key = [0; KEY_BYTES];
        key[..16].copy_from_slice(&0x9831_cfda_fe58_033d_18a4_b19b_12e3_345b_u128.to_be_bytes());
        key[16..].copy_from_slice(&0xc030_8ea2_c5bb_6efa_068e_f9cb_ba7f_66d4_u128.to_be_bytes());
        assert!(
            Tagger::new(&key).tag_of(&name)
                == Tag(0x1b9f_db49_0d01_84ef_ee25_c454_1223_345d_u128.to_be_bytes())
        );
        let random = std::array::from_fn(|at| u8::try_from(at).expect("small"));
        let tag = Tagger::without_root(&random).tag_of(&name);
        assert!(tag == Tag(0x156f_aea7_1cb6_5fd7_9773_c4d3_483d_89df_u128.to_be_bytes()));
    }
}
