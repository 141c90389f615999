//! How many flags of a week to expect that are false, for an operator choosing a preset.
//!
//! Rates measured on made-up worlds (docs/flags.md); none of this is published or decides anything.

use super::output;
use crate::meter::policy::{Flagging, Policy, Preset};
use serde::Serialize;

/// False raises for each 1,000 accounts and days, on the contact list and on the other one.
const STRICT: [f64; 2] = [0.15, 0.2];
const SENSITIVE: [f64; 2] = [0.35, 0.65];

/// What to expect of a node in a week.
#[derive(Serialize)]
pub(super) struct ExpectedFlags {
    preset: &'static str,
    accounts: usize,
    /// Accounts that support would write to though nothing was the matter.
    false_contacts_a_week: f64,
    /// Flags for whoever asks, though nothing was the matter.
    false_information_a_week: f64,
}

impl ExpectedFlags {
    /// Of so many accounts; none where flags are off.
    pub(super) fn of(policy: &Policy, accounts: usize) -> Option<Self> {
        let Flagging { preset, .. } = policy.flags?;
        let rates = if preset == Preset::Strict { STRICT } else { SENSITIVE };
        let [contact, information] = rates.map(|rate| rate * 7.0 * accounts as f64 / 1000.0);
        Some(Self {
            preset: preset.as_str(),
            accounts,
            false_contacts_a_week: contact,
            false_information_a_week: information,
        })
    }

    /// The line of `check`.
    pub(super) fn line(&self) -> String {
        format!(
            "flags ({}): of {} accounts expect {} to be written to for nothing in a week, and {} more flags for whoever \
             asks; measured on made-up worlds",
            self.preset,
            self.accounts,
            output::tenths(self.false_contacts_a_week),
            output::tenths(self.false_information_a_week)
        )
    }
}
