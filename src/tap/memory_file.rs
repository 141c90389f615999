//! The counters of the ring and the pnet tap in a file on tmpfs, mapped: a killed process loses
//! nothing that it has counted, and what passed while none lived is found at the next start.
//!
//! Holds tags, counters, and for each interface its index and how many packets its own counters
//! had told of, and the store's mark; no name, no address. The file is of mode 0600, and
//! ends with a clean stop.

use super::counter_memory::{CounterMemory, TagKey};
use super::interface_records::InterfaceRecords;
use super::shared::{PAGE_BYTES, mapped};
use crate::meter::counters::{Cell, Counters, Slices};
use crate::meter::slot::Slot;
use crate::meter::tags::{TagCell, Tags};
use crate::system::filesystem::IN_MEMORY;
use nix::fcntl::{Flock, FlockArg};
use nix::sys::statfs::fstatfs;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;

const MAGIC: &[u8; 8] = b"bmcount2";

/// Magic (8), slots (8), generation (16), node (16); the tags' key is behind it.
const HEADER_BYTES: usize = 48;

/// Words of the header, and of the tags' key ([`TagKey`]).
const HEADER_WORDS: usize = HEADER_BYTES / 8;
const KEY_WORDS: usize = 2;

/// Interfaces that have a record; of further ones a gap between processes is not told.
const INTERFACES: usize = 1024;

/// The most slots that a file is believed to have: 2^24 accounts and the reserved ones.
const SLOTS_AT_MOST: usize = (1 << 24) + Slot::FIRST_ACCOUNT.index();

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MemoryFileError {
    /// Counters on a disk would leave traces.
    #[error(
        "{}: counters must lie in memory, and this is no tmpfs; set control.socket to a path under /run",
        .path.display()
    )]
    NotInMemory {
        /// The file.
        path: PathBuf,
    },
    /// Another daemon has it open.
    #[error("{}: another daemon counts here; stop it first", .path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// It was not made by this node.
    #[error(
        "{}: counters of another node or version; stop what made them, or remove them with `blindmeter detach`",
        .path.display()
    )]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// More accounts are in it than there is room for.
    #[error("store.capacity: {} holds accounts up to number {needed}; set it to {needed} or more", .path.display())]
    CapacityTooSmall {
        /// The file.
        path: PathBuf,
        /// The least capacity.
        needed: usize,
    },
    /// A system call failed.
    #[error("{}: {error}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the kernel says.
        error: io::Error,
    },
}

/// The open file, locked while the process lives.
pub struct MemoryFile {
    path: PathBuf,
    file: Flock<File>,
    header: Header,
    adopted: bool,
    /// It lies under the name of a new one yet.
    is_new: bool,
}

/// Places in the file, in bytes.
struct Layout {
    tags: usize,
    up: usize,
    down: usize,
    interfaces: usize,
    end: usize,
}

impl Layout {
    fn of(slots: usize) -> Self {
        let after = |from: usize, bytes: usize| (from + bytes).next_multiple_of(PAGE_BYTES);
        let tags = PAGE_BYTES;
        let up = after(tags, slots * size_of::<TagCell>());
        let down = after(up, slots * size_of::<Cell>());
        let interfaces = after(down, slots * size_of::<Cell>());
        let end = after(interfaces, InterfaceRecords::words(INTERFACES) * size_of::<AtomicU64>());
        Self { tags, up, down, interfaces, end }
    }
}

/// The file of a daemon with this control socket.
#[must_use]
pub fn beside(control_socket: &Path) -> PathBuf {
    control_socket.with_extension("counters")
}

/// Removes what a dead daemon left, readable or not; true when there was something.
///
/// # Errors
/// When a daemon lives there, or the file cannot be removed.
pub fn discard(path: &Path) -> Result<bool, MemoryFileError> {
    let io = |error: io::Error| MemoryFileError::Io { path: path.to_owned(), error };
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        opened => opened.map_err(io)?,
    };
    let _lock = Flock::lock(file, FlockArg::LockExclusiveNonblock)
        .map_err(|_| MemoryFileError::InUse { path: path.to_owned() })?;
    std::fs::remove_file(path).map(|()| true).map_err(io)
}

impl MemoryFile {
    /// Opens the counters of this node, or makes them, of this generation. What was made has its
    /// name only once it is kept.
    ///
    /// # Errors
    /// See [`MemoryFileError`].
    pub fn open(
        path: &Path,
        accounts: usize,
        node: [u8; 16],
        generation: [u8; 16],
    ) -> Result<Self, MemoryFileError> {
        let io = |error: io::Error| MemoryFileError::Io { path: path.to_owned(), error };
        let slots = Slot::FIRST_ACCOUNT.index() + accounts;
        let Some(found) = Self::existing(path, node)? else {
            let header = Header { slots, generation, node };
            return match make(path, &header) {
                Ok(file) => Ok(Self { path: path.to_owned(), file, header, adopted: false, is_new: true }),
                Err(error) if error.kind() == io::ErrorKind::Unsupported => {
                    Err(MemoryFileError::NotInMemory { path: path.to_owned() })
                }
                Err(error) => Err(io(error)),
            };
        };
        if found.header.slots == slots {
            return Ok(found);
        }
        // The capacity changed: what was counted goes over into a file of the new size.
        let tags = found.memory().map_err(io)?.tags;
        let used =
            |at: &usize| tags.get(Slot::new(u32::try_from(*at).unwrap_or(u32::MAX))) != Default::default();
        if let Some(last) = (slots..tags.slots()).rev().find(used) {
            let needed = last + 1 - Slot::FIRST_ACCOUNT.index();
            return Err(MemoryFileError::CapacityTooSmall { path: path.to_owned(), needed });
        }
        found.resized(slots).map_err(io)
    }

    /// Opens what an earlier process of this node left; none where there is nothing.
    ///
    /// # Errors
    /// See [`MemoryFileError`].
    pub fn existing(path: &Path, node: [u8; 16]) -> Result<Option<Self>, MemoryFileError> {
        let io = |error: io::Error| MemoryFileError::Io { path: path.to_owned(), error };
        let file = match OpenOptions::new().read(true).write(true).open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(io)?,
        };
        let file = Flock::lock(file, FlockArg::LockExclusiveNonblock)
            .map_err(|_| MemoryFileError::InUse { path: path.to_owned() })?;
        let header = Header::read(&file).map_err(io)?.filter(|header| header.node == node);
        let header = header.ok_or_else(|| MemoryFileError::Foreign { path: path.to_owned() })?;
        Ok(Some(Self { path: path.to_owned(), file, header, adopted: true, is_new: false }))
    }

    /// What lies in the file, mapped for the rest of the process's life.
    ///
    /// # Errors
    /// Those of mmap(2).
    pub fn memory(&self) -> io::Result<CounterMemory> {
        let slots = self.header.slots;
        let layout = Layout::of(slots);
        let file = &*self.file;
        Ok(CounterMemory {
            counters: Counters::over(
                mapped(file, layout.up, slots)?,
                mapped(file, layout.down, slots)?,
                Slices::shared(slots),
            ),
            tags: Tags::over(mapped(file, layout.tags, slots)?),
            tag_key: TagKey::over(&mapped(file, 0, HEADER_WORDS + KEY_WORDS)?[HEADER_WORDS..]),
            interfaces: InterfaceRecords::over(mapped(
                file,
                layout.interfaces,
                InterfaceRecords::words(INTERFACES),
            )?),
            generation: self.header.generation,
            adopted: self.adopted,
        })
    }

    /// Gives a file that was made its name, in the place of one that may be there.
    ///
    /// # Errors
    /// Those of rename(2).
    pub fn keep(&mut self) -> io::Result<()> {
        if std::mem::replace(&mut self.is_new, false) {
            std::fs::rename(new_name(&self.path), &self.path)?;
        }
        Ok(())
    }

    /// Removes the file: everything in it was saved.
    pub fn remove(self) {
        // Where somebody else removed it there is nothing left to do.
        let _ = std::fs::remove_file(&self.path);
    }

    /// A file of another size with what this one holds, in its place.
    fn resized(self, slots: usize) -> io::Result<Self> {
        let header = Header { slots, ..self.header };
        let new = make(&self.path, &header)?;
        let (from, to) = (Layout::of(self.header.slots), Layout::of(slots));
        let kept = self.header.slots.min(slots);
        let parts = [
            (HEADER_BYTES, HEADER_BYTES, KEY_WORDS * size_of::<AtomicU64>()),
            (from.tags, to.tags, kept * size_of::<TagCell>()),
            (from.up, to.up, kept * size_of::<Cell>()),
            (from.down, to.down, kept * size_of::<Cell>()),
            (from.interfaces, to.interfaces, InterfaceRecords::words(INTERFACES) * size_of::<AtomicU64>()),
        ];
        for (from, to, bytes) in parts {
            let mut part = vec![0; bytes];
            self.file.read_exact_at(&mut part, from as u64)?;
            new.write_all_at(&part, to as u64)?;
        }
        Ok(Self { file: new, header, is_new: true, ..self })
    }
}

/// What a file says of itself.
#[derive(Clone, Copy)]
struct Header {
    slots: usize,
    generation: [u8; 16],
    node: [u8; 16],
}

impl Header {
    /// None for a file that is not one of ours.
    fn read(file: &File) -> io::Result<Option<Self>> {
        let mut bytes = [0; HEADER_BYTES];
        match file.read_exact_at(&mut bytes, 0) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            read => read?,
        }
        let part = |at: usize| bytes[at..].first_chunk::<16>().copied().unwrap_or_default();
        let slots = bytes[8..].first_chunk().map_or(0, |word| u64::from_le_bytes(*word));
        let slots = usize::try_from(slots)
            .ok()
            .filter(|slots| (Slot::FIRST_ACCOUNT.index()..=SLOTS_AT_MOST).contains(slots));
        let Some(slots) = slots.filter(|_| bytes[..8] == *MAGIC) else { return Ok(None) };
        let whole = file.metadata()?.size() == Layout::of(slots).end as u64;
        Ok(whole.then(|| Self { slots, generation: part(16), node: part(32) }))
    }
}

/// What a file is called before it is kept.
fn new_name(path: &Path) -> PathBuf {
    path.with_extension("counters.new")
}

/// Makes a file under the name of a new one.
fn make(path: &Path, header: &Header) -> io::Result<Flock<File>> {
    let new_path = new_name(path);
    let mut options = OpenOptions::new();
    let mut file = options.read(true).write(true).create(true).truncate(true).mode(0o600).open(&new_path)?;
    if !IN_MEMORY.contains(&fstatfs(&file)?.filesystem_type()) {
        std::fs::remove_file(&new_path)?;
        return Err(io::ErrorKind::Unsupported.into());
    }
    file.set_len(Layout::of(header.slots).end as u64)?;
    file.write_all(MAGIC)?;
    file.write_all(&(header.slots as u64).to_le_bytes())?;
    file.write_all(&header.generation)?;
    file.write_all(&header.node)?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| io::Error::from(errno))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meter::slot::Direction;
    use crate::meter::tags::Tag;

    const FIRST: Slot = Slot::FIRST_ACCOUNT;

    /// A folder in memory.
    fn folder() -> tempfile::TempDir {
        tempfile::TempDir::new_in("/dev/shm").expect("/dev/shm is a tmpfs")
    }

    #[test]
    fn what_was_counted_is_there_after_the_process() {
        let folder = folder();
        let path = folder.path().join("control.counters");
        let open = |accounts| MemoryFile::open(&path, accounts, [1; 16], [2; 16]);
        let mut file = open(2).unwrap_or_else(|error| panic!("{error}"));
        assert!(!path.exists(), "it has its name when it is kept");
        file.keep().expect("it can be kept");
        let memory = file.memory().expect("it can be mapped");
        assert!(!memory.adopted);
        memory.counters.add(FIRST, Direction::Up, 1500, 1);
        memory.tags.set(FIRST, Tag([7; 16]));
        assert!(*memory.tag_key.get_or_draw(|| [5; 16]) == [5; 16]);
        memory.interfaces.raise_highest(12);
        assert!(matches!(MemoryFile::existing(&path, [1; 16]), Err(MemoryFileError::InUse { .. })));
        drop(file);
        assert!(matches!(MemoryFile::existing(&path, [3; 16]), Err(MemoryFileError::Foreign { .. })));
        // Another capacity keeps what was counted.
        for accounts in [2, 5, 1] {
            let mut file = open(accounts).unwrap_or_else(|error| panic!("{error}"));
            file.keep().expect("it can be kept");
            let memory = file.memory().expect("it can be mapped");
            assert!(memory.adopted && memory.generation == [2; 16] && memory.interfaces.highest() == 12);
            assert!(*memory.tag_key.get_or_draw(|| [6; 16]) == [5; 16]);
            assert!(memory.counters.read(FIRST).up.bytes == 1500 && memory.tags.get(FIRST) == Tag([7; 16]));
        }
        let file = open(1).unwrap_or_else(|error| panic!("{error}"));
        file.memory().expect("it can be mapped").tags.set(FIRST, Tag([8; 16]));
        drop(file);
        assert!(matches!(open(0), Err(MemoryFileError::CapacityTooSmall { needed: 1, .. })));
    }

    #[test]
    fn a_file_that_is_none_of_ours_is_refused() {
        let folder = folder();
        let path = folder.path().join("control.counters");
        for bytes in [b"".as_slice(), b"bmcount2", &[0; 100], &[b'b'; 1 << 17]] {
            std::fs::write(&path, bytes).expect("it is ours");
            assert!(matches!(MemoryFile::existing(&path, [1; 16]), Err(MemoryFileError::Foreign { .. })));
        }
    }
}
