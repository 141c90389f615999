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
mod clock;
mod collectors;
mod files;
mod host;
mod kernel;
mod memory;
mod mounts;
mod node_exporter;
mod processes;
mod settings;
mod subject;
mod system;
mod telegraf;
mod users;
mod verdict;
mod watched;

pub use host::Host;
pub use subject::{ClockState, Daemon, Facts, StoreLocation, Subject};
pub use system::ask;
pub use users::{seen_elsewhere, seen_in_proc};
pub use verdict::{State, Verdict};

use processes::Processes;
use watched::Tunnel;

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
        clock::clock(&facts.clock, &subject.store),
    ]
}
