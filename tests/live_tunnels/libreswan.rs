//! A libreswan server and a client of its own kind, with ESP of the kernel behind an XFRM interface: IKEv2 with a shared
//! key, addresses that the server hands out, and the page's own script.

use std::fs;
use std::path::Path;

use crate::hosts::{Hosts, LATE, Program};
use crate::netns::tally::Totals;
use crate::netns::{DeviceCounters, Namespace, datagrams};
use crate::support::command::{bounded, ended};
use crate::support::pages::{block, of_the_test};
use crate::support::wait::{let_pass, wait_for_within};
use std::time::Duration;

/// The device that `ipsec-interface=yes` makes.
pub(crate) const DEVICE: &str = "ipsec1";

/// What a client is given: the pool has one address.
pub(crate) const ADDRESS: &str = "10.84.0.2";

/// Scripts of an emulated machine take seconds.
const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) struct Server {
    pub(crate) hosts: Hosts,
    programs: Vec<Program>,
}

impl Server {
    pub(crate) fn new(accounts: &[&str], socket: &Path) -> Self {
        let hosts = Hosts::new(1);
        hosts.server.command("ip address add 10.84.0.1/32 dev s0");
        // The page's script, and around it what tells the test that it has run.
        hosts.write_script("blindmeter", &of_the_test(&block("ipsec.md", "sh", "ipsec _updown"), socket));
        hosts.write_script(
            "updown",
            "FOLDER/blindmeter \"$@\"\ncode=$?\necho \"$PLUTO_VERB $PLUTO_PEER_ID $code\" >> FOLDER/told\nexit $code",
        );
        // What the page has the operator write of the script and of the interface.
        let lines = page_lines().replace("/etc/ipsec.d/blindmeter", "FOLDER/updown");
        let conn = |account: &&str| {
            format!(
                "conn {account}\n ikev2=insist\n authby=secret\n left=192.0.2.1\n leftid=@server\n leftsubnet=10.84.0.0/24\n \
                 right=%any\n rightid=@{account}\n rightaddresspool={ADDRESS}-{ADDRESS}\n leftmodecfgserver=yes\n \
                 rightmodecfgclient=yes\n{lines} auto=add\n"
            )
        };
        let conns: String = accounts.iter().map(conn).collect();
        let mut server = Self { hosts, programs: Vec::new() };
        server.start(None, &conns);
        // A client's script gives it its address and the way, and nothing more.
        server.hosts.write_script(
            "client-updown",
            "case $PLUTO_VERB in\nup-client) ip address add $PLUTO_MY_CLIENT dev lo\n\
             ip route replace 10.84.0.0/24 dev c0 src $PLUTO_MY_CLIENT_NET;;\n\
             down-client) ip address del $PLUTO_MY_CLIENT dev lo;;\nesac\n\
             echo \"$PLUTO_VERB $PLUTO_MY_ID 0\" >> FOLDER/told-client",
        );
        let conn = |account: &&str| {
            format!(
                "conn {account}\n ikev2=insist\n authby=secret\n left=192.0.2.2\n leftid=@{account}\n leftsubnet=0.0.0.0/0\n \
                 leftmodecfgclient=yes\n right=192.0.2.1\n rightid=@server\n rightsubnet=10.84.0.0/24\n narrowing=yes\n \
                 retransmit-interval=60000\n retransmit-timeout=300s\n leftupdown=FOLDER/client-updown\n auto=add\n"
            )
        };
        let conns: String = accounts.iter().map(conn).collect();
        server.start(Some(0), &conns);
        server
    }

    fn place(client: Option<usize>) -> &'static str {
        client.map_or("server", |_| "client")
    }

    fn namespace(&self, client: Option<usize>) -> &Namespace {
        client.map_or(&self.hosts.server, |client| &self.hosts.clients[client])
    }

    /// Starts pluto on a host, with files of its own in the places of the host's.
    fn start(&mut self, client: Option<usize>, conns: &str) {
        let place = Self::place(client);
        for folder in ["", "/run", "/nss"] {
            fs::create_dir(self.hosts.path(&format!("{place}{folder}"))).expect("a folder of our own");
        }
        self.hosts.write(&format!("{place}/conf"), &format!("config setup\n{conns}"));
        self.hosts
            .write(&format!("{place}/secrets"), "%any %any : PSK \"secret-of-all-of-these-tunnels-here\"\n");
        let binds = [("run", "/run/pluto"), ("nss", "/var/lib/ipsec/nss"), ("conf", "/etc/ipsec.conf")];
        let binds = binds.iter().chain(&[("secrets", "/etc/ipsec.secrets")]);
        let binds: String = binds
            .map(|(of, to)| {
                format!("[ -e {to} ] || mkdir -p {to}; mount --bind FOLDER/{place}/{of} {to} && ")
            })
            .collect();
        let line = format!(
            "{binds} ipsec initnss > /dev/null && exec /usr/libexec/ipsec/pluto --nofork --stderrlog"
        );
        let words = ["unshare", "--mount", "sh", "-c", &line];
        let program = self.hosts.start(self.namespace(client), &format!("{place}.log"), &words, "");
        self.programs.push(program);
        // It reads its connections by itself, and listens then.
        self.await_said(place, "listening for IKE messages");
        for conn in conns.lines().filter_map(|line| line.strip_prefix("conn ")) {
            self.await_said(place, &format!("\"{conn}\": added IKEv2 connection"));
        }
    }

    /// Waits until a host's pluto has said this.
    fn await_said(&self, place: &str, text: &str) {
        wait_for_within(text, PATIENCE, || {
            self.hosts.read(&format!("{place}.log")).contains(text).then_some(())
        });
    }

    /// Runs a command of ipsec(8) beside the client's pluto.
    fn ipsec(&self, line: &str) -> String {
        let id = self.programs[1].0.id().to_string();
        let mut command = bounded();
        command.args(["nsenter", "--target", &id, "--mount", "--net", "ipsec"]).args(line.split(' '));
        let outcome = ended(command);
        outcome.stdout + &outcome.stderr
    }

    /// Connects the client as somebody, and waits until both ends have told of it.
    pub(crate) fn connect(&self, account: &str) {
        self.run(&format!("auto --asynchronous --up {account}"), &format!("up-client @{account} 0"));
    }

    /// Ends the connection as its user would, and waits until both ends have told of it.
    pub(crate) fn disconnect(&self, account: &str) {
        self.run(&format!("auto --asynchronous --down {account}"), &format!("down-client @{account} 0"));
    }

    fn run(&self, line: &str, told: &str) {
        let said = self.ipsec(line);
        for ends in ["told", "told-client"] {
            wait_for_within(&format!("{ends} says {told}; {said}"), PATIENCE, || {
                self.hosts.read(ends).lines().any(|line| line == told).then_some(())
            });
        }
        let_pass(LATE * 10, "a daemon without a processor makes the change");
    }

    /// What the kernel counted on the server's device.
    pub(crate) fn counters(&self) -> DeviceCounters {
        self.hosts.server.device_counters(DEVICE)
    }

    /// Sends datagrams between the client and the server.
    pub(crate) fn talk(&self, packets: usize) -> Totals {
        let ends = (&self.hosts.clients[0], [ADDRESS.to_owned(), String::new()]);
        datagrams::exchange(ends, (&self.hosts.server, ["10.84.0.1", ""]), packets, 200)
    }
}

/// The lines of a connection that the page names for libreswan: its script, and its interface.
fn page_lines() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/ipsec.md");
    let page = fs::read_to_string(path).expect("the page");
    let lines = ["leftupdown=/etc/ipsec.d/blindmeter", "ipsec-interface=yes"];
    lines
        .iter()
        .map(|line| {
            assert!(page.contains(&format!("`{line}`")), "the page says {line}");
            format!(" {line}\n")
        })
        .collect()
}
