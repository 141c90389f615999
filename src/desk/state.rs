//! The node in one word, from its status and from what its senders said, as of the last release.

use super::words::Words;
use crate::control::protocol::StatusReport;
use crate::control::reports::FlaggedReport;

/// What the senders of the last epoch said of the node.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Senders {
    /// Flags are off.
    Unasked,
    Answered,
    CutOff,
    TooFew,
}

impl Senders {
    pub(super) fn of(report: &FlaggedReport) -> Self {
        match report.node.as_str() {
            _ if !report.enabled => Self::Unasked,
            "working" => Self::Answered,
            "interrupted" => Self::CutOff,
            _ => Self::TooFew,
        }
    }
}

/// The node in one word.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Working,
    /// Many users were cut off, as of the last release.
    Interrupted,
    /// A part of the meter is not as configured.
    Degraded,
}

impl State {
    pub(super) fn of(status: &StatusReport, senders: Senders) -> Self {
        if senders == Senders::CutOff {
            Self::Interrupted
        } else if status.is_whole() {
            Self::Working
        } else {
            Self::Degraded
        }
    }
}

/// The state in the words of a page.
pub(super) const fn in_words(state: State, words: &Words) -> &'static str {
    match state {
        State::Working => words.node.working,
        State::Interrupted => words.node.interrupted,
        State::Degraded => words.node.degraded,
    }
}
