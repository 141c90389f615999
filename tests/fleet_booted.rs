//! The unit of a fleet's server, on a booted systemd: six servers of one cluster as docs/fleet.md sets them up, of which a
//! master is killed. With the wait that is shipped its replica has taken over before it is back, and nothing is lost; without
//! it it is back too early, empty, and its replica copies that.
//!
//! It takes longer than a minute, and has a command of its own: `cargo test --test fleet_booted`.

#[path = "boot/system.rs"]
mod system;

use blindmeter::fleet::servers::install::rendered;
use std::fs;
use std::path::Path;
use std::process::Command;
use system::{System, repository, run};

/// A boot that takes longer is killed; its driver gives up earlier.
const BOOT_SECONDS: u32 = 400;

/// What calls say of which fleet and cluster they mean.
const IDENTITY: &str = "1 0123456789abcdef A";

#[test]
fn a_killed_master_loses_nothing_with_the_units_wait_and_all_without() {
    let system = System::new();
    install(&system);
    system.drive("tests/boot/fleet.py", &format!("'{IDENTITY}'"), BOOT_SECONDS - 30);
    let result = system.boot(BOOT_SECONDS);
    println!("{} {}", result["with"], result["without"]);
    let journal = result["journal"].as_str().unwrap_or_default();
    let seconds = |what: &str, when: &str| result[what][when].as_f64().unwrap_or(f64::NAN);

    let held = result["with"]["held"].as_u64().expect("a count");
    assert!(held > 5, "the master held words: {held}");
    assert!(seconds("with", "taken_over") < seconds("with", "back"), "{}", result["with"]);
    assert!(seconds("with", "back") >= 20.0, "the unit waits: {}", result["with"]);
    assert_eq!(result["with"]["roles"], serde_json::json!(["slave", "master"]), "{journal}");
    assert_eq!(result["with"]["left"], serde_json::json!([held, held]), "nothing is lost");

    let held = result["without"]["held"].as_u64().expect("a count");
    assert!(held > 5 && seconds("without", "back") < 5.0, "{}", result["without"]);
    assert_eq!(result["without"]["roles"], serde_json::json!(["master", "slave"]), "{journal}");
    assert_eq!(
        result["without"]["left"],
        serde_json::json!([0, 0]),
        "it is empty, and its replica copied that"
    );
    // The loader finds it: nodes are told to send again by what is missing, and can.
    assert_eq!(result["loaded"], true);
    assert_eq!(result["files"], serde_json::json!(["nodes.conf"]), "no server writes anything else");
}

/// The delivered files as docs/fleet.md has them, on one host, with the programs of this machine.
fn install(system: &System) {
    let drawn = tempfile::TempDir::new().expect("a temporary directory");
    let secrets = drawn.path().join("secrets");
    run(Command::new(repository("deploy/fleet/secrets")).arg(&secrets));
    make_certificates(&secrets);
    let read = |file: &str| fs::read(secrets.join(file)).expect("drawn");
    for file in ["users.acl", "secrets.conf", "install.password", "ca.crt", "server.crt", "server.key"] {
        system.put(&format!("etc/blindmeter-fleet/{file}"), &read(file), 0o640);
    }
    system.put("servers.password", &read("servers.password"), 0o600);
    let credentials = String::from_utf8(read("credentials")).expect("text");
    system.put("credentials", credentials.as_bytes(), 0o600);
    let names = credentials.lines().find_map(|line| line.strip_prefix("names:")).expect("drawn");
    let functions = rendered(IDENTITY, &format!("-{names}"));
    system.put("etc/blindmeter-fleet/functions.lua", functions.as_bytes(), 0o640);
    let shipped = |to: &str, file: &str, mode| system.put_shipped(to, &format!("deploy/fleet/{file}"), mode);
    shipped("etc/blindmeter-fleet/server.conf", "server.conf", 0o640);
    shipped("etc/blindmeter-fleet/load", "load", 0o755);
    shipped("usr/lib/sysusers.d/blindmeter-fleet.conf", "blindmeter-fleet.sysusers", 0o644);
    for unit in
        ["blindmeter-fleet@.service", "blindmeter-fleet-load@.service", "blindmeter-fleet-load@.timer"]
    {
        shipped(&format!("etc/systemd/system/{unit}"), unit, 0o644);
    }
    ["/usr/bin/redis-server", "/usr/bin/redis-cli"].iter().for_each(|program| put_program(system, program));
}

/// A program of this machine, with the libraries that it names, where the system has none of its own.
fn put_program(system: &System, program: &str) {
    let listed = Command::new("ldd").arg(program).output().expect("libc-bin has ldd").stdout;
    let listed = String::from_utf8_lossy(&listed).into_owned();
    let libraries = listed.lines().filter_map(|line| line.split(" => ").nth(1)?.split(' ').next());
    for file in libraries.filter(|path| path.starts_with('/')).chain([program]) {
        if !system.root().join(&file[1..]).exists() {
            system.put(&file[1..], &fs::read(file).expect("tests need redis-server"), 0o755);
        }
    }
}

/// As docs/fleet.md makes them, for servers on loopback.
fn make_certificates(folder: &Path) {
    let openssl = |words: &str| run(Command::new("openssl").args(words.split(' ')).current_dir(folder));
    openssl("req -x509 -newkey rsa:3072 -nodes -days 2 -subj /CN=fleet-A -keyout ca.key -out ca.crt");
    openssl("req -newkey rsa:3072 -nodes -subj /CN=server -keyout server.key -out server.csr");
    fs::write(folder.join("names"), "subjectAltName=IP:127.0.0.1").expect("ours");
    openssl(
        "x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile names -out server.crt",
    );
}
