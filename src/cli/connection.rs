//! Which daemon a command speaks to, and what it says when the answer is not one it knows.

use crate::config::Places;
use crate::exit::{ExitError, ExitStatus};
use clap::Args;
use std::path::{Path, PathBuf};

/// Where the configuration is by default.
pub(super) const CONFIG: &str = "/etc/blindmeter/blindmeter.toml";

/// Which daemon to speak to.
#[derive(Args)]
pub(super) struct Daemon {
    /// Configuration file; without --socket it names the control socket
    #[arg(long, global = true, default_value = CONFIG)]
    pub(super) config: PathBuf,
    /// The control socket itself
    #[arg(long, global = true, conflicts_with = "config")]
    pub(super) socket: Option<PathBuf>,
}

impl Daemon {
    pub(super) fn socket(&self) -> Result<PathBuf, ExitError> {
        if let Some(socket) = &self.socket {
            return Ok(socket.clone());
        }
        places(&self.config, "name --config FILE or --socket PATH").map(|places| places.control_socket)
    }
}

/// Where the daemon of a configuration is found.
pub(super) fn places(config: &Path, remedy: &str) -> Result<Places, ExitError> {
    let path = config.display();
    let text = std::fs::read_to_string(config)
        .map_err(|error| ExitError::new(ExitStatus::Config, format!("{path}: {error}; {remedy}")))?;
    crate::config::places(&text)
        .map_err(|error| ExitError::new(ExitStatus::Config, format!("{path} {error}")))
}

/// An answer to another question than was asked.
pub(super) fn unexpected_answer() -> ExitError {
    ExitError::new(ExitStatus::Bug, "the daemon answered another question; is it of this version?")
}
