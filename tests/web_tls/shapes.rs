//! Web configurations, certificates and renewals as other programs and people leave them.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use crate::authority::{Pair, Purpose};
use crate::client::der;
use crate::fixture::{Fixture, MUTUAL, TLS, hash};

#[test]
fn a_web_configuration_is_taken_or_refused_in_the_shapes_that_people_write() {
    let fixture = Fixture::new(TLS);
    let good = hash("2y", 4, "canary");
    let users = |hash: &str| format!("basic_auth_users:\n  canary: {hash}\n");
    for (what, text) in [
        ("nothing", String::new()),
        ("a comment", "# nothing yet\n".to_owned()),
        ("a byte order mark", format!("\u{feff}{}", users(&good))),
        ("lines of Windows", [TLS, &users(&good)].concat().replace('\n', "\r\n")),
        ("JSON", format!("{{\"basic_auth_users\": {{\"canary\": \"{good}\"}}}}")),
        ("another kind of bcrypt", users(&hash("2b", 4, "canary"))),
        ("the oldest kind of bcrypt", users(&hash("2a", 4, "canary"))),
        ("a number for a name", format!("basic_auth_users:\n  123: {good}\n")),
        ("a word of YAML for a name", format!("basic_auth_users:\n  yes: {good}\n")),
        ("a name outside ASCII", format!("basic_auth_users:\n  j\u{f6}rg: {good}\n")),
        ("clients' certificates", MUTUAL.to_owned()),
    ] {
        fixture.replace("web.yml", &text);
        println!("{what}");
        fixture.site.command(&["check"]).succeeded();
    }
    let tls = |more: &str| format!("{}, {more}}}\n", TLS.trim_end().trim_end_matches('}'));
    for (text, told) in [
        (users("canary-password"), "line 2: basic_auth_users: expected a bcrypt hash"),
        (users("\"$6$abc$def\""), "expected a bcrypt hash"),
        (users("\"$apr1$abc$def\""), "expected a bcrypt hash"),
        (users(&good.replace("$2y$", "$2x$")), "expected a bcrypt hash"),
        (users(&good.replace("$04$", "$15$")), "the cost must be 4 to 14"),
        (format!("basic_auth_users:\n  \"a:b\": {good}\n"), "must not be empty or contain a colon"),
        (format!("basic_auth_users:\n  \"\": {good}\n"), "must not be empty or contain a colon"),
        (format!("basic_auth_users:\n  - canary: {good}\n"), "expected a mapping"),
        (format!("basic_auth_users:\n  a: {good}\n  a: {good}\n"), "line 3: duplicate"),
        (format!("basic_auth_users:\n\ta: {good}\n"), "invalid YAML"),
        (TLS.replace("tls_server_config", "tls_config"), "line 1: unknown key"),
        (tls("foo: bar"), "unknown key"),
        (
            tls("client_auth_type: requireandverifyclientcert"),
            "expected NoClientCert or RequireAndVerifyClientCert",
        ),
        (tls("client_auth_type: VerifyClientCertIfGiven"), "use RequireAndVerifyClientCert"),
        (tls("min_version: TLS11"), "use TLS12 or TLS13"),
        (tls("cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA]"), "not supported; choose from"),
        (tls("curve_preferences: [CurveP521]"), "not supported; choose from X25519"),
        (tls("prefer_server_cipher_suites: \"true\""), "expected true or false"),
        (format!("{TLS}http_server_config: {{http2: true}}\n"), "only HTTP/1.1"),
        ("rate_limit: {interval: 1s}\n".to_owned(), "not supported"),
        ("tls_server_config: {cert: a, key: b}\n".to_owned(), "inline PEM is not supported"),
        (TLS.replace("@server.crt", "${CERT}"), "No such file"),
    ] {
        fixture.replace("web.yml", &text);
        fixture.site.command(&["check"]).failed(78, &["web.yml line ", told]);
    }
}

fn openssl(words: &[&str], from: &Path, to: &Path) {
    let mut openssl = Command::new("openssl");
    openssl.args(words).arg("-in").arg(from).arg("-out").arg(to);
    let made = openssl.output().expect("these tests need openssl: apt-get install openssl");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

#[test]
fn a_certificate_in_another_format_is_named_for_what_it_is() {
    let fixture = Fixture::new(TLS);
    let (certificate, key) = (fixture.path("server.crt"), fixture.path("server.key"));
    let text = fs::read_to_string(&certificate).expect("ours");
    let other = certificate.with_extension("other");
    let refused = |told: &str| {
        fs::copy(&other, &certificate).expect("ours");
        fixture.site.command(&["check"]).failed(78, &["tls_server_config.cert_file", told]);
        fs::write(&certificate, &text).expect("ours");
    };
    openssl(&["x509", "-outform", "DER"], &certificate, &other);
    refused("DER; convert it: openssl x509 -inform DER");
    let key = key.to_str().expect("text");
    openssl(&["pkcs12", "-export", "-passout", "pass:", "-inkey", key], &certificate, &other);
    refused("DER; convert it");
    // What stands around the certificate harms nothing.
    for good in [
        text.replace('\n', "\r\n"),
        text.trim_end().to_owned(),
        format!("Certificate:\n    Data: of a tool\n{text}"),
        format!("{text}{}", fixture.authority.pem()),
    ] {
        fs::write(&certificate, good).expect("ours");
        fixture.site.command(&["check"]).succeeded();
    }
}

/// As ACME clients keep them: `live/` holds links to the newest of `archive/`.
#[test]
fn a_renewal_by_links_to_an_archive_is_taken_whole() {
    let fixture = Fixture::new(TLS);
    let folder = fixture.site.path("acme");
    let archive = folder.join("archive");
    fs::create_dir_all(&archive).expect("ours");
    fs::create_dir_all(folder.join("live")).expect("ours");
    let put = |number: usize, pair: &Pair| {
        for (name, text) in [("cert", &pair.certificate), ("privkey", &pair.key)] {
            let file = archive.join(format!("{name}{number}.pem"));
            fs::write(&file, text).expect("ours");
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
            fs::set_permissions(&file, mode).expect("ours");
        }
    };
    let link = |number: usize, name: &str| {
        let new = folder.join("live/new");
        symlink(format!("../archive/{name}{number}.pem"), &new).expect("ours");
        fs::rename(&new, folder.join(format!("live/{name}.pem"))).expect("ours");
    };
    let pairs: Vec<Pair> = (0..3).map(|_| fixture.authority.issue(Purpose::Server)).collect();
    put(1, &pairs[0]);
    ["cert", "privkey"].iter().for_each(|name| link(1, name));
    fixture.replace(
        "web.yml",
        &format!(
            "tls_server_config: {{cert_file: {0}/cert.pem, key_file: {0}/privkey.pem}}\n",
            folder.join("live").display()
        ),
    );
    let daemon = fixture.start();
    let shown = || fixture.client().connect(fixture.port()).expect("a handshake").shown();
    assert_eq!(shown(), der(&pairs[0]));
    put(2, &pairs[1]);
    ["cert", "privkey"].iter().for_each(|name| link(2, name));
    assert_eq!(daemon.reload(), "blindmeter: reloaded");
    assert_eq!(shown(), der(&pairs[1]));
    // Half of a renewal: the certificate alone.
    put(3, &pairs[2]);
    link(3, "cert");
    assert!(daemon.reload().contains("does not match the certificate in cert_file; replace both files"));
    assert_eq!(shown(), der(&pairs[1]));
    link(3, "privkey");
    assert_eq!(daemon.reload(), "blindmeter: reloaded");
    assert_eq!(shown(), der(&pairs[2]));
}
