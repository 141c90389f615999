//! Each invalid web configuration with its message, and how a valid one is read.

use super::*;

/// As crypt(3) makes it, of cost 5.
const HASH: &str = "$2y$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2";

const GOOD: &str = "\
# The toolkit's own example, and more.
tls_server_config:
  cert_file: server.crt
  key_file: /keys/server.key
  client_auth_type: \"RequireAndVerifyClientCert\"
  client_ca_file: ca/clients.crt
  min_version: TLS12
  max_version: TLS13
  cipher_suites:
    - TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384
    - TLS_AES_128_GCM_SHA256
  prefer_server_cipher_suites: true
  curve_preferences: [CurveP256, X25519]
http_server_config:
  http2: false
  headers:
    X-Frame-Options: deny
    Content-Security-Policy: \"\"
    Strict-Transport-Security: max-age=31536000
basic_auth_users:
  canary: HASH
  'canary two': \"HASH\"
";

fn good() -> String {
    GOOD.replace("HASH", HASH)
}

fn folder() -> &'static Path {
    Path::new("/etc/blindmeter")
}

fn refused(from: &str, to: &str) -> String {
    let text = good();
    assert!(text.contains(from), "{from} stands in the good file");
    match parse(&text.replacen(from, to, 1), folder()) {
        Ok(_) => panic!("{to} was accepted"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_good_file_is_read_whole_and_its_paths_begin_where_it_lies() {
    let file = parse(&good(), folder()).expect("good");
    let paths: Vec<&Path> = file.files().collect();
    let expected = ["/etc/blindmeter/server.crt", "/keys/server.key", "/etc/blindmeter/ca/clients.crt"];
    assert_eq!(paths, expected.map(Path::new));
    let tls = file.tls.expect("TLS");
    assert_eq!((tls.certificate.line, tls.key.line, tls.client_ca.map(|it| it.line)), (3, 4, Some(6)));
    assert!(tls.oldest == Version::Tls12 && tls.newest == Version::Tls13 && tls.prefers_own_order);
    assert_eq!(tls.suites.as_deref(), Some(&[CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384][..]));
    assert_eq!(tls.groups.as_deref(), Some(&[NamedGroup::secp256r1, NamedGroup::X25519][..]));
    let names: Vec<&str> = file.users.iter().map(|user| user.name.as_str()).collect();
    assert_eq!(names, ["canary", "canary two"]);
    let headers: Vec<&str> = file.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(headers, ["x-frame-options", "strict-transport-security"], "an empty one is left out");
}

#[test]
fn what_is_left_out_is_off_as_in_the_toolkit() {
    for text in ["", "# nothing\n", "tls_server_config:\nbasic_auth_users: {}\nhttp_server_config:\n"] {
        let file = parse(text, folder()).expect("good");
        assert!(file.tls.is_none() && file.users.is_empty() && file.headers.is_empty(), "{text:?}");
    }
    let least = "tls_server_config: {cert_file: a, key_file: b, client_auth_type: '', cipher_suites: []}";
    let tls = parse(least, folder()).expect("good").tls.expect("TLS");
    assert!(tls.client_ca.is_none() && tls.suites.is_none() && tls.groups.is_none() && tls.prefers_own_order);
    assert!(tls.oldest == Version::Tls12 && tls.newest == Version::Tls13);
}

#[test]
fn every_error_names_its_line_and_its_remedy_and_repeats_no_name_and_no_hash() {
    for (from, to, expected) in [
        ("cert_file:", "certfile:", "line 3: unknown key, or wrong indentation; expected one of: cert_"),
        ("http_server_config:", "canary:", "line 14: unknown key, or wrong indentation; expected"),
        ("  http2: false", "  http3: false", "line 15: unknown key"),
        ("X-Frame-Options: deny", "X-Canary: deny", "line 17: unknown key"),
        ("basic_auth_users:\n", "", "line 20: unknown key, or wrong indentation; expected one of: http2,"),
        ("  cert_file: server.crt\n", "", "line 2: tls_server_config.cert_file: missing"),
        ("  key_file: /keys/server.key\n", "", "line 2: tls_server_config.key_file: missing"),
        ("  client_ca_file: ca/clients.crt\n", "", "line 2: tls_server_config.client_ca_file: missing"),
        (
            "RequireAndVerifyClientCert",
            "NoClientCert",
            "line 6: tls_server_config.client_ca_file: unused, since clients are not asked",
        ),
        ("RequireAndV", "V", "line 5: tls_server_config.client_auth_type: expected NoClientCert or"),
        (
            "RequireAndVerifyClientCert",
            "VerifyClientCertIfGiven",
            "line 5: tls_server_config.client_auth_type: admits",
        ),
        (
            "RequireAndVerifyClientCert",
            "RequireAnyClientCert",
            "without a verified certificate; use RequireAndVerifyClientCert",
        ),
        ("RequireAndVerifyClientCert", "RequestClientCert", "use RequireAndVerifyClientCert"),
        ("RequireAndVerifyClientCert", "RequireClientCert", "use RequireAndVerifyClientCert"),
        (
            "TLS12",
            "TLS11",
            "line 7: tls_server_config.min_version: not supported, since it is insecure; use TLS12",
        ),
        ("TLS12", "TLS10", "line 7: tls_server_config.min_version: not supported"),
        ("TLS12", "1.2", "line 7: tls_server_config.min_version: expected TLS12 or TLS13"),
        ("TLS13", "TLS14", "line 8: tls_server_config.max_version: expected TLS12 or TLS13"),
        (
            "TLS12\n  max_version: TLS13",
            "TLS13\n  max_version: TLS12",
            "line 2: tls_server_config: min_version is",
        ),
        (
            "_ECDSA_WITH_AES_256_GCM_SHA384",
            "_RSA_WITH_AES_128_CBC_SHA",
            "line 10: tls_server_config.cipher_suites",
        ),
        (
            "CurveP256",
            "CurveP521",
            "line 13: tls_server_config.curve_preferences: not supported; choose from X25",
        ),
        ("[CurveP256, X25519]", "X25519", "line 13: tls_server_config.curve_preferences: expected a list"),
        (
            "suites: true",
            "suites: yes",
            "line 12: tls_server_config.prefer_server_cipher_suites: expected true or",
        ),
        (
            "cert_file: server.crt",
            "cert: canary",
            "line 3: tls_server_config.cert: inline PEM is not supported;",
        ),
        ("key_file: /keys/server.key", "key: canary", "line 4: tls_server_config.key: an inline key is not"),
        (
            "client_ca_file: ca/clients.crt",
            "client_ca: canary",
            "line 6: tls_server_config.client_ca: inline PEM",
        ),
        (
            "min_version: TLS12",
            "client_allowed_sans: [canary]",
            "line 7: tls_server_config.client_allowed_sans: not",
        ),
        (
            "cert_file: server.crt",
            "cert_file: [canary]",
            "line 3: tls_server_config.cert_file: expected a string",
        ),
        ("http2: false", "http2: true", "line 15: http_server_config.http2: only HTTP/1.1 is supported"),
        ("http2: false", "http2: 'false'", "line 15: http_server_config.http2: expected true or false"),
        (
            "Options: deny",
            "Options: canary",
            "line 17: http_server_config.headers.X-Frame-Options: expected deny or",
        ),
        (
            "max-age=31536000",
            "\"a\\tb\\x01\"",
            "line 19: http_server_config.headers.Strict-Transport-Security: not a",
        ),
        (
            "basic_auth_users:\n",
            "basic_auth_users: canary\nx:\n",
            "line 20: basic_auth_users: expected a mapping",
        ),
        ("canary: HASH", "canary:", "line 21: basic_auth_users: expected a bcrypt hash"),
        ("canary: HASH", "canary: canary-password", "make one with: htpasswd -nBC 12 \"\""),
        ("canary: HASH", "canary: $2x$05$REST", "line 21: basic_auth_users: expected a bcrypt hash"),
        ("canary: HASH", "canary: $2y$15$REST", "line 21: basic_auth_users: the cost must be 4 to 14"),
        ("canary: HASH", "canary: $2y$03$REST", "line 21: basic_auth_users: the cost must be 4 to 14"),
        (
            "canary: HASH",
            "'canary:': HASH",
            "line 21: basic_auth_users: a name must not be empty or contain a colon",
        ),
        ("canary: HASH", "'': HASH", "line 21: basic_auth_users: a name must not be empty"),
        ("'canary two'", "canary", "line 22: duplicate of the key on line 21; keep one"),
        (
            "basic_auth_users:",
            "rate_limit: {burst: 1}\nbasic_auth_users:",
            "line 20: rate_limit: not supported",
        ),
    ] {
        let rest = &HASH[7..];
        let [from, to] = [from, to].map(|text| text.replace("HASH", HASH).replace("REST", rest));
        let said = refused(&from, &to);
        assert!(said.contains(expected), "{to}: {said}");
        assert!(!said.contains("canary") && !said.contains(rest), "{said}");
    }
    let many: String = (0..=USERS).map(|n| format!("  canary{n}: {HASH}\n")).collect();
    let said = parse(&format!("basic_auth_users:\n{many}"), folder()).err().expect("too many").to_string();
    assert_eq!(said, "line 66: basic_auth_users: at most 64 users; use client certificates for more");
}

#[test]
fn hashes_of_every_current_kind_are_read() {
    for kind in ["2a", "2b", "2y"] {
        let text = format!("basic_auth_users: {{canary: {}}}", HASH.replacen("2y", kind, 1));
        assert_eq!(parse(&text, folder()).expect("good").users.len(), 1, "{kind}");
    }
}
