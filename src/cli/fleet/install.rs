//! `blindmeter fleet install`: loads this version's functions, or prints them for the servers' own loader.
//!
//! A line for each cluster says what was done. Holds no account.

use super::super::output;
use super::files::{no_role, settings};
use crate::config::fleet::LETTERS;
use crate::exit::{ExitError, ExitStatus};
use crate::fleet::cluster::VERSION;
use crate::fleet::servers::install::{Installed, Refusal, install, rendered};
use crate::fleet::settings::Role;
use crate::fleet::trouble::Trouble;
use std::path::Path;

/// Loads the functions on every cluster that this host may load them on.
///
/// # Errors
/// The first cluster's that fails, after all were tried: it cannot be reached (69), refuses (77), or what is there may
/// not be replaced (2).
pub(super) fn run(config: &Path, replaces_others: bool) -> Result<(), ExitError> {
    let (fleet, settings) = settings(config)?;
    let mut failed = None;
    let mut is_any = false;
    for place in 0..settings.clusters() {
        let (Some(access), Some((letter, names))) =
            (settings.access(place, Role::Install), settings.names(place))
        else {
            continue;
        };
        is_any = true;
        match install(&access, &names, replaces_others) {
            Ok(installed) => output::line(&format!("cluster {letter}: {}", said(installed)))?,
            Err(why) => {
                let error = ExitError::new(status(why), format!("cluster {letter} {why}"));
                if let Some(before) = failed.replace(error) {
                    output::error(&before.message);
                }
            }
        }
    }
    match failed {
        Some(error) => Err(error),
        None if is_any => Ok(()),
        None => Err(no_role(&fleet, Role::Install)),
    }
}

/// Prints the functions of one cluster.
///
/// # Errors
/// When there is no such cluster, or it is not known what its servers call their commands.
pub(super) fn print(config: &Path, letter: char) -> Result<(), ExitError> {
    let (fleet, settings) = settings(config)?;
    let place = LETTERS.iter().position(|known| *known == letter);
    let named = place.and_then(|place| settings.names(place)).ok_or_else(|| {
        ExitError::new(ExitStatus::Usage, "--print: expected the letter of a [[fleet.cluster]], A or B")
    })?;
    if named.1.is_empty() {
        let file = fleet.credentials_file.display();
        let what = format!("{file}: no line names:NAMES; ask who set up the servers of cluster {letter}");
        return Err(ExitError::new(ExitStatus::Config, what));
    }
    output::raw(&rendered(&settings.identity(letter), &named.1))
}

fn said(installed: Installed) -> String {
    let Installed { masters, unchanged } = installed;
    match masters - unchanged {
        0 => format!("version {VERSION} is on all {masters} masters already"),
        loaded if unchanged == 0 => format!("version {VERSION} loaded on {loaded} masters"),
        loaded => format!("version {VERSION} loaded on {loaded} masters; it was on {unchanged} already"),
    }
}

fn status(why: Refusal) -> ExitStatus {
    match why {
        Refusal::Trouble(Trouble::LogIn | Trouble::Permission) => ExitStatus::Permission,
        Refusal::Trouble(_) => ExitStatus::Unavailable,
        Refusal::Newer | Refusal::Other | Refusal::Names => ExitStatus::Found,
    }
}
