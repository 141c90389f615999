//! Names the commit that the program is built from, for `--version` and `blindmeter_build_info`.
//!
//! `BLINDMETER_REVISION` wins, so that a packager can name it; then a release build asks git, and an archive has a
//! file that says it: cargo's, or git's own. Needs no network and no git; depends on nothing but the commit, so that
//! the same commit builds the same program wherever it was cloned. Builds for tests name no commit: each would build
//! everything again.

use std::io::{self, Write};
use std::path::Path;
use std::process::Command;

/// Signs of a commit's hash that are shown: always as many, however many this clone would need.
const SIGNS: usize = 12;

/// What goes into a program; a change of anything else is none of the program.
const SOURCES: [&str; 4] = ["src", "build.rs", "Cargo.toml", "Cargo.lock"];

/// Where `git archive` writes the commit down (.gitattributes).
const ARCHIVED: &str = "deploy/release/commit";

fn main() -> io::Result<()> {
    let mut cargo = io::stdout().lock();
    writeln!(cargo, "cargo::rerun-if-env-changed=BLINDMETER_REVISION")?;
    writeln!(cargo, "cargo::rerun-if-changed=build.rs")?;
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let is_release = variable("PROFILE").is_some_and(|profile| profile == "release");
    if is_release {
        // What git writes at a commit and a checkout, wherever this tree keeps it.
        let of_git = ["HEAD", "logs/HEAD", "packed-refs"].map(|file| git(&["rev-parse", "--git-path", file]));
        let places =
            of_git.into_iter().flatten().chain(SOURCES.map(str::to_owned)).chain([ARCHIVED.to_owned()]);
        for place in places.filter(|place| Path::new(place).exists()) {
            writeln!(cargo, "cargo::rerun-if-changed={place}")?;
        }
    }
    let revision = variable("BLINDMETER_REVISION")
        .or_else(|| if is_release { of_git().or_else(of_package).or_else(of_archive) } else { None })
        .unwrap_or_else(|| "unknown".to_owned());
    writeln!(cargo, "cargo::rustc-env=BLINDMETER_REVISION={revision}")
}

/// The commit, with `-dirty` where what goes into the program is not the commit's.
fn of_git() -> Option<String> {
    let commit = shown(&git(&["rev-parse", "HEAD"])?)?;
    let changed = git(&[&["status", "--porcelain", "--"], &SOURCES[..]].concat())?;
    Some(if changed.is_empty() { commit } else { commit + "-dirty" })
}

/// What git says of this folder's own repository alone: an archive may be unpacked inside another one.
fn git(words: &[&str]) -> Option<String> {
    if !Path::new(".git").exists() {
        return None;
    }
    // The folder may be another user's, where root builds; and a look that wrote the index would build again.
    let first = ["-c", "safe.directory=*", "--no-optional-locks"];
    let output =
        Command::new("git").args(first).args(words).output().ok().filter(|output| output.status.success())?;
    String::from_utf8(output.stdout).ok().map(|text| text.trim().to_owned())
}

/// The commit that `cargo package` wrote down.
fn of_package() -> Option<String> {
    let text = std::fs::read_to_string(".cargo_vcs_info.json").ok()?;
    let (_, rest) = text.split_once("\"sha1\"")?;
    let dirty = if text.contains("\"dirty\": true") { "-dirty" } else { "" };
    Some(shown(rest.split('"').nth(1)?)? + dirty)
}

/// The commit that `git archive` wrote down.
fn of_archive() -> Option<String> {
    shown(std::fs::read_to_string(ARCHIVED).ok()?.trim())
}

/// A hash as it is shown; none where it is none.
fn shown(hash: &str) -> Option<String> {
    let signs = hash.get(..SIGNS)?;
    hash.bytes().all(|sign| sign.is_ascii_hexdigit()).then(|| signs.to_owned())
}
