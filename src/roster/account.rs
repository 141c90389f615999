//! Account names. Like addresses they cannot be printed or serialised by accident.
//!
//! [`AccountName::reveal`] is the one way to the text; the tidy test allows it in `control/` and
//! `cli/` only, where an authorised person asked for the account by that very name.

/// The name of an account, in its one written form (see [`AccountName::parse`]).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct AccountName(Written);

/// A written form. Most are short, and a roster has a million of them: those lie in place.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Written {
    Short { length: u8, bytes: [u8; SHORT_BYTES] },
    Long(Box<str>),
}

/// Bytes of the longest name that lies in place: as many as make the whole 24.
const SHORT_BYTES: usize = 22;

/// Longest name, in bytes after percent-decoding.
pub const NAME_BYTES: usize = 128;

/// Why a text is not an account name. Carries nothing of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Empty, or longer than [`NAME_BYTES`].
    #[error("an account name has 1 to {NAME_BYTES} bytes")]
    Length,
    /// A byte that must be written percent-encoded.
    #[error("write a space, comma, percent sign or byte outside printable ASCII as %XX")]
    Byte,
}

impl AccountName {
    /// Reads a name: printable ASCII without space and comma, `%XX` for any other byte.
    ///
    /// The same bytes give the same name however they were encoded.
    ///
    /// # Errors
    /// When the name is empty or too long, or a byte is not encoded as it must be.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let mut bytes = Vec::with_capacity(text.len());
        let mut rest = text.as_bytes();
        while let Some((&byte, tail)) = rest.split_first() {
            match byte {
                b'%' => {
                    let digits = tail.get(..2).ok_or(NameError::Byte)?;
                    let digit = |at: usize| char::from(digits[at]).to_digit(16).ok_or(NameError::Byte);
                    let value = digit(0)? * 16 + digit(1)?;
                    bytes.push(u8::try_from(value).map_err(|_| NameError::Byte)?);
                    rest = &tail[2..];
                }
                0x21..=0x7e if byte != b',' => {
                    bytes.push(byte);
                    rest = tail;
                }
                _ => return Err(NameError::Byte),
            }
        }
        if bytes.is_empty() || bytes.len() > NAME_BYTES {
            return Err(NameError::Length);
        }
        Ok(Self::of_written(&encoded(&bytes)))
    }

    /// The name of this written form, which [`AccountName::parse`] made.
    pub(super) fn of_written(text: &str) -> Self {
        let mut bytes = [0; SHORT_BYTES];
        match (bytes.get_mut(..text.len()), u8::try_from(text.len())) {
            (Some(place), Ok(length)) => {
                place.copy_from_slice(text.as_bytes());
                Self(Written::Short { length, bytes })
            }
            _ => Self(Written::Long(text.into())),
        }
    }

    /// The written form, for the directory.
    pub(super) fn written(&self) -> &str {
        match &self.0 {
            Written::Short { length, bytes } => {
                std::str::from_utf8(&bytes[..usize::from(*length)]).expect("it was a text")
            }
            Written::Long(text) => text,
        }
    }

    /// What is made of the written form, a keyed tag.
    #[must_use]
    pub fn tagged<T>(&self, tag: impl Fn(&[u8]) -> T) -> T {
        tag(self.written().as_bytes())
    }

    /// The written form.
    #[must_use]
    pub fn reveal(&self) -> &str {
        self.written()
    }

    /// True when the name is an address: a provider that names accounts so keeps addresses.
    #[must_use]
    pub fn looks_like_an_address(&self) -> bool {
        super::address::Prefix::parse(&self.written().replace("%3A", ":")).is_ok()
    }
}

impl PartialOrd for AccountName {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for AccountName {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.written().cmp(other.written())
    }
}

fn encoded(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let mut text = String::with_capacity(bytes.len());
    for &byte in bytes {
        if matches!(byte, 0x21..=0x7e) && byte != b',' && byte != b'%' {
            text.push(char::from(byte));
        } else {
            text.push('%');
            text.push(char::from(DIGITS[usize::from(byte >> 4)]));
            text.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_written_form() {
        let written = |text: &str| AccountName::parse(text).map(|name| name.reveal().to_owned());
        assert_eq!(written("alice"), Ok("alice".into()));
        assert_eq!(written("%61lice"), Ok("alice".into()));
        assert_eq!(written("J%c3%b6rg%20B"), Ok("J%C3%B6rg%20B".into()));
        assert_eq!(written("100%25"), Ok("100%25".into()));
    }

    #[test]
    fn names_of_every_length_keep_their_text_and_their_order() {
        let texts: Vec<String> = (1..=NAME_BYTES).map(|length| "a".repeat(length)).collect();
        let names: Vec<_> = texts.iter().map(|text| AccountName::parse(text).unwrap()).collect();
        assert!(names.is_sorted() && names.iter().map(AccountName::reveal).eq(&texts));
        assert!(AccountName::parse("b").unwrap() > names[NAME_BYTES - 1]);
        assert!(names[0] != names[1] && size_of::<AccountName>() == 24);
    }

    #[test]
    fn a_bad_name_is_refused() {
        for text in ["a b", "a,b", "a%", "a%2", "a%zz", "jörg", "a\tb", "%+1"] {
            assert_eq!(AccountName::parse(text).err(), Some(NameError::Byte));
        }
        assert_eq!(AccountName::parse("").err(), Some(NameError::Length));
        assert_eq!(AccountName::parse(&"a".repeat(129)).err(), Some(NameError::Length));
        assert!(AccountName::parse(&"%20".repeat(128)).is_ok());
    }

    #[test]
    fn a_name_that_is_an_address_is_noticed() {
        for (text, address) in [("10.8.0.6", true), ("fd42::6", true), ("alice", false), ("10.8", false)] {
            assert!(AccountName::parse(text).unwrap().looks_like_an_address() == address);
        }
    }
}
