//! The live tests' harness: network namespaces, devices and what the kernel itself counted on them.
//! Every namespace belongs to one thread, so tests run in parallel and leave nothing behind.
//! It holds no figure of the daemon: what was sent is in `tally`, how it is asked in `daemon`.
#![allow(dead_code, reason = "each test file uses its own part of the harness")]
#![allow(clippy::disallowed_methods, reason = "a live test bounds its waits by the real clock")]
#![allow(unsafe_code, reason = "TUN ioctls and packet sockets have no safe form in the dependencies")]

pub(crate) mod beside;
pub(crate) mod daemon;
pub(crate) mod datagrams;
pub(crate) mod folder;
pub(crate) mod foreign;
pub(crate) mod kernel_lock;
pub(crate) mod manager;
pub(crate) mod packet_socket;
pub(crate) mod tally;
pub(crate) mod topology;
pub(crate) mod tun;
pub(crate) mod wire;

use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use nix::sched::{CloneFlags, unshare};
use nix::unistd::{geteuid, gettid};

use crate::support::wait::{let_pass, wait_for};

type Job = Box<dyn FnOnce() + Send>;

/// A network namespace with `lo` up, held open by a thread of its own until it is dropped.
pub(crate) struct Namespace {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<thread::JoinHandle<()>>,
    thread_id: i32,
}

/// What the kernel counted on a device; bytes include the link header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct DeviceCounters {
    pub(crate) rx_bytes: u64,
    pub(crate) rx_packets: u64,
    pub(crate) rx_dropped: u64,
    pub(crate) tx_bytes: u64,
    pub(crate) tx_packets: u64,
    pub(crate) tx_dropped: u64,
}

impl Namespace {
    pub(crate) fn new() -> Self {
        assert!(geteuid().is_root(), "live tests make network namespaces: run them as root (tests/run)");
        let (jobs, inbox) = mpsc::channel::<Job>();
        let (ready, started) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("netns".into())
            .spawn(move || {
                let entered = unshare(CloneFlags::CLONE_NEWNET);
                ready.send(entered.map(|()| gettid().as_raw())).expect("the maker waits for this");
                for job in inbox {
                    job();
                }
            })
            .expect("a thread can be started");
        let thread_id = started
            .recv()
            .expect("the namespace's thread answers")
            .expect("live tests need CAP_SYS_ADMIN to make a network namespace");
        let namespace = Self { jobs: Some(jobs), thread: Some(thread), thread_id };
        namespace.command("ip link set lo up");
        // The kernel must not add router solicitations and multicast reports to an exact count.
        namespace.sysctl("net/ipv6/conf/default/disable_ipv6", "1");
        namespace.sysctl("net/ipv6/conf/default/accept_dad", "0");
        namespace.sysctl("net/ipv4/conf/all/send_redirects", "0");
        namespace.sysctl("net/ipv4/conf/default/send_redirects", "0");
        namespace.sysctl("net/ipv4/conf/all/rp_filter", "0");
        namespace.sysctl("net/ipv4/conf/default/rp_filter", "0");
        namespace
    }

    /// Runs a closure on the namespace's thread; a panic in it is the caller's.
    pub(crate) fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let (answer, result) = mpsc::channel();
        let job: Job = Box::new(move || {
            let outcome = catch_unwind(AssertUnwindSafe(work));
            // The caller waits below; if it is gone, nobody misses the answer.
            let _ = answer.send(outcome);
        });
        self.jobs.as_ref().expect("jobs live as long as the namespace").send(job).expect("the thread serves");
        match result.recv().expect("the thread answers each job") {
            Ok(value) => value,
            Err(panic) => resume_unwind(panic),
        }
    }

    /// Runs a command line (split at spaces) in the namespace; it must succeed.
    pub(crate) fn command(&self, line: &str) {
        let owned = line.to_owned();
        let output = self.run(move || {
            let mut words = owned.split_whitespace();
            Command::new(words.next().expect("a command line has a first word"))
                .args(words)
                .stdin(Stdio::null())
                .output()
        });
        let output = output.unwrap_or_else(|error| panic!("live tests need `{line}`: {error}"));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "`{line}` failed: {said}");
    }

    pub(crate) fn sysctl(&self, key: &str, value: &str) {
        let path = format!("/proc/sys/{key}");
        let owned = value.to_owned();
        let target = path.clone();
        self.run(move || fs::write(target, owned)).unwrap_or_else(|error| panic!("{path}: {error}"));
    }

    /// Makes a veth pair, both ends up: `name` here and `peer_name` in `peer`.
    pub(crate) fn veth(&self, name: &str, mac: &str, peer: &Self, peer_name: &str, peer_mac: &str) {
        let holder = peer.thread_id;
        self.command(&format!(
            "ip link add name {name} address {mac} type veth peer name {peer_name} address {peer_mac} netns {holder}"
        ));
        self.command(&format!("ip link set {name} up"));
        peer.command(&format!("ip link set {peer_name} up"));
        self.await_carrier(name);
        peer.await_carrier(peer_name);
    }

    /// Where other programs find it.
    pub(crate) fn path(&self) -> String {
        format!("/proc/{}/task/{}/ns/net", std::process::id(), self.thread_id)
    }

    /// Moves a device into another namespace (where it arrives down).
    pub(crate) fn hand_over_device(&self, device: &str, to: &Self) {
        self.command(&format!("ip link set {device} netns {}", to.thread_id));
    }

    /// Lets a device carry v6 while the kernel still says nothing of its own on it: no link-local
    /// address (hence no redirects and solicitations) and no multicast (hence no reports).
    pub(crate) fn allow_v6(&self, device: &str) {
        self.command(&format!("ip link set {device} multicast off"));
        self.command(&format!("ip link set {device} addrgenmode none"));
        self.sysctl(&format!("net/ipv6/conf/{device}/accept_ra"), "0");
        self.sysctl(&format!("net/ipv6/conf/{device}/router_solicitations"), "0");
        self.sysctl(&format!("net/ipv6/conf/{device}/disable_ipv6"), "0");
    }

    /// Makes the namespace a router of both families.
    pub(crate) fn allow_forwarding(&self) {
        self.sysctl("net/ipv4/ip_forward", "1");
        self.sysctl("net/ipv6/conf/all/forwarding", "1");
    }

    pub(crate) fn device_index(&self, device: &str) -> i32 {
        let owned = device.to_owned();
        let index = self.run(move || nix::net::if_::if_nametoindex(owned.as_str()));
        let index = index.unwrap_or_else(|error| panic!("no interface {device}: {error}"));
        i32::try_from(index).expect("interface indices fit an int")
    }

    pub(crate) fn device_counters(&self, device: &str) -> DeviceCounters {
        let table = self.read("/proc/thread-self/net/dev");
        let line = table
            .lines()
            .find_map(|line| line.trim_start().strip_prefix(device)?.strip_prefix(':'))
            .unwrap_or_else(|| panic!("no interface {device}"));
        let field: Vec<u64> = line.split_whitespace().map(|word| word.parse().expect("a count")).collect();
        DeviceCounters {
            rx_bytes: field[0],
            rx_packets: field[1],
            rx_dropped: field[3],
            tx_bytes: field[8],
            tx_packets: field[9],
            tx_dropped: field[11],
        }
    }

    /// IP packets that the namespace's own stack received, v4 and v6 (a GRO super-packet is one).
    pub(crate) fn ip_packets_received(&self) -> u64 {
        let v4 = self.count("/proc/thread-self/net/snmp", "Ip:", "InReceives");
        let v6 = self.read("/proc/thread-self/net/snmp6");
        let v6 = v6.lines().find_map(|line| line.strip_prefix("Ip6InReceives")).unwrap_or("0");
        v4 + v6.trim().parse::<u64>().expect("a count")
    }

    /// What TCP here did beside sending each segment once and taking each in its order: a flow without
    /// any is of a length that can be told beforehand.
    pub(crate) fn tcp_mishaps(&self) -> u64 {
        let of = |file, group, names: &[&str]| -> u64 {
            names.iter().map(|name| self.count(file, group, name)).sum()
        };
        let again = of("/proc/thread-self/net/snmp", "Tcp:", &["RetransSegs", "OutRsts", "InErrs"]);
        let order = ["TCPOFOQueue", "TCPDSACKOldSent", "TCPDSACKOfoSent", "TCPLossProbes", "TCPTimeouts"];
        again + of("/proc/thread-self/net/netstat", "TcpExt:", &order)
    }

    /// A count of a file that has a line of names and a line of values for each group.
    fn count(&self, file: &'static str, group: &str, name: &str) -> u64 {
        let text = self.read(file);
        let mut rows = text.lines().filter_map(|line| line.strip_prefix(group));
        let names = rows.next().expect("the group has names").split_whitespace();
        let values = rows.next().expect("the group has values").split_whitespace();
        let columns: BTreeMap<&str, &str> = names.zip(values).collect();
        columns[name].parse().expect("a count")
    }

    fn read(&self, path: &'static str) -> String {
        self.run(move || fs::read_to_string(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    fn await_carrier(&self, device: &str) {
        let owned = device.to_owned();
        self.run(move || {
            wait_for(&format!("{owned} has its carrier"), || {
                let output = Command::new("ip").args(["-o", "link", "show", "dev", &owned]).output();
                let output = output.expect("iproute2 is installed");
                String::from_utf8_lossy(&output.stdout).contains("LOWER_UP").then_some(())
            });
        });
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            // A panic of a job was handed to its caller already.
            let _ = thread.join();
        }
    }
}

/// Keeps a generator below a tap's capacity: a pause after each burst.
pub(crate) struct Pace {
    burst: u32,
    pause: Duration,
    sent: u32,
}

impl Pace {
    pub(crate) fn new(burst: u32, pause: Duration) -> Self {
        Self { burst, pause, sent: 0 }
    }

    /// The pace at which a tap must lose nothing: the ring at full rate, pnet gently.
    pub(crate) fn of(tap: &str) -> Self {
        match tap {
            "pnet" => Self::new(20, Duration::from_millis(2)),
            _ => Self::new(u32::MAX, Duration::ZERO),
        }
    }

    pub(crate) fn step(&mut self) {
        self.sent += 1;
        if self.sent >= self.burst {
            self.sent = 0;
            let_pass(self.pause, "a pace that the tap keeps up with");
        }
    }
}
