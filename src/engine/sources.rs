//! What a source said takes effect: the roster changes, the health shows whether the source is up, and each
//! change of state is one line of the log. What clients bring about is told at a close (`source_troubles`).
//!
//! Called from threads that ask sources, never from the one that answers requests: it waits for the roster's
//! writer. Holds nothing.

use super::roster_writer::{Change, Outcome};
use super::state::State;
use crate::environment::Environment;
use crate::log::{Event, emit};
use crate::roster::Source;
use crate::roster::sources::{Feed, Map, News, Said, Unread};

impl<E: Environment> State<E> {
    /// A part of a source was asked, and said this. Returns when it is in force.
    pub fn hear(&self, feed: &mut Feed, part: usize, said: Said) {
        let News { change, mut trouble, is_first, map } = feed.hear(part, said);
        tell(feed, part, change);
        if let Some(Map { assignments, is_whole }) = map {
            let change = if is_whole { Change::Replace } else { Change::Add };
            let outcome = self.writer.make_and_wait(change(feed.source(), assignments));
            self.settle_disputes();
            let left = match outcome {
                Outcome::Done | Outcome::NotAssigned => None,
                Outcome::Full(why) => Some(Unread::NoRoom(why)),
                Outcome::NotQuiesced => Some(Unread::Busy),
            };
            feed.settled(left.is_none());
            trouble = trouble.or(left);
        }
        let (source, name) = (feed.source(), feed.name(part));
        let is_up = self.troubles.note(source, feed.is_up(), name, trouble, is_first);
        self.show_source(source, is_up);
    }

    /// An epoch was closed: what clients brought about of sources is told.
    pub(super) fn tell_troubles(&self) {
        self.troubles.at_close().into_iter().for_each(|(source, is_up)| self.show_source(source, is_up));
    }

    fn show_source(&self, source: Source, is_up: bool) {
        self.update_health(|health| health.show_source(source, is_up));
    }
}

/// The line for a change of state, where there is one.
fn tell(feed: &Feed, part: usize, change: Option<Option<Unread>>) {
    let (source, part) = (feed.source().word(), feed.name(part));
    match change {
        None => {}
        Some(None) => emit(&Event::SourceBack(source, part)),
        Some(Some(why)) => emit(&Event::SourceLost(source, part, &why)),
    }
}
