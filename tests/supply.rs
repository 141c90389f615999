//! What the program is made of: the dependencies are those that `deny.toml` allows, by licence, source, version and
//! number, and it refuses others.
//!
//! No network is used. Advisories need one: CONTRIBUTING.md has `cargo deny check` as a long run. What is built of the
//! dependencies is compared by `tests/packages/rebuild`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const REPOSITORY: &str = env!("CARGO_MANIFEST_DIR");

/// Whether cargo-deny accepts the dependencies under these rules, and what it said.
fn judged(rules: &Path) -> (bool, String) {
    let mut command = Command::new(Path::new(REPOSITORY).join("target/tools/bin/cargo-deny"));
    command.args(["--offline", "--locked", "--config"]).arg(rules);
    let output = command.args(["check", "licenses", "bans", "sources"]).current_dir(REPOSITORY).output();
    let output = output.expect("`tests/run packages` installs cargo-deny");
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn dependencies_are_of_the_allowed_kinds() {
    let (is_accepted, said) = judged(&Path::new(REPOSITORY).join("deny.toml"));
    assert!(is_accepted, "{said}");
}

#[test]
fn others_are_refused() {
    let folder = tempfile::TempDir::new().expect("a temporary directory");
    let text = fs::read_to_string(Path::new(REPOSITORY).join("deny.toml")).expect("a file of the repository");
    let refused = |what: &str, from: &str, to: &str| {
        assert!(text.contains(from), "{from} is in deny.toml");
        let path: PathBuf = folder.path().join("deny.toml");
        fs::write(&path, text.replace(from, to)).expect("ours");
        let (is_accepted, said) = judged(&path);
        assert!(!is_accepted && said.contains(what), "{what}: {said}");
    };
    refused("ring", "\"ISC\", ", "");
    refused("bytes", "bytes:<1.11.1", "bytes:<9");
    refused(
        "duplicate",
        "{ crate = \"hashbrown@0.14\", reason = \"dashmap's, whose raw table is of this version\" },",
        "",
    );
    refused("source-not-allowed", "[sources]\n", "[sources]\nallow-registry = []\n");
}

#[test]
fn nothing_is_taken_from_outside_of_the_registry() {
    let lock =
        fs::read_to_string(Path::new(REPOSITORY).join("Cargo.lock")).expect("a file of the repository");
    let lock: toml::Table = lock.parse().expect("cargo has read it");
    let packages = lock["package"].as_array().expect("a list");
    assert!(packages.len() > 100, "{}", packages.len());
    for package in packages.iter().filter(|package| package["name"].as_str() != Some("blindmeter")) {
        let source = package.get("source").and_then(toml::Value::as_str);
        assert_eq!(source, Some("registry+https://github.com/rust-lang/crates.io-index"), "{package:?}");
        assert!(package.get("checksum").is_some(), "{package:?}");
    }
}
