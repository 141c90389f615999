//! Whose a peer is: from a file `public_key,account`, from the comments of a wg-quick file, or without
//! either the key itself is the account's name.
//!
//! Keeps tags alone: of a key the tag that it would have as a name. Errors name a line and repeat nothing of
//! it.

use super::super::super::account::AccountName;
use super::super::super::quoted::unquoted;
use super::super::super::text;
use super::row::{NamesError, Row, lines};
use super::{KEY_BYTES, is_key, letters, quick};
use crate::meter::tags::Tag;
use std::collections::HashMap;
use zeroize::Zeroizing;

/// Accounts of peers.
pub struct Names {
    accounts: HashMap<Tag, Tag>,
    /// A peer that is not listed is an account of its own, whose name is its key.
    is_open: bool,
}

impl Names {
    /// Each peer is an account of its own, whose name is its key.
    #[must_use]
    pub fn of_keys() -> Self {
        Self { accounts: HashMap::new(), is_open: true }
    }

    /// Reads a file of either kind. In a wg-quick file a peer without a name is an account by its key, in the
    /// other one whoever is not listed is nobody.
    ///
    /// # Errors
    /// The first mistake.
    pub fn read(bytes: &[u8], tag_of: impl Fn(&AccountName) -> Tag) -> Result<Self, NamesError> {
        let text = text::of_bytes(bytes).map_err(NamesError::Encoding)?;
        let first = lines(text).find(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        let (header, line) = first.map_or((1, ""), |(number, line)| (number, line));
        let is_open = line.starts_with('[');
        let rows = if is_open { quick::rows(text)? } else { listed(text, header)? };
        let mut accounts = HashMap::with_capacity(rows.len());
        let mut seen: HashMap<Tag, usize> = HashMap::with_capacity(rows.len());
        for Row { key, account, line } in rows {
            let key = AccountName::parse(&key).map_err(|why| NamesError::Name(line, why))?;
            let (key, account) = (tag_of(&key), tag_of(&account));
            let first = *seen.entry(key).or_insert(line);
            if *accounts.entry(key).or_insert(account) != account {
                return Err(NamesError::Twice(first, line));
            }
        }
        Ok(Self { accounts, is_open })
    }

    /// The accounts that are named.
    pub fn accounts(&self) -> impl Iterator<Item = Tag> {
        self.accounts.values().copied()
    }

    /// Whose the peer of this key is.
    pub(super) fn account_of(
        &self,
        key: &[u8; KEY_BYTES],
        tag_of: impl Fn(&AccountName) -> Tag,
    ) -> Option<Tag> {
        let letters = Zeroizing::new(letters(key));
        let key = tag_of(&AccountName::of_bytes(&*letters).ok()?);
        self.accounts.get(&key).copied().or_else(|| self.is_open.then_some(key))
    }
}

/// The rows of a file `public_key,account`.
fn listed(text: &str, header: usize) -> Result<Vec<Row>, NamesError> {
    let mut rows = Vec::new();
    let mut is_headed = false;
    for (number, line) in lines(text).filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
        let line = unquoted(line).ok_or(NamesError::Fields(number))?;
        let fields = line.split_once(',').filter(|(_, account)| !account.contains(','));
        let fields = fields.map(|(key, account)| (key.trim(), account.trim()));
        if !is_headed {
            is_headed = fields == Some(("public_key", "account"));
            if !is_headed {
                return Err(NamesError::Header(number));
            }
            continue;
        }
        let (key, account) = fields.ok_or(NamesError::Fields(number))?;
        if !is_key(key) {
            return Err(NamesError::Key(number));
        }
        let account = AccountName::parse(account).map_err(|why| NamesError::Name(number, why))?;
        rows.push(Row { key: Zeroizing::new(key.to_owned()), account, line: number });
    }
    if is_headed { Ok(rows) } else { Err(NamesError::Header(header)) }
}

#[cfg(test)]
mod tests {
    use super::super::super::super::account::NameError;
    use super::super::super::super::tagger::Tagger;
    use super::*;
    use proptest::prelude::*;

    const ONE: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
    const TWO: &str = "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=";

    fn tag(name: &AccountName) -> Tag {
        Tagger::new(&[7; 32]).tag_of(name)
    }

    fn named(text: &str) -> Option<Tag> {
        Some(tag(&AccountName::parse(text).expect("a name")))
    }

    fn owners(text: &str) -> Result<[Option<Tag>; 2], NamesError> {
        let names = Names::read(text.as_bytes(), tag)?;
        Ok([1, 2].map(|key| names.account_of(&[key; KEY_BYTES], tag)))
    }

    #[test]
    fn a_list_names_its_keys_and_nobody_else() {
        let list =
            format!("\u{feff}# mine\r\npublic_key,account\r\n\r\n{ONE} , alice\r\n\"{ONE}\",\"alice\"\n");
        assert!(owners(&list) == Ok([named("alice"), None]));
        let both = format!("public_key,account\n{ONE},alice\n{TWO},alice\n");
        assert!(owners(&both) == Ok([named("alice"), named("alice")]), "two devices of one account");
    }

    #[test]
    fn without_a_list_the_key_is_the_name() {
        let names = Names::of_keys();
        assert!(names.account_of(&[1; KEY_BYTES], tag) == named(ONE));
    }

    #[test]
    fn a_mistake_is_named_by_its_line_and_nothing_else_of_it() {
        use NamesError::{Encoding, Fields, Header, Key, Name, Twice};
        for (text, error) in [
            (String::new(), Header(1)),
            ("# nothing".to_owned(), Header(1)),
            (format!("{ONE},alice"), Header(1)),
            ("prefix,account\n".to_owned(), Header(1)),
            (format!("public_key,account\n{ONE}\n"), Fields(2)),
            (format!("public_key,account\n{ONE},a,b\n"), Fields(2)),
            (format!("public_key,account\n{ONE},\"a\n"), Fields(2)),
            ("public_key,account\nabc,alice\n".to_owned(), Key(2)),
            (format!("public_key,account\n\n{ONE},secret name\n"), Name(3, NameError::Byte)),
            (format!("public_key,account\n{ONE},a\n{TWO},a\n{ONE},b\n"), Twice(2, 4)),
        ] {
            let found = owners(&text).err();
            assert_eq!(found, Some(error), "{text}");
            let line = found.expect("an error").to_string();
            assert!(!line.contains("secret") && !line.contains("AQEB") && !line.contains('\n'), "{line}");
        }
        assert_eq!(Names::read(b"public_key,account\n\xff", tag).err(), Some(Encoding(2)));
    }

    /// Inputs of the corpus, altered: an error is one line and repeats no key.
    #[test]
    fn altered_lists_are_read_or_refused() {
        super::super::super::mutated::inputs("peers", |file| {
            let names = Names::read(file, |name| Tag([name.written().len().to_le_bytes()[0]; 16]));
            names.map(|names| (names.accounts.len(), names.is_open)).map_err(|error| {
                let line = error.to_string();
                assert!(!line.contains('\n') && !line.contains("AQEB") && !line.contains("CAgI"));
                std::mem::discriminant(&error)
            })
        });
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "(\\[Peer\\]|\\[Interface\\]|public_key,account|# Name = [a-z]{0,4}|PublicKey = [A-Za-z0-9+/]{43}=|[ -~\\n]{0,9}|\\n){0,12}") {
            let _ = Names::read(text.as_bytes(), tag);
        }
    }
}
