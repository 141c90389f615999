//! Descriptors that a member of a role passes to the control socket, whose close waits as long as he likes: they hold up
//! nobody, neither on a kernel that refuses them nor on an older one.
//!
//! The older kernel is this one, which is asked to say what an older one says of the option.
#![expect(
    unsafe_code,
    reason = "what a child does between fork and exec, and a thread's own user, have no safe form"
)]

use super::daemon::{Daemon, Site};
use super::support::wait::{let_pass, wait_for};
use super::{CLOSED, GAMES, ended};
use crate::daemon::command::bounded;
use blindmeter::clock::Stopwatch;
use blindmeter::system::descriptors::refuse_passed;
use nix::sys::signal::Signal;
use rustix::io::Errno;
use rustix::net::sockopt::set_socket_linger;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, recv, sendmsg};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};
use std::collections::BTreeMap;
use std::fs;
use std::io::{IoSlice, Write};
use std::mem::MaybeUninit;
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::thread;
use std::time::Duration;

/// Whoever waits for a close that lingers waits twenty times as long.
const SOON: Duration = Duration::from_secs(30);

/// A message with a TCP socket whose close waits: it lingers for ten minutes, and its other end reads nothing. The socket
/// travels in the queue of another one, so that the last to hold it is who closes that.
struct Lingering {
    /// Goes first: closed with bytes that nobody read, it resets the connection, and the close of its peer waits no longer.
    /// A shutdown would leave it to the next probe of a full window.
    other: Option<TcpStream>,
    carrier: Option<UnixStream>,
}

impl Lingering {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let mut stream = TcpStream::connect(listener.local_addr().expect("a port")).expect("it listens");
        let (other, _) = listener.accept().expect("it connected");
        set_socket_linger(&stream, Some(Duration::from_secs(600))).expect("an option of TCP");
        stream.set_nonblocking(true).expect("a socket");
        while stream.write(&[0; 65_536]).is_ok() {}
        let (carrier, sent) = UnixStream::pair().expect("a pair of sockets");
        pass(&sent, b"1", &stream).expect("it is passed");
        Self { other: Some(other), carrier: Some(carrier) }
    }

    /// Passes it on; from here on, nobody holds it but the receiver.
    fn pass(&mut self, to: &UnixStream, bytes: &[u8]) -> Result<(), Errno> {
        let carrier = self.carrier.take().expect("it is passed once");
        let passed = pass(to, bytes, &carrier);
        if passed.is_err() {
            // Ours to close.
            self.other = None;
        }
        passed
    }
}

fn pass(to: &UnixStream, bytes: &[u8], passed: &impl AsFd) -> Result<(), Errno> {
    let beside = [passed.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    assert!(control.push(SendAncillaryMessage::ScmRights(&beside)));
    sendmsg(to, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL).map(drop)
}

/// A connection of the user games. A thread can be another user, as far as the kernel goes.
fn connect_as_games(path: &Path) -> std::io::Result<UnixStream> {
    let path = path.to_owned();
    let connecting = thread::spawn(move || {
        let user = libc::c_long::from(GAMES.user);
        // SAFETY: the call takes plain numbers, and changes the calling thread alone.
        assert_eq!(unsafe { libc::syscall(libc::SYS_setresuid, user, user, user) }, 0, "root may");
        UnixStream::connect(path)
    });
    connecting.join().expect("it connects or not")
}

/// Does something while no thread of the daemon runs: what it would have closed before we let go of it would be ours to close.
fn while_it_stands<T>(daemon: &Daemon, done: impl FnOnce() -> T) -> T {
    daemon.signal(Signal::SIGSTOP);
    wait_for("every thread stands", || {
        let tasks = fs::read_dir(format!("/proc/{}/task", daemon.id())).expect("it runs").flatten();
        let mut states = tasks.filter_map(|task| fs::read_to_string(task.path().join("stat")).ok());
        states.all(|stat| stat.contains(") T ")).then_some(())
    });
    let done = done();
    daemon.signal(Signal::SIGCONT);
    done
}

/// Starts a daemon to which the kernel says of the option what an older one says.
fn start_on_an_older_kernel(site: &Site) -> Daemon<'_> {
    let equals = |argument, value| {
        SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value)
            .expect("a condition")
    };
    let option = [equals(1, libc::SOL_SOCKET.cast_unsigned().into()), equals(2, 83)];
    let rule = SeccompRule::new(option.to_vec()).expect("a rule");
    let unknown = SeccompAction::Errno(libc::ENOPROTOOPT.cast_unsigned());
    let rules = BTreeMap::from([(libc::SYS_setsockopt, vec![rule])]);
    let architecture = std::env::consts::ARCH.try_into().expect("one that is known");
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, unknown, architecture).expect("a filter");
    let program: BpfProgram = filter.try_into().expect("a program");
    let mut command = site.daemon_command(&[]);
    // SAFETY: installing a filter makes system calls alone.
    unsafe {
        command.pre_exec(move || seccompiler::apply_filter(&program).map_err(std::io::Error::other));
    }
    let mut daemon = site.adopt(command.spawn().expect("the program can be run"));
    daemon.await_answer();
    daemon
}

fn status_comes_soon(site: &Site, what: &str) {
    let begun = Stopwatch::start();
    let mut command = bounded();
    command.args([super::daemon::PROGRAM, "status", "--config"]).arg(site.path("blindmeter.toml"));
    let outcome = ended(command);
    assert!(outcome.code == Some(0) && begun.elapsed() < SOON, "status while a close would wait: {what}");
}

#[test]
fn a_descriptor_whose_close_waits_holds_up_nobody() {
    let this_kernel_refuses = refuse_passed(UnixStream::pair().expect("a pair of sockets").0);
    for is_older in [false, true] {
        let what = if is_older { "older kernel" } else { "this kernel" };
        let site = Site::new();
        site.configure("support = [\"root\"]", "support = [\"root\", \"games\"]");
        let mut daemon = if is_older { start_on_an_older_kernel(&site) } else { site.start() };
        let refuses = this_kernel_refuses && !is_older;
        let socket = site.path("control.sock");
        // With a request, before one is whole, and in a connection that is over at once.
        let mut held = Vec::new();
        for bytes in [b"{\"op\":\"status\"}\n".as_slice(), b"{", b"\n"] {
            let Ok(stream) = connect_as_games(&socket) else {
                assert!(!held.is_empty() && !refuses, "{what}: games has a role");
                continue;
            };
            let mut lingering = Lingering::new();
            let passed = while_it_stands(&daemon, || lingering.pass(&stream, bytes));
            assert_eq!(passed, if refuses { Err(Errno::PERM) } else { Ok(()) }, "{what}");
            if bytes != b"{" {
                drop(stream);
            } else {
                held.push((lingering, Some(stream)));
                continue;
            }
            held.push((lingering, None));
            status_comes_soon(&site, what);
        }
        status_comes_soon(&site, what);
        if !refuses {
            daemon.await_said("passed a file descriptor", 1);
            let refused =
                || connect_as_games(&socket).err().filter(|error| error.to_string().contains(CLOSED));
            wait_for("who did that is let in no more", refused);
            let said = daemon.reload();
            assert!(said.contains("reloaded"), "{said}");
            wait_for("until the next reload", || connect_as_games(&socket).ok());
        }
        let begun = Stopwatch::start();
        daemon.signal(Signal::SIGTERM);
        assert_eq!(daemon.await_end(), Some(0));
        assert!(begun.elapsed() < SOON, "{what}: a stop waits for nobody");
    }
}

/// The control: who takes such a message without a look waits until the other end lets go.
#[test]
fn taking_such_a_descriptor_does_wait() {
    let (ours, its) = UnixStream::pair().expect("a pair of sockets");
    let mut lingering = Lingering::new();
    lingering.pass(&its, b"!").expect("it is passed");
    let taking = thread::spawn(move || recv(&ours, &mut [0; 1], RecvFlags::empty()).map(drop));
    let_pass(Duration::from_millis(500), "a read takes no time");
    assert!(!taking.is_finished(), "its close lingers");
    drop(lingering);
    taking.join().expect("it ends").expect("a byte");
}
