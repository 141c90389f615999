//! What strangers may do to the desk: connections that say nothing, floods, and requests that hide others. Each is
//! bounded, `/metrics` answers meanwhile, and the daemon does not grow.

use crate::daemon::http::{connect, exchange, get};
use crate::fixture::{Desk, PASSWORD, basic};
use std::io::Write;
use std::net::TcpStream;

/// More than the desk holds at a time.
const SLOW: usize = 200;

/// Memory of the daemon, in KiB.
fn resident(id: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it has memory");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

#[test]
fn slow_connections_and_floods_keep_nobody_from_metrics_or_from_the_desk() {
    let desk = Desk::new();
    let daemon = desk.start();
    let (page, said) = (daemon.metrics(), daemon.said());
    let log_in = basic("anna", PASSWORD);
    assert_eq!(desk.get("anna", "/", "").status, 200);
    let before = resident(daemon.id());
    let mut slow: Vec<TcpStream> = Vec::new();
    for number in 0..SLOW {
        let mut stream = connect(desk.port);
        // A third says nothing, a third half a head, a third a head whose body never comes.
        let _ = match number % 3 {
            0 => Ok(()),
            1 => stream.write_all(b"POST /account HTTP/1.1\r\nHost: n\r\nX: "),
            _ => stream.write_all(
                format!(
                    "POST /account HTTP/1.1\r\nHost: n\r\n{log_in}Sec-Fetch-Site: same-origin\r\n\
                     Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 4000\r\n\r\naccount="
                )
                .as_bytes(),
            ),
        };
        slow.push(stream);
    }
    assert_eq!(daemon.metrics(), page, "the scraper has room of its own");
    assert_eq!(desk.get("anna", "/", "").status, 200, "the oldest made room");
    let header = format!("GET / HTTP/1.1\r\nHost: n\r\nX: {}\r\n\r\n", "x".repeat(1 << 20));
    let many: String = (0..500).map(|number| format!("X-{number}: 1\r\n")).collect();
    let many = format!("GET / HTTP/1.1\r\nHost: n\r\n{many}\r\n");
    let body = format!(
        "POST /account HTTP/1.1\r\nHost: n\r\n{log_in}Sec-Fetch-Site: same-origin\r\nContent-Type: \
         application/x-www-form-urlencoded\r\nContent-Length: 1048576\r\n\r\naccount={}",
        "x".repeat(1 << 20)
    );
    for _ in 0..20 {
        for (flood, status) in [(&header, "431"), (&many, "431"), (&body, "413")] {
            // It may be cut off while it is sent.
            let answer = exchange(desk.port, flood.as_bytes());
            let line = String::from_utf8_lossy(&answer);
            assert!(answer.is_empty() || line.starts_with(&format!("HTTP/1.1 {status} ")), "{line}");
        }
    }
    drop(slow);
    let grown = resident(daemon.id()).saturating_sub(before);
    assert!(grown < 16 << 10, "{grown} KiB more");
    assert_eq!(get(desk.site.port, "/metrics").body, page);
    assert_eq!(daemon.said(), said, "none of it is logged");
}

#[test]
fn of_a_request_that_hides_another_the_other_is_not_answered() {
    let desk = Desk::new();
    let _daemon = desk.start();
    let log_in = basic("anna", PASSWORD);
    let form = format!(
        "POST /account HTTP/1.1\r\nHost: n\r\n{log_in}Sec-Fetch-Site: same-origin\r\nContent-Type: \
         application/x-www-form-urlencoded\r\n"
    );
    let hidden = format!("GET /node HTTP/1.1\r\nHost: n\r\n{log_in}\r\n");
    for (what, rest) in [
        ("both lengths", "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_owned()),
        ("the other order", "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n".to_owned()),
        ("two lengths", "Content-Length: 0\r\nContent-Length: 40\r\n\r\n".to_owned()),
        ("an odd coding", "Transfer-Encoding: xchunked\r\nContent-Length: 0\r\n\r\n".to_owned()),
        (
            "chunked twice",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n".to_owned(),
        ),
        ("a signed length", "Content-Length: +0\r\n\r\n".to_owned()),
        ("a space before the colon", "Content-Length : 0\r\n\r\n".to_owned()),
        ("one after the other", "Content-Length: 9\r\n\r\naccount=a".to_owned()),
    ] {
        let answer = exchange(desk.port, format!("{form}{rest}{hidden}").as_bytes());
        let text = String::from_utf8_lossy(&answer);
        assert!(text.matches("HTTP/1.1 ").count() <= 1, "{what}: {text}");
        assert!(!text.contains("This node</h1>"), "{what}: {text}");
    }
}
