//! The server side of the control socket: bounded connections, lines and waits.
//!
//! Asks the kernel who the peer is before it reads a byte; logs nothing. One exchange is apart from the
//! socket, so that a simulation answers by this very code.

use super::access::is_operator;
use super::guarded::Guarded;
use super::handler::{Handler, error};
use super::protocol::{Answer, LINE_BYTES, Request, SYNC_BYTES};
use crate::control::peer::Peer;
use crate::environment::Environment;
use crate::exit::ExitStatus;
use crate::system::allocator::wiping;
use crate::system::descriptors;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::UnixListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

/// Connections of one user with a role that are answered at once; further ones of his wait.
const TURNS: usize = 16;

/// Connections of peers with a role, answered or waiting, and of one user; further ones are closed. Where the
/// limit of descriptors is low there are fewer.
const MEMBERS: usize = 768;
const OF_A_USER: usize = 256;
const LOW_LIMIT: u64 = 4096;

/// Connections of peers without a role: they can delay each other, and nobody else.
const UNAUTHORIZED: usize = 16;

/// How long an unauthorized peer's request may take to arrive, so that the refusal can name the role.
const UNAUTHORIZED_SILENCE: Duration = Duration::from_secs(1);

/// How long a connection may stay silent, and how long one request may take to arrive.
const SILENCE: Duration = Duration::from_secs(30);

/// Pause after accept(2) fails, since descriptors may have run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves until the task is dropped. No error of a connection or of accept(2) ends it. Who passes a descriptor is
/// told to `bar`.
pub async fn serve<E: Environment>(
    listener: UnixListener,
    handler: Arc<Handler<E>>,
    bar: impl Fn(u32) + Clone + Send + Sync + 'static,
) {
    let mut rooms = Rooms::new(members(descriptors::limit()));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            // Dropped at once: this clears what the task worked on.
            Some(_) = connections.join_next() => continue,
        };
        let Ok((stream, _)) = accepted else {
            crate::clock::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let stream = Guarded::new(stream);
        let Ok(peer) = stream.peer() else { continue };
        let unauthorized = handler.is_unauthorized(&peer);
        let Some((places, turns)) = rooms.place(&peer, unauthorized) else { continue };
        let (handler, bar) = (Arc::clone(&handler), bar.clone());
        let silence = if unauthorized { UNAUTHORIZED_SILENCE } else { SILENCE };
        connections.spawn(wiping(async move {
            let turn = match turns {
                Some(turns) => turns.acquire_owned().await.ok(),
                None => None,
            };
            // A failed connection concerns only its peer.
            let _ = converse(&stream, &peer, silence, &handler).await;
            if stream.is_hostile() {
                bar(peer.uid);
            }
            drop((stream, turn, places));
        }));
    }
}

/// How many connections of peers with a role a limit of descriptors has room for.
fn members(limit: u64) -> usize {
    if limit < LOW_LIMIT { descriptors::share(limit, descriptors::COMMANDS) } else { MEMBERS }
}

/// Room for connections: no user takes another's, none takes the operator's, and those without a role take nobody's.
struct Rooms {
    members: Arc<Semaphore>,
    operator: Room,
    unauthorized: Arc<Semaphore>,
    /// Of each user with a role who has connected, by user id.
    users: BTreeMap<u32, Room>,
}

/// Room of one user.
struct Room {
    places: Arc<Semaphore>,
    turns: Arc<Semaphore>,
}

/// Places that a connection holds until it ends.
type Places = [Option<OwnedSemaphorePermit>; 2];

impl Room {
    fn new() -> Self {
        Self { places: Arc::new(Semaphore::new(OF_A_USER)), turns: Arc::new(Semaphore::new(TURNS)) }
    }
}

impl Rooms {
    fn new(members: usize) -> Self {
        Self {
            members: Arc::new(Semaphore::new(members)),
            operator: Room::new(),
            unauthorized: Arc::new(Semaphore::new(UNAUTHORIZED)),
            users: BTreeMap::new(),
        }
    }

    /// A place for a connection of this peer, and whose turns it waits for; none where there is no room. One without
    /// a role needs no turn: it is refused without any work.
    fn place(&mut self, peer: &Peer, unauthorized: bool) -> Option<(Places, Option<Arc<Semaphore>>)> {
        let take = |room: &Arc<Semaphore>| Arc::clone(room).try_acquire_owned().ok();
        if unauthorized {
            return Some(([Some(take(&self.unauthorized)?), None], None));
        }
        if is_operator(peer) {
            return Some((
                [Some(take(&self.operator.places)?), None],
                Some(Arc::clone(&self.operator.turns)),
            ));
        }
        let room = self.users.entry(peer.uid).or_insert_with(Room::new);
        let places = [Some(take(&room.places)?), Some(take(&self.members)?)];
        Some((places, Some(Arc::clone(&room.turns))))
    }
}

async fn converse<E: Environment>(
    stream: &Guarded,
    peer: &Peer,
    silence: Duration,
    handler: &Handler<E>,
) -> io::Result<()> {
    let mut input = BufReader::new(stream);
    while exchange(handler, peer, silence, &mut input, &mut &*stream).await? == Next::Request {
        // The buffer holds what was asked, for as long as the connection stays open: it is let go of, and
        // cleared with that, where nothing in it waits.
        if input.buffer().is_empty() {
            input = BufReader::new(input.into_inner());
        }
    }
    Ok(())
}

/// What follows an exchange.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Another request may come.
    Request,
    /// The connection ends.
    Close,
}

/// One request and its answer: a line is read, the peer's role checked, the text that follows read,
/// and the answer written. The end of the input, or a peer that is silent for too long, gets no answer.
///
/// # Errors
/// Those of the connection, and a text that breaks off.
pub async fn exchange<E: Environment>(
    handler: &Handler<E>,
    peer: &Peer,
    silence: Duration,
    input: &mut (impl AsyncBufRead + Unpin),
    output: &mut (impl AsyncWrite + Unpin),
) -> io::Result<Next> {
    let Some(line) = crate::clock::timeout(silence, line(input)).await.transpose()?.flatten() else {
        return Ok(Next::Close);
    };
    if line.last() != Some(&b'\n') {
        let what = format!("a request may have at most {LINE_BYTES} bytes");
        send(output, &error(ExitStatus::Usage, what)).await?;
        return Ok(Next::Close);
    }
    let answer = match serde_json::from_slice::<Request>(&line) {
        Err(_) => error(
            ExitStatus::Usage,
            "the daemon did not understand the request; use a client of the same version".into(),
        ),
        Ok(request) => match handler.refusal(&request, peer) {
            Some(refusal) => {
                send(output, &refusal).await?;
                return Ok(Next::Close);
            }
            None => answer(handler, request, peer, input).await?,
        },
    };
    send(output, &answer).await?;
    Ok(Next::Request)
}

async fn answer<E: Environment>(
    handler: &Handler<E>,
    request: Request,
    peer: &Peer,
    input: &mut (impl AsyncBufRead + Unpin),
) -> io::Result<Answer> {
    let mut text = Vec::new();
    let mut turn = None;
    if let Request::Sync { bytes } | Request::Flagged { bytes, .. } = request {
        if bytes > SYNC_BYTES {
            return Ok(error(
                ExitStatus::Usage,
                format!("a roster, or a text of names, may have at most {SYNC_BYTES} bytes; shorten it"),
            ));
        }
        // Those behind it wait with their text unread: memory is bounded by one.
        turn = handler.syncs.acquire().await.ok();
        let wanted = bytes as u64;
        let read = crate::clock::timeout(SILENCE, input.take(wanted).read_to_end(&mut text)).await;
        if read.transpose()? != Some(bytes) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    // Boxed, so that its memory is cleared when it is done, not when the connection ends.
    let answer = Box::pin(handler.answer(request, peer, text)).await;
    drop(turn);
    Ok(answer)
}

/// One line; none at the end. One that is too long or cut short has no line feed.
async fn line(input: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    input.take(LINE_BYTES as u64).read_until(b'\n', &mut line).await?;
    Ok((!line.is_empty()).then_some(line))
}

async fn send(output: &mut (impl AsyncWrite + Unpin), answer: &Answer) -> io::Result<()> {
    let mut text = serde_json::to_vec(answer).map_err(io::Error::other)?;
    text.push(b'\n');
    output.write_all(&text).await
}
