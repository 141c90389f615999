//! What `check` says beside what is in force: what a start would refuse, and what starts but disappoints.
//!
//! Each line says what to do. Repeats no account and no address of the tunnel.

use super::service::{Unit, may_write};
use crate::config::{Config, Sealed};
use crate::control::access::AccessPolicy;
use crate::control::socket::obstacle;
use crate::daemon::inputs::RosterFile;
use crate::engine::settings;
use crate::environment::{Files, SystemFiles};
use crate::exit::{ExitError, ExitStatus};
use crate::publish::http::others_can_reach;
use crate::publish::listeners;
use crate::publish::web::{Exposure, WebConfig};
use crate::roster::SmallRoom;
use crate::roster::sources::radius::{GOOD_SECRET_BYTES, Secret};
use crate::tap::Survey;
use nix::sys::socket::SockType;
use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
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
    if config.pin.exists() && !config.pin.is_dir() {
        return bad(format!("tap.pin {}: a file is there; name a folder on a bpffs", config.pin.display()));
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

/// Addresses to listen at; called as the daemon's user.
///
/// # Errors
/// One that this host does not have, or that the user may not take (78).
pub(super) fn listeners(config: &Config, unit: &Unit) -> Result<(), ExitError> {
    let radius: Vec<_> = config.radius.iter().map(|listener| listener.listen).collect();
    let desk: Vec<_> = config.desk.iter().map(|desk| desk.listen).collect();
    let pages = listeners::try_out("web.listen", SockType::Stream, &config.listen);
    let pages = pages.and_then(|()| listeners::try_out("support.listen", SockType::Stream, &desk));
    match pages.and_then(|()| listeners::try_out("roster.radius listen", SockType::Datagram, &radius)) {
        Err(error) if error.code != ExitStatus::Permission || !unit.grants("CAP_NET_BIND_SERVICE") => {
            Err(ExitError::new(ExitStatus::Config, error.message))
        }
        _ => Ok(()),
    }
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// What starts but disappoints, each with what to do; accounts of the roster file, and those of all files.
pub(super) fn of(
    config: &Config,
    (accounts, named): (usize, usize),
    roster: &RosterFile,
    web: &WebConfig,
    unit: &Unit,
) -> Vec<String> {
    let mut warnings = Vec::new();
    let path = roster.path.display();
    for line in &roster.nobodys {
        warnings.push(format!(
            "{path} line {line}: no client has such an address (loopback, or none at all); name the one \
             that the server hands out"
        ));
    }
    for line in &roster.everything {
        warnings.push(format!(
            "{path} line {line}: one account owns every address of a family, those of no user too; name the \
             range that is the account's"
        ));
    }
    // Who comes over the control socket is not known here.
    let crowd = config.roster_file.as_ref().and_then(|_| config.policy.0.small_crowd(accounts as u64));
    warnings.extend(crowd.map(|crowd| crowd.to_string()));
    warnings.extend(SmallRoom::of(named as u64, config.capacity as u64).map(|room| room.to_string()));
    warnings.extend(of_roles(config));
    warnings.extend(config.openvpn.iter().filter(|server| others_reach(&server.status)).map(|server| {
        format!(
            "roster.openvpn status {}: every user may enter its folder, and sees each log-in by the file's length; \
             have it in a folder of mode 0750 with the daemon's group",
            server.status.display()
        )
    }));
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

/// What keeps staff from the desk.
pub(super) fn of_desk(config: &Config, unit: &Unit) -> Vec<String> {
    let Some(desk) = &config.desk else { return Vec::new() };
    let (roles, mut warnings) = (&config.desk_roles, Vec::new());
    if roles.support.is_empty() && roles.privacy.is_empty() {
        warnings.push(
            "support.roles: nobody has a role at the desk, which refuses everybody; name log-ins in support and privacy"
                .to_owned(),
        );
    }
    if others_can_reach(&[desk.listen]) && unit.keeps_others_out() {
        warnings.push(
            "support.listen: the unit lets this host alone reach the daemon; add IPAddressAllow= with the addresses of \
             staff to the unit (systemctl edit blindmeter)"
                .to_owned(),
        );
    }
    warnings
}

/// What of RADIUS accounting is less safe than it could be.
pub(super) fn of_radius(config: &Config, secrets: &[Secret], unit: &Unit) -> Vec<String> {
    let mut warnings = Vec::new();
    for (listener, secret) in config.radius.iter().zip(secrets) {
        if secret.is_short() {
            warnings.push(format!(
                "roster.radius secret_file {}: shorter than {GOOD_SECRET_BYTES} bytes, which can be found by trying; \
                 make it with `head -c 24 /dev/urandom | base64`",
                listener.secret_file.display()
            ));
        }
        if others_can_reach(&[listener.listen]) {
            warnings.push(
                "roster.radius listen: other hosts can reach it, and RADIUS sends names and addresses in clear; \
                 listen on 127.0.0.1, or have it in a tunnel of its own and keep others out by a firewall"
                    .to_owned(),
            );
            if unit.keeps_others_out() {
                warnings.push(
                    "roster.radius listen: the unit lets this host alone reach the daemon; add IPAddressAllow= with the \
                     VPN server's address to the unit (systemctl edit blindmeter)"
                        .to_owned(),
                );
            }
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

/// Interfaces that are named and not there.
pub(super) fn of_missing(found: &Survey) -> Vec<String> {
    let named = found.missing.iter().filter(|pattern| !pattern.is_glob());
    let warning = |name| {
        format!(
            "tap.interfaces: {name} is not there now; a start waits for it, and `status` ends with 2 until it comes"
        )
    };
    named.map(|pattern| warning(pattern.text())).collect()
}

/// Paths that mean something else to the daemon, and files that it will not see replaced.
pub(super) fn of_paths(path: &Path, config: &Config) -> Vec<String> {
    let store = config.store.as_ref();
    let named = [
        ("roster.file", config.roster_file.as_deref()),
        ("web.config_file", config.web_config_file.as_deref()),
        ("support.config_file", config.desk.as_ref().map(|desk| desk.config_file.as_path())),
        ("control.socket", Some(config.control_socket.as_path())),
        ("store.path", store.map(|store| store.path.as_path())),
        ("store.key_file", store.map(|store| store.key_file.as_path())),
    ];
    let named = named.into_iter().filter_map(|(key, path)| Some((key, path?)));
    let relative = named.clone().filter(|(_, path)| path.is_relative());
    let mut warnings: Vec<String> = relative
        .map(|(key, path)| {
            format!(
                "{key}: {} begins in the folder that the daemon is started in, which is / in a unit; write it from /",
                path.display()
            )
        })
        .collect();
    let read = [("this file", path)].into_iter().chain(named.filter(|(key, _)| key.ends_with("file")));
    let alone = read.filter(|(_, path)| SystemFiles.is_mounted_alone(path));
    warnings.extend(alone.map(|(key, path)| {
        format!(
            "{key}: {} is mounted by itself, so that one which replaces it outside is never seen here; mount its \
             folder instead",
            path.display()
        )
    }));
    warnings
}

/// Whether every user may ask for a file's length: nobody is kept out of the folders that lead to it.
fn others_reach(file: &Path) -> bool {
    let is_open = |folder: &Path| std::fs::metadata(folder).is_ok_and(|found| found.mode() & 0o001 != 0);
    file.ancestors().skip(1).all(is_open)
}

/// Names that stand for nobody, and roles that nobody has.
fn of_roles(config: &Config) -> Vec<String> {
    let (roles, desk) = (&config.roles, &config.desk_roles);
    let (policy, unknown) =
        AccessPolicy::resolve(roles, desk, config.two_person, |name| SystemFiles.users(name));
    let mut warnings: Vec<String> = unknown
        .iter()
        .map(|name| {
            let hint = if SystemFiles.users(&format!("@{name}")).is_some() {
                format!("a group is written \"@{name}\"")
            } else {
                "create it, or remove it from the list".to_owned()
            };
            format!("control.roles: no user or group {name}; {hint}")
        })
        .collect();
    if config.two_person && policy.officers() < 2 {
        let what = "support.two_person: fewer than two persons have the role privacy, so that nobody can approve \
                    an export, a correction or an erasure; add an officer to control.roles.privacy";
        warnings.push(what.to_owned());
    }
    let roles = &config.roles;
    let has = |names: &[String]| -> BTreeSet<u32> {
        names.iter().filter_map(|name| SystemFiles.users(name)).flatten().filter(|user| *user != 0).collect()
    };
    let roster = has(&roles.roster);
    for (role, names) in [("support", &roles.support), ("privacy", &roles.privacy)] {
        let both = roster.intersection(&has(names)).count();
        if both > 0 {
            warnings.push(format!(
                "control.roles: {both} user(s) have both roster and {role}; who may move an address to an account and \
                 look at that account learns when the address is used, so give the two to different people"
            ));
        }
    }
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
    let weakness = crate::store::check_key(path)
        .map_err(|error| ExitError::new(ExitStatus::Config, error.to_string()))?;
    Ok(weakness.map(|weakness| {
        format!(
            "store.key_file {}: {weakness}, which can be guessed; make it with `head -c 32 /dev/urandom`",
            path.display()
        )
    }))
}

/// What a start would find in the store with this key.
///
/// # Errors
/// A key of another store, or a blob that is none of this node's (78).
pub(super) fn blob(config: &Config, store: &Sealed, key: &Path) -> Result<(), ExitError> {
    crate::store::check_blob(&settings(config, store), key)
        .map_err(|error| ExitError::new(ExitStatus::Config, error.to_string()))
}
