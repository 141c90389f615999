//! The client side of the control socket, for the commands.

use super::protocol::{Answer, Request};
use crate::exit::{ExitError, ExitStatus};
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// How long an answer may take; the daemon itself gives up after two seconds.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// Sends the daemon one request; `text` follows the request line.
///
/// # Errors
/// No daemon (69), no permission (77), or the daemon's own error.
pub fn ask(socket: &Path, request: &Request, text: &[u8]) -> Result<Answer, ExitError> {
    let answer = exchange(socket, request, text).map_err(|error| {
        let path = socket.display();
        match error.kind() {
            io::ErrorKind::PermissionDenied => {
                ExitError::new(ExitStatus::Permission, format!("{path}: {error}; ask for a role in [control.roles]"))
            }
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                let what = format!("{path}: no daemon answers; start it with `blindmeter run`, or pass its --config or --socket");
                ExitError::new(ExitStatus::Unavailable, what)
            }
            _ => ExitError::new(ExitStatus::Unavailable, format!("{path}: the daemon does not answer: {error}")),
        }
    })?;
    match answer {
        Answer::Error { code, message } => Err(ExitError::new(ExitStatus::of_number(code), message)),
        answer => Ok(answer),
    }
}

/// The process that serves the socket, as the kernel reports it: its id in this PID namespace (0 if it
/// is not visible here) and its user. None if nobody serves it.
#[must_use]
pub fn server(socket: &Path) -> Option<(u32, u32)> {
    let stream = UnixStream::connect(socket).ok()?;
    let credentials = getsockopt(&stream, PeerCredentials).ok()?;
    Some((u32::try_from(credentials.pid()).ok()?, credentials.uid()))
}

fn exchange(socket: &Path, request: &Request, text: &[u8]) -> io::Result<Answer> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
    stream.set_write_timeout(Some(ANSWER_TIMEOUT))?;
    let mut line = serde_json::to_vec(request).map_err(io::Error::other)?;
    line.push(b'\n');
    // A refusal may close the socket before everything is written; the answer can still be read.
    let written = stream.write_all(&line).and_then(|()| stream.write_all(text));
    let mut answer = String::new();
    BufReader::new(&stream).read_line(&mut answer)?;
    if answer.is_empty() {
        written?;
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    serde_json::from_str(&answer).map_err(|_| io::ErrorKind::InvalidData.into())
}
