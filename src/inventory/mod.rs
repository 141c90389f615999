//! Everything the program holds, keeps at rest or publishes: where, for how long, and who can see it.
//!
//! `tests/inventory.rs` fails when a field of the state, a series, a log event, an answer of the control
//! socket or a file appears that the table does not list. Holds no data itself.

mod table;

pub use table::DATA;

/// Where a datum is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In the process's memory, which root can read.
    Memory,
    /// In the kernel's memory: maps, programs, links, and their names on a bpffs.
    Kernel,
    /// In a file in memory, with mode 0600.
    MemoryFile,
    /// On the disk.
    Disk,
    /// In the memory of a fleet's servers, where there is a `[fleet]`.
    Cluster,
    /// On `/metrics`.
    Published,
    /// In answers on the control socket.
    Answer,
    /// In the log.
    Log,
}

impl Place {
    /// Every place, in the order of the report.
    pub const ALL: [Self; 8] = [
        Self::Memory,
        Self::Kernel,
        Self::MemoryFile,
        Self::Disk,
        Self::Cluster,
        Self::Published,
        Self::Answer,
        Self::Log,
    ];

    /// The place as a heading.
    #[must_use]
    pub const fn heading(self) -> &'static str {
        match self {
            Self::Memory => "In the process's memory",
            Self::Kernel => "In the kernel",
            Self::MemoryFile => "In files in memory (under /run)",
            Self::Disk => "On disk",
            Self::Cluster => "In the memory of the fleet's servers, with [fleet]",
            Self::Published => "Published on /metrics",
            Self::Answer => "In answers on the control socket",
            Self::Log => "In the log",
        }
    }

    /// The name in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Kernel => "kernel",
            Self::MemoryFile => "file in memory",
            Self::Disk => "disk",
            Self::Cluster => "cluster",
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
    /// Who can see it.
    pub seen_by: &'static str,
}

impl Datum {
    /// Whether it is there with this tap. Data of one tap begin with its name; what the kernel holds is its own tap's.
    #[must_use]
    pub fn is_of(&self, tap: &str) -> bool {
        match self.what.split_once(": ") {
            Some((taps, _)) if taps.ends_with(" tap") || taps.ends_with(" taps") => {
                taps.split(' ').any(|word| word == tap)
            }
            _ => self.place != Place::Kernel || tap == "kernel",
        }
    }
}

/// What no meter can hide, and this one does not; printed after the table.
pub const RESIDUE: [&str; 7] = [
    "root on a running node sees packets, the address map and live counters, and can replace the program",
    "the VPN server keeps its own endpoints and handshakes while a client is connected",
    "a memory dump holds the address map, the totals of the period and the keys",
    "a flag reveals that its account was active in that epoch",
    "exact node totals (`accounts export --node`), requested again and again, are live totals: the privacy role is trusted",
    "the host (journal, audit) may keep log-ins and times of control connections; this program does not",
    "one night's copies of the blob and the chain file, with the root key, open that night's blob",
];
