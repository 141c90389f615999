//! Tunnel addresses, prefixes and pools. They cannot be printed, formatted or serialised.
//!
//! The types below have no `Debug`, `Display` or serde impl on purpose
//! (`tests/compile_fail/` holds it): errors about an address say what is wrong, never which it is.
#![expect(clippy::disallowed_types, reason = "the roster parses addresses; it keeps none of these types")]

use super::place::Place;
use std::net::IpAddr;

/// The address of a packet's source or destination inside the tunnel.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TunnelAddress {
    /// IPv4, host order.
    V4(u32),
    /// IPv6, host order.
    V6(u128),
}

/// An address with a prefix length, on every interface or on one; bits past the length are zero. IPv4 sorts
/// before IPv6, and then by address.
///
/// The bits lie in two words, since one of 128 bits would make it twice as large.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Prefix {
    is_v6: bool,
    high: u64,
    low: u64,
    length: u8,
    place: Place,
}

/// Why a text is not a prefix. Carries nothing of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrefixError {
    /// Neither an IPv4 nor an IPv6 address.
    #[error("not an address or prefix; write it like 192.0.2.7, 192.0.2.0/24 or 2001:db8::/64")]
    NotAnAddress,
    /// The length is no number, or longer than the address.
    #[error("the prefix length must be a number from 0 to {0}")]
    Length(u8),
    /// Bits are set past the prefix length.
    #[error("address bits are set past the prefix length; write the first address of the range")]
    HostBits,
}

impl TunnelAddress {
    fn parse(text: &str) -> Option<Self> {
        match text.parse().ok()? {
            IpAddr::V4(v4) => Some(Self::V4(v4.to_bits())),
            IpAddr::V6(v6) => Some(Self::V6(v6.to_bits())),
        }
    }

    /// Bits of the family: 32 or 128.
    #[must_use]
    pub const fn width(self) -> u8 {
        match self {
            Self::V4(_) => 32,
            Self::V6(_) => 128,
        }
    }

    /// The address as the low bits of one word.
    #[must_use]
    pub const fn bits(self) -> u128 {
        match self {
            Self::V4(bits) => bits as u128,
            Self::V6(bits) => bits,
        }
    }
}

/// True for a packet of the link itself: from a link-local address, or to one that is link-local,
/// multicast or the limited broadcast. Whether an account owns either is the caller's to ask.
///
/// # Source
/// RFC 3927 section 1.4, RFC 5771, RFC 919 section 7; RFC 4291 sections 2.5.6 and 2.7.
#[inline]
#[must_use]
pub const fn is_of_the_link(source: TunnelAddress, destination: TunnelAddress) -> bool {
    source.is_link_local() || destination.is_link_local() || destination.is_group()
}

impl TunnelAddress {
    /// 169.254.0.0/16, fe80::/10.
    const fn is_link_local(self) -> bool {
        match self {
            Self::V4(bits) => bits >> 16 == 0xa9fe,
            Self::V6(bits) => bits >> 118 == 0xfe80 >> 6,
        }
    }

    /// 224.0.0.0/4 and 255.255.255.255, ff00::/8.
    const fn is_group(self) -> bool {
        match self {
            Self::V4(bits) => bits >> 28 == 0xe || bits == u32::MAX,
            Self::V6(bits) => bits >> 120 == 0xff,
        }
    }
}

impl Prefix {
    /// Reads `ADDRESS` or `ADDRESS/LENGTH`; a bare address is a host. An IPv4 address that is written as an IPv6
    /// one (`::ffff:192.0.2.7`) is the IPv4 address: no packet in the tunnel carries the other.
    ///
    /// # Errors
    /// When the text is no address, the length does not fit, or host bits are set.
    pub fn parse(text: &str) -> Result<Self, PrefixError> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address = TunnelAddress::parse(address).ok_or(PrefixError::NotAnAddress)?;
        let width = address.width();
        let length = match length {
            None => width,
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits
                .parse::<u8>()
                .ok()
                .filter(|length| *length <= width)
                .ok_or(PrefixError::Length(width))?,
            Some(_) => return Err(PrefixError::Length(width)),
        };
        let (address, length) = unmapped(address, length);
        Self::new(address, length).ok_or(PrefixError::HostBits)
    }

    /// The prefix of this length in which the address lies; none where the length is longer than the address.
    /// Routers take addresses with bits past the length, and leave those out of account.
    #[must_use]
    pub fn around(address: TunnelAddress, length: u8) -> Option<Self> {
        let (address, length) = unmapped(address, length);
        let width = address.width();
        let bits = address.bits() & mask(width, length.min(width));
        let first = match address {
            TunnelAddress::V4(_) => TunnelAddress::V4(u32::try_from(bits).ok()?),
            TunnelAddress::V6(_) => TunnelAddress::V6(bits),
        };
        Self::new(first, length)
    }

    /// Reads a prefix like [`Prefix::parse`], whatever bits are set past its length.
    #[must_use]
    pub fn parse_around(text: &str) -> Option<Self> {
        let Some((address, digits)) = text.split_once('/') else { return Self::parse(text).ok() };
        let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
        Self::around(TunnelAddress::parse(address)?, digits.parse().ok().filter(|_| is_number)?)
    }

    /// The prefix of this address and length in bits; none where they do not go together.
    #[must_use]
    pub fn new(address: TunnelAddress, length: u8) -> Option<Self> {
        let width = address.width();
        let fits = length <= width && address.bits() & !mask(width, length) == 0;
        fits.then_some(Self::of(address, length))
    }

    /// True for loopback and for no address at all, in either family and in their old mixtures (`::192.0.2.7`): no
    /// client has one.
    ///
    /// # Source
    /// RFC 1122 section 3.2.1.3; RFC 4291 sections 2.5.2, 2.5.3 and 2.5.5.1.
    #[must_use]
    pub const fn is_nobodys(self) -> bool {
        if self.is_v6 {
            self.length >= 96 && self.high == 0 && self.low >> 32 == 0
        } else {
            self.length >= 8 && (self.low >> 24 == 0 || self.low >> 24 == 127)
        }
    }

    /// The prefix that is this one address.
    #[must_use]
    pub const fn of_host(address: TunnelAddress) -> Self {
        Self::of(address, address.width())
    }

    const fn of(address: TunnelAddress, length: u8) -> Self {
        let (bits, is_v6) = (address.bits(), matches!(address, TunnelAddress::V6(_)));
        Self { is_v6, high: half(bits >> 64), low: half(bits), length, place: Place::ANY }
    }

    /// The same at a place.
    #[must_use]
    pub const fn at(self, place: Place) -> Self {
        Self { place, ..self }
    }

    /// The interface that it is on, or every one.
    #[must_use]
    pub const fn place(self) -> Place {
        self.place
    }

    /// The first address.
    #[must_use]
    pub const fn address(self) -> TunnelAddress {
        if self.is_v6 {
            TunnelAddress::V6((self.high as u128) << 64 | self.low as u128)
        } else {
            TunnelAddress::V4(word(self.low))
        }
    }

    /// The prefix length in bits.
    #[must_use]
    pub const fn length(self) -> u8 {
        self.length
    }

    /// True when the prefix is one address.
    #[must_use]
    pub const fn is_host(self) -> bool {
        self.length == self.address().width()
    }

    /// True when one of the two holds the other.
    #[must_use]
    pub fn overlaps(self, other: Self) -> bool {
        let (one, another) = (self.address(), other.address());
        let width = one.width();
        let shorter = mask(width, self.length.min(other.length));
        width == another.width() && one.bits() & shorter == another.bits() & shorter
    }

    /// How many addresses the prefix holds; none when it is 2^128.
    #[must_use]
    pub fn size(self) -> Option<u128> {
        1_u128.checked_shl(u32::from(self.address().width() - self.length))
    }
}

/// The most addresses of a pool: 4 MiB of slots.
pub const POOL_ADDRESSES: u128 = 1 << 20;

/// An address range that is handed out densely, so that an array holds what belongs to each address.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Pool {
    first: TunnelAddress,
    size: u32,
}

impl Pool {
    /// The pool of a prefix; none where it holds more than [`POOL_ADDRESSES`].
    #[must_use]
    pub fn of(range: Prefix) -> Option<Self> {
        let size = range.size().filter(|size| *size <= POOL_ADDRESSES)?;
        Some(Self { first: range.address(), size: u32::try_from(size).ok()? })
    }

    /// A pool of so many addresses from this one on.
    #[must_use]
    pub const fn from_first(first: TunnelAddress, size: u32) -> Self {
        Self { first, size }
    }

    /// The first address.
    #[must_use]
    pub const fn first(self) -> TunnelAddress {
        self.first
    }

    /// How many addresses it holds.
    #[must_use]
    pub const fn size(self) -> u32 {
        self.size
    }

    /// How far into the pool an address lies; none where it lies outside.
    #[inline]
    #[must_use]
    pub fn offset_of(self, address: TunnelAddress) -> Option<usize> {
        let offset = match (address, self.first) {
            (TunnelAddress::V4(bits), TunnelAddress::V4(first)) => bits.checked_sub(first)?,
            (TunnelAddress::V6(bits), TunnelAddress::V6(first)) => {
                u32::try_from(bits.checked_sub(first)?).ok()?
            }
            _ => return None,
        };
        (offset < self.size).then_some(offset as usize)
    }

    /// The address so far into the pool, which holds it.
    #[must_use]
    pub fn address_at(self, offset: usize) -> TunnelAddress {
        let bits = self.first.bits() + offset as u128;
        match self.first {
            TunnelAddress::V4(_) => TunnelAddress::V4(word(half(bits))),
            TunnelAddress::V6(_) => TunnelAddress::V6(bits),
        }
    }
}

/// Bits before an IPv4 address that is written as an IPv6 one, and their value.
///
/// # Source
/// RFC 4291, section 2.5.5.2.
const MAPPED: (u8, u128) = (96, 0xffff);

/// An IPv4 address and length, where an IPv6 one stands for it.
fn unmapped(address: TunnelAddress, length: u8) -> (TunnelAddress, u8) {
    match address {
        TunnelAddress::V6(bits) if bits >> 32 == MAPPED.1 && length >= MAPPED.0 => {
            (TunnelAddress::V4(word(half(bits))), length - MAPPED.0)
        }
        _ => (address, length),
    }
}

/// The low half.
const fn half(bits: u128) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = bits.to_le_bytes();
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

/// The low half.
const fn word(bits: u64) -> u32 {
    let [a, b, c, d, ..] = bits.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

/// The network bits of a prefix of this length, in the low `width` bits.
#[must_use]
pub const fn mask(width: u8, length: u8) -> u128 {
    let all = if width == 128 { u128::MAX } else { (1 << width) - 1 };
    let host_bits = width - length;
    if host_bits == 128 { 0 } else { all & (u128::MAX << host_bits) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_around_an_address_leaves_out_what_is_past_its_length() {
        for (text, prefix) in [
            ("10.8.0.77/24", "10.8.0.0/24"),
            ("10.8.0.77", "10.8.0.77/32"),
            ("1.2.3.4/0", "0.0.0.0/0"),
            ("fd42::9/126", "fd42::8/126"),
            ("::ffff:10.8.0.7/128", "10.8.0.7"),
            ("fd42::9/0", "::/0"),
        ] {
            assert!(Prefix::parse_around(text) == Prefix::parse(prefix).ok(), "{text}");
        }
        for text in ["", "10.8.0.7/", "10.8.0.7/33", "10.8.0.7/+8", "fd42::/129", "x/8", "10.8.0.7/8/8"] {
            assert!(Prefix::parse_around(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_bare_address_is_a_host() {
        assert!(Prefix::parse("10.8.0.6").is_ok_and(Prefix::is_host));
        assert!(Prefix::parse("fd42::6").is_ok_and(Prefix::is_host));
        assert!(Prefix::parse("::/0").is_ok_and(|prefix| prefix.size().is_none()));
        assert!(Prefix::parse("0.0.0.0/0").is_ok_and(|prefix| prefix.size() == Some(1 << 32)));
    }

    #[test]
    fn a_wrong_prefix_says_what_is_wrong_and_not_which_it_is() {
        for (text, error) in [
            ("", PrefixError::NotAnAddress),
            ("10.8.0", PrefixError::NotAnAddress),
            ("alice", PrefixError::NotAnAddress),
            ("fe80::1%eth0", PrefixError::NotAnAddress),
            ("10.8.0.0/33", PrefixError::Length(32)),
            ("10.8.0.0/+8", PrefixError::Length(32)),
            ("10.8.0.0/", PrefixError::Length(32)),
            ("fd42::/129", PrefixError::Length(128)),
            ("10.8.0.1/24", PrefixError::HostBits),
        ] {
            assert_eq!(Prefix::parse(text).err(), Some(error));
            assert!(text.is_empty() || !error.to_string().contains(text));
        }
    }

    #[test]
    fn an_ipv4_address_that_is_written_as_an_ipv6_one_is_the_ipv4_address() {
        for (written, meant) in [
            ("::ffff:10.8.0.5", "10.8.0.5"),
            ("::ffff:a08:5", "10.8.0.5/32"),
            ("::FFFF:10.8.0.5/128", "10.8.0.5"),
            ("::ffff:10.8.0.0/112", "10.8.0.0/16"),
            ("::ffff:0:0/96", "0.0.0.0/0"),
        ] {
            assert!(Prefix::parse(written).unwrap() == Prefix::parse(meant).unwrap(), "{written}");
        }
        assert_eq!(Prefix::parse("::ffff:10.8.0.5/112").err(), Some(PrefixError::HostBits));
        assert!(Prefix::parse("::/0").unwrap().address() == TunnelAddress::V6(0));
    }

    #[test]
    fn what_no_client_can_have_is_told() {
        let is_nobodys = |text| Prefix::parse(text).expect("a prefix").is_nobodys();
        for text in ["127.0.0.1", "127.0.0.0/8", "0.0.0.0", "0.0.0.7", "::", "::1", "::10.8.0.5", "::/96"] {
            assert!(is_nobodys(text), "{text}");
        }
        for text in
            ["10.8.0.5", "0.0.0.0/0", "0.0.0.0/1", "128.0.0.1", "::/0", "::/64", "fe80::1", "::ffff:10.8.0.5"]
        {
            assert!(!is_nobodys(text), "{text}");
        }
    }

    #[test]
    fn what_is_of_the_link_is_told_by_either_address() {
        let of = |source: &str, destination: &str| {
            let address = |text: &str| Prefix::parse(text).unwrap().address();
            is_of_the_link(address(source), address(destination))
        };
        for (other, inside, outside) in [
            ("10.0.0.1", ["169.254.0.0", "169.254.255.255"], ["169.253.255.255", "169.255.0.0"]),
            ("fd42::1", ["fe80::", "febf:ffff::1"], ["fe7f:ffff::1", "fec0::"]),
        ] {
            assert!(inside.iter().all(|address| of(address, other) && of(other, address)));
            assert!(!outside.iter().any(|address| of(address, other) || of(other, address)));
        }
        // A group is a destination; as a source it is nonsense, and nobody's.
        for group in ["224.0.0.0", "239.255.255.255", "255.255.255.255", "ff00::", "ff02::16"] {
            let other = if group.contains(':') { "2001:db8::1" } else { "192.0.2.1" };
            assert!(of(other, group) && !of(group, other), "{group}");
        }
        for (source, destination) in [("192.0.2.1", "240.0.0.1"), ("fd42::1", "feff::1")] {
            assert!(!of(source, destination));
        }
    }

    #[test]
    fn prefixes_sort_by_family_and_address() {
        let texts =
            ["0.0.0.0/0", "10.8.0.0/16", "10.8.0.0/24", "10.8.0.0", "192.0.2.0", "::/0", "::1", "fd42::1"];
        let prefixes = texts.map(|text| Prefix::parse(text).unwrap());
        assert!(prefixes.is_sorted());
    }

    #[test]
    fn an_offset_leads_to_its_address_and_back() {
        for (range, address, offset) in [
            ("10.8.0.0/16", "10.8.1.2", Some(258)),
            ("10.8.0.0/16", "10.9.0.0", None),
            ("10.8.0.0/16", "10.7.255.255", None),
            ("10.8.0.0/16", "::", None),
            ("fd42::/108", "fd42::f:ffff", Some(0xf_ffff)),
            ("fd42::/108", "fd42::10:0", None),
            ("fd42::/108", "fd42:0:0:1::", None),
            ("255.255.255.255", "255.255.255.255", Some(0)),
        ] {
            let pool = Pool::of(Prefix::parse(range).unwrap()).expect("it is small enough");
            let address = Prefix::parse(address).unwrap().address();
            assert_eq!(pool.offset_of(address), offset);
            assert!(offset.is_none_or(|offset| pool.address_at(offset) == address));
        }
        for (range, fits) in [("10.0.0.0/12", true), ("10.0.0.0/11", false), ("::/0", false)] {
            assert!(Pool::of(Prefix::parse(range).unwrap()).is_some() == fits);
        }
    }
}
