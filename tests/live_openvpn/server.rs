//! An OpenVPN server with clients: Debian's openvpn in a namespace each, certificates of their own, and datagrams
//! of known length through the tunnel.

use crate::netns::tally::Totals;
use crate::netns::{DeviceCounters, Namespace, datagrams};
use crate::support::program::Program;
use crate::support::wait::wait_for;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// The tunnel's device in each namespace.
pub(crate) const DEVICE: &str = "ovpn0";

/// A client: its namespace, its process while it is connected, its name and number.
struct Client {
    namespace: Namespace,
    program: Option<Program>,
    name: String,
    number: usize,
}

/// A server, its clients and their keys.
pub(crate) struct Server {
    pub(crate) namespace: Namespace,
    clients: Vec<Client>,
    folder: TempDir,
    program: Option<Program>,
    settings: String,
}

impl Server {
    /// A server with a client of each name, none of which is connected yet; `settings` are more lines of its
    /// configuration, in which FOLDER stands for a folder of its own.
    pub(crate) fn new(names: &[&str], settings: &str) -> Self {
        let namespace = Namespace::new();
        let folder = tempfile::tempdir().expect("a temporary directory");
        let settings = settings.replace("FOLDER", &folder.path().display().to_string());
        let mut server = Self { namespace, clients: Vec::new(), folder, program: None, settings };
        server.certify("server");
        // The server looks for its script when it starts; tests put their own there.
        server.write_script("exit 0");
        for (at, name) in names.iter().enumerate() {
            server.certify(name);
            let (namespace, number) = (Namespace::new(), at + 2);
            let (ours, its) = (format!("s{at}"), format!("c{at}"));
            let macs = [1, 2].map(|end| format!("02:00:00:09:{at:02}:{end:02}"));
            server.namespace.veth(&ours, &macs[0], &namespace, &its, &macs[1]);
            server.namespace.command(&format!("ip address add 192.0.{number}.1/24 dev {ours}"));
            namespace.command(&format!("ip address add 192.0.{number}.2/24 dev {its}"));
            raise(&namespace);
            server.clients.push(Client { namespace, program: None, name: (*name).to_owned(), number });
        }
        raise(&server.namespace);
        // Each client has an address of its own, so that nobody's depends on who came first.
        fs::create_dir(server.path("clients")).expect("a folder of our own");
        server
            .give_addresses(&names.iter().enumerate().map(|(at, name)| (*name, at + 2)).collect::<Vec<_>>());
        server.start();
        server
    }

    /// From the next connection on, these names have these numbers.
    pub(crate) fn give_addresses(&self, numbers: &[(&str, usize)]) {
        for (name, number) in numbers {
            let text = format!(
                "ifconfig-push 10.89.0.{number} 255.255.255.0\nifconfig-ipv6-push fd89::{number}/64 fd89::1\n"
            );
            fs::write(self.path("clients").join(name), text).expect("a file of our own");
        }
    }

    /// Starts the server, and waits until it has written its status file.
    pub(crate) fn start(&mut self) {
        let _ = fs::write(self.path("status"), "");
        let text = format!(
            "dev {DEVICE}\ndev-type tun\nproto udp\nport 1194\nlocal 0.0.0.0\ntls-server\nmode server\n\
             topology subnet\npush \"topology subnet\"\nifconfig 10.89.0.1 255.255.255.0\n\
             ifconfig-ipv6 fd89::1/64 fd89::2\nclient-config-dir {folder}/clients\nccd-exclusive\n\
             ca {folder}/server.crt\ncert {folder}/server.crt\nkey {folder}/server.key\ndh none\n\
             verify-client-cert require\n\
             keepalive 1 4\ndisable-dco\nstatus {folder}/status 1\nstatus-version 3\nscript-security 2\n{}\n",
            self.settings,
            folder = self.folder.path().display(),
        );
        self.program = Some(self.openvpn("server", &self.namespace, &text));
        wait_for("the server writes its status", || {
            fs::read_to_string(self.path("status")).is_ok_and(|text| text.ends_with("END\n")).then_some(())
        });
    }

    /// Stops the server where it stands; its status file stays as it is.
    pub(crate) fn stop(&mut self) {
        self.program = None;
    }

    /// What the server runs when it learns an address, where `settings` name it.
    pub(crate) fn write_script(&self, line: &str) {
        fs::write(self.path("learn"), format!("#!/bin/sh\n{line}\n")).expect("a file of our own");
        fs::set_permissions(self.path("learn"), fs::Permissions::from_mode(0o755)).expect("it is ours");
    }

    /// A file of the server's folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Connects a client, and waits until it has its addresses.
    pub(crate) fn connect(&mut self, client: usize) {
        let Client { namespace, name, number, .. } = &self.clients[client];
        let text = format!(
            "client\ndev {DEVICE}\ndev-type tun\nproto udp\nremote 192.0.{number}.1 1194\nnobind\n\
             ca {folder}/server.crt\ncert \"{folder}/{name}.crt\"\nkey \"{folder}/{name}.key\"\n\
             explicit-exit-notify 2\nkeepalive 1 4\ndisable-dco\n",
            folder = self.folder.path().display(),
        );
        let program = self.openvpn(name, namespace, &text);
        wait_for("the client is connected", || {
            let said = fs::read_to_string(self.path(&format!("{name}.log"))).unwrap_or_default();
            said.contains("Initialization Sequence Completed").then_some(())
        });
        self.clients[client].program = Some(program);
    }

    /// Ends a client as its user would, and waits until it is gone.
    pub(crate) fn disconnect(&mut self, client: usize) {
        if let Some(mut program) = self.clients[client].program.take() {
            let id = program.0.id().to_string();
            let sent = Command::new("kill").args(["-TERM", &id]).status();
            assert!(sent.is_ok_and(|status| status.success()), "the program lives");
            program.0.wait().expect("it ends");
        }
    }

    /// The server's process.
    pub(crate) fn process(&self) -> u32 {
        self.program.as_ref().expect("it runs").0.id()
    }

    /// What the kernel counted on the server's device.
    pub(crate) fn counters(&self) -> DeviceCounters {
        self.namespace.device_counters(DEVICE)
    }

    /// Sends datagrams between a client at this number and the server.
    pub(crate) fn talk(&self, client: usize, number: usize, packets: usize) -> Totals {
        let namespace = &self.clients[client].namespace;
        let addresses = [format!("10.89.0.{number}"), format!("fd89::{number}")];
        datagrams::exchange(
            (namespace, addresses),
            (&self.namespace, ["10.89.0.1", "fd89::1"]),
            packets,
            200 + client * 10,
        )
    }

    fn openvpn(&self, name: &str, namespace: &Namespace, text: &str) -> Program {
        let config = self.path(&format!("{name}.conf"));
        fs::write(&config, text).expect("a file of our own");
        let log = fs::File::create(self.path(&format!("{name}.log"))).expect("a file of our own");
        let process = namespace.run(move || {
            // It ends with the thread of the namespace, whatever happens here.
            let mut command = Command::new("setpriv");
            command.args(["--pdeathsig", "KILL", "openvpn", "--config"]).arg(&config);
            command.stdin(Stdio::null()).stdout(log).stderr(Stdio::null()).spawn()
        });
        Program(process.expect("openvpn is installed (tests/run)"))
    }

    /// A key and a certificate that the first one, the server's, has signed.
    fn certify(&self, name: &str) {
        let path = |end: &str| self.path(&format!("{name}.{end}")).display().to_string();
        let mut command = Command::new("openssl");
        command.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc"]);
        command.args([
            "-days",
            "2",
            "-subj",
            &format!("/CN={name}"),
            "-keyout",
            &path("key"),
            "-out",
            &path("crt"),
        ]);
        if name != "server" {
            let authority = |end: &str| self.path(&format!("server.{end}")).display().to_string();
            command.args(["-CA", &authority("crt"), "-CAkey", &authority("key")]);
        }
        let made = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
        assert!(made.is_ok_and(|status| status.success()), "openssl makes a certificate");
    }
}

/// A device for openvpn to use, on which the kernel says nothing of its own.
fn raise(namespace: &Namespace) {
    namespace.command(&format!("ip tuntap add dev {DEVICE} mode tun"));
    namespace.allow_v6(DEVICE);
    namespace.command(&format!("ip link set {DEVICE} up"));
}
