//! RADIUS accounting, taken by the roster's thread on its tick: no thread wakes because a client comes or goes.
//!
//! Holds the sockets, and the addresses of VPN servers from a request to its answer; what requests say is the
//! sink's. Where nothing has come, a request of its own is worked on in the same way, as hooks' pipe does. Logs
//! nothing: every request is a client that comes, goes or stays.
#![expect(
    clippy::disallowed_types,
    reason = "the listeners' own addresses, and those of VPN servers to answer"
)]

use crate::config;
use crate::engine::roster_writer::{Change, Inbox, Job, Outcome, Taken};
use crate::engine::state::State;
use crate::environment::Environment;
use crate::exit::ExitError;
use crate::publish::listeners;
use crate::roster::Source;
use crate::roster::sources::radius::{PACKET_BYTES, Secret, Sink, Untaken};
use crate::system::allocator::{REQUEST_BYTES, wipe_stack};
use arc_swap::ArcSwap;
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::RcvBuf;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use zeroize::{Zeroize, Zeroizing};

/// Requests of a socket that are worked on in one tick; others wait in the socket, so that a flood holds up no
/// hook for longer than a few milliseconds.
const TOGETHER: usize = 64;

/// What waits in a socket at the most, in bytes: some hundred requests, as many as a server sends that restarts.
const WAITING_BYTES: usize = 1 << 20;

/// Secrets of the listeners, in their order.
pub(super) type Secrets = Arc<ArcSwap<Vec<Secret>>>;

/// Binds the sockets of these listeners.
///
/// # Errors
/// An address that is taken (69), or cannot be bound (74, 77).
pub(super) fn bind(listeners: &[config::Radius]) -> Result<Vec<UdpSocket>, ExitError> {
    let bind = |listener: &config::Radius| {
        let socket = UdpSocket::bind(listener.listen);
        let socket = socket.and_then(|socket| socket.set_nonblocking(true).map(|()| socket));
        let socket =
            socket.map_err(|error| listeners::failed("roster.radius listen", &listener.listen, &error))?;
        // Less room is no harm: servers send again.
        let _ = setsockopt(&socket, RcvBuf, &WAITING_BYTES);
        Ok(socket)
    };
    listeners.iter().map(bind).collect()
}

/// The inbox of these sockets.
pub(super) struct RadiusInbox<E: Environment> {
    state: Arc<State<E>>,
    listeners: Vec<(UdpSocket, config::Radius)>,
    secrets: Secrets,
    sink: Sink,
    untaken: Arc<Mutex<Untaken>>,
    buffer: Zeroizing<Vec<u8>>,
    /// Answers, each with its socket and whom it is for.
    answers: Vec<(usize, SocketAddr, Zeroizing<Vec<u8>>)>,
    /// What is worked on when nothing has come.
    rehearsal: (Vec<u8>, Secret),
}

impl<E: Environment> RadiusInbox<E> {
    /// An inbox of these listeners.
    ///
    /// # Errors
    /// No randomness.
    pub(super) fn new(
        state: Arc<State<E>>,
        sockets: Vec<UdpSocket>,
        listeners: &[config::Radius],
        secrets: Secrets,
    ) -> io::Result<Box<Self>> {
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(io::Error::other)?;
        let own = Secret::of_nobody();
        let rehearsal = (Sink::rehearsal(&own), own);
        Ok(Box::new(Self {
            state,
            listeners: sockets.into_iter().zip(listeners.iter().cloned()).collect(),
            secrets,
            sink: Sink::new(key),
            untaken: Arc::default(),
            buffer: Zeroizing::new(vec![0; PACKET_BYTES]),
            answers: Vec::new(),
            rehearsal,
        }))
    }

    /// Takes what has come to a socket; gives how much that was.
    fn hear(&mut self, at: usize, secret: &Secret) -> usize {
        let (socket, listener) = &self.listeners[at];
        let mut heard = 0;
        while heard < TOGETHER
            && let Ok((length, from)) = socket.recv_from(&mut self.buffer)
        {
            heard += 1;
            let datagram = self.buffer.get_mut(..length).unwrap_or_default();
            let roster = self.state.roster();
            let answer = match from.ip().to_canonical() {
                IpAddr::V4(sender) => {
                    let sender = sender.octets();
                    self.sink.hear(datagram, &sender, secret, listener.naming, |name| roster.tag_of(name))
                }
                IpAddr::V6(sender) => {
                    let sender = sender.octets();
                    self.sink.hear(datagram, &sender, secret, listener.naming, |name| roster.tag_of(name))
                }
            };
            datagram.zeroize();
            self.answers.extend(answer.map(|answer| (at, from, answer)));
        }
        heard
    }
}

impl<E: Environment> Inbox for RadiusInbox<E> {
    fn take(&mut self) -> Taken {
        self.sink.put_back(&mut lock(&self.untaken));
        let secrets = self.secrets.load_full();
        let heard: usize = secrets.iter().enumerate().map(|(at, secret)| self.hear(at, secret)).sum();
        let mut jobs: Vec<Box<Job>> = Vec::new();
        for (prefix, account) in self.sink.take_changes() {
            let change = match account {
                Some(account) => Change::Assign(Source::Radius, prefix, account),
                None => Change::Unassign(Source::Radius, prefix),
            };
            let untaken = Arc::clone(&self.untaken);
            let done = Box::new(move |outcome| match outcome {
                Outcome::Done | Outcome::NotAssigned => {}
                Outcome::Full(_) => lock(&untaken).push(prefix, false),
                Outcome::NotQuiesced => lock(&untaken).push(prefix, true),
            });
            jobs.push(Box::new(Job { change, done }));
        }
        if heard == 0 {
            self.sink.rehearse(&self.rehearsal.0, &self.rehearsal.1);
        } else {
            self.state.pass_over(Source::Radius, 0, self.sink.passed());
        }
        wipe_stack::<REQUEST_BYTES>();
        // What is left waits for the next tick, whoever sends how much.
        Taken { jobs, is_all: true }
    }

    fn answer(&mut self) {
        for (at, to, answer) in std::mem::take(&mut self.answers) {
            // A server that is gone needs none.
            let _ = self.listeners[at].0.send_to(&answer, to);
        }
    }
}

/// The lock cannot be poisoned, since a panic ends the process.
fn lock(untaken: &Mutex<Untaken>) -> MutexGuard<'_, Untaken> {
    untaken.lock().unwrap_or_else(PoisonError::into_inner)
}
