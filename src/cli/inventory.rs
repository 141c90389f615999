//! `blindmeter inventory`: all data held, at rest and published; the privacy budget; what is not hidden.

use super::connection::{default_socket, unexpected_answer};
use super::output;
use crate::config::{self, TapKind};
use crate::control::client;
use crate::control::protocol::{Answer, Request};
use crate::environment::SystemFiles;
use crate::exit::{ExitError, ExitStatus};
use crate::inventory::{DATA, Place, RESIDUE};
use crate::meter::budget::Epsilon;
use crate::meter::node_series::{NODE_SERIES_EPSILON, NodeSeries};
use crate::meter::policy::{FLAG_EPSILON, GATE_EPSILON, INTERRUPTION_EPSILON, Mode, Noise, Policy};
use crate::meter::scope::Scope;
use serde::Serialize;
use std::fs::File;
use std::io::ErrorKind;
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

/// What releases may spend of an account's differential privacy; the unit is the account-day on this
/// node.
#[derive(Serialize)]
struct Budget {
    epsilon_bytes: f64,
    epsilon_gate: f64,
    epsilon_interrupted: f64,
    epsilon_flags: f64,
    /// Of all four together, within the influence that each states.
    epsilon_node_series: f64,
    epsilon_per_account_day: f64,
    epsilon_per_account_year: f64,
}

#[derive(Clone, Copy, Serialize)]
struct Asked {
    look_ups: u64,
    exports: u64,
}

/// Prints the inventory: that of the tap in use, or of every tap with `all`, or where no tap is known. It needs no
/// daemon; without a configuration, or one that this user may read, it describes the defaults.
///
/// # Errors
/// An invalid configuration (78).
pub(super) fn run(path: &Path, all: bool, json: bool) -> Result<(), ExitError> {
    let is_hidden = File::open(path).is_err_and(|error| error.kind() == ErrorKind::PermissionDenied);
    let config = match path.exists() && !is_hidden {
        true => {
            Some(config::load(&SystemFiles, path).map_err(|why| ExitError::new(ExitStatus::Config, why))?)
        }
        false => None,
    };
    let policy = config.as_ref().map_or(Policy::DEFAULT, |config| config.policy.0);
    let hidden = default_socket(path).filter(|_| is_hidden);
    let socket = config.as_ref().map(|config| config.control_socket.as_path()).or(hidden.as_deref());
    let asked = match socket {
        Some(socket) => asked(socket),
        None => Err(format!("{} does not exist; these are the defaults", path.display())),
    };
    let configured = config.as_ref().and_then(|config| config.backend);
    let tap = socket.filter(|_| !all).and_then(|socket| tap_in_use(socket, configured));
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
    if is_hidden {
        output::line(
            "You may not read the configuration: the times and the budget are those of the defaults.\n",
        )?;
    }
    if let Some(tap) = tap {
        output::line(&format!("Tap in use: {tap}; --all lists the data of the other taps too.\n"))?;
    }
    print(&report, &policy, asked.err())
}

/// The tap that the daemon says it uses, or that the configuration names; none where neither does.
fn tap_in_use(socket: &Path, configured: Option<TapKind>) -> Option<String> {
    match client::ask(socket, &Request::Status {}, &[]) {
        Ok(Answer::Status(status)) => Some(status.backend),
        _ => configured.map(|tap| tap.as_str().to_owned()),
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
    let node_series = NodeSeries::ALL.map(|_| NODE_SERIES_EPSILON);
    let others = [GATE_EPSILON, INTERRUPTION_EPSILON, FLAG_EPSILON];
    // Added up in billionths, so that the sum is exact.
    let sum = |epsilons: &[Epsilon]| epsilons.iter().map(|epsilon| epsilon.billionths()).sum::<u64>();
    let day = sum(&[epsilon]) + sum(&others) + sum(&node_series);
    let decimal = |billionths: u64| billionths as f64 / 1e9;
    Ok(Budget {
        epsilon_bytes: decimal(sum(&[epsilon])),
        epsilon_gate: decimal(sum(&[GATE_EPSILON])),
        epsilon_interrupted: decimal(sum(&[INTERRUPTION_EPSILON])),
        epsilon_flags: decimal(sum(&[FLAG_EPSILON])),
        epsilon_node_series: decimal(sum(&node_series)),
        epsilon_per_account_day: decimal(day),
        epsilon_per_account_year: decimal(day * 365),
    })
}

fn print(report: &Report, policy: &Policy, why_unknown: Option<String>) -> Result<(), ExitError> {
    for place in Place::ALL {
        output::line(&format!("{}:", place.heading()))?;
        for line in report.data.iter().filter(|line| line.place == place.as_str()) {
            output::line(&format!("  - {}", line.what))?;
            output::line(&format!("      kept:    {}", line.kept))?;
            output::line(&format!("      seen by: {}", line.seen_by))?;
        }
        output::line("")?;
    }
    output::line(match policy.scope {
        Scope::Node => "Differential privacy budget (epsilon per account, day and node):",
        Scope::Fleet(_) => {
            "Differential privacy budget (epsilon per account and day, over all nodes of the fleet):"
        }
    })?;
    match (&report.budget, &report.given_up) {
        (Some(budget), _) => {
            output::line(&format!(
                "  bytes {} + crowd gate {} + interrupted {} + flag counts {} + node series {} = {} a day, {} a \
                 year",
                budget.epsilon_bytes,
                budget.epsilon_gate,
                budget.epsilon_interrupted,
                budget.epsilon_flags,
                budget.epsilon_node_series,
                budget.epsilon_per_account_day,
                budget.epsilon_per_account_year
            ))?;
            let nodes = match policy.scope {
                Scope::Node => {
                    "an account that uses several nodes in a day spends it on each of them".to_owned()
                }
                Scope::Fleet(terms) => format!(
                    "for an account that uses at most {} of them in a day, and on more in proportion",
                    terms.nodes_a_day
                ),
            };
            output::line(&format!("  {nodes}; node series: for 1 GiB of unattributed"))?;
            output::line(
                "  bytes, 2^20 lost packets, 2^16 malformed packets and 64 failed attempts of an account and \
                 day, and more in proportion",
            )?;
        }
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
