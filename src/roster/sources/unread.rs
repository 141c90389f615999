//! What a part of a source says when it is asked, or why it could not be read. The reason carries nothing of what
//! it said.

use super::super::address::Prefix;
use super::super::error::RosterError;
use crate::meter::tags::Tag;
use std::io;

/// What a part of a source says: whose each prefix is.
pub type Said = Result<Vec<(Prefix, Tag)>, Unread>;

/// Why a source could not be read, or what it said not be put in force.
#[derive(Debug, thiserror::Error)]
pub enum Unread {
    /// The operating system's word.
    #[error("cannot be read: {}{}", .0, remedy(.0))]
    Refused(io::Error),
    /// Nothing came in time.
    #[error("does not answer")]
    Stalled,
    /// The answer is not whole.
    #[error("its answer breaks off")]
    BrokenOff,
    /// The answer is none. Not where it goes wrong: that would tell how many clients stand before.
    #[error("its answer is not understood")]
    Malformed,
    /// No two answers were alike.
    #[error("changes faster than it can be read")]
    Unstable,
    /// More than a server can have.
    #[error("names more than {0} prefixes")]
    TooMany(usize),
    /// A file that the operating system does not give out.
    #[error("cannot be read: {}{}", .0, remedy_of_file(.0))]
    File(io::Error),
    /// A vici socket that the operating system does not open.
    #[error("cannot be asked: {}{}", .0, remedy_of_vici(.0))]
    Vici(io::Error),
    /// A row of a status file; not which, since that would tell how many clients there are.
    #[error("has a row that is not understood")]
    Row,
    /// Nobody has written the file for so long.
    #[error("has not been written for ten minutes; has its server ended?")]
    NotWritten,
    /// OpenVPN's status version 1, which is for people.
    #[error("is of status version 1; set `status-version 3` in the server's configuration")]
    VersionOne,
    /// OpenVPN bridges.
    #[error(
        "is of a server in TAP mode, whose clients have no address that it knows; use `dev tun`, or roster.file"
    )]
    TapMode,
    /// The process that reads it is gone.
    #[error("the roster reader has ended (killed, or out of memory?); restart blindmeter")]
    ReaderEnded,
    /// The roster has no room for it.
    #[error("{0}")]
    NoRoom(RosterError),
    /// The tap was busy.
    #[error("the tap did not catch up within two seconds")]
    Busy,
}

impl Unread {
    /// What holds meanwhile.
    #[must_use]
    pub const fn consequence(&self) -> &'static str {
        match self {
            Self::NoRoom(_) => "whoever it names beyond that is counted as nobody",
            _ => "what it said last stays in force",
        }
    }

    /// Whether clients bring it about by coming and going, so that it is told at a close alone (privacy: L26).
    #[must_use]
    pub const fn is_of_clients(&self) -> bool {
        match self {
            Self::Unstable | Self::TooMany(_) | Self::Row | Self::TapMode | Self::NoRoom(_) | Self::Busy => {
                true
            }
            Self::Refused(_)
            | Self::Stalled
            | Self::BrokenOff
            | Self::Malformed
            | Self::File(_)
            | Self::Vici(_)
            | Self::NotWritten
            | Self::VersionOne
            | Self::ReaderEnded => false,
        }
    }
}

/// What to do about a file that cannot be read.
fn remedy_of_file(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(libc::EACCES | libc::EPERM) => {
            "; make it before the server starts, with mode 0640 and the daemon's group (docs/openvpn.md)"
        }
        Some(libc::ENOENT) => "; does the server's `status` name this file, and does it run?",
        _ => "",
    }
}

/// What to do about a vici socket that does not open.
fn remedy_of_vici(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(libc::EACCES) => {
            "; let the daemon's user use it, which lets it end tunnels too (docs/strongswan.md)"
        }
        Some(libc::ENOENT | libc::ECONNREFUSED) => "; does charon run, with its plugin vici?",
        _ => "",
    }
}

/// What to do about an error of the operating system.
fn remedy(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(libc::EACCES) => "; the device's program lets root alone ask it (docs/wireguard.md)",
        Some(libc::EPERM) => "; let the daemon start with CAP_NET_ADMIN, or as root",
        Some(libc::ENODEV | libc::ENOENT) => "; start the WireGuard device",
        Some(libc::EOPNOTSUPP) => "; name a WireGuard device",
        Some(libc::ECONNREFUSED) => "; its program has ended; start it again",
        _ => "",
    }
}
