//! `blindmeter check` and `blindmeter run --dry-run`: what a configuration would do.

use super::output;
use crate::config::{self, Config};
use crate::daemon;
use crate::failure::{Code, Failure};
use crate::meter::release::Release;
use crate::publish::exposition::{self, Health};
use crate::world::SystemFiles;
use std::path::Path;

/// Validates a configuration and the files it names, and prints what is in force.
///
/// # Errors
/// The first thing that is wrong (78).
pub(super) fn check(path: &Path) -> Result<(), Failure> {
    let (config, rows) = load(path)?;
    output::line(&config.effective())?;
    let policy = &config.policy.0;
    let step = policy.rounding_step();
    output::line(&format!(
        "# roster: {} of {} accounts, {rows} prefixes",
        accounts(&config)?,
        config.capacity
    ))?;
    output::line(&format!(
        "# release: each total is rounded to {} ({step} bytes): off by {} at most, in each direction and epoch",
        output::bytes(step),
        output::bytes(step / 2),
    ))?;
    output::line(&format!("# policy digest: {}, profile {}", policy.digest(), policy.profile.word()))?;
    output::line(&format!("{}: good", path.display()))
}

fn load(path: &Path) -> Result<(Config, usize), Failure> {
    let bad = |why: String| Failure::new(Code::Config, why);
    let config = config::load(&SystemFiles, path).map_err(bad)?;
    let rows = daemon::read_roster(&SystemFiles, &config).map_err(bad)?;
    if let Some(file) = &config.roster_file {
        daemon::warn_of_names(file, &rows);
    }
    Ok((config, rows.len()))
}

/// The number of accounts in the roster file, which must fit.
fn accounts(config: &Config) -> Result<usize, Failure> {
    let bad = |why: String| Failure::new(Code::Config, why);
    let rows = daemon::read_roster(&SystemFiles, config).map_err(bad)?;
    let mut names: Vec<_> = rows.into_iter().map(|row| row.account).collect();
    names.sort_unstable();
    names.dedup();
    if names.len() > config.capacity {
        return Err(bad(format!(
            "store.capacity: {} accounts in the roster file, room for {}; raise it",
            names.len(),
            config.capacity
        )));
    }
    Ok(names.len())
}

/// Prints what `run` would attach and publish.
///
/// # Errors
/// A configuration that is wrong (78), or interfaces that cannot be listed (74).
pub(super) fn dry_run(path: &Path) -> Result<(), Failure> {
    let (config, _) = load(path)?;
    match crate::tap::choose(config.backend) {
        Ok((kind, why)) => output::line(&format!("tap: {}: {why}", kind.word()))?,
        Err(error) => output::line(&format!("tap: none: {error}"))?,
    }
    let found = crate::tap::survey(&config.interfaces)
        .map_err(|error| Failure::new(Code::Io, format!("cannot list interfaces: {error}")))?;
    for (name, number, supported) in &found {
        let verdict = if *supported { "would be attached" } else { "link type is not supported" };
        output::line(&format!("interface {name}: link type {number}: {verdict}"))?;
    }
    for pattern in &config.interfaces {
        if !found.iter().any(|(name, ..)| pattern.matches(name)) {
            output::line(&format!("interface {}: nothing there yet, would be waited for", pattern.text()))?;
        }
    }
    let mut sources = vec![("control", true)];
    if config.roster_file.is_some() {
        sources.push(("file", true));
    }
    let health = Health {
        taps: config.interfaces.iter().map(|pattern| (pattern.text().to_owned(), true)).collect(),
        sources,
        store_ok: true,
        reload_ok: true,
    };
    output::line("\nwould publish before the first release:")?;
    let page = exposition::released(&Release::none()) + &exposition::status(&health, &config.policy.0);
    output::line(page.trim_end())
}
