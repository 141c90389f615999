//! A node's share of an epoch's sums, split between the two clusters: sent until it is opened, or taken back.
//!
//! Whether an epoch was opened, and of whose shares, the first cluster decides for both. Holds the words of a share and
//! how they are split, for as long as a call takes.
//!
//! # Source
//! As [`super::words`].

use super::cluster::{Call, Function, Reply};
use super::courier::Courier;
use super::keys::{Field, FleetKey, PeriodTag};
use super::settings::Role;
use super::trouble::Trouble;
use super::words::{MODULUS, WORD_BYTES};
use crate::meter::share::COUNT;
use crate::node::shares::Waiting;

/// Words that each cluster keeps of a share. The last tells one split from another: both clusters are told it alike, so
/// that halves which do not belong together show when they are opened.
pub const WORDS: usize = COUNT + 1;

/// What became of a share.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It lies in both clusters, and waits.
    Sent,
    /// It is in what was opened.
    Opened,
    /// It is not, and will not be.
    TakenBack,
}

/// Where the shares of an epoch lie, and this node's among them; and on which terms it may be opened.
#[derive(Clone, Copy)]
pub struct Spot {
    tag: PeriodTag,
    field: Field,
    /// The fewest nodes among which it is hidden.
    fewest: u16,
    expires: u64,
}

impl Spot {
    /// Of an epoch under a policy, that expires in this second: shares under another policy lie elsewhere.
    #[must_use]
    pub fn new(key: &FleetKey, node: &str, (policy, fewest): (u64, u16), ordinal: u64, expires: u64) -> Self {
        let tag = key.epoch_tag(policy, ordinal);
        Self { tag, field: key.field(node, tag), fewest, expires }
    }

    /// Sends a share, the same whenever it is sent.
    ///
    /// # Errors
    /// Which cluster did not take it, and why.
    pub fn send(self, courier: &mut Courier, waiting: &Waiting) -> Result<Fate, (usize, Trouble)> {
        match self.put(courier, 0, waiting)? {
            (true, false) => Ok(Fate::TakenBack),
            (is_opened, _) => {
                let (is_complete, _) = self.put(courier, 1, waiting)?;
                Ok(if is_opened && is_complete { Fate::Opened } else { Fate::Sent })
            }
        }
    }

    /// Takes a share back, unless it was opened.
    ///
    /// # Errors
    /// Why the first cluster did not answer: then nobody knows.
    pub fn take_back(self, courier: &mut Courier, waiting: &Waiting) -> Result<Fate, (usize, Trouble)> {
        let arguments = vec![self.field.0.to_vec()];
        let call = Call { function: Function::Withdraw, keys: vec![self.tag], arguments };
        if let (true, true) = ask(courier, 0, call.clone())? {
            // Whoever opens it still needs the other half.
            self.put(courier, 1, waiting)?;
            return Ok(Fate::Opened);
        }
        // Without the first half nobody opens this one; it goes with the epoch where it is not taken back.
        let _ = ask(courier, 1, call);
        Ok(Fate::TakenBack)
    }

    fn put(
        self,
        courier: &mut Courier,
        place: usize,
        waiting: &Waiting,
    ) -> Result<(bool, bool), (usize, Trouble)> {
        let arguments = vec![
            self.field.0.to_vec(),
            self.expires.to_string().into_bytes(),
            encoded(&split(waiting)[place.min(1)]),
            self.fewest.to_string().into_bytes(),
        ];
        ask(courier, place, Call { function: Function::Share, keys: vec![self.tag], arguments })
    }
}

/// Whether the epoch was opened, and whether this node's share is there, or in what was opened.
fn ask(courier: &mut Courier, place: usize, call: Call) -> Result<(bool, bool), (usize, Trouble)> {
    let told = |trouble| (place, trouble);
    let replies = courier.ask(place, Role::Node, &[call]).map_err(told)?;
    match replies.first().map(Reply::as_slice) {
        Some([opened, within]) => Ok((opened.as_slice() == b"1", within.as_slice() == b"1")),
        _ => Err(told(Trouble::Answer)),
    }
}

/// What each of two clusters is told of a share.
#[must_use]
pub fn split(waiting: &Waiting) -> [[u64; WORDS]; 2] {
    let mut drawn = [0; 8 * WORDS];
    blake3::Hasher::new_keyed(&waiting.key)
        .update(&waiting.ordinal.to_le_bytes())
        .finalize_xof()
        .fill(&mut drawn);
    let mut words = [0; WORDS];
    for (word, bytes) in words.iter_mut().zip(drawn.as_chunks().0) {
        *word = u64::from_le_bytes(*bytes) % MODULUS;
    }
    let (first, mut second) = (words, words);
    for (word, value) in second.iter_mut().zip(waiting.share.words()) {
        *word = value.cast_unsigned().wrapping_sub(*word) % MODULUS;
    }
    [first, second]
}

fn encoded(words: &[u64; WORDS]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes().into_iter().skip(size_of::<u64>() - WORD_BYTES)).collect()
}

/// A sum of both clusters' words: it is below 2^51 in magnitude.
pub(super) fn signed(word: u64) -> i64 {
    let word = (word % MODULUS).cast_signed();
    if word < MODULUS.cast_signed() / 2 { word } else { word - MODULUS.cast_signed() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meter::share::Share;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_two_clusters_are_told_is_the_share_again(words in proptest::array::uniform17(-(1_i64 << 39)..1 << 39), key in any::<[u8; 32]>(), ordinal in any::<u64>()) {
            let waiting = Waiting { ordinal, share: Share::of_words(words), key };
            let [first, second] = split(&waiting);
            prop_assert!(first.iter().chain(&second).all(|word| *word < MODULUS));
            for at in 0..COUNT {
                prop_assert_eq!(signed(first[at] + second[at]), words[at]);
            }
            prop_assert_eq!(first[COUNT], second[COUNT]);
            prop_assert_eq!(encoded(&first).len(), WORDS * WORD_BYTES);
        }
    }

    #[test]
    fn each_epoch_is_split_anew_though_its_words_are_the_same() {
        let of =
            |ordinal, key| split(&Waiting { ordinal, share: Share::of_words([0; COUNT]), key: [key; 32] });
        assert!(of(1, 1) == of(1, 1) && of(1, 1) != of(2, 1) && of(1, 1) != of(1, 2));
    }
}
