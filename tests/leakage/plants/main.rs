//! Planted leaks: each row of the design's list is broken once, by the code in `source/`, and the test that
//! holds the row must go red. Without the plant the same test, in the same build, is green.
//!
//! That build is of a copy of the sources (`copy.rs`), so nothing of it is in the product. `LEAKAGE_ROW=L07`
//! is that row alone. The full form plants all of them; the short one a sample, by the seed, and leaves it to the standard
//! build's own run that their tests are green.

mod copy;
mod list;
#[path = "../marks.rs"]
mod marks;
#[path = "../report/mod.rs"]
mod report;
mod run;
#[path = "../../support/mod.rs"]
mod support;

use copy::{DAEMON, Programs};
use list::{Catcher, PLANTS, Plant};
use report::{Figure, Form, Report, Row, form, seed};
use run::{Run, run_all};
use std::fs;
use std::process::Command;
use std::sync::LazyLock;
use support::rng::Rng;

static REPORT: Report = Report::new("leakage_plants");

/// The programs that the asked rows need.
static PROGRAMS: LazyLock<Programs> = LazyLock::new(|| {
    let catchers = catchers(&plants());
    copy::build(&catchers.iter().map(|catcher| catcher.target).collect::<Vec<_>>())
});

/// What became of one plant.
struct Verdict {
    plant: &'static Plant,
    /// What the test said first when it went red; none when it did not.
    said: Option<String>,
}

/// Rows of the short form.
const SAMPLE: usize = 12;

/// The plants of this run: that of the row that the environment names, all, or a sample.
fn plants() -> Vec<&'static Plant> {
    if let Ok(row) = std::env::var("LEAKAGE_ROW") {
        return PLANTS.iter().filter(|plant| plant.row == row).collect();
    }
    if !is_sample() {
        return PLANTS.iter().collect();
    }
    let mut rows: Vec<&'static Plant> = PLANTS.iter().collect();
    let mut rng = Rng::of(&[seed(), 91]);
    (0..SAMPLE).map(|_| rows.swap_remove(rng.below(rows.len()))).collect()
}

/// True in the short form, where no row is named.
fn is_sample() -> bool {
    form() == Form::Short && std::env::var_os("LEAKAGE_ROW").is_none()
}

/// Every test that catches one of these, once.
fn catchers(plants: &[&'static Plant]) -> Vec<Catcher> {
    let mut catchers: Vec<Catcher> = plants.iter().map(|plant| plant.catcher).collect();
    catchers.sort_unstable();
    catchers.dedup();
    catchers
}

#[test]
fn every_planted_leak_turns_the_test_of_its_row_red() {
    let plants = plants();
    assert!(!plants.is_empty(), "LEAKAGE_ROW names a row, like L07");
    let green = if is_sample() { Vec::new() } else { catchers(&plants) };
    let green = green.into_iter().map(|catcher| (catcher, None));
    let red = plants.iter().map(|plant| (plant.catcher, Some(plant.row)));
    let mut runs = run_all(&PROGRAMS, &green.chain(red).collect::<Vec<_>>());
    let verdicts: Vec<Verdict> = plants
        .iter()
        .map(|plant| {
            let said = match runs.remove(&(plant.catcher, Some(plant.row))) {
                // Red for its own reason: it says what was planted.
                Some(Run::Red(said)) if said.contains(plant.says) => Some(said),
                Some(Run::Red(said)) => {
                    println!("{}: red for another reason: {said}", plant.row);
                    None
                }
                Some(Run::Green) | None => None,
            };
            Verdict { plant, said }
        })
        .collect();
    report(&verdicts);
    for ((catcher, _), run) in runs {
        assert!(matches!(run, Run::Green), "{} is not green without a plant: {run:?}", catcher.test);
    }
    let missed: Vec<&str> = verdicts.iter().filter(|it| it.said.is_none()).map(|it| it.plant.row).collect();
    assert!(missed.is_empty(), "planted and not caught: {}", missed.join(", "));
}

fn report(verdicts: &[Verdict]) {
    let caught = verdicts.iter().filter(|verdict| verdict.said.is_some()).count();
    let count = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    let row = |check, caught, of, note| Row {
        check,
        control: None,
        figure: Figure::counted(count(caught)),
        goal: format!("{of} of {of}"),
        passes: caught == of,
        note,
    };
    let each = verdicts.iter().map(|Verdict { plant, said }| {
        let said = said.as_deref().and_then(|said| said.lines().next()).unwrap_or("nothing of it");
        let note = format!("{} says: {said}", plant.catcher.name());
        row(format!("planted {}: {}", plant.row, plant.what), usize::from(said != "nothing of it"), 1, note)
    });
    let all = row("planted leaks that are caught".to_owned(), caught, verdicts.len(), String::new());
    REPORT.add(&[all].into_iter().chain(each).collect::<Vec<_>>());
}

/// A hook whose surroundings have changed, or whose file is gone, is an error that says which.
#[test]
fn a_hook_that_no_longer_applies_is_told() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let stage = folder.path().join("stage");
    fs::create_dir(&stage).expect("our own folder");
    let patch = folder.path().join("patch");
    let hunk = "@@ -2,2 +2,3 @@\n fn close() {\n+    leak();\n     seal();\n";
    let of = |file: &str| format!("--- a/{file}\n+++ b/{file}\n{hunk}");
    fs::write(&patch, [of("changed.rs"), of("gone.rs"), of("moved.rs")].concat()).expect("our own folder");
    fs::write(stage.join("changed.rs"), "fn close() {\n    save();\n}\n").expect("our own folder");
    let moved = "// Another line.\nfn close() {\n    seal();\n}\n";
    fs::write(stage.join("moved.rs"), moved).expect("our own folder");
    let why = copy::apply(&patch, &stage).expect_err("two hunks fit nowhere");
    for told in ["patch failed: changed.rs:2", "gone.rs: No such file", "tests/leakage/plants/refresh"] {
        assert!(why.contains(told), "{told}: {why}");
    }
    assert!(!why.contains("moved.rs"), "{why}");
}

/// The check of the program (`tests/leakage/pairs/binary.rs`) sees what it looks for: in the copy it is
/// there.
#[test]
fn the_check_of_the_program_is_red_on_a_planted_build() {
    let program = &PROGRAMS[DAEMON];
    let marks = marks::of_plants(program);
    assert!(marks.text > 3 && marks.symbols > 3, "{marks:?}");
    assert!(marks::symbols(program) > marks.symbols, "it has symbols of its own as well");
}

/// Whatever else is wrong with that file alone: without debug assertions it says that it is for tests.
#[test]
fn no_profile_of_a_release_takes_the_plants() {
    let said = |assertions: &str| {
        let mut rustc = Command::new("rustc");
        rustc.args(["--edition=2024", "--crate-type=lib", "--emit=metadata", "-o", "/dev/null", "-C"]);
        rustc.arg(format!("debug-assertions={assertions}")).arg("tests/leakage/plants/source/planted.rs");
        let output = rustc.current_dir(env!("CARGO_MANIFEST_DIR")).output().expect("rustc is there");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let refusal = "it is for tests, and never for a release";
    assert!(said("off").contains(refusal));
    let other = said("on");
    assert!(other.contains("planted.rs") && !other.contains(refusal), "{other}");
}

/// SECURITY.md, where the rows are.
const TABLE: &str = include_str!("../../../SECURITY.md");

/// All rows, each once.
#[test]
fn every_row_is_planted() {
    let planted: Vec<&str> = PLANTS.iter().map(|plant| plant.row).collect();
    let rows = TABLE.lines().filter_map(|line| line.strip_prefix("| ")?.split(" |").next());
    let rows: Vec<&str> = rows.filter(|row| row.starts_with('L')).collect();
    assert_eq!(planted, rows);
    let numbers: Vec<String> = (1..=rows.len()).map(|row| format!("L{row:02}")).collect();
    assert_eq!(rows, numbers, "no row is left out");
}

/// Beside its row, SECURITY.md names the test that catches it.
#[test]
fn the_table_of_the_leaks_names_what_catches_them() {
    for plant in PLANTS {
        let opening = format!("| {} |", plant.row);
        let row = TABLE.lines().find(|line| line.starts_with(&opening)).unwrap_or_default();
        let by_name = row.contains(&format!("`{}`", plant.catcher.name()));
        let by_pairs = plant.catcher.file == "tests/leakage/pairs/main.rs" && row.contains("| pairs");
        assert!(by_name || by_pairs, "{}: {}", plant.row, plant.catcher.name());
    }
}
