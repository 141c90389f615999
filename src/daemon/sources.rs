//! How each kind of VPN server is asked whose an address is: WireGuard devices by a process of their own, OpenVPN
//! by its status file, strongSwan by its socket.
//!
//! Holds whose keys are whose, as tags.

use super::asking;
use crate::clock::pause;
use crate::config::{self, Config, Pattern};
use crate::engine::state::State;
use crate::environment::Environment;
use crate::exit::{ExitError, ExitStatus};
use crate::roster::Source;
use crate::roster::place::Place;
use crate::roster::sources::openvpn::StatusFile;
use crate::roster::sources::strongswan::Charon;
use crate::roster::sources::wireguard::{Names, Reader};
use crate::roster::sources::{Feed, Unread};
use arc_swap::ArcSwap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// A server writes its status file in place: one that is not whole is read again so often, so much later.
const READS: u32 = 5;
const BETWEEN_READS: Duration = Duration::from_millis(20);

/// Starts the process that reads devices, where the configuration names any. Must be called while this process
/// has one thread.
///
/// # Errors
/// A process that cannot be made (74).
pub(super) fn start_reader(config: &Config) -> Result<Option<Reader>, ExitError> {
    if config.wireguard.is_empty() {
        return Ok(None);
    }
    let devices: Vec<String> = config.wireguard.iter().map(|device| device.interface.clone()).collect();
    let reader = Reader::start(&devices);
    reader.map(Some).map_err(|error| ExitError::new(ExitStatus::Io, format!("roster reader: {error}")))
}

/// The WireGuard devices that are being asked.
pub(super) struct WireGuard(Arc<ArcSwap<Vec<Names>>>);

impl WireGuard {
    /// Starts to ask; returns when each device has answered once, or has not in time.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub(super) fn start<E: Environment>(
        state: &Arc<State<E>>,
        config: &Config,
        mut reader: Reader,
        names: Vec<Names>,
    ) -> io::Result<Self> {
        let devices = &config.wireguard;
        let names = Arc::new(ArcSwap::from_pointee(names));
        let table = state.roster().table();
        // Two devices may hand out the same addresses; one alone is believed of every interface.
        let place = |device: &config::WireGuard| {
            let is_told_apart =
                devices.len() > 1 && Pattern::any_matches(&config.interfaces, &device.interface);
            // Where there are too many names, the first device's word counts.
            is_told_apart.then(|| table.places().name(&device.interface).ok()).flatten().unwrap_or_default()
        };
        let places: Vec<Place> = devices.iter().map(place).collect();
        let feed = Feed::new(
            Source::WireGuard,
            devices.iter().map(|device| (device.interface.clone(), device.grace)),
        );
        let polls = devices.iter().map(|device| device.poll).collect();
        let accounts = Arc::clone(&names);
        asking::start(state, feed, polls, move |roster, device| {
            let accounts = accounts.load_full();
            let said = reader.ask(device, &accounts[device], |account| roster.tag_of(account));
            let said = said.map(|said| {
                said.into_iter().map(|(prefix, account)| (prefix.at(places[device]), account)).collect()
            });
            (said, reader.passed())
        })?;
        Ok(Self(names))
    }

    /// From the next answers on, keys belong to these accounts.
    pub(super) fn rename(&self, names: Vec<Names>) {
        self.0.store(Arc::new(names));
    }
}

/// Starts to read the status files of OpenVPN servers, where there are any; returns when each was read once.
///
/// # Errors
/// When the thread cannot be started.
pub(super) fn read_status_files<E: Environment>(
    state: &Arc<State<E>>,
    servers: &[config::OpenVpn],
) -> io::Result<()> {
    if servers.is_empty() {
        return Ok(());
    }
    let part = |server: &config::OpenVpn| (server.status.display().to_string(), server.grace);
    let feed = Feed::new(Source::OpenVpn, servers.iter().map(part));
    let polls = servers.iter().map(|server| server.poll).collect();
    let mut files: Vec<StatusFile> =
        servers.iter().map(|server| StatusFile::new(server.status.clone())).collect();
    asking::start(state, feed, polls, move |roster, file| {
        let mut read = || files[file].read(|account| roster.tag_of(account));
        let mut said = read();
        for _ in 1..READS {
            if !matches!(said, Err(Unread::BrokenOff | Unread::Malformed | Unread::Row)) {
                break;
            }
            pause(BETWEEN_READS);
            said = read();
        }
        (said, files[file].passed())
    })
}

/// Starts to ask charons, where there are any; returns when each was asked once.
///
/// # Errors
/// When the thread cannot be started.
pub(super) fn ask_charons<E: Environment>(
    state: &Arc<State<E>>,
    servers: &[config::StrongSwan],
) -> io::Result<()> {
    if servers.is_empty() {
        return Ok(());
    }
    let part = |server: &config::StrongSwan| (server.socket.display().to_string(), server.grace);
    let feed = Feed::new(Source::StrongSwan, servers.iter().map(part));
    let polls = servers.iter().map(|server| server.poll).collect();
    let charon = |server: &config::StrongSwan| Charon::new(server.socket.clone(), server.identity);
    let mut charons: Vec<Charon> = servers.iter().map(charon).collect();
    asking::start(state, feed, polls, move |roster, charon| {
        let said = charons[charon].ask(|account| roster.tag_of(account));
        (said, charons[charon].passed())
    })
}
