//! The unit that is delivered, on a booted systemd: started, reloaded, killed, restarted, upgraded and
//! stopped under steady traffic, with nothing lost; scraped from another network namespace by the delivered
//! drop-in; and what systemd's own tools say of it.
//!
//! `tests/boot/system.rs` has the system that is booted; `tests/boot/drive.py` and `tests/boot/remote.py` act there.

#[path = "boot/system.rs"]
mod system;

use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;
use system::{System, repository, run};

/// A boot that takes longer is killed.
const BOOT_SECONDS: u32 = 150;

/// Of the scrape from elsewhere: a log-in, and TLS as the document has it.
const PASSWORD: &str = "canary-password";
const TLS: &str = "tls_server_config: { cert_file: server.crt, key_file: server.key }\n";

#[test]
fn the_units_are_clean_and_tight() {
    let folder = tempfile::TempDir::new().expect("a temporary directory");
    for (unit, name) in [
        ("blindmeter.service", "blindmeter.service"),
        ("blindmeter@.service", "blindmeter@par2.service"),
        ("fleet/blindmeter-fleet@.service", "blindmeter-fleet@7001.service"),
        ("fleet/blindmeter-fleet-load@.service", "blindmeter-fleet-load@7001.service"),
        ("fleet/blindmeter-fleet-export.service", "blindmeter-fleet-export.service"),
    ] {
        // `verify` wants the programs that are named to be there.
        let unit = fs::read_to_string(repository("deploy").join(unit)).expect("the unit");
        let copy = folder.path().join(name);
        let unit = unit.replace("/usr/bin/blindmeter", env!("CARGO_BIN_EXE_blindmeter"));
        let load = repository("deploy/fleet/load").display().to_string();
        fs::write(&copy, unit.replace("/etc/blindmeter-fleet/load", &load)).expect("ours");
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

#[test]
fn a_prometheus_on_another_host_scrapes_by_the_delivered_drop_in() {
    let result = boot_with("tests/boot/remote.py", PASSWORD, |root| {
        let web = root.join("etc/blindmeter/web");
        fs::create_dir_all(&web).expect("ours");
        fs::write(
            web.join("web.yml"),
            format!("{TLS}basic_auth_users: {{ prometheus: {} }}\n", hash(PASSWORD)),
        )
        .expect("ours");
        let mut openssl = Command::new("openssl");
        openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]);
        openssl.args([
            "-days",
            "365",
            "-subj",
            "/CN=node",
            "-addext",
            "subjectAltName=IP:192.0.2.1,IP:127.0.0.1",
        ]);
        run(openssl.args(["-keyout", "server.key", "-out", "server.crt"]).current_dir(&web));
        let configuration = root.join("etc/blindmeter/blindmeter.toml");
        let text = fs::read_to_string(&configuration).expect("it was installed");
        let changed = text
            .replace("listen = [\"127.0.0.1:9776\"]", "listen = [\"127.0.0.1:9776\", \"192.0.2.1:9776\"]")
            .replace("config_file = \"\"  ", "config_file = \"/etc/blindmeter/web/web.yml\"  ");
        assert!(
            changed.contains("192.0.2.1:9776") && changed.contains("web.yml"),
            "the keys are as delivered"
        );
        fs::write(&configuration, changed).expect("ours");
        // The daemon's user reads the key; who that is, the booted system alone knows.
        let tmpfiles = root.join("etc/tmpfiles.d");
        fs::create_dir_all(&tmpfiles).expect("ours");
        let line = "z /etc/blindmeter/web/server.key 0600 blindmeter blindmeter\n";
        fs::write(tmpfiles.join("web-key.conf"), line).expect("ours");
        fs::copy(repository("deploy/remote-prometheus.conf"), root.join("remote-prometheus.conf"))
            .expect("ours");
        fs::copy("/usr/bin/prometheus", root.join("usr/bin/prometheus")).expect("tests need prometheus");
        let scrape = format!(
            "global: {{scrape_interval: 2s, scrape_timeout: 2s}}\nscrape_configs: [{{job_name: blindmeter, scheme: \
             https, basic_auth: {{username: prometheus, password: {PASSWORD}}}, tls_config: {{ca_file: \
             /etc/blindmeter/web/server.crt}}, static_configs: [{{targets: ['192.0.2.1:9776']}}]}}]\n"
        );
        fs::write(root.join("prometheus.yml"), scrape).expect("ours");
    });
    let journal = result["journal"].as_str().unwrap_or_default();
    assert_eq!(result["local"], serde_json::json!(["200 True", "401 False"]), "{journal}");
    // The delivered unit drops what others send, so that they wait for nothing, and `check` says so.
    assert_eq!(result["before"], serde_json::json!(["TimeoutError", true]), "{journal}");
    assert_eq!(result["after"], serde_json::json!(["200 True", false]), "{journal}");
    assert_eq!(result["without_log_in"], "401 False");
    assert_eq!(result["wrong_log_in"], "401 False");
    assert_eq!(result["stranger"], "TimeoutError", "only the address that the drop-in names is let in");
    assert_eq!(result["prometheus"], serde_json::json!([1, "192.0.2.1:9776", 1]));
    assert!(!journal.contains("192.0.2.1") || journal.contains("192.0.2.1:9776"), "{journal}");
    assert!(
        !journal.contains("192.0.2.10") && !journal.contains("192.0.2.11"),
        "nobody who asks is logged: {journal}"
    );
}

/// A bcrypt hash, as htpasswd makes it.
fn hash(password: &str) -> String {
    let mut perl = Command::new("perl");
    perl.args(["-e", "print crypt($ARGV[0], q($2y$10$abcdefghijklmnopqrstuu))", password]);
    let hash = String::from_utf8(perl.output().expect("perl-base is installed").stdout).expect("text");
    assert_eq!(hash.len(), 60, "crypt(3) knows bcrypt");
    hash
}

/// What the driver found, on a system with the delivered files and whatever else is put there.
fn boot_with(driver: &str, argument: &str, prepare: impl FnOnce(&Path)) -> Value {
    let system = System::new();
    install(&system);
    prepare(&system.root());
    system.drive(driver, argument, 120);
    system.boot(BOOT_SECONDS)
}

/// Gives the packets that were sent.
fn booted(hook: &str) -> u64 {
    let result = boot_with("tests/boot/drive.py", hook, |_| {});
    let journal = result["journal"].as_str().unwrap_or_default();
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

/// The delivered files in their places.
fn install(system: &System) {
    let program = fs::read(env!("CARGO_BIN_EXE_blindmeter")).expect("the program");
    system.put("usr/bin/blindmeter", &program, 0o755);
    system.put_shipped("lib/systemd/system/blindmeter.service", "deploy/blindmeter.service", 0o644);
    system.put_shipped("usr/lib/sysusers.d/blindmeter.conf", "deploy/blindmeter.sysusers", 0o644);
    system.put("etc/blindmeter/ledger.key", &[9; 32], 0o600);
    system.put("etc/blindmeter/roster.csv", b"prefix,account\n10.8.0.2,alice\n", 0o644);
    let text = fs::read_to_string(repository("deploy/blindmeter.toml")).expect("a file of the repository");
    let text = text
        .replace("interfaces = [\"wg0\", \"tun*\"]", "interfaces = [\"tun0\"]")
        .replace("capacity = 4096", "capacity = 64");
    system.put("etc/blindmeter/blindmeter.toml", text.as_bytes(), 0o644);
}
