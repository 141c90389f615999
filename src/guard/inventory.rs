//! Every datum that the program holds, keeps at rest or publishes: where, for how long, who may see it.
//!
//! The table is the promise in the small: `tests/inventory.rs` fails when a field of the state, a
//! series, a log event, an answer of the control socket or a file appears that it does not list.
//! Holds no datum itself.

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
    pub const ALL: [Self; 7] = [
        Self::Memory,
        Self::Kernel,
        Self::MemoryFile,
        Self::Disk,
        Self::Published,
        Self::Answer,
        Self::Log,
    ];

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
    /// What of the code it stands for: `Struct.field`, `series NAME`, `event NAME`, `answer NAME.field`,
    /// `file NAME`.
    pub covers: &'static [&'static str],
}

/// The table, by place.
pub const DATA: &[Datum] = &[];
