//! `blindmeter inventory`: all data held, at rest and published; the privacy budget; what is not hidden.

use super::connection::unexpected_answer;
use super::output;
use crate::config::{self, Config};
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
    data: Vec<Row>,
    /// None where the mode or the build has none.
    budget: Option<Budget>,
    /// Why there is no budget.
    given_up: Option<String>,
    /// Look-ups and exports since the period began; none without a daemon's answer.
    asked: Option<Asked>,
    residue: [&'static str; RESIDUE.len()],
}

#[derive(Serialize)]
struct Row {
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

/// Prints the inventory: that of the tap in use, or of every tap with `all`, or where no tap is known. It needs no
/// daemon; without a configuration it describes the defaults.
///
/// # Errors
/// An invalid configuration (78).
pub(super) fn run(path: &Path, all: bool, json: bool) -> Result<(), ExitError> {
    let config = match path.exists() {
        true => {
            Some(config::load(&SystemFiles, path).map_err(|why| ExitError::new(ExitStatus::Config, why))?)
        }
        false => None,
    };
    let policy = config.as_ref().map_or(Policy::DEFAULT, |config| config.policy.0);
    let asked = match &config {
        Some(config) => asked(&config.control_socket),
        None => Err(format!("{} does not exist; these are the defaults", path.display())),
    };
    let tap = if all { None } else { config.as_ref().and_then(tap_in_use) };
    let budget = budget(&policy);
    let report = Report {
        schema_version: 1,
        data: DATA
            .iter()
            .filter(|datum| tap.as_deref().is_none_or(|tap| datum.is_of(tap)))
            .map(|datum| Row {
                place: datum.place.as_str(),
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
    if json {
        return output::json(&report);
    }
    if let Some(tap) = tap {
        output::line(&format!("Tap in use: {tap}; --all lists the data of the other taps too.\n"))?;
    }
    print(&report, asked.err())
}

/// The tap that the daemon says it uses, or that the configuration names; none where neither does.
fn tap_in_use(config: &Config) -> Option<String> {
    match client::ask(&config.control_socket, &Request::Status {}, &[]) {
        Ok(Answer::Status(status)) => Some(status.backend),
        _ => config.backend.map(|tap| tap.as_str().to_owned()),
    }
}

/// How many look-ups the daemon reports, or why it does not.
fn asked(socket: &Path) -> Result<Asked, String> {
    match client::ask(socket, &Request::Asked {}, &[]) {
        Ok(Answer::Asked { look_ups, exports }) => Ok(Asked { look_ups, exports }),
        Ok(_) => Err(unexpected_answer().message),
        Err(error) => Err(error.message),
    }
}

/// The budget of an account-day, or why there is none.
fn budget(policy: &Policy) -> Result<Budget, String> {
    let Mode::Noisy(Noise { epsilon, .. }) = policy.mode else {
        return Err(format!(
            "none with release.mode = \"coarse\": totals have no noise, and whoever knows every other \
             account's traffic learns the remaining account's, up to the rounding of {}",
            output::bytes(policy.rounding_step())
        ));
    };
    if !policy.profile.floors().counts_by_the_day {
        return Err("none in a lab build: each epoch spends what a day should".into());
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

fn print(report: &Report, why_unknown: Option<String>) -> Result<(), ExitError> {
    for place in Place::ALL {
        output::line(&format!("{}:", place.heading()))?;
        for line in report.data.iter().filter(|line| line.place == place.as_str()) {
            output::line(&format!("  - {}", line.what))?;
            output::line(&format!("      kept:    {}", line.kept))?;
            output::line(&format!("      seen by: {}", line.seen_by))?;
        }
        output::line("")?;
    }
    output::line("Differential privacy budget (epsilon per account and day):")?;
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
    output::line("\nRequests since the period began:")?;
    match (&report.asked, why_unknown) {
        (Some(asked), _) => {
            output::line(&format!("  {} band look-ups, {} account exports", asked.look_ups, asked.exports))?;
        }
        (None, why) => output::line(&format!("  unknown: {}", why.unwrap_or_default()))?,
    }
    output::line("\nNot hidden:")?;
    RESIDUE.iter().try_for_each(|line| output::line(&format!("  - {line}")))
}
