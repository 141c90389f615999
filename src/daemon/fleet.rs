//! How a node joins its fleet: files are read and the courier is started while the process has one thread, the fleet's
//! own thread once the meter runs.

use crate::config::Config;
use crate::engine::state::State;
use crate::environment::{Files, System};
use crate::exit::{ExitError, ExitStatus};
use crate::fleet::Courier;
use crate::fleet::keys::FleetKey;
use crate::fleet::link::Link;
use crate::fleet::settings::Settings;
use crate::meter::policy::Policy;
use nix::unistd::Pid;
use std::sync::Arc;
use std::time::Duration;

/// What a fleet's node has before its meter runs.
pub(super) struct Prepared {
    /// The fleet's key.
    pub(super) key: FleetKey,
    courier: Courier,
    node: String,
    policy: Policy,
    spread: Duration,
}

impl Prepared {
    /// The courier's number as a process.
    pub(super) const fn process(&self) -> Pid {
        self.courier.process()
    }
}

/// Reads what a fleet needs and starts the courier, where the configuration names a fleet. Must be called while this
/// process has one thread. Log-ins stay with the courier.
///
/// # Errors
/// A file that cannot be used (78), a process that cannot be made (74).
pub(super) fn prepare(files: &impl Files, config: &Config) -> Result<Option<Prepared>, ExitError> {
    let Some(fleet) = &config.fleet else { return Ok(None) };
    let settings = Settings::read(files, fleet).map_err(|why| ExitError::new(ExitStatus::Config, why))?;
    let courier = Courier::start(&settings)
        .map_err(|error| ExitError::new(ExitStatus::Io, format!("the fleet's courier: {error}")))?;
    let (policy, spread) = (config.policy.0, fleet.spread);
    Ok(Some(Prepared { key: settings.key, courier, node: config.node_name.clone(), policy, spread }))
}

/// Starts to send at each refresh, and to answer look-ups over the fleet.
///
/// # Errors
/// When the fleet's thread cannot be started.
pub(super) fn join(prepared: Prepared, state: &Arc<State<System>>) -> std::io::Result<Arc<Link>> {
    let Prepared { key, courier, node, policy, spread } = prepared;
    Link::start(courier, key, node, state, &policy, spread)
}
