//! The web configuration file in the exporter-toolkit's format: text becomes a [`WebConfigFile`], or an
//! error with the line, the key, what is wrong and what to write instead.
//!
//! Reads no other file. Errors repeat no name, hash or value; an unknown key may be a misplaced user
//! name, so it is not repeated either.

use super::WebError;
use super::yaml::{self, Entry, Node, Value};
use axum::http::header::{
    CONTENT_SECURITY_POLICY, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
    X_XSS_PROTECTION,
};
use axum::http::{HeaderName, HeaderValue};
use bcrypt::HashParts;
use rustls::{CipherSuite, NamedGroup};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The contents of a web configuration file.
pub struct WebConfigFile {
    pub(super) tls: Option<Tls>,
    pub(super) users: Vec<User>,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
}

/// `tls_server_config`.
pub(super) struct Tls {
    pub(super) certificate: Named,
    pub(super) key: Named,
    /// The authorities that must have signed a client's certificate.
    pub(super) client_ca: Option<Named>,
    pub(super) oldest: Version,
    pub(super) newest: Version,
    /// Cipher suites of TLS 1.2, in order of preference; none for all.
    pub(super) suites: Option<Vec<CipherSuite>>,
    pub(super) groups: Option<Vec<NamedGroup>>,
    pub(super) prefers_own_order: bool,
}

/// A file named on a line.
pub(super) struct Named {
    pub(super) key: &'static str,
    pub(super) path: PathBuf,
    pub(super) line: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Version {
    Tls12,
    Tls13,
}

/// A line of `basic_auth_users`. Must not be printed.
pub(super) struct User {
    pub(super) name: Zeroizing<String>,
    pub(super) hash: Zeroizing<String>,
}

/// Most log-ins: every request is compared with each.
const USERS: usize = 64;

/// Accepted costs of bcrypt: 4 is its minimum; a check of cost 14 takes about a second, and a scrape has
/// ten.
const COSTS: std::ops::RangeInclusive<u32> = 4..=14;

const KNOWN: &str = "tls_server_config, http_server_config, basic_auth_users";

impl WebConfigFile {
    /// The files it names.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        let tls = self.tls.iter();
        let named = tls.flat_map(|tls| [Some(&tls.certificate), Some(&tls.key), tls.client_ca.as_ref()]);
        named.flatten().map(|named| named.path.as_path())
    }
}

/// Parses text whose relative paths start in this folder.
pub(super) fn parse(text: &str, folder: &Path) -> Result<WebConfigFile, WebError> {
    let mut file = WebConfigFile { tls: None, users: Vec::new(), headers: Vec::new() };
    for entry in table(yaml::read(text)?, "the file")? {
        match entry.key.as_str() {
            "tls_server_config" => file.tls = tls(entry, folder)?,
            "http_server_config" => file.headers = http(entry.node)?,
            "basic_auth_users" => file.users = users(entry.node)?,
            "rate_limit" => {
                let what = "rate_limit: not supported, since connections and log-ins are bounded already; \
                            remove it";
                return Err(WebError::new(entry.line, what));
            }
            _ => return Err(unknown(entry.line, KNOWN)),
        }
    }
    Ok(file)
}

fn unknown(line: usize, known: &str) -> WebError {
    WebError::new(line, format!("unknown key, or wrong indentation; expected one of: {known}"))
}

fn table(node: Node, what: &str) -> Result<Vec<Entry>, WebError> {
    match node.value {
        Value::Table(entries) => Ok(entries),
        Value::Nothing => Ok(Vec::new()),
        _ => Err(WebError::new(node.line, format!("{what}: expected a mapping of keys to values"))),
    }
}

/// A string; none if it is missing or empty, as in the toolkit.
fn text(node: Node, key: &str) -> Result<Option<String>, WebError> {
    match node.value {
        Value::Text { text, .. } => Ok(Some(text).filter(|text| !text.is_empty())),
        Value::Nothing => Ok(None),
        _ => Err(WebError::new(node.line, format!("{key}: expected a string"))),
    }
}

fn truth(node: &Node, key: &str) -> Result<bool, WebError> {
    match &node.value {
        Value::Text { text, plain: true } if text == "true" => Ok(true),
        Value::Text { text, plain: true } if text == "false" => Ok(false),
        _ => Err(WebError::new(node.line, format!("{key}: expected true or false"))),
    }
}

/// The words of a list, each of which must be known; none for an empty list.
fn words<T: Copy>(node: Node, key: &str, known: &[(&str, Option<T>)]) -> Result<Option<Vec<T>>, WebError> {
    let items = match node.value {
        Value::List(items) => items,
        Value::Nothing => Vec::new(),
        _ => return Err(WebError::new(node.line, format!("{key}: expected a list"))),
    };
    let mut found = Vec::new();
    let is_empty = items.is_empty();
    for item in items {
        let line = item.line;
        let word = text(item, key)?.unwrap_or_default();
        match known.iter().find(|(name, _)| *name == word) {
            Some((_, value)) => found.extend(*value),
            None => {
                let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
                let what = format!("{key}: not supported; choose from {}", names.join(", "));
                return Err(WebError::new(line, what));
            }
        }
    }
    Ok((!is_empty).then_some(found))
}

fn tls(entry: Entry, folder: &Path) -> Result<Option<Tls>, WebError> {
    let line = entry.line;
    let entries = table(entry.node, "tls_server_config")?;
    if entries.is_empty() {
        return Ok(None);
    }
    let (mut certificate, mut key, mut client_ca, mut asks_clients) = (None, None, None, false);
    let (mut oldest, mut newest) = (Version::Tls12, Version::Tls13);
    let (mut suites, mut groups, mut prefers_own_order) = (None, None, true);
    for entry in entries {
        let (line, node) = (entry.line, entry.node);
        match entry.key.as_str() {
            "cert_file" => certificate = named(node, "tls_server_config.cert_file", folder)?,
            "key_file" => key = named(node, "tls_server_config.key_file", folder)?,
            "client_ca_file" => client_ca = named(node, "tls_server_config.client_ca_file", folder)?,
            "client_auth_type" => asks_clients = client_auth(node)?,
            "min_version" => oldest = version(node, "tls_server_config.min_version")?.unwrap_or(oldest),
            "max_version" => newest = version(node, "tls_server_config.max_version")?.unwrap_or(newest),
            "cipher_suites" => suites = words(node, "tls_server_config.cipher_suites", &SUITES)?,
            "curve_preferences" => groups = words(node, "tls_server_config.curve_preferences", &GROUPS)?,
            "prefer_server_cipher_suites" => {
                prefers_own_order = truth(&node, "tls_server_config.prefer_server_cipher_suites")?;
            }
            other => return Err(refused_of_tls(other, line)),
        }
    }
    let missing = |key: &str| WebError::new(line, format!("tls_server_config.{key}: missing; add it"));
    let certificate = certificate.ok_or_else(|| missing("cert_file"))?;
    let key = key.ok_or_else(|| missing("key_file"))?;
    if asks_clients && client_ca.is_none() {
        return Err(missing("client_ca_file"));
    }
    if let Some(unused) = client_ca.as_ref().filter(|_| !asks_clients) {
        let what = "tls_server_config.client_ca_file: unused, since clients are not asked for a \
                    certificate; add client_auth_type: RequireAndVerifyClientCert";
        return Err(WebError::new(unused.line, what));
    }
    if oldest > newest {
        return Err(WebError::new(line, "tls_server_config: min_version is above max_version; lower it"));
    }
    Ok(Some(Tls { certificate, key, client_ca, oldest, newest, suites, groups, prefers_own_order }))
}

/// Keys of the toolkit that are not supported, by name, and unknown ones.
fn refused_of_tls(key: &str, line: usize) -> WebError {
    let instead = match key {
        "cert" => "cert: inline PEM is not supported; put it in a file and name that in cert_file",
        "key" => {
            "key: an inline key is not supported; put it in a file with mode 0600 and name that in key_file"
        }
        "client_ca" => {
            "client_ca: inline PEM is not supported; put it in a file and name that in client_ca_file"
        }
        "client_allowed_sans" => {
            "client_allowed_sans: not supported; use a separate CA for permitted clients, in client_ca_file"
        }
        _ => {
            return unknown(
                line,
                "cert_file, key_file, client_auth_type, client_ca_file, min_version, max_version, \
                 cipher_suites, prefer_server_cipher_suites, curve_preferences",
            );
        }
    };
    WebError::new(line, format!("tls_server_config.{instead}"))
}

fn named(node: Node, key: &'static str, folder: &Path) -> Result<Option<Named>, WebError> {
    let line = node.line;
    Ok(text(node, key)?.map(|path| Named { key, path: folder.join(path), line }))
}

/// Whether clients are asked for a certificate.
fn client_auth(node: Node) -> Result<bool, WebError> {
    let (line, key) = (node.line, "tls_server_config.client_auth_type");
    match text(node, key)?.as_deref() {
        None | Some("NoClientCert") => Ok(false),
        Some("RequireAndVerifyClientCert") => Ok(true),
        Some(
            "RequestClientCert" | "RequireClientCert" | "RequireAnyClientCert" | "VerifyClientCertIfGiven",
        ) => {
            let what = "admits clients without a verified certificate; use RequireAndVerifyClientCert";
            Err(WebError::new(line, format!("{key}: {what}")))
        }
        Some(_) => {
            let what = "expected NoClientCert or RequireAndVerifyClientCert";
            Err(WebError::new(line, format!("{key}: {what}")))
        }
    }
}

fn version(node: Node, key: &str) -> Result<Option<Version>, WebError> {
    let line = node.line;
    match text(node, key)?.as_deref() {
        None => Ok(None),
        Some("TLS12") => Ok(Some(Version::Tls12)),
        Some("TLS13") => Ok(Some(Version::Tls13)),
        Some("TLS10" | "TLS11") => Err(WebError::new(
            line,
            format!("{key}: not supported, since it is insecure; use TLS12 or TLS13"),
        )),
        Some(_) => Err(WebError::new(line, format!("{key}: expected TLS12 or TLS13"))),
    }
}

/// Those of TLS 1.3 are always on, as in the toolkit, and may be listed.
const SUITES: [(&str, Option<CipherSuite>); 9] = [
    ("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", Some(CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256)),
    ("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", Some(CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384)),
    (
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
        Some(CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256),
    ),
    ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", Some(CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256)),
    ("TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", Some(CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384)),
    (
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
        Some(CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256),
    ),
    ("TLS_AES_128_GCM_SHA256", None),
    ("TLS_AES_256_GCM_SHA384", None),
    ("TLS_CHACHA20_POLY1305_SHA256", None),
];

/// A set: the client chooses among them.
const GROUPS: [(&str, Option<NamedGroup>); 3] = [
    ("X25519", Some(NamedGroup::X25519)),
    ("CurveP256", Some(NamedGroup::secp256r1)),
    ("CurveP384", Some(NamedGroup::secp384r1)),
];

/// The fixed headers; there is nothing else to configure on a server that speaks only HTTP/1.1.
fn http(node: Node) -> Result<Vec<(HeaderName, HeaderValue)>, WebError> {
    let mut headers = Vec::new();
    for entry in table(node, "http_server_config")? {
        match entry.key.as_str() {
            "http2" => {
                if truth(&entry.node, "http_server_config.http2")? {
                    let what = "http_server_config.http2: only HTTP/1.1 is supported; set it to false";
                    return Err(WebError::new(entry.line, what));
                }
            }
            "headers" => {
                for entry in table(entry.node, "http_server_config.headers")? {
                    headers.extend(header(entry)?);
                }
            }
            _ => return Err(unknown(entry.line, "http2, headers")),
        }
    }
    Ok(headers)
}

/// Headers that the toolkit accepts, with the values it allows; none for any.
const HEADERS: [(&str, HeaderName, &[&str]); 5] = [
    ("Content-Security-Policy", CONTENT_SECURITY_POLICY, &[]),
    ("X-Frame-Options", X_FRAME_OPTIONS, &["deny", "sameorigin"]),
    ("X-Content-Type-Options", X_CONTENT_TYPE_OPTIONS, &["nosniff"]),
    ("X-XSS-Protection", X_XSS_PROTECTION, &[]),
    ("Strict-Transport-Security", STRICT_TRANSPORT_SECURITY, &[]),
];

fn header(entry: Entry) -> Result<Option<(HeaderName, HeaderValue)>, WebError> {
    let Some((name, header, allowed)) = HEADERS.iter().find(|(name, ..)| *name == entry.key) else {
        return Err(unknown(entry.line, &HEADERS.map(|(name, ..)| name).join(", ")));
    };
    let key = format!("http_server_config.headers.{name}");
    let Some(value) = text(entry.node, &key)? else { return Ok(None) };
    if !allowed.is_empty() && !allowed.contains(&value.as_str()) {
        return Err(WebError::new(entry.line, format!("{key}: expected {}", allowed.join(" or "))));
    }
    match HeaderValue::try_from(value) {
        Ok(value) => Ok(Some((header.clone(), value))),
        Err(_) => Err(WebError::new(entry.line, format!("{key}: not a valid header value"))),
    }
}

fn users(node: Node) -> Result<Vec<User>, WebError> {
    let entries = table(node, "basic_auth_users")?;
    if let Some(entry) = entries.get(USERS) {
        let what = format!("basic_auth_users: at most {USERS} users; use client certificates for more");
        return Err(WebError::new(entry.line, what));
    }
    entries.into_iter().map(user).collect()
}

fn user(entry: Entry) -> Result<User, WebError> {
    let refuse = |what: &str| Err(WebError::new(entry.line, format!("basic_auth_users: {what}")));
    // RFC 7617, section 2: the name ends at the colon.
    if entry.key.is_empty()
        || entry.key.contains(|character: char| character == ':' || character.is_control())
    {
        return refuse("a name must not be empty or contain a colon or a control character");
    }
    let hash = Zeroizing::new(text(entry.node, "basic_auth_users")?.unwrap_or_default());
    let known = ["$2a$", "$2b$", "$2y$"].iter().any(|kind| hash.starts_with(kind));
    match hash.parse::<HashParts>() {
        Ok(parts) if known && COSTS.contains(&parts.get_cost()) => {
            Ok(User { name: Zeroizing::new(entry.key), hash })
        }
        Ok(_) if known => refuse("the cost must be 4 to 14; make a new hash with: htpasswd -nBC 12 \"\""),
        _ => refuse("expected a bcrypt hash, like $2y$12$...; make one with: htpasswd -nBC 12 \"\""),
    }
}

#[cfg(test)]
mod tests;
