//! What was ever to be seen of the flags of a machine whose first account is cut off now and then, and what must be.

use crate::support::rng::Rng;
use blindmeter::meter::flags::kind::{Kind, Kinds};

/// What was to be seen of flags, and what must be.
#[derive(Default)]
pub(crate) struct Seen {
    /// The first account is cut off in this epoch.
    pub(crate) cut_off: bool,
    /// Looks at which something was sent since the last close.
    pub(crate) looks: u32,
    /// It was, in the whole epoch that was closed last, and for most of its looks: no suspend left it short.
    was_cut_off: bool,
    /// Closes in a row since the process started.
    closes: u32,
    /// Publications since it was told last: a pause counts closes, which are not fewer, and no time.
    publications: u64,
    /// Closes since the last publication: a full disk may hold several back.
    waiting: u64,
    /// As many closes may have passed between its raise and its being told.
    late: u64,
    /// The ordinal since which it is told, and how many losses there had been.
    since: Option<(u64, usize)>,
    is_told: bool,
    /// How often it was told anew.
    pub(crate) raised: u32,
    must_be_told: bool,
    is_published: bool,
}

impl Seen {
    pub(crate) fn new() -> Self {
        Self { publications: PAUSE, ..Self::default() }
    }

    pub(crate) fn closed(&mut self, rng: &mut Rng) {
        self.waiting += 1;
        if self.waiting >= SHOWN {
            // What was raised meanwhile may be over before it could be saved and told.
            self.publications = 0;
        }
        self.closes += 1;
        self.was_cut_off = self.cut_off && self.closes > 1 && self.looks >= 12;
        self.looks = 0;
        self.cut_off = rng.one_in(5);
    }

    pub(crate) fn published(&mut self) {
        self.must_be_told = self.was_cut_off;
        self.is_published = true;
        self.publications += 1;
    }

    pub(crate) fn started(&mut self) {
        self.closes = 0;
        self.was_cut_off = false;
    }

    /// What is told of the first account and of others, after the release of this ordinal; gives what must not be.
    pub(crate) fn look(
        &mut self,
        told: Kinds,
        others: bool,
        ordinal: u64,
        losses: usize,
    ) -> Option<&'static str> {
        let is_told = told.has(Kind::Stall);
        let before = self.since.filter(|(_, then)| *then == losses);
        let is_new = is_told && !(self.is_told && before.is_some());
        let must = std::mem::take(&mut self.must_be_told);
        let within =
            |epochs: u64| before.is_some_and(|(since, _)| (since..since + epochs).contains(&ordinal));
        let what = if others {
            Some("somebody is flagged who did nothing")
        } else if told.by_severity().any(|kind| kind != Kind::Stall) {
            Some("a flag of another kind")
        } else if !is_told && within(SHOWN.saturating_sub(self.late)) {
            Some("a flag is lost")
        } else if !is_told && must && self.publications > PAUSE {
            Some("a flag is not told")
        } else if is_new && within(PAUSE) {
            Some("a flag is raised twice")
        } else {
            None
        };
        if is_new {
            self.raised += 1;
            self.late = self.waiting;
            self.since = Some((ordinal, losses));
        }
        if std::mem::take(&mut self.is_published) {
            self.waiting = 0;
        }
        if is_told {
            self.publications = 0;
        }
        self.is_told = is_told;
        what
    }
}

/// Epochs for which a flag is shown at least, and until it may be raised again: of an hour's epochs.
const SHOWN: u64 = 7;
const PAUSE: u64 = 24;
