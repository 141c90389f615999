//! How a command fails: one line for the user, one exit status for the script.

use std::process::ExitCode;

/// A documented exit status.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum ExitStatus {
    /// A check found something, or a file is cut short.
    Found = 2,
    /// The privacy claim is void on this host.
    Void = 3,
    /// The command line is wrong.
    Usage = 64,
    /// The daemon cannot be reached, its helper has ended, or a port is taken.
    Unavailable = 69,
    /// A bug.
    Bug = 70,
    /// Input or output failed.
    Io = 74,
    /// A privilege or a role is missing.
    Permission = 77,
    /// The configuration is wrong.
    Config = 78,
}

impl ExitStatus {
    /// The status of this number, as the daemon's answer carries it; anything unknown is a bug.
    #[must_use]
    pub fn of_number(number: u8) -> Self {
        [Self::Found, Self::Usage, Self::Unavailable, Self::Io, Self::Permission, Self::Config]
            .into_iter()
            .find(|code| *code as u8 == number)
            .unwrap_or(Self::Bug)
    }
}

/// What stopped a command.
pub struct ExitError {
    /// The exit status.
    pub code: ExitStatus,
    /// One line: the file and line or the key, what is wrong, and what to do about it. Empty when
    /// nothing is left to say.
    pub message: String,
}

impl ExitError {
    /// An error with its one line.
    #[must_use]
    pub fn new(code: ExitStatus, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// Standard output cannot be written.
    #[must_use]
    pub fn output(error: &std::io::Error) -> Self {
        Self::new(ExitStatus::Io, format!("cannot write to standard output: {error}"))
    }
}

impl From<ExitError> for ExitCode {
    fn from(error: ExitError) -> Self {
        Self::from(error.code as u8)
    }
}
