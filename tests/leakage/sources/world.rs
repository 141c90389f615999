//! One world: a daemon with every kind of roster source, the servers that tell it of their clients, and a device for
//! what these clients move. Holds no comparison.

use crate::netns::Namespace;
use crate::netns::daemon::{Daemon, PORT, PROGRAM, Setup};
use crate::netns::folder::Folder;
use crate::netns::tally::Way;
use crate::netns::wire::{Kind, Wire, nobody};
use crate::support::command::{bounded, ended};
use crate::support::frames::{Address, datagram};
use crate::support::http::exchange;
use crate::support::radius::{RadiusClient, attribute};
use crate::support::vici::{Charon, Listener, Sa};
use std::fs;
use std::io::{Read, Write};
use std::net::UdpSocket;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// Who tells of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Teller {
    /// A program of the WireGuard family, asked by its UAPI.
    WireGuard,
    /// OpenVPN's status file, and its hook.
    Status,
    LearnAddress,
    /// charon's list, and its updown script.
    Vici,
    Updown,
    Ocserv,
    Pppd,
    Radius,
}

pub(crate) const TELLERS: [Teller; 8] = [
    Teller::WireGuard,
    Teller::Status,
    Teller::LearnAddress,
    Teller::Vici,
    Teller::Updown,
    Teller::Ocserv,
    Teller::Pppd,
    Teller::Radius,
];

/// A client: who tells of it, and its number there.
pub(crate) type Client = (Teller, u8);

/// A packet of a client, up and down.
pub(crate) const UP_BYTES: usize = 8_900;
pub(crate) const DOWN_BYTES: usize = 200;

const SECRET: &str = "secret-that-servers-share";

/// Where programs of the WireGuard family listen, on the whole machine.
const SOCKETS: &str = "/var/run/wireguard";

/// The device's name in what is compared.
const DEVICE: &str = "DEVICE";

pub(crate) struct World {
    namespace: Namespace,
    wire: Wire,
    folder: Arc<Folder>,
    daemon: Daemon,
    device: String,
    charon: Charon,
    radius: RadiusClient,
    /// Who is there of those that are asked for.
    peers: Arc<Mutex<Vec<u8>>>,
    listed: Vec<u8>,
    _uapi: Listener,
}

impl World {
    /// A world whose device has this name, with epochs of so many seconds.
    pub(crate) fn new(device: &str, epoch_seconds: u64) -> Self {
        let namespace = Namespace::new();
        let wire = Wire::make(&namespace, Kind::Tun, device);
        let name: &'static str = device.to_owned().leak();
        let setup = Setup {
            backend: "tcx",
            interfaces: vec![name],
            pools: vec!["10.77.0.0/16"],
            roster: "10.77.9.1,canary-of-the-file\n".to_owned(),
        };
        let folder = Folder::keeping(&setup, &format!("{epoch_seconds}s"));
        folder.configure("crowd = 20", "crowd = 1");
        folder.configure("1Gbit/s", "1Mbit/s");
        let path = |name: &str| folder.path(name).display().to_string();
        fs::write(folder.path("radius.secret"), SECRET).expect("ours");
        fs::set_permissions(folder.path("radius.secret"), fs::Permissions::from_mode(0o600)).expect("ours");
        let row = |number| format!("{},{}\n", base64(number), account((Teller::WireGuard, number)));
        let rows: String = (1..5).map(row).collect();
        fs::write(folder.path("peers.csv"), format!("public_key,account\n{rows}")).expect("ours");
        let asked = "poll = \"1s\"\ngrace = 0\n";
        let sources = format!(
            "[[roster.wireguard]]\ninterface = \"{device}\"\naccounts = \"{}\"\n{asked}\
             [[roster.openvpn]]\nstatus = \"{}\"\n{asked}\
             [[roster.strongswan]]\nsocket = \"{}\"\n{asked}\
             [[roster.radius]]\nlisten = \"127.0.0.1:1813\"\nsecret_file = \"{}\"\n[control]\n",
            path("peers.csv"),
            path("status"),
            path("vici"),
            path("radius.secret")
        );
        folder.configure("[control]\n", &sources);
        let peers = Arc::new(Mutex::new(Vec::new()));
        let uapi = uapi(device, Arc::clone(&peers));
        let charon = Charon::start(&folder.path("vici"));
        write_status(&folder.path("status"), &[]);
        let daemon = Daemon::start_in(&namespace, &folder);
        let socket = namespace.run(|| {
            let socket = UdpSocket::bind("127.0.0.1:0").expect("loopback");
            socket.connect("127.0.0.1:1813").expect("a datagram socket");
            socket
        });
        let radius = RadiusClient::new(socket, SECRET);
        let device = device.to_owned();
        Self {
            namespace,
            wire,
            folder,
            daemon,
            device,
            charon,
            radius,
            peers,
            listed: Vec::new(),
            _uapi: uapi,
        }
    }

    /// A client logs in, or goes.
    pub(crate) fn tell(&mut self, client: Client, comes: bool) {
        let (teller, number) = client;
        let address = address(client).text();
        let account = account(client);
        let change = |list: &mut Vec<u8>| {
            list.retain(|one| *one != number);
            list.extend(comes.then_some(number));
        };
        match teller {
            Teller::WireGuard => change(&mut self.peers.lock().expect("no test panics with it")),
            Teller::Status => {
                change(&mut self.listed);
                write_status(&self.folder.path("status"), &self.listed);
            }
            Teller::Vici => {
                let mut clients = self.charon.clients.lock().expect("no test panics with it");
                clients.retain(|one| one.name != account);
                let sa = Sa {
                    real_address: "203.0.113.7".to_owned(),
                    identity: "phone".to_owned(),
                    name: account,
                    established: "1".to_owned(),
                    addresses: vec![address],
                };
                clients.extend(comes.then_some(sa));
            }
            Teller::Radius => {
                let more = [attribute(1, account.as_bytes()), attribute(8, self::address(client).octets())];
                self.radius.tell(if comes { 1 } else { 2 }, u32::from(number), &more);
            }
            Teller::LearnAddress => match comes {
                true => self.hook(&["openvpn", "add", &address, &account], &[]),
                false => self.hook(&["openvpn", "delete", &address], &[]),
            },
            Teller::Ocserv => {
                let reason = if comes { "connect" } else { "disconnect" };
                let variables = [("REASON", reason), ("USERNAME", &account), ("IP_REMOTE", &address)];
                self.hook(&["ocserv"], &variables);
            }
            Teller::Updown => {
                let verb = if comes { "up-client" } else { "down-client" };
                let network = format!("{address}/32");
                let variables =
                    [("PLUTO_VERB", verb), ("PLUTO_PEER_ID", &account), ("PLUTO_PEER_CLIENT", &network)];
                self.hook(&["ipsec"], &variables);
            }
            Teller::Pppd => {
                let event = if comes { "up" } else { "down" };
                let words = ["ppp", event, "ppp0", "", "0", "10.77.0.1", &address, ""];
                self.hook(&words, &[("PEERNAME", &account)]);
            }
        }
    }

    /// Somebody fails to log in.
    pub(crate) fn fail(&self) {
        self.hook(&["failed"], &[]);
    }

    fn hook(&self, words: &[&str], variables: &[(&str, &str)]) {
        let mut command = bounded();
        command.args([PROGRAM, "hook", "--socket"]).arg(self.folder.path("control.sock")).args(words);
        command.env_clear().envs(variables.iter().copied());
        let outcome = ended(command);
        assert_eq!((outcome.code, outcome.stdout + &outcome.stderr), (Some(0), String::new()));
    }

    /// A client sends and receives so many packets.
    pub(crate) fn talk(&self, client: Client, packets: usize) {
        let (ours, other) = (address(client), nobody(Address::v4(0), 1));
        for _ in 0..packets {
            self.wire.send(Way::Up, &datagram(ours, other, UP_BYTES));
            self.wire.send(Way::Down, &datagram(other, ours, DOWN_BYTES));
        }
    }

    /// What a client's account was charged.
    pub(crate) fn charged(&self, client: Client) -> u64 {
        self.daemon.export(&account(client)).bytes()
    }

    /// A page, with its headers.
    pub(crate) fn page(&self, path: &str) -> String {
        let request = format!("GET {path} HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n");
        let page = self.namespace.run(move || exchange(PORT, request.as_bytes()));
        String::from_utf8_lossy(&page).into_owned()
    }

    /// Everything that this world shows.
    pub(crate) fn shown(&self) -> Vec<(&'static str, String)> {
        let says = |words: &[&str]| {
            let outcome = self.folder.command_in(&self.namespace, words);
            format!("{:?}\n{}{}", outcome.code, outcome.stdout, outcome.stderr)
        };
        let staff = |client: Client| {
            let account = account(client);
            let plan = says(&["accounts", "export", &account, "--dry-run", "--json"]);
            plan + &says(&["accounts", "show", &account, "--json"])
        };
        let shown = vec![
            ("/metrics", self.page("/metrics")),
            ("/-/ready", self.page("/-/ready")),
            ("/", self.page("/")),
            ("status", says(&["status"])),
            ("status --json", says(&["status", "--json"])),
            ("roster counts", says(&["roster", "counts"])),
            ("roster counts --json", says(&["roster", "counts", "--json"])),
            ("check", says(&["check"])),
            ("doctor", self.doctor()),
            // One that comes and goes, one that comes, one that goes, and one that never was there.
            ("an account that passes", staff((Teller::WireGuard, 1))),
            ("an account that comes", staff((Teller::Ocserv, 2))),
            ("an account that goes", staff((Teller::Radius, 3))),
            ("an account that is unknown", staff((Teller::Vici, 4))),
            ("log", self.daemon.said()),
            ("files", listing(&self.folder.path(""))),
        ];
        let folder = self.folder.path("").display().to_string();
        let folder = folder.trim_end_matches('/');
        shown
            .into_iter()
            .map(|(name, text)| (name, text.replace(folder, "FOLDER").replace(&self.device, DEVICE)))
            .collect()
    }

    /// The host's other processes are nothing of this world: they come and go.
    fn doctor(&self) -> String {
        let config = self.folder.path("blindmeter.toml");
        let outcome = self.namespace.run(move || {
            let mut command = bounded();
            command.args([
                "unshare",
                "--pid",
                "--fork",
                "--mount-proc",
                PROGRAM,
                "doctor",
                "--json",
                "--config",
            ]);
            command.arg(config);
            ended(command)
        });
        format!("{:?}\n{}{}", outcome.code, outcome.stdout, outcome.stderr)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // A test that fails shows what its daemons said.
        if std::thread::panicking() {
            let _ = writeln!(std::io::stderr(), "{}:\n{}", self.device, self.daemon.said());
        }
    }
}

/// The place of a teller among them all.
fn place(teller: Teller) -> u32 {
    let at = TELLERS.iter().position(|one| *one == teller);
    at.and_then(|at| u32::try_from(at).ok()).expect("it is one of them")
}

/// The public key of a peer, which is zero but for its last byte: in hexadecimal digits, and as wg(8) writes it.
fn hexadecimal(number: u8) -> String {
    format!("{number:064x}")
}

fn base64(number: u8) -> String {
    let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    // The last three digits are of the last two bytes, with two bits to spare.
    let last = usize::from(number) << 2;
    let digit = |shift: u32| char::from(digits[last >> shift & 63]);
    format!("{}{}{}=", "A".repeat(41), digit(6), digit(0))
}

/// The account of a client: a peer's is named by the list of peers.
fn account((teller, number): Client) -> String {
    format!("canary-{}-{number}", place(teller))
}

/// The address of a client inside of the tunnel.
fn address((teller, number): Client) -> Address {
    Address::v4(0x0a4d_0000 + place(teller) * 256 + u32::from(number))
}

/// OpenVPN writes that these are there.
fn write_status(path: &Path, numbers: &[u8]) {
    let head = "TITLE,OpenVPN\nHEADER,ROUTING_TABLE,Virtual Address,Common Name\n";
    let row = |number: &u8| {
        let client = (Teller::Status, *number);
        format!("ROUTING_TABLE,{},{}\n", address(client).text(), account(client))
    };
    let rows: String = numbers.iter().map(row).collect();
    let new = path.with_extension("written");
    fs::write(&new, format!("{head}{rows}END\n")).expect("a file of our own");
    fs::rename(new, path).expect("a file of our own");
}

/// A program of the WireGuard family, whose peers are these.
fn uapi(device: &str, peers: Arc<Mutex<Vec<u8>>>) -> Listener {
    fs::create_dir_all(SOCKETS).expect("root makes it");
    let path: PathBuf = Path::new(SOCKETS).join(format!("{device}.sock"));
    Listener::start(&path, move |mut stream| {
        stream.read_exact(&mut [0; 7]).ok()?;
        let peers = peers.lock().expect("no test panics with it").clone();
        let peer = |number: u8| {
            format!(
                "public_key={}\nendpoint=203.0.113.7:51820\nlast_handshake_time_sec=1795939200\nallowed_ip={}/32\n",
                hexadecimal(number),
                address((Teller::WireGuard, number)).text()
            )
        };
        let peers: String = peers.into_iter().map(peer).collect();
        stream.write_all(format!("private_key={:064x}\n{peers}errno=0\n\n", 77).as_bytes()).ok()
    })
}

/// Names, modes and lengths of the daemon's files, and when those changed that nothing touches at its own pace.
fn listing(folder: &Path) -> String {
    let mut lines = Vec::new();
    for entry in fs::read_dir(folder).expect("the test's folder") {
        let entry = entry.expect("an entry");
        let name = entry.file_name().into_string().expect("names are text");
        // What the test writes is what the servers show; a save that is under way is seen or not by chance.
        if ["status", "status.written", "stderr"].contains(&name.as_str()) || name.ends_with(".new") {
            continue;
        }
        let Ok(metadata) = entry.metadata() else { continue };
        let bytes = if metadata.is_file() { metadata.len() } else { 0 };
        lines.push(format!("{name} {:o} {bytes}\n", metadata.mode()));
    }
    lines.sort_unstable();
    lines.concat()
}
