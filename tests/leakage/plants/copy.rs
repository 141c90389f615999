//! The copy of the sources in which leaks are planted: made of the tree as it lies here, patched, built.
//!
//! Holds no plant and runs none: those are `source/` and `hooks.patch`. Every build of the copy is one and the
//! same; which leak a run of it has is chosen by its environment. It lies below `target/planted`, shares the
//! dependencies that are built already, and writes a file anew only where it differs, so that cargo builds
//! what changed.

use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const REPOSITORY: &str = env!("CARGO_MANIFEST_DIR");

/// Where the modules of the plants lie, in the repository.
const MODULES: &str = "tests/leakage/plants/source";

/// What calls them in the copy.
const HOOKS: &str = "tests/leakage/plants/hooks.patch";

/// What mends a patch that does not apply.
const REMEDY: &str = "the sources have moved on: run tests/leakage/plants/refresh, which merges the hooks into \
                      them and writes the patch anew";

/// Cargo tells builds in one folder apart by the names of the packages, not by their paths.
const PACKAGE: &str = "name = \"blindmeter\"\n";
const PACKAGE_OF_COPY: &str = "name = \"blindmeter-planted\"\n";
/// The library and the program keep theirs; the program's is in the manifest already.
const LIBRARY: &str = "[lib]\n";
const LIBRARY_OF_COPY: &str = "[lib]\nname = \"blindmeter\"\n";

/// Paths of what a build of the copy made, by name: the targets of its tests, and [`DAEMON`].
pub(crate) type Programs = BTreeMap<String, String>;

/// The name of the program that the tests start.
pub(crate) const DAEMON: &str = "blindmeter";

/// Makes the copy, and builds these targets of its tests and the program.
///
/// # Panics
/// When a hook does not apply to the sources, or what comes of it does not build.
pub(crate) fn build(targets: &[&str]) -> Programs {
    let folder = below_target("planted");
    fs::create_dir_all(&folder).expect("cargo's folder is writable");
    let alone = File::create(folder.join("lock")).expect("cargo's folder is writable");
    alone.lock().expect("a lock of our own file");
    make(&folder);
    let messages = cargo(&folder, targets);
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let program = |message: Value| {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        Some((text(&message["target"]["name"])?, text(&message["executable"])?))
    };
    messages.filter_map(program).collect()
}

/// A folder beside cargo's own for tests.
fn below_target(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name(name)
}

/// Puts the tree, the plants and their hooks together, and brings the copy to that.
fn make(folder: &Path) {
    let stage = folder.join("stage");
    if stage.exists() {
        fs::remove_dir_all(&stage).expect("the stage is ours");
    }
    copy_tree(Path::new(REPOSITORY), &stage);
    copy_tree(&Path::new(REPOSITORY).join(MODULES), &stage.join("src"));
    change(&stage.join("Cargo.toml"), &[(PACKAGE, PACKAGE_OF_COPY), (LIBRARY, LIBRARY_OF_COPY)]);
    change(&stage.join("Cargo.lock"), &[(PACKAGE, PACKAGE_OF_COPY)]);
    apply(&Path::new(REPOSITORY).join(HOOKS), &stage).unwrap_or_else(|why| panic!("{why}"));
    bring(&stage, &folder.join("sources"));
}

/// Changes the first of each of these texts in a file.
fn change(file: &Path, changes: &[(&str, &str)]) {
    let mut text = fs::read_to_string(file).expect("a file of the repository");
    for (from, to) in changes {
        assert!(text.contains(from), "{} has no {from:?}", file.display());
        text = text.replacen(from, to, 1);
    }
    fs::write(file, text).expect("the stage is ours");
}

/// Applies a patch, every line of whose context must be there.
///
/// # Errors
/// Each hunk that does not apply, by file and line, with what it looked for.
pub(crate) fn apply(patch: &Path, stage: &Path) -> Result<(), String> {
    let mut git = Command::new("git");
    git.args(["apply", "--reject", "--whitespace=nowarn"]).arg(patch).current_dir(stage);
    // Below the repository git would take paths to be the repository's.
    git.env_remove("GIT_DIR").env("GIT_CEILING_DIRECTORIES", stage.parent().expect("it has one"));
    let output = git.output().expect("git is there");
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let is_trouble = |line: &&str| !line.starts_with("Checking ") && !line.ends_with(" cleanly.");
    let trouble: Vec<&str> = said.lines().filter(is_trouble).collect();
    Err(format!("{} does not apply:\n{}\n{REMEDY}", patch.display(), trouble.join("\n")))
}

/// Builds the targets in the copy; gives cargo's messages.
fn cargo(folder: &Path, targets: &[&str]) -> String {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["test", "--locked", "--offline", "--no-run", "--message-format=json-render-diagnostics"]);
    targets.iter().for_each(|target| {
        cargo.args(["--test", target]);
    });
    // Dependencies come from the builds of the repository; the program does not lie where theirs does.
    cargo.env("CARGO_BUILD_BUILD_DIR", folder.parent().expect("cargo's folder"));
    cargo.env("CARGO_TARGET_DIR", folder.join("programs"));
    // What cargo says to this test of its package would have dependencies built anew.
    for (name, _) in std::env::vars() {
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") || name == "OUT_DIR" {
            cargo.env_remove(name);
        }
    }
    cargo.current_dir(folder.join("sources")).stdin(Stdio::null()).stderr(Stdio::inherit());
    let output = cargo.output().expect("cargo runs this test, so it is there");
    assert!(output.status.success(), "the copy with planted leaks does not build; {REMEDY}");
    String::from_utf8(output.stdout).expect("cargo's messages are JSON")
}

/// Copies a folder; of the repository neither its history nor what was built.
fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("cargo's folder is writable");
    for name in names(from).into_iter().filter(|name| name != ".git" && name != "target") {
        let (from, to) = (from.join(&name), to.join(&name));
        if from.is_dir() {
            copy_tree(&from, &to);
        } else {
            fs::copy(from, to).expect("a file of the repository");
        }
    }
}

/// Makes a folder like another one; a file that is alike is left as it is.
fn bring(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("cargo's folder is writable");
    for name in names(to).into_iter().filter(|name| !from.join(name).exists()) {
        let gone = to.join(name);
        let removed = if gone.is_dir() { fs::remove_dir_all(gone) } else { fs::remove_file(gone) };
        removed.expect("the copy is ours");
    }
    for name in names(from) {
        let (from, to) = (from.join(&name), to.join(&name));
        if from.is_dir() {
            bring(&from, &to);
        } else if fs::read(&from).ok() != fs::read(&to).ok() {
            fs::copy(from, to).expect("the copy is ours");
        }
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder that is there");
    let name = |entry: std::io::Result<fs::DirEntry>| entry.expect("a readable folder").file_name();
    entries.map(|entry| name(entry).into_string().expect("names are text")).collect()
}
