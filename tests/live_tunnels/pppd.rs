//! pppd as a server with clients of its own kind: over a line that joins two of them, or started by xl2tpd, whose
//! tunnels the kernel carries.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::hosts::{Hosts, LATE, Program};
use crate::netns::tally::Totals;
use crate::netns::{DeviceCounters, datagrams};
use crate::support::pages::{block, of_the_test};
use crate::support::wait::{let_pass, wait_for};

/// What carries the packets.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Line {
    /// A terminal of its own for each peer.
    Pty,
    /// xl2tpd's tunnels.
    L2tp,
}

/// A connected peer.
pub(crate) struct Connection {
    client: usize,
    program: Program,
    pub(crate) address: String,
    /// The address of IPv6 that somebody else handed out.
    ipv6: String,
    /// The server's device of it.
    device: String,
    /// What the device had counted before any packet: the frames in which both ends agreed on addresses.
    before: DeviceCounters,
}

pub(crate) struct Server {
    pub(crate) hosts: Hosts,
    line: Line,
    options: String,
    _program: Option<Program>,
}

/// What a link does beside what its role asks for: no words of its own on it, and an end that is noticed.
const OPTIONS: &str = "noccp\nnobsdcomp\nnodeflate\nnovj\nnodefaultroute\nlcp-echo-interval 0\n";

impl Server {
    pub(crate) fn new(clients: usize, line: Line, socket: &Path) -> Self {
        let hosts = Hosts::new(clients);
        let copied = Command::new("cp").args(["-a", "/etc/ppp"]).arg(hosts.path("ppp")).status();
        assert!(copied.is_ok_and(|status| status.success()), "ppp is installed (tests/kernel/servers)");
        hosts.write("ppp/chap-secrets", "alice * secret *\nbob * secret *\ncarol * secret *\n");
        hosts.write("ppp/options", "");
        for (script, event) in [("ip-pre-up", "up"), ("ip-down", "down")] {
            let text = of_the_test(&block("ppp.md", "sh", &format!("hook ppp {event}")), socket);
            hosts.write_script(&format!("ppp/{script}.d/blindmeter"), &text);
            // And what tells the test that all have run.
            hosts.write_script(
                &format!("ppp/{script}.d/told"),
                &format!("echo \"{event} $PEERNAME $1 $5 $PPPD_PID\" >> FOLDER/told"),
            );
        }
        let mut server = Self { hosts, line, options: format!("{OPTIONS}noipv6\n"), _program: None };
        server.write_options();
        if line == Line::L2tp {
            server.hosts.write(
                "server.conf",
                "[global]\nport = 1701\n[lns default]\nip range = 10.85.0.2-10.85.0.4\nlocal ip = 10.85.0.1\n\
                 require chap = yes\nrefuse pap = yes\nname = server\nppp debug = yes\npppoptfile = FOLDER/of-server\n",
            );
            server._program = Some(server.xl2tpd(None, "server"));
            server.hosts.await_lines("server.log", "Listening on IP address", 1);
        }
        server
    }

    /// A server for one client over a line of its own, with the page's scripts for IPv6 too.
    pub(crate) fn of_both_families(socket: &Path) -> Self {
        let mut server = Self::new(1, Line::Pty, socket);
        server.options = format!("{OPTIONS}+ipv6\n");
        server.write_options();
        for namespace in server.hosts.clients.iter().chain([&server.hosts.server]) {
            for (key, value) in [("disable_ipv6", "0"), ("addr_gen_mode", "1"), ("router_solicitations", "0")]
            {
                namespace.sysctl(&format!("net/ipv6/conf/default/{key}"), value);
            }
        }
        for (script, event) in [("ipv6-up", "up"), ("ipv6-down", "down")] {
            let text = of_the_test(&block("ppp.md", "sh", &format!("hook ppp {event}")), socket);
            server.hosts.write_script(&format!("ppp/{script}.d/blindmeter"), &text);
            server
                .hosts
                .write_script(&format!("ppp/{script}.d/told"), &format!("echo {event} >> FOLDER/told-ipv6"));
        }
        server
    }

    fn write_options(&self) {
        self.hosts.write("of-server", &format!("{}auth\nrequire-chap\nname server\n", self.options));
    }

    /// Waits until both ends have told of IPv6.
    pub(crate) fn await_ipv6(&self) {
        self.hosts.await_lines("told-ipv6", "up", 2);
    }

    /// Gives a peer an address of IPv6 as a DHCPv6 server would, in the place of its other one.
    pub(crate) fn hand_out(&self, connection: &mut Connection, address: &str) {
        let client = &self.hosts.clients[connection.client];
        client.command(&format!("ip address add {address}/128 dev ppp0 nodad"));
        client.command(&format!("ip route add fd85::1/128 dev ppp0 src {address}"));
        self.hosts.server.command("ip address add fd85::1/128 dev lo nodad");
        self.hosts
            .server
            .command(&format!("ip route add {address}/128 dev {} src fd85::1", connection.device));
        connection.ipv6 = address.to_owned();
    }

    /// Runs a program with the scripts of the page in the place of the host's own.
    fn with_scripts(&self, client: Option<usize>, said: &str, line: &str) -> Program {
        let namespace = client.map_or(&self.hosts.server, |client| &self.hosts.clients[client]);
        let line = format!("mount --bind FOLDER/ppp /etc/ppp && exec {line}");
        self.hosts.start(namespace, said, &["unshare", "--mount", "sh", "-c", &line], "")
    }

    fn xl2tpd(&self, client: Option<usize>, name: &str) -> Program {
        let line = format!(
            "xl2tpd -D -c FOLDER/{name}.conf -p FOLDER/{name}.pid -C FOLDER/{name}.control -s /dev/null"
        );
        self.with_scripts(client, &format!("{name}.log"), &line)
    }

    /// Connects a client, and waits until the server's scripts have told of it.
    pub(crate) fn connect(&mut self, client: usize, account: &str) -> Connection {
        let before = self.told("up ");
        let options = format!("{}noauth\nuser {account}\npassword secret\nnoipdefault\n", self.options);
        self.hosts.write(&format!("of-client-{client}"), &options);
        let program = match self.line {
            Line::Pty => {
                let theirs = self.hosts.server.path();
                // The server's side, whose scripts know the peer's name, at the other end of the line.
                let pty = format!(
                    "nsenter --net={theirs} pppd nodetach notty file FOLDER/of-server 10.85.0.1:10.85.0.{}",
                    client + 2
                );
                let line = format!("pppd nodetach local file FOLDER/of-client-{client} pty \"{pty}\"");
                self.with_scripts(Some(client), &format!("client-{client}.log"), &line)
            }
            Line::L2tp => {
                self.hosts.write(
                    &format!("client-{client}.conf"),
                    &format!(
                        "[global]\nport = 1701\n[lac vpn]\nlns = 192.0.{}.1\nautodial = yes\nname = {account}\n\
                         pppoptfile = FOLDER/of-client-{client}\n",
                        client + 2
                    ),
                );
                self.xl2tpd(Some(client), &format!("client-{client}"))
            }
        };
        let of_account = format!("up {account} ");
        wait_for("the server has told of it", || (self.told("up ") > before).then_some(()));
        let_pass(LATE * 5, "the link carries packets");
        let told = self.hosts.read("told");
        let line = told.lines().rev().find(|line| line.starts_with(&of_account)).expect("a line").to_owned();
        let mut words = line.split(' ').skip(2).map(str::to_owned);
        let (device, address) = (words.next().expect("a device"), words.next().expect("an address"));
        let before = self.hosts.server.device_counters(&device);
        assert!(
            before.rx_packets < 8 && before.rx_bytes < 16 * before.rx_packets,
            "frames of IPCP alone: {before:?}"
        );
        Connection { client, program, address, ipv6: String::new(), device, before }
    }

    /// Ends a connection as its user would, and waits until the server has told of it.
    pub(crate) fn disconnect(&self, connection: Connection) {
        let before = self.told("down ");
        connection.program.end("TERM");
        wait_for("the server has told of its end", || (self.told("down ") > before).then_some(()));
        let_pass(LATE, "a daemon without a processor makes the change");
    }

    /// How often the server has told of a peer with a name.
    fn told(&self, event: &str) -> usize {
        let told = fs::read_to_string(self.hosts.path("told")).unwrap_or_default();
        told.lines().filter(|line| line.starts_with(event) && !line.starts_with(&format!("{event} "))).count()
    }

    /// What the kernel counted on the device of a connection, of packets.
    pub(crate) fn counters(&self, connection: &Connection) -> DeviceCounters {
        let Connection { before, .. } = connection;
        let now = self.hosts.server.device_counters(&connection.device);
        DeviceCounters {
            rx_bytes: now.rx_bytes - before.rx_bytes,
            rx_packets: now.rx_packets - before.rx_packets,
            tx_bytes: now.tx_bytes - before.tx_bytes,
            tx_packets: now.tx_packets - before.tx_packets,
            ..now
        }
    }

    /// Sends datagrams between a client and the server.
    pub(crate) fn talk(&self, connection: &Connection, packets: usize) -> Totals {
        let addresses = [connection.address.clone(), connection.ipv6.clone()];
        let ends = (&self.hosts.clients[connection.client], addresses);
        datagrams::exchange(
            ends,
            (&self.hosts.server, ["10.85.0.1", "fd85::1"]),
            packets,
            200 + connection.client * 10,
        )
    }
}
