//! Ports that another program has when a service manager starts the daemon: counting begins without them, and they are
//! asked for again until they are free.
//!
//! A start that failed would fail again and again, for as long as any local user keeps the port, and nothing would be
//! counted meanwhile. Whoever starts the daemon by hand is told, and can do something about it. Holds addresses of
//! the daemon's own listeners.
#![expect(clippy::disallowed_types, reason = "the listeners' own addresses")]

use crate::clock::sleep;
use crate::config::Config;
use crate::control::handler::Handler;
use crate::daemon::radius;
use crate::environment::Environment;
use crate::exit::{ExitError, ExitStatus};
use crate::log::{Event, emit};
use crate::publish::listeners::{Bound, Listeners, Place};
use crate::system::service_manager;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

/// How often it is asked whether they are free.
const AGAIN: Duration = Duration::from_secs(10);

/// What could be bound, and what could not.
pub(super) struct Ports {
    pub(super) pages: Bound,
    pub(super) desk: Bound,
    /// None yet where one of them is taken.
    pub(super) accounting: Vec<UdpSocket>,
    pub(super) taken: Option<Taken>,
}

/// Ports that others have.
pub(super) struct Taken {
    /// The first of them, and what to do about it.
    pub(super) why: String,
    pages: Vec<Place>,
    accounting: Vec<SocketAddr>,
}

/// Where the desk is served: at one address, or nowhere.
pub(super) fn desk_address(config: &Config) -> Vec<SocketAddr> {
    config.desk.iter().map(|desk| desk.listen).collect()
}

/// Binds what the configuration lists.
///
/// # Errors
/// An address that cannot be bound (74, 77), or that somebody has (69), where no service manager is there.
pub(super) fn bind(config: &Config) -> Result<Ports, ExitError> {
    // Of those that will serve, their keys alone are needed.
    let (pages, taken_pages) = Listeners::sharing(1).prepare_free(&config.listen)?;
    let (desk, taken_desk) = Listeners::of_desk(1).prepare_free(&desk_address(config))?;
    let (accounting, mut why) = match radius::bind(&config.radius) {
        Ok(sockets) => (sockets, Vec::new()),
        Err(error) if error.code == ExitStatus::Unavailable => (Vec::new(), vec![error]),
        Err(error) => return Err(error),
    };
    let listed = config.radius.iter().map(|listener| listener.listen);
    let taken_accounting = listed.filter(|_| !why.is_empty()).collect();
    let (places, taken): (Vec<Place>, Vec<ExitError>) = taken_pages.into_iter().chain(taken_desk).unzip();
    why.splice(0..0, taken);
    let taken = match why.into_iter().next() {
        None => None,
        Some(error) if !service_manager::is_there() => return Err(error),
        Some(error) => Some(Taken { why: error.message, pages: places, accounting: taken_accounting }),
    };
    Ok(Ports { pages, desk, accounting, taken })
}

/// Asks for a reload, which binds them, as soon as nobody has them; ends when it has succeeded.
pub(super) async fn await_free<E: Environment>(taken: Taken, handler: Arc<Handler<E>>) {
    loop {
        sleep(AGAIN).await;
        let is_free = taken.pages.iter().all(|place| place.is_free())
            && taken.accounting.iter().all(|address| UdpSocket::bind(address).is_ok());
        if is_free && matches!(handler.ask_for_reload().await, Some(Ok(()))) {
            emit(&Event::PortsBound(&handler.pages()));
            return;
        }
    }
}
