//! What one part of a source said last, and how long an address has been missing from what it says.
//!
//! A server may take a peer out and put it back within a moment, and an answer may fall between: an address
//! is let go only once it has been missing for more polls in a row than the grace has. Whoever is said to
//! own it instead has it at once. Holds prefixes and tags, sorted.

use super::super::address::Prefix;
use crate::meter::tags::Tag;

/// What holds of one part of a source.
pub(super) struct Kept {
    grace: u8,
    entries: Vec<Entry>,
}

/// A prefix, whose it is, and for how many polls nobody has said so.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Entry {
    prefix: Prefix,
    account: Tag,
    missing: u8,
}

impl Kept {
    /// Nothing; an address may be missing for so many polls in a row.
    pub(super) const fn new(grace: u8) -> Self {
        Self { grace, entries: Vec::new() }
    }

    /// A poll said this; true when something else holds now than before. Of a prefix that is said twice, the
    /// first counts.
    pub(super) fn hear(&mut self, mut said: Vec<(Prefix, Tag)>) -> bool {
        said.sort_by_key(|(prefix, _)| *prefix);
        said.dedup_by_key(|(prefix, _)| *prefix);
        let mut entries = Vec::with_capacity(said.len().max(self.entries.len()));
        let mut changed = false;
        let mut earlier = self.entries.iter().copied().peekable();
        for (prefix, account) in said {
            while let Some(gone) = earlier.next_if(|entry| entry.prefix < prefix) {
                changed |= !keep(&mut entries, gone, self.grace);
            }
            let before = earlier.next_if(|entry| entry.prefix == prefix);
            changed |= before.is_none_or(|before| before.account != account);
            entries.push(Entry { prefix, account, missing: 0 });
        }
        for gone in earlier {
            changed |= !keep(&mut entries, gone, self.grace);
        }
        self.entries = entries;
        changed
    }

    /// What holds, by prefix.
    pub(super) fn all(&self) -> impl Iterator<Item = (Prefix, Tag)> {
        self.entries.iter().map(|entry| (entry.prefix, entry.account))
    }
}

/// Keeps an entry that was not said, for as long as the grace lasts; false once it is let go.
fn keep(entries: &mut Vec<Entry>, gone: Entry, grace: u8) -> bool {
    let is_kept = gone.missing < grace;
    if is_kept {
        entries.push(Entry { missing: gone.missing + 1, ..gone });
    }
    is_kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn prefix(at: u8) -> Prefix {
        Prefix::parse(&format!("10.8.0.{at}")).expect("a prefix")
    }

    const fn tag(account: u8) -> Tag {
        Tag([account; 16])
    }

    fn owner(kept: &Kept, at: u8) -> Option<Tag> {
        kept.all().find(|(named, _)| *named == prefix(at)).map(|(_, account)| account)
    }

    fn said(rows: &[(u8, u8)]) -> Vec<(Prefix, Tag)> {
        rows.iter().map(|(at, account)| (prefix(*at), tag(*account))).collect()
    }

    #[test]
    fn an_address_is_let_go_after_the_grace_and_not_before() {
        let mut kept = Kept::new(2);
        assert!(kept.hear(said(&[(1, 1), (2, 2)])) && !kept.hear(said(&[(2, 2), (1, 1)])));
        assert!(!kept.hear(said(&[(1, 1)])) && !kept.hear(said(&[(1, 1)])));
        assert!(owner(&kept, 2) == Some(tag(2)), "two polls without it");
        assert!(kept.hear(said(&[(1, 1)])) && owner(&kept, 2).is_none());
        // One that comes back in time has its patience anew.
        for _ in 0..5 {
            assert!(!kept.hear(said(&[])) && !kept.hear(said(&[])) && !kept.hear(said(&[(1, 1)])));
        }
    }

    #[test]
    fn whoever_is_named_instead_owns_it_at_once() {
        let mut kept = Kept::new(2);
        assert!(kept.hear(said(&[(1, 1)])) && kept.hear(said(&[(1, 2)])));
        assert!(owner(&kept, 1) == Some(tag(2)));
        let mut impatient = Kept::new(0);
        assert!(
            impatient.hear(said(&[(1, 1)])) && impatient.hear(said(&[])) && impatient.all().next().is_none()
        );
    }

    proptest! {
        /// Against a model that counts by itself.
        #[test]
        fn what_is_kept_is_what_a_model_keeps(
            grace in 0_u8..4,
            polls in proptest::collection::vec(proptest::collection::vec((0_u8..12, 0_u8..3), 0..12), 1..20)
        ) {
            let mut kept = Kept::new(grace);
            let mut model: BTreeMap<u8, (u8, u8)> = BTreeMap::new();
            for poll in polls {
                let before: Vec<(u8, u8)> = model.iter().map(|(at, (account, _))| (*at, *account)).collect();
                let mut now = BTreeMap::new();
                poll.iter().for_each(|(at, account)| _ = now.entry(*at).or_insert((*account, 0)));
                for (at, (account, missing)) in &model {
                    if !now.contains_key(at) && *missing < grace {
                        now.insert(*at, (*account, missing + 1));
                    }
                }
                model = now;
                let after: Vec<(u8, u8)> = model.iter().map(|(at, (account, _))| (*at, *account)).collect();
                prop_assert_eq!(kept.hear(said(&poll)), before != after);
                prop_assert!(kept.all().eq(said(&after)));
            }
        }
    }
}
