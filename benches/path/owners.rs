//! Accounts of a bench: where their addresses are looked up, and the headers of their packets.

use crate::support::frames::{Address, datagram};
use blindmeter::roster::address::Prefix;

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

    /// True of addresses of IPv4.
    pub(crate) const fn is_v4(self) -> bool {
        matches!(self, Self::PoolV4 | Self::HostV4 | Self::RoutedV4)
    }

    /// The first account's address where each has a single one: as VPN servers hand them out, after
    /// the network's own and the server's.
    pub(crate) fn first(self) -> u32 {
        if self.is_v4() { 0x0a00_0002 } else { 2 }
    }

    /// The address of an account inside the tunnel, as the low bits of its family.
    fn address(self, account: u32) -> u32 {
        match self {
            Self::RoutedV4 => 0x0b00_0000 | account << 2,
            Self::RoutedV6 => account,
            _ => self.first() + account,
        }
    }

    /// What an account owns.
    pub(crate) fn prefix(self, account: u32) -> Prefix {
        let address = self.address(account);
        let [a, b, c, d] = address.to_be_bytes();
        let text = match self {
            Self::RoutedV4 => format!("{a}.{b}.{c}.{d}/30"),
            Self::RoutedV6 => format!("fd01:0:{:x}:{:x}::/64", address >> 16, address & 0xffff),
            _ if self.is_v4() => format!("{a}.{b}.{c}.{d}"),
            _ => format!("fd00::{:x}:{:x}", address >> 16, address & 0xffff),
        };
        Prefix::parse(&text).expect("a good prefix")
    }

    /// The pools that the meter is configured with.
    pub(crate) fn pools(self) -> Vec<Prefix> {
        let pool = match self {
            Self::PoolV4 => Some("10.0.0.0/12"),
            Self::PoolV6 => Some("fd00::/108"),
            _ => None,
        };
        pool.map(|text| Prefix::parse(text).expect("a good pool")).into_iter().collect()
    }

    /// A packet of so many bytes from an account to somewhere else.
    pub(crate) fn packet(self, account: u32, length: usize) -> Vec<u8> {
        // Of a routed prefix, its second address.
        let low = self.address(account) | u32::from(self == Self::RoutedV4);
        let wide = u128::from(low);
        let (from, to) = match self {
            _ if self.is_v4() => (Address::v4(low), Address::v4(0xc000_0201)),
            Self::RoutedV6 => (Address::v6(0xfd01 << 112 | wide << 64 | 9), Address::v6(0x2000 << 112)),
            _ => (Address::v6(0xfd00 << 112 | wide), Address::v6(0x2000 << 112)),
        };
        datagram(from, to, length)
    }
}
