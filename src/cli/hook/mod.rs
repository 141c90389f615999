//! `blindmeter hook`: what a VPN server tells its hooks, handed over to the daemon. One file per server.
//!
//! A server waits for its hook, and takes one that fails for a refusal: a hook always ends with 0, within 50 ms.
//! What it was told beside the address and the account (real addresses, times, counts, devices) is not read.

mod ipsec;
mod network;
mod ocserv;
mod openvpn;
mod ppp;
mod session;

use super::connection::Daemon;
use super::output;
use crate::control::hook::Hook;
use crate::control::protocol::Request;
use crate::exit::{ExitError, ExitStatus};
use clap::Subcommand;
use session::Variables;
use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::Path;

/// Whose hook it is.
#[derive(Subcommand)]
pub(super) enum Command {
    /// OpenVPN's learn-address: `learn-address "/usr/bin/blindmeter hook openvpn"`
    Openvpn {
        /// What OpenVPN appends: add, update or delete, an address, and the client's common name
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
        words: Vec<OsString>,
    },
    /// ocserv's connect-script and disconnect-script
    Ocserv {
        /// None is read
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
        words: Vec<OsString>,
    },
    /// The updown script of strongSwan and libreswan
    Ipsec {
        /// None is read
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
        words: Vec<OsString>,
    },
    /// The scripts ip-up, ip-down, ipv6-up and ipv6-down of pppd and accel-ppp
    Ppp {
        /// Which of them it is
        event: ppp::Event,
        /// What the script was called with
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
        words: Vec<OsString>,
    },
    /// A log-in that failed, of whichever server: counted, and nobody is named
    Failed {
        /// None is read
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
        words: Vec<OsString>,
    },
}

/// Tells the daemon what the server says.
pub(super) fn run(command: &Command, daemon: &Daemon) {
    let variables: Variables<'_> = &|name| std::env::var_os(name).filter(|value| !value.is_empty());
    let requests = match command {
        Command::Openvpn { words } => openvpn::requests(words),
        Command::Ocserv { .. } => ocserv::requests(variables),
        Command::Ipsec { .. } => ipsec::requests(variables),
        Command::Ppp { event, words } => ppp::requests(*event, words, variables),
        Command::Failed { .. } => vec![Request::FailedLogIn {}],
    };
    if requests.is_empty() {
        return complain("no address and account to tell; call it as the server's own hook");
    }
    let socket = match daemon.socket() {
        Ok(socket) => socket,
        Err(error) => return complain(&error.message),
    };
    hand_over(&socket, |hook| {
        requests.iter().try_for_each(|request| {
            hook.ask(request).map_err(|error| {
                ExitError::new(ExitStatus::Unavailable, format!("{}: {error}", socket.display()))
            })
        })
    });
}

/// Hands over what `each` asks for, as a hook does, and waits until it is in force, but not for long.
pub(super) fn hand_over(socket: &Path, each: impl FnOnce(&mut Hook) -> Result<(), ExitError>) {
    let mut hook = Hook::begin(socket);
    let handed = each(&mut hook).err().map(|error| error.message);
    let answered = hook.await_answers().unwrap_or_else(|error| Some(error.to_string()));
    if let Some(what) = handed.or(answered) {
        complain(&what);
    }
}

/// What went wrong is told on a terminal alone: a server would write it into a log, with the time.
fn complain(what: &str) {
    if std::io::stderr().is_terminal() {
        output::error(what);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::protocol::Request;
    use crate::roster::account::AccountName;
    use crate::roster::address::Prefix;
    use crate::roster::sources::mutated;
    use std::os::unix::ffi::OsStringExt;

    /// Words and variables of the corpus, altered: what a hook asks for is an address and an account, or it asks for
    /// nothing.
    #[test]
    fn altered_words_ask_for_an_address_and_an_account_or_for_nothing() {
        mutated::inputs("hooks", |input| {
            let lines = input.split(|byte| *byte == b'\n').take(30);
            let is_variable =
                |line: &&[u8]| line.first().is_some_and(u8::is_ascii_uppercase) && line.contains(&b'=');
            let (variables, words): (Vec<&[u8]>, Vec<&[u8]>) = lines.partition(is_variable);
            let words: Vec<OsString> =
                words.into_iter().map(|word| OsString::from_vec(word.to_vec())).collect();
            let variable = |name: &str| {
                let value =
                    |line: &&[u8]| line.strip_prefix(name.as_bytes())?.strip_prefix(b"=").map(<[u8]>::to_vec);
                variables.iter().find_map(value).filter(|value| !value.is_empty()).map(OsString::from_vec)
            };
            let asked = [
                openvpn::requests(&words),
                ocserv::requests(&variable),
                ipsec::requests(&variable),
                ppp::requests(ppp::Event::Up, &words, &variable),
                ppp::requests(ppp::Event::Down, &words, &variable),
            ];
            for request in asked.iter().flatten() {
                match request {
                    Request::Assign { prefix, account, .. } => {
                        assert!(Prefix::parse(prefix).is_ok() && AccountName::parse(account).is_ok());
                    }
                    Request::Unassign { prefix, .. } => assert!(Prefix::parse(prefix).is_ok()),
                    _ => panic!("a hook asks for nothing else"),
                }
            }
            asked.map(|requests| requests.len())
        });
    }
}
