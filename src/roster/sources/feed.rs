//! One source with its parts: what they say together, and whether all of them can be read.
//!
//! A part that falls silent keeps what it said last. News tell at the most one change of state, for the one
//! line of the log. Holds what [`Kept`] holds, and the parts' names.

use super::super::address::Prefix;
use super::super::source::Source;
use super::kept::Kept;
use super::unread::{Said, Unread};
use crate::meter::tags::Tag;

/// A source that is asked again and again, or that speaks by itself.
pub struct Feed {
    source: Source,
    parts: Vec<Part>,
    /// The roster does not hold what the parts say: it was not told, or had no room.
    is_owed: bool,
}

struct Part {
    name: String,
    kept: Kept,
    is_up: bool,
    /// It has said something, or was asked in vain.
    is_asked: bool,
}

/// What came of one part's word.
pub struct News {
    /// The part is read again after it was not (none), or is not read any more, and why.
    pub change: Option<Option<Unread>>,
    /// What clients bring about by coming or going: to be told at a close, but for what a start finds.
    pub trouble: Option<Unread>,
    /// It is the first word of this part.
    pub is_first: bool,
    /// What the source says from now on: to be put in force, and its outcome told to [`Feed::settled`].
    pub map: Option<Map>,
}

/// What the parts of a source say together.
pub struct Map {
    /// Whose each prefix is.
    pub assignments: Vec<(Prefix, Tag)>,
    /// Whether every part was asked: else what the roster has of the others, from an earlier process, stays.
    pub is_whole: bool,
}

impl Feed {
    /// A source of these parts, in order of precedence; an address may be missing for so many polls in a row
    /// (`grace`) before it is taken away.
    #[must_use]
    pub fn new(source: Source, parts: impl IntoIterator<Item = (String, u8)>) -> Self {
        let part = |(name, grace)| Part { name, kept: Kept::new(grace), is_up: true, is_asked: false };
        Self { source, parts: parts.into_iter().map(part).collect(), is_owed: false }
    }

    /// Which source it is.
    #[must_use]
    pub const fn source(&self) -> Source {
        self.source
    }

    /// The name of a part.
    #[must_use]
    pub fn name(&self, part: usize) -> &str {
        &self.parts[part].name
    }

    /// True while every part answers.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.parts.iter().all(|part| part.is_up)
    }

    /// A part was asked.
    pub fn hear(&mut self, part: usize, said: Said) -> News {
        let heard = &mut self.parts[part];
        // The first answers are told even where they name nobody.
        let is_first = !std::mem::replace(&mut heard.is_asked, true);
        let (mut failure, mut trouble) = (None, None);
        match said {
            Ok(said) => self.is_owed |= heard.kept.hear(said) || is_first,
            // The part answers, and its clients are why that is of no use.
            Err(why) if why.is_of_clients() => trouble = Some(why),
            Err(why) => failure = Some(why),
        }
        let is_up = failure.is_none();
        let change = (std::mem::replace(&mut heard.is_up, is_up) != is_up).then_some(failure);
        News { change, trouble, is_first, map: self.is_owed.then(|| self.together()) }
    }

    /// Whether all of the map that was to be put in force is; else it is tried again with the next word.
    pub const fn settled(&mut self, is_whole: bool) {
        self.is_owed = !is_whole;
    }

    /// What the parts say together; the first part that says something of a prefix counts.
    fn together(&self) -> Map {
        let mut together: Vec<(Prefix, Tag)> = self.parts.iter().flat_map(|part| part.kept.all()).collect();
        if self.parts.len() > 1 {
            together.sort_by_key(|(prefix, _)| *prefix);
            together.dedup_by_key(|(prefix, _)| *prefix);
        }
        Map { assignments: together, is_whole: self.parts.iter().all(|part| part.is_asked) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(text: &str, account: u8) -> (Prefix, Tag) {
        (Prefix::parse(text).expect("a prefix"), Tag([account; 16]))
    }

    fn feed() -> Feed {
        Feed::new(Source::WireGuard, [("wg0".to_owned(), 0), ("wg1".to_owned(), 0)])
    }

    fn rows(news: News) -> Option<Vec<(Prefix, Tag)>> {
        news.map.map(|map| map.assignments)
    }

    /// A feed whose parts were asked once and named nobody.
    fn asked() -> Feed {
        let mut feed = feed();
        let news = [feed.hear(0, Ok(vec![])), feed.hear(1, Ok(vec![]))];
        assert!(news.iter().all(|news| news.map.as_ref().is_some_and(|map| map.assignments.is_empty())));
        let whole = news.map(|news| news.map.is_some_and(|map| map.is_whole));
        assert_eq!(
            whole,
            [false, true],
            "an earlier process's word on the second part stays until it was asked"
        );
        feed.settled(true);
        feed
    }

    #[test]
    fn the_last_map_stays_when_a_part_falls_silent_and_each_change_is_told_once() {
        let mut feed = asked();
        let first = feed.hear(0, Ok(vec![row("10.8.0.1", 1)]));
        assert!(first.change.is_none() && rows(first) == Some(vec![row("10.8.0.1", 1)]) && feed.is_up());
        feed.settled(true);
        assert!(feed.hear(0, Ok(vec![row("10.8.0.1", 1)])).map.is_none(), "nothing new");
        for told in [true, false, false] {
            let silent = feed.hear(0, Err(Unread::Stalled));
            assert!(silent.map.is_none() && !feed.is_up());
            assert!(matches!(silent.change, Some(Some(Unread::Stalled))) == told);
            // Another part that is read says nothing of it.
            assert!(feed.hear(1, Ok(vec![])).change.is_none() && !feed.is_up());
        }
        let back = feed.hear(0, Ok(vec![row("10.8.0.1", 1)]));
        assert!(matches!(back.change, Some(None)) && back.map.is_none() && feed.is_up());
    }

    #[test]
    fn of_a_prefix_that_two_parts_name_the_first_part_counts() {
        let mut feed = asked();
        feed.hear(1, Ok(vec![row("10.8.0.1", 2), row("10.8.0.2", 2)]));
        let both = rows(feed.hear(0, Ok(vec![row("10.8.0.1", 1), row("10.8.0.2", 2)])));
        assert!(both == Some(vec![row("10.8.0.1", 1), row("10.8.0.2", 2)]));
        let alone = rows(feed.hear(0, Ok(vec![])));
        assert!(alone == Some(vec![row("10.8.0.1", 2), row("10.8.0.2", 2)]));
    }

    #[test]
    fn a_map_that_is_not_all_in_force_is_tried_again() {
        let mut feed = asked();
        let map = rows(feed.hear(0, Ok(vec![row("10.8.0.1", 1)])));
        feed.settled(false);
        assert!(rows(feed.hear(0, Ok(vec![row("10.8.0.1", 1)]))) == map && feed.is_up());
        feed.settled(false);
        assert!(rows(feed.hear(1, Ok(vec![]))) == map);
        feed.settled(true);
        assert!(feed.hear(0, Ok(vec![row("10.8.0.1", 1)])).map.is_none());
    }

    #[test]
    fn what_clients_bring_about_is_no_change_of_state() {
        let mut feed = asked();
        feed.hear(0, Err(Unread::Stalled));
        for _ in 0..2 {
            let news = feed.hear(0, Err(Unread::Unstable));
            // It answers again.
            assert!(feed.is_up() && matches!(news.trouble, Some(Unread::Unstable)) && news.map.is_none());
        }
        let first = Feed::new(Source::OpenVpn, [("a".to_owned(), 0)]).hear(0, Err(Unread::TapMode));
        assert!(first.is_first && first.change.is_none() && first.trouble.is_some());
    }
}
