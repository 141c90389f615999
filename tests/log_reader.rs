//! A log whose reader has stopped, as a container's log driver that hangs: the daemon counts, answers,
//! reloads and ends as ever, and says how many lines were dropped once somebody reads again.

mod netns;
mod support;

use netns::Namespace;
use netns::daemon::{Daemon, Setup};
use netns::folder::Folder;
use netns::tally::{Way, name};
use netns::wire::{Kind, Wire, nobody};
use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::signal::Signal;
use std::fs::{self, File};
use std::io::{self, PipeReader, Read};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;
use support::frames::{Address, datagram};
use support::wait::{TIMEOUT, let_pass, wait_until};

/// Reloads, each of which is refused with a line of more than a hundred bytes.
const RELOADS: usize = 600;

/// The smallest pipe there is: a page.
const PIPE_BYTES: i32 = 4096;

/// A daemon whose log nobody reads, and that has much to say.
struct Choked {
    namespace: Namespace,
    wire: Wire,
    folder: Arc<Folder>,
    daemon: Daemon,
    reader: PipeReader,
}

fn choke() -> Choked {
    let namespace = Namespace::new();
    let wire = Wire::make(&namespace, Kind::Tun, "tun0");
    let roster = format!("{},{}\n", address().text(), name(0));
    let interfaces = vec!["tun0", "bm1"];
    let folder =
        Folder::forgetful(&Setup { backend: "ring", interfaces, pools: vec!["10.8.0.0/24"], roster });
    let (reader, pipe) = io::pipe().expect("a pipe");
    fcntl(&pipe, FcntlArg::F_SETPIPE_SZ(PIPE_BYTES)).expect("a pipe may be small");
    let log = File::from(OwnedFd::from(pipe));
    let mut daemon = Daemon::spawn_logging_to(&namespace, &folder, log);
    daemon.await_start(2);
    let good = fs::read(folder.path("roster.csv")).expect("a roster file");
    fs::write(folder.path("roster.csv"), "no header\n").expect("it is ours");
    for _ in 0..RELOADS {
        daemon.signal(Signal::SIGHUP);
        let_pass(Duration::from_millis(2), "a reload is over before the next");
    }
    let_pass(Duration::from_millis(300), "the last of them is over before the file is good again");
    fs::write(folder.path("roster.csv"), good).expect("it is ours");
    // The tap's thread has its own lines to say.
    for _ in 0..3 {
        namespace.command("ip link add bm1 type veth peer name bm2");
        namespace.command("ip link del bm1");
    }
    Choked { namespace, wire, folder, daemon, reader }
}

impl Choked {
    fn counts_and_answers(&mut self) {
        const PACKETS: u64 = 100;
        let packet = datagram(address(), nobody(address(), 1), 150);
        (0..PACKETS).for_each(|_| self.wire.send(Way::Up, &packet));
        let node = self.daemon.await_packets(PACKETS);
        assert_eq!((node.attributed.up_packets, node.lost), (PACKETS, 0));
        assert_eq!(self.daemon.export(&name(0)).up_packets, PACKETS);
        let page = self.daemon.metrics(&self.namespace);
        assert!(page.contains("blindmeter_config_last_reload_successful 0"), "{page}");
        // The next reload is good, and nothing but the page says so.
        self.daemon.signal(Signal::SIGHUP);
        wait_until("the reload is accepted", TIMEOUT, || {
            self.daemon.metrics(&self.namespace).contains("blindmeter_config_last_reload_successful 1")
        });
        self.namespace.command("ip link add bm1 type veth peer name bm2");
        self.daemon.await_status(0);
    }
}

#[test]
fn a_log_whose_reader_has_stopped_keeps_nothing_from_going_on_or_from_ending() {
    let mut choked = choke();
    choked.counts_and_answers();
    let Choked { mut daemon, mut reader, folder, .. } = choked;
    daemon.end(Signal::SIGTERM);
    drop(daemon);
    let said = read_to_end(&mut reader);
    assert!(said.lines().all(|line| line.starts_with("blindmeter: ")), "whole lines: {said}");
    assert!(!said.contains("dropped") && !said.contains("stopping"), "nothing more got through: {said}");
    drop(folder);
}

#[test]
fn a_reader_that_reads_again_is_told_how_many_lines_it_missed() {
    let mut choked = choke();
    choked.counts_and_answers();
    let Choked { mut daemon, mut reader, .. } = choked;
    let reading = std::thread::spawn(move || read_to_end(&mut reader));
    let_pass(Duration::from_millis(100), "what waited is written");
    daemon.end(Signal::SIGTERM);
    drop(daemon);
    let said = reading.join().expect("the log is text");
    let told: Vec<&str> = said.lines().filter(|line| line.contains("lines were dropped here")).collect();
    assert_eq!(told.len(), 1, "{said}");
    let missed: usize = told[0].split_whitespace().find_map(|word| word.parse().ok()).expect("a number");
    let read = said.lines().filter(|line| line.contains("reload refused")).count();
    assert!(
        missed > 0 && read > PIPE_BYTES as usize / 200 && read + missed <= RELOADS + 16,
        "{read}, {missed}"
    );
    assert_eq!(said.lines().last(), Some("blindmeter: stopping"));
}

/// What was logged until the last writer is gone.
fn read_to_end(reader: &mut PipeReader) -> String {
    let mut text = String::new();
    reader.read_to_string(&mut text).expect("the log is text");
    text
}

fn address() -> Address {
    Address::v4(0x0a08_0001)
}
