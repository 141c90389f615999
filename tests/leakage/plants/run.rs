//! The tests that are to go red, as programs of the planted build, and how one is run.

use crate::list::Catcher;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Longest run of one test; `timeout` of coreutils ends it.
const SECONDS: &str = "300";

/// What a run of one test came to.
#[derive(Debug)]
pub(crate) enum Run {
    Green,
    /// What it said.
    Red(String),
}

/// Programs by target.
pub(crate) struct Programs(BTreeMap<&'static str, PathBuf>);

impl Programs {
    /// Builds the targets of these tests as this target was built.
    pub(crate) fn build(catchers: &[Catcher]) -> Self {
        let targets: BTreeSet<&'static str> = catchers.iter().map(|catcher| catcher.target).collect();
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["test", "--locked", "--no-run", "--message-format=json", "--features", "planted"]);
        for target in &targets {
            cargo.args(["--test", target]);
        }
        // What cargo says to this test of its package would have dependencies built anew.
        for (name, _) in std::env::vars() {
            if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
                cargo.env_remove(name);
            }
        }
        cargo.current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::null()).stderr(Stdio::inherit());
        let output = cargo.output().expect("cargo can be run");
        assert!(output.status.success(), "the planted tests are built");
        let mut programs = BTreeMap::new();
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            let Ok(message) = serde_json::from_str::<Value>(line) else { continue };
            let name = message["target"]["name"].as_str().unwrap_or_default();
            let is_test = message["profile"]["test"] == true;
            let target = targets.get(name).filter(|_| is_test);
            if let (Some(target), Some(path)) = (target, message["executable"].as_str()) {
                programs.insert(*target, PathBuf::from(path));
            }
        }
        Self(programs)
    }

    /// Runs one test, with the leak of a row planted or without any.
    pub(crate) fn run(&self, catcher: &Catcher, row: Option<&str>) -> Run {
        let program = self.0.get(catcher.target).expect("its target was built");
        let mut command = Command::new("timeout");
        command.args(["--kill-after=10", SECONDS]).arg(program);
        command.args(["--exact", catcher.test, "--test-threads=1"]).env("RUST_BACKTRACE", "0");
        command.env("BLINDMETER_PLANTED", row.unwrap_or_default()).env("LEAKAGE_FORM", "short");
        // The figures of a run that is to fail are nobody's.
        command.env("LEAKAGE_FOLDER", "leakage-planted");
        // Which of its signs a plant shows first hangs on the seed: plants have one of their own.
        command.env("LEAKAGE_SEED", "1");
        if row.is_none() {
            command.env("LEAKAGE_SEEDS", "8");
        }
        let output = command.stdin(Stdio::null()).output().expect("coreutils has timeout");
        let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let said = said.concat();
        assert!(said.contains("running 1 test\n"), "{} is not in its target: {said}", catcher.test);
        if output.status.success() { Run::Green } else { Run::Red(first(&said)) }
    }
}

/// What a failing test said, without what the harness says around it.
fn first(said: &str) -> String {
    let from = said.find(" panicked at ").and_then(|at| Some(at + said[at..].find('\n')? + 1));
    said[from.unwrap_or(0)..].trim_start().to_owned()
}
