//! The sources of assignments, in their order of precedence, and numbers about each.
//!
//! Holds words and counts; no address, no account.

/// Where an assignment comes from; the first of the list wins.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The control socket: administrators and the VPN servers' hooks.
    Control,
    /// WireGuard devices, which are asked again and again.
    WireGuard,
    /// OpenVPN's status files.
    OpenVpn,
    /// strongSwan's list of SAs.
    StrongSwan,
    /// RADIUS accounting of VPN servers, which tell by themselves.
    Radius,
    /// The roster file.
    File,
}

impl Source {
    /// Every source, in order of precedence.
    pub const ALL: [Self; 6] =
        [Self::Control, Self::WireGuard, Self::OpenVpn, Self::StrongSwan, Self::Radius, Self::File];

    /// The word that stands for it in metrics and reports.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Control => "control",
            Self::WireGuard => "wireguard",
            Self::OpenVpn => "openvpn",
            Self::StrongSwan => "strongswan",
            Self::Radius => "radius",
            Self::File => "file",
        }
    }

    /// The number that stands for it in the kernel's maps, which outlive the program's version.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Control => 1,
            Self::File => 2,
            Self::WireGuard => 3,
            Self::OpenVpn => 4,
            Self::Radius => 5,
            Self::StrongSwan => 6,
        }
    }

    /// The source of a number.
    #[must_use]
    pub fn of_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|source| source.code() == code)
    }

    /// True when what the source holds may tell who is connected. Of a VPN server that is taken for granted:
    /// some add a WireGuard peer when somebody logs in.
    #[must_use]
    pub const fn follows_connections(self) -> bool {
        !matches!(self, Self::File)
    }

    /// True of what cannot be asked: who was there before is known once somebody says so.
    #[must_use]
    pub const fn tells_by_itself(self) -> bool {
        matches!(self, Self::Control | Self::Radius)
    }

    /// True of a VPN server.
    #[must_use]
    pub const fn is_server(self) -> bool {
        !matches!(self, Self::Control | Self::File)
    }
}

/// Numbers about the roster; never addresses.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Prefixes and accounts of each source, in the order of [`Source::ALL`].
    pub sources: [SourceCounts; Source::ALL.len()],
    /// Accounts that any source names.
    pub accounts: u64,
    /// Prefixes that two sources give to different accounts.
    pub conflicts: u64,
}

/// Numbers about one source.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct SourceCounts {
    /// Prefixes that the source assigns.
    pub prefixes: u64,
    /// Accounts that own at least one of them.
    pub accounts: u64,
}

impl Counts {
    /// With a server's first map, what it says is told at once, as a start would: of itself alone.
    pub(super) fn latch_first(&mut self, source: Source, now: &Self) {
        let figures = now.sources[source as usize];
        self.sources[source as usize] = figures;
        self.accounts = self.accounts.max(figures.accounts);
    }

    /// What may be told at any moment: of sources that follow connections, as they were when `latched`
    /// was taken, rounded up to 8; of the others, as they are.
    pub(super) fn told(self, latched: &Self) -> Self {
        let eights = |count: u64| count.div_ceil(8) * 8;
        let mut told = self;
        for (at, source) in Source::ALL.into_iter().enumerate() {
            if source.follows_connections() {
                let SourceCounts { prefixes, accounts } = latched.sources[at];
                told.sources[at] = SourceCounts { prefixes: eights(prefixes), accounts: eights(accounts) };
            }
        }
        told.conflicts = eights(latched.conflicts);
        // Of the sources that do not follow connections as they are; of all, as latched.
        let steady = Source::ALL.into_iter().filter(|source| !source.follows_connections());
        let steady = steady.map(|source| self.sources[source as usize].accounts).max().unwrap_or(0);
        let connected = Source::ALL.into_iter().filter(|source| source.follows_connections());
        let connected = connected.map(|source| latched.sources[source as usize].accounts).sum::<u64>();
        told.accounts = if connected == 0 { steady } else { steady.max(eights(latched.accounts)) };
        told
    }
}
