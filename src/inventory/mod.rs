//! Every datum that the program holds, keeps at rest or publishes: where, for how long, who may see it.
//!
//! The table is the promise in the small: `tests/inventory.rs` fails when a field of the state, a
//! series, a log event, an answer of the control socket or a file appears that it does not list.
//! Holds no datum itself.

mod table;

pub use table::DATA;

/// Where a datum is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In the memory of the process, which root may read.
    Memory,
    /// In the kernel's memory: maps, programs, links, and their names on a bpffs.
    Kernel,
    /// In a file in memory, of mode 0600.
    MemoryFile,
    /// On the disk.
    Disk,
    /// On `/metrics`.
    Published,
    /// In answers on the control socket.
    Answer,
    /// In the log.
    Log,
}

impl Place {
    /// Every place, in the order of the report.
    pub const ALL: [Self; 7] =
        [Self::Memory, Self::Kernel, Self::MemoryFile, Self::Disk, Self::Published, Self::Answer, Self::Log];

    /// The place as a heading.
    #[must_use]
    pub const fn heading(self) -> &'static str {
        match self {
            Self::Memory => "In the memory of the process",
            Self::Kernel => "In the kernel",
            Self::MemoryFile => "In files in memory (/run)",
            Self::Disk => "On the disk",
            Self::Published => "Published on /metrics",
            Self::Answer => "Answers of the control socket",
            Self::Log => "In the log",
        }
    }

    /// The word in reports.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Kernel => "kernel",
            Self::MemoryFile => "file in memory",
            Self::Disk => "disk",
            Self::Published => "published",
            Self::Answer => "control socket",
            Self::Log => "log",
        }
    }
}

/// One datum.
pub struct Datum {
    /// Where it is.
    pub place: Place,
    /// What it is.
    pub what: &'static str,
    /// For how long.
    pub kept: &'static str,
    /// Who may see it.
    pub seen_by: &'static str,
}

/// What no meter can hide, and this one does not: said beside the table.
pub const RESIDUE: [&str; 7] = [
    "root on a running node sees packets, the address map, live counters, and may replace the program",
    "the VPN server keeps endpoints and handshakes of its own while a client is connected",
    "a memory dump holds the address map, the totals of the period and the keys",
    "a flag tells that its account was active in that epoch",
    "exact counts of the node (`accounts export --node`), asked again and again, are live node totals: the role is a trusted one",
    "log-ins and times of control connections may be kept by the host (journal, audit), not by this program",
    "copies of blob and chain file of one night open that night's blob, with the root key",
];
