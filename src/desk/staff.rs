//! Who is at the desk: a log-in, or the name of a client certificate, with the roles that the handler gives it.
//!
//! Holds no name beyond its request.

use crate::config::Language;
use crate::control::handler::Handler;
use crate::control::peer::Peer;
use crate::control::protocol::Request;
use crate::environment::Environment;
use crate::publish::web::{LogInName, Shown};
use axum::http::Extensions;

/// Somebody with a role.
#[derive(Clone, Copy)]
pub(super) struct Caller {
    pub(super) peer: Peer,
    is_support: bool,
    is_privacy: bool,
}

impl Caller {
    /// Who asks, by what the request was admitted with: a log-in before a certificate, or whom everybody is taken for. None without a
    /// role.
    pub(super) fn of<E: Environment>(
        handler: &Handler<E>,
        admitted: &Extensions,
        everybody: Option<&str>,
    ) -> Option<Self> {
        let log_in = || admitted.get::<LogInName>().map(|name| name.0.as_str());
        let certificate = || admitted.get::<Shown>()?.0.as_ref().map(|name| name.as_str());
        let peer = Peer::logged_in(everybody.or_else(log_in).or_else(certificate)?);
        let may = |request: &Request| handler.refusal(request, &peer).is_none();
        let is_support = may(&Request::Flagged { contact: false, information: false, bytes: 0 });
        let is_privacy = may(&Request::Pending {});
        (is_support || is_privacy).then_some(Self { peer, is_support, is_privacy })
    }

    /// The same, to be answered in this language.
    pub(super) fn answered_in(self, language: Language) -> Self {
        Self { peer: Peer { language: Some(language), ..self.peer }, ..self }
    }

    pub(super) const fn is_support(&self) -> bool {
        self.is_support
    }

    pub(super) const fn is_privacy(&self) -> bool {
        self.is_privacy
    }
}
