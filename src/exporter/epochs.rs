//! Which epoch of a fleet is opened when, and what is released of it: one value an epoch, for ever.
//!
//! An epoch is opened a fixed while after its end, as soon as enough nodes have sent; where that does not happen before
//! the next one ends, it is released as held back, and nodes carry their bytes over. Reads no clock and no file.

use super::kept::Kept;
use crate::fleet::courier::Courier;
use crate::fleet::keys::FleetKey;
use crate::fleet::look_up::Untold;
use crate::fleet::opening::{look, open};
use crate::meter::policy::Policy;
use crate::meter::release::Release;
use crate::meter::scope::Terms;
use crate::meter::share::{Carried, Opened};

/// An epoch is opened this part of its length after its end: by then every node has released it and sent its share.
const DELAY_DIVISOR: u64 = 48;

/// But no earlier than this.
const SHORTEST_DELAY_SECONDS: u64 = 1;

/// What epochs are opened with.
pub(super) struct Opener {
    /// The fleet's policy.
    pub(super) policy: Policy,
    /// The terms in it.
    pub(super) terms: Terms,
    /// The fleet's key.
    pub(super) key: FleetKey,
}

impl Opener {
    fn delay(&self) -> u64 {
        (self.policy.epoch_seconds / DELAY_DIVISOR).max(SHORTEST_DELAY_SECONDS)
    }

    /// When the epoch after this one is opened, by the schedule.
    pub(super) fn due(&self, last: u64) -> u64 {
        (last + 2).saturating_mul(self.policy.epoch_seconds).saturating_add(self.delay())
    }

    /// What is to be kept and shown from this second on; nothing where that is what it was.
    ///
    /// # Errors
    /// Why the clusters do not tell.
    pub(super) fn step(
        &self,
        courier: &mut Courier,
        kept: &Kept,
        wall_seconds: u64,
    ) -> Result<Option<Kept>, Untold> {
        let Some(newest) = (wall_seconds / self.policy.epoch_seconds).checked_sub(1) else { return Ok(None) };
        let last = kept.release.ordinal();
        if last >= newest {
            return Ok(None);
        }
        // A start that knows of nothing says nothing of what was before it.
        if last != 0 && last + 1 < newest {
            return self.end(courier, kept, newest - 1).map(Some);
        }
        if wall_seconds < self.due(newest - 1) {
            return Ok(None);
        }
        let tag = self.key.epoch_tag(self.policy.number(), newest);
        let found = look(courier, tag)?;
        if !found.is_opened && found.nodes.len() < usize::from(self.terms.nodes) {
            return Ok(None);
        }
        let opened = open(courier, tag, &found.nodes)?;
        Ok(opened.map(|opened| self.released(kept, newest, opened)))
    }

    /// Releases an epoch whose time is over: of what was opened, or as held back.
    fn end(&self, courier: &mut Courier, kept: &Kept, ordinal: u64) -> Result<Kept, Untold> {
        let tag = self.key.epoch_tag(self.policy.number(), ordinal);
        let found = look(courier, tag)?;
        let opened = if found.is_opened { open(courier, tag, &found.nodes) } else { Ok(None) };
        match opened {
            Ok(Some(opened)) => Ok(self.released(kept, ordinal, opened)),
            // A half that is missing by now does not come any more.
            Ok(None) | Err(Untold::Disagree) => {
                Ok(Kept { release: Release::unopened(ordinal), nodes: 0, ..*kept })
            }
            Err(why) => Err(why),
        }
    }

    fn released(&self, kept: &Kept, ordinal: u64, opened: Opened) -> Kept {
        let opened = opened.with_bytes_of(kept.carried);
        let release = Release::of_fleet(ordinal, &opened, &self.policy);
        let none = Carried::default();
        let carried = if release.suppressed() { none.with_opened(&opened) } else { none };
        Kept { release, nodes: opened.nodes(), carried, ..*kept }
    }
}
