//! How the program stands on the interfaces that it is attached to: first, behind others that can end a
//! packet's way, or no more; and how it is put in front again.
//!
//! Programs of other living daemons of this kind end nothing, and are no obstacle. Holds indices of
//! interfaces; no name of one, no address.

use super::attach::{AttachedProgram, Attacher};
use super::filters;
use super::hooks;
use super::owner;
use crate::config::Hook;
use crate::tap::interfaces::{self, Passed};
use crate::tap::obstacle::Obstacle;
use std::io;

/// How the program stands on an interface, in both directions.
#[derive(PartialEq, Eq, Debug)]
pub(in crate::tap) enum Stand {
    /// Nobody who can end a packet's way stands before it.
    First,
    /// These stand before it, and let it pass or not.
    Behind { before: Vec<Obstacle>, can_pass: bool },
    /// In one direction it is there no more.
    Gone,
}

impl Attacher {
    /// How each of these programs stands. What the kernel does not tell counts as good: an interface that
    /// is gone is told of by other news.
    pub(in crate::tap) fn look(&self, programs: &[&AttachedProgram]) -> Vec<Stand> {
        let hooks: Vec<(u32, bool)> =
            programs.iter().flat_map(|program| [(program.index, true), (program.index, false)]).collect();
        // A helper that is gone ends the process by other news.
        let at_tcx = self.0.helper.look(&hooks).unwrap_or_default();
        let at_tcx = at_tcx.chunks(2).chain(std::iter::repeat(&[][..]));
        programs.iter().zip(at_tcx).map(|(program, at_tcx)| program.stand(at_tcx)).collect()
    }
}

impl AttachedProgram {
    /// True where the qdisc of its hooks is gone, and nobody has put another in its place.
    pub(in crate::tap) fn is_slot_empty(&self) -> bool {
        self.context.hook == Hook::Clsact
            && filters::slot(self.index).is_ok_and(|slot| slot == filters::Slot::Free)
    }

    /// How it stands beside these programs at its tcx hooks, in and out.
    fn stand(&self, at_tcx: &[Option<Vec<u32>>]) -> Stand {
        let (mut before, mut can_pass) = (Vec::new(), false);
        for (at, ingress) in [true, false].into_iter().enumerate() {
            let programs = at_tcx.get(at).cloned().flatten();
            let is_there = match self.context.hook {
                Hook::Tcx => self.is_at_tcx(ingress, programs, &mut before),
                Hook::Clsact => {
                    let programs = programs.unwrap_or_default().into_iter();
                    before.extend(programs.map(|id| Obstacle::Program { ingress, id }));
                    self.is_among_filters(ingress, &mut before, &mut can_pass)
                }
            };
            if !is_there {
                return Stand::Gone;
            }
        }
        before.retain(
            |obstacle| !matches!(obstacle, Obstacle::Program { id, .. } if owner::is_of_a_living_one(*id)),
        );
        can_pass |= self.context.hook == Hook::Tcx;
        if before.is_empty() { Stand::First } else { Stand::Behind { before, can_pass } }
    }

    /// Whether it is among these programs, and which are before it. The list may end before it.
    fn is_at_tcx(&self, ingress: bool, programs: Option<Vec<u32>>, before: &mut Vec<Obstacle>) -> bool {
        let Some(programs) = programs else { return true };
        let own = self.context.id(self.ethernet, ingress);
        let place = programs.iter().position(|id| *id == own);
        let others = programs.iter().take(place.unwrap_or(programs.len()));
        before.extend(others.map(|id| Obstacle::Program { ingress, id: *id }));
        place.is_some() || programs.len() == super::helper::TOLD
    }

    /// Whether it is among the filters, which are before it, and whether a new place would be before some.
    fn is_among_filters(&self, ingress: bool, before: &mut Vec<Obstacle>, can_pass: &mut bool) -> bool {
        let Ok(there) = filters::filters(self.index, ingress) else { return true };
        let own = self.context.id(self.ethernet, ingress);
        let is_own = |filter: &filters::Filter| {
            filter.owner() == Some(self.context.owner) && filter.program == Some(own)
        };
        let Some(place) = there.iter().position(is_own) else { return false };
        let ends = |filter: &&filters::Filter| filter.can_match() && filter.owner().is_none();
        let (priority, _) = hooks::free_place(&there, self.context.owner);
        *can_pass |= there[..place].iter().filter(ends).any(|filter| filter.priority >= priority);
        before.extend(there[..place].iter().filter(ends).map(|filter| Obstacle::Filter {
            ingress,
            kind: filter.kind.clone(),
            priority: filter.priority,
            name: filter.name.clone(),
        }));
        true
    }

    /// Puts the program in front again, in the directions where others stand before it. Returns how many
    /// packets passed between the old place and the new one; after an error it is to be detached.
    pub(in crate::tap) fn put_in_front(&mut self, before: &[Obstacle]) -> io::Result<Passed> {
        let mut missed = Passed::default();
        for up in [true, false] {
            let is_behind = before.iter().any(|obstacle| match obstacle {
                Obstacle::Filter { ingress, .. } => *ingress == up,
                Obstacle::Program { ingress, .. } => *ingress == up && self.context.hook == Hook::Tcx,
                Obstacle::Xdp { .. } => false,
            });
            if !is_behind {
                continue;
            }
            let then = interfaces::passed(self.index);
            for link in self.links.extract_if(.., |link| link.up == up) {
                link.remove(&self.context.pins);
            }
            let link = self.context.put(self.index, self.ethernet, up, true)?;
            let now = interfaces::passed(self.index);
            let between = now.zip(then).map(|(now, then)| now.since(then)).unwrap_or_default();
            missed = missed.plus(between.one_way(up));
            self.links.extend(link);
        }
        Ok(missed)
    }
}
