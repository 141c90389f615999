//! `blindmeter verify`: which build and which policy this is, and with a release's signed receipt what differs from it.
//!
//! A program that was altered may say anything here: whoever doubts one has a trusted copy look at it, by `--binary`.

use super::output;
use super::receipt::Receipt;
use crate::config;
use crate::environment::SystemFiles;
use crate::exit::{ExitError, ExitStatus};
use crate::meter::policy::{Policy, Profile};
use clap::Args;
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// Where the kernel shows the running program's file, also where another lies in its place by now.
const ITSELF: &str = "/proc/self/exe";

/// Options of the command.
#[derive(Args)]
pub(super) struct Options {
    /// A release's signed receipt
    #[arg(value_name = "RECEIPT", requires = "key")]
    receipt: Option<PathBuf>,
    /// The release's public key, as minisign writes it (RW...)
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// Look at this program instead of the one that runs
    #[arg(long, value_name = "FILE", requires = "receipt")]
    binary: Option<PathBuf>,
    /// Look at the bill of materials as well
    #[arg(long, value_name = "FILE", requires = "receipt")]
    sbom: Option<PathBuf>,
    /// Configuration file whose policy is told beside the defaults
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    schema_version: u32,
    version: &'static str,
    commit: &'static str,
    profile: &'static str,
    /// Of the defaults that are compiled in.
    policy: String,
    /// Of the configuration; none without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    policy_in_force: Option<String>,
    binary_sha256: String,
    /// What differs from the receipt; none without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    differs: Option<Vec<Difference>>,
}

/// One thing that is not as the receipt says.
#[derive(Serialize)]
struct Difference {
    what: &'static str,
    here: String,
    receipt: String,
}

/// Prints what runs, and what differs from a receipt.
///
/// # Errors
/// What differs (2); a receipt that is none, or is not signed by the key (2); files that cannot be read (74).
pub(super) fn run(options: &Options) -> Result<(), ExitError> {
    let file = options.binary.as_deref().unwrap_or(Path::new(ITSELF));
    let policy_in_force = match &options.config {
        Some(path) => {
            let config = config::load(&SystemFiles, path);
            Some(config.map_err(|why| ExitError::new(ExitStatus::Config, why))?.policy.0.digest())
        }
        None => None,
    };
    let mut report = Report {
        schema_version: 1,
        version: env!("CARGO_PKG_VERSION"),
        commit: env!("BLINDMETER_REVISION"),
        profile: Profile::BUILT.as_str(),
        policy: Policy::DEFAULT.digest(),
        policy_in_force,
        binary_sha256: sha256(file)?,
        differs: None,
    };
    if let (Some(path), Some(key)) = (&options.receipt, &options.key) {
        let text = std::fs::read_to_string(path).map_err(|error| unreadable(path, &error))?;
        let receipt = Receipt::signed(&text, key)
            .map_err(|why| ExitError::new(ExitStatus::Found, format!("{}: {why}", path.display())))?;
        let sbom = options.sbom.as_deref().map(sha256).transpose()?;
        report.differs = Some(differences(&report, &receipt, options.binary.is_some(), sbom));
    }
    if options.json {
        output::json(&report)?;
    } else {
        show(&report, file)?;
    }
    match report.differs.as_deref() {
        None | Some([]) => Ok(()),
        Some(_) => Err(ExitError::new(
            ExitStatus::Found,
            "this is not what the receipt is of; see what differs above",
        )),
    }
}

/// Of another program nothing but its digest is known without running it, and that says all.
fn differences(report: &Report, receipt: &Receipt, is_other: bool, sbom: Option<String>) -> Vec<Difference> {
    let mut compared = vec![("binary", report.binary_sha256.clone(), &receipt.binary_sha256)];
    if !is_other {
        compared.extend([
            ("version", report.version.to_owned(), &receipt.version),
            ("commit", report.commit.to_owned(), &receipt.commit),
            ("profile", report.profile.to_owned(), &receipt.profile),
            ("policy", report.policy.clone(), &receipt.policy),
        ]);
    }
    compared.extend(sbom.map(|sbom| ("sbom", sbom, &receipt.sbom_sha256)));
    let differs = compared.into_iter().filter(|(_, here, receipt)| here != *receipt);
    differs.map(|(what, here, receipt)| Difference { what, here, receipt: receipt.clone() }).collect()
}

fn show(report: &Report, file: &Path) -> Result<(), ExitError> {
    let row = |name: &str, value: &str| [name.to_owned(), value.to_owned()];
    let binary = if file == Path::new(ITSELF) { "binary, SHA-256" } else { "that binary, SHA-256" };
    let mut rows = vec![
        row("version", report.version),
        row("commit", report.commit),
        row("profile", report.profile),
        row("policy, by default", &report.policy),
    ];
    if let Some(policy) = &report.policy_in_force {
        rows.push(row("policy, as configured", policy));
    }
    rows.push(row(binary, &report.binary_sha256));
    output::pairs(&rows)?;
    match report.differs.as_deref() {
        None => Ok(()),
        Some([]) => output::line("signed, and as the receipt says"),
        Some(differs) => differs.iter().try_for_each(|Difference { what, here, receipt }| {
            output::line(&format!("{what} differs: here {here}, in the receipt {receipt}"))
        }),
    }
}

fn sha256(path: &Path) -> Result<String, ExitError> {
    let mut hasher = Sha256::new();
    let mut file = File::open(path).map_err(|error| unreadable(path, &error))?;
    let mut buffer = [0; 1 << 16];
    loop {
        match io::Read::read(&mut file, &mut buffer).map_err(|error| unreadable(path, &error))? {
            0 => return Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()),
            count => hasher.update(&buffer[..count]),
        }
    }
}

fn unreadable(path: &Path, error: &io::Error) -> ExitError {
    ExitError::new(ExitStatus::Io, format!("{} cannot be read: {error}", path.display()))
}
