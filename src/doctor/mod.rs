//! `doctor`: twelve checks for what on this host voids the privacy claim.
//!
//! Each check is a function of a host's files under a root and of a few facts that only system calls
//! give. It sees the configuration's interfaces and paths, but no pool, roster or account, and changes
//! nothing. What it cannot read it reports, and never counts as passed.
//!
//! ```text
//! Host (files), Facts (system calls), Subject (configuration) -> checks -> one Verdict each
//! ```

mod block;
mod captures;
mod collectors;
mod files;
mod host;
mod kernel;
mod memory;
mod mounts;
mod node_exporter;
mod processes;
mod settings;
mod system;
mod telegraf;
mod users;
mod verdict;
mod watched;

pub use host::Host;
pub use system::ask;
pub use verdict::{State, Verdict};

use crate::config::Pattern;
use processes::Processes;
use std::path::PathBuf;
use verdict::Finding;
use watched::Tunnel;

/// What is to be kept private, and where.
pub struct Subject {
    /// The metered interfaces.
    pub interfaces: Vec<Pattern>,
    /// The folder of the sealed store.
    pub store: StoreLocation,
    /// Where the kernel tap's maps are pinned.
    pub pin: StoreLocation,
    /// The daemon that answers on the control socket.
    pub daemon: Option<Daemon>,
}

/// Where something is kept.
#[derive(Clone)]
pub enum StoreLocation {
    /// In this folder.
    Folder(PathBuf),
    /// It is not kept.
    None,
    /// No configuration was given.
    Unknown,
}

/// A running daemon.
pub struct Daemon {
    /// Its process.
    pub pid: u32,
    /// Its user.
    pub uid: u32,
}

/// What no file says.
pub struct Facts {
    /// Interfaces of this network namespace: index and name.
    pub links: Vec<(u32, String)>,
    /// The state of the clock.
    pub clock: ClockState,
}

/// Whether the clock is synchronised.
pub enum ClockState {
    /// The kernel says so.
    Synchronised,
    /// The kernel says no.
    Unsynchronised,
    /// The kernel does not say, and why.
    Unknown(String),
}

/// The twelve checks, in their order.
#[must_use]
pub fn examine(host: &Host, facts: &Facts, subject: &Subject) -> [Verdict; 12] {
    let processes = Processes::of(host);
    let tunnel = Tunnel::of(&subject.interfaces, &facts.links);
    let daemon = subject.daemon.as_ref();
    [
        collectors::interfaces(host, &processes, &tunnel),
        collectors::exporters(host, &processes),
        memory::swap(host),
        memory::cores(host, &processes),
        memory::suid_dumpable(host),
        memory::kdump(host),
        kernel::dynamic_debug(host),
        captures::captures(host, &processes, &tunnel, facts, daemon),
        files::state_directory(host, &subject.store),
        kernel::bpf(host, &subject.pin),
        users::statistics(host, daemon.map(|daemon| daemon.uid)),
        clock(&facts.clock, &subject.store),
    ]
}

/// Check 12: a wrong clock closes epochs at the wrong time. In memory mode only the time of a release
/// depends on it.
fn clock(clock: &ClockState, store: &StoreLocation) -> Verdict {
    const REMEDY: &str = "run chrony or systemd-timesyncd, and wait until it has synchronised";
    let what = "the clock is not synchronised: epochs may close early or late, or last twice as long";
    let finding = match (clock, store) {
        (ClockState::Synchronised, _) => None,
        (ClockState::Unsynchronised, StoreLocation::None) => Some(Finding::note(what, REMEDY)),
        (ClockState::Unsynchronised, StoreLocation::Folder(_)) => Some(Finding::void(what, REMEDY)),
        (ClockState::Unsynchronised, StoreLocation::Unknown) => {
            let what = "whether the unsynchronised clock matters: no configuration was given";
            Some(Finding::unknown(what, format!("{REMEDY}; or pass --config FILE")))
        }
        (ClockState::Unknown(why), _) => {
            Some(Finding::unknown(format!("the state of the clock: {why}"), REMEDY))
        }
    };
    Verdict::of(12, "clock", "the clock is synchronised", finding.into_iter().collect())
}
