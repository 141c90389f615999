//! The updown script of strongSwan and libreswan: everything is in the environment, and it is called for each pair
//! of networks.
//!
//! # Source
//! strongSwan, src/libcharon/plugins/updown/updown_listener.c and src/_updown/_updown.in; ipsec_pluto(8) of
//! libreswan. A rekeying is no news, and gives the connection a higher PLUTO_UNIQUEID (strongSwan's; libreswan has
//! none). A dead connection ends minutes after its client has come again, at the same address.

use super::network;
use super::session::{Variables, begins, ends, numbered};
use crate::control::protocol::Request;

/// Who the peer is: the name it logged in with, before the identity of its certificate or key.
const ACCOUNTS: [&str; 3] = ["PLUTO_XAUTH_ID", "PLUTO_USERNAME", "PLUTO_PEER_ID"];

/// What these variables ask for. Between two hosts there is no tunnel address, only the real one.
pub(super) fn requests(variables: Variables<'_>) -> Vec<Request> {
    let prefix = |name| variables(name).and_then(|value| network::prefix(&value));
    let client = prefix("PLUTO_PEER_CLIENT").filter(|client| prefix("PLUTO_PEER").as_ref() != Some(client));
    // In transport mode what is protected goes between the real addresses, behind a NAT too.
    let is_transport = variables("PLUTO_CONNECTION_TYPE").is_some_and(|kind| kind == "transport");
    let prefixes: Vec<String> = client.into_iter().filter(|_| !is_transport).collect();
    let session = numbered(variables, "PLUTO_UNIQUEID", true);
    match variables("PLUTO_VERB").as_deref().and_then(|verb| verb.to_str()) {
        Some("up-client" | "up-client-v6") => {
            begins(prefixes, ACCOUNTS.into_iter().find_map(variables).as_ref(), session)
        }
        Some("down-client" | "down-client-v6") => ends(prefixes, session),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::session::told;
    use super::*;

    #[test]
    fn what_comes_up_and_goes_down_is_told() {
        let of = |verb, more: &[(&'static str, &'static str)]| {
            let peer =
                [("PLUTO_VERB", verb), ("PLUTO_PEER", "192.0.2.7"), ("PLUTO_PEER_ID", "C=CH, CN=alice")];
            told(&[&peer, more].concat(), requests)
        };
        let client = ("PLUTO_PEER_CLIENT", "10.3.0.1/32");
        assert_eq!(of("up-client", &[client]), ["10.3.0.1/32 C=CH%2C%20CN=alice"]);
        assert_eq!(of("up-client", &[client, ("PLUTO_XAUTH_ID", "bob")]), ["10.3.0.1/32 bob"]);
        assert_eq!(of("up-client", &[client, ("PLUTO_USERNAME", "carol")]), ["10.3.0.1/32 carol"]);
        assert_eq!(of("down-client", &[client]), ["10.3.0.1/32"]);
        assert_eq!(
            of("up-client", &[client, ("PLUTO_UNIQUEID", "3")]),
            ["10.3.0.1/32 C=CH%2C%20CN=alice #3+"]
        );
        assert_eq!(of("down-client", &[client, ("PLUTO_UNIQUEID", "9")]), ["10.3.0.1/32 #9+"]);
        assert!(of("up-client", &[client, ("PLUTO_CONNECTION_TYPE", "transport")]).is_empty());
        let six = ("PLUTO_PEER_CLIENT", "fd03::/64");
        assert_eq!(of("up-client-v6", &[six, ("PLUTO_XAUTH_ID", "bob")]), ["fd03::/64 bob"]);
        for (verb, client) in [
            ("up-host", "10.3.0.1/32"),
            ("route-client", "10.3.0.1/32"),
            ("up-client", "192.0.2.7/32"),
            ("up-client", "0.0.0.0/0"),
        ] {
            assert!(of(verb, &[("PLUTO_PEER_CLIENT", client)]).is_empty(), "{verb} {client}");
        }
    }
}
