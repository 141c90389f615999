//! Which tap to take, why one cannot start, and which interfaces it would be attached to.

use super::interfaces::{self, Hardware, InterfaceEntry};
use super::kernel::{self, Kernel, KernelError};
use super::overlaps::{Overlap, overlaps};
use super::packet_source::Opener;
use super::reconcile::matches;
use super::ring::Ring;
use super::socket;
use crate::config::{Hook, Pattern, TapKind};
use std::io;

/// Why a tap cannot start.
#[derive(Debug, thiserror::Error)]
pub enum TapError {
    /// The process may not open packet sockets.
    #[error(
        "no permission to open a packet socket: the {0} tap needs CAP_NET_RAW; run as root, or \
         grant it with AmbientCapabilities=CAP_NET_RAW in the unit"
    )]
    Permission(&'static str),
    /// The kernel tap was asked for and does not work here.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// Something else failed.
    #[error("cannot start the {0} tap: {1}")]
    Failed(&'static str, io::Error),
}

/// A tap that works here, attached to nothing yet.
pub struct Selection {
    /// What attaches it.
    pub opener: Opener,
    /// The loaded program, where it is the kernel tap.
    pub kernel: Option<Kernel>,
    /// Why it was taken.
    pub why: String,
}

/// Takes the best tap that the privileges and the kernel allow for these interfaces, or the one that was
/// asked for. Must be called while the process has one thread: the kernel tap's helper is forked from it.
///
/// # Errors
/// When no tap is allowed, or the tap that was asked for does not work here.
pub fn choose(
    asked: Option<TapKind>,
    hook: Option<Hook>,
    patterns: &[Pattern],
    load: impl FnOnce(Hook) -> Result<Kernel, KernelError>,
) -> Result<Selection, TapError> {
    let load = |why: &str| {
        let hook = kernel::hook(hook)?;
        let mut kernel = load(hook)?;
        let opener = Opener::Kernel(kernel.attacher(hook).map_err(KernelError::System)?);
        let counting = kernel.counting();
        let (how, reason) = (counting.as_str(), counting.why());
        let why = format!("{why}; attached by {}; counters are {how}: {reason}", hook.as_str());
        Ok(Selection { opener, kernel: Some(kernel), why })
    };
    match asked {
        Some(TapKind::Kernel) => load("as configured").map_err(TapError::Kernel),
        Some(TapKind::Ring) => ring("as configured".to_owned()),
        Some(TapKind::Pnet) => {
            may_open_packet_sockets(TapKind::Pnet)?;
            Ok(pnet("as configured; it copies whole packets, the ring does not".to_owned()))
        }
        None if let Some(why) = in_the_way(hook, patterns).filter(|_| Ring::probe().is_ok()) => ring(why),
        None => match load("the best there is") {
            Ok(selection) => Ok(selection),
            Err(error) if error.is_in_the_way() => Err(error.into()),
            Err(error) if Ring::probe().is_ok() => ring(error.to_string()),
            Err(error) => {
                may_open_packet_sockets(TapKind::Ring)?;
                Ok(pnet(format!("no packet rings with segment sizes here, and {error}")))
            }
        },
    }
}

/// What keeps the kernel's program from an interface that is there, by the pattern that it matches.
fn in_the_way(hook: Option<Hook>, patterns: &[Pattern]) -> Option<String> {
    kernel::hook(hook).ok().filter(|hook| *hook == Hook::Clsact)?;
    interfaces::list().ok()?.iter().find_map(|entry| {
        let pattern = patterns.iter().find(|pattern| pattern.matches(&entry.name))?;
        let kind = kernel::obstacle_in_slot(entry.index)?;
        let text = pattern.text();
        Some(format!(
            "a qdisc of kind {kind} stands where the kernel tap's clsact would, on interface {text}"
        ))
    })
}

fn ring(why: String) -> Result<Selection, TapError> {
    may_open_packet_sockets(TapKind::Ring)?;
    Ring::probe().map_err(|error| TapError::Failed(TapKind::Ring.as_str(), error))?;
    Ok(Selection { opener: Opener::Ring, kernel: None, why })
}

fn pnet(why: String) -> Selection {
    Selection { opener: Opener::Pnet, kernel: None, why }
}

fn may_open_packet_sockets(kind: TapKind) -> Result<(), TapError> {
    match socket::open() {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            Err(TapError::Permission(kind.as_str()))
        }
        Err(error) => Err(TapError::Failed(kind.as_str(), error)),
        Ok(_) => Ok(()),
    }
}

/// The interfaces there are, as a configuration sees them.
pub struct Survey {
    /// Name, number of the link type, and whether it can be metered, of each that a pattern matches.
    pub wanted: Vec<(String, u16, bool)>,
    /// Names of others that could be metered.
    pub others: Vec<String>,
    /// Patterns that nothing matches.
    pub missing: Vec<Pattern>,
    /// What would be counted twice.
    pub overlaps: Vec<Overlap>,
}

/// Looks at the interfaces there are; for `check` and `run --dry-run`.
///
/// # Errors
/// When the kernel does not list the interfaces.
pub fn survey(patterns: &[Pattern]) -> io::Result<Survey> {
    let there = interfaces::list()?;
    let is_missing = |pattern: &&Pattern| !there.iter().any(|entry| matches(pattern, entry));
    let missing = patterns.iter().filter(is_missing).cloned().collect();
    let overlaps = overlaps(patterns, &there);
    let is_wanted = |entry: &InterfaceEntry| patterns.iter().any(|pattern| matches(pattern, entry));
    let (wanted, others): (Vec<_>, Vec<_>) = there.into_iter().partition(is_wanted);
    let can_be_metered = |entry: &InterfaceEntry| Hardware::of_number(entry.hardware).is_some();
    let row = |entry: InterfaceEntry| {
        let can_be_metered = can_be_metered(&entry);
        (entry.name, entry.hardware, can_be_metered)
    };
    Ok(Survey {
        wanted: wanted.into_iter().map(row).collect(),
        others: others.into_iter().filter(can_be_metered).map(|entry| entry.name).collect(),
        missing,
        overlaps,
    })
}
