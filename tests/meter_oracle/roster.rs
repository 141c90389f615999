//! Addresses as plain bits, and the naive longest-prefix model that the product is compared with: a linear search.

use std::fmt::Write;

use crate::support::rng::Rng;

/// An address: 32 or 128 bits, in the low end of `bits`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Address {
    /// Whether it is one of IPv6.
    pub(super) v6: bool,
    /// The bits of the address.
    pub(super) bits: u128,
}

impl Address {
    /// An IPv4 address.
    pub(super) fn v4(octets: [u8; 4]) -> Self {
        Self { v6: false, bits: u128::from(u32::from_be_bytes(octets)) }
    }

    /// An IPv6 address.
    pub(super) fn v6(groups: [u16; 8]) -> Self {
        Self { v6: true, bits: groups.iter().fold(0, |bits, group| (bits << 16) | u128::from(*group)) }
    }

    /// The address as it stands in a header.
    pub(super) fn octets(self) -> Vec<u8> {
        let all = self.bits.to_be_bytes();
        if self.v6 { all.to_vec() } else { all[12..].to_vec() }
    }

    /// The address as a roster writes it; IPv6 without any abbreviation.
    pub(super) fn text(self) -> String {
        let octets = self.octets();
        if self.v6 {
            let groups: Vec<String> =
                octets.chunks(2).map(|pair| format!("{:02x}{:02x}", pair[0], pair[1])).collect();
            groups.join(":")
        } else {
            format!("{}.{}.{}.{}", octets[0], octets[1], octets[2], octets[3])
        }
    }

    fn width(self) -> u32 {
        if self.v6 { 128 } else { 32 }
    }

    fn host_mask(self, length: u32) -> u128 {
        let host = self.width() - length;
        if host == 128 { u128::MAX } else { (1 << host) - 1 }
    }
}

/// One line of a roster.
#[derive(Clone)]
pub(super) struct Prefix {
    network: Address,
    length: u32,
    account: String,
}

impl Prefix {
    /// The prefix of `length` bits around `address`.
    pub(super) fn new(address: Address, length: u32, account: &str) -> Self {
        let network = Address { bits: address.bits & !address.host_mask(length), ..address };
        Self { network, length, account: account.to_owned() }
    }

    fn holds(&self, address: Address) -> bool {
        self.network.v6 == address.v6 && self.network.bits == address.bits & !address.host_mask(self.length)
    }
}

/// A roster, and what it says about an address.
#[derive(Clone)]
pub(super) struct Roster {
    prefixes: Vec<Prefix>,
}

impl Roster {
    /// A roster of exactly these prefixes.
    pub(super) fn of(prefixes: &[Prefix]) -> Self {
        Self { prefixes: prefixes.to_vec() }
    }

    /// A roster in which prefixes nest deeply; `idle` owns one address that no draw returns.
    pub(super) fn seeded(random: &mut Rng) -> Self {
        let names =
            ["alice", "bob-1", "bob-10", "bob-2", "Zoe", "carol", "dave.d", "erin_x", "mallory", "trent@vpn"];
        let idle = Prefix::new(Address::v4([172, 20, 0, 77]), 32, "idle");
        let mut roster = Self { prefixes: vec![idle] };
        while roster.prefixes.len() < 48 {
            let (address, shortest) = if random.one_in(2) {
                (Address::v4([10, 8, random.pick(&[0, 1, 128]), random.byte()]), 8)
            } else {
                let low = random.wide() & 0xff_00ff;
                let base = Address::v6([0xfd42, 8, 0, random.pick(&[0, 1, 0x8000]), 0, 0, 0, 0]);
                (Address { bits: base.bits | low, ..base }, 24)
            };
            let lengths: Vec<u32> = (shortest..=address.width()).collect();
            let length = if random.one_in(4) { address.width() } else { random.pick(&lengths) };
            let prefix = Prefix::new(address, length, random.pick(&names));
            let known = |old: &Prefix| old.network == prefix.network && old.length == prefix.length;
            if !roster.prefixes.iter().any(known) {
                roster.prefixes.push(prefix);
            }
        }
        roster
    }

    /// The account that owns `address`: the one with the longest prefix around it.
    pub(super) fn owner(&self, address: Address) -> Option<&str> {
        let around = self.prefixes.iter().filter(|prefix| prefix.holds(address));
        around.max_by_key(|prefix| prefix.length).map(|prefix| prefix.account.as_str())
    }

    /// The names of all accounts, in no order, with repetitions.
    pub(super) fn accounts(&self) -> impl Iterator<Item = &str> {
        self.prefixes.iter().map(|prefix| prefix.account.as_str())
    }

    /// Draws an address: inside some prefix, just beside one, or of nobody.
    pub(super) fn draw(&self, random: &mut Rng, v6: bool) -> Address {
        let of_version: Vec<&Prefix> = self
            .prefixes
            .iter()
            .filter(|prefix| prefix.network.v6 == v6 && prefix.account != "idle")
            .collect();
        if of_version.is_empty() || random.one_in(6) {
            let stranger =
                if v6 { Address::v6([0xfd99, 7, 0, 0, 0, 0, 0, 0]) } else { Address::v4([198, 51, 100, 0]) };
            return Address { bits: stranger.bits | (random.wide() & 0xff), ..stranger };
        }
        let prefix = random.pick(&of_version);
        let network = prefix.network;
        let mut bits = network.bits | (random.wide() & network.host_mask(prefix.length));
        if prefix.length > 0 && random.one_in(5) {
            bits ^= 1 << (network.width() - prefix.length);
        }
        Address { bits, ..network }
    }

    /// The roster as the CSV of section 3, with a comment, and hosts as bare addresses now and then.
    pub(super) fn csv(&self) -> String {
        let mut text = String::from("# made by the oracle\nprefix,account\n");
        for (row, prefix) in self.prefixes.iter().enumerate() {
            let address = prefix.network.text();
            let bare = prefix.length == prefix.network.width() && row % 2 == 0;
            let slash = if bare { String::new() } else { format!("/{}", prefix.length) };
            writeln!(text, "{address}{slash},{}", prefix.account).expect("a string takes all");
            if row == 7 {
                text.push_str("# half way\n");
            }
        }
        text
    }
}
