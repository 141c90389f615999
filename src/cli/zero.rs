//! `blindmeter run --interface NAME`: a daemon without a configuration.
//!
//! Writes the configuration that it runs on into memory, beside the control socket, so that a reload finds it
//! and an operator can go on from it; says what it does and where to look; removes the file at the end.

use super::connection::CONFIG;
use super::host::{self, Found, Server};
use super::run::{dry_run, first_release};
use super::{output, proposal};
use crate::config::{DEFAULT_SOCKET, parse};
use crate::control::socket::is_answered;
use crate::exit::{ExitError, ExitStatus};
use crate::meter::calendar::Day;
use crate::roster::account::AccountName;
use std::fs::{DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Runs the daemon on these interfaces, or says what it would attach and publish.
///
/// # Errors
/// A configuration that is there (64), an interface or account that is none (64), and those of the daemon.
pub(super) fn start(interfaces: &[String], probe: Option<&str>, is_dry: bool) -> Result<(), ExitError> {
    if Path::new(CONFIG).exists() {
        let what = format!("{CONFIG} is there; run without --interface, and name interfaces under [tap]");
        return Err(ExitError::new(ExitStatus::Usage, what));
    }
    if let Some(Err(why)) = probe.map(AccountName::parse) {
        return Err(ExitError::new(ExitStatus::Usage, format!("--probe: {why}")));
    }
    let found: Vec<Found> = interfaces.iter().map(|interface| host::look(interface)).collect();
    let text = proposal::bare(&found, probe);
    let config = parse(&text)
        .map_err(|error| ExitError::new(ExitStatus::Usage, format!("--interface: {}", error.what)))?;
    let socket = Path::new(DEFAULT_SOCKET);
    if !is_dry && is_answered(socket) {
        let what = format!("{DEFAULT_SOCKET}: another daemon answers here; stop it first");
        return Err(ExitError::new(ExitStatus::Unavailable, what));
    }
    // A running daemon's own stays where it is.
    let path = socket.with_file_name(if is_dry { "dry-run.toml" } else { "interface.toml" });
    write(&path, &text).map_err(|error| {
        let code = match error.kind() {
            std::io::ErrorKind::PermissionDenied => ExitStatus::Permission,
            _ => ExitStatus::Io,
        };
        ExitError::new(code, format!("{}: {error}; run as root", path.display()))
    })?;
    let written = Written(path);
    if is_dry {
        return dry_run(&written.0);
    }
    for line in lines(&found, interfaces, probe.is_some(), Day::of_second(first_release(&config.policy.0))) {
        output::line(&line)?;
    }
    crate::daemon::run(&written.0, false)
}

/// The configuration in memory, which goes when the daemon does.
struct Written(PathBuf);

impl Drop for Written {
    fn drop(&mut self) {
        // Where it is gone already, there is nothing to do.
        let _ = std::fs::remove_file(&self.0);
    }
}

fn write(path: &Path, text: &str) -> std::io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.exists()) {
        DirBuilder::new().mode(0o750).create(folder)?;
    }
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}

/// What it does and where to look, one line each.
fn lines(found: &[Found], interfaces: &[String], has_probe: bool, first_release: Day) -> Vec<String> {
    let mut lines = vec![format!("metering: {}", interfaces.join(", "))];
    let options: String = interfaces.iter().map(|interface| format!(" --interface {interface}")).collect();
    for Found { interface, server, .. } in found {
        lines.push(match server {
            Server::WireGuard { names: None, why_not } => {
                let why = why_not.as_ref().map_or_else(String::new, |why| format!(" ({why})"));
                format!("accounts: each peer of {interface}, named by its public key as `wg` prints it{why}")
            }
            Server::WireGuard { names: Some(path), .. } => format!(
                "accounts: each peer of {interface}, named by the comment in {}, else by its public key",
                path.display()
            ),
            _ => format!(
                "accounts: none for {interface} yet, which is no WireGuard device; `blindmeter gen config{options}` \
                 names the lines for its server"
            ),
        });
    }
    lines.push("kept: in memory alone; totals end with this process".to_owned());
    lines.push("metrics: http://127.0.0.1:9776/metrics".to_owned());
    lines.push(format!("first release: {first_release}, and never with fewer than 20 accounts"));
    lines.push("state: `blindmeter status` and `blindmeter roster counts`, as root".to_owned());
    lines.push(if has_probe {
        "count: move something as the probe account, then `blindmeter accounts export - --open-epoch`, as often as \
         you like"
            .to_owned()
    } else {
        format!("count: to see it now, start with `blindmeter run{options} --probe ACCOUNT`")
    });
    lines.push(format!(
        "more: totals that outlive the process, names, roles and TLS take a configuration: `blindmeter gen config{options}`"
    ));
    lines
}
