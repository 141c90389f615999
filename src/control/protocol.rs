//! The words that cross the control socket. No behaviour.

use super::reports::{AccountExport, AccountView, NodeExport};
use serde::{Deserialize, Serialize};

/// Longest request line, in bytes: an account name percent-encoded throughout fits ten times.
pub const LINE_BYTES: usize = 4096;

/// Largest roster text of a `sync`, in bytes: a million lines of a hundred bytes.
pub const SYNC_BYTES: usize = 100 << 20;

/// What a client may ask.
#[derive(Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Give a prefix to an account.
    Assign {
        /// The prefix.
        prefix: String,
        /// The account.
        account: String,
    },
    /// Take back the control socket's assignment of a prefix.
    Unassign {
        /// The prefix.
        prefix: String,
    },
    /// Replace all of the control socket's assignments; the roster text follows the line.
    Sync {
        /// Length of the text.
        bytes: usize,
    },
    /// Numbers about the roster.
    Counts {},
    /// The state of the daemon.
    Status {},
    /// One account's band and flags.
    Show {
        /// The account.
        account: String,
    },
    /// Everything held about one account.
    Export {
        /// The account.
        account: String,
        /// Whether the open epoch is asked for.
        open_epoch: bool,
    },
    /// The node's exact counts.
    ExportNode {},
    /// How often bands were looked up and accounts exported.
    Asked {},
}

/// What the daemon answers.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Done.
    Done {},
    /// The reply to `counts`.
    Counts(CountsReport),
    /// The reply to `status`.
    Status(StatusReport),
    /// The reply to `show`.
    Account(AccountView),
    /// The reply to `export`.
    Export(AccountExport),
    /// The reply to `export_node`.
    Node(NodeExport),
    /// The reply to `asked`: how often, since the period began.
    Asked {
        /// Look-ups of bands.
        look_ups: u64,
        /// Exports of accounts.
        exports: u64,
    },
    /// It was refused, or it failed.
    Error {
        /// Exit code for the client.
        code: u8,
        /// One line; it repeats nothing of the request.
        message: String,
    },
}

/// Numbers about the roster.
#[derive(Serialize, Deserialize)]
pub struct CountsReport {
    /// The version of the report's form.
    pub schema_version: u32,
    /// One entry a source.
    pub sources: Vec<SourceReport>,
    /// Prefixes that two sources give to different accounts; latched, rounded up to 8.
    pub conflicts: u64,
    /// Lines of servers' files that could not be read.
    pub skipped_lines: u64,
}

/// Numbers about one source.
#[derive(Serialize, Deserialize)]
pub struct SourceReport {
    /// Its name.
    pub source: String,
    /// Prefixes that it assigns.
    pub prefixes: u64,
    /// Accounts that own one of them.
    pub accounts: u64,
    /// True when the figures were latched at the last close and rounded up to 8.
    pub latched: bool,
}

/// The state of the daemon; nothing in it depends on traffic.
#[derive(Serialize, Deserialize)]
pub struct StatusReport {
    /// The version of the report's form.
    pub schema_version: u32,
    /// The tap in use.
    pub backend: String,
    /// One entry an interface pattern.
    pub interfaces: Vec<InterfaceReport>,
    /// One entry a roster source.
    pub sources: Vec<SourceState>,
    /// Whether the last close succeeded; true before the first.
    pub last_close_ok: bool,
    /// Whether the last save succeeded; true in memory mode.
    pub last_save_ok: bool,
    /// Whether the last reload was accepted.
    pub reload_ok: bool,
    /// Prefixes in conflict; latched, rounded up to 8.
    pub conflicts: u64,
    /// The level of the sandbox in force: full, partial or none.
    pub sandbox: String,
    /// Parts of it that are not in force.
    pub sandbox_missing: Vec<String>,
    /// System calls that the daemon is left with.
    pub system_calls: usize,
    /// The profile of the floors.
    pub profile: String,
}

/// The state of an interface pattern.
#[derive(Serialize, Deserialize)]
pub struct InterfaceReport {
    /// The pattern.
    pub interface: String,
    /// A name: attached. A glob: nothing that matches failed to attach.
    pub attached: bool,
}

/// The state of a roster source.
#[derive(Serialize, Deserialize)]
pub struct SourceState {
    /// Its name.
    pub source: String,
    /// Whether it was read.
    pub up: bool,
}

impl StatusReport {
    /// The sandbox in words: its level, what of it is missing, how many system calls are left.
    #[must_use]
    pub fn sandbox_line(&self) -> String {
        let missing = match self.sandbox_missing.as_slice() {
            [] => String::new(),
            missing => format!(", without {}", missing.join(", ")),
        };
        format!("{}{missing}, {} system calls", self.sandbox, self.system_calls)
    }

    /// True when nothing is degraded.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.interfaces.iter().all(|interface| interface.attached)
            && self.sources.iter().all(|source| source.up)
            && self.last_close_ok
            && self.last_save_ok
    }
}
