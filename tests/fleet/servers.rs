//! A cluster of real servers on loopback, set up as docs/fleet.md says: the shipped configuration with other ports and
//! paths, secrets by the shipped script, joined by redis-cli. Folders of servers are on a tmpfs of the machine.
#![expect(unsafe_code, reason = "what a child does between fork and exec has no safe form")]

use super::network::Host;
use crate::support::wait::{wait_at_most, wait_until};
use blindmeter::fleet::cluster::{Access, Certificates};
use blindmeter::fleet::settings::Role;
use nix::sched::{CloneFlags, setns};
use nix::sys::signal::Signal;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use zeroize::Zeroizing;

const SHIPPED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/fleet");

/// Longest wait for servers to agree on something.
const LIMIT: Duration = Duration::from_secs(120);

/// How a cluster of tests differs from a shipped one.
#[derive(Clone)]
pub(crate) struct Form {
    /// Certificates, as shipped; without them it speaks in clear.
    pub(crate) tls: bool,
    /// After so many milliseconds a master is given up; nothing for the shipped number.
    pub(crate) gives_up_after: Option<u32>,
    /// Lines at the end of the configuration.
    pub(crate) more: Vec<String>,
    /// Beginnings of lines that are left out.
    pub(crate) fewer: Vec<&'static str>,
    /// With a user who may do everything, `tester`, with the password `tester`.
    pub(crate) has_tester: bool,
    /// Servers; half of them replicas, or none of less than six.
    pub(crate) servers: usize,
    /// A host for each of them; nothing where all share an address of this machine.
    pub(crate) hosts: Vec<Host>,
}

impl Default for Form {
    fn default() -> Self {
        Self {
            tls: false,
            gives_up_after: Some(1000),
            more: Vec::new(),
            fewer: Vec::new(),
            has_tester: false,
            servers: 6,
            hosts: Vec::new(),
        }
    }
}

/// A cluster; its servers end where it is dropped, or with the thread that started it.
pub(crate) struct Servers {
    form: Form,
    folder: TempDir,
    hosts: Vec<String>,
    children: Vec<Option<Child>>,
}

/// The program of the servers: Debian's, or another that is named.
pub(crate) fn engine() -> String {
    std::env::var("BLINDMETER_FLEET_SERVER").unwrap_or_else(|_| "redis-server".to_owned())
}

/// An address of this machine alone that no other cluster of this or another process has, so that a server that returns
/// finds its port free.
fn own_address() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    // Relaxed: only each caller's own number matters.
    let (process, next) = (std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    format!("127.{}.{}.{next}", 64 + process % 128, process / 128 % 256)
}

impl Servers {
    pub(crate) fn start(form: Form) -> Self {
        let folder = TempDir::with_prefix_in("blindmeter-fleet-", "/dev/shm").expect("a tmpfs");
        let secrets = folder.path().join("secrets");
        let drawn = Command::new(format!("{SHIPPED}/secrets")).arg(&secrets).status().expect("a shell");
        assert!(drawn.success(), "the script draws secrets");
        let children = (0..form.servers).map(|_| None).collect();
        let shared = vec![own_address(); form.servers];
        let apart = form.hosts.iter().map(|host| host.address.clone());
        let hosts = if form.hosts.is_empty() { shared } else { apart.collect() };
        let mut servers = Self { form, folder, hosts, children };
        servers.write_configuration();
        for at in 0..servers.count() {
            fs::create_dir(servers.server_folder(at)).expect("a folder");
            servers.return_server(at, &[]);
        }
        servers.join();
        servers
    }

    fn write_configuration(&self) {
        let secrets = self.secrets();
        if self.form.has_tester {
            let path = secrets.join("users.acl");
            let users = fs::read_to_string(&path).expect("users");
            fs::write(path, users + "user tester on >tester ~* &* +@all\n").expect("users");
        }
        write_certificates(&secrets, &self.hosts);
        let shipped = fs::read_to_string(format!("{SHIPPED}/server.conf")).expect("shipped");
        let is_kept = |line: &&str| {
            let is_clear = self.form.tls || !(line.starts_with("tls-") || line.starts_with("port "));
            is_clear && !self.form.fewer.iter().any(|beginning| line.starts_with(beginning))
        };
        let mut text: String = shipped.lines().filter(is_kept).map(|line| format!("{line}\n")).collect();
        text = text.replace("/etc/blindmeter-fleet", &secrets.display().to_string());
        text = text.replace(" 127.0.0.1\n", &format!(" {}\n", self.hosts[0]));
        if let Some(milliseconds) = self.form.gives_up_after {
            let shipped = "cluster-node-timeout 5000";
            assert!(text.contains(shipped), "the shipped number is another one");
            text = text.replace(shipped, &format!("cluster-node-timeout {milliseconds}"));
        }
        if engine().contains("valkey") {
            text += "commandlog-request-larger-than -1\ncommandlog-reply-larger-than -1\n";
        }
        text.extend(self.form.more.iter().map(|line| format!("{line}\n")));
        fs::write(self.configuration(), text).expect("a configuration");
    }

    fn configuration(&self) -> PathBuf {
        self.folder.path().join("server.conf")
    }

    /// What the script drew.
    pub(crate) fn secrets(&self) -> PathBuf {
        self.folder.path().join("secrets")
    }

    /// Where a server may write.
    pub(crate) fn server_folder(&self, at: usize) -> PathBuf {
        self.folder.path().join(format!("server-{at}"))
    }

    pub(crate) fn address(&self, at: usize) -> String {
        format!("{}:{}", self.hosts[at], self.port(at))
    }

    /// The address of a server's host.
    pub(crate) fn host(&self, at: usize) -> &str {
        &self.hosts[at]
    }

    /// The port for clients, as text.
    fn port(&self, at: usize) -> String {
        (7001 + at).to_string()
    }

    pub(crate) fn count(&self) -> usize {
        self.children.len()
    }

    /// Starts a server, or starts it again in its folder.
    pub(crate) fn return_server(&mut self, at: usize, more: &[&str]) {
        let log = self.folder.path().join(format!("log-{at}"));
        let log = File::options().create(true).append(true).open(log).expect("a log");
        let mut command = Command::new(engine());
        command.arg(self.configuration()).args([self.port_option(), &self.port(at)]);
        command.args(["--bind", &self.hosts[at], "--bind-source-addr", &self.hosts[at]]);
        command.arg("--dir").arg(self.server_folder(at)).args(more);
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("a log")).stderr(log);
        let place = self.form.hosts.get(at).map(|host| File::open(&host.place).expect("a namespace"));
        // SAFETY: prctl and setns are async-signal-safe.
        unsafe {
            command.pre_exec(move || {
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                match &place {
                    Some(place) => Ok(setns(place, CloneFlags::CLONE_NEWNET)?),
                    None => Ok(()),
                }
            });
        }
        self.children[at] = Some(command.spawn().expect("tests need redis-server"));
        if !wait_at_most(LIMIT, || self.ask(at, &["ping"]).trim() == "PONG") {
            panic!("a server does not answer: {}", self.log(at));
        }
    }

    fn port_option(&self) -> &'static str {
        if self.form.tls { "--tls-port" } else { "--port" }
    }

    /// As when the power of its host fails.
    pub(crate) fn kill(&mut self, at: usize) {
        let mut child = self.children[at].take().expect("it runs");
        child.kill().expect("it runs");
        child.wait().expect("it ends");
    }

    /// Stops it from answering, as when its network fails, or lets it go on.
    pub(crate) fn hang(&self, at: usize, hangs: bool) {
        let child = self.children[at].as_ref().expect("it runs");
        let id = nix::unistd::Pid::from_raw(i32::try_from(child.id()).expect("a process"));
        let signal = if hangs { Signal::SIGSTOP } else { Signal::SIGCONT };
        nix::sys::signal::kill(id, signal).expect("it runs");
    }

    pub(crate) fn is_running(&self, at: usize) -> bool {
        self.children[at].is_some()
    }

    /// Everything that a server has logged.
    pub(crate) fn log(&self, at: usize) -> String {
        fs::read_to_string(self.folder.path().join(format!("log-{at}"))).unwrap_or_default()
    }

    fn join(&self) {
        let mut command = self.client("blindmeter-servers", &self.password_of_servers());
        command.args(["--cluster", "create"]);
        command.args((0..self.count()).map(|at| self.address(at)));
        command.args(["--cluster-replicas", if self.count() < 6 { "0" } else { "1" }, "--cluster-yes"]);
        if self.count() < 3 {
            // redis-cli joins no less than three masters.
            self.ask(0, &["cluster", "addslotsrange", "0", "16383"]);
        } else {
            let joined = command.output().expect("tests need redis-cli");
            assert!(joined.status.success(), "{}", String::from_utf8_lossy(&joined.stdout));
        }
        self.await_whole();
    }

    /// Waits until every server knows the whole cluster, and replicas follow.
    pub(crate) fn await_whole(&self) {
        wait_until("the cluster is whole", LIMIT, || {
            (0..self.count()).filter(|at| self.is_running(*at)).all(|at| {
                let state = self.ask(at, &["cluster", "info"]);
                let link = self.ask(at, &["info", "replication"]);
                let is_linked = link.contains("role:master") || link.contains("master_link_status:up");
                state.contains("cluster_state:ok") && state.contains("cluster_slots_ok:16384") && is_linked
            })
        });
    }

    fn password_of_servers(&self) -> String {
        let text = fs::read_to_string(self.secrets().join("servers.password")).expect("drawn");
        text.trim().to_owned()
    }

    /// A line of the drawn credentials, such as a role's password.
    pub(crate) fn secret(&self, word: &str) -> String {
        let text = fs::read_to_string(self.secrets().join("credentials")).expect("drawn");
        let line =
            text.lines().find_map(|line| line.strip_prefix(word)?.strip_prefix(':').map(str::to_owned));
        line.expect("drawn")
    }

    fn client(&self, user: &str, password: &str) -> Command {
        let mut command = Command::new("redis-cli");
        command.env("REDISCLI_AUTH", password).args(["--user", user]);
        if self.form.tls {
            command.arg("--tls").arg("--cacert").arg(self.secrets().join("ca.crt"));
        }
        command
    }

    /// What a server answers to whoever joins servers.
    pub(crate) fn ask(&self, at: usize, words: &[&str]) -> String {
        self.ask_as(at, "blindmeter-servers", &self.password_of_servers(), words)
    }

    /// What a server answers to a user.
    pub(crate) fn ask_as(&self, at: usize, user: &str, password: &str, words: &[&str]) -> String {
        let mut command = self.client(user, password);
        let output = command.args(["-h", &self.hosts[at], "-p", &self.port(at)]).args(words).output();
        String::from_utf8_lossy(&output.expect("tests need redis-cli").stdout).into_owned()
    }

    /// A number that a server tells of itself.
    pub(crate) fn figure(&self, at: usize, section: &str, name: &str) -> u64 {
        let told = self.ask(at, &["info", section]);
        let line = told.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.and_then(|figure| figure.trim().parse().ok()).unwrap_or_else(|| panic!("no {name} in {told}"))
    }

    /// How many hashes a server holds.
    pub(crate) fn keys(&self, at: usize) -> u64 {
        let told = self.ask(at, &["info", "keyspace"]);
        let keys = told.split("keys=").nth(1).and_then(|rest| rest.split(',').next()?.parse().ok());
        keys.unwrap_or(0)
    }

    /// The running masters.
    pub(crate) fn masters(&self) -> Vec<usize> {
        let running = (0..self.count()).filter(|at| self.is_running(*at));
        running.filter(|at| self.ask(*at, &["info", "replication"]).contains("role:master")).collect()
    }

    /// The replica of a master.
    pub(crate) fn replica(&self, master: usize) -> usize {
        let follows = format!("master_port:{}", self.port(master));
        let mut running = (0..self.count()).filter(|at| self.is_running(*at));
        running
            .find(|at| self.ask(*at, &["info", "replication"]).contains(&follows))
            .expect("it has a replica")
    }

    /// Runs the delivered loader for a server, with these functions.
    pub(crate) fn loads(&self, at: usize, functions: &str) {
        let secrets = self.secrets();
        fs::write(secrets.join("functions.lua"), functions).expect("a file");
        fs::copy(self.configuration(), secrets.join("server.conf")).expect("a file");
        let mut command = Command::new(format!("{SHIPPED}/load"));
        let output = command.arg(secrets).arg(self.port(at)).output().expect("a shell");
        assert!(
            output.status.success() && output.stderr.is_empty(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    /// Makes a server join whoever is at this address.
    pub(crate) fn meet(&self, at: usize, address: &str) {
        let (host, port) = address.split_once(':').expect("an address and a port");
        assert_eq!(self.ask(at, &["cluster", "meet", host, port]).trim(), "OK");
    }

    /// A server's host was booted: its folder is gone. Joins it anew as docs/fleet.md says.
    pub(crate) fn boot(&mut self, at: usize, master: usize) {
        let (old, master_id) = (self.ask(at, &["cluster", "myid"]), self.ask(master, &["cluster", "myid"]));
        self.kill(at);
        fs::remove_dir_all(self.server_folder(at)).expect("a folder");
        fs::create_dir(self.server_folder(at)).expect("a folder");
        self.return_server(at, &[]);
        self.meet(at, &self.address(master));
        let knows = || self.ask(at, &["cluster", "replicate", master_id.trim()]).trim() == "OK";
        wait_until("the server knows the master", LIMIT, knows);
        for other in (0..self.count()).filter(|other| *other != at) {
            assert_eq!(self.ask(other, &["cluster", "forget", old.trim()]).trim(), "OK");
        }
        self.await_whole();
    }

    /// Waits until this server has become a master of a cluster that answers.
    pub(crate) fn await_promotion(&self, at: usize) {
        wait_until("a replica takes over", LIMIT, || self.is_promoted(at));
    }

    /// Whether this server has.
    pub(crate) fn is_promoted(&self, at: usize) -> bool {
        let is_master = self.ask(at, &["info", "replication"]).contains("role:master");
        is_master && self.ask(at, &["cluster", "info"]).contains("cluster_state:ok")
    }

    /// How it is reached in a role, as cluster `letter` of a fleet.
    pub(crate) fn access(&self, letter: char, fleet: &str, role: Role) -> Access {
        let authority = || fs::read(self.secrets().join("ca.crt")).expect("drawn");
        Access {
            letter,
            fleet: fleet.to_owned(),
            members: (0..self.count()).map(|at| self.address(at)).collect(),
            certificates: self.form.tls.then(|| Certificates { authority: authority(), own: None }),
            user: role.user(),
            password: Zeroizing::new(self.secret(role.word())),
        }
    }

    /// What stands behind the names of its commands.
    pub(crate) fn names(&self) -> String {
        format!("-{}", self.secret("names"))
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        for child in self.children.iter_mut().flatten() {
            // One that is gone already needs no signal.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// An authority of the servers alone, and one certificate for all of them.
fn write_certificates(folder: &Path, hosts: &[String]) {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "authority of a test's servers");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    let authority = params.self_signed(&key).expect("a certificate");
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(hosts.to_vec()).expect("a name");
    params.distinguished_name.push(DnType::CommonName, "a test's server");
    let certificate = params.signed_by(&key, &issuer).expect("a certificate");
    for (file, text) in
        [("ca.crt", authority.pem()), ("server.crt", certificate.pem()), ("server.key", key.serialize_pem())]
    {
        fs::write(folder.join(file), text).expect("a file");
    }
}
