//! What is wrong with a web configuration file, in words; never what stands in it.

use std::io;

/// What is wrong with a web configuration file or a file that it names, and on which of its lines.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct WebError {
    line: usize,
    what: String,
}

impl WebError {
    pub(super) fn new(line: usize, what: impl Into<String>) -> Self {
        Self { line, what: what.into() }
    }
}

/// Why a file cannot be read, with the remedy that an operator may not think of.
pub(super) fn unreadable(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::PermissionDenied => format!(
            "cannot be read: {error}; make it readable by the daemon's user, and restart the daemon if the \
             folder was not in the configuration before"
        ),
        _ => format!("cannot be read: {error}"),
    }
}
