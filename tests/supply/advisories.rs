//! `advisories.toml`, and a database in RustSec's layout that says the same.

use serde::Deserialize;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Where cargo-deny looks for the database of `https://github.com/RustSec/advisory-db`, below `db-path`; where it
/// does not find one it ends with an error.
const FOLDER: &str = "advisory-db-3157b0e258782691";

/// The file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Known {
    /// The day of the look.
    pub(crate) read: String,
    /// The date of the newest advisory.
    pub(crate) newest: String,
    /// Every package that was looked up.
    pub(crate) packages: Vec<String>,
    /// All advisories of these, withdrawn ones too.
    pub(crate) advisories: Vec<Advisory>,
}

/// What an advisory says, without its words.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Advisory {
    pub(crate) id: String,
    pub(crate) package: String,
    pub(crate) date: String,
    /// `vulnerability`, or what RustSec calls informational: `unsound`, `unmaintained`, `notice`.
    pub(crate) kind: String,
    pub(crate) withdrawn: Option<String>,
    pub(crate) patched: Vec<String>,
    pub(crate) unaffected: Vec<String>,
}

impl Known {
    pub(crate) fn read() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/supply/advisories.toml");
        let text = fs::read_to_string(path).expect("a file of the repository");
        toml::from_str(&text).unwrap_or_else(|error| panic!("advisories.toml: {error}"))
    }
}

impl Advisory {
    /// Its file in the database. Lists are in double quotes there: cargo-deny reads no others.
    fn file(&self) -> String {
        let Self { id, package, date, kind, withdrawn, patched, unaffected } = self;
        let line = |name: &str, value: &str| format!("{name} = {value:?}\n");
        let kind = if kind == "vulnerability" { String::new() } else { line("informational", kind) };
        let withdrawn = withdrawn.as_deref().map(|day| line("withdrawn", day)).unwrap_or_default();
        format!(
            "```toml\n[advisory]\nid = {id:?}\npackage = {package:?}\ndate = {date:?}\n{kind}{withdrawn}\n[versions]\n\
             patched = {patched:?}\nunaffected = {unaffected:?}\n```\n\n# {id}\n"
        )
    }
}

/// Makes the git repository that cargo-deny takes for RustSec's, where `db-path` names this folder.
pub(crate) fn database(advisories: &[Advisory], folder: &Path) {
    let repository = folder.join(FOLDER);
    for advisory in advisories {
        let of_package = repository.join("crates").join(&advisory.package);
        fs::create_dir_all(&of_package).expect("ours");
        fs::write(of_package.join(format!("{}.md", advisory.id)), advisory.file()).expect("ours");
    }
    git(&repository, &["init", "--quiet"]);
    git(&repository, &["add", "--all"]);
    let who = ["-c", "user.name=tests", "-c", "user.email=", "-c", "commit.gpgSign=false"];
    git(&repository, &[who.as_slice(), &["commit", "--quiet", "--message", "All"]].concat());
}

fn git(folder: &Path, words: &[&str]) {
    let mut git = Command::new("git");
    for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
        git.env_remove(name);
    }
    let output = git.arg("-C").arg(folder).args(words).output().expect("git is there");
    assert!(output.status.success(), "git {words:?}: {}", String::from_utf8_lossy(&output.stderr));
}
