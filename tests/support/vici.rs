//! A charon as its vici socket shows it, and whatever else answers whole at a socket of the file system: each connection
//! is served by a thread that ends with the test.
//!
//! # Source
//! strongSwan 5.9, src/libcharon/plugins/vici/README.md: the order of an SA's keys is charon 5.9.8's.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// A program that listens at a path, which is removed with it.
pub(crate) struct Listener {
    path: PathBuf,
    is_over: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Listener {
    pub(crate) fn start(path: &Path, serve: impl Fn(UnixStream) -> Option<()> + Send + 'static) -> Self {
        // One that was killed leaves its socket.
        let _ = std::fs::remove_file(path);
        let listener = UnixListener::bind(path).expect("a path of the test's own");
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        let thread = thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // Relaxed: nothing else is told by it.
                if over.load(Ordering::Relaxed) {
                    return;
                }
                // Who asks may go away at any moment.
                let _ = serve(stream);
            }
        });
        Self { path: path.to_owned(), is_over, thread: Some(thread) }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        let woken = UnixStream::connect(&self.path).is_ok();
        let _ = std::fs::remove_file(&self.path);
        if let Some(thread) = self.thread.take().filter(|_| woken) {
            let _ = thread.join();
        }
    }
}

/// What charon tells of a client.
#[derive(Clone)]
pub(crate) struct Sa {
    /// The address that it connected from.
    pub(crate) real_address: String,
    /// Its identity of IKE, and the name that it logged in with.
    pub(crate) identity: String,
    pub(crate) name: String,
    /// For how many seconds it has been there.
    pub(crate) established: String,
    /// What it was given.
    pub(crate) addresses: Vec<String>,
}

/// Charon's clients, and the program that lists them.
pub(crate) struct Charon {
    pub(crate) clients: Arc<Mutex<Vec<Sa>>>,
    _listener: Listener,
}

impl Charon {
    pub(crate) fn start(path: &Path) -> Self {
        let clients = Arc::new(Mutex::new(Vec::new()));
        let listed = Arc::clone(&clients);
        let listener = Listener::start(path, move |mut stream| {
            // The event is registered, and the list asked for.
            receive(&mut stream)?;
            send(&mut stream, &[5])?;
            receive(&mut stream)?;
            for sa in listed.lock().expect("no test panics with it").iter() {
                send(&mut stream, &[&[7, 7][..], b"list-sa", &message(sa)].concat())?;
            }
            send(&mut stream, &[1])
        });
        Self { clients, _listener: listener }
    }
}

fn receive(stream: &mut UnixStream) -> Option<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).ok()?;
    let mut packet = vec![0; usize::try_from(u32::from_be_bytes(length)).ok()?];
    stream.read_exact(&mut packet).ok()?;
    Some(packet)
}

fn send(stream: &mut UnixStream, packet: &[u8]) -> Option<()> {
    let length = u32::try_from(packet.len()).ok()?.to_be_bytes();
    stream.write_all(&[&length[..], packet].concat()).ok()
}

/// An SA of a list.
fn message(sa: &Sa) -> Vec<u8> {
    let networks: Vec<String> = sa
        .addresses
        .iter()
        .map(|address| format!("{address}/{}", if address.contains(':') { 128 } else { 32 }))
        .collect();
    [
        section("vpn"),
        value("uniqueid", "7"),
        value("version", "2"),
        value("state", "ESTABLISHED"),
        value("local-host", "192.0.2.1"),
        value("remote-host", &sa.real_address),
        value("remote-port", "4500"),
        value("remote-id", &sa.identity),
        value("remote-eap-id", &sa.name),
        value("established", &sa.established),
        list("remote-vips", &sa.addresses),
        section("child-sas"),
        section("net-3"),
        value("name", "net"),
        value("state", "INSTALLED"),
        value("install-time", &sa.established),
        list("remote-ts", &networks),
        vec![2, 2, 2],
    ]
    .concat()
}

fn named(kind: u8, name: &str) -> Vec<u8> {
    [&[kind, u8::try_from(name.len()).expect("short")][..], name.as_bytes()].concat()
}

fn section(name: &str) -> Vec<u8> {
    named(1, name)
}

fn valued(text: &str) -> Vec<u8> {
    [&u16::try_from(text.len()).expect("short").to_be_bytes()[..], text.as_bytes()].concat()
}

fn value(name: &str, text: &str) -> Vec<u8> {
    [named(3, name), valued(text)].concat()
}

fn list(name: &str, items: &[String]) -> Vec<u8> {
    let items = items.iter().flat_map(|item| [vec![5], valued(item)].concat());
    [named(4, name), items.collect(), vec![6]].concat()
}
