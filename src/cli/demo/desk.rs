//! The demo's desk: its accounts are made up, so whoever reaches it on this host needs no log-in.
#![expect(clippy::disallowed_types, reason = "the desk's own listener has an address")]

use crate::config::{DeskRoles, Roles};
use crate::control::access::AccessPolicy;
use crate::control::handler::Handler;
use crate::desk::{Desk, OpenDesk, Settings};
use crate::engine::Engine;
use crate::environment::System;
use crate::exit::ExitError;
use crate::meter::tags::Tag;
use crate::publish::listeners::bind;
use crate::publish::web::ActiveWebConfig;
use axum::Router;
use std::collections::HashMap;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;

/// Whom everybody is taken for.
const LOG_IN: &str = "demo";

/// The desk's port, or a free one if that is taken.
pub(super) fn listener() -> Result<TcpListener, ExitError> {
    let at = |port: u16| bind("the demo's desk", (Ipv4Addr::LOCALHOST, port).into());
    at(9777).or_else(|_| at(0))
}

/// Where a browser finds it.
pub(super) fn url(listener: &TcpListener) -> std::io::Result<String> {
    Ok(format!("http://{}/", listener.local_addr()?))
}

/// Its pages.
pub(super) fn router(engine: &Engine<System>, names: &HashMap<Tag, String>) -> Router {
    let (handler, _) = Handler::new(Arc::clone(&engine.state));
    let nobody = Roles { roster: Vec::new(), support: Vec::new(), privacy: Vec::new() };
    let everybody = vec![LOG_IN.to_owned()];
    let roles = DeskRoles { support: everybody.clone(), privacy: everybody, persons: Vec::new() };
    handler.set_access(AccessPolicy::resolve(&nobody, &roles, false, |_| None).0);
    let desk = Arc::new(Desk::new(Arc::new(handler)));
    let names = names.values().map(|name| format!("{name}\n")).collect();
    let open = Some(OpenDesk { log_in: LOG_IN, names });
    desk.set(Settings { open, node_name: "demo".to_owned(), ..Settings::default() });
    desk.router(&Arc::new(ActiveWebConfig::default()))
}
