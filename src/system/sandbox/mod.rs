//! What a process may still do once it is set up: only the given capabilities, folders and listed system
//! calls; no new privileges, no dumps, no memory on a disk.
//!
//! Must be entered before the first thread, so that every thread inherits it. What this kernel lacks is
//! reported, never ignored. Holds no secret and nothing about traffic.

mod files;
mod memory;
mod syscalls;

pub use files::{Folder, Reach};
pub use syscalls::{CALLS, COURIER_CALLS, HELPER_CALLS, READER_CALLS};

use files::Connecting;

use super::capabilities;
use caps::Capability;
use std::io;

/// What a process keeps.
pub struct Sandbox {
    /// Capabilities that it keeps.
    pub capabilities: &'static [Capability],
    /// Folders it may use.
    pub folders: Vec<Folder>,
    /// Whether it may open packet sockets.
    pub packet_sockets: bool,
}

/// One restriction of the sandbox.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Restriction {
    /// No capabilities but the given ones.
    Capabilities,
    /// No new privileges.
    Privileges,
    /// Folders (landlock).
    Files,
    /// System calls (seccomp).
    Calls,
    /// No core dumps, no tracers.
    Dumps,
    /// No memory on a disk.
    Memory,
}

impl Restriction {
    /// Every restriction, in the order of reports.
    pub const ALL: [Self; 6] =
        [Self::Capabilities, Self::Privileges, Self::Files, Self::Calls, Self::Dumps, Self::Memory];

    /// The name in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
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
            Self::Capabilities => "the kernel did not drop the capabilities; please report this",
            Self::Privileges => "use Linux 3.5 or later",
            Self::Files => "this kernel has no landlock: use Linux 5.13 or later with lsm=landlock,...",
            Self::Calls => "this kernel has no seccomp filter: build it with CONFIG_SECCOMP_FILTER",
            Self::Dumps => "the kernel did not disable dumps; please report this",
            Self::Memory => {
                "memory may be swapped: set LimitMEMLOCK=infinity in the unit, or ulimit -l unlimited"
            }
        }
    }
}

/// Which restrictions are in force.
#[derive(Clone, Default)]
pub struct SandboxStatus {
    missing: Vec<(Restriction, String)>,
    calls: usize,
}

impl SandboxStatus {
    /// A process without a sandbox.
    #[must_use]
    pub fn none() -> Self {
        Self { missing: Restriction::ALL.map(|part| (part, "not entered".to_owned())).to_vec(), calls: 0 }
    }

    /// "full", "partial" or "none".
    #[must_use]
    pub fn level(&self) -> &'static str {
        match self.missing.len() {
            0 => "full",
            missing if missing < Restriction::ALL.len() => "partial",
            _ => "none",
        }
    }

    /// Restrictions that are not in force, and the kernel's error.
    #[must_use]
    pub fn missing(&self) -> &[(Restriction, String)] {
        &self.missing
    }

    /// How many system calls are allowed, some only with certain arguments.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.calls
    }

    fn record<E: std::fmt::Display>(&mut self, part: Restriction, result: Result<(), E>) {
        if let Err(error) = result {
            self.missing.push((part, error.to_string()));
        }
    }
}

/// Enters the sandbox, for good.
#[must_use]
pub fn enter(sandbox: &Sandbox) -> SandboxStatus {
    let mut status = SandboxStatus { missing: Vec::new(), calls: CALLS };
    // Limits can be raised only while there are capabilities.
    status.record(Restriction::Memory, memory::lock());
    status.record(Restriction::Capabilities, capabilities::keep_only(sandbox.capabilities));
    status.record(Restriction::Privileges, no_new_privileges());
    status.record(Restriction::Dumps, memory::forbid_dumps());
    status.record(Restriction::Files, files::restrict(&sandbox.folders, Connecting::Nowhere));
    status.record(Restriction::Calls, syscalls::allow_daemon(sandbox.packet_sockets));
    status
}

/// Enters the helper's sandbox: no files, and only what it needs to attach a program. Its capabilities
/// are up to the caller.
///
/// # Errors
/// The first restriction that could not be put in force.
pub fn enter_helper() -> io::Result<()> {
    enter_child(HELPER_CALLS, Connecting::Nowhere, syscalls::allow_helper)
}

/// Enters the roster reader's sandbox: these capabilities, no files, and only what it needs to ask a kernel
/// or a program for peers. Its memory is locked where the limit allows, since keys pass through it.
///
/// # Errors
/// The first restriction that could not be put in force.
pub fn enter_reader(kept: &[Capability]) -> io::Result<()> {
    // A limit that forbids it forbids it to the daemon as well, and that reports it.
    let _ = memory::lock();
    capabilities::keep_only(kept)?;
    enter_child(READER_CALLS, Connecting::Nowhere, syscalls::allow_reader)
}

/// Enters the sandbox of the fleet's courier: no capability, no file, and only what it needs to talk to servers over
/// TCP. Its memory is locked where the limit allows, since log-ins lie there.
///
/// # Errors
/// The first restriction that could not be put in force.
pub fn enter_courier() -> io::Result<()> {
    // A limit that forbids it forbids it to the daemon as well, and that reports it.
    let _ = memory::lock();
    capabilities::keep_only(&[])?;
    enter_child(COURIER_CALLS, Connecting::Anywhere, syscalls::allow_courier)
}

fn enter_child(
    calls: usize,
    connecting: Connecting,
    allow: impl FnOnce() -> Result<(), seccompiler::Error>,
) -> io::Result<()> {
    let mut status = SandboxStatus { missing: Vec::new(), calls };
    status.record(Restriction::Privileges, no_new_privileges());
    status.record(Restriction::Dumps, memory::forbid_dumps());
    status.record(Restriction::Files, files::restrict(&[], connecting));
    status.record(Restriction::Calls, allow());
    // What the kernel lacks, the daemon lacks as well, and it reports that.
    let failed =
        status.missing.iter().find(|(part, _)| !matches!(part, Restriction::Files | Restriction::Calls));
    failed.map_or(Ok(()), |(_, why)| Err(io::Error::other(why.clone())))
}

fn no_new_privileges() -> io::Result<()> {
    nix::sys::prctl::set_no_new_privs().map_err(io::Error::from)
}
