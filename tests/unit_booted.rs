//! The unit that is delivered, on a booted systemd: started, reloaded, killed, restarted, upgraded and
//! stopped under steady traffic, with nothing lost; and what systemd's own tools say of it.
//!
//! The system is a minimal Debian of the suite that these tests run on, made once by debootstrap under
//! `target/`, and booted in namespaces of its own (`tests/boot/boot`). `tests/boot/drive.py` acts there.

use serde_json::Value;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

const REPOSITORY: &str = env!("CARGO_MANIFEST_DIR");

/// A boot that takes longer is killed.
const BOOT_SECONDS: &str = "150";

const PACKAGES: &str = "systemd,systemd-sysv,dbus,iproute2,python3";

#[test]
fn the_units_are_clean_and_tight() {
    let folder = tempfile::TempDir::new().expect("a temporary directory");
    for (unit, name) in
        [("blindmeter.service", "blindmeter.service"), ("blindmeter@.service", "blindmeter@par2.service")]
    {
        // `verify` wants the programs that are named to be there.
        let unit = fs::read_to_string(repository("deploy").join(unit)).expect("the unit");
        let copy = folder.path().join(name);
        fs::write(&copy, unit.replace("/usr/bin/blindmeter", env!("CARGO_BIN_EXE_blindmeter")))
            .expect("ours");
        let verified = Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&copy).output();
        let verified = verified.expect("tests need systemd-analyze");
        let said = String::from_utf8_lossy(&verified.stderr);
        assert!(verified.status.success() && said.is_empty(), "{name}: {said}");
        let judged = Command::new("systemd-analyze").args(["security", "--offline=yes"]).arg(&copy).output();
        let judged =
            String::from_utf8_lossy(&judged.expect("tests need systemd-analyze").stdout).into_owned();
        let line = judged.lines().find(|line| line.contains("Overall exposure level")).expect("a verdict");
        let level = line.split(": ").nth(1).and_then(|rest| rest.split_whitespace().next());
        let level: f64 = level.expect("a figure").parse().expect("a number");
        assert!(level <= 1.5, "{line}");
    }
}

/// What of a unit is in force, without comments.
fn settings(unit: &str) -> Vec<String> {
    let text = fs::read_to_string(repository("deploy").join(unit)).expect("the unit");
    text.lines().filter(|line| !line.starts_with('#')).map(ToOwned::to_owned).collect()
}

#[test]
fn a_node_of_several_differs_in_its_places_alone() {
    let own = [
        ("Description=blindmeter: bandwidth totals of VPN accounts, without logs", ", node %i"),
        ("StateDirectory=blindmeter", "-%i"),
        ("RuntimeDirectory=blindmeter", "-%i"),
    ];
    let expected: Vec<String> = settings("blindmeter.service")
        .into_iter()
        .map(|line| match own.iter().find(|(setting, _)| line == *setting) {
            Some((setting, more)) => format!("{setting}{more}"),
            None => line.replace("/etc/blindmeter/", "/etc/blindmeter/%i/"),
        })
        .collect();
    assert_eq!(settings("blindmeter@.service"), expected);
}

#[test]
fn a_booted_service_loses_nothing_with_tcx() {
    println!("tcx: {} packets under every step", booted("tcx"));
}

#[test]
fn a_booted_service_loses_nothing_with_clsact() {
    println!("clsact: {} packets under every step", booted("clsact"));
}

/// Gives the packets that were sent.
fn booted(hook: &str) -> u64 {
    let base = base();
    let folder =
        tempfile::TempDir::with_prefix_in("boot-", repository("target")).expect("a temporary directory");
    let root = folder.path().join("root");
    run(Command::new("cp").args(["--archive", "--reflink=auto"]).arg(&base).arg(&root));
    install(&root, hook);
    let boot = repository("tests/boot/boot");
    let booted = Command::new(boot).arg(&root).arg(BOOT_SECONDS).output().expect("the boot script runs");
    let console = String::from_utf8_lossy(&booted.stdout);
    let result = fs::read_to_string(root.join("result.json")).unwrap_or_else(|_| {
        panic!("no result; the console said: {console}{}", String::from_utf8_lossy(&booted.stderr))
    });
    let result: Value = serde_json::from_str(&result).expect("the driver writes JSON");
    let journal = result["journal"].as_str().unwrap_or_default();
    let error = &result["error"];
    assert!(error.is_null(), "{error}\n{journal}\n{}\nthe console said: {console}", result["service"]);
    let steps = ["started", "reloaded", "killed", "restarted", "upgraded", "stopped"];
    assert_eq!(result["steps"], Value::from(steps.to_vec()));
    assert_eq!(result["sent"], result["counted"], "nothing is lost\n{journal}");
    assert_eq!(result["refused"], serde_json::json!([true, 2, true, "active"]), "{journal}");
    let sent = result["sent"]["packets"].as_u64().expect("a count");
    assert!(sent > 1000, "there was traffic");
    assert_eq!(result["counted_after_stop"], result["sent"]["packets"], "nothing counts while it is stopped");
    assert_eq!(result["filters_running"], if hook == "clsact" { 2 } else { 0 });
    assert_eq!(result["filters_stopped"], 0, "a stop leaves nothing");
    assert_eq!(result["descriptors_stopped"], "0");
    assert_eq!(result["pins_stopped"].as_array().map(Vec::len), Some(0), "{}", result["pins_stopped"]);
    assert_eq!(result["state_stopped"], "inactive success");
    // What was assigned holds after a stop and a start, and lies in memory meanwhile, for the daemon's user alone.
    assert_eq!(result["kept_stopped"], serde_json::json!(["0o600", true]));
    assert_eq!((&result["kept_started"], &result["assigned_after_stop"]), (&false.into(), &true.into()));
    // A user of its own, without capabilities once it is set up.
    assert_ne!(result["owner"], 0);
    assert_eq!(result["process"]["CapEff"], "0000000000000000");
    assert_eq!(result["process"]["NoNewPrivs"], "1");
    assert_eq!(result["status"]["backend"], "kernel");
    let missing = result["status"]["sandbox_missing"].as_array().expect("a list");
    // A machine of the tests may not lift the limit of locked memory, which systemd is asked to.
    assert!(missing.iter().all(|part| part == "memory-locked"), "{missing:?}");
    assert_eq!(result["modes"]["/var/lib/blindmeter"], "0o700");
    assert_eq!(result["modes"]["/var/lib/blindmeter/ledger.sealed"], "0o600");
    // 0750, where those with a role pass by an access list of which the group's bits show the mask alone.
    assert_eq!(result["modes"]["/run/blindmeter"], "0o710");
    assert!(journal.contains("handing over to the next process"), "{journal}");
    assert!(!journal.contains("10.8.0") && !journal.contains("alice"), "{journal}");
    sent
}

/// The delivered files in their places, and a driver in the place of an operator.
fn install(root: &Path, hook: &str) {
    let put = |to: &str, bytes: &[u8], mode: u32| {
        let to = root.join(to);
        fs::create_dir_all(to.parent().expect("files lie in folders")).expect("ours");
        fs::write(&to, bytes).expect("ours");
        fs::set_permissions(&to, fs::Permissions::from_mode(mode)).expect("ours");
    };
    let read = |path: &str| fs::read(repository(path)).expect("a file of the repository");
    put("usr/bin/blindmeter", &fs::read(env!("CARGO_BIN_EXE_blindmeter")).expect("the program"), 0o755);
    put("lib/systemd/system/blindmeter.service", &read("deploy/blindmeter.service"), 0o644);
    put("usr/lib/sysusers.d/blindmeter.conf", &read("deploy/blindmeter.sysusers"), 0o644);
    put("etc/blindmeter/ledger.key", &[9; 32], 0o600);
    put("etc/blindmeter/roster.csv", b"prefix,account\n10.8.0.2,alice\n", 0o644);
    let text = String::from_utf8(read("deploy/blindmeter.toml")).expect("text");
    let text = text
        .replace("interfaces = [\"wg0\", \"tun*\"]", "interfaces = [\"tun0\"]")
        .replace("capacity = 4096", "capacity = 64");
    put("etc/blindmeter/blindmeter.toml", text.as_bytes(), 0o644);
    put("drive.py", &read("tests/boot/drive.py"), 0o644);
    let drive = format!(
        "[Unit]\nAfter=multi-user.target\nFailureAction=poweroff-immediate\n[Service]\nType=oneshot\nExecStart=/usr/bin/python3 /drive.py {hook}\n\
         TimeoutStartSec=120\n"
    );
    put("etc/systemd/system/drive.service", drive.as_bytes(), 0o644);
    let wants = root.join("etc/systemd/system/multi-user.target.wants");
    fs::create_dir_all(&wants).expect("ours");
    symlink("/etc/systemd/system/drive.service", wants.join("drive.service")).expect("ours");
}

/// The minimal system, made once.
fn base() -> PathBuf {
    // Tests of one process and of several ask at once: the first makes it.
    let folder = repository("target/boot");
    fs::create_dir_all(&folder).expect("ours");
    let lock = fs::File::create(folder.join("lock")).expect("ours");
    lock.lock().expect("a lock can be waited for");
    let release = fs::read_to_string("/etc/os-release").expect("a Debian system");
    let suite = release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME=")).expect("a suite");
    let base = folder.join(suite);
    if !base.exists() {
        let making = folder.join("making");
        // It is there when an earlier run was cut off.
        let _ = fs::remove_dir_all(&making);
        let include = format!("--include={PACKAGES}");
        let made =
            Command::new("debootstrap").args(["--variant=minbase", &include, suite]).arg(&making).output();
        let made = made.expect("tests need debootstrap");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stdout));
        fs::rename(&making, &base).expect("ours");
    }
    base
}

fn repository(path: &str) -> PathBuf {
    Path::new(REPOSITORY).join(path)
}

fn run(command: &mut Command) {
    let output = command.output().expect("the command runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
