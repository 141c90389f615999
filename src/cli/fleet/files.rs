//! What a command reads before it speaks to a cluster itself: the configuration's fleet, its key and its credentials.

use crate::config::{self, Fleet};
use crate::environment::SystemFiles;
use crate::exit::{ExitError, ExitStatus};
use crate::fleet::settings::{Role, Settings};
use std::path::Path;

/// The fleet of a configuration, with what its files hold.
pub(super) fn settings(config: &Path) -> Result<(Fleet, Settings), ExitError> {
    let bad = |why: String| ExitError::new(ExitStatus::Config, why);
    let loaded = config::load(&SystemFiles, config).map_err(bad)?;
    let fleet = loaded.fleet.ok_or_else(|| {
        bad(format!("{}: no [fleet]; docs/fleet.md shows how to set one up", config.display()))
    })?;
    let settings = Settings::read(&SystemFiles, &fleet).map_err(bad)?;
    Ok((fleet, settings))
}

/// No cluster lets this host act in a role.
pub(super) fn no_role(fleet: &Fleet, role: Role) -> ExitError {
    let (file, word) = (fleet.credentials_file.display(), role.word());
    ExitError::new(
        ExitStatus::Permission,
        format!("{file}: no line {word}:PASSWORD; ask who set up the servers"),
    )
}
