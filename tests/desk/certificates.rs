//! Staff by client certificate: its common name is the log-in, over TLS from anywhere.

use crate::daemon::http::parse;
use crate::fixture::Desk;
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

struct Authority(Certificate, Issuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        Self(certificate, Issuer::new(params, key))
    }

    /// A certificate of these common names, and its key.
    fn issue(&self, names: &[&str], purpose: ExtendedKeyUsagePurpose) -> (Certificate, KeyPair) {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("a name");
        names.iter().for_each(|name| params.distinguished_name.push(DnType::CommonName, *name));
        params.extended_key_usages = vec![purpose];
        (params.signed_by(&key, &self.1).expect("a certificate"), key)
    }
}

/// What a client with this certificate is answered; none where the handshake fails.
fn get(desk: &Desk, authority: &Authority, own: Option<&(Certificate, KeyPair)>) -> Option<u16> {
    let mut roots = RootCertStore::empty();
    roots.add(authority.0.der().clone()).expect("it can sign");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots);
    let config = match own {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain: Vec<CertificateDer<'static>> = vec![certificate.der().clone()];
            let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
            builder.with_client_auth_cert(chain, key).expect("a pair")
        }
    };
    let name = ServerName::try_from("127.0.0.1").expect("an address");
    let connection = ClientConnection::new(Arc::new(config), name).expect("a connection");
    let stream = TcpStream::connect(("127.0.0.1", desk.port)).expect("somebody listens");
    let mut stream = StreamOwned::new(connection, stream);
    stream.write_all(b"GET /flagged HTTP/1.1\r\nHost: n\r\n\r\n").ok()?;
    let mut answer = Vec::new();
    // It ends without TLS's own end where the server refuses.
    let _ = stream.read_to_end(&mut answer);
    parse(&answer).map(|answer| answer.status)
}

#[test]
fn the_common_name_of_a_certificate_has_the_role_of_a_log_in() {
    let desk = Desk::new();
    let (servers, clients) = (Authority::new(), Authority::new());
    let (certificate, key) = servers.issue(&["desk"], ExtendedKeyUsagePurpose::ServerAuth);
    desk.site.write("desk.crt", certificate.pem());
    desk.site.write("desk.key", key.serialize_pem());
    let private = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(desk.site.path("desk.key"), private).expect("ours");
    desk.site.write("clients.crt", clients.0.pem());
    desk.site.write(
        "desk.yml",
        "tls_server_config:\n  cert_file: desk.crt\n  key_file: desk.key\n  client_ca_file: clients.crt\n  \
         client_auth_type: RequireAndVerifyClientCert\n",
    );
    // With TLS and certificates, every address will do.
    desk.site.configure(&format!("127.0.0.1:{}", desk.port), format!("0.0.0.0:{}", desk.port));
    let _daemon = desk.start();
    let client = |names: &[&str]| clients.issue(names, ExtendedKeyUsagePurpose::ClientAuth);
    assert_eq!(get(&desk, &servers, Some(&client(&["anna"]))), Some(200));
    assert_eq!(get(&desk, &servers, Some(&client(&["clara"]))), Some(403));
    assert_eq!(get(&desk, &servers, Some(&client(&["somebody"]))), Some(403));
    assert_eq!(get(&desk, &servers, Some(&client(&[]))), Some(403));
    assert_eq!(get(&desk, &servers, None), None);
    assert_eq!(
        get(&desk, &servers, Some(&servers.issue(&["anna"], ExtendedKeyUsagePurpose::ClientAuth))),
        None
    );
}
