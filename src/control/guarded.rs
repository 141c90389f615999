//! A connection of the control socket that takes no descriptors: reading it, and letting go of it, never closes one
//! that the other end has passed.
//!
//! To close a descriptor can take as long as its owner likes (a TCP socket that lingers, a file of a file system of
//! his own), and whoever receives or drops a message closes what came with it. From Linux 6.16 a socket can
//! refuse descriptors (SO_PASSRIGHTS). Before that, each message is looked at before it is taken; where a descriptor
//! is with it, the connection is never read again and never closed: it is set aside until the process ends,
//! and `server` lets its user in no more.
//!
//! # Source
//! unix(7), SCM_RIGHTS; net/unix/af_unix.c (unix_stream_read_generic, manage_oob, unix_release_sock);
//! net/ipv4/af_inet.c (inet_release: an ending process does not linger).

use super::peer::Peer;
use rustix::net::{RecvAncillaryBuffer, RecvFlags, ReturnFlags, Shutdown, recv, recvmsg, shutdown};
use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::UnixStream;

/// Bytes that are dropped at a time, of a connection that ends.
const CHUNK: usize = 4096;

/// How often: more than any buffer of a socket holds.
const CHUNKS: usize = 1 << 14;

/// A connection.
pub struct Guarded {
    /// None once it is let go of.
    stream: Option<UnixStream>,
    /// A descriptor waits in it.
    is_hostile: AtomicBool,
}

/// What waits in a socket.
enum Waiting {
    /// So many bytes, without a descriptor; none at the end.
    Bytes(usize),
    /// A descriptor is with it, or may be.
    Descriptor,
}

impl Guarded {
    /// Guards a connection.
    #[must_use]
    pub fn new(stream: UnixStream) -> Self {
        Self { stream: Some(stream), is_hostile: AtomicBool::new(false) }
    }

    /// Who is at the other end.
    ///
    /// # Errors
    /// Those of getsockopt(2).
    pub fn peer(&self) -> io::Result<Peer> {
        Ok(Peer::user(self.stream()?.peer_cred()?.uid()))
    }

    /// Whether its other end has passed a descriptor.
    pub fn is_hostile(&self) -> bool {
        self.is_hostile.load(Ordering::Relaxed)
    }

    fn stream(&self) -> io::Result<&UnixStream> {
        self.stream.as_ref().ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// Reads without waiting.
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let socket = self.stream()?.as_fd();
        match waiting(socket, buffer)? {
            Waiting::Bytes(0) => Ok(0),
            Waiting::Bytes(bytes) => {
                let taken = buffer.get_mut(..bytes).unwrap_or_default();
                Ok(recv(socket, taken, RecvFlags::DONTWAIT)?.1)
            }
            Waiting::Descriptor => {
                self.is_hostile.store(true, Ordering::Relaxed);
                Err(io::ErrorKind::InvalidData.into())
            }
        }
    }

    /// Drops what waits, once nothing more can come; false where a descriptor is with it.
    fn is_emptied(&self) -> bool {
        let Ok(stream) = self.stream() else { return true };
        let _ = shutdown(stream.as_fd(), Shutdown::Both);
        let mut buffer = [0; CHUNK];
        for _ in 0..CHUNKS {
            match self.read(&mut buffer) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
        false
    }
}

/// Looks at what waits, and takes nothing. One byte may be set apart as urgent: the look passes over it, and to take
/// what follows drops it with its descriptors. None can have come and gone between two calls.
fn waiting(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<Waiting> {
    let mut none = RecvAncillaryBuffer::default();
    let look = RecvFlags::PEEK | RecvFlags::DONTWAIT;
    let seen = recvmsg(socket, &mut [IoSliceMut::new(buffer)], &mut none, look);
    let mut urgent = [0; 1];
    if recv(socket, &mut urgent, look | RecvFlags::OOB).is_ok() {
        return Ok(Waiting::Descriptor);
    }
    let seen = seen?;
    if seen.flags.contains(ReturnFlags::CTRUNC) {
        return Ok(Waiting::Descriptor);
    }
    Ok(Waiting::Bytes(seen.bytes))
}

impl Drop for Guarded {
    fn drop(&mut self) {
        let is_clean = !self.is_hostile() && self.is_emptied();
        if let Some(stream) = self.stream.take().filter(|_| !is_clean)
            && let Ok(stream) = stream.into_std()
        {
            // Whoever closes it closes what it holds: the kernel, when the process ends.
            std::mem::forget(stream);
        }
    }
}

impl AsyncRead for &Guarded {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let stream = self.stream()?;
        loop {
            ready!(stream.poll_read_ready(context))?;
            let read = || self.read(buffer.initialize_unfilled());
            match stream.try_io(Interest::READABLE, read) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => {
                    buffer.advance(read?);
                    return Poll::Ready(Ok(()));
                }
            }
        }
    }
}

impl AsyncWrite for &Guarded {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let stream = self.stream()?;
        loop {
            ready!(stream.poll_write_ready(context))?;
            match stream.try_write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => return Poll::Ready(written),
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(shutdown(self.stream()?.as_fd(), Shutdown::Write)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, send, sendmsg};
    use std::fs::File;
    use std::io::IoSlice;
    use std::mem::MaybeUninit;
    use std::os::unix::net::UnixStream as Plain;
    use tokio::io::AsyncReadExt;

    /// A guarded end, as on a kernel that cannot refuse descriptors, and its other one; and a descriptor to pass, with
    /// the end of its pipe that tells when nobody holds it any more.
    fn pair() -> (Guarded, Plain) {
        let (ours, its) = Plain::pair().expect("a pair of sockets");
        ours.set_nonblocking(true).expect("a socket");
        (Guarded::new(UnixStream::from_std(ours).expect("a runtime")), its)
    }

    fn pass(stream: &Plain, bytes: &[u8], flags: SendFlags, passed: &impl AsFd) {
        let beside = [passed.as_fd()];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        assert!(control.push(SendAncillaryMessage::ScmRights(&beside)));
        sendmsg(stream, &[IoSlice::new(bytes)], &mut control, flags).expect("it is passed");
    }

    /// Whether the kernel still holds what was passed: reading from a pipe ends when no writer is left.
    fn is_held(reader: &impl AsFd) -> bool {
        let mut byte = [0; 1];
        rustix::io::read(reader, &mut byte) == Err(rustix::io::Errno::AGAIN)
    }

    /// Each way of passing one: alone, after other bytes, as an urgent byte, as one behind which more comes.
    #[test]
    fn a_descriptor_that_is_passed_is_never_closed() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(pass_in_every_way());
    }

    async fn pass_in_every_way() {
        type Send = fn(&Plain, &File);
        let plain =
            |stream: &Plain, bytes: &[u8]| send(stream, bytes, SendFlags::empty()).expect("it is sent");
        let ways: [(&str, Send); 5] = [
            ("alone", |stream, file| pass(stream, b"{}\n", SendFlags::empty(), file)),
            ("behind others", |stream, file| {
                send(stream, b"first", SendFlags::empty()).expect("it is sent");
                pass(stream, b"{}\n", SendFlags::empty(), file);
            }),
            ("urgent", |stream, file| pass(stream, b"!", SendFlags::OOB, file)),
            ("urgent, and more", |stream, file| {
                pass(stream, b"!", SendFlags::OOB, file);
                send(stream, b"more", SendFlags::empty()).expect("it is sent");
            }),
            ("urgent twice", |stream, file| {
                pass(stream, b"!", SendFlags::OOB, file);
                send(stream, b"!", SendFlags::OOB).expect("it is sent");
            }),
        ];
        for (way, passes) in ways {
            for reads in [true, false] {
                let (guarded, other) = pair();
                let (reader, writer) = nix::unistd::pipe2(nix::fcntl::OFlag::O_NONBLOCK).expect("a pipe");
                passes(&other, &File::from(writer));
                drop(other);
                let mut text = Vec::new();
                if reads {
                    let read = (&guarded).read_to_end(&mut text).await;
                    assert!(read.is_err() && guarded.is_hostile(), "{way}");
                    assert!(text.is_empty() || text == b"first", "{way}: what came before it");
                }
                drop(guarded);
                assert!(is_held(&reader), "{way}, read {reads}: nobody has closed it");
            }
        }
        // The control: what is read without a look is closed, and so is a connection that waits unread.
        let (reader, writer) = nix::unistd::pipe2(nix::fcntl::OFlag::O_NONBLOCK).expect("a pipe");
        let (guarded, other) = pair();
        pass(&other, b"!", SendFlags::empty(), &File::from(writer));
        recv(guarded.stream().expect("it is open"), &mut [0; 1], RecvFlags::DONTWAIT).expect("it is there");
        assert!(!is_held(&reader));
        plain(&other, b"text");
        drop(other);
        let mut text = String::new();
        (&guarded).read_to_string(&mut text).await.expect("nothing is passed");
        assert!(text == "text" && !guarded.is_hostile(), "other connections are read to their end");
    }
}
