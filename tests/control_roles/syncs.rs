//! Large rosters that are sent at once: nobody else waits for them, and they take the memory of one (point 10 of the
//! first attack: four of 53 MiB took 0.68 GB and stalled a scrape for 3.3 s).

use super::daemon::Site;
use super::support::{http, wait::TIMEOUT};
use blindmeter::clock::Stopwatch;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

const SYNCS: usize = 4;
const TEXT_BYTES: usize = 53 << 20;

/// A roster of a whole pool, and remarks up to its length.
fn text() -> String {
    let mut text = "prefix,account\n".to_owned();
    for host in 256..65_000 {
        let _ = writeln!(text, "10.77.{}.{},canary-{}", host >> 8, host & 255, host % 32);
    }
    while text.len() < TEXT_BYTES {
        let _ = writeln!(text, "{:<99}", "# a remark");
    }
    text
}

/// The most memory that the process had so far, in bytes.
fn most_memory(process: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a figure");
    line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number") << 10
}

#[test]
fn large_rosters_at_once_hold_up_no_scrape_and_take_the_memory_of_one() {
    let site = Site::new();
    let daemon = site.start();
    let (text, done) = (text(), AtomicUsize::new(0));
    let before = most_memory(daemon.id());
    let sync = || {
        let mut stream = UnixStream::connect(site.path("control.sock")).expect("it listens");
        stream.set_read_timeout(Some(TIMEOUT)).expect("a time above zero");
        let begun = Stopwatch::start();
        writeln!(stream, r#"{{"op":"sync","bytes":{}}}"#, text.len()).expect("it reads");
        stream.write_all(text.as_bytes()).expect("it reads");
        let mut answer = String::new();
        BufReader::new(&stream).read_line(&mut answer).expect("it answers");
        // Relaxed: a count that orders nothing.
        done.fetch_add(1, Ordering::Relaxed);
        (answer, begun.elapsed())
    };
    let mut scrapes = Vec::new();
    let answers: Vec<(String, Duration)> = thread::scope(|scope| {
        let threads: Vec<_> = (0..SYNCS).map(|_| scope.spawn(sync)).collect();
        while done.load(Ordering::Relaxed) < SYNCS {
            let begun = Stopwatch::start();
            assert_eq!(http::get(site.port, "/metrics").status, 200);
            scrapes.push(begun.elapsed());
        }
        threads.into_iter().map(|thread| thread.join().expect("it is answered")).collect()
    });
    assert!(answers.iter().all(|(answer, _)| answer == "{\"done\":{}}\n"), "{answers:?}");
    scrapes.sort_unstable();
    let all = answers.iter().map(|(_, taken)| *taken).max().expect("four");
    let longest = *scrapes.last().expect("many");
    let more = most_memory(daemon.id()).saturating_sub(before);
    println!(
        "four rosters of {TEXT_BYTES} bytes took {all:?} in all and {more} bytes more; of {} scrapes the longest \
         took {longest:?}, the middle one {:?}",
        scrapes.len(),
        scrapes[scrapes.len() / 2],
    );
    // One alone takes a quarter of all, and most of that is the reading of its text.
    assert!(longest < all / 16, "a scrape waited for a roster: {longest:?} of {all:?}");
    assert!(more < 2 * TEXT_BYTES, "memory of one roster: {more} bytes");
}
