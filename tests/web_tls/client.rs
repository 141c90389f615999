//! Two clients: curl, which knows nothing of rustls, and rustls, which shows what was agreed on and
//! keeps a connection open.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, HandshakeKind, RootCertStore, StreamOwned, SupportedProtocolVersion,
};

use crate::authority::{Authority, Pair};
use crate::daemon::http::{Answer, parse};
use crate::support::wait::TIMEOUT;

/// How curl ended: its exit code and the body.
pub(crate) struct Curled {
    pub(crate) code: Option<i32>,
    pub(crate) body: String,
}

/// Runs curl on a page; its exit codes are in its manual.
pub(crate) fn curl(port: u16, path: &str, words: &[&str]) -> Curled {
    let mut command = Command::new("curl");
    command.args(["--silent", "--max-time", "10"]).args(words);
    command.arg(format!("https://127.0.0.1:{port}{path}")).stdin(Stdio::null());
    let output = command.output().expect("these tests need curl: apt-get install curl");
    Curled { code: output.status.code(), body: String::from_utf8_lossy(&output.stdout).into_owned() }
}

/// What a client offers.
pub(crate) struct Client(Arc<ClientConfig>);

pub(crate) const BOTH: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13, &rustls::version::TLS12];
pub(crate) const ONLY_12: &[&SupportedProtocolVersion] = &[&rustls::version::TLS12];
pub(crate) const ONLY_13: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13];

impl Client {
    /// A client that trusts this authority and shows no certificate.
    pub(crate) fn of(authority: &Authority) -> Self {
        Self::made(authority, None, BOTH, ring::default_provider())
    }

    /// The same with a certificate of its own.
    pub(crate) fn showing(authority: &Authority, own: &Pair) -> Self {
        Self::made(authority, Some(own), BOTH, ring::default_provider())
    }

    pub(crate) fn made(
        authority: &Authority,
        own: Option<&Pair>,
        versions: &[&'static SupportedProtocolVersion],
        provider: CryptoProvider,
    ) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(authority.der()).expect("it can sign");
        let builder = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(versions)
            .expect("suites of these versions")
            .with_root_certificates(roots);
        Self(Arc::new(match own {
            None => builder.with_no_client_auth(),
            Some(pair) => {
                let certificate =
                    CertificateDer::from_pem_slice(pair.certificate.as_bytes()).expect("our own");
                let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).expect("our own");
                builder.with_client_auth_cert(vec![certificate], key).expect("a pair")
            }
        }))
    }

    /// Connects and shakes hands. With TLS 1.3 a refusal of this client's certificate is seen by the
    /// first request.
    pub(crate) fn connect(&self, port: u16) -> io::Result<Session> {
        let name = ServerName::try_from("127.0.0.1").expect("an address");
        let mut connection = ClientConnection::new(Arc::clone(&self.0), name).map_err(io::Error::other)?;
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        while connection.is_handshaking() {
            connection.complete_io(&mut stream)?;
        }
        Ok(Session(StreamOwned::new(connection, stream)))
    }

    /// One page by a connection of its own.
    pub(crate) fn get(&self, port: u16, path: &str) -> io::Result<Answer> {
        self.connect(port)?.get(path, "")
    }
}

/// An open connection.
pub(crate) struct Session(StreamOwned<ClientConnection, TcpStream>);

impl Session {
    /// Asks for a page and leaves the connection open; header lines are closed by CR LF.
    pub(crate) fn get(&mut self, path: &str, headers: &str) -> io::Result<Answer> {
        write!(self.0, "GET {path} HTTP/1.1\r\nHost: node\r\n{headers}\r\n")?;
        self.0.flush()?;
        let mut bytes = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            let answer = parse(&bytes);
            let length = answer.as_ref().and_then(|answer| answer.header("content-length")?.parse().ok());
            match answer {
                Some(answer) if length == Some(answer.body.len()) => return Ok(answer),
                _ => {}
            }
            match self.0.read(&mut buffer)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => bytes.extend(&buffer[..count]),
            }
        }
    }

    /// What the server showed, in PEM's bytes.
    pub(crate) fn shown(&self) -> Vec<u8> {
        self.0.conn.peer_certificates().expect("a server shows one")[0].to_vec()
    }

    pub(crate) fn agreed(&self) -> (u16, String) {
        let version = self.0.conn.protocol_version().expect("agreed");
        let suite = self.0.conn.negotiated_cipher_suite().expect("agreed");
        (version.into(), suite.suite().as_str().unwrap_or_default().to_owned())
    }

    pub(crate) fn is_resumed(&self) -> bool {
        self.0.conn.handshake_kind() == Some(HandshakeKind::Resumed)
    }

    pub(crate) fn tickets(&self) -> u32 {
        self.0.conn.tls13_tickets_received()
    }
}

/// A certificate in PEM as the bytes that a server shows.
pub(crate) fn der(pair: &Pair) -> Vec<u8> {
    CertificateDer::from_pem_slice(pair.certificate.as_bytes()).expect("our own").to_vec()
}
