//! What files look like, and what the manifest must agree on with other files.

use crate::source::{Finding, Source, files, read};

/// The longest Rust file.
const LINES: usize = 500;

/// Files that are kept shorter: the entry, and the map in prose.
const SHORT: [(&str, usize); 2] = [("src/main.rs", 30), ("src/lib.rs", 80)];

/// Lints that the manifest keeps on; an exception is an `expect` at the narrowest place.
const LINTS: [(&str, &[&str]); 2] = [
    ("rust", &["missing_docs", "unreachable_pub", "unsafe_code", "unsafe_op_in_unsafe_fn"]),
    (
        "clippy",
        &[
            "all",
            "allow_attributes_without_reason",
            "cast_possible_truncation",
            "dbg_macro",
            "disallowed_methods",
            "disallowed_types",
            "missing_errors_doc",
            "print_stderr",
            "print_stdout",
            "undocumented_unsafe_blocks",
            "unwrap_used",
            "use_debug",
        ],
    ),
];

/// A file says first what it is for, and is not too long.
pub(crate) fn shape(source: &Source) -> Vec<Finding> {
    let mut found = Vec::new();
    if !source.text.starts_with("//! ") {
        found.push(source.finding(1, "opens with //!: what it holds, what it must not hold"));
    }
    let short = SHORT.iter().find(|(path, _)| *path == source.path);
    let most = short.map_or(LINES, |(_, lines)| *lines);
    let lines = source.text.lines().count();
    if lines > most {
        found.push(source.finding(lines, format!("{lines} lines, at most {most}; split it")));
    }
    found
}

/// Dependencies of a manifest without a line in a document.
fn unexplained(manifest: &str, document: &str) -> Vec<String> {
    let manifest: toml::Table = manifest.parse().expect("cargo has read it");
    let mut tables: Vec<&toml::Table> = ["dependencies", "dev-dependencies", "build-dependencies"]
        .iter()
        .filter_map(|table| manifest.get(*table)?.as_table())
        .collect();
    let targets = manifest.get("target").and_then(toml::Value::as_table).into_iter().flatten();
    tables.extend(targets.filter_map(|(_, target)| target.get("dependencies")?.as_table()));
    let names = tables.into_iter().flat_map(toml::Table::keys);
    names.filter(|name| !document.contains(&format!("`{name}`"))).cloned().collect()
}

/// Lints of the list that a manifest does not deny.
fn lints_not_denied(manifest: &str) -> Vec<String> {
    let manifest: toml::Table = manifest.parse().expect("cargo has read it");
    let level = |tool: &str, lint: &str| {
        let entry = manifest.get("lints")?.get(tool)?.get(lint)?;
        entry.get("level").unwrap_or(entry).as_str().map(ToOwned::to_owned)
    };
    let denied = |tool: &str, lint: &str| matches!(level(tool, lint).as_deref(), Some("deny" | "forbid"));
    let wanted = LINTS.iter().flat_map(|(tool, lints)| lints.iter().map(move |lint| (*tool, *lint)));
    wanted.filter(|(tool, lint)| !denied(tool, lint)).map(|(tool, lint)| format!("{tool}::{lint}")).collect()
}

/// Places outside the repository that a text names: they are not there for whoever has a copy.
fn outside(text: &str) -> Option<&'static str> {
    [concat!("..", "/shared"), concat!("/wo", "rk/")].into_iter().find(|place| text.contains(place))
}

#[test]
fn every_dependency_has_its_line() {
    let found = unexplained(&read("Cargo.toml"), &read("docs/decisions.md"));
    assert!(found.is_empty(), "docs/decisions.md says nothing of {}", found.join(", "));
}

#[test]
fn every_lint_of_the_house_is_denied() {
    let found = lints_not_denied(&read("Cargo.toml"));
    assert!(found.is_empty(), "Cargo.toml does not deny {}", found.join(", "));
}

/// Tests of a manifest that only a lab build has, and that a script does not name.
fn lab_tests_not_run(manifest: &str, script: &str) -> Vec<String> {
    let manifest: toml::Table = manifest.parse().expect("cargo has read it");
    let tests = manifest.get("test").and_then(toml::Value::as_array).into_iter().flatten();
    let names = tests.filter(|test| test.get("required-features").is_some()).filter_map(|test| {
        let name = test.get("name")?.as_str()?;
        (!script.contains(&format!("--test {name}"))).then(|| name.to_owned())
    });
    names.collect()
}

#[test]
fn every_test_that_needs_the_lab_build_is_run() {
    let found = lab_tests_not_run(&read("Cargo.toml"), &read("tests/run"));
    assert!(found.is_empty(), "tests/run does not run {}", found.join(", "));
    let manifest = "[[test]]\nname = \"a\"\nrequired-features = [\"lab\"]\n[[test]]\nname = \"b\"";
    assert_eq!(lab_tests_not_run(manifest, "cargo test --test c"), ["a"]);
    assert!(lab_tests_not_run(manifest, "cargo test --test a").is_empty());
}

#[test]
fn nothing_points_outside_the_repository() {
    let files = files(&["."]);
    assert!(
        files.iter().any(|path| path == "Cargo.lock") && files.iter().any(|path| path.starts_with(".ci/"))
    );
    for path in files {
        let place = outside(&read(&path));
        assert!(place.is_none(), "{path} names {}", place.unwrap_or_default());
    }
}

#[test]
fn a_file_without_purpose_or_end_is_found() {
    let found = |path: &str, text: &str| shape(&Source::new(path, text)).len();
    let long = |lines: usize| format!("//! A.\n{}", "\n".repeat(lines - 1));
    assert_eq!(found("src/node/mod.rs", "use a;\n//! Late."), 1);
    assert_eq!(found("tests/http.rs", ""), 1);
    assert_eq!(found("tests/http.rs", &long(LINES + 1)), 1);
    assert_eq!(found("src/main.rs", &long(31)) + found("src/lib.rs", &long(81)), 2);
    assert_eq!(found("src/node/mod.rs", &long(LINES)) + found("src/lib.rs", &long(80)), 0);
}

#[test]
fn a_dependency_or_lint_that_is_not_there_is_found() {
    let manifest = "[dependencies]\na = \"1\"\nb = { version = \"1\" }\n[dev-dependencies]\nc = \"1\"\n\
                    [target.'cfg(unix)'.dependencies]\nd = \"1\"\n[lints.rust]\nmissing_docs = \"warn\"\n\
                    unreachable_pub = \"deny\"\n[lints.clippy]\nall = { level = \"deny\", priority = -1 }";
    assert_eq!(unexplained(manifest, "`a` for this, b for that, `cc` for tests"), ["b", "c", "d"]);
    let lints = lints_not_denied(manifest);
    assert!(
        lints.contains(&"rust::missing_docs".to_owned()) && lints.contains(&"clippy::use_debug".to_owned())
    );
    assert!(!lints.iter().any(|lint| lint == "rust::unreachable_pub" || lint == "clippy::all"));
}

#[test]
fn a_place_outside_is_found() {
    assert!(
        outside(concat!("see ..", "/shared/design")).is_some()
            && outside(concat!("cd /wo", "rk/main")).is_some()
    );
    assert!(outside("a network/share, ../README.md").is_none());
}
