//! More interfaces than descriptors, as a server that makes one for each client can have: the daemon
//! answers all the same, counts where it can, tells what it missed, and recovers when interfaces go.

mod netns;
mod support;

use netns::Namespace;
use netns::daemon::{Daemon, PORT, PROGRAM, Setup};
use netns::folder::Folder;
use netns::tally::name;
use netns::tun::{Tun, bare};
use netns::wire::nobody;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::fs::{self, File};
use std::io::Write;
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;
use support::frames::{Address, datagram};
use support::wait::{TIMEOUT, let_pass, wait_until, wait_until_still};

/// How many interfaces come, and how many descriptors there are for them.
#[derive(Clone, Copy)]
struct Scale {
    interfaces: usize,
    descriptors: usize,
    /// Connections to the page that somebody keeps open.
    pages: usize,
}

const SMALL: Scale = Scale { interfaces: 170, descriptors: 160, pages: 200 };
const LARGE: Scale = Scale { interfaces: 2000, descriptors: 1024, pages: 300 };

impl Scale {
    /// Descriptors that the tap may take.
    const fn ceiling(self) -> usize {
        if self.descriptors < 768 { self.descriptors / 2 } else { self.descriptors - 384 }
    }
}

/// Descriptors that a daemon has without any interface, at the most.
const OWN: usize = 34;

/// So many of them stay.
const LEFT: usize = 20;

#[test]
fn ring_counts_what_it_can_and_answers_when_descriptors_run_out() {
    beyond_the_limit("ring", 1, SMALL);
}

#[test]
fn pnet_counts_what_it_can_and_answers_when_descriptors_run_out() {
    beyond_the_limit("pnet", 4, SMALL);
}

#[test]
fn tcx_counts_what_it_can_and_answers_when_descriptors_run_out() {
    beyond_the_limit("tcx", 2, SMALL);
}

#[test]
fn two_thousand_interfaces_on_a_thousand_descriptors_leave_the_daemon_its_voice() {
    // Each has a descriptor here as well.
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).expect("it may be raised so far");
    beyond_the_limit("tcx", 2, LARGE);
}

/// `each`: the descriptors that a tap takes for an interface.
fn beyond_the_limit(tap: &'static str, each: usize, scale: Scale) {
    let Scale { interfaces: count, descriptors, pages } = scale;
    let namespace = Namespace::new();
    let roster = format!("{},{}\n", address().text(), name(0));
    let interfaces = vec!["vpns*", "tun0"];
    let folder = Folder::forgetful(&Setup { backend: tap, interfaces, pools: vec!["10.8.0.0/24"], roster });
    let mut limited = Command::new("prlimit");
    limited.arg(format!("--nofile={descriptors}:{descriptors}")).arg(PROGRAM);
    let mut daemon = Daemon::spawn_as(&namespace, &folder, limited);
    daemon.await_start(2);
    let mut clients: Vec<File> =
        (0..count).map(|client| bare(&namespace, &format!("vpns{client}"))).collect();
    bring_up(&namespace, &folder, count);
    let open = || daemon.descriptors().len();
    let held = wait_until_still("its descriptors", Duration::from_secs(1), open);
    assert!((scale.ceiling() - 8..=scale.ceiling() + 4).contains(&held), "{held} of {descriptors}");
    // Some are the daemon's own.
    let counting = (held - OWN) / each;
    send(&clients);
    let_pass(Duration::from_millis(300), "what is counted is counted");
    let first = daemon.export_node();
    assert!(first.attributed.up_packets >= counting as u64, "{}", first.attributed.up_packets);
    // A name has the descriptors that were kept; its coming tells what the others missed.
    let named = Tun::open(&namespace, "tun0");
    daemon.await_status(0);
    named.inject(&packet());
    let all = count as u64 + 1;
    assert_eq!(daemon.await_packets(all).attributed.up_packets, first.attributed.up_packets + 1);
    let node = daemon.export_node();
    assert_eq!(node.attributed.up_packets + node.lost, all, "the rest is told");
    assert!(daemon.metrics(&namespace).contains("blindmeter_tap_attached{interface=\"vpns*\"} 1"));
    assert!(!daemon.said().contains("vpns"), "nobody sees when clients are too many: {}", daemon.said());
    // Whoever keeps pages open does not keep others from an answer.
    let open_pages: Vec<TcpStream> = (0..pages)
        .map(|_| namespace.run(|| TcpStream::connect(("127.0.0.1", PORT)).expect("the page has room")))
        .collect();
    assert!(daemon.metrics(&namespace).contains("blindmeter_tap_attached"));
    assert_eq!(daemon.command(&["status"]).code, Some(0), "{}", daemon.said());
    assert!(open() < descriptors - 4, "{} of {descriptors}", open());
    drop(open_pages);
    let busy = ticks(daemon.id());
    let_pass(Duration::from_secs(1), "it has nothing to do");
    let busy = ticks(daemon.id()) - busy;
    assert!(busy < 15, "{busy} hundredths of a second of a processor in one second");
    // Most clients go, and the others are counted, which were not all counted before.
    namespace.command("ip link del group 7");
    clients.drain(..count - LEFT);
    wait_until("descriptors are free", TIMEOUT, || open() <= OWN + LEFT * each);
    wait_until_still("its descriptors", Duration::from_secs(1), open);
    let counted = LEFT.min(counting) as u64;
    wait_until("those who stay are counted", TIMEOUT, || {
        let before = daemon.export_node().attributed.up_packets;
        send(&clients);
        let_pass(Duration::from_millis(300), "what is counted is counted");
        daemon.export_node().attributed.up_packets - before >= counted
    });
    daemon.stop();
}

/// Brings the clients' interfaces up, all by one command.
/// Those that will go are of one group.
fn bring_up(namespace: &Namespace, folder: &Folder, count: usize) {
    let group = |client| if client < count - LEFT { 7 } else { 0 };
    let lines: String =
        (0..count).map(|client| format!("link set vpns{client} up group {}\n", group(client))).collect();
    let batch = folder.path("up");
    fs::write(&batch, lines).expect("a file of commands");
    namespace.command(&format!("ip -batch {}", batch.display()));
}

/// Lets one packet arrive from each client.
fn send(clients: &[File]) {
    for mut client in clients {
        client.write_all(&packet()).expect("the TUN device takes a packet");
    }
}

/// Processor time that a process has used, in hundredths of a second.
fn ticks(process: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).expect("root looks");
    let (_, fields) = stat.rsplit_once(')').expect("a name in brackets");
    let fields: Vec<&str> = fields.split_whitespace().collect();
    [11, 12].map(|at| fields[at].parse::<u64>().expect("a count")).iter().sum()
}

fn packet() -> Vec<u8> {
    datagram(address(), nobody(address(), 1), 150)
}

fn address() -> Address {
    Address::v4(0x0a08_0001)
}
