//! What `check`, a start and the log say of a web configuration: the file and line, the remedy, and
//! nothing that a file holds.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;

use crate::authority::Purpose;
use crate::daemon::Site;
use crate::fixture::{Fixture, MUTUAL, TLS, hash, names};

fn log_in() -> String {
    format!("basic_auth_users:\n  canary: {}\n", hash("2y", 5, "canary-password"))
}

#[test]
fn check_says_what_is_asked_for_and_prints_no_secret() {
    let web = [MUTUAL, &log_in()].concat();
    let fixture = Fixture::new(&web);
    let said = fixture.site.command(&["check"]).succeeded();
    assert!(said.contains("# web: TLS, client certificates required, log-ins: 1\n"), "{said}");
    assert!(said.contains(&format!("config_file = \"{}\"\n", fixture.path("web.yml").display())), "{said}");
    let report = fixture.site.command(&["check", "--json"]).succeeded();
    assert!(report.contains("\"web\":\"TLS, client certificates required, log-ins: 1\""), "{report}");
    for text in [said, report] {
        assert!(!text.contains("canary") && !text.contains("$2y$") && !text.contains("BEGIN"), "{text}");
    }
    let without = Site::new().command(&["check"]).succeeded();
    assert!(without.contains("# web: no TLS, no client certificates, log-ins: 0\n"), "{without}");
}

#[test]
fn check_and_a_start_refuse_a_bad_file_by_its_line() {
    let fixture = Fixture::new(MUTUAL);
    let other = fixture.authority.issue(Purpose::Server);
    let web = fixture.path("web.yml");
    let refused = |what: &str, texts: &[&str]| {
        let line = format!("{} line", web.display());
        let texts = [&[line.as_str()], texts].concat();
        for command in [&["check"][..], &["check", "--json"], &["run", "--dry-run"], &["run"]] {
            println!("{what}: {command:?}");
            fixture.site.command(command).failed(78, &texts);
        }
    };
    let (certificate, key) = (&fixture.pair.certificate, &fixture.pair.key);
    let half = &certificate[..certificate.len() / 2];
    let body: String = certificate.replace("MII", "AAA");
    let wrong_order = [fixture.authority.pem(), certificate.clone()].concat();
    for (file, text, expected) in [
        ("server.crt", half, "not valid PEM; the file may be incomplete"),
        ("server.crt", "", "contains no PEM certificate"),
        ("server.crt", key, "contains no PEM certificate"),
        ("server.crt", &body, "certificate 1 in it cannot be parsed"),
        ("server.crt", &other.certificate, "does not match the certificate in cert_file"),
        ("server.key", &other.key, "does not match the certificate in cert_file"),
        ("server.crt", &wrong_order, "certificate 2 in it is the one of key_file; put it first"),
        ("server.key", &key[..key.len() / 2], "contains no PEM private key"),
        ("server.key", certificate, "contains no PEM private key"),
        (
            "server.key",
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
            "passphrase",
        ),
        (
            "server.key",
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
            "unsupported kind of key",
        ),
        ("clients.crt", half, "not valid PEM; the file may be incomplete"),
        ("clients.crt", "nothing", "contains no PEM certificate"),
    ] {
        fixture.replace_pair(&fixture.pair);
        fixture.replace("clients.crt", &fixture.clients.pem());
        fixture.replace(file, text);
        let key = match file {
            _ if expected.contains("does not match") => ("3:", "key_file"),
            "server.crt" => ("2:", "cert_file"),
            "server.key" => ("3:", "key_file"),
            _ => ("5:", "client_ca_file"),
        };
        let path = if key.1 == "key_file" { "server.key" } else { file };
        let path = fixture.path(path).display().to_string();
        refused(file, &[key.0, &format!("tls_server_config.{} {path}: ", key.1), expected]);
    }
    fixture.replace_pair(&fixture.pair);
    fixture.replace("clients.crt", &fixture.clients.pem());
    for (mode, good) in
        [(0o640, false), (0o604, false), (0o620, false), (0o602, false), (0o400, true), (0o600, true)]
    {
        fs::set_permissions(fixture.path("server.key"), Permissions::from_mode(mode)).expect("ours");
        if good {
            fixture.site.command(&["check"]).succeeded();
        } else {
            refused("mode", &["3:", "its group or others can read or write it; chmod 600 it"]);
        }
    }
    for (at, file) in ["server.crt", "server.key", "clients.crt"].into_iter().enumerate() {
        fs::rename(fixture.path(file), fixture.path(file).with_extension("away")).expect("ours");
        refused(file, &[["2:", "3:", "5:"][at], "No such file"]);
        fs::rename(fixture.path(file).with_extension("away"), fixture.path(file)).expect("ours");
    }
    fixture.replace("web.yml", &[MUTUAL, "basic_auth_users:\n  canary: canary-password\n"].concat());
    refused("no hash", &["line 7: basic_auth_users: expected a bcrypt hash"]);
    // Suites for another kind of key: every handshake would fail.
    let suites = "max_version: TLS12, cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]";
    fixture.replace(
        "web.yml",
        &MUTUAL.replacen("key_file:", &format!("{suites}\n  key_file:").replace(", cipher", "\n  cipher"), 1),
    );
    refused("suites", &["tls_server_config.key_file", "no listed cipher suite fits this key"]);
    fs::remove_file(&web).expect("ours");
    fixture
        .site
        .command(&["check"])
        .failed(78, &["web.config_file", &web.display().to_string(), "No such file"]);
}

#[test]
fn a_certificate_whose_time_is_over_or_has_not_come_is_a_warning() {
    for (years, said) in [((2000, 2001), "expired certificate; renew it"), ((2099, 2100), "is not valid yet")]
    {
        let fixture = Fixture::new(TLS);
        fixture.replace_pair(&fixture.authority.issue_for(Purpose::Server, years));
        let outcome = fixture.site.command(&["check"]);
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
        let path = fixture.path("server.crt");
        assert!(outcome.stderr.contains(said) && names(&outcome.stderr, &path), "{}", outcome.stderr);
        let daemon = fixture.start();
        let warns = |times: usize| {
            let line = daemon.await_said(said, times);
            assert!(names(&line, &path), "{line}");
        };
        warns(1);
        assert_eq!(daemon.reload(), "blindmeter: reloaded");
        warns(2);
    }
    let good = Fixture::new(MUTUAL);
    assert_eq!(good.site.command(&["check"]).stderr, "");
}

/// rustls does not look at it; other programs that read the same file do.
#[test]
fn an_old_authority_of_clients_is_a_warning_too() {
    let fixture = Fixture::new(MUTUAL);
    fixture.replace("clients.crt", &fixture.authority.issue_for(Purpose::Client, (2000, 2001)).certificate);
    let outcome = fixture.site.command(&["check"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert!(
        outcome.stderr.contains("expired certificate")
            && names(&outcome.stderr, &fixture.path("clients.crt"))
    );
}

#[test]
fn a_listener_that_others_reach_is_warned_of_as_far_as_it_is_open() {
    for (web, warning) in [
        ("", Some("without TLS or a log-in; listen on 127.0.0.1")),
        (&*log_in(), Some("passwords are sent unencrypted; add tls_server_config")),
        (TLS, Some("with TLS but without a log-in; add basic_auth_users")),
        (&*[TLS, &log_in()].concat(), None),
        (MUTUAL, None),
    ] {
        let fixture = Fixture::new(web);
        let loopback = format!("127.0.0.1:{}", fixture.port());
        fixture.site.configure(&loopback, format!("0.0.0.0:{}", fixture.port()));
        // In a namespace that nobody else is in.
        let daemon = fixture.site.start_under(&["unshare", "--net"]);
        let said = daemon.said();
        let lines: Vec<&str> = said.lines().filter(|line| line.contains("other hosts can reach")).collect();
        match warning {
            Some(warning) => assert!(lines.len() == 1 && lines[0].contains(warning), "{said}"),
            None => assert!(lines.is_empty(), "{said}"),
        }
    }
}

/// As a renewal by an ACME client leaves them: a link to the newest of several.
#[test]
fn links_are_followed_inside_the_sandbox_and_keys_of_other_kinds_are_served() {
    let fixture = Fixture::new(TLS);
    let make = |kind: &[&str], name: &str| {
        let folder = fixture.path("server.crt").parent().expect("a folder").to_owned();
        let (certificate, key) = (folder.join(format!("{name}.crt")), folder.join(format!("{name}.key")));
        let mut openssl = Command::new("openssl");
        openssl.args(["req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=any"]).args(kind);
        openssl.args(["-addext", "subjectAltName=IP:127.0.0.1"]);
        openssl.arg("-out").arg(&certificate).arg("-keyout").arg(&key);
        let made = openssl.output().expect("these tests need openssl: apt-get install openssl");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        for (file, target) in [("server.crt", &certificate), ("server.key", &key)] {
            let link = fixture.path(file).with_extension("link");
            symlink(target, &link).expect("ours");
            fs::rename(&link, fixture.path(file)).expect("ours");
        }
        certificate.display().to_string()
    };
    let kinds: [&[&str]; 4] = [
        &["-newkey", "rsa:2048"],
        &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
        &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp384r1"],
        &["-newkey", "ed25519"],
    ];
    let trusted = make(kinds[0], "first");
    let daemon = fixture.start();
    let curled = |trusted: &str| crate::client::curl(fixture.port(), "/-/ready", &["--cacert", trusted]);
    assert_eq!(curled(&trusted).body, "ready\n");
    for (at, kind) in kinds.iter().enumerate() {
        let trusted = make(kind, &format!("kind{at}"));
        assert_eq!(daemon.reload(), "blindmeter: reloaded", "{kind:?}");
        let curled = curled(&trusted);
        assert_eq!((curled.code, curled.body.as_str()), (Some(0), "ready\n"), "{kind:?}");
    }
}
