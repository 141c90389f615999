//! Interfaces that see the same packets and are both to be metered: a bridge and its port, a bond and its
//! member, a device and a VLAN or macvlan on it. Each packet of theirs is counted twice.
//!
//! A pure function of the patterns and the interfaces there are. Tells patterns, so that nothing names an
//! interface that only a glob matches.

use super::interfaces::InterfaceEntry;
use super::reconcile::matches;
use crate::config::Pattern;
use std::collections::BTreeMap;
use std::fmt;

/// Two patterns that match interfaces of which one is below the other; a glob may be both.
#[derive(Clone, PartialEq, Eq)]
pub struct Overlap {
    /// What matches the port, the member or the device below.
    pub below: Pattern,
    /// What matches the bridge, the bond or the device above.
    pub above: Pattern,
}

impl Overlap {
    /// True when an interface is named by a glob alone: clients may make such.
    #[must_use]
    pub fn is_of_glob(&self) -> bool {
        self.below.is_glob() || self.above.is_glob()
    }
}

impl fmt::Display for Overlap {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (below, above) = (self.below.text(), self.above.text());
        if below == above {
            return write!(
                out,
                "{below} matches both a bridge and its port, or a device and a VLAN or macvlan on it: their \
                 packets are counted twice; name the interfaces to count in tap.interfaces"
            );
        }
        write!(
            out,
            "{below} is below {above} (its port, its member or the device that it stands on): packets that \
             pass both are counted twice; keep one of them in tap.interfaces"
        )
    }
}

/// Every overlap of what these patterns match, once.
pub(super) fn overlaps(patterns: &[Pattern], there: &[InterfaceEntry]) -> Vec<Overlap> {
    let matching = |entry: &InterfaceEntry| {
        // A name says more than a glob that matches the same.
        let fits = || patterns.iter().filter(|pattern| matches(pattern, entry));
        fits().find(|pattern| !pattern.is_glob()).or_else(|| fits().next())
    };
    let metered: BTreeMap<u32, &Pattern> =
        there.iter().filter_map(|entry| Some((entry.index, matching(entry)?))).collect();
    let mut found: Vec<Overlap> = Vec::new();
    for entry in there {
        let Some(own) = metered.get(&entry.index) else { continue };
        let pairs = [
            (Some(*own), metered.get(&entry.master).copied()),
            (metered.get(&entry.parent).copied(), Some(*own)),
        ];
        for (below, above) in pairs {
            if let (Some(below), Some(above)) = (below, above) {
                let overlap = Overlap { below: below.clone(), above: above.clone() };
                if !found.contains(&overlap) {
                    found.push(overlap);
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(index: u32, name: &str, master: u32, parent: u32) -> InterfaceEntry {
        InterfaceEntry { index, name: name.to_owned(), hardware: 1, master, parent, ..Default::default() }
    }

    fn found(patterns: &[&str]) -> String {
        let there = [
            entry(1, "lo", 0, 0),
            entry(2, "tap0", 3, 0),
            entry(3, "br0", 0, 0),
            entry(4, "eth0", 0, 0),
            entry(5, "eth0.7", 0, 4),
            entry(6, "tap1", 3, 0),
        ];
        let patterns: Vec<Pattern> = patterns.iter().map(|text| Pattern::of_name(text)).collect();
        let pairs = overlaps(&patterns, &there).into_iter();
        let pairs = pairs.map(|pair| format!("{}<{}", pair.below.text(), pair.above.text()));
        pairs.collect::<Vec<String>>().join(" ")
    }

    #[test]
    fn what_is_metered_below_and_above_is_found_once() {
        assert_eq!(found(&["tap0", "br0"]), "tap0<br0");
        assert_eq!(found(&["tap*", "br0"]), "tap*<br0", "of two ports once");
        assert_eq!(found(&["eth0", "eth0.*"]), "eth0<eth0.*");
        assert_eq!(found(&["*"]), "*<*");
        assert_eq!(found(&["*", "br0", "tap1"]), "*<br0 *<* tap1<br0");
        assert_eq!(found(&["tap0", "eth0"]), "", "neither is on the other");
        assert_eq!(found(&["br0", "eth0.7"]), "");
    }
}
