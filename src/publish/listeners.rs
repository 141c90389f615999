//! The listeners of the pages: what a list of addresses comes to, and how one list follows another while the
//! daemon serves.
//!
//! Sees no request. A list that cannot be bound changes nothing; one that can loses no connection.
#![expect(clippy::disallowed_types, reason = "the listeners' own addresses are bound here")]

use super::http::{Manner, Room, serve_with};
use super::web::ActiveWebConfig;
use crate::exit::{ExitError, ExitStatus};
use axum::Router;
use nix::errno::Errno;
use nix::sys::socket::sockopt::{Ipv6V6Only, ReuseAddr, ReusePort};
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrStorage, bind as bind_socket, listen, setsockopt,
    socket,
};
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Connections that the kernel keeps until they are accepted, as std does.
const QUEUE: i32 = 128;

/// The first port that asks for no privilege, where the kernel's setting is as it comes.
const FIRST_FREE_PORT: u16 = 1024;

/// A place to listen at.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Place {
    address: SocketAddr,
    /// Whether `[::]` leaves IPv4 to others: where the same port is listed for an IPv4 address too.
    is_v6_only: bool,
}

/// The places of a list of addresses.
fn places(addresses: &[SocketAddr]) -> Vec<Place> {
    let is_v6_only = |address: &SocketAddr| {
        address.is_ipv6() && addresses.iter().any(|other| other.is_ipv4() && other.port() == address.port())
    };
    addresses.iter().map(|address| Place { address: *address, is_v6_only: is_v6_only(address) }).collect()
}

/// Binds one address, ready for [`super::http::serve`]; `key` is what an error blames.
///
/// # Errors
/// A port that is taken (69), or an address that cannot be bound (74, 77).
pub fn bind(key: &str, address: SocketAddr) -> Result<StdListener, ExitError> {
    bound(Place { address, is_v6_only: false }, false).map_err(|error| failed(key, &address, &error))
}

/// Why an address cannot be bound, and what to do; `key` is what is blamed.
#[must_use]
pub fn failed(key: &str, address: &SocketAddr, error: &io::Error) -> ExitError {
    let (code, remedy) = match error.kind() {
        io::ErrorKind::AddrInUse => {
            (ExitStatus::Unavailable, "choose another port, or stop the program that uses it")
        }
        io::ErrorKind::PermissionDenied => (ExitStatus::Permission, "choose a port of 1024 or above"),
        _ => (ExitStatus::Io, "choose an address of this host"),
    };
    ExitError::new(code, format!("{key} {address}: {error}; {remedy}"))
}

/// Binds a place; `is_shared` lets it stand beside a socket of ours that allows it.
fn bound(place: Place, is_shared: bool) -> io::Result<StdListener> {
    let family = if place.address.is_ipv6() { AddressFamily::Inet6 } else { AddressFamily::Inet };
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(family, SockType::Stream, flags, None)?;
    setsockopt(&socket, ReuseAddr, &true)?;
    if place.is_v6_only {
        setsockopt(&socket, Ipv6V6Only, &true)?;
    }
    if is_shared {
        setsockopt(&socket, ReusePort, &true)?;
    }
    bind_socket(socket.as_raw_fd(), &SockaddrStorage::from(place.address))?;
    listen(&socket, Backlog::new(QUEUE)?)?;
    if is_shared {
        // Only now, since listen(2) looks for conflicts again; from here on nobody else may stand beside it.
        setsockopt(&socket, ReusePort, &false)?;
    }
    Ok(StdListener::from(socket))
}

/// Whether a start could bind these addresses, whoever has their ports now; for `check`. `key` is what is blamed.
///
/// # Errors
/// An address that this host does not have (74), or a port that only root may take (77).
pub fn try_out(key: &str, kind: SockType, addresses: &[SocketAddr]) -> Result<(), ExitError> {
    addresses.iter().try_for_each(|address| {
        let family = if address.is_ipv6() { AddressFamily::Inet6 } else { AddressFamily::Inet };
        let bound = socket(family, kind, SockFlag::SOCK_CLOEXEC, None).and_then(|socket| {
            // What asks for no privilege is asked for no port: nobody is in the way of whoever has it.
            let port = if address.port() < FIRST_FREE_PORT { address.port() } else { 0 };
            bind_socket(socket.as_raw_fd(), &SockaddrStorage::from(SocketAddr::new(address.ip(), port)))
        });
        match bound {
            Err(Errno::EADDRINUSE) | Ok(()) => Ok(()),
            Err(error) => Err(failed(key, address, &error.into())),
        }
    })
}

impl Place {
    /// Whether nobody has it now.
    #[must_use]
    pub fn is_free(self) -> bool {
        bound(self, false).is_ok()
    }
}

/// Listeners that are bound but not served yet.
pub type Bound = Vec<(Place, StdListener)>;

/// A place that is served.
struct Served {
    place: Place,
    listener: Arc<TcpListener>,
    task: JoinHandle<()>,
}

/// The listeners being served.
pub struct Listeners {
    serving: Vec<Served>,
    /// Connections of all of them together.
    connections: usize,
    /// The key that errors blame.
    key: &'static str,
    manner: Manner,
    room: Arc<Room>,
}

impl Listeners {
    /// None yet; all that will be share so many connections.
    #[must_use]
    pub fn sharing(connections: usize) -> Self {
        let (key, manner) = ("web.listen", Manner::Scrapes);
        Self { serving: Vec::new(), connections, key, manner, room: Arc::default() }
    }

    /// The same of the desk's pages, which are asked for accounts.
    #[must_use]
    pub fn of_desk(connections: usize) -> Self {
        Self { key: "support.listen", manner: Manner::Desk, ..Self::sharing(connections) }
    }

    /// The same of a fleet's page, whose addresses are given on the command line.
    #[must_use]
    pub fn of_fleet(connections: usize) -> Self {
        Self { key: "--listen", ..Self::sharing(connections) }
    }

    /// Binds the addresses that are not being served yet.
    ///
    /// # Errors
    /// Those of [`bind`]; nothing has changed then.
    pub fn prepare(&self, addresses: &[SocketAddr]) -> Result<Bound, ExitError> {
        let places = places(addresses);
        let new = places.iter().filter(|place| !self.serving.iter().any(|served| served.place == **place));
        let bind = |place: &Place| {
            let listener = bound(*place, false).or_else(|error| match error.kind() {
                io::ErrorKind::AddrInUse => self.beside_the_old(*place, &places).unwrap_or(Err(error)),
                _ => Err(error),
            });
            let listener = listener.map_err(|error| failed(self.key, &place.address, &error))?;
            Ok((*place, listener))
        };
        new.map(bind).collect()
    }

    /// Binds the addresses as far as nobody else has them, for a start; gives those that somebody has, each with what
    /// to do about it.
    ///
    /// # Errors
    /// An address that cannot be bound (74, 77).
    pub fn prepare_free(
        &self,
        addresses: &[SocketAddr],
    ) -> Result<(Bound, Vec<(Place, ExitError)>), ExitError> {
        let (mut free, mut taken) = (Vec::new(), Vec::new());
        for place in places(addresses) {
            let failed = |error| failed(self.key, &place.address, &error);
            match bound(place, false) {
                Ok(listener) => free.push((place, listener)),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => taken.push((place, failed(error))),
                Err(error) => return Err(failed(error)),
            }
        }
        Ok((free, taken))
    }

    /// Where pages are served: of a port 0, the one that the kernel chose.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        let address = |served: &Served| served.listener.local_addr().unwrap_or(served.place.address);
        self.serving.iter().map(address).collect()
    }

    /// Binds a place that listeners of ours still hold, all of which go; none where none does. They go only once
    /// everything else is known to be right, so that both stand side by side until then.
    fn beside_the_old(&self, place: Place, places: &[Place]) -> Option<io::Result<StdListener>> {
        let port = place.address.port();
        let going = |served: &&Served| served.place.address.port() == port && !places.contains(&served.place);
        let going: Vec<&Served> = self.serving.iter().filter(going).collect();
        if going.is_empty() {
            return None;
        }
        let allow = |allowed: bool| -> io::Result<()> {
            going.iter().try_for_each(|served| Ok(setsockopt(&served.listener, ReusePort, &allowed)?))
        };
        let listener = allow(true).and_then(|()| bound(place, true));
        Some(allow(false).and(listener))
    }

    /// Serves the bound listeners under this web configuration, and closes those no longer among the
    /// addresses.
    ///
    /// # Errors
    /// When the runtime cannot take a listener.
    pub fn adopt(
        &mut self,
        bound: Bound,
        addresses: &[SocketAddr],
        router: &Router,
        web: &Arc<ActiveWebConfig>,
    ) -> io::Result<()> {
        for (place, listener) in bound {
            let listener = Arc::new(TcpListener::from_std(listener)?);
            let room = Arc::clone(&self.room);
            let (web, router) = (Arc::clone(web), router.clone());
            let task = tokio::spawn(serve_with(web, Arc::clone(&listener), router, room, self.manner));
            self.serving.push(Served { place, listener, task });
        }
        let places = places(addresses);
        self.room.set(self.connections / places.len().max(1));
        self.serving.retain(|served| {
            let keep = places.contains(&served.place);
            if !keep {
                served.task.abort();
            }
            keep
        });
        // In the order of the configuration, as they are told.
        self.serving.sort_by_key(|served| places.iter().position(|place| *place == served.place));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(addresses: &[&str]) -> Vec<SocketAddr> {
        addresses.iter().map(|address| address.parse().unwrap()).collect()
    }

    #[test]
    fn a_wildcard_of_ipv6_leaves_ipv4_to_an_address_that_names_it() {
        assert!(places(&list(&["[::]:1", "127.0.0.1:1"]))[0].is_v6_only);
        assert!(!places(&list(&["[::]:1", "127.0.0.1:2"]))[0].is_v6_only);
    }
}
