//! What either file of accounts says of one peer, and why it does not.
//!
//! A key and a name are overwritten when they are dropped; errors carry lines alone.

use super::super::super::account::{AccountName, NameError};
use zeroize::Zeroizing;

/// Why a file does not say whose peers are. Carries nothing of it but lines.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NamesError {
    /// Not UTF-8.
    #[error("line {0}: not UTF-8; save the file as UTF-8")]
    Encoding(usize),
    /// No header, and no section either.
    #[error("line {0}: expected the header public_key,account, or a wg-quick file")]
    Header(usize),
    /// Not two fields.
    #[error("line {0}: expected two fields, public_key,account")]
    Fields(usize),
    /// Not a key.
    #[error("line {0}: the public key is not one; write it as `wg` prints it")]
    Key(usize),
    /// Not a name.
    #[error("line {0}: {1}")]
    Name(usize, NameError),
    /// One key, two accounts.
    #[error("line {0} and line {1}: the same key for two accounts; remove one")]
    Twice(usize, usize),
    /// A comment that may belong to the peer above or to the one below.
    #[error("line {0}: the name may be the peer's above or the one's below; write it below its line [Peer]")]
    Whose(usize),
}

/// A row of either file.
pub(super) struct Row {
    pub(super) key: Zeroizing<String>,
    pub(super) account: AccountName,
    pub(super) line: usize,
}

/// The lines of a text, trimmed, each with its number.
pub(super) fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(at, line)| (at + 1, line.trim()))
}
