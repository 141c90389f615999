//! `doctor`: what on this host would void the privacy claim, in twelve checks.
//!
//! Each check is a function of a host's files under a root and of a few facts that only system calls
//! tell. It sees the configuration's interfaces and paths, no pool, no roster and no account; it
//! changes nothing. What it cannot read it says, and never takes for good.
//!
//! ```text
//! Host (files), Facts (system calls), Subject (configuration) -> checks -> Verdict, one for each
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
    /// The interfaces that are metered.
    pub interfaces: Vec<Pattern>,
    /// The folder of the sealed store.
    pub store: Place,
    /// Where the kernel tap's maps are pinned.
    pub pin: Place,
    /// The daemon that answers on the control socket.
    pub daemon: Option<Daemon>,
}

/// Where something is kept.
pub enum Place {
    /// In this folder.
    At(PathBuf),
    /// It is not kept.
    Nowhere,
    /// No configuration was named.
    NotTold,
}

/// A running daemon.
pub struct Daemon {
    /// Its process.
    pub pid: u32,
    /// Its user.
    pub uid: u32,
}

/// What no file tells.
pub struct Facts {
    /// Interfaces of this network namespace: index and name.
    pub links: Vec<(u32, String)>,
    /// The state of the clock.
    pub clock: Clock,
}

/// Whether somebody keeps the clock.
pub enum Clock {
    /// The kernel says so.
    Synchronised,
    /// The kernel says no.
    Unsynchronised,
    /// The kernel does not say, and why.
    NotKnown(String),
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

/// Check 12: an epoch that ends by a wrong clock. In memory mode nothing rests on it but the moment
/// of a release.
fn clock(clock: &Clock, store: &Place) -> Verdict {
    const REMEDY: &str = "run chrony or systemd-timesyncd, and wait until it has synchronised";
    let what = "the kernel's clock is not synchronised: epochs may close early, late or twice as long";
    let finding = match (clock, store) {
        (Clock::Synchronised, _) => None,
        (Clock::Unsynchronised, Place::Nowhere) => Some(Finding::note(what, REMEDY)),
        (Clock::Unsynchronised, Place::At(_)) => Some(Finding::void(what, REMEDY)),
        (Clock::Unsynchronised, Place::NotTold) => {
            let what = "whether it matters that the clock is not synchronised: no configuration was named";
            Some(Finding::unknown(what, format!("{REMEDY}; or name --config FILE")))
        }
        (Clock::NotKnown(why), _) => Some(Finding::unknown(format!("the state of the clock: {why}"), REMEDY)),
    };
    Verdict::of(12, "clock", "the clock is synchronised", finding.into_iter().collect())
}
