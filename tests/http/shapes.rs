//! Requests as scrapers, probes, proxies and strangers write them: each has one answer, which is that of HTTP/1.1
//! or none, and none of them ends the server.

use crate::daemon::Site;
use crate::daemon::http::{Answer, connect, parse};
use std::io::{Read, Write};
use std::net::Shutdown;

/// Everything that comes back for these bytes. Once it is enough, the client says that it will say no more: one that
/// says so beforehand may get no answer, since for all that the server knows it has gone.
fn told(site: &Site, bytes: &[u8], is_enough: impl Fn(&[u8]) -> bool) -> String {
    let mut stream = connect(site.port);
    // Whoever is refused early may be cut off while it speaks.
    let _ = stream.write_all(bytes);
    let (mut answer, mut piece) = (Vec::new(), [0; 4096]);
    while !is_enough(&answer) {
        match stream.read(&mut piece) {
            Ok(length) if length > 0 => answer.extend_from_slice(&piece[..length]),
            _ => break,
        }
    }
    let _ = stream.shutdown(Shutdown::Write);
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8(answer).expect("text")
}

#[test]
fn each_way_to_ask_has_its_answer() {
    let site = Site::new();
    let daemon = site.start();
    let page = daemon.metrics();
    let many: String = (0..60).map(|number| format!("X-{number}: 1\r\n")).collect();
    for (what, request) in [
        ("HTTP/1.0", "GET /metrics HTTP/1.0\r\n\r\n".to_owned()),
        ("HTTP/1.0 that stays", "GET /metrics HTTP/1.0\r\nConnection: keep-alive\r\n\r\n".to_owned()),
        ("no Host", "GET /metrics HTTP/1.1\r\n\r\n".to_owned()),
        ("a query", "GET /metrics?name[]=up HTTP/1.1\r\nHost: n\r\n\r\n".to_owned()),
        ("a proxy's form", "GET http://node:9776/metrics HTTP/1.1\r\nHost: node\r\n\r\n".to_owned()),
        ("bare line feeds", "GET /metrics HTTP/1.1\nHost: n\n\n".to_owned()),
        ("an upgrade to HTTP/2", upgrade("h2c", "HTTP2-Settings: AAMAAABkAAQAAP__\r\n")),
        ("a web socket", upgrade("websocket", "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AA==\r\n")),
        ("sixty headers", format!("GET /metrics HTTP/1.1\r\nHost: n\r\n{many}\r\n")),
    ] {
        let text = told(&site, request.as_bytes(), |answer| answer.ends_with(page.as_bytes()));
        let answer = parse(text.as_bytes()).unwrap_or_else(|| panic!("{what}: {text}"));
        assert_eq!((answer.status, answer.body.as_str()), (200, page.as_str()), "{what}");
    }
    let head = "HEAD /metrics HTTP/1.1\r\nHost: n\r\n\r\n";
    let answer = answer_to(&site, head);
    assert_eq!((answer.status, answer.body.as_str()), (200, ""));
    assert_eq!(answer.header("content-length"), Some(page.len().to_string().as_str()));
    for (what, status, request) in [
        (
            "a body that never comes",
            405,
            "POST /metrics HTTP/1.1\r\nHost: n\r\nContent-Length: 999999999999\r\n\r\n",
        ),
        (
            "a body that waits",
            405,
            "POST /metrics HTTP/1.1\r\nHost: n\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
        ),
        ("a folded header", 400, "GET /metrics HTTP/1.1\r\nHost: n\r\nX: a\r\n b\r\n\r\n"),
        ("a zero byte", 400, "GET /metrics HTTP/1.1\r\nHost: n\r\nX: a\0b\r\n\r\n"),
        ("an encoded path", 404, "GET /%6detrics HTTP/1.1\r\nHost: n\r\n\r\n"),
    ] {
        assert_eq!(answer_to(&site, request).status, status, "{what}");
    }
    // Of a request that hides another in its body, the other is not answered.
    let smuggled = "POST /metrics HTTP/1.1\r\nHost: n\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n\
                    0\r\n\r\nGET /metrics HTTP/1.1\r\nHost: n\r\n\r\n";
    assert!(!told(&site, smuggled.as_bytes(), |_| false).contains(" 200 OK"));
    assert_eq!(daemon.metrics(), page);
    assert!(daemon.said().trim_end().ends_with("/metrics"), "none of it is logged: {}", daemon.said());
}

fn upgrade(to: &str, more: &str) -> String {
    format!("GET /metrics HTTP/1.1\r\nHost: n\r\nConnection: Upgrade\r\nUpgrade: {to}\r\n{more}\r\n")
}

fn answer_to(site: &Site, request: &str) -> Answer {
    let text = told(site, request.as_bytes(), |answer| parse(answer).is_some());
    parse(text.as_bytes()).unwrap_or_else(|| panic!("{request}: {text}"))
}

#[test]
fn requests_that_come_at_once_are_answered_one_after_the_other() {
    let site = Site::new();
    let _daemon = site.start();
    let ask = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: n\r\n\r\n");
    let requests = [ask("/-/healthy"), ask("/nothing"), ask("/-/ready")].concat();
    let text = told(&site, requests.as_bytes(), |answer| answer.ends_with(b"ready\n"));
    let found: Vec<usize> = ["healthy\n", " 404 Not Found", "ready\n"]
        .iter()
        .map(|part| text.find(part).expect("answered"))
        .collect();
    assert!(found.is_sorted() && text.matches("HTTP/1.1 ").count() == 3, "{text}");
}
