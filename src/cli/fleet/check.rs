//! `blindmeter fleet check`: what on the clusters' servers would keep a history or open a door.
//!
//! Prints what was found, the servers it was found on, and what to do. Changes nothing, and holds no account.

use super::super::output;
use super::files::{no_role, settings};
use crate::clock::{Clock as _, SystemClock};
use crate::exit::{ExitError, ExitStatus};
use crate::fleet::servers::check::{Report, check};
use crate::fleet::servers::finding::{Finding, State};
use crate::fleet::settings::Role;
use crate::fleet::trouble::Trouble;
use serde::Serialize;
use std::path::Path;

#[derive(Serialize)]
struct Checked<'a> {
    schema_version: u32,
    void: bool,
    clusters: Vec<ClusterChecked<'a>>,
}

#[derive(Serialize)]
struct ClusterChecked<'a> {
    cluster: char,
    servers: usize,
    findings: Vec<FindingShown<'a>>,
}

#[derive(Serialize)]
struct FindingShown<'a> {
    state: &'static str,
    servers: &'a [String],
    what: &'a str,
    does: &'a str,
    remedy: &'a str,
}

/// Looks at every server of every cluster that lets this host look.
///
/// # Errors
/// Something that voids what is promised (3), a cluster or server that cannot be reached (69), no right to look (77).
pub(super) fn run(config: &Path, json: bool) -> Result<(), ExitError> {
    let (fleet, settings) = settings(config)?;
    let now = SystemClock.now().wall_seconds;
    let mut reports = Vec::new();
    let mut failed = None;
    let mut is_any = false;
    for place in 0..settings.clusters() {
        let Some(access) = settings.access(place, Role::Check) else { continue };
        is_any = true;
        match check(&access, now) {
            Ok(report) => reports.push((access.letter, report)),
            Err(trouble) => {
                let code = match trouble {
                    Trouble::LogIn | Trouble::Permission => ExitStatus::Permission,
                    _ => ExitStatus::Unavailable,
                };
                let error = ExitError::new(code, format!("cluster {} {trouble}", access.letter));
                if let Some(before) = failed.replace(error) {
                    output::error(&before.message);
                }
            }
        }
    }
    if !is_any {
        return Err(no_role(&fleet, Role::Check));
    }
    let has = |state: State| reports.iter().any(|(_, report)| report.has(state));
    if json {
        output::json(&shown(&reports, has(State::Void)))?;
    } else {
        reports.iter().try_for_each(|(letter, report)| print(*letter, report))?;
    }
    match failed {
        _ if has(State::Void) => {
            Err(ExitError::new(ExitStatus::Void, failed.map_or_else(String::new, |error| error.message)))
        }
        Some(error) => Err(error),
        None if has(State::Unknown) => Err(ExitError::new(ExitStatus::Unavailable, "")),
        None => Ok(()),
    }
}

fn shown(reports: &[(char, Report)], void: bool) -> Checked<'_> {
    Checked { schema_version: 1, void, clusters: reports.iter().map(cluster_shown).collect() }
}

fn cluster_shown((cluster, report): &(char, Report)) -> ClusterChecked<'_> {
    let findings = report.findings.iter().map(finding_shown).collect();
    ClusterChecked { cluster: *cluster, servers: report.servers, findings }
}

fn finding_shown(finding: &Finding) -> FindingShown<'_> {
    let Finding { state, servers, what, does, remedy } = finding;
    FindingShown { state: state.as_str(), servers, what, does, remedy }
}

fn print(letter: char, report: &Report) -> Result<(), ExitError> {
    let servers = report.servers;
    if report.findings.is_empty() {
        return output::line(&format!(
            "cluster {letter}: {servers} servers, nothing that keeps a history or opens a door"
        ));
    }
    output::line(&format!("cluster {letter}: {servers} servers"))?;
    for finding in &report.findings {
        let state = if finding.state == State::Void { "VOID" } else { finding.state.as_str() };
        let places = if finding.servers.len() == servers {
            "every server".to_owned()
        } else {
            finding.servers.join(", ")
        };
        output::line(&format!("  {state:<7}  {}: {} ({places})", finding.what, finding.does))?;
        output::line(&format!("{:>11}-> {}", "", finding.remedy))?;
    }
    Ok(())
}
