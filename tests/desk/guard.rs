//! What stands before the pages: headers of every answer, requests that another site had made, and bodies.

use crate::fixture::{Desk, PASSWORD, basic};

/// Headers of every answer of the desk.
const HEADERS: [(&str, &str); 5] = [
    (
        "content-security-policy",
        "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    ("cache-control", "no-store"),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
    ("connection", "close"),
];

#[test]
fn every_answer_forbids_scripts_frames_caches_and_referrers() {
    let desk = Desk::new();
    let _daemon = desk.start();
    let answers = [
        desk.get("anna", "/", ""),
        desk.get("anna", "/style.css", ""),
        desk.get("anna", "/nowhere", ""),
        desk.get("zoe", "/", ""),
        desk.get("clara", "/", ""),
        desk.get("anna", "/account", ""),
        desk.ask("GET / HTTP/1.1\r\n", ""),
        desk.post("anna", "/account", "account=canary-one"),
        desk.post("anna", "/account", ""),
        desk.api("anna", "POST", "/api/v1/account", "{\"account\":\"canary-one\"}"),
        desk.api("anna", "GET", "/api/v1/openapi.json", ""),
    ];
    for answer in answers {
        for (name, value) in HEADERS {
            assert_eq!(answer.header(name), Some(value), "{}: {}", answer.status, answer.body);
        }
        for name in ["set-cookie", "etag", "last-modified", "date", "server", "access-control-allow-origin"] {
            assert_eq!(answer.header(name), None, "{name}");
        }
        assert!(!answer.body.contains("<script") && !answer.body.contains("http://"), "{}", answer.body);
    }
}

#[test]
fn what_another_site_had_a_browser_send_is_not_done() {
    let desk = Desk::new();
    let _daemon = desk.start();
    let origin = format!("Origin: http://127.0.0.1:{}\r\n", desk.port);
    for (headers, is_ours) in [
        ("Sec-Fetch-Site: same-origin\r\nOrigin: null\r\n", true),
        (origin.as_str(), true),
        ("Sec-Fetch-Site: cross-site\r\n", false),
        ("Sec-Fetch-Site: same-site\r\n", false),
        ("Sec-Fetch-Site: none\r\n", false),
        ("Origin: null\r\n", false),
        ("Origin: http://evil.example\r\n", false),
        ("", false),
    ] {
        let answer = desk.post_with("anna", "/account", headers, "account=canary-one");
        assert_eq!(answer.status, if is_ours { 200 } else { 403 }, "{headers:?}");
        assert_eq!(answer.body.contains("canary-one"), is_ours, "{headers:?}");
    }
    // What is sent from elsewhere uses up nothing, and the API takes no form.
    let log_in = basic("anna", PASSWORD);
    for (kind, status) in
        [("application/x-www-form-urlencoded", 415), ("text/plain", 415), ("application/json", 200)]
    {
        let head = format!("POST /api/v1/account HTTP/1.1\r\n{log_in}Content-Type: {kind}\r\n");
        assert_eq!(desk.ask(&head, "{\"account\":\"canary-one\"}").status, status, "{kind}");
    }
    let head = format!(
        "POST /api/v1/account HTTP/1.1\r\n{log_in}Content-Type: application/json\r\nOrigin: http://evil.example\r\n"
    );
    assert_eq!(desk.ask(&head, "{\"account\":\"canary-one\"}").status, 403);
}

#[test]
fn a_body_has_a_length_that_is_told_and_bounded() {
    let desk = Desk::new();
    let _daemon = desk.start();
    let head = format!(
        "POST /account HTTP/1.1\r\nHost: n\r\n{}Content-Type: application/x-www-form-urlencoded\r\n\
         Sec-Fetch-Site: same-origin\r\n",
        basic("anna", PASSWORD)
    );
    for (what, rest, status) in [
        ("chunks", "Transfer-Encoding: chunked\r\n\r\n5\r\nx=abc\r\n0\r\n\r\n", 411),
        ("no length", "\r\n", 411),
        ("too much", "Content-Length: 4097\r\n\r\n", 413),
        ("far too much", "Content-Length: 999999999999\r\n\r\n", 413),
        ("a field twice", "Content-Length: 19\r\n\r\naccount=a&account=b", 400),
        ("an unknown field", "Content-Length: 15\r\n\r\naccount=a&x=abc", 400),
    ] {
        assert_eq!(desk.raw(&format!("{head}{rest}")).status, status, "{what}");
    }
}
