//! Certificates, keys and the rest of TLS: turns the named files into rustls's configuration.
//!
//! Keeps no session and issues no ticket: each connection is verified afresh, and nothing is kept of a
//! client that has gone. Errors name a file and what is wrong with it, never its contents.

use super::error::{WebError, unreadable};
use super::file::{Named, Tls, Version};
use crate::clock::{Clock, SystemClock};
use crate::environment::Files;
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoClientAuth, NoServerSessionStorage, ParsedCertificate, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::time_provider::TimeProvider;
use rustls::{
    CertificateError, CipherSuite, Error, InconsistentKeys, RootCertStore, ServerConfig, SupportedCipherSuite,
};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// A configuration that can be served, and warnings about it.
pub(super) struct Served {
    pub(super) config: ServerConfig,
    pub(super) warnings: Vec<Warning>,
}

/// A certificate that clients will refuse.
pub struct Warning {
    /// Its file.
    pub path: PathBuf,
    /// True if it has expired, false if it is not valid yet.
    pub is_over: bool,
}

/// Reads the named files.
pub(super) fn serve(files: &impl Files, tls: &Tls) -> Result<Served, WebError> {
    let provider = Arc::new(provider(tls));
    let chain = certificates(files, &tls.certificate)?;
    let mut warnings = Vec::from_iter(untimely(&chain, &tls.certificate, &provider));
    let key = key(files, &tls.key)?;
    let fits = |chain| CertifiedKey::from_der(chain, key.clone_key(), &provider);
    let certified = fits(chain.clone()).map_err(|error| match error {
        Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            match chain.iter().position(|certificate| fits(vec![certificate.clone()]).is_ok()) {
                Some(at) => of(
                    &tls.certificate,
                    &format!(
                        "certificate {} in it is the one of key_file; put it first, and its issuers behind it",
                        at + 1
                    ),
                ),
                None => of(&tls.key, "does not match the certificate in cert_file; replace both files together"),
            }
        }
        _ => of(
            &tls.key,
            "unsupported kind of key; use ECDSA P-256 or P-384, Ed25519, or RSA of at least 2048 bits",
        ),
    })?;
    let clients: Arc<dyn ClientCertVerifier> = match &tls.client_ca {
        None => Arc::new(NoClientAuth),
        Some(named) => {
            let authorities = certificates(files, named)?;
            warnings.extend(untimely(&authorities, named, &provider));
            verifier(authorities, named, &provider)?
        }
    };
    let versions: &[&rustls::SupportedProtocolVersion] = match (tls.oldest, tls.newest) {
        (_, Version::Tls12) => &[&rustls::version::TLS12],
        (Version::Tls13, _) => &[&rustls::version::TLS13],
        (Version::Tls12, Version::Tls13) => &[&rustls::version::TLS13, &rustls::version::TLS12],
    };
    if !fits_a_suite(&certified, tls, &provider) {
        let what = "no listed cipher suite fits this key; list those of its kind (RSA or ECDSA), or none";
        return Err(of(&tls.key, what));
    }
    let builder = ServerConfig::builder_with_details(provider, Arc::new(OurTime));
    let mut config = builder
        .with_protocol_versions(versions)
        .map_err(|_| {
            of(&tls.certificate, "no listed cipher suite fits these TLS versions; list more, or none")
        })?
        .with_client_cert_verifier(clients)
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.ignore_client_order = tls.prefers_own_order;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(Served { config, warnings })
}

/// Whether any handshake can succeed: suites of TLS 1.2 are for one kind of key each.
fn fits_a_suite(certified: &CertifiedKey, tls: &Tls, provider: &CryptoProvider) -> bool {
    provider.cipher_suites.iter().any(|suite| match suite {
        SupportedCipherSuite::Tls12(suite) => {
            tls.oldest == Version::Tls12 && certified.key.choose_scheme(suite.sign).is_some()
        }
        SupportedCipherSuite::Tls13(_) => tls.newest == Version::Tls13,
    })
}

/// An error about a file, on the line that names it.
fn of(named: &Named, what: &str) -> WebError {
    WebError::new(named.line, format!("{} {}: {what}", named.key, named.path.display()))
}

/// ring's cryptography, without what is not listed.
fn provider(tls: &Tls) -> CryptoProvider {
    let mut provider = ring::default_provider();
    if let Some(listed) = &tls.suites {
        let all = provider.cipher_suites.clone();
        provider.cipher_suites.retain(|suite| suite.tls13().is_some());
        let find = |name: &CipherSuite| all.iter().find(|suite| suite.suite() == *name);
        provider.cipher_suites.extend(listed.iter().filter_map(find));
    }
    if let Some(listed) = &tls.groups {
        provider.kx_groups.retain(|group| listed.contains(&group.name()));
    }
    provider
}

fn certificates(files: &impl Files, named: &Named) -> Result<Vec<CertificateDer<'static>>, WebError> {
    let bytes = files.read(&named.path).map_err(|error| of(named, &unreadable(&error)))?;
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&bytes)
        .collect::<Result<_, _>>()
        .map_err(|_| of(named, "not valid PEM; the file may be incomplete"))?;
    if chain.is_empty() {
        // The first byte of what is no text: a sequence of ASN.1.
        let what = if bytes.first() == Some(&0x30) {
            "is in DER; convert it: openssl x509 -inform DER, or openssl pkcs12 -nodes for PKCS#12"
        } else {
            "contains no PEM certificate; one begins with -----BEGIN CERTIFICATE----- at the start of a line"
        };
        return Err(of(named, what));
    }
    if let Some(bad) = chain.iter().position(|der| ParsedCertificate::try_from(der).is_err()) {
        let what = format!("certificate {} in it cannot be parsed; it must be X.509 version 3", bad + 1);
        return Err(of(named, &what));
    }
    Ok(chain)
}

fn key(files: &impl Files, named: &Named) -> Result<PrivateKeyDer<'static>, WebError> {
    let secret = files.read_secret(&named.path).map_err(|error| of(named, &unreadable(&error)))?;
    if secret.others_may_read {
        return Err(of(named, "its group or others can read or write it; chmod 600 it"));
    }
    let is_locked = || secret.bytes.windows(9).any(|word| word == b"ENCRYPTED");
    PrivateKeyDer::from_pem_slice(&secret.bytes).map_err(|_| {
        let locked = is_locked();
        of(
            named,
            if locked { "has a passphrase; store it without one" } else { "contains no PEM private key" },
        )
    })
}

/// A warning if a certificate in this file has expired or is not valid yet.
///
/// # Source
/// RFC 5280, section 4.1.2.5. webpki checks the validity before it looks for an issuer, and there are
/// no issuers here.
fn untimely(chain: &[CertificateDer<'static>], named: &Named, provider: &CryptoProvider) -> Option<Warning> {
    let (now, nobody) = (now(), RootCertStore::empty());
    let algorithms = provider.signature_verification_algorithms.all;
    let is_over = chain.iter().find_map(|der| {
        let certificate = ParsedCertificate::try_from(der).ok()?;
        match verify_server_cert_signed_by_trust_anchor(&certificate, &nobody, &[], now, algorithms) {
            Err(Error::InvalidCertificate(
                CertificateError::Expired | CertificateError::ExpiredContext { .. },
            )) => Some(true),
            Err(Error::InvalidCertificate(
                CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. },
            )) => Some(false),
            _ => None,
        }
    })?;
    Some(Warning { path: named.path.clone(), is_over })
}

fn verifier(
    authorities: Vec<CertificateDer<'static>>,
    named: &Named,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, WebError> {
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        roots.add(authority).map_err(|_| of(named, "a certificate in it cannot act as an authority"))?;
    }
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .build()
        .map_err(|_| of(named, "contains no usable certificate"))
}

fn now() -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(SystemClock.now().wall_seconds))
}

/// The clock for the validity of clients' certificates.
#[derive(Debug)]
struct OurTime;

impl TimeProvider for OurTime {
    fn current_time(&self) -> Option<UnixTime> {
        Some(now())
    }
}
