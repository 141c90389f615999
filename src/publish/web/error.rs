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
            "cannot be read: {error}; it must be open to the daemon's user, and a folder that is new to the \
             daemon needs a restart"
        ),
        _ => format!("cannot be read: {error}"),
    }
}
