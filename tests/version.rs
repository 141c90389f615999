//! Which commit a build names: `build.rs` itself, compiled and run as cargo runs it, in clones, work trees and
//! archives of a small repository. And what `--version` says.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use support::command::{apart, bounded, ended};
use support::process::PROGRAM;
use tempfile::TempDir;

/// The script as a program, and a repository of one commit.
struct Workshop {
    folder: TempDir,
    commit: String,
}

impl Workshop {
    fn new() -> Self {
        let folder = TempDir::with_prefix("blindmeter-version-").expect("a temporary folder");
        let workshop = Self { folder, commit: String::new() };
        let mut rustc = apart("rustc");
        rustc.args(["--edition", "2024", concat!(env!("CARGO_MANIFEST_DIR"), "/build.rs"), "-o"]);
        succeed(rustc.arg(workshop.path("script")));
        let repository = workshop.path("repository");
        for folder in ["src", "deploy/release", "docs"] {
            fs::create_dir_all(repository.join(folder)).expect("ours");
        }
        for file in [".gitattributes", "deploy/release/commit"] {
            fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join(file), repository.join(file))
                .expect("it is there");
        }
        for file in ["src/main.rs", "build.rs", "Cargo.toml", "Cargo.lock", "docs/a.md"] {
            fs::write(repository.join(file), "first\n").expect("ours");
        }
        git(&repository, &["init", "-q"]);
        git(&repository, &["add", "."]);
        git(&repository, &["commit", "-q", "-m", "First"]);
        let commit = git(&repository, &["rev-parse", "HEAD"]);
        Self { commit: commit[..12].to_owned(), ..workshop }
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    /// The commit that the script names in a folder, and what cargo is to watch.
    fn named(&self, folder: &Path, variables: &[(&str, &str)]) -> (String, Vec<String>) {
        let mut script = apart(self.path("script").to_str().expect("a text"));
        script.current_dir(folder).env_remove("BLINDMETER_REVISION").env("PROFILE", "release");
        let told = succeed(script.envs(variables.iter().copied()));
        let of = |key: &str| {
            told.lines().filter_map(|line| line.strip_prefix(key)).map(str::to_owned).collect::<Vec<_>>()
        };
        let revision = of("cargo::rustc-env=BLINDMETER_REVISION=");
        assert_eq!(revision.len(), 1, "{told}");
        (revision[0].clone(), of("cargo::rerun-if-changed="))
    }

    fn revision(&self, folder: &Path) -> String {
        self.named(folder, &[]).0
    }
}

fn succeed(command: &mut Command) -> String {
    let output = command.output().expect("rustc, git and tar are there");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text").trim().to_owned()
}

fn git(folder: &Path, words: &[&str]) -> String {
    let mut git = apart("git");
    git.args(["-c", "user.name=a", "-c", "user.email=a@b.example", "-c", "commit.gpgsign=false"]);
    succeed(git.arg("-C").arg(folder).args(words))
}

#[test]
fn a_clone_names_its_commit_and_says_when_it_is_changed() {
    let workshop = Workshop::new();
    let repository = workshop.path("repository");
    assert_eq!(workshop.revision(&repository), workshop.commit);
    // Another clone, and a work tree, build the same program.
    for (folder, words) in
        [("clone", ["clone", "-q", ".", "../clone"]), ("tree", ["worktree", "add", "-q", "../tree"])]
    {
        git(&repository, &words);
        assert_eq!(workshop.revision(&workshop.path(folder)), workshop.commit, "{folder}");
    }
    // A document is no part of the program; a source is, also one that git does not know yet.
    fs::write(repository.join("docs/a.md"), "second\n").expect("ours");
    assert_eq!(workshop.revision(&repository), workshop.commit);
    let dirty = format!("{}-dirty", workshop.commit);
    for file in ["src/main.rs", "src/new.rs", "Cargo.lock"] {
        let before = fs::read(repository.join(file)).ok();
        fs::write(repository.join(file), "second\n").expect("ours");
        assert_eq!(workshop.revision(&repository), dirty, "{file}");
        match before {
            Some(text) => fs::write(repository.join(file), text).expect("ours"),
            None => fs::remove_file(repository.join(file)).expect("ours"),
        }
        assert_eq!(workshop.revision(&repository), workshop.commit, "{file}");
    }
}

#[test]
fn an_archive_names_its_commit_without_git() {
    let workshop = Workshop::new();
    let repository = workshop.path("repository");
    git(&repository, &["archive", "--prefix", "archive/", "-o", "../archive.tar", "HEAD"]);
    let mut tar = apart("tar");
    succeed(tar.arg("-C").arg(workshop.folder.path()).arg("-xf").arg(workshop.path("archive.tar")));
    let archive = workshop.path("archive");
    assert!(!archive.join(".git").exists());
    assert_eq!(workshop.revision(&archive), workshop.commit);
    assert_eq!(workshop.named(&archive, &[("PATH", "/nonexistent")]).0, workshop.commit);
    // Unpacked inside another repository it is still its own; and cargo's archives have a file of theirs.
    let inside = repository.join("target");
    fs::rename(&archive, &inside).expect("ours");
    assert_eq!(workshop.revision(&inside), workshop.commit);
    fs::write(inside.join(".cargo_vcs_info.json"), "{\"git\": {\"sha1\": \"0123456789abcdef0123\"}}")
        .expect("ours");
    assert_eq!(workshop.revision(&inside), "0123456789ab");
    fs::remove_file(inside.join(".cargo_vcs_info.json")).expect("ours");
    // A copy of the files names none, and what a packager says wins.
    fs::write(inside.join("deploy/release/commit"), "$Format:%H$\n").expect("ours");
    assert_eq!(workshop.revision(&inside), "unknown");
    for folder in [&inside, &repository] {
        let named = workshop.named(folder, &[("BLINDMETER_REVISION", "1.2-3")]);
        assert_eq!(named.0, "1.2-3");
    }
}

#[test]
fn cargo_is_told_to_watch_what_a_commit_changes_and_nothing_that_a_look_changes() {
    let workshop = Workshop::new();
    let repository = workshop.path("repository");
    git(&repository, &["worktree", "add", "-q", "../tree"]);
    for folder in [repository.clone(), workshop.path("tree")] {
        let stamp = |file: &String| fs::metadata(folder.join(file)).and_then(|found| found.modified()).ok();
        let (_, watched) = workshop.named(&folder, &[]);
        let before: Vec<_> = watched.iter().map(stamp).collect();
        assert!(
            before.iter().all(Option::is_some),
            "what is not there makes cargo build each time: {watched:?}"
        );
        // A file that is touched makes git look at it again; a look must not be a change.
        fs::write(folder.join("src/main.rs"), "first\n").expect("ours");
        let sources = |file: &&String| !file.starts_with("src");
        let seen = |list: &[String]| list.iter().filter(sources).map(stamp).collect::<Vec<_>>();
        let (before, (_, again)) = (seen(&watched), workshop.named(&folder, &[]));
        assert_eq!((watched.clone(), before), (again.clone(), seen(&again)));
        let before = seen(&watched);
        git(&folder, &["commit", "-q", "--allow-empty", "-m", "Next"]);
        assert_ne!(before, seen(&watched), "a commit is seen");
    }
    // A build for tests asks nobody and watches nothing but the script.
    let (revision, watched) = workshop.named(&repository, &[("PROFILE", "debug")]);
    assert_eq!((revision.as_str(), watched), ("unknown", vec!["build.rs".to_owned()]));
}

#[test]
fn the_version_names_commit_and_floors() {
    let mut command = bounded();
    command.args([PROGRAM, "--version"]);
    let told = ended(command).succeeded();
    let profile = if cfg!(feature = "lab") { "lab" } else { "standard" };
    let version = env!("CARGO_PKG_VERSION");
    let (head, end) = (format!("blindmeter {version} (commit "), format!(", profile {profile})\n"));
    let commit = told.strip_prefix(&head).and_then(|rest| rest.strip_suffix(&end));
    assert!(commit.is_some_and(|commit| !commit.is_empty() && !commit.contains(' ')), "{told}");
}
