//! Where the roster file names each account, so that a few names are found without reading a million rows.
//!
//! Holds the first bytes of tags, and places in the text; no name and no address.

use super::account::AccountName;
use super::csv;
use crate::meter::tags::Tag;

/// An index of one roster text.
pub struct NameIndex {
    /// Bytes of the text.
    length: usize,
    /// The first four bytes of a tag, and the byte at which a line begins that names its account; sorted.
    rows: Vec<(u32, u32)>,
}

/// The text is not the one that the index was made of.
#[derive(Debug, PartialEq, Eq)]
pub struct OtherText;

impl NameIndex {
    /// Reads the whole text; none where it is no roster, or has more than 4 GiB.
    #[must_use]
    pub fn of(text: &[u8], tag_of: impl Fn(&AccountName) -> Tag) -> Option<Self> {
        u32::try_from(text.len()).ok()?;
        // Room for all at once: a million rows are not copied as they grow.
        let mut rows = Vec::with_capacity(text.iter().filter(|byte| **byte == b'\n').count());
        rows.extend(
            csv::names(text)?
                .filter_map(|(at, name)| Some((first_bytes(tag_of(&name)), u32::try_from(at).ok()?))),
        );
        rows.sort_unstable();
        Some(Self { length: text.len(), rows })
    }

    /// The name of which this is the tag; none where the text does not have it.
    ///
    /// # Errors
    /// When the text is another than that of the index, as far as this look-up shows it.
    pub fn find(
        &self,
        text: &[u8],
        tag: Tag,
        tag_of: impl Fn(&AccountName) -> Tag,
    ) -> Result<Option<AccountName>, OtherText> {
        if text.len() != self.length {
            return Err(OtherText);
        }
        let wanted = first_bytes(tag);
        let from = self.rows.partition_point(|(first, _)| *first < wanted);
        for (_, at) in self.rows[from..].iter().take_while(|(first, _)| *first == wanted) {
            let name = csv::name_at(text, *at as usize).ok_or(OtherText)?;
            let found = tag_of(&name);
            if found == tag {
                return Ok(Some(name));
            }
            if first_bytes(found) != wanted {
                return Err(OtherText);
            }
        }
        Ok(None)
    }
}

fn first_bytes(Tag([a, b, c, d, ..]): Tag) -> u32 {
    u32::from_be_bytes([a, b, c, d])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::roster::tagger::Tagger;

    fn tag_of(name: &AccountName) -> Tag {
        Tagger::new(&[7; 32]).tag_of(name)
    }

    fn tag(name: &str) -> Tag {
        tag_of(&AccountName::parse(name).expect("a name"))
    }

    #[test]
    fn each_name_is_found_where_it_stands() {
        let text = "\u{feff}# mine\r\n\"prefix\",\"account\"\r\n\r\n 10.8.0.2 , alice \r\n\"10.8.0.3\",\"bob\"\n# x\n\
                    fd00::1,alice\n10.8.0.4,carol%20b";
        let index = NameIndex::of(text.as_bytes(), tag_of).expect("a roster");
        for name in ["alice", "bob", "carol%20b"] {
            let found = index.find(text.as_bytes(), tag(name), tag_of);
            assert_eq!(
                found.map(|name| name.map(|name| name.written().to_owned())),
                Ok(Some(name.to_owned()))
            );
        }
        assert!(index.find(text.as_bytes(), tag("account"), tag_of) == Ok(None), "the header is no row");
        assert!(index.find(text.as_bytes(), tag("dave"), tag_of) == Ok(None));
    }

    #[test]
    fn another_text_is_noticed() {
        let text = "prefix,account\n10.8.0.2,alice\n10.8.0.3,bob\n";
        let index = NameIndex::of(text.as_bytes(), tag_of).expect("a roster");
        for other in [
            "prefix,account\n10.8.0.2,alice\n",
            "prefix,account\n10.8.0.2,alicf\n10.8.0.3,bob\n",
            "prefix,account\n10.8.0.2;alice\n10.8.0.3,bob\n",
        ] {
            assert!(index.find(other.as_bytes(), tag("alice"), tag_of) == Err(OtherText), "{other}");
        }
        // Of a row that stands where it stood, the name is right.
        let moved = "prefix,account\n10.8.0.22,alice\n10.8.0.3,bo\n";
        assert!(index.find(moved.as_bytes(), tag("alice"), tag_of).is_ok_and(|name| name.is_some()));
        assert!(index.find(moved.as_bytes(), tag("bob"), tag_of) == Err(OtherText));
        assert!(NameIndex::of(b"nonsense", tag_of).is_none());
    }

    proptest::proptest! {
        /// A text that changed in any way is read without harm, and gives no other account's name.
        #[test]
        fn whatever_the_text_has_become_no_other_name_is_given(
            mut text in proptest::collection::vec(proptest::prelude::any::<u8>(), 44..45),
            keep in 0_usize..44
        ) {
            let good = b"prefix,account\n10.8.0.2,alice\n10.8.0.3,bob\n\n";
            let index = NameIndex::of(good, tag_of).expect("a roster");
            text[..keep].copy_from_slice(&good[..keep]);
            for name in ["alice", "bob"] {
                if let Ok(Some(found)) = index.find(&text, tag(name), tag_of) {
                    proptest::prop_assert_eq!(found.written(), name);
                }
            }
        }
    }
}
