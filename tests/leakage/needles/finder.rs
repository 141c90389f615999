//! The search: every form of every needle at once, and what it found, by kind.

use crate::forms::Form;
use crate::plan::{Kind, Needle};
use aho_corasick::{AhoCorasick, AhoCorasickKind};

/// All needles as one automaton.
pub(crate) struct Finder {
    automaton: AhoCorasick,
    /// What each pattern stands for.
    patterns: Vec<Pattern>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Pattern {
    kind: Kind,
    number: usize,
    form: Form,
    short: bool,
}

/// One place where a needle is.
#[derive(Clone, Debug)]
pub(crate) struct Hit {
    pub(crate) kind: Kind,
    /// Which of its kind.
    pub(crate) number: usize,
    pub(crate) form: Form,
    /// It may be there by chance.
    pub(crate) short: bool,
}

impl Finder {
    /// # Panics
    /// When there are more needles than an automaton holds.
    pub(crate) fn new(needles: &[Needle]) -> Self {
        let spelt = || {
            needles.iter().flat_map(|needle| needle.spellings.iter().map(move |spelling| (needle, spelling)))
        };
        let automaton = AhoCorasick::builder()
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .build(spelt().map(|(_, spelling)| &spelling.bytes))
            .expect("the automaton holds all needles");
        let patterns = spelt().map(|(needle, spelling)| Pattern {
            kind: needle.kind,
            number: needle.number,
            form: spelling.form,
            short: spelling.short,
        });
        Self { automaton, patterns: patterns.collect() }
    }

    /// Every needle in these bytes, overlapping ones as well.
    pub(crate) fn find(&self, bytes: &[u8]) -> Vec<Hit> {
        let hits = self.automaton.find_overlapping_iter(bytes).map(|found| {
            let Pattern { kind, number, form, short } = self.patterns[found.pattern().as_usize()];
            Hit { kind, number, form, short }
        });
        hits.collect()
    }
}
