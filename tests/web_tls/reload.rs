//! SIGHUP after an atomic replace of every configured file, inside the sandbox, as root and as another
//! user: the new one is in force for what comes, what is open goes on, and a bad one is refused whole.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use crate::authority::{Authority, Purpose};
use crate::client::{Client, der};
use crate::daemon::Daemon;
use crate::daemon::command::repeats_nothing;
use crate::fixture::{Fixture, MUTUAL, NOBODY, TLS, basic, hash, names};
use crate::support::ports::free_port;

fn accepted(daemon: &Daemon<'_>) {
    assert_eq!(daemon.reload(), "blindmeter: reloaded");
}

fn refused(daemon: &Daemon<'_>, texts: &[&str]) -> String {
    let line = daemon.reload();
    assert!(line.starts_with("blindmeter: reload refused, keeping the old configuration: "), "{line}");
    for text in texts {
        assert!(line.contains(text), "{text:?} is named: {line}");
    }
    repeats_nothing(&line);
    line
}

/// What a client with this certificate is answered: the status, and what the server showed.
fn asks(fixture: &Fixture, port: u16, client: &Client) -> Option<(u16, Vec<u8>)> {
    let log_in = basic("scraper", "first");
    let mut session = client.connect(port).ok()?;
    let status = session.get("/metrics", &log_in).ok()?.status;
    let shown = session.shown();
    assert!(status == 200 || fixture.configuration().contains("web"), "only the door refuses");
    Some((status, shown))
}

fn prefixes(fixture: &Fixture) -> u64 {
    let counts = fixture.site.command(&["roster", "counts", "--json"]).succeeded();
    let counts: serde_json::Value = serde_json::from_str(&counts).expect("JSON");
    let sources = counts["sources"].as_array().expect("a list");
    let file = sources.iter().find(|source| source["source"] == "file").expect("a roster file");
    file["prefixes"].as_u64().expect("a count")
}

fn each_file_in_turn(owner: u32) {
    let users = |password: &str| format!("basic_auth_users: {{scraper: {}}}\n", hash("2y", 5, password));
    let fixture = Fixture::owned_by(owner, &[MUTUAL, &users("first")].concat());
    let daemon = fixture.start();
    let status = fixture.site.command(&["status", "--json"]).stdout;
    assert!(!status.contains("landlock") && !status.contains("seccomp"), "the sandbox is in force: {status}");
    let owner_of = format!("Uid:\t{owner}\t");
    let process = fs::read_to_string(format!("/proc/{}/status", daemon.id())).expect("it lives");
    assert!(process.contains(&owner_of), "{process}");
    let (port, own) = (fixture.port(), fixture.clients.issue(Purpose::Client));
    let client = Client::showing(&fixture.authority, &own);
    let before = der(&fixture.pair);
    assert_eq!(asks(&fixture, port, &client), Some((200, before.clone())));

    // blindmeter.toml: a listener more.
    let another = free_port();
    let loopback = format!("\"127.0.0.1:{port}\"");
    let text = fixture.configuration();
    fixture.replace(
        "blindmeter.toml",
        &text.replace(&loopback, &format!("{loopback}, \"127.0.0.1:{another}\"")),
    );
    accepted(&daemon);
    assert_eq!(asks(&fixture, another, &client), Some((200, before.clone())));

    // roster.csv: two prefixes in the place of one.
    assert_eq!(prefixes(&fixture), 1);
    fixture.replace("roster.csv", "prefix,account\n10.77.0.1,canary-one\n10.77.0.2,canary-two\n");
    accepted(&daemon);
    assert_eq!(prefixes(&fixture), 2);

    // web.yml: another password, and back.
    fixture.replace("web.yml", &[MUTUAL, &users("second")].concat());
    accepted(&daemon);
    assert_eq!(asks(&fixture, port, &client), Some((401, before.clone())));
    fixture.replace("web.yml", &[MUTUAL, &users("first")].concat());
    accepted(&daemon);
    assert_eq!(asks(&fixture, port, &client), Some((200, before.clone())));

    // The certificate: renewed for the same key.
    let renewed = fixture.authority.renew(&fixture.pair);
    assert_ne!(der(&renewed), before);
    fixture.replace("server.crt", &renewed.certificate);
    assert_eq!(asks(&fixture, port, &client), Some((200, before)), "nothing changes before the signal");
    accepted(&daemon);
    assert_eq!(asks(&fixture, port, &client), Some((200, der(&renewed))));

    // The key: another one is refused until its certificate is there as well.
    let other = fixture.authority.issue(Purpose::Server);
    fixture.replace("server.key", &other.key);
    let line = refused(&daemon, &["line 3: tls_server_config.key_file", "does not match the certificate"]);
    assert!(names(&line, &fixture.path("server.key")), "{line}");
    assert_eq!(asks(&fixture, port, &client), Some((200, der(&renewed))));
    fixture.replace("server.crt", &other.certificate);
    accepted(&daemon);
    assert_eq!(asks(&fixture, port, &client), Some((200, der(&other))));
    assert_eq!(asks(&fixture, another, &client), Some((200, der(&other))), "on every listener");

    // The clients' authority: whom it did not sign is shut out.
    let new_clients = Authority::new("another client authority");
    fixture.replace("clients.crt", &new_clients.pem());
    accepted(&daemon);
    assert_eq!(asks(&fixture, port, &client), None);
    let client = Client::showing(&fixture.authority, &new_clients.issue(Purpose::Client));
    assert_eq!(asks(&fixture, port, &client), Some((200, der(&other))));
    repeats_nothing(&daemon.said());
}

#[test]
fn every_configured_file_is_read_again_after_an_atomic_replace_as_root() {
    each_file_in_turn(0);
}

#[test]
fn every_configured_file_is_read_again_after_an_atomic_replace_as_another_user() {
    each_file_in_turn(NOBODY);
}

#[test]
fn an_open_connection_goes_on_while_new_ones_see_the_new_certificate() {
    let fixture = Fixture::new(TLS);
    let daemon = fixture.start();
    let mut open = fixture.client().connect(fixture.port()).expect("a handshake");
    assert_eq!(open.get("/-/ready", "").expect("an answer").status, 200);
    for _ in 0..3 {
        let pair = fixture.authority.issue(Purpose::Server);
        fixture.replace_pair(&pair);
        accepted(&daemon);
        assert_eq!(open.get("/metrics", "").expect("it goes on").status, 200);
        assert_eq!(open.shown(), der(&fixture.pair));
        let mut new = fixture.client().connect(fixture.port()).expect("a handshake");
        assert_eq!((new.get("/metrics", "").expect("an answer").status, new.shown()), (200, der(&pair)));
    }
}

#[test]
fn a_bad_file_is_refused_whole_and_the_old_certificate_is_served_on() {
    let fixture = Fixture::new(MUTUAL);
    let daemon = fixture.start();
    let client = Client::showing(&fixture.authority, &fixture.clients.issue(Purpose::Client));
    let other = fixture.authority.issue(Purpose::Server);
    let half = &other.certificate[..other.certificate.len() / 2];
    let web = |text: &str| [MUTUAL, text].concat();
    for (file, text, said) in [
        ("server.crt", half, "line 2: tls_server_config.cert_file"),
        ("server.crt", "", "line 2: tls_server_config.cert_file"),
        ("server.crt", &*other.certificate, "line 3: tls_server_config.key_file"),
        ("server.key", &*other.key, "line 3: tls_server_config.key_file"),
        ("server.key", &other.key[..60], "line 3: tls_server_config.key_file"),
        ("clients.crt", half, "line 5: tls_server_config.client_ca_file"),
        ("web.yml", "tls_server_config: {", "line 2: invalid YAML"),
        (
            "web.yml",
            "tls_server_config: {min_version: TLS12}",
            "line 1: tls_server_config.cert_file: missing",
        ),
        (
            "web.yml",
            &*web("basic_auth_users: {canary: canary}"),
            "line 6: basic_auth_users: expected a bcrypt",
        ),
        ("web.yml", &*web("rate_limit: {burst: 1}"), "line 6: rate_limit: not supported"),
    ] {
        // What is good of the same reload is not taken either.
        fixture.replace("roster.csv", "prefix,account\n10.77.0.1,canary-one\n10.77.0.2,canary-two\n");
        fixture.replace(file, text);
        refused(&daemon, &[said]);
        assert_eq!(prefixes(&fixture), 1, "{file}: the roster is not taken");
        let mut session = client.connect(fixture.port()).expect("a handshake");
        let page = session.get("/metrics", "").expect("an answer").body;
        assert_eq!(session.shown(), der(&fixture.pair), "{file}");
        assert!(page.contains("\nblindmeter_config_last_reload_successful 0\n"), "{page}");
        fixture.replace("roster.csv", "prefix,account\n10.77.0.1,canary-one\n");
        fixture.replace("web.yml", MUTUAL);
        fixture.replace_pair(&fixture.pair);
        fixture.replace("clients.crt", &fixture.clients.pem());
        accepted(&daemon);
        let page = client.get(fixture.port(), "/metrics").expect("an answer").body;
        assert!(page.contains("\nblindmeter_config_last_reload_successful 1\n"), "{page}");
    }
    fs::set_permissions(fixture.path("server.key"), Permissions::from_mode(0o644)).expect("ours");
    refused(&daemon, &["line 3:", "its group or others can read or write it; chmod 600 it"]);
    let said = daemon.said();
    for secret in [&fixture.pair.key, &other.key, half] {
        let line = secret.lines().nth(1).expect("a line of base64");
        assert!(!said.contains(line), "{said}");
    }
    repeats_nothing(&said);
}

#[test]
fn a_bad_roster_leaves_the_old_certificate() {
    let fixture = Fixture::new(TLS);
    let daemon = fixture.start();
    fixture.replace_pair(&fixture.authority.issue(Purpose::Server));
    let lines: String = (0..65).map(|n| format!("10.77.1.{n},canary-{n}\n")).collect();
    fixture.replace("roster.csv", &format!("prefix,account\n{lines}"));
    refused(&daemon, &["more than 64 accounts"]);
    let session = fixture.client().connect(fixture.port()).expect("a handshake");
    assert_eq!(session.shown(), der(&fixture.pair));
}

#[test]
fn tls_is_switched_on_and_off_for_connections_to_come() {
    let fixture = Fixture::new(TLS);
    let daemon = fixture.start();
    let plain = || crate::daemon::http::exchange(fixture.port(), b"GET /-/ready HTTP/1.0\r\n\r\n");
    let mut open = fixture.client().connect(fixture.port()).expect("a handshake");
    let text = fixture.configuration();
    let without: String = text
        .lines()
        .filter(|line| !line.starts_with("config_file"))
        .fold(String::new(), |all, line| all + line + "\n");
    fixture.replace("blindmeter.toml", &without);
    accepted(&daemon);
    assert!(plain().starts_with(b"HTTP/1.0 200"));
    assert!(fixture.client().connect(fixture.port()).is_err());
    assert_eq!(open.get("/-/ready", "").expect("it goes on").status, 200);
    fixture.replace("blindmeter.toml", &text);
    accepted(&daemon);
    assert!(!plain().starts_with(b"HTTP/1.0 200"));
    assert_eq!(fixture.client().get(fixture.port(), "/-/ready").expect("an answer").status, 200);
}

#[test]
fn a_folder_that_is_new_needs_a_restart_and_the_refusal_says_so() {
    let fixture = Fixture::new(TLS);
    let daemon = fixture.start();
    let folder = tempfile::TempDir::with_prefix("blindmeter-new-").expect("a temporary directory");
    let path = folder.path().join("server.crt");
    fs::write(&path, &fixture.pair.certificate).expect("ours");
    fixture.replace("web.yml", &TLS.replace("@server.crt", &path.display().to_string()));
    refused(&daemon, &["line 1: tls_server_config.cert_file", "Permission denied", "restart the daemon"]);
    drop(daemon);
    let _daemon = fixture.start();
    assert_eq!(fixture.client().get(fixture.port(), "/-/ready").expect("an answer").status, 200);
}
