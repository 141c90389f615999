//! How a node joins its fleet: files are read and the courier is started while the process has one thread, the fleet's
//! own thread once the meter runs.

use super::reload::Daemon;
use crate::config::Config;
use crate::environment::{Files, System};
use crate::exit::{ExitError, ExitStatus};
use crate::fleet::Courier;
use crate::fleet::keys::FleetKey;
use crate::fleet::link::{Link, Schedule};
use crate::fleet::settings::Settings;
use nix::unistd::Pid;

/// What a fleet's node has before its meter runs.
pub(super) struct Prepared {
    /// The fleet's key.
    pub(super) key: FleetKey,
    courier: Courier,
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
    Ok(Some(Prepared { key: settings.key, courier }))
}

impl Daemon<System> {
    /// Starts to send at each refresh, and to answer look-ups over the fleet.
    pub(super) fn join_fleet(&mut self, prepared: Prepared) -> std::io::Result<()> {
        let Prepared { key, courier } = prepared;
        let (node, policy) = (self.config().node_name.clone(), self.config().policy.0);
        let spread = self.config().fleet.as_ref().map_or_else(Default::default, |fleet| fleet.spread);
        let schedule = Schedule {
            spread,
            period_seconds: policy.period_seconds,
            refresh_seconds: policy.refresh_seconds,
        };
        let link = Link::start(courier, key, node, &self.engine.state, schedule)?;
        self.handler.join_fleet(link);
        Ok(())
    }
}
