//! The answers to an account holder's rights: receipts of corrections and erasures, what waits for a second
//! officer's word, and what staff did.
//!
//! They hold the account that was asked for, and of times days alone.

use serde::{Deserialize, Serialize};

/// The receipt of a correction.
#[derive(Serialize, Deserialize)]
pub struct Correction {
    pub(super) schema_version: u32,
    /// The requested account.
    pub account: String,
    /// The day.
    pub day: String,
    /// Why, in a word.
    pub reason: String,
    /// What the account sent in the closed epochs of this period, from now on; where anything was held of them.
    pub up_bytes: u64,
    /// What it received, alike.
    pub down_bytes: u64,
    /// Where the old figures stay, and until when.
    pub remains: Vec<Remainder>,
}

/// The receipt of an erasure.
#[derive(Serialize, Deserialize)]
pub struct Erasure {
    pub(super) schema_version: u32,
    /// The requested account.
    pub account: String,
    /// The day.
    pub day: String,
    /// What was erased, alike whether anything was held or not.
    pub erased: Vec<String>,
    /// What stays, and until when.
    pub remains: Vec<Remainder>,
}

/// What stays in a place for a while.
#[derive(Serialize, Deserialize)]
pub struct Remainder {
    /// The place.
    pub place: String,
    /// What of the account stays there.
    pub what: String,
    /// Until when; no time finer than the day.
    pub until: String,
}

/// A request that waits for a second officer's word.
#[derive(Serialize, Deserialize)]
pub struct Waiting {
    pub(super) schema_version: u32,
    /// The number that the second officer approves.
    pub id: u32,
    /// The day on which it ends unapproved.
    pub ends: String,
}

/// What waits for a second officer's word, or was approved and is not fetched yet.
#[derive(Serialize, Deserialize)]
pub struct PendingReport {
    pub(super) schema_version: u32,
    /// Whether a second officer's word is needed.
    pub two_person: bool,
    /// The requests, the oldest first.
    pub requests: Vec<PendingRequest>,
}

/// One of them.
#[derive(Serialize, Deserialize)]
pub struct PendingRequest {
    /// Its number.
    pub id: u32,
    /// Who asks.
    pub who: String,
    /// Whether that is whoever reads this.
    pub is_own: bool,
    /// What: export, correct or erase.
    pub what: String,
    /// Why, in a word; of corrections alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The day on which it was asked.
    pub day: String,
    /// The day on which it ends.
    pub ends: String,
    /// Whether the word was given.
    pub approved: bool,
}

/// What staff did in the last 28 days, the newest day first.
#[derive(Serialize, Deserialize)]
pub struct AuditReport {
    pub(super) schema_version: u32,
    /// For so many days an entry is kept.
    pub kept_days: u64,
    /// The entries.
    pub entries: Vec<AuditRow>,
}

/// So often one member of staff did one thing on one day.
#[derive(Serialize, Deserialize)]
pub struct AuditRow {
    /// The day.
    pub day: String,
    /// Who: a Unix user, or a log-in name.
    pub who: String,
    /// What.
    pub what: String,
    /// Why, in a word; of corrections alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How often.
    pub count: u64,
}
