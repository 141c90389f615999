//! Which daemon a command talks to, and what it says when the answer does not match.

use crate::config::{DEFAULT_SOCKET, Locations};
use crate::exit::{ExitError, ExitStatus};
use clap::Args;
use std::io::ErrorKind;
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
    /// The socket to ask: the one that was passed, the configuration's, or the default one where the configuration
    /// is not for this user to read, as for staff.
    pub(super) fn socket(&self) -> Result<PathBuf, ExitError> {
        if let Some(socket) = self.socket.clone().or_else(|| default_socket(&self.config)) {
            return Ok(socket);
        }
        locations(&self.config, "pass --config FILE or --socket PATH").map(|found| found.control_socket)
    }
}

/// The default socket, where this configuration is one that cannot be read: it belongs to the daemon's user, or
/// nobody named it and it is not there.
pub(super) fn default_socket(config: &Path) -> Option<PathBuf> {
    let kind = std::fs::File::open(config).err()?.kind();
    let is_hidden = kind == ErrorKind::PermissionDenied;
    let is_absent = kind == ErrorKind::NotFound && config == Path::new(CONFIG);
    (is_hidden || is_absent).then(|| PathBuf::from(DEFAULT_SOCKET))
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
