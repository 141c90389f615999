//! What the program is made of: the dependencies are those that `deny.toml` allows, by licence, source, version,
//! number and known advisories, it refuses others, and the program carries the list of them.
//!
//! No network is used: what RustSec says is in `supply/advisories.toml`, as of its day. CONTRIBUTING.md has
//! `cargo deny check`, which asks RustSec itself, as a long run. What is built of the dependencies is compared by
//! `tests/packages/rebuild`.

#[path = "supply/advisories.rs"]
mod advisories;
#[path = "supply/program.rs"]
mod program;

use advisories::{Advisory, Known};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const REPOSITORY: &str = env!("CARGO_MANIFEST_DIR");

/// Whether cargo-deny accepts the dependencies under these rules, and what it said.
fn judged(rules: &Path, checks: &[&str]) -> (bool, String) {
    let mut command = Command::new(Path::new(REPOSITORY).join("target/tools/bin/cargo-deny"));
    command.args(["--offline", "--locked", "--config"]).arg(rules);
    let output = command.arg("check").args(checks).current_dir(REPOSITORY).output();
    let output = output.expect("`tests/run packages` installs cargo-deny");
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// All but the advisories.
const KINDS: [&str; 3] = ["licenses", "bans", "sources"];

fn rules() -> String {
    fs::read_to_string(Path::new(REPOSITORY).join("deny.toml")).expect("a file of the repository")
}

/// The packages of `Cargo.lock`.
fn locked() -> Vec<toml::Value> {
    let lock =
        fs::read_to_string(Path::new(REPOSITORY).join("Cargo.lock")).expect("a file of the repository");
    let lock: toml::Table = lock.parse().expect("cargo has read it");
    let packages = lock["package"].as_array().expect("a list").clone();
    assert!(packages.len() > 100, "{}", packages.len());
    packages.into_iter().filter(|package| package["name"].as_str() != Some("blindmeter")).collect()
}

#[test]
fn dependencies_are_of_the_allowed_kinds() {
    let (is_accepted, said) = judged(&Path::new(REPOSITORY).join("deny.toml"), &KINDS);
    assert!(is_accepted, "{said}");
}

#[test]
fn others_are_refused() {
    let folder = tempfile::TempDir::new().expect("a temporary directory");
    let text = rules();
    let refused = |what: &str, from: &str, to: &str| {
        assert!(text.contains(from), "{from} is in deny.toml");
        let path: PathBuf = folder.path().join("deny.toml");
        fs::write(&path, text.replace(from, to)).expect("ours");
        let (is_accepted, said) = judged(&path, &KINDS);
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
    for package in locked() {
        let source = package.get("source").and_then(toml::Value::as_str);
        assert_eq!(source, Some("registry+https://github.com/rust-lang/crates.io-index"), "{package:?}");
        assert!(package.get("checksum").is_some(), "{package:?}");
    }
}

/// Whether cargo-deny accepts the dependencies by these advisories alone, and what it said.
fn judged_by(advisories: &[Advisory]) -> (bool, String) {
    let folder = tempfile::TempDir::new().expect("a temporary directory");
    advisories::database(advisories, folder.path());
    let path = folder.path().join("deny.toml");
    let place = format!("[advisories]\ndb-path = {:?}\n", folder.path());
    let text = rules();
    assert!(text.contains("[advisories]\n"), "{text}");
    fs::write(&path, text.replace("[advisories]\n", &place)).expect("ours");
    judged(&path, &["advisories"])
}

#[test]
fn no_version_has_an_advisory_that_is_known() {
    let (is_accepted, said) = judged_by(&Known::read().advisories);
    assert!(is_accepted, "{said}");
}

#[test]
fn an_advisory_of_any_kind_is_found() {
    let known = Known::read().advisories;
    let of = |id: &str, kind: &str, withdrawn: Option<&str>| Advisory {
        id: id.to_owned(),
        package: "memchr".to_owned(),
        date: "2026-11-30".to_owned(),
        kind: kind.to_owned(),
        withdrawn: withdrawn.map(str::to_owned),
        patched: Vec::new(),
        unaffected: Vec::new(),
    };
    let withdrawn = of("RUSTSEC-2026-9999", "vulnerability", Some("2026-11-30"));
    let (is_accepted, said) = judged_by(&[known.as_slice(), &[withdrawn]].concat());
    assert!(is_accepted, "{said}");

    let kinds = ["vulnerability", "unmaintained", "unsound"];
    let planted = kinds.iter().zip(9996..).map(|(kind, id)| of(&format!("RUSTSEC-2026-{id}"), kind, None));
    let (is_accepted, said) = judged_by(&known.iter().cloned().chain(planted).collect::<Vec<_>>());
    assert!(!is_accepted, "{said}");
    for (kind, id) in kinds.iter().zip(9996..) {
        assert!(said.contains(&format!("error[{kind}]: RUSTSEC-2026-{id}")), "{said}");
    }

    // One of RustSec's own, mended a version later than ours.
    let mut later = known;
    let of_rustls =
        later.iter_mut().find(|advisory| advisory.id == "RUSTSEC-2026-0285").expect("it is known");
    of_rustls.patched = vec![">= 0.99".to_owned()];
    let (is_accepted, said) = judged_by(&later);
    assert!(!is_accepted && said.contains("error[vulnerability]: RUSTSEC-2026-0285"), "{said}");
}

#[test]
fn each_package_was_looked_up() {
    let known = Known::read();
    let locked: BTreeSet<String> =
        locked().iter().filter_map(|package| package["name"].as_str().map(str::to_owned)).collect();
    let looked_up: BTreeSet<String> = known.packages.iter().cloned().collect();
    let missing: Vec<_> = locked.difference(&looked_up).collect();
    assert!(
        missing.is_empty(),
        "look up at RustSec, then write into tests/supply/advisories.toml: {missing:?}"
    );
    let gone: Vec<_> = looked_up.difference(&locked).collect();
    assert!(gone.is_empty(), "no longer in Cargo.lock; take out of tests/supply/advisories.toml: {gone:?}");
    assert!(known.advisories.iter().all(|advisory| looked_up.contains(&advisory.package)));
    let ids: BTreeSet<_> = known.advisories.iter().map(|advisory| &advisory.id).collect();
    assert_eq!(ids.len(), known.advisories.len(), "each stands there once");
    let newest = known.advisories.iter().map(|advisory| &advisory.date).max();
    assert_eq!(newest, Some(&known.newest));
    assert!(known.read >= known.newest, "{} {}", known.read, known.newest);
}

/// So that `cargo audit bin` can ask it, years later and without this repository.
#[test]
fn the_program_names_the_crates_that_it_is_made_of() {
    let folder = tempfile::TempDir::new().expect("a temporary directory");
    let named = program::named(&program::link(folder.path()));
    assert_eq!(named, program::resolved());
    let unnamed: Vec<_> = program::built().difference(&named).cloned().collect();
    assert!(unnamed.is_empty(), "built in, and not named: {unnamed:?}");
    let text = |package: &toml::Value, of: &str| package[of].as_str().expect("a text").to_owned();
    let locked: BTreeSet<program::Crate> =
        locked().iter().map(|package| (text(package, "name"), text(package, "version"))).collect();
    let others: Vec<_> = named.difference(&locked).collect();
    assert!(named.len() > 100 && others.is_empty(), "{} crates; not in Cargo.lock: {others:?}", named.len());
}
