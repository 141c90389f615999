//! The chain file: the random link that a blob's key needs besides the root key.
//!
//! Two slots, each in its own sector and overwritten in place: the present link and, during a close, the
//! next. The link changes at every close, so that whoever gets the root key later cannot open an old
//! blob; and it reveals an older blob that was restored.

use super::disk::Disk;
use super::keys::{KEY_BYTES, Key, half};
use std::io;
use std::path::{Path, PathBuf};

/// Distance between the slots: a sector of any disk.
const SLOT_DISTANCE: u64 = 4096;

/// Generation (8), state (1), link (32), the first sixteen bytes of their BLAKE3 (16).
const SLOT_BYTES: usize = 57;

/// Length of the file.
const FILE_BYTES: usize = 2 * 4096;

/// One link of the chain.
#[derive(Clone)]
pub(super) struct ChainLink {
    /// The generation of the blobs under it: the number of closes, and one.
    pub(super) generation: u64,
    /// The chain's first link, with no blob sealed under it yet: nothing can be missing.
    pub(super) fresh: bool,
    /// What the blob's key is derived from.
    pub(super) key: Key,
}

impl ChainLink {
    fn encode(&self) -> [u8; SLOT_BYTES] {
        let mut bytes = [0; SLOT_BYTES];
        bytes[..8].copy_from_slice(&self.generation.to_le_bytes());
        bytes[8] = u8::from(self.fresh) + 1;
        bytes[9..9 + KEY_BYTES].copy_from_slice(self.key.bytes());
        let check = half(blake3::hash(&bytes[..9 + KEY_BYTES]).as_bytes());
        bytes[9 + KEY_BYTES..].copy_from_slice(&check);
        bytes
    }

    /// None for an empty slot and for one that was only partly written.
    fn decode(bytes: &[u8; SLOT_BYTES]) -> Option<Self> {
        let (body, check) = bytes.split_at(9 + KEY_BYTES);
        if body[8] == 0 || half(blake3::hash(body).as_bytes()) != *check {
            return None;
        }
        let generation = u64::from_le_bytes(*body.first_chunk()?);
        let key = Key::new(*body[9..].first_chunk()?);
        Some(Self { generation, fresh: body[8] == 2, key })
    }
}

/// The chain file.
pub(super) struct Chain {
    path: PathBuf,
    /// A write or fsync failed: what the file holds is unknown, and it must be recreated.
    doubtful: bool,
}

impl Chain {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, doubtful: false }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// True when what the file holds is unknown, since a write or fsync failed.
    pub(super) fn is_doubtful(&self) -> bool {
        self.doubtful
    }

    /// The links that the file holds, the older first; none where there is no file.
    pub(super) fn read(&self, disk: &impl Disk) -> io::Result<Option<Vec<ChainLink>>> {
        let file = match disk.open(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        let mut links = Vec::new();
        for slot in 0..2 {
            let mut bytes = [0; SLOT_BYTES];
            match disk.read(&file, slot * SLOT_DISTANCE, &mut bytes) {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
                read => {
                    read?;
                    links.extend(ChainLink::decode(&bytes));
                }
            }
        }
        links.sort_by_key(|link| link.generation);
        Ok(Some(links))
    }

    /// Makes the file's contents durable: a killed process may have left them in the cache.
    pub(super) fn sync(&self, disk: &impl Disk) -> io::Result<()> {
        let mut file = disk.open(&self.path)?;
        disk.sync(&mut file)
    }

    /// Makes the file hold exactly these links, durably. `replace` where there is none, or where
    /// the present one is not believed.
    pub(super) fn write(&mut self, disk: &impl Disk, links: &[&ChainLink], replace: bool) -> io::Result<()> {
        let result =
            if replace || self.doubtful { self.replace(disk, links) } else { self.overwrite(disk, links) };
        self.doubtful = result.is_err();
        result
    }

    /// Each slot by itself: one that is the same is not touched, so a link in use is never at risk.
    fn overwrite(&self, disk: &impl Disk, links: &[&ChainLink]) -> io::Result<()> {
        let mut file = disk.open(&self.path)?;
        for slot in 0..2 {
            let wanted = encoded(links, slot);
            let mut present = [0; SLOT_BYTES];
            disk.read(&file, slot * SLOT_DISTANCE, &mut present)?;
            if present != wanted {
                disk.overwrite(&mut file, slot * SLOT_DISTANCE, &wanted)?;
                disk.sync(&mut file)?;
            }
        }
        Ok(())
    }

    fn replace(&self, disk: &impl Disk, links: &[&ChainLink]) -> io::Result<()> {
        let mut bytes = vec![0; FILE_BYTES];
        for (slot, at) in [(0, 0), (1, 4096)] {
            bytes[at..at + SLOT_BYTES].copy_from_slice(&encoded(links, slot));
        }
        super::replace_file(disk, &self.path, |file| disk.append(file, &bytes))
    }
}

/// What a slot holds when the file holds these links: a generation's place is fixed.
fn encoded(links: &[&ChainLink], slot: u64) -> [u8; SLOT_BYTES] {
    let link = links.iter().find(|link| link.generation % 2 == slot);
    link.map_or([0; SLOT_BYTES], |link| link.encode())
}
