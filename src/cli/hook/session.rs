//! What a server says of a session, as requests to the daemon.
//!
//! Holds an address and a name only while the hook runs.

use crate::control::protocol::{Connection, Request};
use crate::roster::account::AccountName;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

/// Reads one variable of the environment; no other is looked at.
pub(super) type Variables<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// The connection that a variable numbers; none where it is no number.
pub(super) fn numbered(variables: Variables<'_>, name: &str, is_renumbered: bool) -> Option<Connection> {
    let number = variables(name)?.to_str()?.parse().ok()?;
    Some(Connection { number, is_renumbered })
}

/// The requests of a session that begins: each of its prefixes is this account's.
pub(super) fn begins(
    prefixes: Vec<String>,
    account: Option<&OsString>,
    session: Option<Connection>,
) -> Vec<Request> {
    let Some(account) = account.and_then(|bytes| AccountName::of_bytes(bytes.as_bytes()).ok()) else {
        return Vec::new();
    };
    let assign =
        |prefix| Request::Assign { prefix, account: account.reveal().to_owned(), interface: None, session };
    prefixes.into_iter().map(assign).collect()
}

/// The requests of a session that ends.
pub(super) fn ends(prefixes: Vec<String>, session: Option<Connection>) -> Vec<Request> {
    prefixes.into_iter().map(|prefix| Request::Unassign { prefix, interface: None, session }).collect()
}

/// What a server's hook makes of these variables, as lines: for the tests of each.
#[cfg(test)]
pub(super) fn told(
    variables: &[(&str, &str)],
    requests: impl Fn(Variables<'_>) -> Vec<Request>,
) -> Vec<String> {
    let value = |name: &str| {
        let found = variables.iter().find(|(known, _)| *known == name)?;
        Some(OsString::from(found.1))
    };
    lines(&requests(&value))
}

/// Requests as lines, for the tests of each server.
#[cfg(test)]
pub(super) fn lines(requests: &[Request]) -> Vec<String> {
    let of = |session: &Option<Connection>| {
        let sign = |renumbered| if renumbered { "+" } else { "" };
        session.map_or_else(String::new, |of| format!(" #{}{}", of.number, sign(of.is_renumbered)))
    };
    let line = |request: &Request| match request {
        Request::Assign { prefix, account, session, .. } => format!("{prefix} {account}{}", of(session)),
        Request::Unassign { prefix, session, .. } => format!("{prefix}{}", of(session)),
        _ => "another request".to_owned(),
    };
    requests.iter().map(line).collect()
}
