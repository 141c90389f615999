//! The files that a start and a reload read besides the configuration, and warnings about them.
//!
//! Files are read through [`Files`]; nothing read here is in force yet.

use crate::config::Config;
use crate::environment::Files;
use crate::exit::{ExitError, ExitStatus};
use crate::log::{Event, emit};
use crate::meter::policy::SmallCrowd;
use crate::meter::tags::Tag;
use crate::publish::web::WebConfig;
use crate::roster::account::AccountName;
use crate::roster::address::Prefix;
use crate::roster::{Roster, csv};
use crate::system::allocator::{REQUEST_BYTES, wipe_stack};
use std::collections::HashSet;
use std::path::PathBuf;

/// A roster file as it was read: of names, their tags alone.
#[derive(Default)]
pub struct RosterFile {
    /// Every prefix, and whose it is.
    pub assignments: Vec<(Prefix, Tag)>,
    path: PathBuf,
    /// Lines whose names look like addresses.
    like_addresses: Vec<usize>,
}

/// Reads the roster file of a configuration; empty if none is configured. A name lives as long as
/// its line is read.
///
/// # Errors
/// One line that names the file and the line in it.
pub fn read_roster(
    files: &impl Files,
    config: &Config,
    tag_of: impl Fn(&AccountName) -> Tag,
) -> Result<RosterFile, String> {
    let file = read_rows(files, config, tag_of);
    // What is made next may lie where a row lay, and keep of it what it does not overwrite.
    wipe_stack::<REQUEST_BYTES>();
    file
}

#[inline(never)]
fn read_rows(
    files: &impl Files,
    config: &Config,
    tag_of: impl Fn(&AccountName) -> Tag,
) -> Result<RosterFile, String> {
    let Some(path) = &config.roster_file else { return Ok(RosterFile::default()) };
    let named = |why: &dyn std::fmt::Display| format!("{}: {why}", path.display());
    let bytes = files
        .read(path)
        .map_err(|error| format!("roster.file {}: cannot be read: {error}", path.display()))?;
    let mut like_addresses = Vec::new();
    let assignments = csv::read(&bytes, |row| {
        if row.account.looks_like_an_address() {
            like_addresses.push(row.line);
        }
        tag_of(&row.account)
    });
    let assignments = assignments.map_err(|error| named(&error))?;
    Ok(RosterFile { assignments, path: path.clone(), like_addresses })
}

/// The tag of the account that the configuration exempts from the limits of exports. The name goes from
/// here no further, and out of the configuration.
pub fn take_probe(config: &mut Config, roster: &Roster) -> Option<Tag> {
    config.probe_account.take().map(|account| roster.tag_of(&account))
}

/// Reads the web configuration file and every file it names; without one, anyone who can reach a
/// listener can read. `before` is what was in force.
///
/// # Errors
/// One line that names the file and the line in it.
pub fn read_web_config(files: &impl Files, config: &Config, before: &WebConfig) -> Result<WebConfig, String> {
    let path = config.web_config_file.as_deref();
    path.map_or_else(|| Ok(WebConfig::default()), |path| WebConfig::load(files, path, before))
}

/// Warns about certificates that clients will refuse, by file.
pub fn warn_of_certificates(web: &WebConfig) {
    for warning in &web.warnings {
        emit(&if warning.is_over {
            Event::CertificateOver(&warning.path)
        } else {
            Event::CertificateEarly(&warning.path)
        });
    }
}

/// The assignments of the roster file for a roster that starts with them, and a warning for each name
/// that looks like an address.
///
/// # Errors
/// See [`read_roster`] (78).
pub fn load_roster(
    files: &impl Files,
    config: &Config,
    roster: &Roster,
) -> Result<Vec<(Prefix, Tag)>, ExitError> {
    let file = read_roster(files, config, |account| roster.tag_of(account));
    let file = file.map_err(|why| ExitError::new(ExitStatus::Config, why))?;
    warn_of_names(&file);
    warn_of_crowd(config, &file);
    Ok(file.assignments)
}

/// Warns about names in the file that look like addresses, by line.
pub fn warn_of_names(file: &RosterFile) {
    for line in &file.like_addresses {
        emit(&Event::NameLooksLikeAddress(&file.path, *line));
    }
}

/// Warns where the roster file names fewer accounts than an epoch needs to be released.
pub fn warn_of_crowd(config: &Config, file: &RosterFile) {
    if let Some(crowd) = small_crowd(config, file) {
        emit(&Event::SmallCrowd(crowd));
    }
}

/// Whether the roster file names too few accounts for an epoch to be released. Accounts that come over the
/// control socket are not known before a close; `status` tells of both.
#[must_use]
pub fn small_crowd(config: &Config, file: &RosterFile) -> Option<SmallCrowd> {
    config.roster_file.as_ref()?;
    let policy = &config.policy.0;
    let mut accounts = HashSet::new();
    // No more are looked at than it takes to know.
    let enough = file.assignments.iter().any(|(_, account)| {
        accounts.insert(*account);
        accounts.len() as u64 >= policy.crowd
    });
    let (accounts, crowd, floor) = (accounts.len() as u64, policy.crowd, policy.profile.floors().crowd);
    (!enough).then_some(SmallCrowd { accounts, crowd, floor })
}
