//! The way that packets take: a TUN device whose other end is the test, or a tunnel of two WireGuards
//! (Debian's wireguard-go) between the node and a client in a namespace of its own.

use crate::netns::packet_socket::PacketSocket;
use crate::netns::tally::Way;
use crate::netns::wire::{HERE, Kind, THERE, Wire};
use crate::netns::{Namespace, wait_for};
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// The device that is metered.
pub(crate) const DEVICE: &str = "needle0";
/// The client's end of the tunnel.
const CLIENT: &str = "needle1";
/// Where wireguard-go listens for its configuration, whichever namespace it is in.
const SOCKETS: &str = "/var/run/wireguard";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    Tun,
    WireGuard,
}

pub(crate) enum Road {
    Tun(Wire),
    WireGuard { up: PacketSocket, down: PacketSocket, _ends: [End; 2], _client: Namespace },
}

impl Road {
    pub(crate) fn make(namespace: &Namespace, link: Link) -> Self {
        match link {
            Link::Tun => Self::Tun(Wire::make(namespace, Kind::Tun, DEVICE)),
            Link::WireGuard => tunnel(namespace),
        }
    }

    /// Sends an IP packet through the metered device.
    pub(crate) fn send(&self, way: Way, packet: &[u8]) {
        match (self, way) {
            (Self::Tun(wire), _) => wire.send(way, packet),
            (Self::WireGuard { up, .. }, Way::Up) => up.send_ip(packet),
            (Self::WireGuard { down, .. }, Way::Down) => down.send_ip(packet),
        }
    }
}

fn tunnel(node: &Namespace) -> Road {
    let client = Namespace::new();
    node.veth("carrier0", HERE, &client, "carrier1", THERE);
    node.command("ip address add 192.0.2.1/30 dev carrier0");
    client.command("ip address add 192.0.2.2/30 dev carrier1");
    let ends = [End::start(node, DEVICE), End::start(&client, CLIENT)];
    // The client alone says something by itself: two ends that begin at once wait five seconds.
    ends[0].connect(node, &ends[1], "192.0.2.2:51820 persistent-keepalive off");
    ends[1].connect(&client, &ends[0], "192.0.2.1:51820 persistent-keepalive 25");
    for (namespace, end) in [(node, &ends[0]), (&client, &ends[1])] {
        namespace.command(&format!("ip link set {} up", end.device));
    }
    for end in &ends {
        wait_for("a handshake", || end.is_connected().then_some(()));
    }
    let up = PacketSocket::egress(&client, CLIENT);
    let down = PacketSocket::egress(node, DEVICE);
    Road::WireGuard { up, down, _ends: ends, _client: client }
}

/// One wireguard-go, which ends with this.
pub(crate) struct End {
    device: &'static str,
    process: Child,
    keys: TempDir,
    public: String,
}

impl End {
    fn start(namespace: &Namespace, device: &'static str) -> Self {
        let keys = tempfile::tempdir().expect("a temporary directory");
        let private = wg(&["genkey"], Stdio::null());
        let file = keys.path().join("key");
        fs::write(&file, private).expect("a key");
        let public = wg(&["pubkey"], fs::File::open(&file).expect("a key").into());
        let process = namespace.run(move || {
            // It ends with the thread of the namespace, whatever happens here.
            let mut command = Command::new("setpriv");
            command.args(["--pdeathsig", "KILL", "wireguard-go", "-f", device]).env("LOG_LEVEL", "error");
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()
        });
        let process = process.expect("wireguard-go is installed (tests/run)");
        let end = Self { device, process, keys, public };
        wait_for("wireguard-go to listen", || end.socket().exists().then_some(()));
        end
    }

    fn socket(&self) -> std::path::PathBuf {
        Path::new(SOCKETS).join(format!("{}.sock", self.device))
    }

    fn is_connected(&self) -> bool {
        let handshakes = wg(&["show", self.device, "latest-handshakes"], Stdio::null());
        handshakes.split_whitespace().last().is_some_and(|second| second != "0")
    }

    /// Lets the other end send from any address, as a network behind a client does.
    fn connect(&self, namespace: &Namespace, other: &Self, endpoint: &str) {
        let key = self.keys.path().join("key");
        namespace.command(&format!(
            "wg set {} listen-port 51820 private-key {} peer {} allowed-ips 0.0.0.0/0,::/0 endpoint {endpoint}",
            self.device,
            key.display(),
            other.public,
        ));
    }
}

impl Drop for End {
    fn drop(&mut self) {
        // Where it has ended by itself there is nothing to end, and its socket is gone.
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_file(self.socket());
    }
}

fn wg(words: &[&str], input: Stdio) -> String {
    let output = Command::new("wg").args(words).stdin(input).output();
    let output = output.expect("wireguard-tools is installed (tests/run)");
    assert!(output.status.success(), "wg {words:?}");
    String::from_utf8(output.stdout).expect("keys are base64").trim().to_owned()
}
