//! `blindmeter doctor`: what on this host voids the privacy claim, and how the daemon is sandboxed.
//!
//! Prints all twelve checks, passed ones too, so that a reader sees what was examined. Changes nothing.

use super::connection::{Daemon, default_socket, unexpected_answer};
use super::output;
use crate::config::{self, Config, Pattern, TapKind};
use crate::control::client;
use crate::control::protocol::{Answer, InterfaceReport, Request, StatusReport};
use crate::doctor::{self, Host, State, StoreLocation, Subject, Verdict};
use crate::environment::SystemFiles;
use crate::exit::{ExitError, ExitStatus};
use crate::tap::kernel;
use nix::sys::statvfs::{FsFlags, statvfs};
use serde::Serialize;
use std::path::{Path, PathBuf};

#[derive(Serialize)]
struct Report<'a> {
    schema_version: u32,
    void: bool,
    checks: Vec<Check<'a>>,
    sandbox: Remark,
    tap: Remark,
    users: Remark,
}

#[derive(Serialize)]
struct Check<'a> {
    number: u8,
    check: &'a str,
    state: &'a str,
    what: &'a str,
    remedy: Option<&'a str>,
}

/// A state as reports name it.
fn word<S: serde::Serializer>(state: &State, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(state.as_str())
}

/// A remark about the daemon itself.
#[derive(Serialize)]
struct Remark {
    #[serde(serialize_with = "word")]
    state: State,
    what: String,
    remedy: Option<&'static str>,
}

/// The remark about the tap, with who stands before it on its interfaces.
fn beside(tap: Remark, interfaces: &[InterfaceReport]) -> Remark {
    let before = |report: &InterfaceReport| {
        let before = kernel::with_names(&report.before.join(", "));
        (!before.is_empty()).then(|| format!("; before it on {}: {before}", report.interface))
    };
    let before: String = interfaces.iter().filter_map(before).collect();
    if before.is_empty() {
        return tap;
    }
    let remedy =
        "what stands before the tap may keep packets from it: remove it, or see that it lets all pass";
    Remark { state: State::Note, what: tap.what + &before, remedy: Some(remedy) }
}

/// Examines this host.
///
/// # Errors
/// A void claim (3), an invalid configuration (78), interfaces that cannot be listed (74); with
/// `--socket`, also no daemon (69) or no role (77).
pub(super) fn run(json: bool, daemon: &Daemon) -> Result<(), ExitError> {
    let asked = daemon.socket.clone().or_else(|| default_socket(&daemon.config));
    let (subject, status, backend, socket) = match &asked {
        Some(socket) => {
            let status = status(socket)?;
            (subject_of_status(&status, socket), Ok(status), None, socket.clone())
        }
        None => {
            let bad = |why| ExitError::new(ExitStatus::Config, why);
            let config = config::load(&SystemFiles, &daemon.config).map_err(bad)?;
            let status = status(&config.control_socket);
            let (backend, socket) = (config.backend, config.control_socket.clone());
            (subject_of_config(&config), status, backend, socket)
        }
    };
    let facts = doctor::ask()
        .map_err(|error| ExitError::new(ExitStatus::Io, format!("cannot list interfaces: {error}")))?;
    let verdicts = doctor::examine(&Host::running(), &facts, &subject);
    let void = verdicts.iter().any(|verdict| verdict.state == State::Void);
    let report = Report {
        schema_version: 1,
        void,
        checks: verdicts.iter().map(check).collect(),
        sandbox: sandbox(status.as_ref()),
        tap: beside(
            tap(status.as_ref().ok().map(|status| status.backend.as_str()), backend),
            status.as_ref().map_or(&[], |status| &status.interfaces),
        ),
        users: users(&socket),
    };
    if json {
        output::json(&report)?
    } else {
        print(&report)?
    }
    if void { Err(ExitError::new(ExitStatus::Void, "")) } else { Ok(()) }
}

/// What the checks and the remarks come to for a daemon that has answered: state, what was found, what to do.
///
/// # Errors
/// Interfaces that cannot be listed (74).
pub(super) fn findings(
    config: &Config,
    status: &StatusReport,
) -> Result<Vec<(State, String, Option<String>)>, ExitError> {
    let facts = doctor::ask()
        .map_err(|error| ExitError::new(ExitStatus::Io, format!("cannot list interfaces: {error}")))?;
    let verdicts = doctor::examine(&Host::running(), &facts, &subject_of_config(config));
    let remarks = [
        sandbox(Ok(status)),
        beside(tap(Some(&status.backend), config.backend), &status.interfaces),
        users(&config.control_socket),
    ];
    let of_checks = verdicts.into_iter().map(|found| {
        (found.state, format!("check {}, {}: {}", found.number, found.check, found.what), found.remedy)
    });
    let of_remarks = ["sandbox", "tap", "users"].into_iter().zip(remarks).map(|(what, found)| {
        (found.state, format!("{what}: {}", found.what), found.remedy.map(ToOwned::to_owned))
    });
    Ok(of_checks.chain(of_remarks).collect())
}

fn status(socket: &Path) -> Result<StatusReport, ExitError> {
    match client::ask(socket, &Request::Status {}, &[])? {
        Answer::Status(status) => Ok(*status),
        _ => Err(unexpected_answer()),
    }
}

/// What a daemon reports about itself; only its configuration says where it keeps things.
fn subject_of_status(status: &StatusReport, socket: &Path) -> Subject {
    let interfaces = status.interfaces.iter().map(|report| Pattern::of_name(&report.interface)).collect();
    Subject {
        interfaces,
        store: StoreLocation::Unknown,
        pin: StoreLocation::Unknown,
        daemon: serving(socket),
    }
}

fn subject_of_config(config: &Config) -> Subject {
    let pins = matches!(config.backend, None | Some(TapKind::Kernel)) && config.store.is_some();
    let folder = |store: &config::Sealed| store.path.parent().map_or_else(PathBuf::new, Path::to_path_buf);
    Subject {
        daemon: serving(&config.control_socket),
        interfaces: config.interfaces.clone(),
        // Memory mode pins nothing, and neither do the other taps.
        pin: if pins { StoreLocation::Folder(config.pin.clone()) } else { StoreLocation::None },
        store: config
            .store
            .as_ref()
            .map_or(StoreLocation::None, |store| StoreLocation::Folder(folder(store))),
    }
}

fn serving(socket: &Path) -> Option<doctor::Daemon> {
    client::server(socket).map(|(pid, uid)| doctor::Daemon { pid, uid })
}

fn check(verdict: &Verdict) -> Check<'_> {
    Check {
        number: verdict.number,
        check: verdict.check,
        state: verdict.state.as_str(),
        what: &verdict.what,
        remedy: verdict.remedy.as_deref(),
    }
}

/// The sandbox in force, as the daemon reports it.
fn sandbox(status: Result<&StatusReport, &ExitError>) -> Remark {
    let unknown = |what: &str, remedy| Remark {
        state: State::Unknown,
        what: format!("unknown: {what}"),
        remedy: Some(remedy),
    };
    match status {
        Ok(status) if status.sandbox == "full" => {
            Remark { state: State::Ok, what: status.sandbox_line(), remedy: None }
        }
        Ok(status) => Remark {
            state: State::Note,
            what: status.sandbox_line(),
            remedy: Some("see the daemon's log for what is missing; use the packaged systemd unit"),
        },
        Err(error) if error.code == ExitStatus::Permission => unknown(
            "this user may not ask the daemon",
            "run as root, or as a member of a role in [control.roles]",
        ),
        Err(_) => {
            unknown("no daemon answers on the control socket", "run doctor again while the daemon runs")
        }
    }
}

/// What the tap in use reveals to whoever watches the process (leak L21), and what it copies.
fn tap(in_use: Option<&str>, configured: Option<TapKind>) -> Remark {
    let follows = "its CPU time follows the traffic, and every user of this host can read it";
    let kernel_tap = Some("use the kernel tap (tap.backend)");
    match in_use.or(configured.map(TapKind::as_str)) {
        Some("kernel") => {
            Remark { state: State::Ok, what: "kernel: no packet enters the process".to_owned(), remedy: None }
        }
        Some("ring") => Remark { state: State::Note, what: format!("ring: {follows}"), remedy: kernel_tap },
        Some(other) => Remark {
            state: State::Note,
            what: format!("{other}: it copies whole packets and clears them; {follows}"),
            remedy: kernel_tap,
        },
        None => Remark {
            state: State::Unknown,
            what: "unknown: the daemon picks the best tap that works when it starts".to_owned(),
            remedy: Some("run doctor again while the daemon runs"),
        },
    }
}

/// What other users of the host see of hooks and commands.
fn users(socket: &Path) -> Remark {
    let note = |what: String, remedy| Remark { state: State::Note, what, remedy: Some(remedy) };
    if let Some(shown) = doctor::seen_in_proc(&Host::running()) {
        return note(shown.to_owned(), "mount -o remount,hidepid=invisible /proc");
    }
    let moves = FsFlags::ST_RELATIME | FsFlags::ST_NOATIME;
    let follows = statvfs(socket).is_ok_and(|mount| !mount.flags().intersects(moves));
    if follows {
        let what = "the control socket's access time tells everyone with a role when a command last ran";
        return note(what.to_owned(), "put control.socket on a mount with relatime or noatime");
    }
    if let Some(shown) = doctor::seen_elsewhere(&Host::running()) {
        return note(shown.to_owned(), "give nobody a shell here who has no role");
    }
    Remark { state: State::Ok, what: "others see no hook and no command".to_owned(), remedy: None }
}

fn print(report: &Report) -> Result<(), ExitError> {
    let print = |label: &str, state: &str, what: &str, remedy: Option<&str>| {
        let state = if state == State::Void.as_str() { "VOID" } else { state };
        output::line(&format!("{label:>7}  {state:<7}  {what}"))?;
        remedy.map_or(Ok(()), |remedy| output::line(&format!("{:>18}-> {remedy}", "")))
    };
    for check in &report.checks {
        print(&check.number.to_string(), check.state, check.what, check.remedy)?;
    }
    print("sandbox", report.sandbox.state.as_str(), &report.sandbox.what, report.sandbox.remedy)?;
    print("tap", report.tap.state.as_str(), &report.tap.what, report.tap.remedy)?;
    print("users", report.users.state.as_str(), &report.users.what, report.users.remedy)?;
    let of = |state: State| {
        let found = report.checks.iter().filter(|check| check.state == state.as_str());
        found.map(|check| check.number.to_string()).collect::<Vec<_>>().join(", ")
    };
    let (void, unknown) = (of(State::Void), of(State::Unknown));
    let claim = if void.is_empty() {
        "found nothing that voids the privacy claim".to_owned()
    } else {
        format!("the privacy claim is void on this host: {void}")
    };
    let rest = if unknown.is_empty() { String::new() } else { format!("; unknown: {unknown}") };
    output::line(&format!("{claim}{rest}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_space_tap_is_noted_whoever_says_so() {
        for (in_use, configured, state) in [
            (Some("kernel"), None, "ok"),
            (Some("ring"), None, "note"),
            (Some("pnet"), None, "note"),
            (None, Some(TapKind::Pnet), "note"),
            (None, Some(TapKind::Kernel), "ok"),
            (None, None, "unknown"),
        ] {
            let remark = tap(in_use, configured);
            assert_eq!(
                (remark.state.as_str(), remark.remedy.is_none()),
                (state, state == "ok"),
                "{in_use:?}"
            );
        }
    }
}
