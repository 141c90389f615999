//! What must not compile: each case in `tests/compile_fail/` stands beside what the compiler says of it.
//!
//! A case that begins to compile, or is refused for another reason than the one that is written
//! down, is a failure. A line for each error: where it is in the case, its code, what is said, and what is
//! said of the place. `COMPILE_FAIL=overwrite cargo test --test compile_fail` writes the reasons anew,
//! for a reviewer to read.
//!
//! The cases are compiled against the library that cargo has built for this very test.

use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const REPOSITORY: &str = env!("CARGO_MANIFEST_DIR");

/// What the cases name.
const CRATES: [&str; 3] = ["blindmeter", "serde", "serde_json"];

/// The case that compiles; that every other one fails means nothing without it.
const CONTROL: &str = "a_release_can_be_rendered";

#[test]
fn what_is_private_stays_private() {
    let libraries = Libraries::built();
    let accepted = libraries.refusals(&case(CONTROL, "rs"));
    assert!(accepted.is_empty(), "{CONTROL} does not compile:\n{accepted}");
    let overwrite = std::env::var_os("COMPILE_FAIL").is_some_and(|value| value == "overwrite");
    let mut wrong = String::new();
    let cases = cases();
    assert!(cases.len() > 7, "the cases were found");
    for name in cases {
        let said = libraries.refusals(&case(&name, "rs"));
        if said.is_empty() {
            let _ = writeln!(wrong, "{name} compiles");
        } else if overwrite {
            fs::write(case(&name, "refused"), said).expect("the repository is writable");
        } else {
            let expected = fs::read_to_string(case(&name, "refused")).unwrap_or_default();
            if said != expected {
                let _ =
                    writeln!(wrong, "{name} is refused for another reason:\n{said}-- and not:\n{expected}");
            }
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

/// A test of this test: a case that compiles has no refusal, a wrong one has one with its reason.
#[test]
fn a_refusal_says_where_and_why() {
    let libraries = Libraries::built();
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("a_case.rs");
    let said = |text: &str| {
        fs::write(&path, text).expect("cargo's folder for tests is writable");
        libraries.refusals(&path)
    };
    assert_eq!(said("fn main() {}"), "");
    let text = "use blindmeter::meter::ledger::Sealed;\nfn main() {}\nfn read(sealed: &Sealed) -> u64 {\n    sealed.attributed\n}";
    let expected = "4: E0616: field `attributed` of struct `blindmeter::meter::ledger::Sealed` is private: private field\n";
    assert_eq!(said(text), expected);
}

fn case(name: &str, kind: &str) -> PathBuf {
    Path::new(REPOSITORY).join("tests/compile_fail").join(name).with_extension(kind)
}

/// The names of all cases but the control.
fn cases() -> Vec<String> {
    let entries =
        fs::read_dir(Path::new(REPOSITORY).join("tests/compile_fail")).expect("a folder of the repository");
    let names = entries.filter_map(|entry| {
        let path = entry.expect("a readable folder").path();
        let name = path.file_stem()?.to_str()?.to_owned();
        (path.extension()? == "rs" && name != CONTROL).then_some(name)
    });
    let mut names: Vec<String> = names.collect();
    names.sort_unstable();
    names
}

/// Where the compiled crates are.
struct Libraries {
    crates: BTreeMap<String, PathBuf>,
}

impl Libraries {
    /// Asks cargo, which has nothing left to build when it runs this test.
    fn built() -> Self {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["test", "--locked", "--offline", "--no-run", "--test", "compile_fail"]);
        cargo.args(["--message-format", "json"]).current_dir(REPOSITORY);
        // Build scripts look at these; a change of them would have ring and all above it built anew.
        let of_this_package =
            |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(of_this_package)) {
            cargo.env_remove(name);
        }
        let program = std::env::current_exe().expect("the kernel knows this program");
        let profile = program.ancestors().nth(2).expect("the program is in deps/ of a profile's folder");
        cargo.arg("--target-dir").arg(profile.parent().expect("which is in the target folder"));
        if cfg!(feature = "lab") {
            cargo.args(["--features", "lab"]);
        }
        if profile.ends_with("release") {
            cargo.arg("--release");
        }
        let output = cargo.output().expect("cargo runs these tests, so it is there");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let mut crates = BTreeMap::new();
        for message in messages(&output.stdout).filter(|message| message["reason"] == "compiler-artifact") {
            let name = message["target"]["name"].as_str().unwrap_or_default();
            let files = message["filenames"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let library = files.into_iter().find(|file| file.ends_with(".rlib"));
            if let Some(library) = library.filter(|_| CRATES.contains(&name)) {
                let other = crates.insert(name.to_owned(), PathBuf::from(library));
                assert!(
                    other.is_none(),
                    "{name} is built in two ways, and a case could be given the wrong one"
                );
            }
        }
        assert_eq!(crates.len(), CRATES.len(), "cargo has built {CRATES:?}");
        Self { crates }
    }

    /// The errors of a program, a line for each; none when it compiles.
    fn refusals(&self, program: &Path) -> String {
        let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let folder = self.crates["blindmeter"].parent().expect("a library is in a folder");
        let mut compiler = Command::new(rustc);
        compiler.args([
            "--edition",
            "2024",
            "--error-format",
            "json",
            "--emit",
            "metadata",
            "--cap-lints",
            "allow",
        ]);
        compiler.arg("-L").arg(format!("dependency={}", folder.display()));
        for (name, library) in &self.crates {
            compiler.arg("--extern").arg(format!("{name}={}", library.display()));
        }
        compiler.arg("--out-dir").arg(env!("CARGO_TARGET_TMPDIR")).arg(program);
        let output = compiler.output().expect("rustc is beside cargo");
        let errors = messages(&output.stderr).filter(|message| message["level"] == "error");
        let said: String = errors.filter_map(|error| in_words(&error)).collect();
        assert_eq!(output.status.success(), said.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        said
    }
}

/// The lines of a program's output that are JSON.
fn messages(output: &[u8]) -> impl Iterator<Item = Value> {
    output.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok())
}

/// None for the closing line, which counts the errors.
fn in_words(error: &Value) -> Option<String> {
    let spans: Vec<&Value> =
        error["spans"].as_array()?.iter().filter(|span| span["is_primary"] == true).collect();
    let line = spans.first()?["line_start"].as_u64()?;
    let code = error["code"]["code"].as_str().unwrap_or("-");
    let mut text = format!("{line}: {code}: {}", error["message"].as_str()?);
    let mut labels: Vec<&str> = spans.iter().filter_map(|span| span["label"].as_str()).collect();
    labels.dedup();
    for label in labels {
        let _ = write!(text, ": {label}");
    }
    text.push('\n');
    Some(text)
}
