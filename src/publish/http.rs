//! The HTTP side: a few pages served from memory, with bounds on everything a client may ask for.
//!
//! Sees no packet, no account and no peer: the address of a connection is dropped when it is accepted.
//! Responses have no `Date`, no validator and no compression, so a page changes only when its buffer is
//! replaced.
#![expect(clippy::disallowed_types, reason = "the listeners' own addresses are bound here")]

use super::open_metrics;
use super::web::{self, ActiveWebConfig, Exposure, Shown};
use crate::system::allocator::wiping;
use arc_swap::ArcSwap;
use axum::body::Bytes;
use axum::http::HeaderMap;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

/// How long a request's headers may take, and how long a connection may idle between requests:
/// above Prometheus's default scrape interval of a minute.
const HEADER_TIME: Duration = Duration::from_secs(75);

/// Most bytes in the headers of a request; hyper's minimum is 8 KiB.
const HEADER_BYTES: usize = 16 * 1024;

/// The same of the desk, whose every request has a connection of its own.
const DESK_HEADER_TIME: Duration = Duration::from_secs(15);

/// How long a TLS handshake may take: a scrape has ten seconds in total.
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);

/// Most header lines in a request.
const HEADERS: usize = 64;

/// Pause after accept(2) fails, since descriptors may have run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The two parts of `/metrics`. Each is replaced whole, never changed.
pub struct Pages {
    released: ArcSwap<Part>,
    status: ArcSwap<Part>,
}

/// A part in both formats.
struct Part {
    text: String,
    open_metrics: String,
}

impl Part {
    fn of(text: String) -> Self {
        Self { open_metrics: open_metrics::of(&text), text }
    }
}

impl Pages {
    /// Pages with these two parts.
    #[must_use]
    pub fn new(released: String, status: String) -> Self {
        let [released, status] = [released, status].map(|text| ArcSwap::from_pointee(Part::of(text)));
        Self { released, status }
    }

    /// Replaces the part that changes with a release.
    pub fn set_released(&self, text: String) {
        self.released.store(Arc::new(Part::of(text)));
    }

    /// Replaces the part that changes with the state of the daemon.
    pub fn set_status(&self, text: String) {
        self.status.store(Arc::new(Part::of(text)));
    }

    /// The whole of `/metrics`.
    #[must_use]
    pub fn metrics(&self) -> String {
        let (released, status) = (self.released.load(), self.status.load());
        [released.text.as_str(), &status.text].concat()
    }

    /// The same in OpenMetrics.
    #[must_use]
    pub fn open_metrics(&self) -> String {
        let (released, status) = (self.released.load(), self.status.load());
        [released.open_metrics.as_str(), &status.open_metrics, open_metrics::END].concat()
    }
}

/// The page of this path at these addresses, as a browser is given it.
#[must_use]
pub fn pages(addresses: &[SocketAddr], exposure: Exposure, path: &str) -> Vec<String> {
    let scheme = match exposure {
        Exposure::Plain | Exposure::PlainLogIn => "http",
        Exposure::Encrypted | Exposure::Closed => "https",
    };
    addresses.iter().map(|address| format!("{scheme}://{address}{path}")).collect()
}

/// True when one of the addresses is not loopback.
#[must_use]
pub fn others_can_reach(addresses: &[SocketAddr]) -> bool {
    addresses.iter().any(|address| !address.ip().is_loopback())
}

/// The routes over these pages.
pub fn router(pages: Arc<Pages>) -> Router {
    let text = |body: &'static str| {
        move || async move { ([(CONTENT_TYPE, "text/plain; charset=utf-8"), (CACHE_CONTROL, "no-store")], body) }
    };
    let metrics = move |request: HeaderMap| async move {
        if open_metrics::is_preferred(&request) {
            let headers = [(CONTENT_TYPE, open_metrics::CONTENT_TYPE), (CACHE_CONTROL, "no-store")];
            return (headers, Bytes::from(pages.open_metrics())).into_response();
        }
        let headers = [(CONTENT_TYPE, super::exposition::CONTENT_TYPE), (CACHE_CONTROL, "no-store")];
        (headers, Bytes::from(pages.metrics())).into_response()
    };
    Router::new()
        .route("/metrics", get(metrics))
        .route("/-/healthy", get(text("healthy\n")))
        .route("/-/ready", get(text("ready\n")))
        .route("/", get(text("blindmeter\n\n/metrics    released totals and the state of the daemon\n/-/healthy  answers while the process runs\n/-/ready    answers once metering has started\n")))
}

/// Serves everyone who reaches the listener; see [`serve_with`].
pub async fn serve(listener: TcpListener, router: Router) {
    serve_with(Arc::default(), Arc::new(listener), router, Arc::default(), Manner::Scrapes).await;
}

/// How connections of a listener are kept.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// Open between two scrapes.
    Scrapes,
    /// For one request: what was asked for lies in the connection's buffers, and is wiped with them.
    Desk,
}

/// How many connections a listener holds. Beyond it the oldest is closed, so that slow clients cannot shut out
/// a scraper.
pub struct Room(AtomicUsize);

impl Default for Room {
    fn default() -> Self {
        Self(AtomicUsize::new(256))
    }
}

impl Room {
    /// From here on so many, and one at the least.
    pub fn set(&self, connections: usize) {
        // Relaxed: the number stands for itself.
        self.0.store(connections.max(1), Ordering::Relaxed);
    }

    fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// Serves under a web configuration until the task is dropped. No error of a connection, a handshake or
/// accept(2) ends it.
pub async fn serve_with(
    web: Arc<ActiveWebConfig>,
    listener: Arc<TcpListener>,
    router: Router,
    room: Arc<Room>,
    manner: Manner,
) {
    let router = match manner {
        Manner::Scrapes => web::require_login(&web, router),
        // The desk asks for it by itself, behind headers of its own.
        Manner::Desk => router,
    };
    let mut connections: JoinSet<()> = JoinSet::new();
    let mut handles: VecDeque<AbortHandle> = VecDeque::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            // Dropped at once: this clears what the client sent.
            Some(_) = connections.join_next() => continue,
        };
        let Ok((stream, _)) = accepted else {
            crate::clock::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        handles.retain(|handle| !handle.is_finished());
        while handles.len() >= room.get()
            && let Some(oldest) = handles.pop_front()
        {
            oldest.abort();
        }
        let connection = connection(stream, web.tls(), router.clone(), manner);
        handles.push_back(match manner {
            Manner::Scrapes => connections.spawn(connection),
            Manner::Desk => connections.spawn(wiping(connection)),
        });
    }
}

/// A connection, including its handshake; a failure concerns only its client.
async fn connection(
    stream: TcpStream,
    tls: Option<Arc<rustls::ServerConfig>>,
    router: Router,
    manner: Manner,
) {
    let Some(tls) = tls else { return converse(stream, router, manner).await };
    let handshake = TlsAcceptor::from(tls).accept(stream);
    let Some(Ok(stream)) = crate::clock::timeout(HANDSHAKE_TIME, handshake).await else { return };
    let router = match manner {
        Manner::Scrapes => router,
        Manner::Desk => router.layer(Extension(Shown::of(stream.get_ref().1))),
    };
    converse(stream, router, manner).await;
}

async fn converse(stream: impl AsyncRead + AsyncWrite + Unpin, router: Router, manner: Manner) {
    let service = TowerToHyperService::new(router);
    let header_time = match manner {
        Manner::Scrapes => HEADER_TIME,
        Manner::Desk => DESK_HEADER_TIME,
    };
    // See above.
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(header_time)
        .keep_alive(manner == Manner::Scrapes)
        .max_buf_size(HEADER_BYTES)
        .max_headers(HEADERS)
        .auto_date_header(false)
        .half_close(false)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}
