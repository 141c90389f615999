//! A simulated disk: what the page cache holds, what is durable, and faults drawn from a seed.
//!
//! A write reaches the cache at once and the medium at a sync, or before it, sector by sector, when
//! the power goes. Names are durable after a sync of the folder, or by chance before. After a failed
//! fsync the cache is clean and the medium holds any part of what was written, as on Linux.

use crate::support::rng::Rng;
use blindmeter::store::disk::{Disk, Secret};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

const SECTOR: usize = 512;

#[derive(Clone, Default)]
struct Content {
    cached: Vec<u8>,
    durable: Vec<u8>,
}

type Shared = Arc<Mutex<Content>>;

/// What goes wrong, from which operation on.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Fault {
    None,
    /// The process is killed; the cache stays.
    Kill,
    /// The power goes.
    PowerCut,
    /// This one operation fails with EIO; a failed fsync loses what was written.
    Io,
    /// No write succeeds for so many operations.
    Full(u64),
}

struct State {
    /// Names as the running system sees them, and as they are on the medium.
    names: BTreeMap<PathBuf, Shared>,
    durable_names: BTreeMap<PathBuf, Shared>,
    rng: Rng,
    operations: u64,
    fault: Fault,
    fault_at: u64,
    dead: bool,
}

/// The disk. A copy is the same disk.
#[derive(Clone)]
pub(crate) struct SimulatedDisk(Arc<Mutex<State>>);

pub(crate) struct SimulatedFile {
    content: Shared,
}

/// One thread at a time works on a disk; one that panicked has failed its test already.
fn held<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl SimulatedDisk {
    fn state(&self) -> MutexGuard<'_, State> {
        held(&self.0)
    }

    pub(crate) fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            rng: Rng::seeded(seed),
            operations: 0,
            fault: Fault::None,
            fault_at: 0,
            dead: false,
        })))
    }

    /// A fault at the operation of this number from now.
    pub(crate) fn plan(&self, fault: Fault, after: u64) {
        let mut state = self.state();
        state.fault = fault;
        state.fault_at = state.operations + after;
    }

    /// True when the process or the machine ended.
    pub(crate) fn is_dead(&self) -> bool {
        self.state().dead
    }

    /// Starts the process, or the machine, again.
    pub(crate) fn revive(&self) {
        let mut state = self.state();
        state.dead = false;
        state.fault = Fault::None;
    }

    /// Flips one bit of a file, in cache and medium. False where there is no such file, or it is empty.
    pub(crate) fn flip(&self, path: &Path, at: u64) -> bool {
        let state = self.state();
        let Some(content) = state.names.get(path) else { return false };
        let mut content = held(content);
        let bits = content.cached.len() as u64 * 8;
        if bits == 0 {
            return false;
        }
        let (byte, bit) = (usize::try_from(at % bits / 8).expect("small"), at % 8);
        content.cached[byte] ^= 1 << bit;
        if let Some(durable) = content.durable.get_mut(byte) {
            *durable ^= 1 << bit;
        }
        true
    }

    pub(crate) fn put(&self, path: &Path, bytes: &[u8]) {
        let content = Content { cached: bytes.to_vec(), durable: bytes.to_vec() };
        let content = Arc::new(Mutex::new(content));
        let mut state = self.state();
        state.names.insert(path.to_owned(), Arc::clone(&content));
        state.durable_names.insert(path.to_owned(), content);
    }

    pub(crate) fn bytes(&self, path: &Path) -> Option<Vec<u8>> {
        self.state().names.get(path).map(|content| held(content).cached.clone())
    }

    pub(crate) fn unlink(&self, path: &Path) {
        let mut state = self.state();
        state.names.remove(path);
        state.durable_names.remove(path);
    }

    pub(crate) fn names(&self) -> Vec<PathBuf> {
        self.state().names.keys().cloned().collect()
    }

    /// Counts an operation; an error when it does not happen. `writes`: it takes room.
    fn step(&self, writes: bool) -> io::Result<()> {
        let mut state = self.state();
        if state.dead {
            return Err(io::Error::other("ended"));
        }
        let at = state.operations;
        state.operations += 1;
        if at < state.fault_at {
            return Ok(());
        }
        match state.fault {
            Fault::None => Ok(()),
            Fault::Kill => {
                state.dead = true;
                Err(io::Error::other("killed"))
            }
            Fault::PowerCut => {
                state.cut();
                state.dead = true;
                Err(io::Error::other("no power"))
            }
            Fault::Io => {
                state.fault = Fault::None;
                Err(io::Error::from_raw_os_error(libc::EIO))
            }
            Fault::Full(operations) if at < state.fault_at + operations => {
                if writes {
                    Err(io::Error::from_raw_os_error(libc::ENOSPC))
                } else {
                    Ok(())
                }
            }
            Fault::Full(_) => {
                state.fault = Fault::None;
                Ok(())
            }
        }
    }
}

impl State {
    /// The power goes: of what was not synced any sectors may have reached the medium, in any order.
    fn cut(&mut self) {
        let mut rng = self.rng.clone();
        for (path, content) in &self.names {
            // A rename that was not synced may be on the medium or not.
            let synced = self.durable_names.get(path).is_some_and(|durable| Arc::ptr_eq(durable, content));
            if !synced && rng.one_in(2) {
                self.durable_names.insert(path.clone(), Arc::clone(content));
            }
        }
        let gone: Vec<PathBuf> =
            self.durable_names.keys().filter(|path| !self.names.contains_key(*path)).cloned().collect();
        for path in gone {
            if rng.one_in(2) {
                self.durable_names.remove(&path);
            }
        }
        for content in self.durable_names.values() {
            let mut content = held(content);
            let torn = torn(&content, &mut rng);
            content.durable = torn.clone();
            content.cached = torn;
        }
        self.names = self.durable_names.clone();
        self.rng = rng;
    }
}

/// Sectors of the cached content over the durable one, each by chance.
fn torn(content: &Content, rng: &mut Rng) -> Vec<u8> {
    let mut medium = content.durable.clone();
    for (at, sector) in content.cached.chunks(SECTOR).enumerate() {
        let from = at * SECTOR;
        let present = medium.get(from..(from + sector.len()).min(medium.len()));
        if present != Some(sector) && rng.one_in(2) {
            if medium.len() < from + sector.len() {
                medium.resize(from + sector.len(), 0);
            }
            medium[from..from + sector.len()].copy_from_slice(sector);
        }
    }
    medium
}

impl Disk for SimulatedDisk {
    type File = SimulatedFile;

    fn create(&self, path: &Path) -> io::Result<SimulatedFile> {
        self.step(true)?;
        let content = Shared::default();
        self.state().names.insert(path.to_owned(), Arc::clone(&content));
        Ok(SimulatedFile { content })
    }

    fn open(&self, path: &Path) -> io::Result<SimulatedFile> {
        self.step(false)?;
        let state = self.state();
        let content = state.names.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(SimulatedFile { content: Arc::clone(content) })
    }

    fn append(&self, file: &mut SimulatedFile, bytes: &[u8]) -> io::Result<()> {
        let result = self.step(true);
        // A write that is cut off, or finds no room, may have been made in part.
        let length = match result {
            Ok(()) => bytes.len(),
            Err(_) => self.state().rng.below(bytes.len() + 1),
        };
        if result.is_ok() || !self.is_dead() {
            held(&file.content).cached.extend(&bytes[..length]);
        }
        result
    }

    fn overwrite(&self, file: &mut SimulatedFile, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.step(true)?;
        let at = usize::try_from(offset).expect("small");
        let mut content = held(&file.content);
        if content.cached.len() < at + bytes.len() {
            content.cached.resize(at + bytes.len(), 0);
        }
        content.cached[at..at + bytes.len()].copy_from_slice(bytes);
        Ok(())
    }

    fn read(&self, file: &SimulatedFile, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.step(false)?;
        let content = held(&file.content);
        let at = usize::try_from(offset).expect("small");
        let from = content.cached.get(at..at + bytes.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        bytes.copy_from_slice(from);
        Ok(())
    }

    fn length(&self, file: &SimulatedFile) -> io::Result<u64> {
        self.step(false)?;
        Ok(held(&file.content).cached.len() as u64)
    }

    fn sync(&self, file: &mut SimulatedFile) -> io::Result<()> {
        let result = self.step(false);
        let mut content = held(&file.content);
        if result.is_ok() {
            content.durable = content.cached.clone();
        } else if !self.is_dead() {
            // The cache still shows it, the medium has some of it, and no later sync will say so.
            let mut state = self.state();
            content.durable = torn(&content, &mut state.rng);
        }
        result
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step(false)?;
        let mut state = self.state();
        let content = state.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        state.names.insert(to.to_owned(), content);
        Ok(())
    }

    fn sync_folder(&self, _: &Path) -> io::Result<()> {
        self.step(false)?;
        let mut state = self.state();
        state.durable_names = state.names.clone();
        Ok(())
    }

    fn read_key(&self, path: &Path) -> io::Result<Secret> {
        self.step(false)?;
        let bytes = self.bytes(path).ok_or(io::ErrorKind::NotFound)?.into();
        Ok(Secret { bytes, others_may_read: false })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.step(false)?;
        let mut state = self.state();
        state.names.remove(path).map(drop).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}
