//! An address as servers write it, as a prefix as the daemon takes it.
//!
//! Text in, text out: nothing is kept, and nothing is printed.
#![expect(clippy::disallowed_types, reason = "a text is looked at and passed on as a text")]

use std::ffi::OsStr;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The prefix of `ADDRESS` or `ADDRESS/LENGTH`. Bits past the length are cleared: servers name a client's own
/// address with the length of its network. None for what no account's tunnel address can be: another kind of
/// address, one of the link alone, or a whole family.
pub(super) fn prefix(text: &OsStr) -> Option<String> {
    let text = text.to_str()?;
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length.parse::<u32>().ok()?)),
        None => (text, None),
    };
    let address = address.parse::<IpAddr>().ok()?.to_canonical();
    let (length, network) = match address {
        IpAddr::V4(v4) => {
            let length = length.unwrap_or(32);
            let bits = v4.to_bits() & u32::MAX.checked_shl(32_u32.checked_sub(length)?).unwrap_or(0);
            (length, IpAddr::V4(Ipv4Addr::from_bits(bits)))
        }
        IpAddr::V6(v6) => {
            let length = length.unwrap_or(128);
            let bits = v6.to_bits() & u128::MAX.checked_shl(128_u32.checked_sub(length)?).unwrap_or(0);
            (length, IpAddr::V6(Ipv6Addr::from_bits(bits)))
        }
    };
    let is_of_the_link = match network {
        IpAddr::V4(v4) => v4.is_link_local() || v4.is_multicast() || v4.is_unspecified(),
        IpAddr::V6(v6) => v6.is_unicast_link_local() || v6.is_multicast() || v6.is_unspecified(),
    };
    (length > 0 && !is_of_the_link).then(|| format!("{network}/{length}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_become_the_prefixes_that_the_daemon_takes() {
        let of = |text: &str| prefix(OsStr::new(text));
        for (text, expected) in [
            ("10.8.0.6", "10.8.0.6/32"),
            ("10.9.0.0/24", "10.9.0.0/24"),
            ("10.9.0.7/24", "10.9.0.0/24"),
            ("2001:db8::6", "2001:db8::6/128"),
            ("2001:db8::5:6/64", "2001:db8::/64"),
            ("::ffff:10.8.0.6", "10.8.0.6/32"),
        ] {
            assert_eq!(of(text).as_deref(), Some(expected));
        }
        for text in [
            "",
            "0.0.0.0/0",
            "::/0",
            "0.0.0.0",
            "fe80::1",
            "169.254.3.4",
            "ff02::1",
            "aa:bb:cc:dd:ee:ff",
            "aa:bb:cc:dd:ee:ff@0",
            "10.8.0.6/33",
            "10.8.0.6/",
            "10.8.0.6/a",
            "2001:db8::/129",
            "alice",
        ] {
            assert_eq!(of(text), None, "{text}");
        }
    }
}
