//! What the tap reports of interfaces, on its way to the log and to the status part of the page: of one
//! that is named at once, of a glob at the start and then at the closes of epochs.
//!
//! Clients make and end the interfaces that a glob matches. Where some of them cannot be attached, because
//! there are so many, the moment in which that begins or ends is theirs, and nobody is to see it.

use super::state::Board;
use crate::config::Pattern;
use crate::log::{Event, emit};
use crate::tap::{Overlap, PatternState, TapEvent, on_one_line};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Passes on what the tap reports.
pub(super) struct TapReports {
    board: Arc<Board>,
    globs: Mutex<Globs>,
}

/// What is known of globs, and not told yet.
#[derive(Default)]
struct Globs {
    /// Every interface that was there at the start has been tried.
    has_started: bool,
    /// Something that is named, or that a glob matches, is not attached now.
    is_partial: bool,
    /// Those of which something is not attached now.
    failing: Vec<Pattern>,
    /// Those of which something was not attached at some time since the last close.
    failed: Vec<Pattern>,
    /// What is to be said of each at the close.
    unsaid: BTreeMap<String, TapEvent>,
    /// What other software did to interfaces of each since the last close, to be said then.
    of_others: BTreeMap<String, TapEvent>,
    /// Who stands before the tap now, by the glob.
    before: BTreeMap<String, Vec<String>>,
    /// What is counted twice now.
    overlaps: Vec<Overlap>,
}

impl TapReports {
    pub(super) fn new(board: Arc<Board>) -> Self {
        Self { board, globs: Mutex::default() }
    }

    /// From here on clients come and go.
    pub(super) fn started(&self) {
        self.lock().has_started = true;
    }

    /// Passes on an event, or keeps it for the close.
    pub(super) fn report(&self, event: TapEvent) {
        match event {
            TapEvent::States(states) => self.show(states),
            TapEvent::Overlaps(overlaps) => {
                let mut globs = self.lock();
                globs.overlaps = overlaps;
                self.show_overlaps(&globs, !globs.has_started);
            }
            event => self.lock().say_now(event).iter().for_each(say),
        }
    }

    /// An epoch was closed: shows and says what became of globs in it. True when all that is named is attached now.
    pub(super) fn at_close(&self) -> bool {
        let mut globs = self.lock();
        let mut news = Vec::new();
        self.board.update(|health| {
            for (text, attached) in &mut health.taps {
                let pattern = Pattern::of_name(text);
                if pattern.is_glob() {
                    let was = std::mem::replace(attached, !globs.failed.contains(&pattern));
                    if was && !*attached {
                        news.extend(globs.unsaid.remove(text));
                    }
                }
            }
            for ((text, _), before) in health.taps.iter().zip(&mut health.before) {
                if Pattern::of_name(text).is_glob() {
                    *before = globs.before.get(text).cloned().unwrap_or_default();
                }
            }
        });
        globs.unsaid.clear();
        news.extend(std::mem::take(&mut globs.of_others).into_values());
        self.show_overlaps(&globs, true);
        globs.failed = globs.failing.clone();
        let is_partial = globs.is_partial;
        drop(globs);
        news.iter().for_each(say);
        !is_partial
    }

    /// Shows what is counted twice, and says what of it is news. Where a glob is meant, what was shown
    /// stays, unless this is the time for it.
    fn show_overlaps(&self, globs: &Globs, with_globs: bool) {
        let mut news = Vec::new();
        self.board.update(|health| {
            let before = std::mem::take(&mut health.overlaps);
            let is_told = |overlap: &&Overlap| with_globs || !overlap.is_of_glob();
            let stays = |overlap: &&Overlap| !is_told(overlap);
            health.overlaps = globs.overlaps.iter().filter(is_told).cloned().collect();
            health.overlaps.extend(before.iter().filter(stays).cloned());
            news.extend(health.overlaps.iter().filter(|overlap| !before.contains(overlap)).cloned());
        });
        news.iter().for_each(|overlap| emit(&Event::CountedTwice(overlap)));
    }

    fn show(&self, states: Vec<PatternState>) {
        let mut globs = self.lock();
        globs.is_partial = states.iter().any(PatternState::is_named_and_not_attached);
        globs.failing = states
            .iter()
            .filter(|state| state.pattern.is_glob() && !state.attached)
            .map(|state| state.pattern.clone())
            .collect();
        let before = |state: &PatternState| -> Vec<String> {
            state.before.iter().map(|one| on_one_line(std::slice::from_ref(one))).collect()
        };
        globs.before = states.iter().map(|state| (state.pattern.text().to_owned(), before(state))).collect();
        let Globs { failing, failed, has_started, .. } = &mut *globs;
        failed
            .extend(failing.iter().filter(|pattern| !failed.contains(pattern)).cloned().collect::<Vec<_>>());
        let is_told = *has_started;
        self.board.update(|health| {
            let shown = |pattern: &Pattern| {
                let is_it = |(text, _): &&(String, bool)| text == pattern.text();
                health.taps.iter().find(is_it).map(|(_, attached)| *attached)
            };
            let shown_before: Vec<Vec<String>> = states
                .iter()
                .map(|state| {
                    let is_it = |(text, _): &(String, bool)| text == state.pattern.text();
                    let at = health.taps.iter().position(is_it);
                    let kept = at.filter(|_| is_told && state.pattern.is_glob());
                    kept.and_then(|at| health.before.get(at).cloned()).unwrap_or_else(|| before(state))
                })
                .collect();
            let state = |PatternState { pattern, attached, .. }: &PatternState| {
                let told = Some(pattern).filter(|_| is_told && pattern.is_glob()).and_then(shown);
                (pattern.text().to_owned(), told.unwrap_or(*attached))
            };
            health.taps = states.iter().map(state).collect();
            health.before = shown_before;
        });
    }

    /// A poisoned lock is taken over: every change leaves it whole.
    fn lock(&self) -> MutexGuard<'_, Globs> {
        self.globs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Globs {
    /// The event, if it is to be said now.
    fn say_now(&mut self, event: TapEvent) -> Option<TapEvent> {
        let (text, is_of_others) = match &event {
            TapEvent::LinkType(text, _) | TapEvent::Refused(text, _) | TapEvent::NoDescriptor(text, _) => {
                (text.clone(), false)
            }
            TapEvent::AttachedAgain(text)
            | TapEvent::InFrontAgain(text, _)
            | TapEvent::Behind(text, _)
            | TapEvent::Clear(text) => (text.clone(), true),
            _ => return Some(event),
        };
        if !self.has_started || !Pattern::of_name(&text).is_glob() {
            return Some(event);
        }
        let unsaid = if is_of_others { &mut self.of_others } else { &mut self.unsaid };
        unsaid.insert(text, event);
        None
    }
}

fn say(event: &TapEvent) {
    emit(&match event {
        // Shown, not said.
        TapEvent::States(_) | TapEvent::Overlaps(_) => return,
        TapEvent::Awaited(name) => Event::InterfaceAwaited(name),
        TapEvent::Attached(name) => Event::InterfaceAttached(name),
        TapEvent::Gone(name) => Event::InterfaceGone(name),
        TapEvent::LinkType(name, number) => Event::LinkTypeUnsupported(name, *number),
        TapEvent::Refused(name, error) => Event::InterfaceRefused(name, error),
        TapEvent::AttachedAgain(name) => Event::AttachedAgain(name),
        TapEvent::InFrontAgain(name, who) => Event::InFrontAgain(name, on_one_line(who)),
        TapEvent::Behind(name, who) => Event::Behind(name, on_one_line(who)),
        TapEvent::Clear(name) => Event::NobodyBefore(name),
        TapEvent::NoDescriptor(name, limit) => Event::DescriptorsShort(name, *limit),
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::state::Health;
    use crate::meter::policy::Policy;
    use crate::meter::release::Release;

    fn reports() -> TapReports {
        let board = Board::new(Health::good(Vec::new(), 0), &Release::none(), policy());
        TapReports::new(Arc::new(board))
    }

    fn policy() -> Policy {
        let config = crate::config::parse("[tap]\ninterfaces = [\"wg0\"]").expect("a configuration");
        config.policy.0
    }

    /// The states as they are shown, one letter a pattern.
    fn shown(reports: &TapReports, states: [bool; 2]) -> String {
        let states = ["wg0", "tun*"].map(Pattern::of_name).into_iter().zip(states);
        let states = states
            .map(|(pattern, attached)| PatternState { pattern, attached, before: Vec::new() })
            .collect();
        reports.report(TapEvent::States(states));
        now(reports)
    }

    fn now(reports: &TapReports) -> String {
        let mut told = String::new();
        reports.board.update(|health| {
            told = health.taps.iter().map(|(_, attached)| if *attached { 'y' } else { 'n' }).collect();
        });
        told
    }

    #[test]
    fn a_glob_is_shown_as_it_was_at_the_last_close_and_a_name_as_it_is() {
        let reports = reports();
        assert_eq!(shown(&reports, [false, true]), "ny");
        reports.started();
        assert_eq!(shown(&reports, [true, false]), "yy", "clients came");
        assert_eq!(shown(&reports, [false, true]), "ny", "and went");
        reports.at_close();
        assert_eq!(now(&reports), "nn", "some were not counted in that epoch");
        assert_eq!(shown(&reports, [true, true]), "yn");
        reports.at_close();
        assert_eq!(now(&reports), "yy");
        assert_eq!(shown(&reports, [true, false]), "yy");
        reports.at_close();
        reports.at_close();
        assert_eq!(now(&reports), "yn", "what goes on is shown on");
    }

    #[test]
    fn what_fails_at_the_start_is_shown_at_once() {
        let reports = reports();
        assert_eq!(shown(&reports, [true, false]), "yn");
        reports.started();
        assert_eq!(shown(&reports, [true, true]), "yn", "until the close");
        reports.at_close();
        assert_eq!(now(&reports), "yn", "of that epoch");
        reports.at_close();
        assert_eq!(now(&reports), "yy");
    }

    #[test]
    fn what_is_counted_twice_by_a_glob_is_shown_at_the_close() {
        let reports = reports();
        let twice = |below: &str, above: &str| {
            let [below, above] = [below, above].map(Pattern::of_name);
            Overlap { below, above }
        };
        let shown = || {
            let mut overlaps = Vec::new();
            reports.board.update(|health| overlaps.clone_from(&health.overlaps));
            overlaps.iter().map(|overlap| overlap.below.text().to_owned()).collect::<Vec<String>>().join(" ")
        };
        reports.report(TapEvent::Overlaps(vec![twice("tap*", "br0")]));
        assert_eq!(shown(), "tap*", "at the start it is told");
        reports.started();
        reports.report(TapEvent::Overlaps(vec![twice("eth0", "br0"), twice("vpns*", "br0")]));
        assert_eq!(shown(), "eth0 tap*", "a name at once");
        reports.at_close();
        assert_eq!(shown(), "eth0 vpns*");
    }

    #[test]
    fn of_a_glob_nothing_is_said_before_the_close() {
        let reports = reports();
        let refused = |text: &str| TapEvent::NoDescriptor(text.to_owned(), 256);
        assert!(reports.lock().say_now(refused("tun*")).is_some(), "at the start it is");
        reports.started();
        assert!(reports.lock().say_now(refused("tun*")).is_none());
        assert!(reports.lock().say_now(refused("wg0")).is_some(), "it is named");
        assert_eq!(reports.lock().unsaid.len(), 1);
        reports.at_close();
        assert!(reports.lock().unsaid.is_empty());
    }
}
