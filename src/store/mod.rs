//! The sealed store: one blob of fixed size, rewritten whole at a fixed cadence and at each close.
//!
//! Flow of a save: the node's head and records -> [`format`] seals them under a key of the root key
//! and the present link of the [`chain`] -> temporary name, fsync, rename, fsync of the folder.
//! Holds no account name and no address; nothing but the cadence and the closes causes a write.

mod chain;
pub mod disk;
mod errors;
pub mod format;
pub mod image;
pub mod keys;

pub use errors::{KeyTrouble, Step, StoreError};

use crate::meter::noise::Randomness;
use crate::meter::slot::Slot;
use crate::meter::tags::Tag;
use crate::node::saved::{Head, Record};
use chain::{Chain, Link};
use disk::Disk;
use format::{HEADER_BYTES, Header, Unreadable, VERSION, blob_bytes};
use keys::{KEY_BYTES, Key};
use std::io;
use std::path::{Path, PathBuf};
use zeroize::Zeroize;

/// Where the store lies and whose it is.
pub struct Settings {
    /// The blob; the chain file lies beside it, with `.chain` at the end of its name.
    pub path: PathBuf,
    /// The root key: exactly 32 raw bytes, readable by nobody else.
    pub key_file: PathBuf,
    /// The node's name.
    pub node: String,
    /// Accounts that there is room for.
    pub capacity: usize,
}

/// What a start found.
pub enum Opened {
    /// No blob was ever kept here: there is none, and no chain file that says there was one.
    First,
    /// The image of the last save that succeeded.
    Resumed(Box<Head>),
    /// Something that cannot be had any more, and the operator said so.
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
    present: Link,
    /// The link of a close that was begun and not finished.
    next: Option<Link>,
    /// The chain file is to be made, not overwritten.
    anew: bool,
}

impl<D: Disk, R: Randomness> Store<D, R> {
    /// Opens the store, and hands over each record of the image as it is read. Records that were
    /// handed over before an error are not to be used.
    ///
    /// `remains`: counters of an earlier process of this node are there. `accept_loss`: go on anew
    /// where something is missing or cannot be opened.
    ///
    /// # Errors
    /// Every way in which a blob cannot be what it should be; see [`StoreError`].
    pub fn open(
        disk: D,
        mut randomness: R,
        settings: Settings,
        remains: bool,
        accept_loss: bool,
        record: impl FnMut(usize, Record),
    ) -> Result<(Self, Opened), StoreError> {
        let root = read_key(&disk, &settings.key_file)?;
        let capacity = u32::try_from(settings.capacity).unwrap_or(u32::MAX);
        let chain = Chain::new(chain_path(&settings.path));
        let links = chain.read(&disk).map_err(|error| failed(chain.path(), Step::Read, error))?;
        let blob = Blob { disk: &disk, settings: &settings, root: &root };
        let found = blob.find(chain.path(), links, remains).and_then(|found| match found {
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
        let anew = present.is_none();
        let present = present.unwrap_or_else(|| link(1, true, &mut randomness));
        let mut store = Self { disk, randomness, settings, capacity, root, chain, present, next, anew };
        store.settle()?;
        Ok((store, opened))
    }

    /// The key that account names are tagged with.
    #[must_use]
    pub fn tag_key(&self) -> Key {
        self.root.of_tags(&self.settings.node)
    }

    /// Writes the image, as the cadence wants it. A close that could not be finished is finished.
    ///
    /// # Errors
    /// When the disk does not take it. The blob that lies there is the one before, or this one.
    pub fn save(&mut self, head: &Head, record: impl FnMut(usize) -> Record) -> Result<(), StoreError> {
        if let Some(next) = self.next.clone() {
            return self.finish_close(next, head, record);
        }
        let link = self.present.clone();
        self.write_blob(&link, head, record)?;
        // After a close whose last step failed the file may hold the link before as well, and an older
        // blob would pass for this one.
        if self.present.fresh || self.chain.is_doubtful() {
            self.present.fresh = false;
            self.write_chain(vec![self.present.clone()])?;
        }
        Ok(())
    }

    /// Writes the image of a close, under a new link of the chain.
    ///
    /// # Errors
    /// See [`Store::save`], which finishes what failed here.
    pub fn save_close(&mut self, head: &Head, record: impl FnMut(usize) -> Record) -> Result<(), StoreError> {
        // A pending link may have a blob under it already: it is never drawn again.
        let next = match self.next.take() {
            Some(next) => next,
            None => link(self.present.generation + 1, false, &mut self.randomness),
        };
        self.next = Some(next.clone());
        self.finish_close(next, head, record)
    }

    fn finish_close(
        &mut self,
        next: Link,
        head: &Head,
        record: impl FnMut(usize) -> Record,
    ) -> Result<(), StoreError> {
        self.write_chain(vec![self.present.clone(), next.clone()])?;
        self.write_blob(&next, head, record)?;
        self.present = next;
        self.next = None;
        // What opened the old blob is gone with this.
        self.write_chain(vec![self.present.clone()])
    }

    /// After a start: makes the chain file hold what is in force, and nothing that opens an older
    /// blob; removes what a save that was cut off left behind. What was found may be in the cache
    /// alone, when the process before was killed: it is made durable before anybody acts on it.
    fn settle(&mut self) -> Result<(), StoreError> {
        if !self.anew {
            let found =
                self.chain.sync(&self.disk).and_then(|()| self.disk.sync_folder(folder(&self.settings.path)));
            found.map_err(|error| failed(&self.settings.path, Step::Write, error))?;
        }
        let links: Vec<Link> =
            [Some(self.present.clone()), self.next.clone()].into_iter().flatten().collect();
        self.write_chain(links)?;
        match self.disk.remove(&temporary(&self.settings.path)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(failed(&self.settings.path, Step::Write, error))
            }
            _ => Ok(()),
        }
    }

    fn write_chain(&mut self, links: Vec<Link>) -> Result<(), StoreError> {
        let links: Vec<&Link> = links.iter().collect();
        self.chain
            .write(&self.disk, &links, self.anew)
            .map_err(|error| failed(self.chain.path(), Step::Write, error))?;
        self.anew = false;
        Ok(())
    }

    fn write_blob(
        &mut self,
        link: &Link,
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

/// A blob that may be there, and what it is to be opened with.
struct Blob<'a, D> {
    disk: &'a D,
    settings: &'a Settings,
    root: &'a Key,
}

/// The link of the blob, the link of a close that was begun, the blob's header and file.
type Found<F> = (Link, Option<Link>, Header, F);

impl<D: Disk> Blob<'_, D> {
    /// The blob and its link; none at a first start.
    fn find(
        &self,
        chain: &Path,
        links: Option<Vec<Link>>,
        remains: bool,
    ) -> Result<Option<Found<D::File>>, StoreError> {
        let path = || self.settings.path.clone();
        let file = match self.disk.open(&self.settings.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            opened => Some(opened.map_err(|error| failed(&self.settings.path, Step::Read, error))?),
        };
        let Some(file) = file else {
            let fresh = |links: &[Link]| links.iter().any(|link| link.fresh);
            return match links {
                None if remains => Err(StoreError::CountersAlone { path: path() }),
                None => Ok(None),
                // A first start that was cut off before its first save.
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
        let present = Link { fresh: false, ..links[at].clone() };
        Ok(Some((present, links.get(at + 1).cloned(), header, file)))
    }

    /// The header, after everything that it alone tells was found good.
    fn header(&self, file: &D::File) -> Result<Header, StoreError> {
        let path = self.settings.path.clone();
        let length = self.disk.length(file).map_err(|error| failed(&path, Step::Read, error))?;
        if length < HEADER_BYTES as u64 {
            return Err(StoreError::Truncated { path });
        }
        let mut bytes = [0; HEADER_BYTES];
        self.disk.read(file, 0, &mut bytes).map_err(|error| failed(&path, Step::Read, error))?;
        let Some(header) = Header::decode(&bytes) else { return Err(StoreError::NotABlob { path }) };
        if header.version != VERSION {
            return Err(StoreError::Version { path, version: header.version });
        }
        if header.node != keys::binding(&self.settings.node) {
            return Err(StoreError::OtherNode { path });
        }
        if header.key_check != self.root.check() {
            return Err(StoreError::WrongKey { path, key_file: self.settings.key_file.clone() });
        }
        match length.cmp(&blob_bytes(header.capacity)) {
            std::cmp::Ordering::Less => Err(StoreError::Truncated { path }),
            std::cmp::Ordering::Greater => Err(StoreError::Altered { path }),
            std::cmp::Ordering::Equal => Ok(header),
        }
    }

    /// The head; the records go to `record`, those of slots that there is no room for only if they
    /// are in use, which is an error.
    fn read(
        &self,
        file: &D::File,
        header: &Header,
        link: &Link,
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

fn temporary(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
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

fn link(generation: u64, fresh: bool, randomness: &mut impl Randomness) -> Link {
    let mut bytes: [u8; KEY_BYTES] = random(randomness);
    let key = Key::new(bytes);
    bytes.zeroize();
    Link { generation, fresh, key }
}

/// Puts a file in the place of another, durably: temporary name, fsync, rename, fsync of the
/// folder. A file whose write or fsync failed is removed and never believed.
fn replace_file<D: Disk>(
    disk: &D,
    path: &Path,
    fill: impl FnOnce(&mut D::File) -> io::Result<()>,
) -> io::Result<()> {
    let temporary = temporary(path);
    let mut file = disk.create(&temporary)?;
    let written = fill(&mut file).and_then(|()| disk.sync(&mut file));
    drop(file);
    if let Err(error) = written {
        // It may be gone already; the next save puts another in its place.
        let _ = disk.remove(&temporary);
        return Err(error);
    }
    disk.rename(&temporary, path)?;
    disk.sync_folder(folder(path))
}

/// The folder of a file.
fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Whether a key file is there, is a key, and is readable by nobody else; for `check`.
///
/// # Errors
/// What is the matter with it.
pub fn check_key(path: &Path) -> Result<(), StoreError> {
    read_key(&disk::SystemDisk, path).map(drop)
}

/// Reads the root key.
fn read_key(disk: &impl Disk, path: &Path) -> Result<Key, StoreError> {
    let trouble = |trouble| StoreError::Key { path: path.to_owned(), trouble };
    let key = disk.read_key(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => trouble(KeyTrouble::Missing),
        _ => trouble(KeyTrouble::Unreadable(error)),
    })?;
    if key.others_may_read {
        return Err(trouble(KeyTrouble::TooOpen));
    }
    let root = <[u8; KEY_BYTES]>::try_from(key.bytes.as_slice()).map(Key::new);
    root.map_err(|_| trouble(KeyTrouble::Length(key.bytes.len())))
}
