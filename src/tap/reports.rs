//! How each pattern of the configuration stands, and what of it was reported, so that it is reported once.
//!
//! Nothing here is caused by traffic, and nothing names an interface that only a glob matches.

use super::events::{PatternState, TapEvent};
use super::interfaces::InterfaceEntry;
use super::obstacle::Obstacle;
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
    /// Nothing yet: somebody took the tap off an interface.
    TakenOff,
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
        let state = |pattern: &Pattern| PatternState {
            pattern: pattern.clone(),
            attached: pattern.is_glob(),
            before: Vec::new(),
        };
        let states = patterns.iter().map(state).collect();
        Self { states, reported: vec![Reported::Nothing; patterns.len()], told: None, overlaps: Vec::new() }
    }

    /// An interface that this pattern matches could not be attached; the event, if it is news.
    pub(super) fn failed(&mut self, at: usize, event: impl FnOnce(String) -> TapEvent) -> Option<TapEvent> {
        let before = std::mem::replace(&mut self.reported[at], Reported::Failed);
        (before != Reported::Failed).then(|| event(self.states[at].pattern.text().to_owned()))
    }

    /// Somebody took the tap off an interface that this pattern matches; the states say so until it is
    /// attached again.
    pub(super) fn taken_off(&mut self, at: usize) -> Option<TapEvent> {
        self.reported[at] = Reported::TakenOff;
        self.states[at].attached = false;
        self.news()
    }

    /// On an interface that this pattern matches the tap is in front of these again.
    pub(super) fn put_in_front(&mut self, at: usize, before: &[Obstacle]) -> [TapEvent; 1] {
        [TapEvent::InFrontAgain(self.states[at].pattern.text().to_owned(), before.to_vec())]
    }

    /// What is attached, what could not be, and who stands before the tap where; the events that are news.
    pub(super) fn update(
        &mut self,
        attached: &[&InterfaceEntry],
        failed: &[&InterfaceEntry],
        before: &[(&InterfaceEntry, Vec<Obstacle>)],
    ) -> Vec<TapEvent> {
        let mut events = Vec::new();
        for (state, reported) in self.states.iter_mut().zip(&mut self.reported) {
            events.extend(report_state(state, reported, attached, failed));
            events.extend(report_obstacles(state, before));
        }
        events.extend(self.news());
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

    /// The states, where they are others than those that were told last.
    fn news(&mut self) -> Option<TapEvent> {
        if self.told.as_ref() == Some(&self.states) {
            return None;
        }
        self.told = Some(self.states.clone());
        Some(TapEvent::States(self.states.clone()))
    }
}

fn report_state(
    state: &mut PatternState,
    reported: &mut Reported,
    attached: &[&InterfaceEntry],
    failed: &[&InterfaceEntry],
) -> Option<TapEvent> {
    let matches = |entries: &[&InterfaceEntry]| entries.iter().any(|entry| matches(&state.pattern, entry));
    let name = || state.pattern.text().to_owned();
    let was_taken_off = *reported == Reported::TakenOff;
    if state.pattern.is_glob() {
        state.attached = !matches(failed);
        if state.attached {
            *reported = Reported::Nothing;
        }
        return (was_taken_off && state.attached).then(|| TapEvent::AttachedAgain(name()));
    }
    state.attached = matches(attached);
    let (now, event) = match (state.attached, *reported) {
        (true, Reported::Attached) => return None,
        (false, Reported::Awaited | Reported::Failed | Reported::TakenOff) => return None,
        (true, Reported::TakenOff) => (Reported::Attached, TapEvent::AttachedAgain(name())),
        (true, _) => (Reported::Attached, TapEvent::Attached(name())),
        (false, Reported::Nothing) => (Reported::Awaited, TapEvent::Awaited(name())),
        (false, Reported::Attached) => (Reported::Awaited, TapEvent::Gone(name())),
    };
    *reported = now;
    Some(event)
}

/// Who stands before the tap on interfaces of this pattern. What stands in its chain can end every packet's
/// way, so it does not count as attached.
fn report_obstacles(
    state: &mut PatternState,
    before: &[(&InterfaceEntry, Vec<Obstacle>)],
) -> Option<TapEvent> {
    let matching = before.iter().filter(|(entry, _)| matches(&state.pattern, entry));
    let mut now: Vec<Obstacle> = Vec::new();
    for obstacle in matching.flat_map(|(_, before)| before) {
        if !now.contains(obstacle) {
            now.push(obstacle.clone());
        }
    }
    state.attached &= !now.iter().any(Obstacle::is_in_the_chain);
    if now == state.before {
        return None;
    }
    state.before.clone_from(&now);
    let name = state.pattern.text().to_owned();
    Some(if now.is_empty() { TapEvent::Clear(name) } else { TapEvent::Behind(name, now) })
}

#[cfg(test)]
mod tests {
    use super::super::obstacle::on_one_line;
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
            TapEvent::AttachedAgain(name) => format!("{name} again"),
            TapEvent::InFrontAgain(name, before) => format!("{name} before {}", on_one_line(&before)),
            TapEvent::Behind(name, before) => format!("{name} behind {}", on_one_line(&before)),
            TapEvent::Clear(name) => format!("{name} clear"),
        };
        events.into_iter().map(text).collect::<Vec<String>>().join(", ")
    }

    fn entry(name: &str) -> InterfaceEntry {
        InterfaceEntry { name: name.to_owned(), ..Default::default() }
    }

    fn update(reports: &mut Reports, attached: &[&str], failed: &[&str]) -> String {
        let [attached, failed] =
            [attached, failed].map(|names| names.iter().map(|name| entry(name)).collect::<Vec<_>>());
        told(reports.update(&attached.iter().collect::<Vec<_>>(), &failed.iter().collect::<Vec<_>>(), &[]))
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

    #[test]
    fn a_tap_that_was_taken_off_is_not_attached_until_it_is_again() {
        let mut reports = reports();
        update(&mut reports, &["wg0", "tun7"], &[]);
        assert_eq!(told(reports.taken_off(0)), "ny");
        assert_eq!(update(&mut reports, &["tun7"], &["wg0"]), "", "it is left to others for a moment");
        assert_eq!(update(&mut reports, &["wg0", "tun7"], &[]), "wg0 again, yy");
        assert_eq!(told(reports.taken_off(1)), "yn");
        assert_eq!(update(&mut reports, &["wg0", "tun7"], &[]), "tun* again, yy");
    }

    #[test]
    fn who_stands_before_the_tap_is_told_until_nobody_does() {
        let mut reports = reports();
        let (wg0, tun7) = (entry("wg0"), entry("tun7"));
        let mut behind =
            |before: &[(&InterfaceEntry, Vec<Obstacle>)]| told(reports.update(&[&wg0, &tun7], &[], before));
        behind(&[]);
        let xdp = [(&wg0, vec![Obstacle::Xdp { id: 3 }])];
        assert_eq!(
            behind(&xdp),
            "wg0 behind XDP program 3, yy",
            "nobody stands before XDP, and it may pass everything"
        );
        assert_eq!(behind(&xdp), "");
        let program = [(&tun7, vec![Obstacle::Program { ingress: true, id: 5 }])];
        assert_eq!(behind(&program), "wg0 clear, tun* behind tcx program 5 on the way in, yn");
        assert_eq!(behind(&[]), "tun* clear, yy");
    }
}
