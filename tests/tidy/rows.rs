//! The table of leaks in SECURITY.md: its rows are those that are planted, each names tests, and the tests
//! are there.
//!
//! What the tests find is not looked at here; `tests/leakage/plants` plants each row and runs them.

use crate::source::read;
use std::fs;
use std::path::Path;

/// The rows that a list of plants has, in its order.
fn planted(list: &str) -> Vec<&str> {
    let quoted = list.split('"').skip(1).step_by(2);
    let is_row = |text: &&str| {
        text.strip_prefix('L').is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
    };
    quoted.filter(is_row).collect()
}

/// What is wrong with the table in this document, which has these rows. `has_test` says of a file and a
/// name whether that is a test.
fn wrong(document: &str, planted: &[&str], has_test: impl Fn(&str, &str) -> bool) -> Vec<String> {
    let mut wrong = Vec::new();
    let names = |text: &str| -> Vec<(String, String)> {
        let quoted = text.split('`').skip(1).step_by(2).filter_map(|quoted| quoted.split_once("::"));
        quoted.map(|(file, test)| (file.to_owned(), test.to_owned())).collect()
    };
    let pairs = document.lines().find(|line| line.starts_with("*pairs* is ")).map(names).unwrap_or_default();
    let rows: Vec<&str> = document.lines().filter(|line| line.starts_with("| L")).collect();
    let name = |row: &&str| row.split(' ').nth(1).unwrap_or_default().to_owned();
    let there: Vec<String> = rows.iter().map(name).collect();
    if there != planted {
        wrong.push(format!("the rows are {there:?}, and planted are {planted:?}"));
    }
    for row in &rows {
        let cells: Vec<&str> = row.split(" | ").collect();
        let [_, _, tests, remains] = cells[..] else {
            wrong.push(format!("{row}: not four cells"));
            continue;
        };
        let mut named = names(tests);
        if tests.split(", ").any(|test| test == "pairs") {
            named.extend(pairs.iter().cloned());
        }
        if named.is_empty() || remains.trim_end_matches('|').trim().is_empty() {
            wrong.push(format!("{row}: no test, or no word on what remains"));
        }
        for (file, test) in named.iter().filter(|(file, test)| !has_test(file, test)) {
            wrong.push(format!("{}: no test {file}::{test}", cells[0]));
        }
    }
    wrong
}

/// True when a function of this name stands below an attribute that makes it a test.
fn has_test(file: &str, test: &str) -> bool {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    fs::read_to_string(root.join(file)).is_ok_and(|text| is_test(&text, test))
}

pub(crate) fn is_test(text: &str, test: &str) -> bool {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let opening = format!("fn {test}(");
    let at = lines.iter().position(|line| line.trim_start_matches("async ").starts_with(&opening));
    let attributes = at.map(|at| lines[..at].iter().rev().take_while(|line| line.starts_with("#[")));
    attributes.is_some_and(|mut attributes| attributes.any(|line| line.starts_with("#[test]")))
}

#[test]
fn every_row_of_the_leaks_names_tests_that_are_there() {
    let (document, list) = (read("SECURITY.md"), read("tests/leakage/plants/list.rs"));
    let planted = planted(&list);
    assert!(!planted.is_empty(), "the list has rows");
    let wrong = wrong(&document, &planted, has_test);
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn a_row_that_is_missing_or_names_no_test_is_found() {
    let planted = planted("[plant(\"L07\", \"a leak\", PAIRS, \"says\"), plant(\"L09\", \"Lost\")]");
    let row = |row: &&str| format!("| {row} | a leak | pairs, `a.rs::b` | - |\n");
    let whole = "*pairs* is `p.rs::q`: words\n".to_owned() + &planted.iter().map(row).collect::<String>();
    let wrong = |document: &str, known| wrong(document, &planted, known);
    let known = |file: &str, test: &str| [("a.rs", "b"), ("p.rs", "q")].contains(&(file, test));
    assert_eq!(wrong(&whole, known), Vec::<String>::new());
    for (from, to) in [
        ("| L07 |", "| L08 |"),
        ("| L07 |", "| L09 |"),
        ("| L09 | a leak | pairs, `a.rs::b` | - |\n", ""),
        ("| L07 | a leak | pairs, `a.rs::b` |", "| L07 | a leak | somebody |"),
        ("| L07 | a leak | pairs, `a.rs::b` | - |", "| L07 | a leak | pairs, `a.rs::b` |  |"),
        ("| L07 | a leak | pairs, `a.rs::b` |", "| L07 | a leak | `a.rs::c` |"),
        ("`p.rs::q`", "`p.rs::r`"),
    ] {
        assert_ne!(wrong(&whole.replace(from, to), known), Vec::<String>::new(), "{to}");
    }
    assert!(is_test("#[test]\n#[cfg(unix)]\nfn a() {", "a"));
    assert!(!is_test("#[test]\nfn b() {}\nfn a() {", "a") && !is_test("", "a"));
}
