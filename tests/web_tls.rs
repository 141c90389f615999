//! TLS and log-in of the HTTP side: what a client must show, what it is told when it does not, and
//! that a reload exchanges every file of it without a connection being lost.
//!
//! `handshake` has TLS, `login` the log-in, `reload` the exchange of files inside the sandbox, `named`
//! what `check` and the log say, `shapes` how people and other programs write them, `prometheus` a real scraper. The clients are curl and rustls.

mod daemon;

#[path = "web_tls/authority.rs"]
mod authority;
#[path = "web_tls/client.rs"]
mod client;
#[path = "web_tls/fixture.rs"]
mod fixture;
#[path = "web_tls/handshake.rs"]
mod handshake;
#[path = "web_tls/login.rs"]
mod login;
#[path = "web_tls/named.rs"]
mod named;
#[path = "web_tls/prometheus.rs"]
mod prometheus;
#[path = "web_tls/reload.rs"]
mod reload;
#[path = "web_tls/shapes.rs"]
mod shapes;
mod support;
