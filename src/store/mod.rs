//! The sealed store: one blob of fixed size, rewritten whole at a fixed interval and at each close.
//!
//! A save: the node's head and records -> `format` seals them under a key derived from the root key
//! and the present link of the `chain` -> temporary name, fsync, rename, fsync of the folder.
//! Holds no account name and no address; only the interval, the closes and what staff asks cause writes.

mod chain;
pub mod disk;
mod errors;
pub mod format;
pub mod image;
pub mod keys;
pub mod replace;

pub use errors::{KeyFileError, Step, StoreError};

use crate::meter::noise::Randomness;
use crate::meter::slot::Slot;
use crate::meter::tags::Tag;
use crate::node::saved::{Head, Record};
use chain::{Chain, ChainLink};
use disk::Disk;
use format::{EARLIEST, HEADER_BYTES, Header, Unreadable, VERSION, sealed_bytes};
use keys::{KEY_BYTES, Key};
use replace::{folder, replace_file, temporary};
use std::io;
use std::path::{Path, PathBuf};
use zeroize::Zeroize;

/// Where the store is, and whose.
#[derive(Clone)]
pub struct Settings {
    /// The blob; the chain file is next to it, with `.chain` appended to its name.
    pub path: PathBuf,
    /// The root key: exactly 32 raw bytes, readable by nobody else.
    pub key_file: PathBuf,
    /// The node's name.
    pub node: String,
    /// How many accounts there is room for.
    pub capacity: usize,
}

/// What a start found.
pub enum Opened {
    /// No blob was ever kept here: there is none, and no chain file shows that there was one.
    First,
    /// The image of the last successful save.
    Resumed(Box<Head>),
    /// Something that cannot be recovered, and the operator accepted that.
    LossAccepted,
}

/// The store of one node.
pub struct Store<D, R> {
    disk: D,
    randomness: R,
    settings: Settings,
    capacity: u32,
    root: Key,
    chain: Chain,
    /// The link of the blob that lies there.
    present: ChainLink,
    /// The link of a close that was begun and not finished.
    next: Option<ChainLink>,
    /// The chain file is to be created, not overwritten.
    creates_chain: bool,
}

impl<D: Disk, R: Randomness> Store<D, R> {
    /// Opens the store, and passes on each record of the image as it is read. Records passed on before an
    /// error must not be used.
    ///
    /// `counters_exist`: this node's counters from an earlier process exist. `accept_loss`: start from
    /// zero if something is missing or cannot be opened.
    ///
    /// # Errors
    /// Every way in which a blob can be wrong; see [`StoreError`].
    pub fn open(
        disk: D,
        mut randomness: R,
        settings: Settings,
        counters_exist: bool,
        accept_loss: bool,
        record: impl FnMut(usize, Record),
    ) -> Result<(Self, Opened), StoreError> {
        let root = read_key(&disk, &settings.key_file)?;
        let capacity = u32::try_from(settings.capacity).unwrap_or(u32::MAX);
        let chain = Chain::new(chain_path(&settings.path));
        let links = chain.read(&disk).map_err(|error| failed(chain.path(), Step::Read, error))?;
        let blob = Blob { disk: &disk, settings: &settings, root: &root };
        let found = blob.find(chain.path(), links, counters_exist).and_then(|found| match found {
            None => Ok(None),
            Some((present, next, header, file)) => {
                let head = blob.read(&file, &header, &present, record)?;
                Ok(Some((present, next, head)))
            }
        });
        let (present, next, opened) = match found {
            Ok(Some((present, next, head))) => (Some(present), next, Opened::Resumed(Box::new(head))),
            Ok(None) => (None, None, Opened::First),
            Err(error) if accept_loss && error.is_loss() => (None, None, Opened::LossAccepted),
            Err(error) => return Err(error),
        };
        let creates_chain = present.is_none();
        let present = present.unwrap_or_else(|| link(1, true, &mut randomness));
        let mut store =
            Self { disk, randomness, settings, capacity, root, chain, present, next, creates_chain };
        store.clean_up()?;
        Ok((store, opened))
    }

    /// The key that account names are tagged with.
    #[must_use]
    pub fn tag_key(&self) -> Key {
        self.root.of_tags(&self.settings.node)
    }

    /// What this store marks counter memory with that was made while the last save was one of the memory
    /// `saved`. Nobody without the root key can make it, and it reveals nothing.
    #[must_use]
    pub fn memory_mark(&self, memory: [u8; 16], saved: [u8; 16]) -> [u8; 16] {
        self.root.mark_of_memory(memory, saved)
    }

    /// Writes the image, at the fixed interval. Finishes a close that could not be finished before.
    ///
    /// # Errors
    /// When writing fails. The blob on disk is then the previous one, or this one.
    pub fn save(&mut self, head: &Head, record: impl FnMut(usize) -> Record) -> Result<(), StoreError> {
        if let Some(next) = self.next.clone() {
            return self.finish_close(next, head, record);
        }
        let link = self.present.clone();
        self.write_blob(&link, head, record)?;
        // After a close whose last step failed, the file may still hold the previous link, and an older
        // blob would pass for this one.
        if self.present.fresh || self.chain.is_doubtful() {
            self.present.fresh = false;
            self.write_chain(vec![self.present.clone()])?;
        }
        Ok(())
    }

    /// Writes the image of a close, or after an erasure, under a new link of the chain: nothing earlier opens any more.
    ///
    /// # Errors
    /// See [`Store::save`], which finishes what failed here.
    pub fn save_close(&mut self, head: &Head, record: impl FnMut(usize) -> Record) -> Result<(), StoreError> {
        // A blob may already be sealed under a pending link, so it is kept, not drawn again.
        let next = match self.next.take() {
            Some(next) => next,
            None => link(self.present.generation + 1, false, &mut self.randomness),
        };
        self.next = Some(next.clone());
        self.finish_close(next, head, record)
    }

    fn finish_close(
        &mut self,
        next: ChainLink,
        head: &Head,
        record: impl FnMut(usize) -> Record,
    ) -> Result<(), StoreError> {
        self.write_chain(vec![self.present.clone(), next.clone()])?;
        self.write_blob(&next, head, record)?;
        self.present = next;
        self.next = None;
        // This removes what opened the old blob.
        self.write_chain(vec![self.present.clone()])
    }

    /// After a start: makes the chain file hold what is in force, and nothing that opens an older blob;
    /// removes what an interrupted save left behind. If the previous process was killed, what was found
    /// may only be in the cache: it is made durable before anybody acts on it.
    fn clean_up(&mut self) -> Result<(), StoreError> {
        if !self.creates_chain {
            let found =
                self.chain.sync(&self.disk).and_then(|()| self.disk.sync_folder(folder(&self.settings.path)));
            found.map_err(|error| failed(&self.settings.path, Step::Write, error))?;
        }
        let links: Vec<ChainLink> =
            [Some(self.present.clone()), self.next.clone()].into_iter().flatten().collect();
        self.write_chain(links)?;
        match self.disk.remove(&temporary(&self.settings.path)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(failed(&self.settings.path, Step::Write, error))
            }
            _ => Ok(()),
        }
    }

    fn write_chain(&mut self, links: Vec<ChainLink>) -> Result<(), StoreError> {
        let links: Vec<&ChainLink> = links.iter().collect();
        self.chain
            .write(&self.disk, &links, self.creates_chain)
            .map_err(|error| failed(self.chain.path(), Step::Write, error))?;
        self.creates_chain = false;
        Ok(())
    }

    fn write_blob(
        &mut self,
        link: &ChainLink,
        head: &Head,
        record: impl FnMut(usize) -> Record,
    ) -> Result<(), StoreError> {
        let header = Header {
            version: VERSION,
            capacity: self.capacity,
            node: keys::binding(&self.settings.node),
            generation: link.generation,
            key_check: self.root.check(),
            nonce: random(&mut self.randomness),
        };
        let key = self.root.of_blob(&link.key);
        let disk = &self.disk;
        replace_file(disk, &self.settings.path, |file| format::write(disk, file, &header, &key, head, record))
            .map_err(|error| failed(&self.settings.path, Step::Write, error))
    }
}

/// A blob that may exist, and what opens it.
struct Blob<'a, D> {
    disk: &'a D,
    settings: &'a Settings,
    root: &'a Key,
}

/// The link of the blob, the link of a close that was begun, the blob's header and file.
type Found<F> = (ChainLink, Option<ChainLink>, Header, F);

impl<D: Disk> Blob<'_, D> {
    /// The blob and its link; none at a first start.
    fn find(
        &self,
        chain: &Path,
        links: Option<Vec<ChainLink>>,
        counters_exist: bool,
    ) -> Result<Option<Found<D::File>>, StoreError> {
        let path = || self.settings.path.clone();
        let file = match self.disk.open(&self.settings.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            opened => Some(opened.map_err(|error| failed(&self.settings.path, Step::Read, error))?),
        };
        let Some(file) = file else {
            let fresh = |links: &[ChainLink]| links.iter().any(|link| link.fresh);
            return match links {
                None if counters_exist => Err(StoreError::CountersAlone { path: path() }),
                None => Ok(None),
                // A first start that was interrupted before its first save.
                Some(links) if fresh(&links) => Ok(None),
                Some(_) => Err(StoreError::BlobMissing { path: path() }),
            };
        };
        let Some(links) = links else { return Err(StoreError::ChainMissing { path: chain.to_owned() }) };
        if links.is_empty() {
            return Err(StoreError::ChainDamaged { path: chain.to_owned() });
        }
        let header = self.header(&file)?;
        let at = links.iter().position(|link| link.generation == header.generation);
        let Some(at) = at else { return Err(StoreError::RolledBack { path: path() }) };
        // A later link is of a close that was begun; an earlier one of a close that was finished
        // but for its last step.
        let present = ChainLink { fresh: false, ..links[at].clone() };
        Ok(Some((present, links.get(at + 1).cloned(), header, file)))
    }

    /// The header, after every check that it allows by itself.
    fn header(&self, file: &D::File) -> Result<Header, StoreError> {
        let path = self.settings.path.clone();
        let length = self.disk.length(file).map_err(|error| failed(&path, Step::Read, error))?;
        if length < HEADER_BYTES as u64 {
            return Err(StoreError::Truncated { path });
        }
        let mut bytes = [0; HEADER_BYTES];
        self.disk.read(file, 0, &mut bytes).map_err(|error| failed(&path, Step::Read, error))?;
        let Some(header) = Header::decode(&bytes) else { return Err(StoreError::NotABlob { path }) };
        if !(EARLIEST..=VERSION).contains(&header.version) {
            return Err(StoreError::Version { path, version: header.version });
        }
        if header.node != keys::binding(&self.settings.node) {
            return Err(StoreError::OtherNode { path });
        }
        if header.key_check != self.root.check() {
            return Err(StoreError::WrongKey { path, key_file: self.settings.key_file.clone() });
        }
        match length.cmp(&sealed_bytes(header.version, header.capacity)) {
            std::cmp::Ordering::Less => Err(StoreError::Truncated { path }),
            std::cmp::Ordering::Greater => Err(StoreError::Altered { path }),
            std::cmp::Ordering::Equal => Ok(header),
        }
    }

    /// The head. The records go to `record`, except those of slots beyond the capacity, which must be
    /// unused.
    fn read(
        &self,
        file: &D::File,
        header: &Header,
        link: &ChainLink,
        mut record: impl FnMut(usize, Record),
    ) -> Result<Head, StoreError> {
        let path = self.settings.path.clone();
        let room = Slot::FIRST_ACCOUNT.index() + self.settings.capacity;
        let mut needed = 0;
        let key = self.root.of_blob(&link.key);
        let head = format::read(self.disk, file, header, &key, |slot, content| {
            if slot < room {
                record(slot, content);
            } else if content.tag != Tag::default() {
                needed = slot + 1 - Slot::FIRST_ACCOUNT.index();
            }
        });
        match head {
            Ok(_) if needed > 0 => Err(StoreError::CapacityTooSmall { path, needed }),
            Ok(head) => Ok(head),
            Err(Unreadable::Io(error)) => Err(failed(&path, Step::Read, error)),
            Err(Unreadable::Altered) => Err(StoreError::Altered { path }),
        }
    }
}

/// The chain file of a blob.
#[must_use]
pub fn chain_path(blob: &Path) -> PathBuf {
    let mut name = blob.as_os_str().to_owned();
    name.push(".chain");
    PathBuf::from(name)
}

fn failed(path: &Path, step: Step, error: io::Error) -> StoreError {
    StoreError::Disk { path: path.to_owned(), step, error }
}

fn random<const N: usize>(randomness: &mut impl Randomness) -> [u8; N] {
    let mut bytes = [0; N];
    for part in bytes.chunks_mut(8) {
        part.copy_from_slice(&randomness.next_word().to_le_bytes()[..part.len()]);
    }
    bytes
}

fn link(generation: u64, fresh: bool, randomness: &mut impl Randomness) -> ChainLink {
    let mut bytes: [u8; KEY_BYTES] = random(randomness);
    let key = Key::new(bytes);
    bytes.zeroize();
    ChainLink { generation, fresh, key }
}

/// Whether a key file is there, is a key, and is readable by nobody else; gives what makes it easy to guess. For
/// `check`.
///
/// # Errors
/// What is wrong with it.
pub fn check_key(path: &Path) -> Result<Option<&'static str>, StoreError> {
    read_key(&disk::SystemDisk, path).map(|key| keys::weakness(key.bytes()))
}

/// Whether a start could open this store as far as the blob's header tells, with the key of this file; for `check`.
/// Nothing yet, or nothing that may be looked at, is well.
///
/// # Errors
/// Why a start would be refused.
pub fn check_blob(settings: &Settings, key_file: &Path) -> Result<(), StoreError> {
    let disk = &disk::SystemDisk;
    let file = match disk.open(&settings.path) {
        Err(error) if error.kind() == io::ErrorKind::IsADirectory => {
            return Err(failed(&settings.path, Step::Read, error));
        }
        Err(_) => return Ok(()),
        Ok(file) => file,
    };
    let settings = &Settings { key_file: key_file.to_owned(), ..settings.clone() };
    let root = &read_key(disk, key_file)?;
    Blob { disk, settings, root }.header(&file).map(drop)
}

/// Reads the root key.
fn read_key(disk: &impl Disk, path: &Path) -> Result<Key, StoreError> {
    let failed = |error| StoreError::Key { path: path.to_owned(), error };
    let key = disk.read_key(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => failed(KeyFileError::Missing),
        _ => failed(KeyFileError::Unreadable(error)),
    })?;
    if key.others_may_read {
        return Err(failed(KeyFileError::TooOpen));
    }
    let root = <[u8; KEY_BYTES]>::try_from(key.bytes.as_slice()).map(Key::new);
    root.map_err(|_| failed(KeyFileError::Length(key.bytes.len())))
}
