//! `blindmeter check` and `blindmeter run --dry-run`: what a configuration would do.

use super::expected_error::{self, ExpectedError, NodeSeriesError};
use super::expected_flags::ExpectedFlags;
use super::output;
use super::service::{Reader, Unit};
use super::{fleet_warnings, warnings};
use crate::clock::{Clock, SystemClock};
use crate::config::{self, Config, Pattern};
use crate::daemon::inputs::{
    RosterFile, read_desk_config, read_names, read_roster, read_secrets, read_web_config,
    warn_of_certificates, warn_of_names,
};
use crate::engine::{persistence, sources_of};
use crate::environment::{SystemFiles, SystemRandomness, identity};
use crate::exit::{ExitError, ExitStatus};
use crate::fleet::settings::Settings;
use crate::log::{Event, emit};
use crate::meter::policy::Policy;
use crate::meter::release::Release;
use crate::meter::tags::Tag;
use crate::node::schedule::Schedule;
use crate::publish::exposition;
use crate::publish::web::WebConfig;
use crate::roster::address::Prefix;
use crate::roster::place::Place;
use crate::roster::places::Places;
use crate::roster::sources::wireguard::Names;
use crate::roster::tagger::Tagger;
use crate::tap::Survey;
use serde::Serialize;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[derive(Serialize)]
struct Report {
    schema_version: u32,
    effective: String,
    accounts: usize,
    capacity: usize,
    prefixes: usize,
    addresses_in_pools: usize,
    addresses_outside: usize,
    rounding_step_bytes: u64,
    noise_bytes: u64,
    expected_error_bytes: u64,
    link_bytes_per_epoch: u64,
    node_series: Vec<NodeSeriesError>,
    /// What to expect of flags; none where they are off.
    flags: Option<ExpectedFlags>,
    policy: String,
    profile: &'static str,
    web: String,
    /// What starts but disappoints.
    warnings: Vec<String>,
}

/// Checks a configuration and the files it names as the daemon's user would read them, and prints the settings in
/// force.
///
/// # Errors
/// The first mistake (78).
pub(super) fn check(path: &Path, as_user: Option<&str>, json: bool) -> Result<(), ExitError> {
    let unit = Unit::of_configuration(path);
    let reader = Reader::of(as_user, &unit)?;
    let read = || {
        let loaded = load(path)?;
        let secrets =
            read_secrets(&SystemFiles, &loaded.0).map_err(|why| ExitError::new(ExitStatus::Config, why))?;
        let mut less_safe = warnings::of_radius(&loaded.0, &secrets, &unit);
        if let Some(fleet) = &loaded.0.fleet {
            let settings = Settings::read(&SystemFiles, fleet);
            let settings = settings.map_err(|why| ExitError::new(ExitStatus::Config, why))?;
            less_safe.extend(fleet_warnings::of(&loaded.0, fleet, &settings, &unit));
        }
        warnings::folders(&loaded.0, &unit)?;
        warnings::listeners(&loaded.0, &unit)?;
        let key = loaded.0.store.as_ref().map(|store| store.key_file.clone());
        // What the service manager hands over is read by root.
        let own = key.as_deref().filter(|key| credential(key, &unit).is_none());
        let weak = own.map(warnings::of_key).transpose()?.flatten();
        Ok::<_, ExitError>((loaded, weak, key, less_safe))
    };
    let ((config, roster, names, web_config), mut weak, key, less_safe) = match &reader {
        Some(reader) => reader.read(read)??,
        None => read()?,
    };
    if let Some(file) = key.as_ref().and_then(|key| credential(key, &unit)) {
        weak = warnings::of_key(&file)?;
    }
    if let Some(store) = &config.store {
        let file = credential(&store.key_file, &unit).unwrap_or_else(|| store.key_file.clone());
        warnings::blob(&config, store, &file)?;
    }
    let accounts = accounts(&config, &roster)?;
    let of_peers = names.iter().flat_map(Names::accounts);
    let named = roster.assignments.iter().map(|(_, account)| *account).chain(of_peers);
    let named = named.collect::<HashSet<Tag>>().len();
    let mut warnings = warnings::of(&config, (accounts, named), &roster, &web_config, &unit);
    warnings.extend(warnings::of_desk(&config, &unit));
    // Interfaces that cannot be listed here may be seen by the daemon.
    if let Ok(found) = crate::tap::survey(&config.interfaces) {
        warn_of_overlaps(&found);
        warnings.extend(warnings::of_missing(&found));
    }
    warnings.extend(less_safe);
    warnings.extend(warnings::of_paths(path, &config));
    warnings.extend(weak);
    let policy = &config.policy.0;
    let error = ExpectedError::of(policy);
    let (addresses_in_pools, addresses_outside) = pooled(&config, &roster);
    let report = Report {
        schema_version: 1,
        effective: config.effective(),
        accounts,
        capacity: config.capacity,
        prefixes: roster.assignments.len(),
        addresses_in_pools,
        addresses_outside,
        rounding_step_bytes: policy.rounding_step(),
        noise_bytes: expected_error::whole(error.noise_bytes),
        expected_error_bytes: expected_error::whole(error.bytes()),
        link_bytes_per_epoch: expected_error::whole(error.link_bytes),
        node_series: NodeSeriesError::all(policy),
        flags: ExpectedFlags::of(policy, accounts),
        policy: policy.digest(),
        profile: policy.profile.as_str(),
        web: web_config.summary(),
        warnings,
    };
    if json {
        return output::json(&report);
    }
    output::line(&report.effective)?;
    output::line(&format!(
        "# roster file: {} accounts (room for {}), {} prefixes",
        report.accounts, report.capacity, report.prefixes
    ))?;
    if addresses_outside > 0 {
        let hint = if addresses_in_pools == 0 { "; is a pool missing or mistyped?" } else { "" };
        output::line(&format!(
            "# pools: {addresses_in_pools} of the roster's single addresses are in a pool; {addresses_outside} \
             are not, and take a slower hash lookup{hint}"
        ))?;
    }
    let may_be_several = config.interfaces.len() > 1 || config.interfaces.iter().any(Pattern::is_glob);
    let names_none = roster.assignments.iter().all(|(prefix, _)| prefix.place() == Place::ANY);
    if may_be_several && names_none && report.prefixes > 0 {
        output::line(
            "# roster file: an address is one account's on every interface; where two interfaces hand out the \
             same addresses, name them: prefix,account,interface",
        )?;
    }
    for line in error.lines(policy) {
        output::line(&format!("# release: {line}"))?;
    }
    for series in &report.node_series {
        output::line(&format!("# release: {}", series.line()))?;
    }
    if let Some(flags) = &report.flags {
        output::line(&format!("# {}", flags.line()))?;
    }
    output::line(&format!("# web: {}", report.web))?;
    output::line(&format!("# policy digest: {}, profile {}", report.policy, report.profile))?;
    for warning in &report.warnings {
        output::line(&format!("# warning: {warning}"))?;
    }
    if let Some(reader) = &reader {
        output::line(&format!("# read as user {} ({})", reader.name(), reader.origin))?;
    }
    output::line(&format!("{}: OK", path.display()))
}

/// The file behind the credential that takes a key's place.
fn credential(key: &Path, unit: &Unit) -> Option<PathBuf> {
    unit.credential(key.file_name()?.to_str()?)
}

fn load(path: &Path) -> Result<(Config, RosterFile, Vec<Names>, WebConfig), ExitError> {
    let bad = |why: String| ExitError::new(ExitStatus::Config, why);
    let config = config::load(&SystemFiles, path).map_err(bad)?;
    let tagger = Arc::new(Tagger::without_root(&identity(&mut SystemRandomness)));
    let places = Places::new_ones(Arc::clone(&tagger));
    let roster =
        read_roster(&SystemFiles, &config, &places, |account| tagger.tag_of(account)).map_err(bad)?;
    warn_of_names(&roster);
    let names = read_names(&SystemFiles, &config, |account| tagger.tag_of(account)).map_err(bad)?;
    let web = read_web_config(&SystemFiles, &config, &WebConfig::default()).map_err(bad)?;
    warn_of_certificates(&web);
    warn_of_certificates(&read_desk_config(&SystemFiles, &config, &WebConfig::default()).map_err(bad)?);
    Ok((config, roster, names, web))
}

/// Says what would be counted twice.
fn warn_of_overlaps(found: &Survey) {
    found.overlaps.iter().for_each(|overlap| emit(&Event::CountedTwice(overlap)));
}

/// How many of the roster's single addresses are in a pool, and how many are not.
fn pooled(config: &Config, roster: &RosterFile) -> (usize, usize) {
    let hosts = roster.assignments.iter().map(|(prefix, _)| *prefix).filter(|prefix| prefix.is_host());
    let (inside, outside): (Vec<Prefix>, Vec<Prefix>) =
        hosts.partition(|host| config.pools.iter().any(|pool| pool.overlaps(*host)));
    (inside.len(), outside.len())
}

/// The number of accounts in the roster file, which must fit.
fn accounts(config: &Config, roster: &RosterFile) -> Result<usize, ExitError> {
    let accounts: HashSet<Tag> = roster.assignments.iter().map(|(_, account)| *account).collect();
    if accounts.len() > config.capacity {
        let what = format!(
            "store.capacity: the roster file has {} accounts, but there is room for only {}; raise it",
            accounts.len(),
            config.capacity
        );
        return Err(ExitError::new(ExitStatus::Config, what));
    }
    Ok(accounts.len())
}

/// Prints what `run` would attach and publish.
///
/// # Errors
/// An invalid configuration (78), or interfaces that cannot be listed (74).
pub(super) fn dry_run(path: &Path) -> Result<(), ExitError> {
    let (config, ..) = load(path)?;
    match persistence::try_out(&config) {
        Ok((tap, why)) => output::line(&format!("tap: {tap}: {why}"))?,
        Err(error) => output::line(&format!("tap: none: {}", error.message))?,
    }
    let found = crate::tap::survey(&config.interfaces)
        .map_err(|error| ExitError::new(ExitStatus::Io, format!("cannot list interfaces: {error}")))?;
    for (name, number, supported) in &found.wanted {
        let verdict = if *supported { "would attach" } else { "not supported" };
        output::line(&format!("interface {name}: link type {number}: {verdict}"))?;
    }
    warn_of_overlaps(&found);
    for pattern in &found.missing {
        output::line(&format!("interface {}: not present; would wait for it", pattern.text()))?;
    }
    if !found.missing.is_empty() {
        let others = if found.others.is_empty() { "none".to_owned() } else { found.others.join(", ") };
        output::line(&format!("other interfaces that could be metered: {others}"))?;
    }
    let sources = sources_of(&config);
    let taps: Vec<(String, bool)> =
        config.interfaces.iter().map(|pattern| (pattern.text().to_owned(), true)).collect();
    output::line("\nwould publish before the first release:")?;
    let page = exposition::released(&Release::none(), &config.policy.0)
        + &exposition::status(&taps, &sources, true, true, first_release(&config.policy.0), &config.policy.0);
    output::line(page.trim_end())
}

/// When a node that starts now for the first time would release: the running epoch is barred.
pub(super) fn first_release(policy: &Policy) -> u64 {
    let now = SystemClock.now();
    let end = Schedule::unproven(policy.epoch_seconds, now).next_close_seconds(now);
    end.saturating_add(policy.delay_nanoseconds().div_ceil(1_000_000_000))
}
