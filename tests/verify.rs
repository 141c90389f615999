//! `blindmeter verify`: the receipt of a release, made by the script that makes them and signed by Debian's minisign,
//! and a hundred ways in which a program, a policy, a bill of materials or a receipt is not the one that was released.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use support::command::{Outcome, bounded, ended};
use support::process::PROGRAM;
use tempfile::TempDir;

/// A folder with a key pair, a program without its symbols, a bill of materials, and the receipt of both.
struct Release {
    folder: TempDir,
    key: String,
}

impl Release {
    fn new() -> Self {
        let folder = TempDir::with_prefix("blindmeter-release-").expect("a temporary folder");
        let release = Self { folder, key: String::new() };
        release.succeed(Command::new("strip").arg("-o").arg(release.path("program")).arg(PROGRAM));
        let lock =
            fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.lock")).expect("a file of the repository");
        fs::write(release.path("sbom"), lock).expect("ours");
        let (public, secret) = (release.path("public"), release.path("secret"));
        release
            .succeed(Command::new("minisign").args(["-G", "-W", "-p"]).arg(&public).arg("-s").arg(&secret));
        let text = fs::read_to_string(public).expect("a public key");
        let key = text.lines().nth(1).expect("its second line").to_owned();
        let release = Self { key, ..release };
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/release/receipt");
        let words = ["program", "sbom", "secret"].map(|file| release.path(file));
        let receipt = release.succeed(Command::new(script).args(words));
        fs::write(release.path("receipt"), receipt).expect("ours");
        release
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    fn succeed(&self, command: &mut Command) -> Vec<u8> {
        let output = command.stdin(Stdio::null()).output().expect("it is installed by tests/run packages");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    /// What the released program says of itself.
    fn verified(&self, receipt: &Path, words: &[&str]) -> Outcome {
        let mut command = bounded();
        command.arg(self.path("program")).arg("verify").arg(receipt).args(["--key", &self.key]).args(words);
        ended(command)
    }

    /// The receipt with other lines, signed anew.
    fn signed_anew(&self, change: impl Fn(&str) -> String) -> PathBuf {
        let text = fs::read_to_string(self.path("receipt")).expect("a receipt");
        let (lines, _) = text.split_once("untrusted comment").expect("a signature");
        fs::write(self.path("lines"), change(lines)).expect("ours");
        let mut minisign = Command::new("minisign");
        minisign.arg("-S").arg("-s").arg(self.path("secret")).arg("-m").arg(self.path("lines"));
        self.succeed(minisign.arg("-x").arg(self.path("signature")));
        let signed = [fs::read(self.path("lines")), fs::read(self.path("signature"))];
        let signed: Vec<u8> = signed.into_iter().flat_map(|part| part.expect("ours")).collect();
        fs::write(self.path("signed"), signed).expect("ours");
        self.path("signed")
    }
}

#[test]
fn a_released_program_is_as_its_receipt_says() {
    let release = Release::new();
    let receipt = release.path("receipt");
    let sbom = release.path("sbom").display().to_string();
    let verified = release.verified(&receipt, &["--sbom", &sbom]);
    assert_eq!(verified.code, Some(0), "{}", verified.stderr);
    assert!(verified.stdout.ends_with("signed, and as the receipt says\n"), "{}", verified.stdout);
    // A trusted copy looks at the program that lies somewhere.
    let program = release.path("program").display().to_string();
    assert_eq!(release.verified(&receipt, &["--binary", &program]).code, Some(0));
    let other = release.verified(&receipt, &["--binary", PROGRAM]);
    assert_eq!(other.code, Some(2));
    assert!(other.stdout.contains("binary differs: here ") && other.stderr.contains("what differs above"));
    // The lines tell what it is also without a receipt; the policy is the one that a node publishes.
    let mut alone = bounded();
    alone.arg(PROGRAM).args(["verify", "--json"]);
    let alone = ended(alone);
    let report: serde_json::Value = serde_json::from_str(&alone.stdout).expect("JSON");
    assert_eq!(report["policy"], blindmeter::meter::policy::Policy::DEFAULT.digest());
    assert!(
        report["differs"].is_null() && report["binary_sha256"].as_str().is_some_and(|sum| sum.len() == 64)
    );
    let mut keyless = bounded();
    keyless.arg(PROGRAM).arg("verify").arg(&receipt);
    let keyless = ended(keyless);
    assert!(keyless.code == Some(64) && keyless.stderr.contains("--key"), "{}", keyless.stderr);
}

#[test]
fn a_hundred_of_a_hundred_alterations_are_refused() {
    let release = Release::new();
    let receipt = release.path("receipt");
    // A byte of the program, anywhere in it.
    let altered = release.path("altered");
    let program = fs::read(release.path("program")).expect("a program");
    for at in 0..28 {
        let mut bytes = program.clone();
        let at = at * (bytes.len() - 1) / 27;
        bytes[at] ^= 1;
        fs::write(&altered, bytes).expect("ours");
        let verified = release.verified(&receipt, &["--binary", &altered.display().to_string()]);
        assert_eq!(verified.code, Some(2), "byte {at} of the program: {}", verified.stderr);
    }
    // A byte of the bill of materials.
    let materials = fs::read(release.path("sbom")).expect("a bill of materials");
    for at in 0..16 {
        let mut bytes = materials.clone();
        let at = at * (bytes.len() - 1) / 15;
        bytes[at] ^= 1;
        fs::write(&altered, bytes).expect("ours");
        let verified = release.verified(&receipt, &["--sbom", &altered.display().to_string()]);
        assert_eq!(verified.code, Some(2), "byte {at} of the bill of materials: {}", verified.stderr);
        assert!(verified.stdout.contains("sbom differs: "), "byte {at}: {}", verified.stdout);
    }
    // Another policy, version, commit, profile or digest, though the key has signed it.
    let sbom = release.path("sbom").display().to_string();
    let text = fs::read_to_string(&receipt).expect("a receipt");
    let lines = ["policy", "version", "commit", "profile", "binary-sha256", "sbom-sha256"];
    for at in 0..30 {
        let name = lines[at % lines.len()];
        let line = text.lines().find(|line| line.starts_with(name)).expect("the line is there");
        let value = line.split_once(' ').expect("name and value").1;
        let place = at / lines.len() % value.len();
        let mut other: Vec<u8> = value.bytes().collect();
        other[place] = if other[place] == b'0' { b'1' } else { b'0' };
        let other = format!("{name} {}", String::from_utf8_lossy(&other));
        let signed = release.signed_anew(|lines| lines.replace(line, &other));
        let verified = release.verified(&signed, &["--sbom", &sbom]);
        assert_eq!(verified.code, Some(2), "{other}: {}", verified.stdout);
        let what = name.trim_end_matches("-sha256");
        assert!(verified.stdout.contains(&format!("{what} differs: ")), "{other}: {}", verified.stdout);
    }
    // Any byte of the receipt, which nobody has signed so.
    for at in 0..26 {
        let mut bytes = text.clone().into_bytes();
        let at = at * (bytes.len() - 1) / 25;
        bytes[at] ^= 1;
        fs::write(&altered, bytes).expect("ours");
        let verified = release.verified(&altered, &[]);
        assert_eq!(verified.code, Some(if verified.stderr.contains("UTF-8") { 74 } else { 2 }), "byte {at}");
        assert!(!verified.stdout.contains("as the receipt says"), "byte {at}: {}", verified.stdout);
    }
    // And by another key, it is signed by nobody.
    let other = Release::new();
    let mut command = bounded();
    command.arg(release.path("program")).arg("verify").arg(&receipt).args(["--key", &other.key]);
    let verified = ended(command);
    assert!(verified.code == Some(2) && verified.stderr.contains("do not trust it"), "{}", verified.stderr);
}
