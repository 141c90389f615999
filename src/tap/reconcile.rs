//! Which interfaces a tap is to be attached to, which attachments stay, and which end: a pure function
//! of the patterns, the interfaces there are, and what is attached.

use super::interfaces::InterfaceEntry;
use crate::config::Pattern;
use std::collections::{BTreeMap, BTreeSet};

/// An attachment, as far as a plan depends on it.
#[derive(Clone, Copy)]
pub(super) struct Attached {
    /// The interface's index.
    pub(super) index: u32,
    /// The kernel has not taken it off its interface.
    pub(super) is_bound: bool,
}

/// What is to be done.
pub(super) struct Plan<'a> {
    /// For each attachment its interface as it is called now; none for one that is to end.
    pub(super) stays: Vec<Option<&'a InterfaceEntry>>,
    /// What is to be attached, in the order of the list: what is named first.
    pub(super) attach: Vec<Attach<'a>>,
}

/// An interface that is to be attached.
pub(super) struct Attach<'a> {
    pub(super) entry: &'a InterfaceEntry,
    /// The first pattern that it matches: failures are reported of that one.
    pub(super) pattern: usize,
    /// No pattern names it: there may be hundreds of its kind.
    pub(super) is_one_of_many: bool,
}

/// True when the pattern means the interface, by whichever of its names. A glob never means the loopback
/// interface: no tunnel ends there, and it cannot be metered.
pub(super) fn matches(pattern: &Pattern, entry: &InterfaceEntry) -> bool {
    let names = || std::iter::once(&entry.name).chain(&entry.other_names);
    !(pattern.is_glob() && entry.is_loopback()) && names().any(|name| pattern.matches(name))
}

/// Brings what is attached in line with the interfaces that are `there`. Those that are `gone` have ended
/// since the last plan; where one is there all the same it is another one, or it was away.
pub(super) fn plan<'a>(
    patterns: &[Pattern],
    there: &'a [InterfaceEntry],
    gone: &[InterfaceEntry],
    attached: &[Attached],
) -> Plan<'a> {
    let matching = |entry: &InterfaceEntry| patterns.iter().position(|pattern| matches(pattern, entry));
    let by_index: BTreeMap<u32, &InterfaceEntry> = there.iter().map(|entry| (entry.index, entry)).collect();
    let ended: BTreeSet<u32> = gone.iter().map(|gone| gone.index).collect();
    let stays = |attached: &Attached| {
        let entry = *by_index.get(&attached.index)?;
        (attached.is_bound && !ended.contains(&entry.index) && matching(entry).is_some()).then_some(entry)
    };
    let stays: Vec<Option<&InterfaceEntry>> = attached.iter().map(stays).collect();
    let kept: BTreeSet<u32> = stays.iter().flatten().map(|entry| entry.index).collect();
    let attach = |entry: &'a InterfaceEntry| {
        let pattern = matching(entry).filter(|_| !kept.contains(&entry.index))?;
        let names_it = |pattern: &Pattern| !pattern.is_glob() && matches(pattern, entry);
        Some(Attach { entry, pattern, is_one_of_many: !patterns.iter().any(names_it) })
    };
    let mut attach: Vec<Attach<'_>> = there.iter().filter_map(attach).collect();
    // A stable sort. Descriptors may not do for all.
    attach.sort_by_key(|attach| attach.is_one_of_many);
    Plan { stays, attach }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(index: u32, name: &str) -> InterfaceEntry {
        InterfaceEntry { index, name: name.to_owned(), hardware: 0xfffe, ..Default::default() }
    }

    const fn bound(index: u32) -> Attached {
        Attached { index, is_bound: true }
    }

    /// A plan as text: the name of each attachment that stays or a dash, then what is attached with the
    /// number of its pattern, starred where it is one of many.
    fn planned(there: &[InterfaceEntry], gone: &[InterfaceEntry], attached: &[Attached]) -> String {
        let patterns = ["wg0", "tun*", "*1"].map(Pattern::of_name);
        let plan = plan(&patterns, there, gone, attached);
        let stays = plan.stays.iter().map(|entry| entry.map_or("-", |entry| &entry.name).to_owned());
        let attach = plan.attach.iter().map(|attach| {
            let star = if attach.is_one_of_many { "*" } else { "" };
            format!("+{}:{}{star}", attach.entry.name, attach.pattern)
        });
        stays.chain(attach).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn what_a_pattern_matches_is_attached_once() {
        let there = [entry(1, "lo"), entry(2, "wg0"), entry(3, "tun1"), entry(4, "wg1"), entry(5, "eth0")];
        assert_eq!(planned(&there, &[], &[]), "+wg0:0 +tun1:1* +wg1:2*");
        assert_eq!(planned(&there, &[], &[bound(2), bound(4)]), "wg0 wg1 +tun1:1*");
        assert_eq!(planned(&there, &[], &[bound(2), bound(3), bound(4)]), "wg0 tun1 wg1");
    }

    #[test]
    fn another_name_of_an_interface_is_as_good_as_its_name() {
        let of = |index, name, other: &str| InterfaceEntry {
            other_names: vec!["enx0".to_owned(), other.to_owned()],
            ..entry(index, name)
        };
        let there = [of(3, "eth3", "wg0"), of(4, "eth4", "tun9"), of(5, "eth5", "eth51")];
        assert_eq!(planned(&there, &[], &[]), "+eth3:0 +eth4:1* +eth5:2*");
        assert_eq!(planned(&there, &[], &[bound(3), bound(4), bound(5)]), "eth3 eth4 eth5");
        assert_eq!(planned(&[of(3, "eth3", "none")], &[], &[bound(3)]), "-", "it lost that name");
    }

    #[test]
    fn a_glob_does_not_mean_the_loopback_interface_and_its_name_does() {
        let lo = || InterfaceEntry { hardware: 772, ..entry(1, "lo") };
        let fits = |text: &str| matches(&Pattern::of_name(text), &lo());
        assert!(!fits("*") && !fits("l?") && fits("lo"));
    }

    #[test]
    fn an_interface_that_vanished_is_detached() {
        assert_eq!(planned(&[entry(2, "wg0")], &[entry(3, "tun1")], &[bound(2), bound(3)]), "wg0 -");
        assert_eq!(planned(&[], &[], &[bound(2)]), "-");
    }

    #[test]
    fn an_interface_that_ended_and_is_there_again_is_attached_anew() {
        let there = [entry(2, "wg0")];
        assert_eq!(planned(&there, &[entry(2, "wg0")], &[bound(2)]), "- +wg0:0", "the same index came back");
        assert_eq!(planned(&there, &[], &[Attached { index: 2, is_bound: false }]), "- +wg0:0");
        assert_eq!(planned(&[entry(7, "wg0")], &[], &[bound(2)]), "- +wg0:0", "it was made anew");
    }

    #[test]
    fn a_new_name_keeps_or_ends_an_attachment() {
        assert_eq!(planned(&[entry(3, "tun9")], &[], &[bound(3)]), "tun9");
        assert_eq!(planned(&[entry(3, "eth9")], &[], &[bound(3)]), "-");
        assert_eq!(planned(&[entry(5, "wg0")], &[], &[]), "+wg0:0", "renamed to one that is named");
    }
}
