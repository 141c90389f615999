//! Debian's ocserv with RADIUS accounting, and openconnect as its clients: a namespace each, users of a file, a device
//! for each client.

use crate::netns::tally::Totals;
use crate::netns::{Namespace, datagrams};
use crate::radclient::SECRET;
use crate::support::pages::block;
use crate::support::program::Program;
use crate::support::wait::wait_for;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use tempfile::TempDir;

struct Client {
    namespace: Namespace,
    name: String,
    program: Option<Program>,
    /// Its addresses of both families, while it is connected.
    addresses: [String; 2],
}

/// A server and its clients.
pub(crate) struct Server {
    pub(crate) namespace: Namespace,
    folder: TempDir,
    clients: Vec<Client>,
    _program: Program,
}

/// What openconnect runs: the addresses go on the device, and into a file.
const SCRIPT: &str = "#!/bin/sh\n[ \"$reason\" = connect ] || exit 0\n\
    ip link set \"$TUNDEV\" up mtu \"$INTERNAL_IP4_MTU\"\n\
    ip address add \"$INTERNAL_IP4_ADDRESS/32\" dev \"$TUNDEV\"\nip route add 10.88.0.1 dev \"$TUNDEV\"\n\
    echo 0 > \"/proc/sys/net/ipv6/conf/$TUNDEV/disable_ipv6\"\n\
    ip address add \"$INTERNAL_IP6_ADDRESS/128\" dev \"$TUNDEV\"\nip -6 route add fd88::1 dev \"$TUNDEV\"\n\
    echo \"$INTERNAL_IP4_ADDRESS $INTERNAL_IP6_ADDRESS\" > \"FILE.new\"\nmv \"FILE.new\" \"FILE\"\n";

impl Server {
    /// A server with users of these names, none of which is connected yet.
    pub(crate) fn new(names: &[&str]) -> Self {
        let namespace = Namespace::new();
        let folder = tempfile::tempdir().expect("a temporary directory");
        // A worker of another user looks for its files.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("it is ours");
        let path = |name: &str| folder.path().join(name).display().to_string();
        let mut openssl = Command::new("openssl");
        openssl.args([
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-noenc",
            "-days",
            "2",
            "-subj",
            "/CN=192.0.2.1",
        ]);
        openssl.args(["-keyout", &path("key"), "-out", &path("crt")]);
        let made = openssl.stdout(Stdio::null()).stderr(Stdio::null()).status();
        assert!(made.is_ok_and(|status| status.success()), "openssl makes a certificate");
        let mut clients = Vec::new();
        for (at, name) in names.iter().enumerate() {
            let made = Command::new("sh")
                .args(["-c", &format!("printf 'secret\\nsecret\\n' | ocpasswd -c {} {name}", path("users"))])
                .stdout(Stdio::null())
                .status();
            assert!(made.is_ok_and(|status| status.success()), "ocpasswd makes a user");
            let client = Namespace::new();
            let (ours, its) = (format!("s{at}"), format!("c{at}"));
            let macs = [1, 2].map(|end| format!("02:00:00:0a:{at:02}:{end:02}"));
            namespace.veth(&ours, &macs[0], &client, &its, &macs[1]);
            namespace.command(&format!("ip address add 192.0.{}.1/24 dev {ours}", at + 2));
            client.command(&format!("ip address add 192.0.{}.2/24 dev {its}", at + 2));
            let addresses = Default::default();
            clients.push(Client { namespace: client, name: (*name).to_owned(), program: None, addresses });
        }
        namespace.sysctl("net/ipv6/conf/default/disable_ipv6", "0");
        namespace.sysctl("net/ipv6/conf/default/addr_gen_mode", "1");
        fs::create_dir(path("users.d")).expect("a folder of our own");
        let radius = format!(
            "nas-identifier vpn1\nacctserver 127.0.0.1:1813\nauthserver 127.0.0.1:1812\nservers {}\n\
             dictionary /etc/radcli/dictionary\ndefault_realm\nradius_timeout 2\nradius_retries 2\nbindaddr *\n",
            path("servers")
        );
        fs::write(path("radius.conf"), radius).expect("a file of our own");
        fs::write(path("servers"), format!("127.0.0.1 {}\n", SECRET)).expect("a file of our own");
        let text = format!(
            "config-per-user = {}/\nauth = \"plain[passwd={}]\"\n{}\
             tcp-port = 4443\nrun-as-user = nobody\nrun-as-group = nogroup\nsocket-file = {}\n\
             use-occtl = false\nserver-cert = {}\nserver-key = {}\nisolate-workers = false\nmax-clients = 8\n\
             max-same-clients = 4\ndevice = vpns\nipv4-network = 10.88.0.0/24\nipv6-network = fd88::/64\n\
             ipv6-subnet-prefix = 128\npredictable-ips = false\nping-leases = false\nkeepalive = 30\ndpd = 60\n\
             cookie-timeout = 10\nrekey-time = 172800\n",
            path("users.d"),
            path("users"),
            block("radius.md", "text", "acct = ")
                .replace("/etc/radcli/radiusclient.conf", &path("radius.conf")),
            path("socket"),
            path("crt"),
            path("key"),
        );
        fs::write(path("ocserv.conf"), text).expect("a file of our own");
        let log = File::create(path("server.log")).expect("a file of our own");
        let config = path("ocserv.conf");
        let program = namespace.run(move || {
            let mut command = Command::new("setpriv");
            command.args(["--pdeathsig", "KILL", "ocserv", "--foreground", "--config", &config]);
            command.stdin(Stdio::null()).stdout(log.try_clone().expect("a descriptor")).stderr(log).spawn()
        });
        let program = Program(program.expect("ocserv is installed (tests/run)"));
        Self { namespace, folder, clients, _program: program }
    }

    /// From the next connection on, these users have the addresses of these numbers.
    pub(crate) fn give_addresses(&self, numbers: &[(&str, u8)]) {
        for (name, number) in numbers {
            let text = format!("explicit-ipv4 = 10.88.0.{number}\nexplicit-ipv6 = fd88::{number}\n");
            fs::write(self.path("users.d").join(name), text).expect("a file of our own");
        }
    }

    /// Sends datagrams of IPv4 between a client and the server.
    pub(crate) fn talk_v4(&self, client: usize, packets: usize) -> Totals {
        self.talk(client, 0, "10.88.0.1", packets)
    }

    /// The same of IPv6.
    pub(crate) fn talk_v6(&self, client: usize, packets: usize) -> Totals {
        self.talk(client, 1, "fd88::1", packets)
    }

    fn talk(&self, client: usize, family: usize, of_server: &str, packets: usize) -> Totals {
        let Client { namespace, addresses, .. } = &self.clients[client];
        let addresses = [0, 1].map(|_| addresses[family].clone());
        datagrams::exchange(
            (namespace, addresses),
            (&self.namespace, [of_server; 2]),
            packets,
            200 + client * 10,
        )
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Connects a client, and waits until it has its addresses.
    pub(crate) fn connect(&mut self, client: usize) {
        let Client { namespace, name, .. } = &self.clients[client];
        let script = self.path(&format!("{name}.script"));
        let told = self.path(&format!("{name}.addresses"));
        let _ = fs::remove_file(&told);
        fs::write(&script, SCRIPT.replace("FILE", &told.display().to_string())).expect("a file of our own");
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("it is ours");
        fs::write(self.path("password"), "secret\n").expect("a file of our own");
        let password = File::open(self.path("password")).expect("a file of our own");
        let log = File::create(self.path(&format!("{name}.log"))).expect("a file of our own");
        let certificate = self.path("crt").display().to_string();
        let (user, server) = (name.clone(), format!("https://192.0.{}.1:4443", client + 2));
        let script = script.display().to_string();
        let program = namespace.run(move || {
            let mut command = Command::new("setpriv");
            command.args(["--pdeathsig", "KILL", "openconnect", "--protocol=anyconnect", "--non-inter"]);
            command.args(["--passwd-on-stdin", "--no-dtls", "--user", &user, "--script", &script]);
            command.args(["--cafile", &certificate, "--servercert", &pin(&certificate), &server]);
            command.stdin(password).stdout(log.try_clone().expect("a descriptor")).stderr(log).spawn()
        });
        self.clients[client].program = Some(Program(program.expect("openconnect is installed (tests/run)")));
        let said = wait_for("the client has its addresses", || fs::read_to_string(&told).ok());
        let mut words = said.split_whitespace().map(str::to_owned);
        let mut word = || words.next().expect("an address of each family");
        self.clients[client].addresses = [word(), word()];
    }

    /// Ends a client as its user would, and waits until it is gone.
    pub(crate) fn disconnect(&mut self, client: usize) {
        if let Some(mut program) = self.clients[client].program.take() {
            let sent = Command::new("kill").args(["-INT", &program.0.id().to_string()]).status();
            assert!(sent.is_ok_and(|status| status.success()), "the program lives");
            program.0.wait().expect("it ends");
        }
    }
}

/// The pin of a certificate, as openconnect wants it.
fn pin(certificate: &str) -> String {
    let line = format!(
        "openssl x509 -in {certificate} -pubkey -noout | openssl pkey -pubin -outform der | \
         openssl dgst -sha256 -binary | base64"
    );
    let output = Command::new("sh").args(["-c", &line]).output().expect("a shell");
    format!("pin-sha256:{}", String::from_utf8_lossy(&output.stdout).trim())
}
