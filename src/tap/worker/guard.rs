//! What the tap's thread does about others at its hooks: it puts the program back where somebody took it off,
//! in front where somebody came to stand before it, and tells of whom it cannot pass.
//!
//! When to look is decided in `tap/watch`, how the program stands in `tap/kernel/look`. Depends on the
//! host's configuration alone, never on traffic. Holds no packet and no address.

use super::attachments::Worker;
use crate::tap::interfaces::{HookNews, InterfaceEntry};
use crate::tap::kernel::Stand;
use crate::tap::obstacle::Obstacle;
use crate::tap::reconcile::matches;
use std::collections::BTreeMap;

impl Worker {
    /// Looks after news of the hooks, and at intervals; true when something is to be attached.
    pub(super) fn guard(&mut self) -> bool {
        let news = self.events.hooks();
        let is_due = self.watch.is_due(self.attachments.len());
        let is_released = self.watch.release();
        if is_due {
            // What passes where nothing can be attached is told as it passes, with no news to wait for.
            self.look(&HookNews::OfAny) || is_released || self.refused.is_any() || self.has_other_xdp()
        } else {
            (!news.is_none() && self.look(&news)) || is_released
        }
    }

    /// Looks how the program stands on interfaces whose hooks may have changed; true when it is to be
    /// attached again somewhere.
    fn look(&mut self, news: &HookNews) -> bool {
        let looked_at: Vec<usize> =
            (0..self.attachments.len()).filter(|at| news.is_of(self.attachments[*at].index)).collect();
        let sources: Vec<_> = looked_at.iter().map(|at| &self.attachments[*at].source).collect();
        let stands = self.opener.look(&sources);
        let (mut gone, mut has_changed) = (Vec::new(), false);
        for (at, stand) in looked_at.into_iter().zip(stands) {
            let index = self.attachments[at].index;
            let before = match stand {
                Stand::First => Vec::new(),
                Stand::Behind { before, can_pass } if can_pass && self.watch.may_try(index) => {
                    if self.put_in_front(at, &before) {
                        continue;
                    }
                    gone.push(index);
                    continue;
                }
                Stand::Behind { before, .. } => before,
                Stand::Gone => {
                    gone.push(index);
                    continue;
                }
            };
            has_changed |= self.before.get(&index).map_or(&[][..], Vec::as_slice) != before;
            if before.is_empty() {
                self.before.remove(&index);
            } else {
                self.before.insert(index, before);
            }
        }
        for index in &gone {
            self.taken_off(*index);
        }
        has_changed || !gone.is_empty()
    }

    /// Puts the program of an attachment in front of these again; false when it is attached no more.
    fn put_in_front(&mut self, at: usize, before: &[Obstacle]) -> bool {
        let attachment = &mut self.attachments[at];
        let Ok(missed) = attachment.source.put_in_front(before) else { return false };
        self.attribution.lost_each_way(missed);
        let pattern = self.pattern_of(self.attachments[at].index);
        let told = pattern.map(|pattern| self.reports.put_in_front(pattern, before));
        told.into_iter().flatten().for_each(|event| self.tell(event));
        true
    }

    /// Somebody took the program off an interface: it is detached in full, to be attached again, at once
    /// or after a while.
    fn taken_off(&mut self, index: u32) {
        let Some(at) = self.attachments.iter().position(|attachment| attachment.index == index) else {
            return;
        };
        // It is gone with its hooks, and an event is on its way.
        let passed = self.passed(index);
        if passed.is_none() {
            return;
        }
        let pattern = self.pattern_of(index);
        let told = pattern.map(|pattern| self.reports.taken_off(pattern));
        told.into_iter().flatten().for_each(|event| self.tell(event));
        let is_insisted = !self.watch.may_try(index);
        if is_insisted || self.attachments[at].source.is_slot_empty() {
            self.watch.hold(index, is_insisted);
        }
        self.before.remove(&index);
        self.detach(at, passed, &[]);
    }

    /// The first pattern that means the interface of this index, by whichever of its names.
    fn pattern_of(&mut self, index: u32) -> Option<usize> {
        let there = self.list()?;
        let entry = there.iter().find(|entry| entry.index == index)?;
        self.patterns.iter().position(|pattern| matches(pattern, entry))
    }

    /// Whether the XDP programs of attached interfaces are others than those that are told of: the kernel
    /// sends no news of all.
    fn has_other_xdp(&mut self) -> bool {
        let Some(there) = self.list() else { return false };
        self.xdp_of(&there) != self.xdp
    }

    /// The XDP programs of the attached interfaces, by their indices.
    pub(super) fn xdp_of(&self, there: &[InterfaceEntry]) -> BTreeMap<u32, u32> {
        let is_attached = |index: u32| self.attachments.iter().any(|attachment| attachment.index == index);
        let with_xdp = there.iter().filter_map(|entry| Some((entry.index, entry.xdp?)));
        with_xdp.filter(|(index, _)| is_attached(*index)).collect()
    }

    /// Who stands before the tap on these interfaces.
    pub(super) fn standing_before<'a>(
        &self,
        attached: &[&'a InterfaceEntry],
    ) -> Vec<(&'a InterfaceEntry, Vec<Obstacle>)> {
        let of = |index: u32| {
            let before = self.before.get(&index).cloned().unwrap_or_default().into_iter();
            before.chain(self.xdp.get(&index).map(|id| Obstacle::Xdp { id: *id })).collect::<Vec<_>>()
        };
        let all = attached.iter().map(|entry| (*entry, of(entry.index)));
        all.filter(|(_, before)| !before.is_empty()).collect()
    }
}
