//! A strongSwan server with clients of its own kind, whose ESP is made in user space (kernel-libipsec) and passes a TUN
//! device: this kernel may have no ESP.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::hosts::{Hosts, LATE, Program};
use crate::netns::tally::Totals;
use crate::netns::{DeviceCounters, Namespace, datagrams};
use crate::support::pages::{block, of_the_test};
use crate::support::wait::{let_pass, wait_for};

/// The device that kernel-libipsec makes.
pub(crate) const DEVICE: &str = "ipsec0";

/// Whose the vici socket is besides root's.
pub(crate) const GROUP: &str = "games";

const PLUGINS: &str = "nonce aes sha1 sha2 hmac kdf md5 pem pkcs1 x509 pubkey gmp random kernel-libipsec \
                       kernel-netlink socket-default vici updown eap-identity eap-md5";

/// A connection of a client: what it was given.
pub(crate) struct Connection {
    client: usize,
    pub(crate) addresses: [String; 2],
}

pub(crate) struct Server {
    pub(crate) hosts: Hosts,
    daemons: Vec<Option<Program>>,
}

impl Server {
    /// A server for so many clients, which hands out so many addresses, and does this with a second connection of
    /// somebody (`unique` of swanctl.conf).
    pub(crate) fn new(clients: usize, addresses: usize, unique: &str, socket: &Path) -> Self {
        let hosts = Hosts::new(clients);
        hosts.server.allow_v6("s0");
        hosts.server.command("ip address add 10.86.0.1/32 dev s0");
        hosts.server.command("ip address add fd86::1/128 dev s0 nodad");
        // The page's lines, and around them what tells the test that a script has run.
        let lines = block("ipsec.md", "text", "updown = ");
        hosts.write_script("hook", &of_the_test(lines.trim().trim_start_matches("updown = "), socket));
        hosts.write_script(
            "updown",
            "FOLDER/hook\ncode=$?\necho \"$PLUTO_VERB $PLUTO_UNIQUEID $code\" >> FOLDER/told\nexit $code",
        );
        let last = 1 + addresses;
        let connection = |name: &str, remote: &str| {
            format!(
                "{name} {{\n version = 2\n local_addrs = %any\n pools = four, six\n encap = yes\n unique = {unique}\n\
                 proposals = aes128-sha256-modp2048\n local {{\n auth = psk\n id = server\n }}\n\
                 remote {{\n {remote}\n }}\n children {{\n net {{\n local_ts = 10.86.0.0/24, fd86::/64\n\
                 esp_proposals = aes128-sha256\n updown = FOLDER/updown\n }}\n }}\n}}\n"
            )
        };
        let secret = |id: &str| format!("ike-{id} {{\n id-1 = {id}\n id-2 = server\n secret = secret\n }}\n");
        let text = format!(
            "connections {{\n{}{}}}\npools {{\n four {{\n addrs = 10.86.0.2-10.86.0.{last}\n }}\n\
             six {{\n addrs = fd86::2-fd86::{last}\n }}\n}}\nsecrets {{\n{}{}{}eap-bob {{\n id = bob\n secret = secret\n }}\n}}\n",
            connection("by-key", "auth = psk"),
            connection("by-name", "auth = eap-md5\n id = phone\n eap_id = %any"),
            secret("alice"),
            secret("carol"),
            secret("phone"),
        );
        let mut server = Self { hosts, daemons: Vec::new() };
        server.start(None, &text);
        (0..clients).for_each(|client| server.start(Some(client), ""));
        server
    }

    fn place(client: Option<usize>) -> String {
        client.map_or_else(|| "server".to_owned(), |client| format!("client-{client}"))
    }

    fn namespace(&self, client: Option<usize>) -> &Namespace {
        client.map_or(&self.hosts.server, |client| &self.hosts.clients[client])
    }

    /// Starts the server's daemon or a client's, with this swanctl.conf.
    fn start(&mut self, client: Option<usize>, text: &str) {
        let (place, namespace) = (Self::place(client), self.namespace(client));
        // The daemon's own device carries IPv6; the kernel says nothing of its own there but its groups.
        for (key, value) in [("disable_ipv6", "0"), ("addr_gen_mode", "1"), ("router_solicitations", "0")] {
            namespace.sysctl(&format!("net/ipv6/conf/default/{key}"), value);
        }
        let _ = fs::create_dir(self.hosts.path(&place));
        self.hosts.write(&format!("{place}/swanctl.conf"), text);
        // The page's lines, with a group that every Debian has.
        let lines = block("strongswan.md", "text", "charon {").replace("blindmeter", GROUP);
        self.hosts.write(
            &format!("{place}/strongswan.conf"),
            &format!(
                "{lines}\ncharon-systemd {{\n load = {PLUGINS}\n retransmit_tries = 1\n retransmit_timeout = 1\n plugins {{\n vici {{\n\
                 socket = unix://FOLDER/{place}/vici\n }}\n }}\n journal {{\n default = -1\n }}\n}}\n"
            ),
        );
        let settings = format!("STRONGSWAN_CONF=FOLDER/{place}/strongswan.conf");
        // Its files of /run are its own.
        let run = "mount -t tmpfs tmpfs /run && exec charon-systemd";
        let words = ["env", "-u", "NOTIFY_SOCKET", &settings, "unshare", "--mount", "sh", "-c", run];
        let program = self.hosts.start(namespace, &format!("{place}.log"), &words, "");
        wait_for("the daemon listens", || self.hosts.path(&format!("{place}/vici")).exists().then_some(()));
        namespace.command(&format!("ip link set {DEVICE} multicast off"));
        let at = client.map_or(0, |client| client + 1);
        self.daemons.resize_with(self.daemons.len().max(at + 1), || None);
        self.daemons[at] = Some(program);
        self.swanctl(client, &["--load-all"]);
    }

    /// Kills a client's daemon where it stands, and starts another one that knows of nothing.
    pub(crate) fn lose(&mut self, client: usize) {
        self.daemons[client + 1] = None;
        let _ = fs::remove_file(self.hosts.path(&format!("client-{client}/vici")));
        self.start(Some(client), "");
    }

    fn swanctl(&self, client: Option<usize>, words: &[&str]) -> String {
        let place = Self::place(client);
        let path = |file: &str| self.hosts.path(&format!("{place}/{file}")).display().to_string();
        let mut command = Command::new("swanctl");
        command.args(words).args(["--uri", &format!("unix://{}", path("vici"))]);
        command.env("STRONGSWAN_CONF", path("strongswan.conf")).env("SWANCTL_DIR", path(""));
        let output = command.output().expect("swanctl is installed (tests/run)");
        let said =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "swanctl {words:?}: {said}");
        said
    }

    /// Connects a client as somebody, whom it names itself; `phone` names bob inside of the log-in.
    pub(crate) fn connect(&self, client: usize, name: &str) -> Connection {
        let local = match name {
            "phone" => "auth = eap-md5\n id = phone\n eap_id = bob".to_owned(),
            name => format!("auth = psk\n id = {name}"),
        };
        self.hosts.write(
            &format!("client-{client}/swanctl.conf"),
            &format!(
                "connections {{\n vpn {{\n version = 2\n remote_addrs = 192.0.{}.1\n vips = 0.0.0.0, ::\n encap = yes\n\
                 unique = never\n proposals = aes128-sha256-modp2048\n local {{\n {local}\n }}\n\
                 remote {{\n auth = psk\n id = server\n }}\n children {{\n net {{\n remote_ts = 10.86.0.0/24, fd86::/64\n\
                 esp_proposals = aes128-sha256\n }}\n }}\n }}\n}}\nsecrets {{\n ike-x {{\n id-1 = {name}\n id-2 = server\n\
                 secret = secret\n }}\n eap-x {{\n id = bob\n secret = secret\n }}\n}}\n",
                client + 2,
            ),
        );
        self.swanctl(Some(client), &["--load-all"]);
        let before = self.told("up-client");
        let said = self.swanctl(Some(client), &["--initiate", "--child", "net"]);
        // Once for each family.
        wait_for("the server has told of it", || (self.told("up-client") >= before + 2).then_some(()));
        let_pass(LATE, "a daemon without a processor makes the change");
        let given = |of: &str| {
            let line = said.lines().find_map(|line| {
                line.split_once("installing new virtual IP ").filter(|(_, address)| address.contains(of))
            });
            line.map(|(_, address)| address.trim().to_owned()).expect("an address of each family")
        };
        Connection { client, addresses: [given("10.86."), given("fd86:")] }
    }

    /// Ends a connection, and waits until the server has told of it.
    pub(crate) fn disconnect(&self, connection: &Connection) {
        let before = self.told("down-client");
        self.swanctl(Some(connection.client), &["--terminate", "--ike", "vpn"]);
        wait_for("the server has told of its end", || (self.told("down-client") >= before + 2).then_some(()));
        let_pass(LATE, "a daemon without a processor makes the change");
    }

    /// Gives a connection new keys and a new number.
    pub(crate) fn rekey(&self, connection: &Connection) {
        self.swanctl(Some(connection.client), &["--rekey", "--ike", "vpn"]);
        let_pass(LATE, "both have new keys");
    }

    /// The numbers of connections that its script was run for.
    pub(crate) fn numbers(&self, verb: &str) -> Vec<u32> {
        let told = self.hosts.read("told");
        let lines = told.lines().filter(|line| line.starts_with(verb));
        lines
            .map(|line| line.split(' ').nth(1).and_then(|number| number.parse().ok()).expect("a number"))
            .collect()
    }

    /// The server's daemon.
    pub(crate) fn process(&self) -> u32 {
        self.daemons[0].as_ref().expect("it runs").0.id()
    }

    /// How often the server has run its script for this.
    pub(crate) fn told(&self, verb: &str) -> usize {
        self.hosts.read("told").lines().filter(|line| line.starts_with(verb)).count()
    }

    /// What the kernel counted on the server's device.
    pub(crate) fn counters(&self) -> DeviceCounters {
        self.hosts.server.device_counters(DEVICE)
    }

    /// Sends datagrams between a client and the server, both families, up and down.
    pub(crate) fn talk(&self, connection: &Connection, packets: usize) -> Totals {
        let Connection { client, addresses } = connection;
        let ends = (&self.hosts.clients[*client], addresses.clone());
        datagrams::exchange(ends, (&self.hosts.server, ["10.86.0.1", "fd86::1"]), packets, 200 + client * 10)
    }
}
