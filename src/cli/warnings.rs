//! What `check` says beside what is in force: what a start would refuse, and what starts but disappoints.
//!
//! Each line says what to do. Repeats no account and no address of the tunnel.

use super::service::{Unit, may_write};
use crate::config::Config;
use crate::control::access::AccessPolicy;
use crate::control::socket::obstacle;
use crate::daemon::inputs::RosterFile;
use crate::environment::{Files, SystemFiles};
use crate::exit::{ExitError, ExitStatus};
use crate::publish::http::others_can_reach;
use crate::publish::web::{Exposure, WebConfig};
use std::path::Path;

/// Folders in which the daemon makes files; called as the daemon's user.
///
/// # Errors
/// One that is not there or not writable (78).
pub(super) fn folders(config: &Config, unit: &Unit) -> Result<(), ExitError> {
    let bad = |why: String| Err(ExitError::new(ExitStatus::Config, why));
    if let Some(what) = obstacle(&config.control_socket) {
        return bad(what);
    }
    let socket = folder_of(&config.control_socket);
    // A start makes the last folder itself.
    let socket = if socket.exists() { socket } else { folder_of(socket) };
    let mut named = vec![("control.socket", &config.control_socket, socket)];
    if let Some(store) = &config.store {
        named.push(("store.path", &store.path, folder_of(&store.path)));
    }
    for (key, path, folder) in named {
        if unit.makes(folder) || unit.makes(folder_of(path)) {
            continue;
        }
        if !folder.is_dir() {
            return bad(format!(
                "{key} {}: {} is no folder; make its folder first, for the daemon's user",
                path.display(),
                folder.display()
            ));
        }
        if let Err(error) = may_write(folder) {
            return bad(format!(
                "{key} {}: {error}; let the daemon's user write into {}",
                path.display(),
                folder.display()
            ));
        }
    }
    Ok(())
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// What starts but disappoints, each with what to do.
pub(super) fn of(
    config: &Config,
    roster: &RosterFile,
    accounts: usize,
    web: &WebConfig,
    unit: &Unit,
) -> Vec<String> {
    let mut warnings = Vec::new();
    for line in &roster.everything {
        warnings.push(format!(
            "{} line {line}: one account owns every address of a family, those of no user too; name the \
             range that is the account's",
            roster.path.display()
        ));
    }
    let crowd = config.policy.0.crowd;
    if config.roster_file.is_some() && (accounts as u64) < crowd {
        warnings.push(format!(
            "release.crowd: {accounts} accounts in the roster, and {crowd} must be active in an epoch: such epochs \
             are held back and carried over; lower it (10 at least), lengthen epoch.length, or sum several nodes"
        ));
    }
    warnings.extend(of_roles(config));
    if others_can_reach(&config.listen) {
        warnings.extend(of_exposure(web.exposure()).map(ToOwned::to_owned));
        if unit.keeps_others_out() {
            warnings.push(
                "web.listen: the unit lets this host alone reach the daemon, and a scrape from elsewhere times out; \
                 add IPAddressAllow= with the scraper's address to the unit (systemctl edit blindmeter)"
                    .to_owned(),
            );
        }
    }
    warnings
}

fn of_exposure(exposure: Exposure) -> Option<&'static str> {
    match exposure {
        Exposure::Plain => Some(
            "web.listen: other hosts can reach /metrics without TLS or a log-in; listen on 127.0.0.1, or set \
             web.config_file",
        ),
        Exposure::PlainLogIn => Some(
            "web.listen: other hosts can reach /metrics, and passwords are sent unencrypted; add tls_server_config \
             to web.config_file",
        ),
        Exposure::Encrypted => Some(
            "web.listen: other hosts can reach /metrics with TLS but without a log-in; add basic_auth_users or \
             client_auth_type to web.config_file",
        ),
        Exposure::Closed => None,
    }
}

/// Names that stand for nobody, and roles that nobody has.
fn of_roles(config: &Config) -> Vec<String> {
    let (_, unknown) = AccessPolicy::resolve(&config.roles, |name| SystemFiles.users(name));
    let mut warnings: Vec<String> = unknown
        .iter()
        .map(|name| format!("control.roles: no user or group {name}; create it, or remove it from the list"))
        .collect();
    let roles = &config.roles;
    for (role, names) in [("roster", &roles.roster), ("support", &roles.support), ("privacy", &roles.privacy)]
    {
        let has_nobody = |name: &String| SystemFiles.users(name).unwrap_or_default().is_empty();
        if names.iter().all(has_nobody) {
            warnings.push(format!(
                "control.roles.{role}: nobody has this role; name a user, or add somebody to the group"
            ));
        }
    }
    warnings
}

/// A key that somebody could guess.
///
/// # Errors
/// A key that cannot be read, or is none (78).
pub(super) fn of_key(path: &Path) -> Result<Option<String>, ExitError> {
    let is_one_byte = crate::store::check_key(path)
        .map_err(|error| ExitError::new(ExitStatus::Config, error.to_string()))?;
    Ok(is_one_byte.then(|| {
        format!(
            "store.key_file {}: one byte over and over, which everybody can guess; make it with `head -c 32 \
             /dev/urandom`",
            path.display()
        )
    }))
}
