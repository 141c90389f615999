//! A service manager as far as the descriptor store goes: it takes descriptors by sd_notify(3), keeps
//! them while no process lives, and passes them to the next one by sd_listen_fds(3).

use super::folder::Folder;
use crate::support::wait::{TIMEOUT, wait_until};
use std::io::IoSliceMut;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};

/// Descriptors below this are the next process's.
const ABOVE: i32 = 500;

/// What the manager says to itself.
const MARK: &str = "MARK=1";

pub(crate) struct Manager {
    path: PathBuf,
    store: Arc<Mutex<Vec<(String, OwnedFd)>>>,
    done: Arc<AtomicBool>,
    /// How often [`MARK`] was read.
    marks: Arc<AtomicUsize>,
    reader: Option<thread::JoinHandle<()>>,
}

impl Manager {
    pub(crate) fn of(folder: &Folder) -> Self {
        let path = folder.path("notify.sock");
        let socket = UnixDatagram::bind(&path).expect("a socket in our own folder");
        socket.set_read_timeout(Some(Duration::from_millis(50))).expect("a socket can be told not to wait");
        let (store, done) = (Arc::default(), Arc::new(AtomicBool::new(false)));
        let marks = Arc::new(AtomicUsize::new(0));
        let reader = {
            let (store, done, marks) = (Arc::clone(&store), Arc::clone(&done), Arc::clone(&marks));
            thread::spawn(move || {
                while !done.load(Ordering::SeqCst) {
                    match receive(&socket) {
                        Some((text, _)) if text == MARK => _ = marks.fetch_add(1, Ordering::SeqCst),
                        Some((text, descriptors)) => take(&store, &text, descriptors),
                        None => {}
                    }
                }
            })
        };
        Self { path, store, done, marks, reader: Some(reader) }
    }

    /// The names that are stored, once everything that was said is read: datagrams come in their order.
    pub(crate) fn stored(&self) -> Vec<String> {
        let marks = self.marks.load(Ordering::SeqCst);
        let said = UnixDatagram::unbound().and_then(|socket| socket.send_to(MARK.as_bytes(), &self.path));
        said.expect("the manager listens");
        wait_until("everything that was said is read", TIMEOUT, || self.marks.load(Ordering::SeqCst) > marks);
        let store = self.store.lock().expect("no test panics under this lock");
        store.iter().map(|(name, _)| name.clone()).collect()
    }

    /// The command line of a service with a descriptor store: what is stored is passed on.
    pub(crate) fn command(&self, program: &str) -> Command {
        let names = self.stored().join(":");
        let store = self.store.lock().expect("no test panics under this lock");
        let numbers: Vec<i32> = store.iter().map(|(_, descriptor)| descriptor.as_raw_fd()).collect();
        let mut command = Command::new("sh");
        command.args(["-c", "LISTEN_PID=$$; export LISTEN_PID; exec \"$0\" \"$@\"", program]);
        command.env("NOTIFY_SOCKET", &self.path).env("FDSTORE", "512");
        if !numbers.is_empty() {
            command.env("LISTEN_FDS", numbers.len().to_string()).env("LISTEN_FDNAMES", names);
        }
        // SAFETY: dup, dup2 and close_range are async-signal-safe; the numbers are open until the store
        // lets go of them, which no test does while it starts a daemon.
        unsafe {
            command.pre_exec(move || {
                for number in &numbers {
                    libc::fcntl(*number, libc::F_DUPFD, ABOVE);
                }
                for (to, from) in (3..).zip(ABOVE..).take(numbers.len()) {
                    libc::dup2(from, to);
                }
                libc::close_range(ABOVE.cast_unsigned(), u32::MAX, 0);
                Ok(())
            });
        }
        command
    }

    /// Forgets everything, as the service manager does when the service has stopped.
    pub(crate) fn drop_all(&self) {
        self.stored();
        self.store.lock().expect("no test panics under this lock").clear();
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        self.done.store(true, Ordering::SeqCst);
        // A panic of the reader shows as a store that is not what it should be.
        let _ = self.reader.take().map(thread::JoinHandle::join);
    }
}

fn take(store: &Mutex<Vec<(String, OwnedFd)>>, text: &str, mut descriptors: Vec<OwnedFd>) {
    let mut store = store.lock().expect("no test panics under this lock");
    let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key));
    let name = value("FDNAME=").unwrap_or("stored").to_owned();
    if value("FDSTOREREMOVE=").is_some() {
        store.retain(|(stored, _)| *stored != name);
    } else if value("FDSTORE=").is_some() {
        assert_eq!(value("FDPOLL="), Some("0"), "a map that is polled says error, and is dropped");
        assert_eq!(descriptors.len(), 1, "each descriptor has a name of its own");
        // What is there already is not taken twice: systemd compares the files.
        if !store.iter().any(|(stored, _)| *stored == name) {
            store.extend(descriptors.pop().map(|descriptor| (name, descriptor)));
        }
    }
}

fn receive(socket: &UnixDatagram) -> Option<(String, Vec<OwnedFd>)> {
    let mut bytes = [0; 4096];
    let mut space = nix::cmsg_space!([i32; 8]);
    let mut parts = [IoSliceMut::new(&mut bytes)];
    let flags = MsgFlags::MSG_CMSG_CLOEXEC;
    let message = recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut space), flags).ok()?;
    let mut descriptors = Vec::new();
    for control in message.cmsgs().expect("there is room for the descriptors") {
        if let ControlMessageOwned::ScmRights(numbers) = control {
            // SAFETY: the kernel made these descriptors for this process with the message.
            descriptors.extend(numbers.into_iter().map(|number| unsafe { OwnedFd::from_raw_fd(number) }));
        }
    }
    let length = message.bytes;
    Some((String::from_utf8_lossy(&bytes[..length]).into_owned(), descriptors))
}
