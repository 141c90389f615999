//! A watch over the folders of servers: which files were made or written there. Holds names of files alone.

use super::servers::Servers;
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use std::collections::BTreeSet;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;

/// Sees every file that is made, written or put into the folders of servers.
pub(crate) struct Watched(OwnedFd);

impl Watched {
    pub(crate) fn new<'a>(clusters: impl IntoIterator<Item = &'a Servers>) -> Self {
        let queue = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).expect("the kernel has it");
        let what = WatchFlags::CREATE | WatchFlags::CLOSE_WRITE | WatchFlags::MODIFY | WatchFlags::MOVED_TO;
        for servers in clusters {
            for at in 0..servers.count() {
                inotify::add_watch(&queue, servers.server_folder(at), what).expect("a folder");
            }
        }
        Self(queue)
    }

    /// Names since the last look.
    pub(crate) fn names(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut reader = inotify::Reader::new(&self.0, &mut buffer);
        while let Ok(event) = reader.next() {
            assert!(!event.events().contains(ReadFlags::QUEUE_OVERFLOW), "looked too seldom");
            names.extend(event.file_name().map(|name| name.to_string_lossy().into_owned()));
        }
        names
    }

    /// Asserts that only the one file was written, with the file beside it that replaces it.
    pub(crate) fn only_nodes(&self) {
        let names = self.names();
        assert!(
            names.iter().all(|name| name == "nodes.conf" || name.starts_with("nodes.conf.tmp")),
            "{names:?}"
        );
    }
}
