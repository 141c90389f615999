//! How each pattern of the configuration stands, and what of it was reported, so that it is reported once.
//!
//! Nothing here is caused by traffic, and nothing names an interface that only a glob matches.

use super::events::{PatternState, TapEvent};
use super::interfaces::InterfaceEntry;
use super::overlaps::Overlap;
use super::reconcile::matches;
use crate::config::Pattern;

/// What was reported of a pattern last.
#[derive(Clone, Copy, PartialEq)]
enum Reported {
    Nothing,
    Awaited,
    Attached,
    Failed,
}

/// The states of the patterns, and what was reported of them.
pub(super) struct Reports {
    states: Vec<PatternState>,
    reported: Vec<Reported>,
    /// The states as they were reported last; none before the first time.
    told: Option<Vec<PatternState>>,
    /// The overlaps as they were reported last.
    overlaps: Vec<Overlap>,
}

impl Reports {
    pub(super) fn new(patterns: &[Pattern]) -> Self {
        let state =
            |pattern: &Pattern| PatternState { pattern: pattern.clone(), attached: pattern.is_glob() };
        let states = patterns.iter().map(state).collect();
        Self { states, reported: vec![Reported::Nothing; patterns.len()], told: None, overlaps: Vec::new() }
    }

    /// An interface that this pattern matches could not be attached; the event, if it is news.
    pub(super) fn failed(&mut self, at: usize, event: impl FnOnce(String) -> TapEvent) -> Option<TapEvent> {
        let before = std::mem::replace(&mut self.reported[at], Reported::Failed);
        (before != Reported::Failed).then(|| event(self.states[at].pattern.text().to_owned()))
    }

    /// What is attached, and what could not be; the events that are news.
    pub(super) fn update(
        &mut self,
        attached: &[&InterfaceEntry],
        failed: &[&InterfaceEntry],
    ) -> Vec<TapEvent> {
        let mut events = Vec::new();
        for (state, reported) in self.states.iter_mut().zip(&mut self.reported) {
            events.extend(report_state(state, reported, attached, failed));
        }
        if self.told.as_ref() != Some(&self.states) {
            events.push(TapEvent::States(self.states.clone()));
            self.told = Some(self.states.clone());
        }
        events
    }

    /// The overlaps there are; the event, if that is news.
    pub(super) fn update_overlaps(&mut self, overlaps: Vec<Overlap>) -> Option<TapEvent> {
        if overlaps == self.overlaps {
            return None;
        }
        self.overlaps.clone_from(&overlaps);
        Some(TapEvent::Overlaps(overlaps))
    }
}

fn report_state(
    state: &mut PatternState,
    reported: &mut Reported,
    attached: &[&InterfaceEntry],
    failed: &[&InterfaceEntry],
) -> Option<TapEvent> {
    let matches = |entries: &[&InterfaceEntry]| entries.iter().any(|entry| matches(&state.pattern, entry));
    if state.pattern.is_glob() {
        state.attached = !matches(failed);
        if state.attached {
            *reported = Reported::Nothing;
        }
        return None;
    }
    state.attached = matches(attached);
    let name = || state.pattern.text().to_owned();
    let (now, event) = match (state.attached, *reported) {
        (true, Reported::Attached) | (false, Reported::Awaited | Reported::Failed) => return None,
        (true, _) => (Reported::Attached, TapEvent::Attached(name())),
        (false, Reported::Nothing) => (Reported::Awaited, TapEvent::Awaited(name())),
        (false, Reported::Attached) => (Reported::Awaited, TapEvent::Gone(name())),
    };
    *reported = now;
    Some(event)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Events as text: states as one letter a pattern.
    fn told(events: impl IntoIterator<Item = TapEvent>) -> String {
        let text = |event| match event {
            TapEvent::States(states) => {
                states.iter().map(|state| if state.attached { 'y' } else { 'n' }).collect()
            }
            TapEvent::Overlaps(overlaps) => format!("{} overlaps", overlaps.len()),
            TapEvent::Awaited(name) => format!("awaited {name}"),
            TapEvent::Attached(name) => format!("attached {name}"),
            TapEvent::Gone(name) => format!("gone {name}"),
            TapEvent::LinkType(name, number) => format!("{name} has type {number}"),
            TapEvent::Refused(name, _) => format!("refused {name}"),
            TapEvent::NoDescriptor(name, limit) => format!("{name} is beyond {limit}"),
        };
        events.into_iter().map(text).collect::<Vec<String>>().join(", ")
    }

    fn update(reports: &mut Reports, attached: &[&str], failed: &[&str]) -> String {
        let entry = |name: &&str| InterfaceEntry { name: (*name).to_owned(), ..Default::default() };
        let [attached, failed] = [attached, failed].map(|names| names.iter().map(entry).collect::<Vec<_>>());
        told(reports.update(&attached.iter().collect::<Vec<_>>(), &failed.iter().collect::<Vec<_>>()))
    }

    fn reports() -> Reports {
        Reports::new(&["wg0", "tun*"].map(Pattern::of_name))
    }

    #[test]
    fn the_states_are_told_at_the_start_and_after_a_change() {
        let mut reports = reports();
        assert_eq!(update(&mut reports, &[], &[]), "awaited wg0, ny");
        assert_eq!(update(&mut reports, &[], &[]), "");
        assert_eq!(update(&mut reports, &["wg0", "tun7"], &[]), "attached wg0, yy");
        assert_eq!(update(&mut reports, &["wg0"], &[]), "", "clients' interfaces are nobody's business");
        assert_eq!(update(&mut reports, &[], &[]), "gone wg0, ny");
        assert_eq!(update(&mut reports, &["wg0"], &[]), "attached wg0, yy");
    }

    #[test]
    fn a_failure_is_told_once_until_it_is_over() {
        let mut reports = reports();
        let refused =
            |reports: &mut Reports, at| told(reports.failed(at, |text| TapEvent::LinkType(text, 801)));
        assert_eq!(refused(&mut reports, 1), "tun* has type 801");
        assert_eq!(update(&mut reports, &["wg0"], &["tun1"]), "attached wg0, yn");
        assert_eq!(refused(&mut reports, 1), "");
        assert_eq!(update(&mut reports, &["wg0"], &[]), "yy", "the interface is gone");
        assert_eq!(refused(&mut reports, 1), "tun* has type 801");
        assert_eq!(refused(&mut reports, 0), "wg0 has type 801");
        assert_eq!(
            update(&mut reports, &[], &["wg0", "tun1"]),
            "nn",
            "a failure says that it is not attached"
        );
        assert_eq!(update(&mut reports, &["wg0"], &[]), "attached wg0, yy");
    }
}
