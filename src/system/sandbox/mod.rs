//! What a process may still do once it is set up: no capabilities but those named, no new privileges,
//! the folders named, the system calls listed, no dump, no page on a disk.
//!
//! Must be entered before the first thread, so that every thread inherits it. What this kernel lacks
//! is told, never ignored. Holds no secret and nothing of traffic.

mod files;
mod memory;
mod syscalls;

pub use files::{Folder, Reach};
pub use syscalls::{CALLS, HELPER_CALLS};

use super::capabilities;
use caps::Capability;
use std::io;

/// What a process is to be left with.
pub struct Sandbox {
    /// Capabilities that are kept.
    pub capabilities: &'static [Capability],
    /// Folders that may be reached.
    pub folders: Vec<Folder>,
    /// Whether packet sockets may be opened.
    pub packet_sockets: bool,
}

/// One part of the sandbox.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Restriction {
    /// No capability but those that are named.
    Capabilities,
    /// No new privileges.
    Privileges,
    /// Folders (landlock).
    Files,
    /// System calls (seccomp).
    Calls,
    /// No core, no dump, no tracer.
    Dumps,
    /// No page on a disk.
    Memory,
}

impl Restriction {
    /// Every part, in the order of reports.
    pub const ALL: [Self; 6] =
        [Self::Capabilities, Self::Privileges, Self::Files, Self::Calls, Self::Dumps, Self::Memory];

    /// The word in reports.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Capabilities => "capabilities",
            Self::Privileges => "no-new-privileges",
            Self::Files => "landlock",
            Self::Calls => "seccomp",
            Self::Dumps => "no-dumps",
            Self::Memory => "memory-locked",
        }
    }

    /// Why it may be missing, and what to do.
    #[must_use]
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::Capabilities => "the kernel did not let go of capabilities; please report it",
            Self::Privileges => "this needs Linux 3.5",
            Self::Files => "this kernel has no landlock: use Linux 5.13 or later with lsm=landlock,...",
            Self::Calls => "this kernel has no seccomp filter: build it with CONFIG_SECCOMP_FILTER",
            Self::Dumps => "the kernel did not switch dumps off; please report it",
            Self::Memory => {
                "pages may be swapped: set LimitMEMLOCK=infinity in the unit, or ulimit -l unlimited"
            }
        }
    }
}

/// Which parts are in force.
#[derive(Clone, Default)]
pub struct SandboxStatus {
    missing: Vec<(Restriction, String)>,
    calls: usize,
}

impl SandboxStatus {
    /// A process around which nothing was put.
    #[must_use]
    pub fn none() -> Self {
        Self { missing: Restriction::ALL.map(|part| (part, "not entered".to_owned())).to_vec(), calls: 0 }
    }

    /// "full", "partial" or "none".
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self.missing.len() {
            0 => "full",
            missing if missing < Restriction::ALL.len() => "partial",
            _ => "none",
        }
    }

    /// Parts that are not in force, and what the kernel said.
    #[must_use]
    pub fn missing(&self) -> &[(Restriction, String)] {
        &self.missing
    }

    /// How many system calls are allowed, some of them with certain arguments only.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.calls
    }

    fn note<E: std::fmt::Display>(&mut self, part: Restriction, result: Result<(), E>) {
        if let Err(error) = result {
            self.missing.push((part, error.to_string()));
        }
    }
}

/// Puts the sandbox around the process, for good.
#[must_use]
pub fn enter(enclosure: &Sandbox) -> SandboxStatus {
    let mut level = SandboxStatus { missing: Vec::new(), calls: CALLS };
    // Limits may only be raised while there are capabilities.
    level.note(Restriction::Memory, memory::lock());
    level.note(Restriction::Capabilities, capabilities::keep_only(enclosure.capabilities));
    level.note(Restriction::Privileges, no_new_privileges());
    level.note(Restriction::Dumps, memory::forbid_dumps());
    level.note(Restriction::Files, files::restrict(&enclosure.folders));
    level.note(Restriction::Calls, syscalls::allow_daemon(enclosure.packet_sockets));
    level
}

/// Puts the helper's sandbox around it: no file, and what it needs to attach a program. Its
/// capabilities are the caller's matter.
///
/// # Errors
/// The first part that could not be put in force.
pub fn enter_helper() -> io::Result<()> {
    let mut level = SandboxStatus { missing: Vec::new(), calls: HELPER_CALLS };
    level.note(Restriction::Privileges, no_new_privileges());
    level.note(Restriction::Dumps, memory::forbid_dumps());
    level.note(Restriction::Files, files::restrict(&[]));
    level.note(Restriction::Calls, syscalls::allow_helper());
    // Where the kernel lacks a part, the daemon misses it as well, and says so.
    let failed =
        level.missing.iter().find(|(part, _)| !matches!(part, Restriction::Files | Restriction::Calls));
    failed.map_or(Ok(()), |(_, why)| Err(io::Error::other(why.clone())))
}

fn no_new_privileges() -> io::Result<()> {
    nix::sys::prctl::set_no_new_privs().map_err(io::Error::from)
}
