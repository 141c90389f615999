//! No code for tests in the product: its one feature is `lab`, and nothing of it knows of the leaks that the
//! harness plants in a copy.

use crate::source::{Finding, Source, read};

/// Lines of the product that only a build for tests would have.
pub(crate) fn for_tests(source: &Source) -> Vec<Finding> {
    let is_for_tests = |line: &str| {
        let features = line.split("feature = \"").skip(1);
        line.to_lowercase().contains("planted") || features.into_iter().any(|rest| !rest.starts_with("lab\""))
    };
    let lines = source.text.lines().zip(1..).filter(|(line, _)| is_for_tests(line));
    lines.map(|(_, number)| source.finding(number, "code for tests in the product".to_owned())).collect()
}

#[test]
fn code_for_tests_is_found() {
    for text in ["#[cfg(feature = \"planted\")]", "if cfg!(feature = \"mock\") {", "pub mod planted;"] {
        assert_eq!(for_tests(&Source::new("src/node/mod.rs", text)).len(), 1, "{text}");
    }
    for text in ["#[cfg(feature = \"lab\")]", "#[cfg(test)]", "/// Features of a packet."] {
        assert!(for_tests(&Source::new("src/node/mod.rs", text)).is_empty(), "{text}");
    }
}

#[test]
fn the_only_feature_is_lab() {
    let manifest: toml::Table = read("Cargo.toml").parse().expect("cargo has read it");
    let features: Vec<&String> = manifest["features"].as_table().expect("a table").keys().collect();
    assert_eq!(features, ["lab"]);
}
