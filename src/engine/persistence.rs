//! What a meter counts into, and what of it outlives the process.
//!
//! In sealed mode, counters outlive the process: the kernel tap's in the kernel, those of the other taps
//! in a file in memory. A start takes over what an earlier process left, whichever tap it used.
//! Holds no account and no address.

use super::checkpoint::CheckpointError;
use super::ends::{checkpoint_error, tap_error};
use super::kept_assignments::{self, Left};
use crate::config::{Config, TapKind};
use crate::environment::{self, SystemRandomness};
use crate::exit::{ExitError, ExitStatus};
use crate::log::{Event, emit};
use crate::roster::Roster;
use crate::roster::owners::Owners;
use crate::store::keys;
use crate::tap::kernel::{Counting, Kernel, PinError, PinStore, PinnedSets, SetLayout, take_lost_links_off};
use crate::tap::memory_file::{self, MemoryFile, MemoryFileError};
use crate::tap::{CounterHistory, CounterMemory, Opener, Selection, TagKey, TapError};
use std::path::PathBuf;
use std::sync::Arc;
use zeroize::Zeroizing;

/// The chosen tap, with what an earlier process left of another one.
pub struct PreparedTap {
    selection: Selection,
    /// The kernel tap's counters, where another tap goes on after it.
    older: Option<PinnedSets>,
}

impl PreparedTap {
    /// Which tap it is.
    #[must_use]
    pub const fn kind(&self) -> TapKind {
        self.selection.opener.kind()
    }
}

/// Chooses the tap of a configuration, as far as it can be had here. Must be called while the
/// process has one thread, and before anything of the roster is read: the kernel tap's helper is
/// forked here and is to hold nothing of it.
///
/// # Errors
/// When no tap is permitted, the requested one does not work here, or something is in the way.
pub fn choose(config: &Config) -> Result<PreparedTap, ExitError> {
    let (pins, trouble) = pin_store(config)?;
    let pins = Arc::new(pins);
    let selection = tap(config, &pins)?;
    let node = keys::binding(&config.node_name);
    take_lost_links_off(&pins, node);
    if selection.kernel.is_some() {
        if let Some(trouble) = trouble {
            emit(&Event::NothingKept(&trouble));
        }
        return Ok(PreparedTap { selection, older: None });
    }
    let older = PinnedSets::take_down(pins, node).map_err(|error| tap_error(TapError::Kernel(error)))?;
    Ok(PreparedTap { selection, older: Some(older) })
}

/// The name of the tap that [`choose`] would pick, and why; adopts and keeps nothing.
///
/// # Errors
/// See [`choose`].
pub fn try_out(config: &Config) -> Result<(&'static str, String), ExitError> {
    let selection = tap(config, &Arc::new(PinStore::Nowhere))?;
    Ok((selection.opener.kind().as_str(), selection.why))
}

fn tap(config: &Config, pins: &Arc<PinStore>) -> Result<Selection, ExitError> {
    let layout = SetLayout {
        pools: &config.pools,
        accounts: config.capacity,
        memory_budget_bytes: config.memory_budget_bytes,
        generation: identity(),
        node: keys::binding(&config.node_name),
    };
    let open = |hook| Kernel::open(&layout, hook, Arc::clone(pins));
    crate::tap::choose(config.backend, config.hook, &config.interfaces, open).map_err(tap_error)
}

/// Where the kernel tap is pinned, or why it is not.
fn pin_store(config: &Config) -> Result<(PinStore, Option<PinError>), ExitError> {
    let elsewhere = matches!(config.backend, Some(TapKind::Ring | TapKind::Pnet));
    if config.store.is_none() || (elsewhere && !PinStore::may_hold_something(&config.pin)) {
        return Ok((PinStore::Nowhere, None));
    }
    match PinStore::open(&config.pin) {
        Ok(pins) => Ok((pins, None)),
        Err(error) if error.is_in_the_way() => Err(ExitError::new(ExitStatus::Config, error.to_string())),
        Err(error) => Ok((PinStore::Nowhere, Some(error))),
    }
}

/// What a meter is assembled from.
pub struct EngineParts {
    pub(super) history: CounterHistory,
    /// Where the tap looks owners up, when it is not in the roster's own table.
    pub(super) owners: Option<Arc<dyn Owners>>,
    /// Of the roster's own table.
    pub(super) seed: u64,
    pub(super) opener: Option<Opener>,
    pub(super) why: Option<String>,
    /// Nothing passed uncounted before this process, as far as its tap goes.
    pub(super) goes_on: bool,
    /// How the tap counts, and why.
    pub(super) counting: (&'static str, String),
    pub(super) persistence: Persistence,
    /// What tags of accounts are made with in a fleet; of the store's root key outside of one.
    pub(super) account_key: Option<AccountKey>,
}

/// A fleet's key of tags.
pub type AccountKey = Zeroizing<[u8; 32]>;

/// What keeps the counters beyond the process: pinned kernel maps, or a file in memory.
pub(super) struct Persistence {
    kernel: Option<Kernel>,
    older: Option<PinnedSets>,
    /// The counter file, while it is needed.
    file: Option<MemoryFile>,
    counts_into_file: bool,
    /// Where assignments outlive a stop, and for which node; nowhere for a meter without a tap.
    assignments: Option<(PathBuf, [u8; 16])>,
    /// What an earlier process left there, until it is put back.
    left: Option<Left>,
    /// It was told that the next process cannot find the pins.
    told_hidden: bool,
}

impl EngineParts {
    /// A meter without a tap, on memory that the caller owns; nothing outlives the process.
    #[must_use]
    pub fn without_tap(memory: CounterMemory, seed: u64) -> Self {
        Self::counting_into(CounterHistory::after(memory, Vec::new()), seed)
    }

    /// The same after memory that earlier processes counted into.
    #[must_use]
    pub fn counting_into(history: CounterHistory, seed: u64) -> Self {
        Self {
            history,
            owners: None,
            seed,
            opener: None,
            why: None,
            goes_on: true,
            counting: counting(None),
            persistence: Persistence::NONE,
            account_key: None,
        }
    }

    pub(super) fn of(config: &Config, prepared: Option<PreparedTap>) -> Result<Self, ExitError> {
        let seed = getrandom::u64().map_err(|error| ExitError::new(ExitStatus::Io, error.to_string()))?;
        let node = keys::binding(&config.node_name);
        let path = memory_file::beside(&config.control_socket);
        let (opener, kernel, why, older_sets) = match prepared {
            Some(PreparedTap { selection: Selection { opener, kernel, why }, older }) => {
                (Some(opener), kernel, Some(why), older)
            }
            None => (None, None, None, None),
        };
        let counting = counting(kernel.as_ref());
        let heap = || CounterMemory::heap(config.capacity, identity());
        let is_adopted = |kernel: &Kernel| kernel.memory().adopted || !kernel.older().is_empty();
        // The demo has no control socket: nobody tells it of an assignment.
        let is_told = opener.is_some() && config.control_socket.file_name().is_some();
        let assignments = is_told.then(|| (kept_assignments::beside(&config.control_socket), node));
        let left = assignments.as_ref().and_then(|(path, node)| kept_assignments::read(path, *node));
        let goes_on = opener.is_none() || kernel.as_ref().is_some_and(is_adopted);
        let (history, owners, mut persistence) = match kernel {
            Some(kernel) => {
                let file = match &config.store {
                    Some(_) => MemoryFile::existing(&path, node).map_err(file_error)?,
                    None => None,
                };
                let mut older = kernel.older();
                older.extend(file.as_ref().map(MemoryFile::memory).transpose().map_err(io_error)?);
                let history = CounterHistory::after(kernel.memory(), older);
                let owners = kernel.owners();
                (history, Some(owners), Persistence { kernel: Some(kernel), file, ..Persistence::NONE })
            }
            None => {
                let file = match &config.store {
                    Some(_) if opener.is_some() => {
                        let open = MemoryFile::open(&path, config.capacity, node, identity());
                        Some(open.map_err(file_error)?)
                    }
                    _ => None,
                };
                let current = file.as_ref().map(MemoryFile::memory).transpose().map_err(io_error)?;
                let older = older_sets.as_ref().map_or_else(Vec::new, |sets| sets.older.clone());
                let history = CounterHistory::after(current.unwrap_or_else(heap), older);
                (
                    history,
                    None,
                    Persistence { older: older_sets, file, counts_into_file: true, ..Persistence::NONE },
                )
            }
        };
        (persistence.assignments, persistence.left) = (assignments, left);
        Ok(Self { history, owners, seed, opener, why, goes_on, counting, persistence, account_key: None })
    }
}

impl Persistence {
    const NONE: Self = Self {
        kernel: None,
        older: None,
        file: None,
        counts_into_file: false,
        assignments: None,
        left: None,
        told_hidden: false,
    };

    /// The key of the tags that an earlier process without a store has left assignments under.
    pub(super) fn tag_key(&self) -> Option<[u8; 16]> {
        self.left.as_ref().map(|left| *left.key).filter(|key| *key != [0; 16])
    }

    /// Puts back what an earlier process was told of assignments, and wipes what it left.
    pub(super) fn put_assignments_back(&mut self, roster: &Roster) -> Result<(), ExitError> {
        let Some((path, _)) = &self.assignments else { return Ok(()) };
        if let Some(left) = self.left.take() {
            let kept = left.assignments(roster.mark());
            let restored = roster.restore(&kept);
            restored.map_err(|error| ExitError::new(ExitStatus::Config, error.to_string()))?;
        }
        if !kept_assignments::is_in_memory(path) {
            emit(&Event::AssignmentsForgotten(path));
        }
        kept_assignments::wipe(path).map(drop).map_err(|error| {
            let what = format!("{}: {error}; remove this file, which holds addresses", path.display());
            ExitError::new(ExitStatus::Io, what)
        })
    }

    /// Leaves the assignments that nobody says again to the next process; `key` is that of tags without a store.
    pub(super) fn keep_assignments(&self, roster: &Roster, key: Option<TagKey>) {
        let Some((path, node)) = &self.assignments else { return };
        let key = key.map_or_else(Default::default, |key| key.get_or_draw(|| [0; 16]));
        if let Err(error) = kept_assignments::write(path, *node, roster.mark(), &key, &roster.kept()) {
            emit(&Event::AssignmentsLost(path, &error));
        }
    }

    /// Makes the counters outlive the process from here on.
    pub(super) fn keep(&mut self) -> Result<(), ExitError> {
        if let Some(kernel) = self.kernel.take() {
            self.older = Some(kernel.pin().map_err(io_error)?);
        }
        if let Some(file) = &mut self.file {
            file.keep().map_err(io_error)?;
        }
        Ok(())
    }

    /// True when nothing is counted once the process has ended.
    pub(super) const fn ends_with_the_process(&self) -> bool {
        self.counts_into_file
    }

    /// Tells once, where it is so, that the next process cannot find what is pinned.
    pub(super) fn tell_hidden(&mut self) {
        let hidden = self.older.as_ref().and_then(PinnedSets::hidden);
        if let Some(folder) = hidden.filter(|_| !self.told_hidden) {
            emit(&Event::PinsHidden(folder));
        }
        self.told_hidden = hidden.is_some();
    }

    /// Drops counters that nobody adds to any more: what they counted is in the store.
    pub(super) fn forget_older(&mut self) {
        if let Some(older) = &mut self.older {
            older.forget_older();
        }
        if !self.counts_into_file
            && let Some(file) = self.file.take()
        {
            file.remove();
        }
    }

    /// Removes everything.
    pub(super) fn remove(self) {
        if let Some(older) = self.older {
            older.remove();
        }
        if let Some(file) = self.file {
            file.remove();
        }
    }
}

/// How a tap counts, and why: the kernel's, or one that adds in this process.
fn counting(kernel: Option<&Kernel>) -> (&'static str, String) {
    let in_process = || Counting::Locked("packets are counted in the daemon's process".to_owned());
    let counting = kernel.map_or_else(in_process, |kernel| kernel.counting().clone());
    (counting.as_str(), counting.why())
}

fn io_error(error: std::io::Error) -> ExitError {
    ExitError::new(ExitStatus::Io, format!("cannot keep counters beyond the process: {error}"))
}

fn file_error(error: MemoryFileError) -> ExitError {
    match error {
        MemoryFileError::Io { .. } | MemoryFileError::NotInMemory { .. } => {
            ExitError::new(ExitStatus::Io, error.to_string())
        }
        MemoryFileError::Foreign { .. } => checkpoint_error(CheckpointError::OtherCounters),
        _ => ExitError::new(ExitStatus::Config, error.to_string()),
    }
}

/// A new identity for counter memory.
fn identity() -> [u8; 16] {
    environment::identity(&mut SystemRandomness)
}
