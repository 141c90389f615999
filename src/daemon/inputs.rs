//! The files that a start and a reload read besides the configuration, and warnings about them.
//!
//! Files are read through [`Files`]; nothing read here is in force yet.

use crate::config::{Config, Desk, Pattern};
use crate::environment::{Files, unreadable};
use crate::exit::{ExitError, ExitStatus};
use crate::log::{Event, emit};
use crate::meter::tags::Tag;
use crate::publish::http;
use crate::publish::web::{Exposure, WebConfig};
use crate::roster::account::AccountName;
use crate::roster::address::Prefix;
use crate::roster::place::PlaceError;
use crate::roster::places::Places;
use crate::roster::sources::radius::Secret;
use crate::roster::sources::wireguard::Names;
use crate::roster::{Roster, csv};
use crate::system::allocator::{REQUEST_BYTES, wipe_stack};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// A roster file as it was read: of names, their tags alone.
#[derive(Default)]
pub struct RosterFile {
    /// Every prefix, and whose it is.
    pub assignments: Vec<(Prefix, Tag)>,
    /// The file.
    pub path: PathBuf,
    /// Lines whose names look like addresses.
    like_addresses: Vec<usize>,
    /// Lines whose address no client can have.
    pub nobodys: Vec<usize>,
    /// Lines that give an account every address of a family.
    pub everything: Vec<usize>,
}

/// Reads the roster file of a configuration; empty if none is configured. A name lives as long as
/// its line is read.
///
/// # Errors
/// One line that names the file and the line in it.
pub fn read_roster(
    files: &impl Files,
    config: &Config,
    places: &Places,
    tag_of: impl Fn(&AccountName) -> Tag,
) -> Result<RosterFile, String> {
    let file = read_rows(files, config, places, tag_of);
    // What is made next may lie where a row lay, and keep of it what it does not overwrite.
    wipe_stack::<REQUEST_BYTES>();
    file
}

#[inline(never)]
fn read_rows(
    files: &impl Files,
    config: &Config,
    places: &Places,
    tag_of: impl Fn(&AccountName) -> Tag,
) -> Result<RosterFile, String> {
    let Some(path) = &config.roster_file else { return Ok(RosterFile::default()) };
    let named = |why: &dyn std::fmt::Display| format!("{}: {why}", path.display());
    let bytes = files
        .read(path)
        .map_err(|error| format!("roster.file {}: {}", path.display(), unreadable(&error)))?;
    let (mut like_addresses, mut nobodys, mut everything) = (Vec::new(), Vec::new(), Vec::new());
    let place = |name: &str| match Pattern::any_matches(&config.interfaces, name) {
        true => places.name(name),
        false => Err(PlaceError::NotMetered),
    };
    let assignments = csv::read(&bytes, place, |row| {
        if row.account.looks_like_an_address() {
            like_addresses.push(row.line);
        }
        if row.prefix.is_nobodys() {
            nobodys.push(row.line);
        }
        if row.prefix.length() == 0 {
            everything.push(row.line);
        }
        tag_of(&row.account)
    });
    let assignments = assignments.map_err(|error| named(&error))?;
    Ok(RosterFile { assignments, path: path.clone(), like_addresses, nobodys, everything })
}

/// Reads whose the peers of each WireGuard device are.
///
/// # Errors
/// One line that names the file and the line in it.
pub fn read_names(
    files: &impl Files,
    config: &Config,
    tag_of: impl Fn(&AccountName) -> Tag,
) -> Result<Vec<Names>, String> {
    let names = config.wireguard.iter().map(|device| {
        let Some(path) = &device.accounts else { return Ok(Names::of_keys()) };
        let bytes = files.read(path).map(Zeroizing::new).map_err(|error| {
            format!("roster.wireguard accounts {}: {}", path.display(), unreadable(&error))
        })?;
        Names::read(&bytes, &tag_of).map_err(|error| format!("{} {error}", path.display()))
    });
    let names = names.collect();
    wipe_stack::<REQUEST_BYTES>();
    names
}

/// Reads the secret of each listener for RADIUS accounting.
///
/// # Errors
/// One line that names the file.
pub fn read_secrets(files: &impl Files, config: &Config) -> Result<Vec<Secret>, String> {
    let secrets = config.radius.iter().map(|listener| {
        let path = listener.secret_file.display();
        let named = |why: &dyn std::fmt::Display| format!("roster.radius secret_file {path}: {why}");
        let file = files.read_secret(&listener.secret_file).map_err(|error| named(&unreadable(&error)))?;
        if file.others_may_read {
            return Err(named(
                &"its group or others can read or write it; chmod 600 it, and give it to the daemon's user",
            ));
        }
        Secret::of_file(&file.bytes).map_err(|why| named(&why))
    });
    secrets.collect()
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
    let load = |path| WebConfig::load(files, "web.config_file", path, before);
    path.map_or_else(|| Ok(WebConfig::default()), load)
}

/// The same for the desk, which answers nobody whom it does not know, and nobody from elsewhere in clear.
///
/// # Errors
/// One line that names the file and the line in it, or what is missing in it.
pub fn read_desk_config(
    files: &impl Files,
    config: &Config,
    before: &WebConfig,
) -> Result<WebConfig, String> {
    let Some(desk) = &config.desk else { return Ok(WebConfig::default()) };
    let web = WebConfig::load(files, "support.config_file", &desk.config_file, before)?;
    let missing = match web.exposure() {
        Exposure::Closed => None,
        Exposure::PlainLogIn if !http::others_can_reach(&[desk.listen]) => None,
        Exposure::PlainLogIn => Some(
            "other hosts can reach support.listen, and passwords would be sent unencrypted; add tls_server_config, or \
             listen on 127.0.0.1",
        ),
        Exposure::Plain | Exposure::Encrypted => {
            Some("the desk asks who is there; add basic_auth_users or client_auth_type")
        }
    };
    missing.map_or(Ok(web), |what| Err(format!("support.config_file {}: {what}", desk.config_file.display())))
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

/// Says how a page can be reached, where others than this host can.
pub fn warn_of_reach(exposure: Exposure, others_can_reach: bool) {
    match exposure {
        _ if !others_can_reach => {}
        Exposure::Plain => emit(&Event::ListeningWide),
        Exposure::PlainLogIn => emit(&Event::ListeningInClear),
        Exposure::Encrypted => emit(&Event::ListeningToAll),
        Exposure::Closed => {}
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
    let table = roster.table();
    let file = read_roster(files, config, table.places(), |account| roster.tag_of_named(account));
    let file = file.map_err(|why| ExitError::new(ExitStatus::Config, why))?;
    warn_of_names(&file);
    Ok(file.assignments)
}

/// Warns about names in the file that look like addresses, by line.
pub fn warn_of_names(file: &RosterFile) {
    for line in &file.like_addresses {
        emit(&Event::NameLooksLikeAddress(&file.path, *line));
    }
}

/// Warns about files that were replaced where this process cannot see it: it goes on reading the old ones.
pub fn warn_of_replaced(files: &impl Files, path: &Path, config: &Config) {
    let desk = config.desk.as_ref().map(Desk::path);
    let named = [Some(path), config.roster_file.as_deref(), config.web_config_file.as_deref(), desk];
    for path in named.into_iter().flatten().filter(|path| files.is_replaced(path)) {
        emit(&Event::ReplacedOutside(path));
    }
}
