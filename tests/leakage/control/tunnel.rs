//! A real WireGuard tunnel between two namespaces: Debian's wireguard-go and wireguard-tools, real
//! handshakes, datagrams of known length. Ends with the processes that it started, and no others.

use crate::netns::{Namespace, wait_for};
use std::fs;
use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

/// The address inside the tunnel that the exporter shows of its peer.
pub(crate) const CLIENT_PREFIX: &str = "10.88.0.2/32";

const SERVER: &str = "10.88.0.1";
const CLIENT: &str = "10.88.0.2";

/// Header of IPv4 and of UDP.
const HEADERS: usize = 28;

/// One end: its namespace, device and daemon.
struct End {
    namespace: Namespace,
    device: String,
    daemon: Child,
    public: String,
}

/// Both ends.
pub(crate) struct Tunnel {
    server: End,
    client: End,
    /// Holds the private keys as long as there is a tunnel.
    _keys: TempDir,
}

impl End {
    fn new(keys: &Path, namespace: Namespace, side: &str) -> Self {
        // The socket of a device is a file that all namespaces share: the name is this process's own.
        let device = format!("{side}{}", std::process::id());
        let started = device.clone();
        let daemon = namespace.run(move || {
            let mut command = Command::new("wireguard-go");
            command.args(["-f", &started]).env("WG_PROCESS_FOREGROUND", "1");
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()
        });
        let daemon = daemon.expect("tests/run installs wireguard-go");
        let socket = PathBuf::from(format!("/var/run/wireguard/{device}.sock"));
        wait_for("the socket of wireguard-go", || socket.exists().then_some(()));
        let private = wg(&["genkey"], "");
        let file = keys.join(side);
        fs::write(&file, &private).expect("a key of the test");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("it is ours");
        Self { namespace, device, daemon, public: wg(&["pubkey"], &private) }
    }

    /// Lets the end know the other, and gives it its address.
    fn join(&self, keys: &Path, side: &str, own: &str, other: (&str, &str, &str)) {
        let (key, prefix, endpoint) = other;
        let key_file = keys.join(side).display().to_string();
        let device = &self.device;
        self.namespace.command(&format!(
            "wg set {device} listen-port 51820 private-key {key_file} peer {key} allowed-ips {prefix} endpoint {endpoint}:51820"
        ));
        self.namespace.command(&format!("ip address add {own}/24 dev {device}"));
        self.namespace.command(&format!("ip link set {device} multicast off mtu 1420 up"));
    }
}

impl Drop for End {
    fn drop(&mut self) {
        if let Ok(id) = i32::try_from(self.daemon.id()) {
            // An end that is gone already needs no signal; what is left of it is collected below.
            let _ = kill(Pid::from_raw(id), Signal::SIGTERM);
        }
        let _ = self.daemon.wait();
    }
}

impl Tunnel {
    pub(crate) fn new() -> Self {
        let keys = TempDir::with_prefix("blindmeter-control-").expect("a temporary directory");
        let (server, client) = (Namespace::new(), Namespace::new());
        server.veth("s0", "02:00:00:00:08:01", &client, "c0", "02:00:00:00:08:02");
        server.command("ip address add 10.8.0.1/24 dev s0");
        client.command("ip address add 10.8.0.2/24 dev c0");
        let server = End::new(keys.path(), server, "lks");
        let client = End::new(keys.path(), client, "lkc");
        server.join(keys.path(), "lks", SERVER, (&client.public, CLIENT_PREFIX, "10.8.0.2"));
        client.join(keys.path(), "lkc", CLIENT, (&server.public, "10.88.0.1/32", "10.8.0.1"));
        Self { server, client, _keys: keys }
    }

    /// Where the server's device is, and its name.
    pub(crate) fn server(&self) -> (&Namespace, &str) {
        (&self.server.namespace, &self.server.device)
    }

    /// The key that an exporter at the server shows of the client.
    pub(crate) fn client_key(&self) -> &str {
        &self.client.public
    }

    /// Sends so many IP packets of this length through the tunnel, up from the client or down to it,
    /// and waits until the other end has them all.
    pub(crate) fn send(&self, up: bool, packets: usize, length: usize) {
        let (from, to) = if up { (CLIENT, SERVER) } else { (SERVER, CLIENT) };
        let (sender, receiver) = if up { (&self.client, &self.server) } else { (&self.server, &self.client) };
        let listener =
            receiver.namespace.run(move || UdpSocket::bind((to, 0))).expect("the other end listens");
        listener.set_read_timeout(Some(crate::netns::PATIENCE)).expect("a timeout can be set");
        let at = listener.local_addr().expect("a listener has a port");
        let socket = sender.namespace.run(move || UdpSocket::bind((from, 0))).expect("an end has a socket");
        let payload = vec![0x5a; length - HEADERS];
        let mut received = vec![0; length];
        for _ in 0..packets {
            socket.send_to(&payload, at).expect("the datagram leaves");
            let count = listener.recv(&mut received).expect("the datagram comes out of the tunnel");
            assert_eq!(count, payload.len());
        }
    }
}

/// What wireguard-tools answers to these words.
fn wg(words: &[&str], input: &str) -> String {
    let mut command = Command::new("wg");
    let mut child = command
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("tests/run installs wireguard-tools");
    std::io::Write::write_all(&mut child.stdin.take().expect("it was asked for"), input.as_bytes())
        .expect("wg reads a key");
    let output = child.wait_with_output().expect("wg ends");
    assert!(output.status.success(), "wg {words:?}");
    String::from_utf8(output.stdout).expect("a key is text").trim().to_owned()
}
