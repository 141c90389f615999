//! Whom a client's certificate names.
//!
//! The chain was verified in the handshake; only the subject's common name is read, and kept while the connection
//! lasts.

use rustls::ServerConnection;
use x509_parser::prelude::{FromDer, X509Certificate};
use zeroize::Zeroizing;

/// The common name of a client's certificate; none without one, or where it has several.
#[derive(Clone)]
pub struct Shown(pub Option<Zeroizing<String>>);

impl Shown {
    /// Of a connection whose handshake is done.
    pub(in crate::publish) fn of(connection: &ServerConnection) -> Self {
        Self(connection.peer_certificates().and_then(|chain| common_name(chain.first()?)))
    }
}

/// # Source
/// RFC 5280, section 4.1.2.6.
fn common_name(der: &[u8]) -> Option<Zeroizing<String>> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let mut names = certificate.subject().iter_common_name();
    let (name, None) = (names.next()?, names.next()) else { return None };
    Some(Zeroizing::new(name.as_str().ok()?.to_owned()))
}
