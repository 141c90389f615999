//! The scripts of pppd (L2TP, PPTP, PPPoE) and accel-ppp: the tunnel address is an argument, the account in the
//! environment.
//!
//! # Source
//! pppd(8), SCRIPTS: interface, tty, speed, local and remote address, ipparam; PPPD_PID is the connection's
//! process; accel-ppp,
//! accel-pppd/extra/pppd_compat.c: IPV6_PREFIX and IPV6_DELEGATED_PREFIX. CALLING_SID, CONNECT_TIME and the like
//! are not read.

use super::network;
use super::session::{Variables, begins, ends, numbered};
use crate::control::protocol::Request;
use clap::ValueEnum;
use std::ffi::OsString;

/// Which of the scripts it is.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub(in crate::cli) enum Event {
    /// ip-up or ipv6-up.
    Up,
    /// ip-down or ipv6-down.
    Down,
}

/// Where the remote address stands.
const REMOTE: usize = 4;

/// What the words and variables of this script ask for. A link-local address, which is all that pppd itself knows
/// of IPv6, is nobody's.
pub(super) fn requests(event: Event, words: &[OsString], variables: Variables<'_>) -> Vec<Request> {
    let remote = words.get(REMOTE).cloned().or_else(|| variables("IPREMOTE"));
    let named = ["IPV6_PREFIX", "IPV6_DELEGATED_PREFIX"].into_iter().filter_map(variables);
    let prefixes = remote.into_iter().chain(named).filter_map(|text| network::prefix(&text)).collect();
    let session = numbered(variables, "PPPD_PID", false);
    match event {
        Event::Up => begins(prefixes, variables("PEERNAME").as_ref(), session),
        Event::Down => ends(prefixes, session),
    }
}

#[cfg(test)]
mod tests {
    use super::super::session;
    use super::*;

    #[test]
    fn what_comes_up_and_goes_down_is_told() {
        let told = |event, words: &str, variables: &[(&str, &str)]| {
            let words: Vec<OsString> = words.split_whitespace().map(OsString::from).collect();
            session::told(variables, |variables| requests(event, &words, variables))
        };
        let peer = [("PEERNAME", "alice"), ("IPREMOTE", "10.5.0.9")];
        let script = "ppp0 /dev/pts/1 115200 10.5.0.1 10.5.0.7 ipparam";
        assert_eq!(told(Event::Up, script, &peer), ["10.5.0.7/32 alice"]);
        assert_eq!(told(Event::Down, script, &peer), ["10.5.0.7/32"]);
        let process = [("PEERNAME", "alice"), ("PPPD_PID", "812")];
        assert_eq!(told(Event::Up, script, &process), ["10.5.0.7/32 alice #812"]);
        assert_eq!(told(Event::Down, script, &process), ["10.5.0.7/32 #812"]);
        assert_eq!(told(Event::Up, "", &peer), ["10.5.0.9/32 alice"]);
        assert!(told(Event::Up, "ppp0 /dev/pts/1 115200 fe80::1 fe80::2", &peer).is_empty());
        let six =
            [("PEERNAME", "alice"), ("IPV6_PREFIX", "fd05:1::77/64"), ("IPV6_DELEGATED_PREFIX", "fd06::/56")];
        assert_eq!(
            told(Event::Up, "ppp0 tty 0 fe80::1 fe80::2", &six),
            ["fd05:1::/64 alice", "fd06::/56 alice"]
        );
        assert!(told(Event::Up, script, &[]).is_empty(), "nobody's");
    }
}
