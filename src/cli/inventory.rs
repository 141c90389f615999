//! `blindmeter inventory`: every datum held, at rest and published; the budget; what is left.

use super::connection::unexpected_answer;
use super::output;
use crate::config;
use crate::control::client;
use crate::control::protocol::{Answer, Request};
use crate::environment::SystemFiles;
use crate::exit::{ExitError, ExitStatus};
use crate::inventory::{DATA, Place, RESIDUE};
use crate::meter::policy::{FLAG_SCALE, GATE_SCALE, KINDS_OF_AN_ACCOUNT, Mode, Noise, Policy};
use serde::Serialize;
use std::path::Path;

#[derive(Serialize)]
struct Report {
    schema_version: u32,
    data: Vec<Line>,
    /// None where the mode or the build states none.
    budget: Option<Budget>,
    /// Why there is no budget.
    given_up: Option<String>,
    /// Look-ups and exports since the period began; none where no daemon tells.
    asked: Option<Asked>,
    residue: [&'static str; RESIDUE.len()],
}

#[derive(Serialize)]
struct Line {
    place: &'static str,
    what: &'static str,
    kept: &'static str,
    seen_by: &'static str,
}

/// What releases may spend of an account's differential privacy; the unit is the account-day.
#[derive(Serialize)]
struct Budget {
    epsilon_bytes: f64,
    epsilon_gate: f64,
    epsilon_flags: f64,
    epsilon_per_account_day: f64,
    epsilon_per_account_year: f64,
}

#[derive(Clone, Copy, Serialize)]
struct Asked {
    look_ups: u64,
    exports: u64,
}

/// Prints the inventory. It needs no daemon; without a configuration it tells the defaults.
///
/// # Errors
/// A configuration that is there and wrong (78).
pub(super) fn run(path: &Path, json: bool) -> Result<(), ExitError> {
    let config = match path.exists() {
        true => {
            Some(config::load(&SystemFiles, path).map_err(|why| ExitError::new(ExitStatus::Config, why))?)
        }
        false => None,
    };
    let policy = config.as_ref().map_or(Policy::DEFAULT, |config| config.policy.0);
    let asked = match &config {
        Some(config) => asked(&config.control_socket),
        None => Err(format!("{} is not there: the defaults are told", path.display())),
    };
    let budget = budget(&policy);
    let report = Report {
        schema_version: 1,
        data: DATA
            .iter()
            .map(|datum| Line {
                place: datum.place.word(),
                what: datum.what,
                kept: datum.kept,
                seen_by: datum.seen_by,
            })
            .collect(),
        given_up: budget.as_ref().err().cloned(),
        budget: budget.ok(),
        asked: asked.as_ref().ok().copied(),
        residue: RESIDUE,
    };
    if json { output::json(&report) } else { print(&report, asked.err()) }
}

/// What the daemon tells of look-ups, or why it does not.
fn asked(socket: &Path) -> Result<Asked, String> {
    match client::ask(socket, &Request::Asked {}, &[]) {
        Ok(Answer::Asked { look_ups, exports }) => Ok(Asked { look_ups, exports }),
        Ok(_) => Err(unexpected_answer().message),
        Err(failure) => Err(failure.message),
    }
}

/// The budget of an account-day, or why none is stated.
fn budget(policy: &Policy) -> Result<Budget, String> {
    let Mode::Noisy(Noise { epsilon, .. }) = policy.mode else {
        return Err(format!(
            "release.mode = \"coarse\" gives it up: totals have no noise, and who knows of every other \
             account learns one account's epoch up to the rounding of {}",
            output::bytes(policy.rounding_step())
        ));
    };
    if !policy.profile.floors().counts_by_the_day {
        return Err("a lab build states none: it spends what would be a day's in each epoch".into());
    }
    let epsilon_bytes = epsilon.billionths() as f64 / 1e9;
    let epsilon_gate = 1.0 / GATE_SCALE as f64;
    let epsilon_flags = KINDS_OF_AN_ACCOUNT as f64 / FLAG_SCALE as f64;
    let day = epsilon_bytes + epsilon_gate + epsilon_flags;
    Ok(Budget {
        epsilon_bytes,
        epsilon_gate,
        epsilon_flags,
        epsilon_per_account_day: day,
        epsilon_per_account_year: day * 365.0,
    })
}

fn print(report: &Report, unasked: Option<String>) -> Result<(), ExitError> {
    for place in Place::ALL {
        output::line(&format!("{}:", place.heading()))?;
        for line in report.data.iter().filter(|line| line.place == place.word()) {
            output::line(&format!("  - {}", line.what))?;
            output::line(&format!("      kept:    {}", line.kept))?;
            output::line(&format!("      seen by: {}", line.seen_by))?;
        }
        output::line("")?;
    }
    output::line("Differential privacy, in epsilon (each account, each day):")?;
    match (&report.budget, &report.given_up) {
        (Some(budget), _) => output::line(&format!(
            "  bytes {} + crowd gate {} + flag counts {} = {} a day, {} a year",
            budget.epsilon_bytes,
            budget.epsilon_gate,
            budget.epsilon_flags,
            budget.epsilon_per_account_day,
            budget.epsilon_per_account_year
        ))?,
        (None, why) => output::line(&format!("  {}", why.as_deref().unwrap_or_default()))?,
    }
    output::line("\nAsked since the period began:")?;
    match (&report.asked, unasked) {
        (Some(asked), _) => {
            output::line(&format!("  bands {}, exports of accounts {}", asked.look_ups, asked.exports))?;
        }
        (None, why) => output::line(&format!("  not told: {}", why.unwrap_or_default()))?,
    }
    output::line("\nNot hidden:")?;
    RESIDUE.iter().try_for_each(|line| output::line(&format!("  - {line}")))
}
