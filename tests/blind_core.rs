//! The blind core is built as a library of its own, where there is no standard library to reach for.
//!
//! A package is made whose one module is `src/meter/mod.rs` by `#[path]`, under `#![no_std]`, and
//! whose sysroot holds `core` and `alloc` only: not even `extern crate std` finds one. No clock,
//! file, socket, thread or printing can be named there, and nothing of the crate outside `meter`.
//! The same build then has to refuse a core into which each of these was planted.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const REPOSITORY: &str = env!("CARGO_MANIFEST_DIR");

/// Where the packages are made; cargo keeps it between runs, so that only the first build is long.
const WORKSHOP: &str = env!("CARGO_TARGET_TMPDIR");

/// What must not be possible in the core, and the words in which the compiler refuses it.
const PLANTED: [(&str, &str, &str); 6] = [
    ("clock", "use std::time::Instant; pub fn now() -> Instant { Instant::now() }", "`std`"),
    ("smuggled_std", "extern crate std; pub fn say() { std::println!() }", "can't find crate for `std`"),
    ("printing", "pub fn say() { println!() }", "cannot find macro `println`"),
    ("rest_of_the_crate", "pub use crate::roster::address::Prefix;", "`crate`"),
    ("floating_point", "pub fn noise(scale: f64) -> f64 { scale.exp() }", "no method named `exp`"),
    ("another_crate", "pub use serde::Serialize;", "`serde`"),
];

#[test]
fn the_core_builds_with_core_and_alloc_alone() {
    let core = Path::new(REPOSITORY).join("src/meter/mod.rs");
    let messages = Package::new("as_it_is", &core).check();
    assert!(messages.is_none(), "the core does not build without std:\n{}", messages.unwrap_or_default());
}

#[test]
fn a_core_that_reaches_outside_does_not_build() {
    for (name, planted, refusal) in PLANTED {
        let copy = Path::new(WORKSHOP).join("blind_core").join(name).join("meter");
        copy_folder(&Path::new(REPOSITORY).join("src/meter"), &copy);
        let counters = copy.join("counters.rs");
        let text = fs::read_to_string(&counters).expect("the core has this file");
        fs::write(&counters, format!("{text}\n/// Planted.\n{planted}\n")).expect("the copy is writable");
        let messages = Package::new(name, &copy.join("mod.rs")).check();
        let messages = messages.unwrap_or_else(|| panic!("a core with `{planted}` builds"));
        assert!(messages.contains(refusal), "`{planted}` is refused for another reason:\n{messages}");
    }
}

/// A package of one library that holds a core.
struct Package {
    folder: PathBuf,
}

impl Package {
    fn new(name: &str, core: &Path) -> Self {
        let folder = Path::new(WORKSHOP).join("blind_core").join(name);
        fs::create_dir_all(&folder).expect("cargo's folder for tests is writable");
        let write = |name: &str, text: &str| {
            fs::write(folder.join(name), text).expect("cargo's folder for tests is writable");
        };
        write("Cargo.toml", &manifest(name));
        write(
            "lib.rs",
            &format!("#![no_std]\nextern crate alloc;\n#[path = {:?}]\npub mod meter;\n", core.display()),
        );
        // The versions of the repository, which are there without asking a registry.
        fs::copy(Path::new(REPOSITORY).join("Cargo.lock"), folder.join("Cargo.lock"))
            .expect("the repository's lock file is committed");
        Self { folder }
    }

    /// Type-checks the library where there is no `std`; none when it passes, else what was said.
    fn check(&self) -> Option<String> {
        let target = said_by_rustc("host-tuple");
        let flags = format!("--sysroot\x1f{}", sysroot(&target).display());
        let output = Command::new(env!("CARGO"))
            .args(["check", "--offline", "--quiet", "--color", "never", "--target", &target])
            .arg("--manifest-path")
            .arg(self.folder.join("Cargo.toml"))
            .arg("--target-dir")
            .arg(Path::new(WORKSHOP).join("blind_core/target"))
            .current_dir(REPOSITORY)
            .env("CARGO_ENCODED_RUSTFLAGS", flags)
            .output()
            .expect("cargo runs these tests, so it is there");
        (!output.status.success()).then(|| String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// The core's two dependencies as the repository has them, less what is written in C. The packages share
/// a target folder, in which cargo tells them apart by their names and not by their paths.
fn manifest(name: &str) -> String {
    let text = fs::read_to_string(Path::new(REPOSITORY).join("Cargo.toml")).expect("the manifest is there");
    let repository: toml::Table = text.parse().expect("cargo has read it");
    let blake3 = &repository["dependencies"]["blake3"];
    let text = |value: &toml::Value| value.as_str().expect("the manifest has a text there").to_owned();
    assert_eq!(blake3["default-features"].as_bool(), Some(false), "blake3 would bring std with it");
    format!(
        "[package]\nname = \"blind_core_{name}\"\nversion = \"0.0.0\"\nedition = {:?}\n[lib]\npath = \"lib.rs\"\n\
         [features]\nlab = []\n[workspace]\n[dependencies.blake3]\nversion = {:?}\n\
         default-features = false\nfeatures = [\"pure\"]\n[dependencies.libm]\nversion = {:?}\n\
         default-features = false\n",
        text(&repository["package"]["edition"]),
        text(&blake3["version"]),
        text(&repository["dependencies"]["libm"]["version"])
    )
}

/// A sysroot with `core`, `alloc` and what they need, and nothing else.
fn sysroot(target: &str) -> PathBuf {
    let sysroot = Path::new(WORKSHOP).join("blind_core/sysroot");
    let libraries = sysroot.join("lib/rustlib").join(target).join("lib");
    fs::create_dir_all(&libraries).expect("cargo's folder for tests is writable");
    let installed = fs::read_dir(said_by_rustc("target-libdir")).expect("the toolchain has its libraries");
    for entry in installed.map(|entry| entry.expect("a readable folder")) {
        let name = entry.file_name();
        let text = name.to_string_lossy();
        let wanted = ["libcore-", "liballoc-", "libcompiler_builtins-"];
        if wanted.iter().any(|library| text.starts_with(library)) && !libraries.join(&name).exists() {
            // The other test may be a moment ahead with the same link.
            let _ = std::os::unix::fs::symlink(entry.path(), libraries.join(&name));
        }
    }
    sysroot
}

fn said_by_rustc(what: &str) -> String {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).args(["--print", what]).output().expect("rustc is beside cargo");
    String::from_utf8(output.stdout).expect("rustc writes UTF-8").trim().to_owned()
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("cargo's folder for tests is writable");
    for entry in fs::read_dir(from).expect("a folder of the repository") {
        let entry = entry.expect("a readable folder");
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).expect("a file of the repository");
        }
    }
}
