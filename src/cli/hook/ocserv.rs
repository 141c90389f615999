//! ocserv's `connect-script` and `disconnect-script`: everything is in the environment.
//!
//! # Source
//! ocserv(8), connect-script; src/main-user.c (call_script): a client with IPv6 alone lacks IP_REMOTE, or has its
//! IPv6 address there; ID is the number of the connection's process. A client that comes again while its last
//! connection is not known to be dead keeps its addresses, and both scripts run at once. IP_REAL, USER_AGENT,
//! STATS_DURATION and the like are not read.

use super::network;
use super::session::{Variables, begins, ends, numbered};
use crate::control::protocol::Request;
use std::ffi::OsString;

/// What these variables ask for. A `host-update` changes no address.
pub(super) fn requests(variables: Variables<'_>) -> Vec<Request> {
    let mut prefixes: Vec<String> = Vec::new();
    for name in ["IP_REMOTE", "IPV6_REMOTE", "IPV6_PREFIX"] {
        let prefix = variables(name).and_then(|value| network::prefix(&of_network(name, value, variables)));
        prefixes.extend(prefix.filter(|prefix| !prefixes.contains(prefix)));
    }
    let session = numbered(variables, "ID", false);
    match variables("REASON").as_deref().and_then(|reason| reason.to_str()) {
        Some("connect") => begins(prefixes, variables("USERNAME").as_ref(), session),
        Some("disconnect") => ends(prefixes, session),
        _ => Vec::new(),
    }
}

/// A client's network is written as a prefix, or as the length of the one that its address lies in.
fn of_network(name: &str, value: OsString, variables: Variables<'_>) -> OsString {
    let is_length = name == "IPV6_PREFIX" && value.to_str().is_some_and(|text| text.parse::<u8>().is_ok());
    match variables("IPV6_REMOTE").filter(|_| is_length) {
        Some(mut address) => {
            address.push("/");
            address.push(value);
            address
        }
        None => value,
    }
}

#[cfg(test)]
mod tests {
    use super::super::session::told;
    use super::*;

    #[test]
    fn what_ocserv_tells_of_a_client_is_told() {
        let of = |reason, more: &[(&'static str, &'static str)]| {
            told(
                &[&[("REASON", reason), ("USERNAME", "alice"), ("IP_REAL", "192.0.2.7")], more].concat(),
                requests,
            )
        };
        let both = [("IP_REMOTE", "10.7.0.5"), ("IPV6_REMOTE", "fd07::5")];
        assert_eq!(of("connect", &both), ["10.7.0.5/32 alice", "fd07::5/128 alice"]);
        assert_eq!(of("disconnect", &both), ["10.7.0.5/32", "fd07::5/128"]);
        assert!(of("host-update", &both).is_empty() && of("connect", &[]).is_empty());
        let six = [("IP_REMOTE", "fd07::5"), ("IPV6_REMOTE", "fd07::5"), ("IPV6_PREFIX", "64")];
        assert_eq!(of("connect", &six), ["fd07::5/128 alice", "fd07::/64 alice"]);
        let written = [("IPV6_REMOTE", "fd07::5"), ("IPV6_PREFIX", "fd07:1::/64")];
        assert_eq!(of("connect", &written), ["fd07::5/128 alice", "fd07:1::/64 alice"]);
        let fifth = [("IP_REMOTE", "10.7.0.5"), ("ID", "4711")];
        assert_eq!(of("connect", &fifth), ["10.7.0.5/32 alice #4711"]);
        assert_eq!(of("disconnect", &fifth), ["10.7.0.5/32 #4711"]);
        assert!(told(&[("REASON", "connect"), ("IP_REMOTE", "10.7.0.5")], requests).is_empty(), "nobody's");
    }
}
