//! The files that a start and a reload read besides the configuration, and warnings about them.
//!
//! Files are read through [`Files`]; nothing read here is in force yet.

use crate::config::Config;
use crate::environment::Files;
use crate::log::{Event, emit};
use crate::publish::web::WebConfig;
use crate::roster::csv::{self, Row};
use std::path::Path;

/// Reads the roster file of a configuration; empty if none is configured.
///
/// # Errors
/// One line that names the file and the line in it.
pub fn read_roster(files: &impl Files, config: &Config) -> Result<Vec<Row>, String> {
    let Some(path) = &config.roster_file else { return Ok(Vec::new()) };
    let named = |why: &dyn std::fmt::Display| format!("{}: {why}", path.display());
    let bytes = files
        .read(path)
        .map_err(|error| format!("roster.file {}: cannot be read: {error}", path.display()))?;
    csv::rows(&bytes).map_err(|error| named(&error))
}

/// Reads the web configuration file and every file it names; without one, anyone who can reach a
/// listener can read. `before` is what was in force.
///
/// # Errors
/// One line that names the file and the line in it.
pub fn read_web_config(files: &impl Files, config: &Config, before: &WebConfig) -> Result<WebConfig, String> {
    let path = config.web_config_file.as_deref();
    path.map_or_else(|| Ok(WebConfig::default()), |path| WebConfig::load(files, path, before))
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

/// Warns about names in the file that look like addresses, by line.
pub fn warn_of_names(path: &Path, rows: &[Row]) {
    for row in rows.iter().filter(|row| row.account.looks_like_an_address()) {
        emit(&Event::NameLooksLikeAddress(path, row.line));
    }
}
