//! The messages of the control socket. No behaviour.

use super::fleet_reports::{FleetConfirmation, FleetView};
use super::reports::{AccountExport, AccountView, ExportPlan, FlaggedReport, NodeExport};
use super::rights::{AuditReport, Correction, Erasure, PendingReport, Waiting};
use serde::{Deserialize, Serialize};

/// Longest request line, in bytes: room for ten fully percent-encoded account names.
pub const LINE_BYTES: usize = 4096;

/// Largest roster text of a `sync`, or text of names, in bytes: a million lines of a hundred bytes.
pub const SYNC_BYTES: usize = 100 << 20;

/// What a client may ask.
#[derive(Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Assign a prefix to an account.
    Assign {
        /// The prefix.
        prefix: String,
        /// The account.
        account: String,
        /// The interface that it holds on; every one without it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        interface: Option<String>,
        /// The connection that a hook tells of.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        session: Option<Connection>,
    },
    /// Remove the control socket's assignment of a prefix.
    Unassign {
        /// The prefix.
        prefix: String,
        /// The interface that it holds on; every one without it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        interface: Option<String>,
        /// The connection that a hook tells of: what was assigned for another one stays.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        session: Option<Connection>,
    },
    /// A log-in to a VPN server has failed; whose, nobody is told.
    FailedLogIn {},
    /// Replace all of the control socket's assignments; the roster text follows the line.
    Sync {
        /// Length of the text.
        bytes: usize,
    },
    /// The sizes of the roster.
    Counts {},
    /// The state of the daemon.
    Status {},
    /// Read the configuration and everything it names again; answered once it is in force or refused.
    Reload {},
    /// One account's band and flags.
    Show {
        /// The account.
        account: String,
    },
    /// The accounts that carry a flag; names, one a line, may follow.
    Flagged {
        /// Whether those are wanted whom support writes to.
        contact: bool,
        /// Whether those are that are there for whoever asks.
        information: bool,
        /// Length of the text of names.
        bytes: usize,
    },
    /// Everything held about one account.
    Export {
        /// The account.
        account: String,
        /// Whether to include the open epoch.
        open_epoch: bool,
    },
    /// What an export would give and use up.
    PlanExport {
        /// The account.
        account: String,
        /// Whether to include the open epoch.
        open_epoch: bool,
    },
    /// The node's exact counts.
    ExportNode {},
    /// How many bands were looked up and accounts exported.
    Asked {},
    /// Set the totals of an account's closed epochs right.
    Correct {
        /// The account.
        account: String,
        /// What it sent, in bytes.
        up: u64,
        /// What it received, in bytes.
        down: u64,
        /// Why, in a word.
        reason: String,
        /// Over the whole fleet, where each node forgets its own.
        #[serde(default)]
        fleet: bool,
    },
    /// Erase what is held about an account.
    Erase {
        /// The account.
        account: String,
    },
    /// One account's band and flags over the whole fleet.
    FleetShow {
        /// The account.
        account: String,
    },
    /// How many nodes of the fleet have followed an erasure or a correction.
    FleetConfirmed {
        /// The account.
        account: String,
    },
    /// Send the last refresh to the fleet again.
    FleetResend {},
    /// What waits for a second officer's word.
    Pending {},
    /// A second officer's word.
    Approve {
        /// Of what.
        id: u32,
    },
    /// What staff did.
    Audit {},
}

/// A connection to a VPN server, as the server numbers it.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Connection {
    /// The number.
    pub number: u32,
    /// Whether the server gives a living connection higher numbers as time goes by.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_renumbered: bool,
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
    Status(Box<StatusReport>),
    /// The reply to `show`.
    Account(AccountView),
    /// The reply to `flagged`.
    Flagged(FlaggedReport),
    /// The reply to `export`.
    Export(AccountExport),
    /// The reply to `plan_export`.
    ExportPlan(ExportPlan),
    /// The reply to `export_node`.
    Node(NodeExport),
    /// The reply to `asked`: counts since the period began.
    Asked {
        /// Look-ups of bands.
        look_ups: u64,
        /// Exports of accounts.
        exports: u64,
    },
    /// The reply to `correct`.
    Corrected(Correction),
    /// The reply to `erase`.
    Erased(Erasure),
    /// The reply to `export`, `correct` and `erase` where a second officer's word is waited for: asked again after it,
    /// the same request is answered.
    Waits(Waiting),
    /// The reply to `fleet_show`.
    FleetAccount(FleetView),
    /// The reply to `fleet_confirmed`.
    FleetConfirmed(FleetConfirmation),
    /// The reply to `pending`.
    Pending(PendingReport),
    /// The reply to `audit`.
    Audit(AuditReport),
    /// The request was refused, or failed.
    Error {
        /// The client's exit status.
        code: u8,
        /// One line; it repeats nothing of the request.
        message: String,
    },
}

/// The sizes of the roster.
#[derive(Serialize, Deserialize)]
pub struct CountsReport {
    /// The version of the report's format.
    pub schema_version: u32,
    /// One entry per source.
    pub sources: Vec<SourceReport>,
    /// Prefixes that two sources assign to different accounts; latched, rounded up to a multiple of 8.
    pub conflicts: u64,
    /// How much of what servers said was not understood; latched alike.
    pub skipped_lines: u64,
    /// What of it was passed over, by reason; latched alike.
    #[serde(default)]
    pub skipped: Vec<SkippedReport>,
    /// Accounts that there is room for.
    #[serde(default)]
    pub capacity: u64,
    /// The bytes of the last release; none before the first, or where its totals were held back.
    #[serde(default)]
    pub released: Option<ReleasedReport>,
}

/// What of a source's words was passed over for one reason.
#[derive(Serialize, Deserialize)]
pub struct SkippedReport {
    /// The source.
    pub source: String,
    /// Why.
    pub reason: String,
    /// How many peers, rows or requests.
    pub count: u64,
}

/// Bytes as they were released, on the page of everybody.
#[derive(Serialize, Deserialize)]
pub struct ReleasedReport {
    /// The number of the epoch.
    pub epoch: u64,
    /// Of accounts, both directions.
    pub attributed_bytes: i64,
    /// Of addresses that no account owns, both directions.
    pub unattributed_bytes: i64,
    /// Standard deviation of the first one's noise in each direction.
    pub attributed_noise_stddev_bytes: u64,
    /// Of the second one's.
    pub unattributed_noise_stddev_bytes: u64,
}

/// The sizes of one source.
#[derive(Serialize, Deserialize)]
pub struct SourceReport {
    /// Its name.
    pub source: String,
    /// Prefixes that it assigns.
    pub prefixes: u64,
    /// Accounts that own one of them.
    pub accounts: u64,
    /// Whether it is read.
    #[serde(default)]
    pub up: bool,
    /// Peers, rows or requests without an account; latched, rounded up to a multiple of 8.
    #[serde(default)]
    pub without_account: u64,
    /// True when the numbers were latched at the last close and rounded up to a multiple of 8.
    pub latched: bool,
}

/// The state of the daemon; nothing in it depends on traffic.
#[derive(Serialize, Deserialize)]
pub struct StatusReport {
    /// The version of the report's format.
    pub schema_version: u32,
    /// The program's version.
    pub version: String,
    /// The tap in use.
    pub backend: String,
    /// How it counts: "sliced", plainly into a slice for each processor, or "locked", atomically into
    /// one that all share.
    pub counters: String,
    /// Why.
    pub counters_reason: String,
    /// Where pages are served.
    pub listeners: Vec<String>,
    /// Accounts that the roster names; where a source follows connections, as of the last close and
    /// rounded up to a multiple of 8.
    pub accounts: u64,
    /// When the next release is due by the schedule, in seconds since 1970.
    pub next_release_seconds: u64,
    /// One entry per interface pattern.
    pub interfaces: Vec<InterfaceReport>,
    /// One entry per roster source.
    pub sources: Vec<SourceState>,
    /// Whether the last close succeeded; none before the first since the start.
    pub last_close_ok: Option<bool>,
    /// Whether the last save succeeded; true in memory mode.
    pub last_save_ok: bool,
    /// Whether the last reload was accepted.
    pub reload_ok: bool,
    /// Why not.
    pub reload_refusal: Option<String>,
    /// What works as configured and yet disappoints, each with what to do.
    pub remarks: Vec<String>,
    /// Prefixes in conflict; latched, rounded up to a multiple of 8.
    pub conflicts: u64,
    /// Hooks of VPN servers that waited in vain for their change; latched, rounded up to a multiple of 8.
    #[serde(default)]
    pub hooks_unanswered: u64,
    /// Hooks that asked for what they do not get; latched alike.
    #[serde(default)]
    pub hooks_refused: u64,
    /// What of the interfaces is counted twice, and what to do about it.
    pub counted_twice: Vec<String>,
    /// The sandbox in force: full, partial or none.
    pub sandbox: String,
    /// Restrictions that are not in force.
    pub sandbox_missing: Vec<String>,
    /// System calls that the daemon may make.
    pub system_calls: usize,
    /// The profile of the floors.
    pub profile: String,
    /// The clusters of the fleet; none outside of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fleet: Option<Vec<FleetClusterReport>>,
}

/// The state of a cluster of the fleet, as far as this node is concerned.
#[derive(Serialize, Deserialize)]
pub struct FleetClusterReport {
    /// A or B.
    pub cluster: String,
    /// "waiting" for the next refresh, "sending", or "sent" and read back.
    pub state: String,
    /// Why it does not go on, and what to do.
    pub trouble: Option<String>,
}

/// The state of an interface pattern.
#[derive(Serialize, Deserialize)]
pub struct InterfaceReport {
    /// The pattern.
    pub interface: String,
    /// For a name: it is attached, and nobody in its chain stands before it. For a glob: so is every
    /// interface that matches.
    pub attached: bool,
    /// Who sees packets before the tap does, and may keep them from it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub before: Vec<String>,
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
    /// The sandbox on one line: its level, what is missing, how many system calls are allowed.
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
            && self.last_close_ok != Some(false)
            && self.last_save_ok
            && self.reload_ok
            && self.fleet.iter().flatten().all(|cluster| cluster.trouble.is_none())
    }
}
