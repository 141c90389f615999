//! What the tap reports of interfaces. Nothing here is caused by traffic, and nothing names an interface
//! that only a glob matches.

use super::obstacle::Obstacle;
use super::overlaps::Overlap;
use crate::config::Pattern;
use std::io;

/// How one pattern of the configuration stands.
#[derive(Clone, PartialEq)]
pub struct PatternState {
    /// The pattern.
    pub pattern: Pattern,
    /// A name: attached. A glob: nothing that matches failed to attach.
    pub attached: bool,
    /// Who stands before the tap on an interface that matches.
    pub before: Vec<Obstacle>,
}

impl PatternState {
    /// Whether an interface that the configuration names is not attached. Those of a glob may be clients', who
    /// would move what follows from it.
    pub fn is_named_and_not_attached(&self) -> bool {
        !self.attached && !self.pattern.is_glob()
    }
}

/// What the tap reports; never caused by traffic.
pub enum TapEvent {
    /// The states of the patterns, after a change.
    States(Vec<PatternState>),
    /// Interfaces that see the same packets and are both metered, after a change.
    Overlaps(Vec<Overlap>),
    /// An interface that is named literally is not there yet.
    Awaited(String),
    /// An interface that is named literally was attached.
    Attached(String),
    /// An interface that is named literally is gone.
    Gone(String),
    /// The link type of an interface, or of one that the glob matches, is not supported.
    LinkType(String, u16),
    /// Somebody had taken the tap off an interface, or off one that the glob matches; it is attached again.
    AttachedAgain(String),
    /// These had come to stand before the tap; it is in front of them again.
    InFrontAgain(String, Vec<Obstacle>),
    /// These stand before the tap, and it cannot pass them.
    Behind(String, Vec<Obstacle>),
    /// Nobody stands before the tap any more.
    Clear(String),
    /// The kernel refused to attach to an interface, or to one that the glob matches.
    Refused(String, io::Error),
    /// For an interface, or one that the glob matches, no descriptor is left; the limit.
    NoDescriptor(String, u64),
}
