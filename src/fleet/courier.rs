//! The courier: a process of its own that talks to the clusters, since the daemon connects nowhere.
//!
//! It has log-ins and certificates, no file, no capability and no key of the fleet: what it carries are random-looking
//! words. It makes the calls that the daemon asks for, one round at a time, and ends with its socket.

use super::cluster::{Access, Call, Cluster, Reply};
use super::settings::{Role, Settings};
use super::trouble::Trouble;
use super::wire::{self, Round};
use crate::system::{child, sandbox};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use nix::unistd::Pid;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// How long a round may take: longer than the cluster's client tries.
const PATIENCE: Duration = Duration::from_secs(60);

/// The daemon's end: how the clusters are asked.
pub struct Courier {
    /// None once the process has ended, or answers what is no message.
    socket: Option<UnixStream>,
    process: Pid,
    /// For each cluster, the roles that this node has there.
    roles: Vec<Vec<Role>>,
}

impl Courier {
    /// Starts the process. Must be called while this one has one thread.
    ///
    /// # Errors
    /// Those of socketpair(2) and fork(2).
    pub fn start(settings: &Settings) -> io::Result<Self> {
        let (ours, its) = socketpair(AddressFamily::Unix, SockType::Stream, None, SockFlag::SOCK_CLOEXEC)?;
        let accesses: Vec<Vec<(Role, Access)>> = (0..settings.clusters())
            .map(|place| {
                let roles = Role::ALL.into_iter();
                roles.filter_map(|role| Some((role, settings.access(place, role)?))).collect()
            })
            .collect();
        let roles = accesses.iter().map(|of| of.iter().map(|(role, _)| *role).collect()).collect();
        let its = UnixStream::from(its);
        let process = child::start(c"bm-courier", &[its.as_fd()], || serve(&its, &accesses))?;
        let socket = UnixStream::from(ours);
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { socket: Some(socket), process, roles })
    }

    /// Its number as a process.
    #[must_use]
    pub const fn process(&self) -> Pid {
        self.process
    }

    /// How many clusters there are.
    #[must_use]
    pub fn clusters(&self) -> usize {
        self.roles.len()
    }

    /// Whether this node has a role in every cluster.
    #[must_use]
    pub fn has(&self, role: Role) -> bool {
        self.roles.iter().all(|of| of.contains(&role))
    }

    /// Makes a round of calls; answers in their order.
    ///
    /// # Errors
    /// The first that is refused, or why nothing answers.
    pub fn ask(&mut self, place: usize, role: Role, calls: &[Call]) -> Result<Vec<Reply>, Trouble> {
        let Some(socket) = &mut self.socket else { return Err(Trouble::Unreachable) };
        let sent = wire::send_round(socket, place, role, calls);
        match sent.and_then(|()| wire::receive_answer(socket)) {
            Ok(Ok(replies)) if replies.len() != calls.len() => Err(Trouble::Answer),
            Ok(answer) => answer,
            Err(_) => {
                self.socket = None;
                Err(Trouble::Unreachable)
            }
        }
    }
}

/// The courier's life: one round, one answer, until the socket closes.
fn serve(mut socket: &UnixStream, accesses: &[Vec<(Role, Access)>]) {
    // A server's certificate is looked at inside; what makes a cluster of an access reads no file.
    let mut clusters: Vec<Vec<(Role, Result<Cluster, Trouble>)>> = accesses
        .iter()
        .map(|of| of.iter().map(|(role, access)| (*role, Cluster::new(access))).collect())
        .collect();
    if sandbox::enter_courier().is_err() {
        return;
    }
    while let Ok(Some(Round { place, role, calls })) = wire::receive_round(&mut socket) {
        let of = clusters.get_mut(place).and_then(|of| of.iter_mut().find(|(one, _)| *one == role));
        let answer = match of {
            None => Err(Trouble::Permission),
            Some((_, Err(trouble))) => Err(*trouble),
            Some((_, Ok(cluster))) => cluster.call(&calls),
        };
        if wire::send_answer(&mut socket, &answer).is_err() {
            return;
        }
    }
}
