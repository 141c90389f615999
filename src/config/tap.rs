//! What `[tap]` speaks of: the kinds of tap, the kernel's hooks, and patterns of interface names.

/// Memory for slices of counters where none is configured: room for 1,000,000 accounts on two
/// processors, or for 130,000 on sixteen.
pub const MEMORY_BUDGET_BYTES: u64 = 64 << 20;

/// The taps there are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum TapKind {
    /// A program at the tc hooks: nothing of a packet enters the process.
    Kernel,
    /// TPACKET_V3: headers only, in shared memory.
    Ring,
    /// pnet's datalink: whole packets, copied one by one.
    Pnet,
}

impl TapKind {
    const ALL: [Self; 3] = [Self::Kernel, Self::Ring, Self::Pnet];

    /// The name in the configuration and in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Kernel => "kernel",
            Self::Ring => "ring",
            Self::Pnet => "pnet",
        }
    }

    /// The tap of this name; none if there is no such tap.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// Where the kernel tap attaches its program.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Hook {
    /// A tcx link, from Linux 6.6 on.
    Tcx,
    /// A clsact filter.
    Clsact,
}

impl Hook {
    /// The name in the configuration and in the log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tcx => "tcx",
            Self::Clsact => "clsact",
        }
    }
}

/// An interface name, or a glob with `*` and `?`.
#[derive(Clone, PartialEq, Eq)]
pub struct Pattern(String);

impl Pattern {
    /// The pattern as written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }

    /// True when the pattern may match several names.
    #[must_use]
    pub fn is_glob(&self) -> bool {
        self.0.contains(['*', '?'])
    }

    /// True when this interface matches the pattern.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        glob_matches(self.0.as_bytes(), name.as_bytes())
    }

    /// True when this interface matches one of the patterns.
    #[must_use]
    pub fn any_matches(patterns: &[Self], name: &str) -> bool {
        patterns.iter().any(|pattern| pattern.matches(name))
    }

    /// The pattern of this text: a name, or a glob.
    #[must_use]
    pub fn of_name(name: &str) -> Self {
        Self(name.to_owned())
    }
}

fn glob_matches(pattern: &[u8], name: &[u8]) -> bool {
    match pattern.split_first() {
        None => name.is_empty(),
        Some((b'*', rest)) => (0..=name.len()).any(|skip| glob_matches(rest, &name[skip..])),
        Some((b'?', rest)) => !name.is_empty() && glob_matches(rest, &name[1..]),
        Some((byte, rest)) => name.first() == Some(byte) && glob_matches(rest, &name[1..]),
    }
}
