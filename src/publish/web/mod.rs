//! What a client must present before it sees a page (TLS, a certificate, a log-in), according to the
//! exporter-toolkit's web configuration file.
//!
//! Sees no page and no peer's address. Nothing here is logged: a client's mistakes concern only the
//! client.

mod error;
mod file;
mod login;
mod shown;
mod tls;
mod yaml;

pub use error::WebError;
pub use file::WebConfigFile;
pub use login::LogInName;
pub use shown::Shown;
pub use tls::Warning;

use crate::environment::Files;
use arc_swap::ArcSwap;
use axum::Router;
use axum::extract::Request;
use axum::http::header::{CACHE_CONTROL, WWW_AUTHENTICATE};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use error::unreadable;
use login::LogIn;
use rustls::ServerConfig;
use std::path::Path;
use std::sync::Arc;

/// The challenge of RFC 7617, section 2, which requires a realm.
const CHALLENGE: &str = "Basic realm=\"blindmeter\"";

/// Reads a web configuration file, and none that it names; `key` is what names it.
///
/// # Errors
/// One line that names the file and the line in it.
pub fn read(files: &impl Files, key: &str, path: &Path) -> Result<WebConfigFile, String> {
    let named = |why: &dyn std::fmt::Display| format!("{key} {}: {why}", path.display());
    let bytes = files.read(path).map_err(|error| named(&unreadable(&error)))?;
    let text = std::str::from_utf8(&bytes).map_err(|_| named(&"not UTF-8"))?;
    file::parse(text, path.parent().unwrap_or(Path::new("")))
        .map_err(|error| format!("{} {error}", path.display()))
}

/// What a client must present; in force from one reload to the next.
#[derive(Default)]
pub struct WebConfig {
    tls: Option<Arc<ServerConfig>>,
    asks_clients: bool,
    log_in: Option<Arc<LogIn>>,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// Certificates that clients will refuse.
    pub warnings: Vec<Warning>,
}

/// How exposed a listener is to whoever can reach it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Exposure {
    /// Anyone can read, and so can anyone on the path.
    Plain,
    /// Passwords are sent unencrypted.
    PlainLogIn,
    /// Anyone can read.
    Encrypted,
    /// Only clients that authenticate can read, and nobody on the path.
    Closed,
}

impl WebConfig {
    /// Reads a web configuration file and every file it names; takes over from the one before a reload
    /// the log-ins that were found to be right.
    ///
    /// # Errors
    /// One line that names the file and the line in it.
    pub fn load(files: &impl Files, key: &str, path: &Path, before: &Self) -> Result<Self, String> {
        let file = read(files, key, path)?;
        let at = |error: WebError| format!("{} {error}", path.display());
        let served = file.tls.as_ref().map(|tls| tls::serve(files, tls).map_err(at)).transpose()?;
        let (config, warnings) = served.map_or((None, Vec::new()), |it| (Some(it.config), it.warnings));
        Ok(Self {
            tls: config.map(Arc::new),
            asks_clients: file.tls.is_some_and(|tls| tls.client_ca.is_some()),
            log_in: LogIn::of(&file.users, before.log_in.as_deref()).map(Arc::new),
            headers: file.headers,
            warnings,
        })
    }

    /// How exposed the pages are.
    #[must_use]
    pub fn exposure(&self) -> Exposure {
        match (self.tls.is_some(), self.asks_clients || self.log_in.is_some()) {
            (false, false) => Exposure::Plain,
            (false, true) => Exposure::PlainLogIn,
            (true, false) => Exposure::Encrypted,
            (true, true) => Exposure::Closed,
        }
    }

    /// A summary without names.
    #[must_use]
    pub fn summary(&self) -> String {
        let tls = if self.tls.is_some() { "TLS" } else { "no TLS" };
        let clients =
            if self.asks_clients { "client certificates required" } else { "no client certificates" };
        let users = self.log_in.as_ref().map_or(0, |log_in| log_in.users());
        format!("{tls}, {clients}, log-ins: {users}")
    }
}

/// The web configuration in force, replaced whole by a reload.
#[derive(Default)]
pub struct ActiveWebConfig {
    config: ArcSwap<WebConfig>,
}

impl ActiveWebConfig {
    /// What is in force now.
    #[must_use]
    pub fn current(&self) -> Arc<WebConfig> {
        self.config.load_full()
    }

    /// Replaces it: TLS for new connections, the rest for new requests.
    pub fn replace(&self, config: WebConfig) {
        self.config.store(Arc::new(config));
    }

    /// How connections are encrypted from now on.
    pub(super) fn tls(&self) -> Option<Arc<ServerConfig>> {
        self.config.load().tls.clone()
    }

    /// Admits the request, or asks for a log-in, whatever the route.
    async fn answer(&self, mut request: Request, next: Next) -> Response {
        let config = self.current();
        let admitted = match &config.log_in {
            None => true,
            Some(log_in) => match log_in.admits(request.headers()).await {
                Some(name) => {
                    request.extensions_mut().insert(name);
                    true
                }
                None => false,
            },
        };
        let mut response = if admitted {
            next.run(request).await
        } else {
            let headers = [(WWW_AUTHENTICATE, CHALLENGE), (CACHE_CONTROL, "no-store")];
            (StatusCode::UNAUTHORIZED, headers).into_response()
        };
        for (name, value) in &config.headers {
            response.headers_mut().insert(name, value.clone());
        }
        response
    }
}

/// Requires the log-in in force before every route, including those that do not exist.
pub fn require_login(web: &Arc<ActiveWebConfig>, router: Router) -> Router {
    let web = Arc::clone(web);
    router.layer(from_fn(move |request, next| {
        let web = Arc::clone(&web);
        async move { web.answer(request, next).await }
    }))
}
