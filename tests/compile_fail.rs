//! What must not compile: each case in `tests/compile_fail/` stands beside what the compiler says of it.
//!
//! A case that begins to compile, or is refused for another reason than the one that is written
//! down, is a failure. `TRYBUILD=overwrite cargo test --test compile_fail` writes the reasons anew,
//! for a reviewer to read.

#[test]
fn what_is_private_stays_private() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/compile_fail/a_release_can_be_rendered.rs");
    for case in [
        "an_address_cannot_be_printed",
        "an_address_cannot_be_serialised",
        "a_count_cannot_be_printed",
        "a_count_cannot_be_serialised",
        "only_a_release_can_be_rendered",
        "a_release_cannot_be_made",
        "a_release_cannot_be_changed",
        "sealed_totals_cannot_be_read",
    ] {
        cases.compile_fail(format!("tests/compile_fail/{case}.rs"));
    }
}
