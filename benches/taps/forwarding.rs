//! What is left of a router's throughput with each tap on its way in. Of packets, one core sends,
//! routes and receives, so that every nanosecond of a tap in the kernel is missed by one.
//!
//! ```text
//! sender [gen0] ---- [in0] router [out0] ---- [sink0] sink
//! ```

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use nix::time::ClockId;

use crate::bpf::{self, Way};
use crate::generator::{Generator, LARGE, SMALL, STRANGER};
use crate::meters::{ACCOUNTS, seconds, setup};
use crate::netns::Namespace;
use crate::netns::daemon::Daemon;
use crate::owners::Owners;
use crate::programs::floor;
use crate::support::frames::mac;
use crate::{Length, median, verdict};

/// What stands on the way in.
#[derive(Clone, Copy, PartialEq)]
enum Tap {
    /// One of the floors, by tcx: the least that any program of the kernel costs, or any that counts.
    Floor(&'static str, &'static str),
    /// The empty program, by clsact.
    EmptyByClsact,
    /// The daemon's, as `Setup` names it.
    Of(&'static str),
}

const TAPS: [Tap; 7] = [
    Tap::Floor("empty program", "empty"),
    Tap::Floor("one touch", "touch_v4"),
    Tap::Of("tcx"),
    Tap::EmptyByClsact,
    Tap::Of("clsact"),
    Tap::Of("ring"),
    Tap::Of("pnet"),
];

/// The floors' object, for tc(8).
const FLOORS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/taps/floor.bpf.o");

/// Bytes that are written to a stream at a time.
const STREAM_BUFFER: usize = 1 << 18;

/// The kernel tap's goals: of single packets, at least this share of what an empty program leaves at
/// the same hook; of a stream, of the throughput without a tap.
const PACKETS_GOAL: f64 = 0.99;
const STREAM_GOAL: f64 = 0.98;

const GENERATOR: &str = "02:00:00:00:00:01";
const ENTRY: &str = "02:00:00:00:00:02";
const EXIT: &str = "02:00:00:00:01:01";
const SINK: &str = "02:00:00:00:01:02";

/// What is forwarded.
#[derive(Clone, Copy)]
enum Load {
    /// Packets of this length, one by one.
    Packets(usize),
    /// One TCP connection, whose super-packets are forwarded whole.
    Stream,
}

impl Load {
    fn name(self) -> String {
        match self {
            Self::Packets(bytes) => format!("packets of {bytes} bytes"),
            Self::Stream => "a TCP stream".to_owned(),
        }
    }

    fn unit(self) -> &'static str {
        match self {
            Self::Packets(_) => "packets",
            Self::Stream => "bytes",
        }
    }
}

/// The three namespaces. For the sink's device no packet of the generator is: it lets go of them.
struct Path {
    generator: Generator,
    sender: Namespace,
    router: Namespace,
    sink: Namespace,
}

impl Path {
    fn new(load: Load) -> Self {
        let (sender, router, sink) = (Namespace::new(), Namespace::new(), Namespace::new());
        sender.veth("gen0", GENERATOR, &router, "in0", ENTRY);
        router.veth("out0", EXIT, &sink, "sink0", SINK);
        let stranger = STRANGER.map(|octet| format!("{octet:02x}")).join(":");
        for (namespace, device, address, neighbours) in [
            (&sender, "gen0", "10.0.0.2/16", [("10.0.0.1", ENTRY)].as_slice()),
            (&router, "in0", "10.0.0.1/16", &[("10.0.0.2", GENERATOR)]),
            (&router, "out0", "198.51.100.1/24", &[("198.51.100.2", SINK), ("198.51.100.99", &stranger)]),
            (&sink, "sink0", "198.51.100.2/24", &[("198.51.100.1", EXIT)]),
        ] {
            namespace.command(&format!("ip address add {address} dev {device}"));
            for (neighbour, mac) in neighbours {
                namespace.command(&format!(
                    "ip neigh replace {neighbour} lladdr {mac} dev {device} nud permanent"
                ));
            }
        }
        sender.command("ip route add default via 10.0.0.1");
        sink.command("ip route add default via 198.51.100.1");
        router.command("ip route add 192.0.2.0/24 via 198.51.100.99");
        router.allow_forwarding();
        let bytes = if let Load::Packets(bytes) = load { bytes } else { SMALL };
        let mut generator = Generator::new(&sender, "gen0", mac(ENTRY), bytes);
        generator.speak_for(Owners::PoolV4, ACCOUNTS);
        Self { generator, sender, router, sink }
    }

    /// What arrives in a second of the time of the cores that work at it.
    fn throughput(&mut self, load: Load, amount: u64) -> f64 {
        match load {
            Load::Packets(_) => self.packets(amount),
            Load::Stream => self.stream(amount),
        }
    }

    fn packets(&mut self, frames: u64) -> f64 {
        let before = self.sink.device_counters("sink0").rx_packets;
        let start = seconds(ClockId::CLOCK_THREAD_CPUTIME_ID);
        self.generator.send(frames, None);
        let core = seconds(ClockId::CLOCK_THREAD_CPUTIME_ID) - start;
        let arrived = self.sink.device_counters("sink0").rx_packets - before;
        assert_eq!(arrived, frames, "packets that were forwarded");
        arrived as f64 / core
    }

    fn stream(&self, bytes: u64) -> f64 {
        let listener = self.sink.run(|| TcpListener::bind("198.51.100.2:0")).expect("the sink listens");
        let to = listener.local_addr().expect("a listener has an address");
        let receiver = thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("the sender connects");
            let mut buffer = vec![0; STREAM_BUFFER];
            let mut received = 0;
            while received < bytes {
                let length = stream.read(&mut buffer).expect("the stream is read");
                assert!(length != 0, "the stream ends after {received} bytes");
                received += length as u64;
            }
            seconds(ClockId::CLOCK_THREAD_CPUTIME_ID)
        });
        let mut stream = self.sender.run(move || TcpStream::connect(to)).expect("the sender connects");
        let buffer = vec![0; STREAM_BUFFER];
        let start = seconds(ClockId::CLOCK_THREAD_CPUTIME_ID);
        for _ in 0..bytes.div_ceil(STREAM_BUFFER as u64) {
            stream.write_all(&buffer).expect("the stream is written");
        }
        let sender = seconds(ClockId::CLOCK_THREAD_CPUTIME_ID) - start;
        bytes as f64 / (sender + receiver.join().expect("the receiver reads all"))
    }

    /// The throughput with something on the router's way in.
    fn throughput_with(&mut self, tap: Tap, load: Load, amount: u64) -> f64 {
        let tap = match tap {
            Tap::Of(tap) => tap,
            Tap::Floor(_, program) => {
                let program = floor(program, Owners::PoolV4);
                let index = self.router.device_index("in0");
                // Both ways, as the tap is: a kernel with a program on a way out looks for one on all.
                let attach = move || [Way::In, Way::Out].map(|way| bpf::attach(&program, index, way));
                let _links = self.router.run(attach).map(|link| link.expect("tcx: Linux 6.6 or later"));
                return self.throughput(load, amount);
            }
            Tap::EmptyByClsact => {
                self.router.command("tc qdisc add dev in0 clsact");
                for way in ["ingress", "egress"] {
                    let program = format!("object-file {FLOORS} section classifier/empty direct-action");
                    self.router.command(&format!("tc filter add dev in0 {way} bpf {program}"));
                }
                let throughput = self.throughput(load, amount);
                self.router.command("tc qdisc del dev in0 clsact");
                return throughput;
            }
        };
        let daemon = Daemon::start(&self.router, &setup(tap, "in0"));
        let throughput = self.throughput(load, amount);
        if matches!(load, Load::Packets(_)) {
            let node = daemon.await_packets(amount);
            assert_eq!(node.counted() + node.lost, amount, "{tap}: counted and lost together are sent");
        }
        daemon.stop();
        if tap == "clsact" {
            // The tap leaves the qdisc, which others may use; here it would slow what comes next.
            self.router.command("tc qdisc del dev in0 clsact");
        }
        throughput
    }
}

/// Measures every tap between two runs without one, in turns, and prints the table.
pub(crate) fn run(length: Length) {
    let (rounds, frames, bytes) = match length {
        Length::Full => (11, 320_000, 1 << 30),
        Length::Quick => (1, 64_000, 64 << 20),
    };
    crate::pin_to_last_core();
    println!(
        "\n== Forwarding through a router of two veth pairs: what arrives in a second of the time of the cores at work"
    );
    println!(
        "{rounds} rounds of {frames} packets or {bytes} bytes, each tap between two runs without one, medians; the share \
         is of those two"
    );
    println!("{:<24} {:<16} {:>20} {:>7}  goal", "load", "tap", "a second", "share");
    for load in [Load::Packets(SMALL), Load::Packets(LARGE), Load::Stream] {
        let amount = if let Load::Stream = load { bytes } else { frames };
        let mut path = Path::new(load);
        // The first run warms up.
        path.throughput(load, amount);
        let mut without = vec![path.throughput(load, amount)];
        let mut with: [(Vec<f64>, Vec<f64>); TAPS.len()] = Default::default();
        for _ in 0..rounds {
            for (tap, (throughputs, shares)) in TAPS.into_iter().zip(&mut with) {
                let before = *without.last().expect("there was one before");
                let throughput = path.throughput_with(tap, load, amount);
                let after = path.throughput(load, amount);
                throughputs.push(throughput);
                shares.push(throughput / f64::midpoint(before, after));
                without.push(after);
            }
        }
        print_row(load, "none", median(&without), 1.0, "");
        let mut empty = 1.0;
        for (tap, (throughputs, shares)) in TAPS.into_iter().zip(&with) {
            let share = median(shares);
            let name = match tap {
                Tap::Floor(name, _) | Tap::Of(name) => name,
                Tap::EmptyByClsact => "empty, clsact",
            };
            // Each hook's empty program stands before its tap.
            if matches!(tap, Tap::EmptyByClsact | Tap::Floor(_, "empty")) {
                empty = share;
            }
            let goal = match (name, load) {
                ("tcx" | "clsact", Load::Stream) => {
                    verdict(length, &format!("{STREAM_GOAL:.2}"), share >= STREAM_GOAL)
                }
                ("tcx" | "clsact", Load::Packets(_)) => {
                    let goal = format!("{PACKETS_GOAL:.2} of the empty program: {:.3},", share / empty);
                    verdict(length, &goal, share / empty >= PACKETS_GOAL)
                }
                _ => String::new(),
            };
            print_row(load, name, median(throughputs), share, &goal);
        }
    }
}

fn print_row(load: Load, tap: &str, throughput: f64, share: f64, goal: &str) {
    println!("{:<24} {tap:<16} {throughput:>12.0} {:>7} {share:>7.3}  {goal}", load.name(), load.unit());
}
