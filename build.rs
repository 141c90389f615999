//! Names the commit that the program is built from, for `--version` and `blindmeter_build_info`.
//!
//! `BLINDMETER_REVISION` wins, so that a packager can name it; then a release build asks git, and a crate's
//! archive has a file that says it. Needs no network and no git; depends on nothing but the commit, so that the
//! same commit builds the same program. Builds for tests name no commit: each would build everything again.

use std::io::{self, Write};
use std::path::Path;
use std::process::Command;

fn main() -> io::Result<()> {
    let mut cargo = io::stdout().lock();
    writeln!(cargo, "cargo::rerun-if-env-changed=BLINDMETER_REVISION")?;
    writeln!(cargo, "cargo::rerun-if-changed=build.rs")?;
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let is_release = variable("PROFILE").is_some_and(|profile| profile == "release");
    // The folder's own repository alone: an archive may be unpacked inside another one.
    if is_release && Path::new(".git").exists() {
        for place in [".git/HEAD", ".git/index", ".git/packed-refs", "src"] {
            if Path::new(place).exists() {
                writeln!(cargo, "cargo::rerun-if-changed={place}")?;
            }
        }
    }
    let revision = variable("BLINDMETER_REVISION")
        .or_else(|| if is_release { of_git().or_else(of_archive) } else { None })
        .unwrap_or_else(|| "unknown".to_owned());
    writeln!(cargo, "cargo::rustc-env=BLINDMETER_REVISION={revision}")
}

/// The commit, with `-dirty` where the files are not its own.
fn of_git() -> Option<String> {
    if !Path::new(".git").exists() {
        return None;
    }
    // The folder may be another user's, where root builds.
    let words = ["-c", "safe.directory=*", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"];
    let output = Command::new("git").args(words).output().ok().filter(|output| output.status.success())?;
    let revision = String::from_utf8(output.stdout).ok()?;
    Some(revision.trim().to_owned()).filter(|revision| !revision.is_empty())
}

/// The commit that `cargo package` wrote down.
fn of_archive() -> Option<String> {
    let text = std::fs::read_to_string(".cargo_vcs_info.json").ok()?;
    let (_, rest) = text.split_once("\"sha1\"")?;
    let hash = rest.split('"').nth(1)?;
    hash.get(..12).map(str::to_owned)
}
