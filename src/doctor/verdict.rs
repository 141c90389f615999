//! What a check reports: its outcome, what was found, and the remedy, each on one line.
//!
//! Texts hold names of programs, files, devices and interfaces, and process ids. None holds an address,
//! an account or a user of this host: whoever runs the check knows those, and a log of its output must
//! not.

/// The outcome of a check, from best to worst.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Nothing was found.
    Ok,
    /// Something worth knowing that leaves the claim intact.
    Note,
    /// Something could not be read; it may or may not matter.
    Unknown,
    /// The privacy claim does not hold on this host.
    Void,
}

impl State {
    /// The name in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Unknown => "unknown",
            Self::Void => "void",
        }
    }
}

/// One thing that was found.
pub(super) struct Finding {
    state: State,
    what: String,
    remedy: String,
}

impl Finding {
    pub(super) fn void(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { state: State::Void, what: what.into(), remedy: remedy.into() }
    }

    pub(super) fn note(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { state: State::Note, what: what.into(), remedy: remedy.into() }
    }

    pub(super) fn unknown(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { state: State::Unknown, what: format!("unknown: {}", what.into()), remedy: remedy.into() }
    }
}

/// The outcome of one check.
pub struct Verdict {
    /// Its number in the list of twelve.
    pub number: u8,
    /// What it examines, in a word or two.
    pub check: &'static str,
    /// Its outcome.
    pub state: State,
    /// One line: what was found, worst first.
    pub what: String,
    /// One line: what to do; none if nothing was found.
    pub remedy: Option<String>,
}

impl Verdict {
    /// Combines the findings of a check; `good` is the text if there are none.
    pub(super) fn of(number: u8, check: &'static str, good: &str, mut findings: Vec<Finding>) -> Self {
        // A stable sort: findings of one state keep their order.
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.state));
        let state = findings.first().map_or(State::Ok, |worst| worst.state);
        let joined = |text: fn(&Finding) -> &str| {
            let mut lines: Vec<&str> = Vec::new();
            for line in findings.iter().map(text) {
                if !lines.contains(&line) {
                    lines.push(line);
                }
            }
            lines.join("; ")
        };
        let what = if findings.is_empty() { good.to_owned() } else { joined(|finding| &finding.what) };
        let remedy = (!findings.is_empty()).then(|| joined(|finding| &finding.remedy));
        Self { number, check, state, what, remedy }
    }
}

/// A process name or a path made fit to print: on one line, and of bounded length.
pub(super) fn printable(name: &str) -> String {
    const LONGEST: usize = 200;
    let plain =
        |character: char| if character.is_ascii_graphic() || character == ' ' { character } else { '?' };
    name.chars().take(LONGEST).map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_finding_decides_and_none_is_dropped() {
        let findings = vec![
            Finding::note("b", "do b"),
            Finding::unknown("c", "run as root"),
            Finding::void("a", "do a"),
            Finding::unknown("d", "run as root"),
        ];
        let verdict = Verdict::of(3, "swap", "good", findings);
        assert!(verdict.state == State::Void);
        assert_eq!(verdict.what, "a; unknown: c; unknown: d; b");
        assert_eq!(verdict.remedy.as_deref(), Some("do a; run as root; do b"));
        let good = Verdict::of(3, "swap", "good", Vec::new());
        assert_eq!((good.state.as_str(), good.what.as_str(), good.remedy), ("ok", "good", None));
    }

    #[test]
    fn a_name_of_a_process_stays_on_its_line() {
        assert_eq!(printable("a\nb\u{1b}[2Jc"), "a?b?[2Jc");
        assert_eq!(printable(&"x".repeat(1000)).len(), 200);
    }
}
