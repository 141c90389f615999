//! `blindmeter audit-kit`: what auditors of a "no logs" claim ask of a live node, answered with evidence and the
//! command behind each line, so that somebody else can do it again.
//!
//! Puts together what other commands say, and looks at the processes and files themselves. Changes nothing; what it
//! could not look at is unknown, and no pass.

mod load;
mod logged;
mod needles;
mod process;
mod published;
mod report;
mod seen;
mod stored;
mod subject;

use super::connection::unexpected_answer;
use super::{doctor, output};
use crate::config;
use crate::control::client;
use crate::control::protocol::{Answer, Request};
use crate::environment::SystemFiles;
use crate::exit::{ExitError, ExitStatus};
use crate::meter::policy::Profile;
use needles::Needles;
use report::{Line, Report, Section};
use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
pub(super) use subject::Options;
use subject::Subject;

/// Looks at the node and reports.
///
/// # Errors
/// A void claim (3), something unknown (2), an invalid configuration (78), no daemon (69), no role (77), and files
/// that cannot be read or written (74).
pub(super) fn run(options: &Options) -> Result<(), ExitError> {
    let config =
        config::load(&SystemFiles, &options.config).map_err(|why| ExitError::new(ExitStatus::Config, why))?;
    let needles = Needles::of(&config, options.needles.as_deref())?;
    let Answer::Status(status) = client::ask(&config.control_socket, &Request::Status {}, &[])? else {
        return Err(unexpected_answer());
    };
    let process = client::server(&config.control_socket).map_or(0, |(process, _)| process);
    let subject = Subject { path: options.config.clone(), config, status: *status, process };
    let section = |question, lines| Section { question, lines };
    let sections = vec![
        section("Which build runs?", seen::build(&subject)),
        section("Which policy is in force?", seen::policy(&subject)),
        section("What is stored, where and for how long?", stored::lines(&subject)),
        section("What is logged?", logged::lines(&subject)),
        section("What is published?", published::lines(&subject)),
        section("Who can see what?", seen::who(&subject)),
        section("What else on this host voids the claim?", host(&subject)?),
        section(
            "What does a load on the probe account leave behind?",
            load::lines(&subject, &needles, options),
        ),
    ];
    let program = [env!("CARGO_PKG_VERSION"), env!("BLINDMETER_REVISION"), Profile::BUILT.as_str()];
    let report = Report::of(program, sections, stored::data(&subject), &needles);
    match &options.out {
        Some(folder) => {
            write(folder, &report).map_err(|error| {
                ExitError::new(ExitStatus::Io, format!("{}: {error}; name another folder", folder.display()))
            })?;
            output::line(&report.summary())?;
        }
        None if options.json => output::json(&report)?,
        None => output::line(report.markdown().trim_end())?,
    }
    match (report.outcome().void, report.outcome().unknown) {
        (0, 0) => Ok(()),
        (0, _) => Err(ExitError::new(ExitStatus::Found, "")),
        _ => Err(ExitError::new(ExitStatus::Void, "")),
    }
}

/// What `doctor` finds.
fn host(subject: &Subject) -> Result<Vec<Line>, ExitError> {
    let command = format!("blindmeter doctor --config {}", subject.path.display());
    let found = doctor::findings(&subject.config, &subject.status)?;
    let line = |(state, what, remedy)| Line::seen(state, what, command.clone(), remedy);
    Ok(found.into_iter().map(line).collect())
}

/// Both forms of the report, for their owner's eyes.
fn write(folder: &Path, report: &Report) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let json = serde_json::to_string_pretty(report)? + "\n";
    for (name, text) in [("audit.md", report.markdown()), ("audit.json", json)] {
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(folder.join(name))?;
        file.write_all(text.as_bytes())?;
    }
    Ok(())
}
