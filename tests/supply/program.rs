//! The program, linked once more through cargo-auditable as in a release, and the crates that it then names.

use serde_json::Value;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const REPOSITORY: &str = env!("CARGO_MANIFEST_DIR");
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// A crate's name and version.
pub(crate) type Crate = (String, String);

/// Links the library that the tests have with `src/main.rs`. In a build of cargo's own with the wrapper, the library
/// would be compiled anew, which takes minutes.
pub(crate) fn link(folder: &Path) -> PathBuf {
    let library = library();
    let mut wrapper = Command::new(Path::new(REPOSITORY).join("target/tools/auditable/bin/cargo-auditable"));
    wrapper.arg(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    wrapper.args([
        "--crate-name",
        "blindmeter",
        "--crate-type",
        "bin",
        "--edition",
        "2024",
        "--emit",
        "link",
    ]);
    wrapper.arg("--extern").arg(format!("blindmeter={}", library.display())).arg("-L");
    wrapper.arg(format!("dependency={}", library.parent().expect("it is in a folder").display()));
    wrapper.args(["-C", "strip=symbols", "--out-dir"]).arg(folder).arg("src/main.rs").current_dir(REPOSITORY);
    // What cargo says to it, and `deploy/release/program`.
    wrapper.envs([("CARGO_PRIMARY_PACKAGE", "1"), ("CARGO_MANIFEST_DIR", REPOSITORY)]);
    wrapper.env("CARGO_AUDITABLE_ORIG_ARGS", r#"{"offline":true,"locked":true,"frozen":false,"config":[]}"#);
    wrapper.env("CARGO", env!("CARGO"));
    ended(&wrapper.output().expect("`tests/run packages` installs cargo-auditable"));
    folder.join("blindmeter")
}

/// The library that was built last, beside this test; with which features is no matter, for none brings a crate.
fn library() -> PathBuf {
    let test = std::env::current_exe().expect("the kernel knows this program");
    let folder = fs::read_dir(test.parent().expect("it is in a folder")).expect("a readable folder");
    let files = folder.map(|entry| entry.expect("a readable folder").path());
    let is_ours = |path: &PathBuf| {
        let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
        name.starts_with("libblindmeter-") && name.ends_with(".rlib")
    };
    let built = |path: &PathBuf| fs::metadata(path).and_then(|found| found.modified()).ok();
    files.filter(is_ours).max_by_key(built).expect("cargo builds it before this test")
}

/// The crates that a program names in its own list, without itself.
pub(crate) fn named(program: &Path) -> BTreeSet<Crate> {
    let list = program.with_extension("list");
    let mut copy = Command::new("objcopy");
    copy.arg("--dump-section").arg(format!(".dep-v0={}", list.display())).arg(program);
    ended(&copy.arg(program.with_extension("copy")).output().expect("binutils are there"));
    let text = "import sys, zlib; sys.stdout.buffer.write(zlib.decompress(open(sys.argv[1], 'rb').read()))";
    let output = Command::new("python3").args(["-c", text]).arg(&list).output().expect("python3 is there");
    ended(&output);
    let list: Value = serde_json::from_slice(&output.stdout).expect("cargo-auditable writes JSON");
    let packages = list["packages"].as_array().expect("a list").iter();
    let (own, others): (Vec<_>, Vec<_>) = packages.partition(|package| package["root"] == true);
    assert!(own.len() == 1 && own[0]["name"] == "blindmeter", "{own:?}");
    others.into_iter().map(|package| (word(package, "name"), word(package, "version"))).collect()
}

/// The crates that cargo builds the program of on its one system, without those of the tests.
pub(crate) fn built() -> BTreeSet<Crate> {
    let words =
        ["tree", "--edges", "normal,build", "--target", TARGET, "--prefix", "none", "--format", "{p}"];
    let text = cargo(&words);
    let crates = text.lines().filter_map(|line| {
        let mut words = line.split(' ');
        let (name, version) = (words.next()?, words.next()?.strip_prefix('v')?);
        (name != "blindmeter").then(|| (name.to_owned(), version.to_owned()))
    });
    crates.collect()
}

/// The same with the features that the tests ask of a crate, and what these bring: cargo resolves no other way, where
/// it is asked as cargo-auditable asks it.
pub(crate) fn resolved() -> BTreeSet<Crate> {
    let text = cargo(&["metadata", "--format-version", "1", "--filter-platform", TARGET]);
    let told: Value = serde_json::from_str(&text).expect("cargo writes JSON");
    let list = |of: &Value| of.as_array().cloned().unwrap_or_default();
    let nodes = list(&told["resolve"]["nodes"]);
    let is_of_the_program = |kind: &Value| kind["kind"].is_null() || kind["kind"] == "build";
    let (mut found, mut to_look_at) = (BTreeSet::new(), vec![told["resolve"]["root"].clone()]);
    while let Some(id) = to_look_at.pop() {
        let node = nodes.iter().find(|node| node["id"] == id).expect("each has a node");
        let wanted = list(&node["deps"]).into_iter();
        let wanted = wanted.filter(|wanted| list(&wanted["dep_kinds"]).iter().any(is_of_the_program));
        let wanted: Vec<Value> = wanted.map(|wanted| wanted["pkg"].clone()).collect();
        to_look_at.extend(wanted.into_iter().filter(|id| found.insert(id.to_string())));
    }
    let packages = list(&told["packages"]).into_iter();
    let packages = packages.filter(|package| found.contains(&package["id"].to_string()));
    packages.map(|package| (word(&package, "name"), word(&package, "version"))).collect()
}

fn word(package: &Value, of: &str) -> String {
    package[of].as_str().expect("a text").to_owned()
}

fn cargo(words: &[&str]) -> String {
    let mut cargo = Command::new(env!("CARGO"));
    let output = cargo.args(words).args(["--locked", "--offline"]).current_dir(REPOSITORY).output();
    let output = output.expect("cargo runs this test");
    ended(&output);
    String::from_utf8(output.stdout).expect("cargo writes UTF-8")
}

fn ended(output: &Output) {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
