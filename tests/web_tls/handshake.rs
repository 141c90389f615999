//! Who may shake hands, with what, and that nobody's failing handshake concerns anybody else.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustls::crypto::ring;

use crate::authority::{Authority, Purpose};
use crate::client::{BOTH, Client, ONLY_12, ONLY_13, curl, der};
use crate::daemon::Daemon;
use crate::daemon::command::repeats_nothing;
use crate::daemon::http::exchange;
use crate::fixture::{Fixture, MUTUAL, TLS};
use crate::support::wait::wait_for;

const TLS_1_2: u16 = 0x0303;
const TLS_1_3: u16 = 0x0304;

/// With the options of TLS that are added to those of every fixture.
fn fixture(more: &str) -> Fixture {
    Fixture::new(&TLS.replace("}", &format!("{more}}}")))
}

fn is_silent(daemon: &Daemon<'_>) {
    assert!(daemon.said().trim_end().ends_with("/metrics"), "none of it is logged: {}", daemon.said());
}

#[test]
fn tls_1_2_and_1_3_are_served_to_whoever_trusts_the_authority() {
    let fixture = fixture("");
    let daemon = fixture.start();
    let trusted = fixture.trusted();
    for versions in [["--tlsv1.2", "--tls-max", "1.2"], ["--tlsv1.3", "--tls-max", "1.3"]] {
        let curled = curl(fixture.port(), "/metrics", &[&["--cacert", &trusted][..], &versions].concat());
        assert_eq!(curled.code, Some(0), "{versions:?}");
        assert!(curled.body.contains("\nblindmeter_epoch 0\n"), "{}", curled.body);
    }
    // 60: a certificate that curl does not trust.
    assert_eq!(curl(fixture.port(), "/metrics", &[]).code, Some(60));
    let stranger = Client::of(&Authority::new("another authority"));
    assert!(stranger.get(fixture.port(), "/metrics").is_err());
    for (versions, expected) in [(BOTH, TLS_1_3), (ONLY_13, TLS_1_3), (ONLY_12, TLS_1_2)] {
        let client = Client::made(&fixture.authority, None, versions, ring::default_provider());
        let mut session = client.connect(fixture.port()).expect("a handshake");
        assert_eq!(session.agreed().0, expected);
        assert_eq!(session.shown(), der(&fixture.pair));
        assert_eq!(session.get("/-/ready", "").expect("an answer").body, "ready\n");
    }
    // 35: no handshake; 1.1 is allowed on curl's side.
    let old = ["--cacert", &trusted, "--tlsv1.0", "--tls-max", "1.1", "--ciphers", "DEFAULT@SECLEVEL=0"];
    assert_eq!(curl(fixture.port(), "/metrics", &old).code, Some(35));
    is_silent(&daemon);
}

#[test]
fn versions_suites_and_groups_are_those_that_are_listed() {
    let offers = |fixture: &Fixture, versions, group: Option<usize>| {
        let mut provider = ring::default_provider();
        if let Some(group) = group {
            provider.kx_groups = vec![provider.kx_groups[group]];
        }
        let client = Client::made(&fixture.authority, None, versions, provider);
        client.connect(fixture.port()).map(|session| session.agreed()).ok()
    };
    let newest = fixture(", min_version: TLS13");
    let _daemon = newest.start();
    assert!(offers(&newest, ONLY_12, None).is_none());
    assert_eq!(offers(&newest, BOTH, None).map(|agreed| agreed.0), Some(TLS_1_3));

    let oldest = fixture(
        ", max_version: TLS12, curve_preferences: [CurveP256], cipher_suites: \
         [TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256]",
    );
    let _daemon = oldest.start();
    assert!(offers(&oldest, ONLY_13, None).is_none());
    let (version, suite) = offers(&oldest, BOTH, None).expect("a handshake");
    assert_eq!((version, suite.as_str()), (TLS_1_2, "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"));
    // ring's groups: X25519, P-256, P-384.
    let by_group = [0, 1, 2].map(|group| offers(&oldest, BOTH, Some(group)).is_some());
    assert_eq!(by_group, [false, true, false]);

    // The client's own order, where it is preferred: AES-256 before CHACHA20 is what rustls offers.
    let theirs = fixture(
        ", max_version: TLS12, prefer_server_cipher_suites: false, cipher_suites: \
         [TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384]",
    );
    let _daemon = theirs.start();
    let suite = offers(&theirs, BOTH, None).expect("a handshake").1;
    assert_eq!(suite, "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384");
}

#[test]
fn only_certificates_of_the_clients_authority_are_let_in() {
    let fixture = Fixture::new(MUTUAL);
    let daemon = fixture.start();
    let own = fixture.clients.issue(Purpose::Client);
    for versions in [ONLY_12, ONLY_13] {
        let asks = |pair: Option<&_>| {
            Client::made(&fixture.authority, pair, versions, ring::default_provider())
                .get(fixture.port(), "/metrics")
                .map(|answer| answer.status)
                .ok()
        };
        assert_eq!(asks(Some(&own)), Some(200));
        assert_eq!(asks(None), None, "nothing is shown");
        assert_eq!(asks(Some(&fixture.authority.issue(Purpose::Client))), None, "another authority's");
        assert_eq!(asks(Some(&fixture.clients.issue(Purpose::Server))), None, "a server's");
        assert_eq!(asks(Some(&fixture.clients.issue_for(Purpose::Client, (2000, 2001)))), None, "an old one");
        assert_eq!(
            asks(Some(&fixture.clients.issue_for(Purpose::Client, (2099, 2100)))),
            None,
            "an early one"
        );
    }
    let trusted = fixture.trusted();
    let (certificate, key) = fixture.files_of(&own);
    let words = ["--cacert", &trusted, "--cert", &certificate, "--key", &key];
    let curled = curl(fixture.port(), "/-/healthy", &words);
    assert_eq!((curled.code, curled.body.as_str()), (Some(0), "healthy\n"));
    assert_ne!(curl(fixture.port(), "/-/healthy", &words[..2]).code, Some(0));
    is_silent(&daemon);
}

#[test]
fn no_session_is_kept_of_a_client() {
    let fixture = fixture("");
    let _daemon = fixture.start();
    for versions in [ONLY_12, ONLY_13] {
        let client = Client::made(&fixture.authority, None, versions, ring::default_provider());
        for _ in 0..3 {
            let mut session = client.connect(fixture.port()).expect("a handshake");
            session.get("/metrics", "").expect("an answer");
            assert!(!session.is_resumed() && session.tickets() == 0);
        }
    }
}

#[test]
fn a_scrape_over_tls_is_the_plain_page_with_its_headers_alone() {
    let fixture = fixture("");
    let _daemon = fixture.start();
    let client = fixture.client();
    let first = client.get(fixture.port(), "/metrics").expect("an answer");
    let mut names: Vec<&str> = first.headers.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["cache-control", "content-length", "content-type"]);
    for _ in 0..5 {
        let again = client.get(fixture.port(), "/metrics").expect("an answer");
        assert_eq!(
            (again.status, again.headers, again.body),
            (200, first.headers.clone(), first.body.clone())
        );
    }
}

#[test]
fn what_is_no_handshake_ends_nothing_and_is_not_logged() {
    let fixture = fixture("");
    let mut daemon = fixture.start();
    let port = fixture.port();
    let record =
        |kind: u8, length: u16, body: &[u8]| [&[kind, 3, 1][..], &length.to_be_bytes(), body].concat();
    let abuses = [
        b"GET /metrics HTTP/1.1\r\nHost: node\r\n\r\n".to_vec(),
        vec![0; 100_000],
        vec![0xff; 100_000],
        record(22, 4, &[1, 0, 0, 0]),
        record(22, 4, &[1, 0xff, 0xff, 0xff]),
        record(22, 0, &[]),
        record(21, 2, &[2, 40]),
        record(23, 5, b"early"),
        record(22, u16::MAX, &[1; 65_535]),
        [record(22, 4, &[1, 0, 0x40, 0]), vec![0; 20]].concat(),
    ];
    for abuse in abuses {
        let answer = exchange_and_close(port, &abuse);
        assert!(!String::from_utf8_lossy(&answer).contains("HTTP/1.1 200"), "no page without TLS");
        assert_eq!(fixture.client().get(port, "/-/ready").expect("an answer").status, 200);
    }
    is_silent(&daemon);
    repeats_nothing(&daemon.said());
    daemon.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(daemon.await_end(), Some(0));
}

/// Sends bytes, closes that way, and reads what is answered.
fn exchange_and_close(port: u16, bytes: &[u8]) -> Vec<u8> {
    let mut stream = crate::daemon::http::connect(port);
    // A server that refuses early may close before it has read everything.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    answer
}

/// A handshake that has begun and goes on no further.
fn half_shaken(port: u16) -> TcpStream {
    let mut stream = crate::daemon::http::connect(port);
    stream.write_all(&[22, 3, 1, 2, 0, 1, 0, 1]).expect("the kernel takes it");
    stream
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the wait of a scraper is what is measured")]
fn slow_handshakes_are_bounded_in_number_and_in_time() {
    let fixture = fixture("");
    let daemon = fixture.start();
    let port = fixture.port();
    let descriptors = || daemon.descriptors().len();
    let start = Instant::now();
    let mut slow: Vec<TcpStream> = (0..400).map(|_| half_shaken(port)).collect();
    let scrape = Instant::now();
    assert_eq!(fixture.client().get(port, "/metrics").expect("an answer").status, 200);
    assert!(scrape.elapsed() < Duration::from_secs(4), "a scrape took {:?}", scrape.elapsed());
    let held = descriptors();
    assert!(held < 300, "400 slow handshakes hold {held} descriptors");
    // One of the last is held until its time is over, and no longer.
    let mut last = slow.pop().expect("400");
    last.set_read_timeout(Some(Duration::from_secs(30))).expect("a time above zero");
    let mut answer = Vec::new();
    let _ = last.read_to_end(&mut answer);
    let waited = start.elapsed();
    assert!(waited > Duration::from_secs(8) && waited < Duration::from_secs(25), "closed after {waited:?}");
    wait_for("the descriptors are given back", || (descriptors() < 40).then_some(()));
    is_silent(&daemon);
}

#[test]
fn without_tls_the_port_speaks_plain_http() {
    let fixture = Fixture::new("# nothing is asked for\n");
    let _daemon = fixture.start();
    let answer =
        exchange(fixture.port(), b"GET /-/ready HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n");
    assert!(String::from_utf8_lossy(&answer).starts_with("HTTP/1.1 200"));
    assert!(fixture.client().connect(fixture.port()).is_err());
}
