//! OpenVPN's `learn-address`: the server appends what it learned to the command.
//!
//! # Source
//! openvpn(8), --learn-address; src/openvpn/multi.c (learn_address_script): a deletion has no common name and an
//! empty environment, and each family of a client comes in a call of its own. A client whose address is moved
//! (2.7) is deleted and added.

use super::network;
use super::session::{begins, ends};
use crate::control::protocol::Request;
use std::ffi::OsString;

/// What OpenVPN says of a client before it knows its name.
const UNKNOWN: &str = "UNDEF";

/// What these words ask for: OpenVPN waits for each call, so that they come in their order; nothing for a MAC address, as of a tap device: packets there carry the addresses of
/// whoever lies behind.
pub(super) fn requests(words: &[OsString]) -> Vec<Request> {
    let [operation, address, name @ ..] = words else { return Vec::new() };
    let prefixes: Vec<String> = network::prefix(address).into_iter().collect();
    match operation.to_str() {
        Some("add" | "update") => begins(prefixes, name.first().filter(|name| *name != UNKNOWN), None),
        Some("delete") => ends(prefixes, None),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::session::lines;
    use super::*;

    #[test]
    fn what_openvpn_learns_is_told() {
        let told = |words: &str| lines(&requests(&words.split(' ').map(OsString::from).collect::<Vec<_>>()));
        assert_eq!(told("add 10.8.0.6 alice"), ["10.8.0.6/32 alice"]);
        assert_eq!(told("update 10.8.0.6 bob"), ["10.8.0.6/32 bob"]);
        assert_eq!(told("delete 10.8.0.6"), ["10.8.0.6/32"]);
        assert_eq!(told("add 10.9.0.0/24 alice"), ["10.9.0.0/24 alice"]);
        assert_eq!(told("add 2001:db8::/112 --config"), ["2001:db8::/112 --config"]);
        for words in [
            "add 10.8.0.6",
            "add 10.8.0.6 UNDEF",
            "add aa:bb:cc:dd:ee:ff alice",
            "add",
            "",
            "ping 10.8.0.6 a",
        ] {
            assert!(told(words).is_empty(), "{words}");
        }
        let spaced = ["add", "10.8.0.6", "Ann, Lee"].map(OsString::from);
        assert_eq!(lines(&requests(&spaced)), ["10.8.0.6/32 Ann%2C%20Lee"]);
    }
}
