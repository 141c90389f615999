//! An ocserv server with clients of openconnect: one device for each client, addresses of the server's choice or of the
//! account's, and datagrams of known length through the tunnel.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::hosts::{Hosts, LATE, Program};
use crate::netns::tally::Totals;
use crate::netns::{DeviceCounters, datagrams};
use crate::support::pages::{block, of_the_test};
use crate::support::wait::{let_pass, wait_for};

/// Networks of both families.
pub(crate) const BOTH: &str =
    "ipv4-network = 10.87.0.0/24\nipv6-network = fd87::/64\nipv6-subnet-prefix = 128";

/// Everybody's.
const PASSWORD: &str = "secret";

/// A connection of a client.
pub(crate) struct Connection {
    client: usize,
    program: Program,
    /// What the server gave it; an empty text where it gave none of that family.
    pub(crate) addresses: [String; 2],
    /// The server's device of it.
    pub(crate) device: String,
}

pub(crate) struct Server {
    pub(crate) hosts: Hosts,
    program: Option<Program>,
    /// The digest of its key, by which clients know it.
    pin: String,
    connected: usize,
}

impl Server {
    /// A server whose log-ins PAM checks, by the lines of the page: the password of everybody is wrong.
    pub(crate) fn with_pam(socket: &Path) -> Self {
        let mut server = Self::new(1, BOTH, socket);
        server.program = None;
        let lines = of_the_test(&block("ocserv.md", "text", "hook failed"), socket);
        server.hosts.write(
            "pam",
            &format!("{lines}\naccount required pam_permit.so\nsession required pam_permit.so\n"),
        );
        let text = server.hosts.read("ocserv.conf");
        let passwords = text.lines().next().expect("the log-in");
        server.hosts.write("ocserv.conf", &text.replace(passwords, "auth = \"pam\""));
        server.start();
        server
    }

    /// A server for so many clients, whose hooks speak to the daemon at this socket; `networks` are the lines of the
    /// addresses that it gives.
    pub(crate) fn new(clients: usize, networks: &str, socket: &Path) -> Self {
        let hosts = Hosts::new(clients);
        // Devices of the server's making carry IPv6; the kernel says as little of its own there as it can be made to.
        for (key, value) in [("disable_ipv6", "0"), ("addr_gen_mode", "1"), ("router_solicitations", "0")] {
            hosts.server.sysctl(&format!("net/ipv6/conf/default/{key}"), value);
        }
        certify(&hosts, "server");
        fs::create_dir(hosts.path("users")).expect("a folder of our own");
        // The page's script, and around it what tells the test that it has run, and in which order.
        hosts.write_script("hook", &of_the_test(&block("ocserv.md", "sh", "hook ocserv"), socket));
        hosts.write_script(
            "script",
            "[ ! -e FOLDER/late-$REASON ] || sleep 0.4\nFOLDER/hook\ncode=$?\n\
             echo \"$REASON $USERNAME $DEVICE $code\" >> FOLDER/told\nexit $code",
        );
        let lines =
            block("ocserv.md", "text", "connect-script").replace("/etc/ocserv/blindmeter", "FOLDER/script");
        hosts.write(
            "ocserv.conf",
            &format!(
                "auth = \"plain[passwd=FOLDER/passwd]\"\ntcp-port = 443\nudp-port = 443\n\
                 socket-file = FOLDER/socket\nserver-cert = FOLDER/server.crt\nserver-key = FOLDER/server.key\n\
                 isolate-workers = false\nmax-clients = 16\nmax-same-clients = 4\nuse-occtl = false\n\
                 pid-file = FOLDER/pid\npredictable-ips = true\nconfig-per-user = FOLDER/users\n\
                 keepalive = 300\ndpd = 300\ncookie-timeout = 300\ndevice = vpns\n{networks}\n{lines}\n\
                 host-update-script = FOLDER/script\n"
            ),
        );
        let pin = Command::new("sh")
            .args(["-c", "openssl x509 -in $0 -noout -pubkey | openssl pkey -pubin -outform der | sha256sum"])
            .arg(hosts.path("server.crt"))
            .output()
            .expect("openssl is installed (tests/run)");
        let pin = String::from_utf8(pin.stdout).expect("text");
        let pin = pin.split_whitespace().next().expect("a digest").to_owned();
        let mut server = Self { hosts, program: None, pin, connected: 0 };
        ["alice", "bob"].into_iter().for_each(|account| server.admit(account));
        server.start();
        server
    }

    fn start(&mut self) {
        // The host's own settings of PAM stay as they are.
        let pam = "[ ! -e FOLDER/pam ] || { [ -e /etc/pam.d/ocserv ] && mount --bind FOLDER/pam /etc/pam.d/ocserv; } && \
                   exec ocserv -f -d 1 -c FOLDER/ocserv.conf";
        let words = ["unshare", "--mount", "sh", "-c", pam];
        self.program = Some(self.hosts.start(&self.hosts.server, "server.log", &words, ""));
        self.hosts.await_lines("server.log", "sec-mod initialized", 1);
    }

    /// Lets an account log in.
    fn admit(&self, account: &str) {
        let mut command = Command::new("ocpasswd");
        command.arg("-c").arg(self.hosts.path("passwd")).arg(account).stdin(Stdio::piped());
        let mut child = command.spawn().expect("ocserv is installed (tests/run)");
        let twice = format!("{PASSWORD}\n{PASSWORD}\n");
        std::io::Write::write_all(&mut child.stdin.take().expect("piped"), twice.as_bytes())
            .expect("it reads");
        assert!(child.wait().expect("it ends").success());
    }

    /// From its next connection on an account has these addresses and no others, or again whichever is free.
    pub(crate) fn give(&self, account: &str, numbers: Option<usize>) {
        let lines = numbers
            .map(|number| format!("explicit-ipv4 = 10.87.0.{number}\nexplicit-ipv6 = fd87::{number}\n"));
        self.hosts.write(&format!("users/{account}"), &lines.unwrap_or_default());
    }

    /// Logs an account in from a client, and waits until the server's script has told of it.
    pub(crate) fn connect(&mut self, client: usize, account: &str) -> Connection {
        self.run_client(client, account, &["--user", account, "--passwd-on-stdin"], PASSWORD)
    }

    /// Logs in for a cookie, with which one may connect again and again.
    pub(crate) fn cookie(&self, client: usize, account: &str) -> String {
        let more = ["--user", account, "--passwd-on-stdin", "--authenticate"];
        let _program = self.openconnect(client, "cookie", &more, PASSWORD);
        self.hosts.await_lines("cookie", "COOKIE=", 1);
        let said = self.hosts.read("cookie");
        let line = said.lines().find_map(|line| line.strip_prefix("COOKIE=")).expect("a cookie");
        line.trim_matches('\'').to_owned()
    }

    /// Connects with a cookie; where the one that has it is not known to be dead, its place is taken.
    pub(crate) fn connect_again(&mut self, client: usize, account: &str, cookie: &str) -> Connection {
        self.run_client(client, account, &["--cookie-on-stdin"], cookie)
    }

    /// Tries to log in, in vain.
    pub(crate) fn fail(&self, client: usize, account: &str) {
        let more = ["--user", account, "--passwd-on-stdin"];
        let _program = self.openconnect(client, "failed.log", &more, "wrong");
        // After that of the certificate, which nobody has signed.
        self.hosts.await_lines("failed.log", "failed", 2);
    }

    /// From now on the server's script for this reason runs late.
    pub(crate) fn delay(&self, reason: &str) {
        self.hosts.write(&format!("late-{reason}"), "");
    }

    fn openconnect(&self, client: usize, log: &str, more: &[&str], input: &str) -> Program {
        let (pin, address) = (format!("--servercert=sha256:{}", self.pin), format!("192.0.{}.1", client + 2));
        let script = format!("FOLDER/client-{client}");
        let words = ["openconnect", "--protocol=anyconnect", "--non-inter", "--script", &script, &pin];
        self.hosts.start(&self.hosts.clients[client], log, &[&words[..], more, &[&address]].concat(), input)
    }

    fn run_client(&mut self, client: usize, account: &str, more: &[&str], input: &str) -> Connection {
        self.connected += 1;
        let (file, log) = (format!("addresses-{}", self.connected), format!("client-{}.log", self.connected));
        self.hosts.write_script(
            &format!("client-{client}"),
            &format!(
                "[ \"$reason\" = connect ] || exit 0\nip link set $TUNDEV multicast off\n\
                 ip link set $TUNDEV addrgenmode none\n\
                 echo 0 > /proc/sys/net/ipv6/conf/$TUNDEV/disable_ipv6\n\
                 [ -z \"$INTERNAL_IP4_ADDRESS\" ] || ip address add $INTERNAL_IP4_ADDRESS/24 dev $TUNDEV\n\
                 [ -z \"$INTERNAL_IP6_ADDRESS\" ] || ip address add $INTERNAL_IP6_ADDRESS/64 dev $TUNDEV nodad\n\
                 ip link set $TUNDEV up\n\
                 echo \"$INTERNAL_IP4_ADDRESS,$INTERNAL_IP6_ADDRESS,\" > FOLDER/{file}"
            ),
        );
        let told = || self.hosts.read("told");
        let connects = || told().lines().filter(|line| line.starts_with("connect ")).count();
        let before = connects();
        let program = self.openconnect(client, &log, more, input);
        self.hosts.await_lines(&file, ",", 1);
        wait_for("the server has told of it", || (connects() > before).then_some(()));
        let_pass(LATE, "a daemon without a processor makes the change");
        let (said, told) = (self.hosts.read(&file), told());
        let mut addresses = said.trim().split(',').map(str::to_owned);
        let addresses = [addresses.next().unwrap_or_default(), addresses.next().unwrap_or_default()];
        let line = told.lines().rev().find(|line| line.starts_with(&format!("connect {account} ")));
        let device = line.and_then(|line| line.split(' ').nth(2)).expect("a device").to_owned();
        Connection { client, program, addresses, device }
    }

    /// Ends a connection as its user would, and waits until the server has told of it.
    pub(crate) fn disconnect(&self, connection: Connection) {
        let ended = || self.hosts.read("told").lines().filter(|line| line.starts_with("disconnect ")).count();
        let before = ended();
        connection.program.end("INT");
        wait_for("the server has told of its end", || (ended() > before).then_some(()));
    }

    /// The server's main process.
    pub(crate) fn process(&self) -> u32 {
        self.hosts.read("pid").trim().parse().expect("the server has written it")
    }

    /// What the kernel counted on the device of a connection.
    pub(crate) fn counters(&self, connection: &Connection) -> DeviceCounters {
        self.hosts.server.device_counters(&connection.device)
    }

    /// Sends datagrams between a client and the server, in each family that it has.
    pub(crate) fn talk(&self, connection: &Connection, packets: usize) -> Totals {
        let Connection { client, addresses, .. } = connection;
        let ends = (&self.hosts.clients[*client], addresses.clone());
        datagrams::exchange(ends, (&self.hosts.server, ["10.87.0.1", "fd87::1"]), packets, 200 + client * 10)
    }
}

/// A key and a certificate that nobody has signed.
fn certify(hosts: &Hosts, name: &str) {
    let path = |end: &str| hosts.path(&format!("{name}.{end}")).display().to_string();
    let mut command = Command::new("openssl");
    command.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc"]);
    command.args(["-days", "2", "-subj", &format!("/CN={name}")]);
    command.args(["-keyout", &path("key"), "-out", &path("crt")]);
    let made = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    assert!(made.is_ok_and(|status| status.success()), "openssl makes a certificate");
}
