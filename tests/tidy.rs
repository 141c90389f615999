//! The repository's own rules, checked over its text: who may name what, and how files look.
//!
//! Each rule is a function from a source to findings, and stands beside a test that plants what it
//! must find. Nothing is compiled here, and of the program only `--help` is run; what the compiler can refuse
//! by itself is in `tests/blind_core.rs` and `tests/compile_fail.rs`.

#[path = "tidy/arrows.rs"]
mod arrows;
#[path = "tidy/circles.rs"]
mod circles;
#[path = "tidy/commands.rs"]
mod commands;
#[path = "tidy/documents.rs"]
mod documents;
#[path = "tidy/files.rs"]
mod files;
#[path = "tidy/modules.rs"]
mod modules;
#[path = "tidy/product.rs"]
mod product;
#[path = "tidy/rows.rs"]
mod rows;
#[path = "tidy/source.rs"]
mod source;
#[path = "tidy/words.rs"]
mod words;

use source::{Finding, Source};

/// Fails with every finding of a rule over these sources, one a line.
fn hold(rule: impl Fn(&Source) -> Vec<Finding>, folders: &[&str]) {
    let sources = source::tree(folders);
    assert!(sources.len() > 3, "the sources were found");
    let found: Vec<String> = sources.iter().flat_map(rule).map(|finding| finding.to_string()).collect();
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn modules_name_only_what_the_arrows_allow() {
    hold(arrows::forbidden, &["src"]);
}

#[test]
fn the_product_has_no_code_for_tests() {
    hold(product::for_tests, &["src"]);
}

#[test]
fn addresses_names_and_clocks_are_named_in_their_places_only() {
    hold(words::out_of_place, &["src"]);
}

#[test]
fn the_core_has_no_floating_point_and_forbids_its_lints() {
    hold(words::loose_core, &["src/meter"]);
}

#[test]
fn lints_are_expected_with_a_reason_never_allowed() {
    hold(words::allowed_lints, &["src", "tests", "benches"]);
}

#[test]
fn nothing_is_left_undone_and_no_test_is_ignored() {
    hold(words::left_undone, &["src", "tests", "benches"]);
}

#[test]
fn files_open_with_their_purpose_and_end_in_time() {
    hold(files::shape, &["src", "tests", "benches"]);
}
