//! Two clusters of three servers for the demo, as `deploy/fleet` sets them up: its settings, its users, new passwords.
//!
//! They run in the demo's private network namespace, in memory alone, and end with it. Holds their processes and the
//! folder of their secrets, which is removed at the end.

use crate::clock::{Stopwatch, pause};
use crate::config::fleet::{Cluster, LETTERS};
use crate::fleet::cluster::Access;
use crate::fleet::keys::SLOTS;
use crate::fleet::settings::Role;
use redis::{Value, cmd};
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use zeroize::Zeroizing;

/// Servers of a cluster, all of them masters: nothing fails in the demo.
const SERVERS: u16 = 3;

/// The ports of each cluster's servers, in a namespace that is the demo's own.
const PORTS: [u16; 2] = [7001, 7101];

/// How long servers may take to find each other.
const PATIENCE: Duration = Duration::from_secs(20);

const SETTINGS: &str = include_str!("../../../../deploy/fleet/server.conf");
const USERS: &str = include_str!("../../../../deploy/fleet/users.acl");

/// Commands that have the servers' own names.
const NAMED: [&str; 6] = ["HGET", "HMGET", "HGETALL", "HSET", "HDEL", "EXPIREAT"];

/// Who joins servers.
const JOINER: &str = "blindmeter-servers";

/// The running servers.
pub(super) struct Servers {
    folder: PathBuf,
    children: Vec<Child>,
}

impl Servers {
    /// Starts both clusters with this program and joins their servers.
    ///
    /// # Errors
    /// One phrase that says what did not work.
    pub(super) fn start(program: &str) -> Result<Self, String> {
        let folder = PathBuf::from(format!("/dev/shm/blindmeter-fleet-demo-{}", std::process::id()));
        let made = DirBuilder::new().mode(0o700).create(&folder);
        made.map_err(|error| format!("{}: {error}", folder.display()))?;
        let mut servers = Self { folder, children: Vec::new() };
        let mut credentials = Zeroizing::new(String::new());
        for (letter, port) in LETTERS.into_iter().zip(PORTS) {
            let joiner = servers.write_secrets(letter, &mut credentials)?;
            servers.start_cluster(program, letter, port).map_err(|error| format!("{program}: {error}"))?;
            join(letter, port, joiner)?;
        }
        fs::write(servers.credentials(), &*credentials).map_err(|error| error.to_string())?;
        let mut key = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *key).map_err(|error| error.to_string())?;
        fs::write(servers.key(), *key).map_err(|error| error.to_string())?;
        Ok(servers)
    }

    /// The file of the fleet's key.
    pub(super) fn key(&self) -> PathBuf {
        self.folder.join("fleet.key")
    }

    /// The file of the roles' passwords.
    pub(super) fn credentials(&self) -> PathBuf {
        self.folder.join("credentials")
    }

    /// How the clusters are named in a configuration.
    pub(super) fn clusters() -> Vec<Cluster> {
        let of = |first| Cluster {
            members: (first..first + SERVERS).map(|port| ([127, 0, 0, 1], port).into()).collect(),
            ca_file: None,
            certificate: None,
        };
        PORTS.into_iter().map(of).collect()
    }

    /// Draws a cluster's passwords; the one of whoever joins its servers.
    fn write_secrets(&self, letter: char, credentials: &mut String) -> Result<Zeroizing<String>, String> {
        let mut users = USERS.to_owned();
        let mut draw = |word: &str| -> Result<Zeroizing<String>, String> {
            let password = drawn()?;
            users = users.replace(&format!("@{word}@"), &hexadecimal(&Sha256::digest(password.as_bytes())));
            Ok(password)
        };
        for role in Role::ALL {
            let password = draw(role.word())?;
            // Writing to a String cannot fail.
            let _ = writeln!(credentials, "{}@{letter}:{}", role.word(), *password);
        }
        let joiner = draw("servers")?;
        draw("replica")?;
        let names = Zeroizing::new(drawn()?[..32].to_owned());
        let _ = writeln!(credentials, "names@{letter}:{}", *names);
        // No certificates: nothing leaves the namespace.
        let is_kept = |line: &&str| {
            !["tls-", "port ", "aclfile ", "include "].iter().any(|start| line.starts_with(start))
        };
        let mut settings: String = SETTINGS.lines().filter(is_kept).map(|line| format!("{line}\n")).collect();
        for command in NAMED {
            let _ = writeln!(settings, "rename-command {command} {command}-{}", *names);
        }
        let path = |what: &str| self.folder.join(format!("{what}-{letter}"));
        let _ = writeln!(settings, "aclfile {}", path("users").display());
        let written = fs::write(path("users"), users).and_then(|()| fs::write(path("settings"), settings));
        written.map_err(|error| error.to_string())?;
        Ok(joiner)
    }

    fn start_cluster(&mut self, program: &str, letter: char, first: u16) -> io::Result<()> {
        for port in first..first + SERVERS {
            let folder = self.folder.join(port.to_string());
            fs::create_dir(&folder)?;
            let mut command = Command::new(program);
            command.arg(self.folder.join(format!("settings-{letter}")));
            command.args(["--port", &port.to_string(), "--dir"]).arg(folder);
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            self.children.push(command.spawn()?);
        }
        Ok(())
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        for child in &mut self.children {
            // One that is gone already needs no signal.
            let _ = child.kill();
            let _ = child.wait();
        }
        // What is left lies in memory, and names nobody.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// The program of the servers; none where neither is installed.
pub(super) fn program() -> Option<&'static str> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_there = |program: &&str| std::env::split_paths(&path).any(|folder| is_file(&folder.join(program)));
    ["redis-server", "valkey-server"].into_iter().find(is_there)
}

fn is_file(path: &Path) -> bool {
    path.is_file()
}

/// Makes one cluster of servers that know nothing of each other.
fn join(letter: char, first: u16, password: Zeroizing<String>) -> Result<(), String> {
    let member = |port: u16| format!("127.0.0.1:{port}");
    let access = Access {
        letter,
        fleet: String::new(),
        members: Vec::new(),
        certificates: None,
        user: JOINER,
        password,
    };
    let failed = |error: redis::RedisError| format!("cluster {letter}: {error}");
    let mut connections = Vec::new();
    for port in first..first + SERVERS {
        connections.push(wait(|| access.member(&member(port)).ok()).ok_or("a server does not start")?);
    }
    for (at, connection) in (0..SERVERS).zip(&mut connections) {
        let ours = |at: u16| SLOTS / SERVERS * at + at.min(SLOTS % SERVERS);
        let (from, to) = (ours(at), ours(at + 1) - 1);
        let cluster = |words: &[String]| {
            let mut command = cmd("CLUSTER");
            words.iter().for_each(|word| {
                command.arg(word);
            });
            command
        };
        for words in [
            vec!["ADDSLOTSRANGE".to_owned(), from.to_string(), to.to_string()],
            vec!["SET-CONFIG-EPOCH".to_owned(), (at + 1).to_string()],
            vec!["MEET".to_owned(), "127.0.0.1".to_owned(), first.to_string()],
        ] {
            cluster(&words).query::<Value>(connection).map_err(failed)?;
        }
    }
    let mut is_whole = || {
        connections.iter_mut().all(|connection| {
            let state: String = cmd("CLUSTER").arg("INFO").query(connection).unwrap_or_default();
            state.contains("cluster_state:ok") && state.contains("cluster_known_nodes:3")
        })
    };
    wait(|| is_whole().then_some(()))
        .ok_or_else(|| format!("the servers of cluster {letter} do not find each other"))
}

fn wait<T>(mut what: impl FnMut() -> Option<T>) -> Option<T> {
    let stopwatch = Stopwatch::start();
    while stopwatch.elapsed() < PATIENCE {
        if let Some(found) = what() {
            return Some(found);
        }
        pause(Duration::from_millis(50));
    }
    None
}

fn drawn() -> Result<Zeroizing<String>, String> {
    let mut bytes = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *bytes).map_err(|error| error.to_string())?;
    Ok(Zeroizing::new(hexadecimal(&*bytes)))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
