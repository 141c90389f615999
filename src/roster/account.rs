//! Account names. Like addresses they cannot be printed or serialised by accident.
//!
//! A name lives from where it is read (a request, a line of a roster) to its keyed tag
//! ([`super::tagger`]), and is overwritten when it is dropped; the daemon keeps none.
//! [`AccountName::reveal`] is the one way to the text; the tidy test allows it in `control/` and
//! `cli/` only, where an authorised person asked for the account by that very name.

use zeroize::Zeroize;

/// The name of an account, in its one written form (see [`AccountName::parse`]).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountName(Box<str>);

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
        // No written form is longer than what it was read from, so the text never moves as it grows.
        let mut written = String::with_capacity(text.len());
        let (mut rest, mut bytes) = (text.as_bytes(), 0);
        while let Some((&byte, tail)) = rest.split_first() {
            let (value, tail) = match byte {
                b'%' => {
                    let digits = tail.get(..2).ok_or(NameError::Byte)?;
                    let digit = |at: usize| char::from(digits[at]).to_digit(16).ok_or(NameError::Byte);
                    let value = digit(0)? * 16 + digit(1)?;
                    (u8::try_from(value).map_err(|_| NameError::Byte)?, &tail[2..])
                }
                byte if is_plain(byte) => (byte, tail),
                _ => return Err(NameError::Byte),
            };
            put(&mut written, value);
            (rest, bytes) = (tail, bytes + 1);
        }
        if bytes == 0 || bytes > NAME_BYTES {
            return Err(NameError::Length);
        }
        Ok(Self(written.into()))
    }

    /// The name of these bytes, none of which is encoded: as a VPN server names a client.
    ///
    /// # Errors
    /// When there are none, or too many.
    pub fn of_bytes(bytes: &[u8]) -> Result<Self, NameError> {
        if bytes.is_empty() || bytes.len() > NAME_BYTES {
            return Err(NameError::Length);
        }
        // Room for each byte as %XX, so that the text never moves as it grows.
        let mut written = String::with_capacity(3 * bytes.len());
        bytes.iter().for_each(|byte| put(&mut written, *byte));
        Ok(Self(written.into()))
    }

    /// The written form, for the tag.
    pub(super) fn written(&self) -> &str {
        &self.0
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

impl Drop for AccountName {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// True of a byte that is written as itself.
fn is_plain(byte: u8) -> bool {
    matches!(byte, 0x21..=0x7e) && byte != b',' && byte != b'%'
}

fn put(text: &mut String, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    if is_plain(byte) {
        text.push(char::from(byte));
    } else {
        text.push('%');
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
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
    fn a_servers_name_is_the_same_as_its_written_form() {
        let of_bytes = AccountName::of_bytes("Jörg, 100%".as_bytes());
        assert!(of_bytes.is_ok() && of_bytes == AccountName::parse("J%C3%B6rg%2C%20100%25"));
        assert_eq!(AccountName::of_bytes(&[b'a'; 129]).err(), Some(NameError::Length));
        assert_eq!(AccountName::of_bytes(b"").err(), Some(NameError::Length));
    }

    #[test]
    fn names_of_every_length_keep_their_text_and_their_order() {
        let texts: Vec<String> = (1..=NAME_BYTES).map(|length| "a".repeat(length)).collect();
        let names: Vec<_> = texts.iter().map(|text| AccountName::parse(text).unwrap()).collect();
        assert!(names.is_sorted() && names.iter().map(AccountName::reveal).eq(&texts));
        assert!(AccountName::parse("b").unwrap() > names[NAME_BYTES - 1]);
        assert!(names[0] != names[1]);
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
