//! The packages without making one: the files that they list are there, their scripts do on a host what they say,
//! manual pages and scripts are without a warning.
//!
//! `tests/packages/run` makes a package, and installs it on a booted Debian; CONTRIBUTING.md has it as a long run.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const REPOSITORY: &str = env!("CARGO_MANIFEST_DIR");

const PROGRAM: &str = env!("CARGO_BIN_EXE_blindmeter");

/// Where files of a package go, and with which rights; what `deploy/package/build` makes has no file here yet.
fn assets(kind: &str) -> Vec<(String, String, String)> {
    let manifest: toml::Table = read("Cargo.toml").parse().expect("cargo has read it");
    let assets = manifest["package"]["metadata"][kind]["assets"].as_array().expect("a list").clone();
    let text = |value: &toml::Value| value.as_str().expect("text").trim_start_matches('/').to_owned();
    let of = |asset: &toml::Value| match asset {
        toml::Value::Array(parts) => (text(&parts[0]), text(&parts[1]), text(&parts[2])),
        asset => (text(&asset["source"]), text(&asset["dest"]), text(&asset["mode"])),
    };
    assets.iter().map(of).collect()
}

#[test]
fn a_package_lists_files_that_are_there() {
    for (source, to, mode) in assets("deb") {
        assert!(["644", "755"].contains(&mode.as_str()), "{source}: {mode}");
        let is_program = to.starts_with("usr/bin") || to.starts_with("usr/libexec");
        assert_eq!(mode == "755", is_program, "{source}: {mode}");
        assert!(!to.starts_with("etc/"), "{to}: what an operator changes is made on the host");
        if source.starts_with("target/package/parts/") {
            let name = source.trim_start_matches("target/package/").split('*').next().unwrap_or_default();
            let build = read("deploy/package/build").replace("$out/", "");
            assert!(build.contains(name.trim_end_matches('/')), "{source} is made by nobody");
        } else {
            let source = source.trim_end_matches('*');
            assert!(Path::new(REPOSITORY).join(source).exists(), "{source}");
        }
    }
    let to: Vec<String> = assets("deb").into_iter().map(|(_, to, _)| to).collect();
    for wanted in [
        "usr/bin/",
        "usr/lib/systemd/system/",
        "usr/lib/sysusers.d/blindmeter.conf",
        "usr/lib/tmpfiles.d/blindmeter.conf",
        "usr/share/man/man1/",
        "usr/share/man/man5/",
        "usr/share/bash-completion/completions/",
        "usr/share/zsh/vendor-completions/",
        "usr/share/fish/vendor_completions.d/",
        "usr/share/doc/blindmeter/copyright",
        "usr/share/doc/blindmeter/examples/",
        "usr/share/blindmeter/monitoring/",
    ] {
        assert!(to.iter().any(|to| to == wanted), "nothing goes to {wanted}");
    }
    // What stands beside the rules is for Prometheus and Grafana, and what lies below them for tests.
    let packed: BTreeSet<String> = assets("deb").into_iter().map(|(source, ..)| source).collect();
    let delivered = fs::read_dir(Path::new(REPOSITORY).join("deploy/monitoring")).expect("a folder");
    let delivered = delivered.flatten().map(|entry| entry.path()).filter(|path| path.is_file());
    for path in delivered.chain([Path::new(REPOSITORY).join("deploy/remote-prometheus.conf")]) {
        let source = path.strip_prefix(REPOSITORY).expect("in it").display().to_string();
        assert!(packed.contains(&source), "{source} is in no package");
    }
    // Both packages hold the same.
    let of = |kind: &str| assets(kind).into_iter().map(|(source, ..)| source).collect::<BTreeSet<String>>();
    let (deb, rpm) = (of("deb"), of("generate-rpm"));
    let more: Vec<&String> = deb.difference(&rpm).collect();
    assert_eq!(more, ["deploy/package/debian/lintian-overrides", "target/package/parts/changelog.gz"]);
    let more: Vec<&String> = rpm.difference(&deb).collect();
    assert_eq!(more, ["CHANGELOG.md", "LICENSE-APACHE", "LICENSE-MIT"]);
    let files = fs::read_dir(Path::new(REPOSITORY).join("deploy/package/debian")).expect("a folder");
    let files: BTreeSet<_> = files.flatten().map(|entry| entry.file_name()).collect();
    assert!(
        ["postinst", "prerm", "postrm"].iter().all(|script| files.contains(std::ffi::OsStr::new(script)))
    );
}

#[test]
fn scripts_are_without_a_warning() {
    let scripts = [
        "deploy/fleet/load",
        "deploy/fleet/secrets",
        "deploy/container/build",
        "deploy/package/build",
        "deploy/package/maintain",
        "deploy/package/debian/postinst",
        "deploy/package/debian/prerm",
        "deploy/package/debian/postrm",
        "deploy/package/rpm/post",
        "deploy/package/rpm/preun",
        "deploy/package/rpm/postun",
        "deploy/release/make",
        "deploy/release/program",
        "deploy/release/receipt",
        "deploy/release/sbom",
        "tests/packages/container",
        "tests/packages/inside.sh",
        "tests/packages/machine",
        "tests/packages/rebuild",
        "tests/packages/rpm",
        "tests/packages/run",
    ];
    // What has no first line of its own is run by a plain shell.
    let checked = Command::new("shellcheck")
        .args(["--severity=style", "--source-path=SCRIPTDIR"])
        .args(scripts)
        .current_dir(REPOSITORY)
        .output();
    let checked = checked.expect("tests need shellcheck");
    assert!(checked.status.success(), "{}", said(&checked));
}

#[test]
fn manual_pages_render_without_a_warning() {
    let folder = tempfile::TempDir::new().expect("a temporary directory");
    let made = Command::new(PROGRAM).args(["gen", "man"]).arg(folder.path()).output().expect("ours");
    assert!(made.status.success(), "{}", said(&made));
    let pages = fs::read_dir(folder.path()).expect("ours").flatten().map(|entry| entry.path());
    let pages: Vec<PathBuf> = pages.collect();
    assert!(pages.len() > 30, "{pages:?}");
    // Lines of examples and of the delivered configuration are as long as they are, which is a matter of style.
    let checked = Command::new("mandoc").args(["-T", "lint", "-W", "warning"]).args(&pages).output();
    let checked = checked.expect("tests need mandoc");
    assert!(checked.status.success() && checked.stdout.is_empty(), "{}", said(&checked));
}

#[test]
fn completions_know_every_command() {
    for shell in ["bash", "zsh", "fish"] {
        let made = Command::new(PROGRAM).args(["gen", "completions", shell]).output().expect("ours");
        let text = String::from_utf8(made.stdout).expect("text");
        for word in ["unassign", "accept-loss", "completions", "inventory"] {
            assert!(text.contains(word), "{shell}: {word}");
        }
    }
}

/// The system calls of a word of `SystemCallFilter=`, as systemd has them.
fn calls_of(word: &str) -> BTreeSet<String> {
    if !word.starts_with('@') {
        return BTreeSet::from([word.to_owned()]);
    }
    let listed = Command::new("systemd-analyze").args(["syscall-filter", word]).output().expect("systemd");
    let listed = String::from_utf8(listed.stdout).expect("text");
    let words =
        listed.lines().skip(1).map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    words.flat_map(calls_of).collect()
}

#[test]
fn a_container_is_allowed_the_calls_of_the_unit() {
    let unit = read("deploy/blindmeter.service");
    let mut calls: BTreeSet<String> = BTreeSet::new();
    for words in unit.lines().filter_map(|line| line.strip_prefix("SystemCallFilter=")) {
        let named: BTreeSet<String> = words.trim_start_matches('~').split(' ').flat_map(calls_of).collect();
        calls = if words.starts_with('~') { &calls - &named } else { &calls | &named };
    }
    assert!(calls.len() > 200 && calls.contains("bpf"), "{calls:?}");
    // By which an engine becomes the container's user, once the filter is in force.
    calls.extend(["setuid", "setgid", "setgroups", "setresuid", "setresgid"].map(str::to_owned));
    let profile: serde_json::Value =
        serde_json::from_str(&read("deploy/container/seccomp.json")).expect("JSON");
    assert!(profile["defaultAction"] == "SCMP_ACT_ERRNO" && profile["syscalls"][1].is_null(), "{profile}");
    let allowed = profile["syscalls"][0]["names"].as_array().expect("a list");
    let allowed = allowed.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect();
    assert_eq!(calls, allowed);
}

/// What was said, and what systemd was asked for, when these lines were run on a host that has nothing.
fn on_a_host(lines: &str) -> (String, String) {
    let folder = tempfile::TempDir::new().expect("a temporary directory");
    let lines = format!("{lines}\necho; echo == asked; cat \"$ASKED\"");
    let mut shell = Command::new("unshare");
    shell.args(["--mount", "--net", "sh", "tests/packages/inside.sh", REPOSITORY, PROGRAM]);
    let output =
        shell.arg(folder.path()).arg(lines).current_dir(REPOSITORY).output().expect("tests need unshare");
    let text = said(&output);
    assert!(output.status.success(), "{text}");
    let (told, asked) = text.split_once("\n== asked\n").expect("both parts");
    (told.to_owned(), asked.to_owned())
}

#[test]
fn a_host_without_wireguard_is_told_three_commands() {
    let (told, asked) = on_a_host(
        "device eth0 '' && $maintain install && stat -c '%a %s %U:%G' /etc/blindmeter/ledger.key /etc/blindmeter",
    );
    for text in [
        "made the root key /etc/blindmeter/ledger.key; keep a copy elsewhere",
        "not started: no configuration is there, and no WireGuard interface to count without one",
        "  blindmeter gen config --interface NAME > /etc/blindmeter/blindmeter.toml",
        "\n  blindmeter check\n  systemctl enable --now blindmeter\n",
        "600 32 root:root",
        "root:blindmeter",
    ] {
        assert!(told.contains(text), "{text}: {told}");
    }
    assert!(!asked.contains("start") && !asked.contains("enable"), "{asked}");
}

#[test]
fn a_host_with_wireguard_counts_without_a_configuration() {
    let (told, asked) = on_a_host(
        "device eth0 '' && device wg0 wireguard && device wg1 wireguard && $maintain install && \
         cat /etc/blindmeter/blindmeter.toml && stat -c '%a %U:%G' /etc/blindmeter/blindmeter.toml",
    );
    for text in [
        "wrote /etc/blindmeter/blindmeter.toml for wg0 wg1: each peer is an account",
        "the service counts",
        "\n  blindmeter status ",
        "interfaces = [\"wg0\", \"wg1\"]",
        "mode = \"sealed\"",
        "640 root:blindmeter",
    ] {
        assert!(told.contains(text), "{text}: {told}");
    }
    assert!(
        asked.contains("enable blindmeter.service\n") && asked.contains("start blindmeter.service\n"),
        "{asked}"
    );
}

#[test]
fn a_service_that_does_not_count_is_not_said_to() {
    let (told, _) = on_a_host("export STATE=2 && device wg0 wireguard && $maintain install");
    assert!(
        told.contains("does not count all that it should: blindmeter status says what is missing"),
        "{told}"
    );
    assert!(!told.contains("the service counts"), "{told}");
}

#[test]
fn a_device_of_a_program_in_user_space_is_named() {
    let (told, asked) = on_a_host(
        "mkdir /run/wireguard && python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"/run/wireguard/wg7.sock\")' \
         && $maintain install",
    );
    assert!(told.contains("not started: wg7 belongs to a program in user space"), "{told}");
    assert!(told.contains("docs/wireguard.md") && told.contains("next, as root:"), "{told}");
    assert!(!asked.contains("start"), "{asked}");
}

#[test]
fn nothing_is_started_or_restarted_that_would_fail() {
    let broken = "mkdir /etc/blindmeter && echo '[tap' > /etc/blindmeter/blindmeter.toml && ";
    let (told, asked) = on_a_host(&format!("{broken} $maintain install"));
    assert!(told.contains("not started: /etc/blindmeter/blindmeter.toml line 1: "), "{told}");
    assert!(!asked.contains("start"), "{asked}");
    let (told, asked) =
        on_a_host(&format!("{broken} echo blindmeter.service > $RUNNING && $maintain upgrade"));
    assert!(told.contains("blindmeter.service was not restarted, and stays as it was: "), "{told}");
    assert!(!asked.contains("restart"), "{asked}");
    let disabled = "device wg0 wireguard && mkdir /etc/blindmeter && \
                    blindmeter gen config --interface wg0 > /etc/blindmeter/blindmeter.toml && $maintain install";
    let (told, asked) = on_a_host(disabled);
    assert!(told.contains("blindmeter.service does not start at a boot"), "{told}");
    assert!(!asked.contains("\nsystemctl start"), "{asked}");
    // A good one is, and so is each node of several.
    let good = "device wg0 wireguard && $maintain install && mkdir /etc/blindmeter/par2 && \
                cp /etc/blindmeter/ledger.key /etc/blindmeter/par2/ && \
                blindmeter gen config --interface wg1 --instance par2 > /etc/blindmeter/par2/blindmeter.toml && \
                echo blindmeter@par2.service >> $RUNNING && $maintain upgrade";
    let (told, asked) = on_a_host(good);
    for unit in ["blindmeter.service", "blindmeter@par2.service"] {
        assert!(told.contains(&format!("{unit} was restarted and counts on")), "{told}");
        assert!(asked.contains(&format!("restart {unit}\n")), "{asked}");
    }
}

#[test]
fn a_key_is_not_made_beside_a_state_that_another_sealed() {
    let state = "mkdir -p $work/lib/blindmeter && touch $work/lib/blindmeter/ledger.sealed && \
                 mount --bind $work/lib /var/lib && $maintain install; ls /etc/blindmeter";
    let (told, _) = on_a_host(state);
    assert!(!told.contains("made the root key") && !told.contains("ledger.key"), "{told}");
}

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(REPOSITORY).join(path)).expect("a file of the repository")
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
