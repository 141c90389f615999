//! What a node tells of its flags, as of the last publication, and whether judging takes long now.
//!
//! Knows slots, and kinds of flags.

use super::Node;
use super::flags::Flags;
use crate::clock::Clock;
use crate::meter::flags::baseline::Baseline;
use crate::meter::flags::kind::Kinds;
use crate::meter::flags::watch::Verdict;
use crate::meter::noise::Randomness;
use crate::meter::slot::Slot;

impl<C: Clock, R: Randomness> Node<C, R> {
    /// What is usual for the account of a slot, and its flags; none where flags are off, and of reserved slots.
    pub fn baseline(&self, slot: Slot) -> Option<&Baseline> {
        self.flags.as_ref()?.baseline(slot)
    }

    /// What is usual for the account of a slot; of one that nobody knows what is known of one that was never used.
    pub fn usual(&self, slot: Option<Slot>) -> Option<Baseline> {
        let flags = self.flags.as_ref()?;
        slot.and_then(|slot| flags.baseline(slot)).copied().or_else(|| Some(flags.new_baseline()))
    }

    /// The flags of a slot's account.
    pub fn flags(&self, slot: Slot) -> Kinds {
        self.baseline(slot).map_or_else(Kinds::default, Baseline::told)
    }

    /// Slots whose account carries a flag, with what the node itself was; none where flags are off. After a mass
    /// event no slot is named.
    pub fn flagged(&self) -> Option<(Verdict, Vec<(Slot, Kinds)>)> {
        Some(self.flags.as_ref()?.flagged())
    }

    /// What the node itself was, as of the last publication; none where flags are off.
    pub fn verdict(&self) -> Option<Verdict> {
        self.flags.as_ref().map(Flags::verdict)
    }

    /// True when the next tick of the clock judges every account, which takes long on a large node.
    pub fn is_about_to_judge(&self) -> bool {
        self.flags.as_ref().is_some_and(|flags| flags.is_due(self.clock.now()) || self.is_about_to_close())
    }
}
