//! Frames of many accounts in random order, and the meter that they are counted by: shared by the
//! bench and by the test that nothing is allocated.

use blindmeter::meter::counters::Counters;
use blindmeter::meter::ledger::Ledger;
use blindmeter::meter::slot::Direction;
use blindmeter::roster::account::AccountName;
use blindmeter::roster::address::Prefix;
use blindmeter::roster::{Roster, Source};
use blindmeter::tap::Attribution;
use blindmeter::tap::frame::Link;

/// Frames that are counted in a round: 2.5 MiB of them, more than a core's own caches hold.
pub(crate) const FRAMES: usize = 1 << 16;

/// Bytes captured of each: the fixed IPv6 header.
pub(crate) const FRAME_BYTES: usize = 40;

/// Where the accounts' addresses are looked up.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Owners {
    /// IPv4 addresses in a pool.
    PoolV4,
    /// IPv6 addresses in a pool.
    PoolV6,
    /// Single IPv4 addresses outside the pools.
    HostV4,
    /// Single IPv6 addresses outside the pools.
    HostV6,
    /// An IPv4 /30 for each account.
    RoutedV4,
    /// An IPv6 /64 for each account.
    RoutedV6,
}

impl Owners {
    /// Each of them.
    pub(crate) const ALL: [Self; 6] =
        [Self::PoolV4, Self::PoolV6, Self::HostV4, Self::HostV6, Self::RoutedV4, Self::RoutedV6];

    /// A name for tables.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::PoolV4 => "v4 pool",
            Self::PoolV6 => "v6 pool",
            Self::HostV4 => "v4 host",
            Self::HostV6 => "v6 host",
            Self::RoutedV4 => "v4 routed",
            Self::RoutedV6 => "v6 routed",
        }
    }

    const fn is_v4(self) -> bool {
        matches!(self, Self::PoolV4 | Self::HostV4 | Self::RoutedV4)
    }

    /// The address of an account inside the tunnel, as the low bits of its family.
    fn address(self, account: u32) -> u32 {
        match self {
            Self::RoutedV4 => 0x0b00_0000 | account << 2,
            _ if self.is_v4() => 0x0a00_0000 | account,
            _ => account,
        }
    }

    fn prefix(self, account: u32) -> Prefix {
        let [a, b, c, d] = self.address(account).to_be_bytes();
        let text = match self {
            Self::RoutedV4 => format!("{a}.{b}.{c}.{d}/30"),
            Self::RoutedV6 => format!("fd01:0:{:x}:{:x}::/64", account >> 16, account & 0xffff),
            _ if self.is_v4() => format!("{a}.{b}.{c}.{d}"),
            _ => format!("fd00::{:x}:{:x}", account >> 16, account & 0xffff),
        };
        Prefix::parse(&text).expect("a good prefix")
    }

    fn pools(self) -> Vec<Prefix> {
        let pool = match self {
            Self::PoolV4 => Some("10.0.0.0/12"),
            Self::PoolV6 => Some("fd00::/108"),
            _ => None,
        };
        pool.map(|text| Prefix::parse(text).expect("a good pool")).into_iter().collect()
    }
}

/// A meter and the frames it counts.
pub(crate) struct Traffic {
    attribution: Attribution,
    frames: Vec<[u8; FRAME_BYTES]>,
    ledger: Ledger,
}

impl Traffic {
    /// So many accounts, and [`FRAMES`] frames of them in random order.
    pub(crate) fn new(owners: Owners, accounts: u32) -> Self {
        let roster = Roster::new(&owners.pools(), accounts as usize, 1);
        let name = |account: u32| AccountName::parse(&format!("account-{account}")).expect("a good name");
        let assignments = (0..accounts).map(|account| (owners.prefix(account), name(account))).collect();
        assert!(roster.replace(Source::File, assignments).is_ok(), "there is room for all");
        let counters = Counters::in_memory(accounts as usize);
        let mut random = 0x9e37_79b9_7f4a_7c15_u64;
        let frames = (0..FRAMES)
            .map(|_| {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                let account = u32::try_from(random % u64::from(accounts)).expect("below a u32");
                frame(owners, account)
            })
            .collect();
        Self {
            attribution: Attribution { table: roster.table(), counters },
            frames,
            ledger: Ledger::new(counters),
        }
    }

    /// Counts every frame once: parse, look-up, two adds.
    pub(crate) fn count_all(&self) {
        for frame in &self.frames {
            self.attribution.count(Link::RawIp, frame, 1200, Direction::Up, None);
        }
    }

    /// The empty loop over the same frames: the floor.
    pub(crate) fn touch_all(&self) {
        for frame in &self.frames {
            std::hint::black_box(frame[0]);
        }
    }

    /// True when every packet counted so far was charged to an account.
    pub(crate) fn is_attributed(&self) -> bool {
        let node = self.ledger.node();
        node.attributed.up.packets > 0 && node.seen() == node.attributed.up
    }
}

fn frame(owners: Owners, account: u32) -> [u8; FRAME_BYTES] {
    let mut frame = [0; FRAME_BYTES];
    // Of a routed prefix, its second address.
    let low = owners.address(account) | u32::from(owners == Owners::RoutedV4);
    if owners.is_v4() {
        frame[0] = 0x45;
        frame[12..16].copy_from_slice(&low.to_be_bytes());
        frame[16..20].copy_from_slice(&[192, 0, 2, 1]);
    } else if owners == Owners::RoutedV6 {
        frame[0] = 0x60;
        frame[8..10].copy_from_slice(&[0xfd, 1]);
        frame[12..16].copy_from_slice(&low.to_be_bytes());
        frame[23] = 9;
        frame[24] = 0x20;
    } else {
        frame[0] = 0x60;
        frame[8..10].copy_from_slice(&[0xfd, 0]);
        frame[20..24].copy_from_slice(&low.to_be_bytes());
        frame[24] = 0x20;
    }
    frame
}
