//! What the sources say of one prefix: who goes before whom, and what an earlier process left.
//!
//! Pure arithmetic on slots; no address and no account.

use super::source::Source;
use crate::meter::slot::Slot;

/// The slot that each source names, by precedence, and whether an earlier process had written the
/// owner down and no source has confirmed it.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Assignment([u32; Source::ALL.len()]);

/// In the first word, above all slots: the owner is an earlier process's word.
const INHERITED: u32 = 1 << 31;

/// Beside it: nothing has counted for that owner meanwhile, and whoever says otherwise is right.
const KEPT: u32 = 1 << 30;

/// Both.
const MARKS: u32 = INHERITED | KEPT;

/// What becomes of a prefix when a source says whose it is.
pub(super) struct Decision {
    /// What is assigned from then on.
    pub(super) after: Assignment,
    /// The owner is another, or another source is the one that names it.
    pub(super) changes_owner: bool,
    /// The slot that was charged for an address which may have been another's since an earlier
    /// process's last save.
    pub(super) disputed: Option<Slot>,
}

impl Assignment {
    /// Nobody's.
    pub(super) const NONE: Self = Self([0; Source::ALL.len()]);

    /// An earlier process's word that this source names this slot.
    pub(super) fn inherited(mut self, source: Source, slot: Slot) -> Self {
        self = self.with(source, Some(slot));
        self.0[0] |= INHERITED;
        self
    }

    /// The same of a process that was stopped: the first source that contradicts it wins, whichever it is.
    pub(super) fn kept(self, source: Source, slot: Slot) -> Self {
        let mut kept = self.inherited(source, slot);
        kept.0[0] |= KEPT;
        kept
    }

    /// Whom this source names.
    pub(super) fn of(self, source: Source) -> Option<Slot> {
        Some(Slot::new(self.0[source as usize] & !MARKS)).filter(|slot| slot.is_account())
    }

    /// The first source that names anybody, and whom it names.
    pub(super) fn owner(self) -> Option<(Source, Slot)> {
        Source::ALL.into_iter().find_map(|source| Some((source, self.of(source)?)))
    }

    /// True when the owner is an earlier process's word.
    pub(super) fn is_inherited(self) -> bool {
        self.0[0] & INHERITED != 0
    }

    /// The same, as this process's own word.
    pub(super) fn confirmed(mut self) -> Self {
        self.0[0] &= !MARKS;
        self
    }

    /// Every slot that is named.
    pub(super) fn slots(self) -> impl Iterator<Item = Slot> {
        Source::ALL.into_iter().filter_map(move |source| self.of(source))
    }

    /// True when two sources name different accounts.
    pub(super) fn is_conflict(self) -> bool {
        self.slots().any(|slot| self.slots().next() != Some(slot))
    }

    /// What a source's word brings about: that it names this slot, or nobody any more.
    ///
    /// What it says of a prefix that another one owns neither confirms nor disputes an inherited owner.
    pub(super) fn decide(self, source: Source, slot: Option<Slot>) -> Decision {
        let after = self.unless_contradicted(source, slot).with(source, slot);
        let (was, is) = (self.owner(), after.owner());
        let changes_owner = was != is;
        match was.filter(|(owning, _)| after.is_inherited() && (*owning == source || changes_owner)) {
            None => Decision { after, changes_owner, disputed: None },
            Some((_, charged)) => {
                let disputed = Some(charged).filter(|charged| is.is_none_or(|(_, slot)| slot != *charged));
                Decision { after: after.confirmed(), changes_owner, disputed }
            }
        }
    }

    /// Without the word of a process that was stopped, where a source that can be asked says otherwise.
    fn unless_contradicted(self, source: Source, slot: Option<Slot>) -> Self {
        let owner = self.owner().map(|(_, slot)| slot);
        if self.0[0] & KEPT == 0 || source.tells_by_itself() || slot.is_none() || slot == owner {
            return self;
        }
        let told = Source::ALL.into_iter().filter(|source| source.tells_by_itself());
        told.fold(self, |left, source| left.with(source, None))
    }

    fn with(mut self, source: Source, slot: Option<Slot>) -> Self {
        let word = &mut self.0[source as usize];
        *word = *word & MARKS | slot.unwrap_or(Slot::UNATTRIBUTED).word();
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Source::{Control, File};

    const ONE: Slot = Slot::new(7);
    const OTHER: Slot = Slot::new(8);

    #[test]
    fn the_first_source_that_names_anybody_owns() {
        let filed = Assignment::NONE.decide(File, Some(ONE));
        assert!(filed.changes_owner && filed.after.owner() == Some((File, ONE)));
        let assigned = filed.after.decide(Control, Some(OTHER));
        assert!(assigned.changes_owner && assigned.after.owner() == Some((Control, OTHER)));
        assert!(assigned.after.is_conflict() && !filed.after.is_conflict());
        // The file may say what it likes now.
        let again = assigned.after.decide(File, None);
        assert!(!again.changes_owner && again.after.owner() == Some((Control, OTHER)));
        let gone = again.after.decide(Control, None);
        assert!(gone.changes_owner && gone.after == Assignment::NONE);
    }

    #[test]
    fn whoever_contradicts_what_was_kept_over_a_stop_wins() {
        let kept = Assignment::NONE.kept(Control, ONE);
        assert!(kept.owner() == Some((Control, ONE)) && kept.is_inherited());
        for source in [File, Source::WireGuard, Source::Radius] {
            let said = kept.decide(source, Some(OTHER));
            let wins = source != Source::Radius;
            assert!((said.after.owner() == Some((source, OTHER))) == wins && said.changes_owner == wins);
            assert!((said.disputed == Some(ONE)) == wins, "what it was charged for is nobody's");
            let same = kept.decide(source, Some(ONE));
            assert!(same.after.owner() == Some((Control, ONE)) && same.disputed.is_none());
            assert!(
                kept.decide(source, None).after.owner() == Some((Control, ONE)),
                "who does not know says nothing"
            );
        }
        let own = kept.decide(Control, Some(OTHER));
        assert!(own.after.owner() == Some((Control, OTHER)) && !own.after.is_inherited());
        // Once the source has said so itself, the usual order holds again.
        let confirmed = kept.decide(Control, Some(ONE)).after.decide(File, Some(OTHER));
        assert!(confirmed.after.owner() == Some((Control, ONE)) && !confirmed.changes_owner);
        assert!(kept.confirmed() == Assignment::NONE.decide(Control, Some(ONE)).after);
    }

    #[test]
    fn an_inherited_owner_is_disputed_by_whoever_owns_and_by_nobody_else() {
        let inherited = Assignment::NONE.inherited(Control, ONE);
        let said = |source, slot| inherited.decide(source, slot);
        let same = said(Control, Some(ONE));
        assert!(!same.after.is_inherited() && same.disputed.is_none() && !same.changes_owner);
        assert!(said(Control, Some(OTHER)).disputed == Some(ONE));
        assert!(said(Control, None).disputed == Some(ONE));
        let file = said(File, Some(OTHER));
        assert!(file.after.is_inherited() && file.disputed.is_none() && !file.changes_owner);
        // An owner of the file gives way to the control socket: to another account it is a dispute.
        let filed = Assignment::NONE.inherited(File, ONE);
        assert!(filed.decide(Control, Some(OTHER)).disputed == Some(ONE));
        let kept = filed.decide(Control, Some(ONE));
        assert!(kept.changes_owner && kept.disputed.is_none() && !kept.after.is_inherited());
    }
}
