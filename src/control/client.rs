//! The client side of the control socket, for the commands.
//!
//! Waits for nothing without a limit: not for a place in the socket's queue, and not for an answer.

use super::protocol::{Answer, Request};
use crate::exit::{ExitError, ExitStatus};
use nix::sys::socket::sockopt::{PeerCredentials, SendTimeout};
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, UnixAddr, connect, getsockopt, setsockopt, socket,
};
use nix::sys::time::{TimeVal, TimeValLike};
use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a connection may wait for a place in the socket's queue.
const CONNECT_SECONDS: i64 = 10;

/// How long an answer may take; the daemon itself gives up after two seconds.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// A connection to a daemon.
pub struct Connection {
    path: PathBuf,
    stream: BufReader<UnixStream>,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// No daemon (69), or no permission (77).
    pub fn open(socket: &Path) -> Result<Self, ExitError> {
        let connected = || -> io::Result<UnixStream> {
            let stream = connected(socket)?;
            stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
            stream.set_write_timeout(Some(ANSWER_TIMEOUT))?;
            Ok(stream)
        };
        let stream = connected().map_err(|error| failed(socket, &error))?;
        Ok(Self { path: socket.to_owned(), stream: BufReader::new(stream) })
    }

    /// Sends one request; `text` follows the request line.
    ///
    /// # Errors
    /// A daemon that does not answer (69), or the daemon's own error.
    pub fn ask(&mut self, request: &Request, text: &[u8]) -> Result<Answer, ExitError> {
        match self.exchange(request, text).map_err(|error| failed(&self.path, &error))? {
            Answer::Error { code, message } => Err(ExitError::new(ExitStatus::of_number(code), message)),
            answer => Ok(answer),
        }
    }

    fn exchange(&mut self, request: &Request, text: &[u8]) -> io::Result<Answer> {
        let mut line = serde_json::to_vec(request).map_err(io::Error::other)?;
        line.push(b'\n');
        // A refusal may close the socket before everything is written; the answer can still be read.
        let stream = self.stream.get_mut();
        let written = stream.write_all(&line).and_then(|()| stream.write_all(text));
        let mut answer = String::new();
        self.stream.read_line(&mut answer)?;
        if answer.is_empty() {
            written?;
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        serde_json::from_str(&answer).map_err(|_| io::ErrorKind::InvalidData.into())
    }
}

/// Sends the daemon one request; `text` follows the request line.
///
/// # Errors
/// See [`Connection`].
pub fn ask(socket: &Path, request: &Request, text: &[u8]) -> Result<Answer, ExitError> {
    Connection::open(socket)?.ask(request, text)
}

/// The process that serves the socket, as the kernel reports it: its id in this PID namespace (0 if it
/// is not visible here) and its user. None if nobody serves it.
#[must_use]
pub fn server(socket: &Path) -> Option<(u32, u32)> {
    let stream = connected(socket).ok()?;
    let credentials = getsockopt(&stream, PeerCredentials).ok()?;
    Some((u32::try_from(credentials.pid()).ok()?, credentials.uid()))
}

/// A connected stream. Waits for a place in the queue, but not for ever.
pub(super) fn connected(path: &Path) -> io::Result<UnixStream> {
    let address = UnixAddr::new(path)?;
    let stream = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    setsockopt(&stream, SendTimeout, &TimeVal::seconds(CONNECT_SECONDS))?;
    connect(stream.as_raw_fd(), &address)?;
    Ok(UnixStream::from(stream))
}

/// What failed, and what to do.
fn failed(socket: &Path, error: &io::Error) -> ExitError {
    let path = socket.display();
    match error.kind() {
        io::ErrorKind::PermissionDenied => ExitError::new(
            ExitStatus::Permission,
            format!("{path}: {error}; ask for a role in [control.roles]"),
        ),
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            let what = format!(
                "{path}: no daemon answers; start it with `blindmeter run`, or pass its --config or --socket"
            );
            ExitError::new(ExitStatus::Unavailable, what)
        }
        io::ErrorKind::WouldBlock => {
            let what =
                format!("{path}: the daemon does not answer in time; see `systemctl status blindmeter`");
            ExitError::new(ExitStatus::Unavailable, what)
        }
        _ => ExitError::new(ExitStatus::Unavailable, format!("{path}: the daemon does not answer: {error}")),
    }
}
