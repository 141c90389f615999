//! Which build and which policy runs, and who can see what: digests, roles, files' modes, and what the process may do.
//!
//! Counts members of roles and names none.

use super::process;
use super::published;
use super::report::Line;
use super::subject::Subject;
use crate::meter::policy::{Mode, Policy, Profile};
use std::fs;
use std::os::unix::fs::MetadataExt;

/// The build.
pub(super) fn build(subject: &Subject) -> Vec<Line> {
    let running = format!("/proc/{}/exe", subject.process);
    let compared = format!("sha256sum {running} \"$(command -v blindmeter)\"; blindmeter verify");
    let revision = env!("BLINDMETER_REVISION");
    let mut lines = vec![match (process::digest(&running), process::digest("/proc/self/exe")) {
        (Ok(theirs), Ok(ours)) if theirs == ours => {
            let what = format!("the daemon runs the program that made this report, SHA-256 {ours}");
            Line::ok(what, compared)
        }
        (Ok(theirs), Ok(ours)) => Line::note(
            format!(
                "the daemon runs another program than the one that made this report: {theirs}, not {ours}"
            ),
            compared,
            "an upgrade waits for a restart, or look at it: blindmeter verify RECEIPT --key RW... --binary FILE",
        ),
        (Err(error), _) | (_, Err(error)) => {
            Line::unknown(format!("which program the daemon runs: {error}"), compared, "run as root")
        }
    }];
    let commit = "blindmeter verify".to_owned();
    lines.push(match (revision, revision.ends_with("-dirty")) {
        ("unknown", _) => Line::unknown(
            "which commit this program is built from",
            commit,
            "build it from a repository or a release's archive, or set BLINDMETER_REVISION",
        ),
        (_, true) => Line::note(
            format!("this program is built from commit {revision}: from files that are not the commit's"),
            commit,
            "build it from the commit itself",
        ),
        _ => Line::ok(format!("this program is built from commit {revision}"), commit),
    });
    lines.push(Line::unknown(
        "whether this is a released program: no receipt was looked at",
        "blindmeter verify RECEIPT --key RW...",
        "compare it with the receipt of the release",
    ));
    let status = format!("blindmeter status --config {}", subject.path.display());
    lines.push(match subject.status.profile == Profile::Standard.as_str() {
        true => Line::ok("the floors of the standard build are in force", status),
        false => {
            Line::void("the daemon is a lab build, without the floors", status, "run the standard build")
        }
    });
    lines
}

/// The policy.
pub(super) fn policy(subject: &Subject) -> Vec<Line> {
    let policy = &subject.config.policy.0;
    let digest = policy.digest();
    let command =
        format!("{}; blindmeter check --config {}", published::command(subject), subject.path.display());
    let published = published::page(subject).map(|page| page.contains(&format!("policy=\"{digest}\"")));
    let mut lines = vec![match published {
        Ok(true) => Line::ok(format!("the policy in force is the configured one, digest {digest}"), command),
        Ok(false) => Line::void(
            format!("the policy in force is not the configured one, digest {digest}"),
            command,
            "restart the daemon, or mend the configuration",
        ),
        Err(why) => {
            Line::unknown(format!("which policy is in force: {why}"), command, "read the page by hand")
        }
    }];
    let check = format!("blindmeter check --config {}", subject.path.display());
    let hours = policy.epoch_seconds / 3600;
    lines.push(match policy.mode {
        Mode::Noisy(noise) => Line::ok(
            format!(
                "totals are released every {hours} h with noise, epsilon {} for an account-day's bytes, for at least \
                 {} accounts",
                noise.epsilon.decimal(),
                policy.crowd
            ),
            check.clone(),
        ),
        Mode::Coarse => Line::note(
            format!("totals are released every {hours} h, rounded and without noise (release.mode = \"coarse\")"),
            check.clone(),
            "set release.mode = \"noisy\"",
        ),
    });
    lines.push(match digest == Policy::DEFAULT.digest() {
        true => Line::ok("it is the default policy", "blindmeter verify".to_owned()),
        false => Line::ok(
            format!("it differs from the default policy, {}", Policy::DEFAULT.digest()),
            format!("blindmeter verify --config {}", subject.path.display()),
        ),
    });
    lines
}

/// Who can see what.
pub(super) fn who(subject: &Subject) -> Vec<Line> {
    let config = &subject.config;
    let roles = format!("grep -A4 '^\\[control.roles\\]' {}", subject.path.display());
    let counts = [
        ("roster", &config.roles.roster),
        ("support", &config.roles.support),
        ("privacy", &config.roles.privacy),
    ]
    .map(|(role, members)| format!("{role} {}", members.len()));
    let mut lines = vec![Line::ok(
        format!("users and groups with a role on the control socket: {}", counts.join(", ")),
        format!("{roles}; getent group NAME"),
    )];
    lines.push(match (&config.desk, config.two_person) {
        (None, _) => Line::ok("no pages for support and privacy officers are served", roles.clone()),
        (Some(_), two) => Line::ok(
            format!(
                "the desk is served, to {} log-ins for support and {} for privacy; {}",
                config.desk_roles.support.len(),
                config.desk_roles.privacy.len(),
                if two { "a second officer must approve" } else { "one officer is enough" }
            ),
            format!("grep -A6 '^\\[support' {}", subject.path.display()),
        ),
    });
    let socket = config.control_socket.display().to_string();
    let command = format!("getfacl {socket}");
    lines.push(match fs::metadata(&config.control_socket) {
        Ok(metadata) if metadata.mode() & 0o007 == 0 => Line::ok(
            "only root, the daemon's user and members of a role can connect to the control socket",
            command,
        ),
        Ok(_) => Line::note(
            "everyone can connect to the control socket, and be refused",
            command,
            "put it on a file system with access lists",
        ),
        Err(error) => Line::unknown(format!("who can connect to {socket}: {error}"), command, "run as root"),
    });
    let command = format!("grep -E '^(Uid|CapEff|NoNewPrivs|Seccomp)' /proc/{}/status", subject.process);
    let own = |field| process::status(subject.process, field);
    lines.push(match (own("Uid"), own("CapEff")) {
        (Some(users), Some(capabilities)) => {
            let is_root = users.split_whitespace().next() == Some("0");
            let none = capabilities.bytes().all(|byte| byte == b'0');
            let what = format!(
                "the daemon runs as {}, with {}",
                if is_root { "root" } else { "a user of its own" },
                if none { "no capability" } else { "capabilities" }
            );
            match (is_root, none) {
                (false, true) => Line::ok(what, command),
                _ => Line::note(what, command, "use the packaged unit, and the kernel tap"),
            }
        }
        _ => Line::unknown("as whom the daemon runs", command, "run as root"),
    });
    lines
}
