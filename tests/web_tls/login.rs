//! Who is let in by name and password, how long the others take, and what they can cost.

use std::io::{Read, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::daemon::Daemon;
use crate::daemon::http::{self, Answer, request};
use crate::fixture::{Fixture, TLS, basic, hash};
use crate::support::wait::{TIMEOUT, let_pass, wait_until};

const PAGES: [&str; 7] = ["/metrics", "/-/healthy", "/-/ready", "/", "/nowhere", "/metrics/", "/-/"];
const NAME: &str = "canary-scraper";
const PASSWORD: &str = "canary-pass:word";

/// A web configuration with these users, and no TLS.
fn users(rows: &[(&str, &str)]) -> String {
    let rows: String = rows.iter().map(|(name, hash)| format!("  {name}: {hash}\n")).collect();
    format!("basic_auth_users:\n{rows}")
}

fn one_user(cost: u32) -> String {
    users(&[(NAME, &hash("2y", cost, PASSWORD))])
}

fn get(fixture: &Fixture, path: &str, headers: &str) -> Answer {
    request(fixture.port(), "GET", path, headers)
}

fn names(answer: &Answer) -> Vec<&str> {
    answer.headers.iter().map(|(name, _)| name.as_str()).collect()
}

/// Asserts that nothing of a log-in stands in a text.
fn tells_nothing(text: &str, hashes: &[String]) {
    assert!(!text.contains("canary"), "{text}");
    for hash in hashes {
        assert!(!text.contains(hash) && !text.contains(&hash[29..]), "{text}");
    }
}

#[test]
fn every_page_asks_for_a_log_in_and_the_right_one_sees_what_all_saw_before() {
    let hashes = ["2y", "2b", "2a"].map(|kind| hash(kind, 5, PASSWORD));
    let rows = [(NAME, hashes[0].as_str()), ("canary-b", &hashes[1]), ("canary-a", &hashes[2])];
    let (open, closed) = (Fixture::new(""), Fixture::new(&users(&rows)));
    let _open = open.start();
    let daemon = closed.start();
    for path in PAGES {
        for (name, _) in rows {
            let (seen, before) = (get(&closed, path, &basic(name, PASSWORD)), get(&open, path, ""));
            assert_eq!(
                (seen.status, seen.headers, seen.body),
                (before.status, before.headers, before.body),
                "{path}"
            );
        }
        for wrong in [
            String::new(),
            basic(NAME, "canary"),
            basic(NAME, ""),
            basic(NAME, &PASSWORD[..15]),
            basic("canary-nobody", PASSWORD),
            basic("", PASSWORD),
            basic("CANARY-SCRAPER", PASSWORD),
            "Authorization: Basic\r\n".to_owned(),
            "Authorization: Basic canary\r\n".to_owned(),
            "Authorization: Basic Y2FuYXJ5\r\n".to_owned(),
            "Authorization: Bearer canary\r\n".to_owned(),
            format!("Authorization: Digest username=\"{NAME}\"\r\n"),
            [basic(NAME, PASSWORD), basic(NAME, PASSWORD)].concat(),
            basic(NAME, &format!("{PASSWORD}\0{PASSWORD}")),
        ] {
            let refused = get(&closed, path, &wrong);
            assert_eq!((refused.status, refused.body.as_str()), (401, ""), "{path}");
            assert_eq!(refused.header("www-authenticate"), Some("Basic realm=\"blindmeter\""));
            assert_eq!(refused.header("cache-control"), Some("no-store"));
            let mut names = names(&refused);
            names.sort_unstable();
            assert_eq!(names, ["cache-control", "connection", "content-length", "www-authenticate"]);
        }
    }
    let posted = request(closed.port(), "POST", "/metrics", "Content-Length: 0\r\n");
    assert_eq!(posted.status, 401, "before the method is looked at");
    assert_eq!(request(closed.port(), "POST", "/metrics", &basic(NAME, PASSWORD)).status, 405);
    let head = request(closed.port(), "HEAD", "/metrics", &basic(NAME, PASSWORD));
    assert_eq!(head.headers, get(&closed, "/metrics", &basic(NAME, PASSWORD)).headers);
    tells_nothing(&daemon.said(), &hashes);
    assert!(daemon.said().trim_end().ends_with("/metrics"), "none of it is logged: {}", daemon.said());
}

#[test]
fn headers_of_the_file_are_on_every_answer() {
    let fixed = "http_server_config:\n  http2: false\n  headers:\n    X-Frame-Options: deny\n    \
                 Strict-Transport-Security: max-age=60\n";
    let fixture = Fixture::new(&[fixed, &one_user(5)].concat());
    let _daemon = fixture.start();
    for headers in [String::new(), basic(NAME, PASSWORD)] {
        for path in ["/metrics", "/nowhere"] {
            let answer = get(&fixture, path, &headers);
            assert_eq!(answer.header("x-frame-options"), Some("deny"), "{path}");
            assert_eq!(answer.header("strict-transport-security"), Some("max-age=60"), "{path}");
        }
    }
}

/// How long a wrong log-in waits for its answer, asked for once the rest after the one before is over.
#[expect(clippy::disallowed_methods, reason = "how long an answer takes is what is measured")]
fn wait_of(fixture: &Fixture, headers: &str) -> Duration {
    let start = Instant::now();
    assert_eq!(get(fixture, "/metrics", headers).status, 401);
    let took = start.elapsed();
    let_pass(took * 4 + Duration::from_millis(20), "the rest after a wrong log-in");
    took
}

#[test]
fn a_wrong_log_in_takes_as_long_whoever_it_names() {
    let (cheap, dear) = (hash("2y", 5, PASSWORD), hash("2b", 9, PASSWORD));
    let fixture = Fixture::new(&users(&[("canary-cheap", &cheap), (NAME, &dear)]));
    let _daemon = fixture.start();
    let names = ["canary-cheap", NAME, "canary-nobody"];
    // In turn, so that what else this machine does concerns all of them; the quickest of each.
    let mut quickest = [Duration::MAX; 3];
    for guess in 0..7 {
        for (quickest, name) in quickest.iter_mut().zip(names) {
            *quickest = wait_of(&fixture, &basic(name, &format!("guess {guess}"))).min(*quickest);
        }
    }
    println!("cost 5, cost 9, nobody: {quickest:?}");
    let (least, most) = (quickest.iter().min().expect("three"), quickest.iter().max().expect("three"));
    assert!(most.as_secs_f64() / least.as_secs_f64() < 1.6, "{quickest:?}");
}

/// Seconds of processors that the daemon has used.
fn processor_seconds(daemon: &Daemon<'_>) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", daemon.id())).expect("it lives");
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let ticks: u32 = [11, 12].iter().map(|at| fields[*at].parse::<u32>().expect("a count")).sum();
    // USER_HZ is 100 on every architecture that this runs on.
    f64::from(ticks) / 100.0
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the wait of a scraper and the cost of a flood are measured")]
fn ten_wrong_log_ins_at_once_keep_no_scraper_out_and_cost_little() {
    let fixture = Fixture::new(&one_user(9));
    let daemon = fixture.start();
    let good = basic(NAME, PASSWORD);
    let (start, before) = (Instant::now(), processor_seconds(&daemon));
    let answered = AtomicUsize::new(0);
    thread::scope(|scope| {
        for guesser in 0..10 {
            let (fixture, answered) = (&fixture, &answered);
            scope.spawn(move || {
                for guess in 0.. {
                    let header = basic(&format!("canary-{guesser}"), &guess.to_string());
                    assert_eq!(get(fixture, "/metrics", &header).status, 401);
                    // Relaxed: a count, which orders nothing.
                    answered.fetch_add(1, Ordering::Relaxed);
                    if start.elapsed() > Duration::from_secs(5) {
                        return;
                    }
                }
            });
        }
        wait_until("the flood is answered", TIMEOUT, || answered.load(Ordering::Relaxed) > 0);
        // The first log-in waits its turn, within the time of a scrape.
        let first = Instant::now();
        assert_eq!(get(&fixture, "/metrics", &good).status, 200);
        assert!(first.elapsed() < Duration::from_secs(8), "the first took {:?}", first.elapsed());
        // Those after it do not wait at all.
        for _ in 0..20 {
            let next = Instant::now();
            assert_eq!(get(&fixture, "/metrics", &good).status, 200);
            assert!(next.elapsed() < Duration::from_millis(500), "a later one took {:?}", next.elapsed());
        }
    });
    let share = (processor_seconds(&daemon) - before) / start.elapsed().as_secs_f64();
    println!("a flood of wrong log-ins took {share:.2} of a processor");
    assert!(share < 0.45, "a quarter of a processor, and what the connections cost; not {share:.2}");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "how long an answer takes is what is measured")]
fn a_guess_waits_for_the_rest_after_the_one_before_it() {
    let fixture = Fixture::new(&one_user(10));
    let _daemon = fixture.start();
    let guess = |password: &str| {
        let start = Instant::now();
        assert_eq!(get(&fixture, "/metrics", &basic(NAME, password)).status, 401);
        start.elapsed()
    };
    for round in 0..3 {
        let first = guess(&format!("first {round}"));
        let second = guess(&format!("second {round}"));
        // Three times the check before it and its own; what else this machine does adds to both.
        assert!(second > first * 2, "{second:?} after {first:?}");
        let_pass(second * 2, "the rest after a wrong log-in");
    }
}

#[test]
fn connections_that_are_closed_meanwhile_leave_one_check_at_a_time() {
    let fixture = Fixture::new(&one_user(12));
    let daemon = fixture.start();
    let threads = || std::fs::read_dir(format!("/proc/{}/task", daemon.id())).expect("it lives").count();
    // Far more than there is room for: each new one closes the oldest.
    let open: Vec<_> = (0..600)
        .map(|guess| {
            let header = basic(NAME, &format!("guess {guess}"));
            let mut stream = http::connect(fixture.port());
            let text = format!("GET /metrics HTTP/1.1\r\nHost: node\r\n{header}\r\n");
            stream.write_all(text.as_bytes()).expect("the kernel takes it");
            stream
        })
        .collect();
    let_pass(Duration::from_millis(500), "checks that ran side by side would be begun by now");
    let during = threads();
    drop(open);
    // The main thread, the log, the tap, the one that asks about interfaces, the roster, and the one that checks.
    assert!(during <= 6, "{during} threads");
}

#[test]
fn a_reload_takes_away_a_log_in_from_the_next_request_on() {
    let (old, new) = (hash("2y", 5, PASSWORD), hash("2y", 5, "canary-other"));
    let web = |hash: &str| [TLS, &users(&[(NAME, hash)])].concat();
    let fixture = Fixture::new(&web(&old));
    let daemon = fixture.start();
    let mut session = fixture.client().connect(fixture.port()).expect("a handshake");
    let ask = |session: &mut crate::client::Session, password: &str| {
        session.get("/metrics", &basic(NAME, password)).expect("the connection stays").status
    };
    assert_eq!([PASSWORD, PASSWORD, "canary-other"].map(|it| ask(&mut session, it)), [200, 200, 401]);
    fixture.replace("web.yml", &web(&new));
    assert_eq!(daemon.reload(), "blindmeter: reloaded");
    assert_eq!([PASSWORD, "canary-other"].map(|it| ask(&mut session, it)), [401, 200]);
    fixture.replace("web.yml", &[TLS, &users(&[("canary-else", &new)])].concat());
    assert_eq!(daemon.reload(), "blindmeter: reloaded");
    assert_eq!(ask(&mut session, "canary-other"), 401, "the name is gone");
    fixture.replace("web.yml", TLS);
    assert_eq!(daemon.reload(), "blindmeter: reloaded");
    assert_eq!(ask(&mut session, "whatever"), 200, "nothing is asked for any more");
    tells_nothing(&daemon.said(), &[old, new]);
}

#[test]
fn a_scraper_that_has_the_wrong_password_costs_one_check() {
    let fixture = Fixture::new(&one_user(11));
    let daemon = fixture.start();
    let before = processor_seconds(&daemon);
    for _ in 0..50 {
        assert_eq!(get(&fixture, "/metrics", &basic(NAME, "wrong")).status, 401);
    }
    // A check of cost 11 takes a tenth of a second and more.
    assert!(processor_seconds(&daemon) - before < 1.0);
}

/// It gives up after a while, and finds its log-in checked when it comes again.
#[test]
#[expect(clippy::disallowed_methods, reason = "how long a check takes here is measured")]
fn a_scraper_that_gives_up_waiting_keeps_its_place() {
    let fixture = Fixture::new(&one_user(12));
    let _daemon = fixture.start();
    let send = |password: &str| {
        let mut stream = http::connect(fixture.port());
        let text = format!("GET /metrics HTTP/1.1\r\nHost: node\r\n{}\r\n", basic(NAME, password));
        stream.write_all(text.as_bytes()).expect("the kernel takes it");
        stream
    };
    let start = Instant::now();
    assert_eq!(get(&fixture, "/metrics", &basic(NAME, "first guess")).status, 401);
    let check = start.elapsed();
    let guesser = send("second guess");
    let given_up = send(PASSWORD);
    // Both are read before it gives up, while the rest after the first guess goes on.
    let_pass(check, "the rest after a wrong log-in, in part");
    drop(given_up);
    // Nobody asks while the second guess, the rest after it and the log-in take their time.
    let_pass(check * 10, "nobody asks meanwhile");
    drop(guesser);
    let mut again = send(PASSWORD);
    again.set_read_timeout(Some(check / 2)).expect("a time above zero");
    let mut buffer = [0; 4096];
    let count = again.read(&mut buffer).expect("an answer in less time than a check takes");
    assert!(buffer[..count].starts_with(b"HTTP/1.1 200"));
}

#[test]
fn what_was_proven_before_a_reload_costs_nothing_after_it() {
    let fixture = Fixture::new(&one_user(13));
    let daemon = fixture.start();
    let good = basic(NAME, PASSWORD);
    assert_eq!(get(&fixture, "/metrics", &good).status, 200);
    assert_eq!(daemon.reload(), "blindmeter: reloaded");
    let before = processor_seconds(&daemon);
    assert_eq!(get(&fixture, "/metrics", &good).status, 200);
    // A check of cost 13 takes a third of a second and more.
    assert!(processor_seconds(&daemon) - before < 0.15);
}

#[test]
fn a_stop_does_not_wait_for_log_ins_that_wait() {
    let fixture = Fixture::new(&one_user(12));
    let mut daemon = fixture.start();
    thread::scope(|scope| {
        for guess in 0..20 {
            let fixture = &fixture;
            scope.spawn(move || {
                let mut stream = http::connect(fixture.port());
                let header = basic(NAME, &format!("guess {guess}"));
                let text = format!("GET /metrics HTTP/1.1\r\nHost: node\r\n{header}\r\n");
                stream.write_all(text.as_bytes()).expect("the kernel takes it");
                let mut answer = Vec::new();
                // It is closed by the stop.
                let _ = stream.read_to_end(&mut answer);
            });
        }
        let_pass(Duration::from_millis(200), "one log-in is being checked, the others wait");
        daemon.signal(nix::sys::signal::Signal::SIGTERM);
        assert_eq!(daemon.await_end(), Some(0));
    });
}
