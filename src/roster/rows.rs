//! Assignments as a roster text gives them: those that hold on every interface, and those of one.
//!
//! Two servers may hand out the same addresses, each on an interface of its own. Holds names of
//! interfaces and addresses; no account, but what the caller makes of one.

use super::address::Prefix;
use std::borrow::Borrow;
use std::collections::BTreeMap;

/// Longest name of an interface, in bytes: ALTIFNAMSIZ is 128 with the final NUL.
const NAME_BYTES: usize = 127;

/// The name of an interface.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct InterfaceName(Box<str>);

/// Why a text is no name of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected the name of an interface, of 1 to 127 characters without spaces, slashes or colons")]
pub struct InterfaceNameError;

impl InterfaceName {
    /// Reads a name.
    ///
    /// # Errors
    /// When the kernel would refuse it.
    pub fn parse(text: &str) -> Result<Self, InterfaceNameError> {
        let is_taken = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'/' | b':' | b',');
        if text.is_empty() || text.len() > NAME_BYTES || !text.bytes().all(is_taken) {
            return Err(InterfaceNameError);
        }
        Ok(Self(text.into()))
    }

    /// The name.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for InterfaceName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// What an owner owns: a prefix, on one interface or on any.
#[derive(Clone)]
pub struct Place {
    /// The interface; none for any.
    pub interface: Option<InterfaceName>,
    /// The prefix.
    pub prefix: Prefix,
}

impl From<Prefix> for Place {
    fn from(prefix: Prefix) -> Self {
        Self { interface: None, prefix }
    }
}

/// Assignments of prefixes, by where they hold.
pub struct Rows<A> {
    /// Those that hold on every interface.
    pub anywhere: Vec<(Prefix, A)>,
    /// Those of one interface, by its name.
    pub on: BTreeMap<InterfaceName, Vec<(Prefix, A)>>,
}

impl<A> From<Vec<(Prefix, A)>> for Rows<A> {
    fn from(anywhere: Vec<(Prefix, A)>) -> Self {
        Self { anywhere, on: BTreeMap::new() }
    }
}

impl<A> Rows<A> {
    /// Every assignment.
    pub fn all(&self) -> impl Iterator<Item = &(Prefix, A)> {
        self.anywhere.iter().chain(self.on.values().flatten())
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.anywhere.len() + self.on.values().map(Vec::len).sum::<usize>()
    }
}

impl<A> Default for Rows<A> {
    fn default() -> Self {
        Self::from(Vec::new())
    }
}
