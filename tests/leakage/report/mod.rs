//! What every target of the harness reports: a row for each figure, printed and written to
//! `target/leakage/TARGET.json`, which `tests/leakage/run` collects; and how a run is asked for.
//!
//! `LEAKAGE_FORM=short|full` and `LEAKAGE_SEED=number` rule every target. Without a seed it is that of
//! the commit, so that nobody chooses it.
#![allow(dead_code, reason = "each target of the harness uses its own part of the report")]

use serde::Serialize;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

/// How long a run may take.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// In every run of the tests.
    Short,
    /// Before a release.
    Full,
}

impl Form {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Short => "short",
            Self::Full => "full",
        }
    }

    /// One of two sizes.
    pub(crate) fn choose<T>(self, short: T, full: T) -> T {
        match self {
            Self::Short => short,
            Self::Full => full,
        }
    }
}

/// The form of this run.
///
/// # Panics
/// When `LEAKAGE_FORM` is another word.
pub(crate) fn form() -> Form {
    match std::env::var("LEAKAGE_FORM").as_deref() {
        Err(_) | Ok("short") => Form::Short,
        Ok("full") => Form::Full,
        Ok(other) => panic!("LEAKAGE_FORM is short or full, not {other}"),
    }
}

/// The seed of this run.
///
/// # Panics
/// When `LEAKAGE_SEED` is no number.
pub(crate) fn seed() -> u64 {
    if let Ok(text) = std::env::var("LEAKAGE_SEED") {
        return text.parse().unwrap_or_else(|_| panic!("LEAKAGE_SEED is a number, not {text}"));
    }
    let mut git = Command::new("git");
    git.args(["-C", env!("CARGO_MANIFEST_DIR"), "rev-parse", "--short=15", "HEAD"]);
    let commit = git.output().ok().filter(|output| output.status.success());
    let commit = commit.and_then(|output| String::from_utf8(output.stdout).ok());
    let seed = commit.and_then(|commit| u64::from_str_radix(commit.trim().get(..15)?, 16).ok());
    // Outside of a repository there is none to choose.
    seed.unwrap_or(0)
}

/// A figure, with its interval where it was estimated.
#[derive(Clone, Serialize)]
pub(crate) struct Figure {
    pub(crate) value: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
    /// What kind of interval, and over how much; "exact" where nothing was estimated.
    pub(crate) interval: String,
}

impl Figure {
    /// A figure that was counted.
    pub(crate) fn counted(value: f64) -> Self {
        Self { value, low: value, high: value, interval: "exact".to_owned() }
    }
}

/// The same attack on something that leaks.
#[derive(Clone, Serialize)]
pub(crate) struct Control {
    pub(crate) what: String,
    pub(crate) figure: Figure,
    pub(crate) goal: String,
    /// False makes the run invalid.
    pub(crate) scores: bool,
}

/// One line of the table.
#[derive(Clone, Serialize)]
pub(crate) struct Row {
    pub(crate) check: String,
    pub(crate) control: Option<Control>,
    pub(crate) figure: Figure,
    pub(crate) goal: String,
    pub(crate) passes: bool,
    /// Who attacked, where it was worst, how much was drawn.
    pub(crate) note: String,
}

/// The rows of a target.
pub(crate) struct Report {
    target: &'static str,
    rows: Mutex<Vec<Row>>,
}

#[derive(Serialize)]
struct Whole<'a> {
    schema_version: u32,
    target: &'a str,
    form: &'a str,
    seed: u64,
    valid: bool,
    passes: bool,
    rows: &'a [Row],
}

impl Report {
    pub(crate) const fn new(target: &'static str) -> Self {
        Self { target, rows: Mutex::new(Vec::new()) }
    }

    /// Adds rows and holds them; see [`hold`].
    ///
    /// # Panics
    /// As both do.
    pub(crate) fn judge(&self, rows: &[Row]) {
        self.add(rows);
        hold(rows);
    }

    /// Adds rows, prints them and writes the report anew.
    ///
    /// # Panics
    /// When the report cannot be written.
    pub(crate) fn add(&self, rows: &[Row]) {
        let mut all = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        all.extend_from_slice(rows);
        rows.iter().for_each(print);
        let whole = Whole {
            schema_version: 1,
            target: self.target,
            form: form().word(),
            seed: seed(),
            valid: all.iter().all(|row| row.control.as_ref().is_none_or(|control| control.scores)),
            passes: all.iter().all(|row| row.passes),
            rows: &all,
        };
        let folder = folder();
        fs::create_dir_all(&folder).expect("a folder below target");
        let text = serde_json::to_string_pretty(&whole).expect("figures are JSON");
        fs::write(folder.join(format!("{}.json", self.target)), text).expect("a file below target");
    }
}

/// Where reports go: `target/leakage`, beside the builds whatever their profile. `LEAKAGE_FOLDER` is
/// another name for it: figures of a run that is to fail are nobody's.
pub(crate) fn folder() -> PathBuf {
    let name = std::env::var("LEAKAGE_FOLDER").unwrap_or_else(|_| "leakage".to_owned());
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).with_file_name(name)
}

/// Fails with every row that does not pass, after all were reported.
///
/// # Panics
/// When a control did not score, or a figure is beyond its goal.
pub(crate) fn hold(rows: &[Row]) {
    let lines = |of: &dyn Fn(&Row) -> bool| -> Vec<String> {
        rows.iter()
            .filter(|row| of(row))
            .map(|row| format!("{}: {} ({})", row.check, row.figure.value, row.note))
            .collect()
    };
    let silent = lines(&|row| row.control.as_ref().is_some_and(|control| !control.scores));
    assert!(silent.is_empty(), "INVALID: a control does not score:\n{}", silent.join("\n"));
    let failed = lines(&|row| !row.passes);
    assert!(failed.is_empty(), "beyond the goal:\n{}", failed.join("\n"));
}

#[expect(clippy::print_stdout, reason = "the table is what a run is read for")]
fn print(row: &Row) {
    let figure = |figure: &Figure| {
        let interval = if figure.low == figure.high {
            String::new()
        } else {
            format!(" [{:.4}, {:.4}]", figure.low, figure.high)
        };
        format!("{:.4}{interval}", figure.value)
    };
    let control = row.control.as_ref().map_or_else(
        || "no control".to_owned(),
        |control| {
            let scores = if control.scores { "scores" } else { "DOES NOT SCORE" };
            format!("{} {} ({}, {scores})", control.what, figure(&control.figure), control.goal)
        },
    );
    let passes = if row.passes { "pass" } else { "FAIL" };
    println!("{passes}  {}: {} (goal {}); {control}; {}", row.check, figure(&row.figure), row.goal, row.note);
}
