//! `blindmeter doctor`: what on this host would void the privacy claim, and how the daemon is boxed in.
//!
//! Prints all twelve checks, good ones too: a reader sees what was looked at. Changes nothing.

use super::connection::{Daemon, unexpected_answer};
use super::output;
use crate::config::{self, Backend, Config, Pattern};
use crate::control::client;
use crate::control::protocol::{Answer, Request, StatusReport};
use crate::doctor::{self, Host, Place, State, Subject, Verdict};
use crate::environment::SystemFiles;
use crate::exit::{ExitError, ExitStatus};
use serde::Serialize;
use std::path::{Path, PathBuf};

#[derive(Serialize)]
struct Report<'a> {
    schema_version: u32,
    void: bool,
    checks: Vec<Check<'a>>,
    sandbox: Remark,
    tap: Remark,
}

#[derive(Serialize)]
struct Check<'a> {
    number: u8,
    check: &'a str,
    state: &'a str,
    what: &'a str,
    remedy: Option<&'a str>,
}

/// Something about the daemon itself.
#[derive(Serialize)]
struct Remark {
    state: &'static str,
    what: String,
    remedy: Option<&'static str>,
}

/// Examines this host.
///
/// # Errors
/// A void claim (3), a bad configuration (78), interfaces that cannot be listed (74); with a socket
/// alone also no daemon (69) or no role (77).
pub(super) fn run(json: bool, daemon: &Daemon) -> Result<(), ExitError> {
    let (subject, status, backend) = match &daemon.socket {
        Some(socket) => {
            let status = status(socket)?;
            (told_by(&status, socket), Ok(status), None)
        }
        None => {
            let bad = |why| ExitError::new(ExitStatus::Config, why);
            let config = config::load(&SystemFiles, &daemon.config).map_err(bad)?;
            let status = status(&config.control_socket);
            let backend = config.backend;
            (told_by_configuration(config), status, Some(backend))
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
        sandbox: sandbox(&status),
        tap: tap(status.as_ref().ok().map(|status| status.backend.as_str()), backend),
    };
    if json {
        output::json(&report)?
    } else {
        print(&report)?
    }
    if void { Err(ExitError::new(ExitStatus::Void, "")) } else { Ok(()) }
}

fn status(socket: &Path) -> Result<StatusReport, ExitError> {
    match client::ask(socket, &Request::Status {}, &[])? {
        Answer::Status(status) => Ok(status),
        _ => Err(unexpected_answer()),
    }
}

/// What a daemon tells of itself; where it keeps things is in its configuration alone.
fn told_by(status: &StatusReport, socket: &Path) -> Subject {
    let interfaces = status.interfaces.iter().map(|report| Pattern::of_name(&report.interface)).collect();
    Subject { interfaces, store: Place::NotTold, pin: Place::NotTold, daemon: serving(socket) }
}

fn told_by_configuration(config: Config) -> Subject {
    let pins = matches!(config.backend, Backend::Auto | Backend::Kernel) && config.store.is_some();
    let folder = |store: config::Sealed| store.path.parent().map_or_else(PathBuf::new, Path::to_path_buf);
    Subject {
        daemon: serving(&config.control_socket),
        interfaces: config.interfaces,
        // Memory mode pins nothing, and neither do the other taps.
        pin: if pins { Place::At(config.pin) } else { Place::Nowhere },
        store: config.store.map_or(Place::Nowhere, |store| Place::At(folder(store))),
    }
}

fn serving(socket: &Path) -> Option<doctor::Daemon> {
    client::server(socket).map(|(pid, uid)| doctor::Daemon { pid, uid })
}

fn check(verdict: &Verdict) -> Check<'_> {
    Check {
        number: verdict.number,
        check: verdict.check,
        state: verdict.state.word(),
        what: &verdict.what,
        remedy: verdict.remedy.as_deref(),
    }
}

/// The level in force, as the daemon tells it.
fn sandbox(status: &Result<StatusReport, ExitError>) -> Remark {
    let unknown = |what: &str, remedy| Remark {
        state: State::Unknown.word(),
        what: format!("not known: {what}"),
        remedy: Some(remedy),
    };
    match status {
        Ok(status) if status.sandbox == "full" => {
            Remark { state: State::Ok.word(), what: status.sandbox_line(), remedy: None }
        }
        Ok(status) => Remark {
            state: State::Note.word(),
            what: status.sandbox_line(),
            remedy: Some("the daemon's log says of each part what it lacks; use the unit that is delivered"),
        },
        Err(failure) if failure.code == ExitStatus::Permission => unknown(
            "this user may not ask the daemon",
            "run as root, or as a member of a role in [control.roles]",
        ),
        Err(_) => unknown("no daemon answers on the control socket", "run doctor again when the daemon runs"),
    }
}

/// What the tap in use tells whoever watches the process (leak L21), and what it copies.
fn tap(in_use: Option<&str>, configured: Option<Backend>) -> Remark {
    let configured = match configured {
        Some(Backend::Kernel) => Some("kernel"),
        Some(Backend::Ring) => Some("ring"),
        Some(Backend::Pnet) => Some("pnet"),
        Some(Backend::Auto) | None => None,
    };
    let follows = "its processor time follows the traffic, and every user of this host may read that";
    let kernel_tap = Some("use the kernel tap (tap.backend)");
    match in_use.or(configured) {
        Some("kernel") => Remark {
            state: State::Ok.word(),
            what: "kernel: no packet enters the process".to_owned(),
            remedy: None,
        },
        Some("ring") => {
            Remark { state: State::Note.word(), what: format!("ring: {follows}"), remedy: kernel_tap }
        }
        Some(other) => Remark {
            state: State::Note.word(),
            what: format!("{other}: it copies whole packets, clears them, and {follows}"),
            remedy: kernel_tap,
        },
        None => Remark {
            state: State::Unknown.word(),
            what: "not known: the best that works is taken when the daemon starts".to_owned(),
            remedy: Some("run doctor again when the daemon runs"),
        },
    }
}

fn print(report: &Report) -> Result<(), ExitError> {
    let say = |label: &str, state: &str, what: &str, remedy: Option<&str>| {
        let state = if state == State::Void.word() { "VOID" } else { state };
        output::line(&format!("{label:>7}  {state:<7}  {what}"))?;
        remedy.map_or(Ok(()), |remedy| output::line(&format!("{:>18}-> {remedy}", "")))
    };
    for check in &report.checks {
        say(&check.number.to_string(), check.state, check.what, check.remedy)?;
    }
    say("sandbox", report.sandbox.state, &report.sandbox.what, report.sandbox.remedy)?;
    say("tap", report.tap.state, &report.tap.what, report.tap.remedy)?;
    let of = |state: State| {
        let found = report.checks.iter().filter(|check| check.state == state.word());
        found.map(|check| check.number.to_string()).collect::<Vec<_>>().join(", ")
    };
    let (void, unknown) = (of(State::Void), of(State::Unknown));
    let claim = if void.is_empty() {
        "nothing that was seen voids the privacy claim".to_owned()
    } else {
        format!("the privacy claim is void on this host: {void}")
    };
    let rest = if unknown.is_empty() { String::new() } else { format!("; not known: {unknown}") };
    output::line(&format!("{claim}{rest}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_space_tap_is_noted_whoever_says_so() {
        for (in_use, configured, state) in [
            (Some("kernel"), Some(Backend::Auto), "ok"),
            (Some("ring"), Some(Backend::Auto), "note"),
            (Some("pnet"), None, "note"),
            (None, Some(Backend::Pnet), "note"),
            (None, Some(Backend::Kernel), "ok"),
            (None, Some(Backend::Auto), "unknown"),
        ] {
            let remark = tap(in_use, configured);
            assert_eq!((remark.state, remark.remedy.is_none()), (state, state == "ok"), "{in_use:?}");
        }
    }
}
