//! A node that joins a fleet: its accounts are known by other tags from then on, and keep what is held of them.
//!
//! Holds a key of tags; no name.

use super::Roster;
use super::account::AccountName;
use super::tagger::Tagger;
use crate::meter::tags::Tag;

impl Roster {
    /// The same, whose accounts may have been known by the tags of this key.
    #[must_use]
    pub fn known_before(self, former: Option<Tagger>) -> Self {
        Self { former, ..self }
    }

    /// The same of an account that the operator's own files name: what is held of it under the tag of another key, since
    /// before the node joined a fleet, is its own from here on.
    #[must_use]
    pub fn tag_of_named(&self, account: &AccountName) -> Tag {
        let tag = self.tag_of(account);
        if let Some(former) = &self.former {
            let _writing = self.lock();
            let found = self.directory.slot_of(former.tag_of(account));
            if let Some(slot) = found.filter(|_| self.directory.slot_of(tag).is_none()) {
                self.directory.remove(slot);
                self.directory.insert(tag, slot);
            }
        }
        tag
    }
}
