//! The desk and `/metrics` beside real traffic: what strangers do to both costs no packet and no scrape, and rights
//! are exercised on accounts whose packets pass meanwhile.
//!
//! `BLINDMETER_CONNECTIONS=10000` makes that many slow connections; otherwise they are 400.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "how long scrapes take is told, and not judged"
)]

mod netns;
mod support;

use netns::beside::{Fixture, LENGTH};
use netns::daemon::{Daemon, PORT};
use netns::folder::Folder;
use netns::tally::{Totals, Way, name};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use support::http::{exchange, get, parse};
use support::wait::let_pass;

const DESK: u16 = PORT + 1;

/// Scrapes at least, beside everything else.
const SCRAPES: usize = 200;

/// Packets each way, ten at a time.
const PACKETS: u64 = 3_000;

/// What the daemon may grow by, in KiB.
const GROWTH: u64 = 24 << 10;

fn with_desk(folder: &Folder) {
    let hash = bcrypt::hash_with_salt("password", 4, *b"sixteen bytes ok").expect("a hash").to_string();
    fs::write(folder.path("desk.yml"), format!("basic_auth_users:\n  anna: {hash}\n")).expect("log-ins");
    let file = folder.path("desk.yml").display().to_string();
    let desk = format!("[support]\nlisten = \"127.0.0.1:{DESK}\"\nconfig_file = \"{file}\"\n");
    folder.configure("[epoch]", &format!("{desk}[support.roles]\nsupport = [\"anna\"]\n[epoch]"));
}

fn resident(id: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it has memory");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// One of the ways in which a stranger's connection says little, to either listener in turns.
fn slow(number: usize) -> TcpStream {
    let mut stream =
        TcpStream::connect(("127.0.0.1", if number.is_multiple_of(2) { PORT } else { DESK })).expect("room");
    // It may be closed at once, to make room.
    let _ = match number / 2 % 3 {
        0 => Ok(()),
        1 => stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: n\r\nX: "),
        _ => stream.write_all(b"POST /account HTTP/1.1\r\nHost: n\r\nContent-Length: 4000\r\n\r\naccount="),
    };
    stream
}

/// Requests that are too large, or hide others; each is refused or cut off.
fn flood() {
    let header = format!("GET / HTTP/1.1\r\nHost: n\r\nX: {}\r\n\r\n", "x".repeat(1 << 20));
    let body = format!(
        "POST /account HTTP/1.1\r\nHost: n\r\nContent-Length: 1048576\r\n\r\n{}",
        "x".repeat(1 << 20)
    );
    let hidden = "POST / HTTP/1.1\r\nHost: n\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n\
                  GET /metrics HTTP/1.1\r\nHost: n\r\n\r\n";
    for port in [PORT, DESK] {
        for text in [&header, &body, hidden] {
            let answer = exchange(port, text.as_bytes());
            let answer = String::from_utf8_lossy(&answer);
            assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
            assert!(!answer.contains("blindmeter_"), "what was hidden is not answered");
        }
    }
}

/// Scrapes until it is told to stop; the milliseconds that each took, the shortest first.
fn scrape(is_over: &AtomicBool) -> Vec<f64> {
    let mut times = Vec::new();
    // Relaxed: the flag orders nothing.
    while times.len() < SCRAPES || !is_over.load(Ordering::Relaxed) {
        let start = Instant::now();
        let page = get(PORT, "/metrics");
        times.push(start.elapsed().as_secs_f64() * 1000.0);
        assert!(page.status == 200 && page.body.contains("blindmeter_epoch"), "{}", page.status);
        let_pass(Duration::from_millis(5), "a scraper rests");
    }
    times.sort_by(f64::total_cmp);
    times
}

fn abused(tap: &'static str) {
    let connections = std::env::var("BLINDMETER_CONNECTIONS")
        .map_or(400, |text| text.parse().expect("how many connections"));
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).expect("it may be raised so far");
    let mut fixture = Fixture::new(tap);
    with_desk(&fixture.folder);
    let daemon = fixture.start();
    let before = resident(daemon.id());
    fixture.send(1);
    // Strangers and the scraper are in the daemon's namespace; threads start in that of who starts them.
    let (strangers, scraper) = fixture.namespace.run(move || {
        let strangers = thread::spawn(move || {
            let held: Vec<TcpStream> = (0..connections).map(slow).collect();
            (0..20).for_each(|_| flood());
            held
        });
        static IS_OVER: AtomicBool = AtomicBool::new(false);
        IS_OVER.store(false, Ordering::Relaxed);
        (strangers, (thread::spawn(|| scrape(&IS_OVER)), &IS_OVER))
    });
    for _ in 0..PACKETS / 10 {
        fixture.send(10);
        let_pass(Duration::from_millis(1), "packets pass all the while");
    }
    let held = strangers.join().expect("each flood was refused");
    let most = resident(daemon.id());
    scraper.1.store(true, Ordering::Relaxed);
    let times = scraper.0.join().expect("each scrape was answered");
    let p99 = times[times.len() * 99 / 100];
    println!(
        "{tap}: {connections} connections, {} scrapes: p50 {:.2} ms, p99 {p99:.2} ms, most {:.2} ms; {} KiB more",
        times.len(),
        times[times.len() / 2],
        times[times.len() - 1],
        most.saturating_sub(before)
    );
    assert!(most.saturating_sub(before) < GROWTH, "{before} KiB, then {most}");
    for way in [Way::Up, Way::Down] {
        fixture.expected.add(Some(0), way, PACKETS + 1, (PACKETS + 1) * LENGTH as u64);
    }
    fixture.expected.assert_held_by(&daemon);
    drop(held);
    daemon.stop();
}

#[test]
fn ring_counts_every_packet_while_strangers_press_both_listeners() {
    abused("ring");
}

#[test]
fn tcx_counts_every_packet_while_strangers_press_both_listeners() {
    abused("tcx");
}

/// So many packets each way.
fn each_way(packets: u64) -> Totals {
    let bytes = packets * LENGTH as u64;
    Totals { up_bytes: bytes, up_packets: packets, down_bytes: bytes, down_packets: packets }
}

/// An account is erased while its packets pass: what passed before is gone, of the node as well and also after a
/// kill, and what passes after is counted.
fn erased(tap: &'static str) {
    let fixture = Fixture::keeping(tap);
    let daemon = fixture.start();
    fixture.send(500);
    daemon.await_packets(1_000);
    let receipt = thread::scope(|scope| {
        let sending = scope.spawn(|| {
            for _ in 0..100 {
                fixture.send(10);
                let_pass(Duration::from_millis(1), "packets pass all the while");
            }
        });
        let receipt = daemon.answer(&["accounts", "erase", &name(0), "--json"]);
        sending.join().expect("packets are sent");
        receipt
    });
    assert_eq!(receipt["account"], name(0));
    let (node, held) = (daemon.export_node(), daemon.export(&name(0)));
    assert!(node.attributed == held && held.packets() <= 2_000, "{node:?} {held:?}");
    assert_eq!((node.unattributed.packets(), node.lost, node.malformed), (0, 0, 0));
    // Once more, with nothing on its way.
    daemon.answer(&["accounts", "erase", &name(0), "--json"]);
    assert_eq!(daemon.export(&name(0)), Totals::default());
    fixture.send(70);
    daemon.await_packets(140);
    assert_eq!(daemon.export(&name(0)), each_way(70));
    fixture.folder.await_saves(2);
    daemon.kill();
    let daemon: Daemon = fixture.start();
    fixture.send(5);
    daemon.await_packets(150);
    assert_eq!(daemon.export(&name(0)), each_way(75), "{tap}: nothing of what was erased comes back");
    daemon.stop();
}

#[test]
fn ring_goes_on_from_zero_after_an_erasure_under_traffic() {
    erased("ring");
}

#[test]
fn tcx_goes_on_from_zero_after_an_erasure_under_traffic() {
    erased("tcx");
}

/// The page, asked as a member of staff, tells no more of an account that was erased than of one that nobody has.
#[test]
fn the_page_of_an_account_is_served_beside_traffic() {
    let fixture = Fixture::new("tcx");
    with_desk(&fixture.folder);
    let daemon = fixture.start();
    fixture.send(100);
    daemon.await_packets(200);
    let asked = |account: String| {
        fixture.namespace.run(move || {
            let body = format!("account={account}");
            let request = format!(
                "POST /account HTTP/1.1\r\nHost: n\r\nAuthorization: Basic YW5uYTpwYXNzd29yZA==\r\n\
                 Sec-Fetch-Site: same-origin\r\nContent-Type: application/x-www-form-urlencoded\r\n\
                 Content-Length: {}\r\n\r\n{body}",
                body.len()
            );
            parse(&exchange(DESK, request.as_bytes())).expect("a page").body.replace(&account, "NAME")
        })
    };
    let (used, unknown) = (asked(name(0)), asked(name(9)));
    assert!(used.contains("NAME") && used == unknown, "{used}\n{unknown}");
    daemon.stop();
}
