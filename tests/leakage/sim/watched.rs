//! A simulated disk as somebody sees it who watches the state directory: what is done when to which
//! file, and how the folder looks. Not what is sealed inside.

use super::disk::{Fault, SimulatedDisk, SimulatedFile};
use super::environment::Clocks;
use blindmeter::store::disk::{Disk, Secret};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The disk and what was seen of it. A copy is the same disk.
#[derive(Clone)]
pub(crate) struct Watched {
    disk: SimulatedDisk,
    clocks: Clocks,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    /// One line for each operation that changes something, and for each that fails.
    journal: String,
    /// Wall clock of the last change of each file.
    changed: BTreeMap<PathBuf, u64>,
}

/// An open file, and which it is.
pub(crate) struct WatchedFile {
    file: SimulatedFile,
    path: PathBuf,
}

impl Watched {
    pub(crate) fn new(disk: SimulatedDisk, clocks: Clocks) -> Self {
        Self { disk, clocks, seen: Arc::default() }
    }

    /// A fault at the operation of this number from now.
    pub(crate) fn plan(&self, fault: Fault, after: u64) {
        self.disk.plan(fault, after);
    }

    /// The power goes: what was not synced is there in part, by chance.
    pub(crate) fn cut_power(&self) {
        self.disk.plan(Fault::PowerCut, 0);
        // Any operation finds that there is no power.
        let _ = self.disk.remove(Path::new("/nothing"));
        self.disk.revive();
    }

    /// True when a fault has ended the process or the machine.
    pub(crate) fn is_dead(&self) -> bool {
        self.disk.is_dead()
    }

    /// Starts the process, or the machine, again, on a disk that is well.
    pub(crate) fn revive(&self) {
        self.disk.revive();
    }

    pub(crate) fn put(&self, path: &Path, bytes: &[u8]) {
        self.disk.put(path, bytes);
    }

    pub(crate) fn bytes(&self, path: &Path) -> Option<Vec<u8>> {
        self.disk.bytes(path)
    }

    /// Appends a line for each operation since the last call, and forgets them.
    pub(crate) fn take_journal(&self, into: &mut Vec<u8>) {
        let mut seen = self.seen();
        into.extend_from_slice(seen.journal.as_bytes());
        seen.journal.clear();
    }

    /// Appends the folder as it looks: names, sizes in bytes, and when each file was changed.
    pub(crate) fn list(&self, into: &mut Vec<u8>) {
        let seen = self.seen();
        for path in self.disk.names() {
            let bytes = self.disk.bytes(&path).map_or(0, |bytes| bytes.len());
            let changed = seen.changed.get(&path).copied().unwrap_or(0);
            into.extend_from_slice(format!("{} {bytes} {changed}\n", path.display()).as_bytes());
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes an operation; `changes` is the file that it leaves changed.
    fn note<T>(
        &self,
        what: std::fmt::Arguments<'_>,
        changes: Option<&Path>,
        done: io::Result<T>,
    ) -> io::Result<T> {
        let now = self.clocks.wall_seconds();
        let mut seen = self.seen();
        let outcome = if done.is_ok() { "" } else { " fails" };
        writeln!(seen.journal, "{now} {what}{outcome}").expect("a text takes a line");
        if let Some(path) = changes {
            seen.changed.insert(path.to_owned(), now);
        }
        done
    }
}

impl Disk for Watched {
    type File = WatchedFile;

    fn create(&self, path: &Path) -> io::Result<WatchedFile> {
        let made = self.disk.create(path).map(|file| WatchedFile { file, path: path.to_owned() });
        self.note(format_args!("create {}", path.display()), Some(path), made)
    }

    fn open(&self, path: &Path) -> io::Result<WatchedFile> {
        self.disk.open(path).map(|file| WatchedFile { file, path: path.to_owned() })
    }

    fn append(&self, file: &mut WatchedFile, bytes: &[u8]) -> io::Result<()> {
        let done = self.disk.append(&mut file.file, bytes);
        let what = format_args!("append {} {}", file.path.display(), bytes.len());
        self.note(what, Some(&file.path), done)
    }

    fn overwrite(&self, file: &mut WatchedFile, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let done = self.disk.overwrite(&mut file.file, offset, bytes);
        let what = format_args!("overwrite {} {offset} {}", file.path.display(), bytes.len());
        self.note(what, Some(&file.path), done)
    }

    fn read(&self, file: &WatchedFile, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.disk.read(&file.file, offset, bytes)
    }

    fn length(&self, file: &WatchedFile) -> io::Result<u64> {
        self.disk.length(&file.file)
    }

    fn sync(&self, file: &mut WatchedFile) -> io::Result<()> {
        let done = self.disk.sync(&mut file.file);
        self.note(format_args!("sync {}", file.path.display()), None, done)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let done = self.disk.rename(from, to);
        self.note(format_args!("rename {} {}", from.display(), to.display()), Some(to), done)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        let done = self.disk.sync_folder(folder);
        self.note(format_args!("sync {}", folder.display()), None, done)
    }

    fn read_key(&self, path: &Path) -> io::Result<Secret> {
        self.disk.read_key(path)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let done = self.disk.remove(path);
        self.note(format_args!("remove {}", path.display()), None, done)
    }
}
