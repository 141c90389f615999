//! Which daemon a command talks to, and what it says when the answer does not match.

use crate::config::Locations;
use crate::exit::{ExitError, ExitStatus};
use clap::Args;
use std::path::{Path, PathBuf};

/// Where the configuration is by default.
pub(super) const CONFIG: &str = "/etc/blindmeter/blindmeter.toml";

/// Which daemon to talk to.
#[derive(Args)]
pub(super) struct Daemon {
    /// Configuration file, which names the control socket
    #[arg(long, global = true, value_name = "FILE", default_value = CONFIG)]
    pub(super) config: PathBuf,
    /// Control socket, instead of the one in the configuration
    #[arg(long, global = true, value_name = "PATH", conflicts_with = "config")]
    pub(super) socket: Option<PathBuf>,
}

impl Daemon {
    pub(super) fn socket(&self) -> Result<PathBuf, ExitError> {
        if let Some(socket) = &self.socket {
            return Ok(socket.clone());
        }
        locations(&self.config, "pass --config FILE or --socket PATH").map(|found| found.control_socket)
    }
}

/// Where a configuration's daemon listens, and what it pins.
pub(super) fn locations(config: &Path, remedy: &str) -> Result<Locations, ExitError> {
    let path = config.display();
    let text = std::fs::read_to_string(config)
        .map_err(|error| ExitError::new(ExitStatus::Config, format!("{path}: {error}; {remedy}")))?;
    crate::config::locations(&text)
        .map_err(|error| ExitError::new(ExitStatus::Config, format!("{path} {error}")))
}

/// The daemon's answer does not match the request.
pub(super) fn unexpected_answer() -> ExitError {
    ExitError::new(ExitStatus::Bug, "the daemon gave an unexpected answer; check that it runs this version")
}
