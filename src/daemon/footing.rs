//! What a meter counts into, and what of it outlives the process.
//!
//! In sealed mode counters outlive the process: the kernel tap's in the kernel, those of the other
//! taps in a file in memory. What an earlier process left is gone on with, whichever tap it was.
//! Holds no account and no address.

use super::{kept_failure, tap_failure};
use crate::config::{Backend, Config};
use crate::failure::{Code, Failure};
use crate::keeper::KeeperError;
use crate::log::{Event, say};
use crate::roster::Roster;
use crate::store::keys;
use crate::tap::kernel::{Kept, Kernel, Remains, Wanted};
use crate::tap::memory_file::{self, MemoryFile, MemoryFileError};
use crate::tap::{Chosen, CounterMemory, Memories, Opener, TapError};
use crate::world::{self, SystemRandomness};
use std::sync::Arc;

/// A tap that was chosen, with what an earlier process left of another one.
pub struct Prepared {
    /// The tap.
    pub chosen: Chosen,
    /// Why it was taken.
    pub why: String,
    /// The kernel tap's counters, where another tap goes on after it.
    remains: Option<Remains>,
}

/// Chooses the tap of a configuration, as far as it can be had here. Must be called while the
/// process has one thread, and before anything of the roster is read: the kernel tap's helper is
/// forked here and is to hold nothing of it.
///
/// # Errors
/// When no tap is allowed, the one that was asked for does not work here, or something is in the way.
pub fn choose(config: &Config) -> Result<Prepared, Failure> {
    let (kept, trouble) = place(config)?;
    let kept = Arc::new(kept);
    let (chosen, why) = tap(config, &kept)?;
    if matches!(chosen, Chosen::Kernel(..)) {
        if let Some(trouble) = trouble {
            say(&Event::NothingKept(&trouble));
        }
        return Ok(Prepared { chosen, why, remains: None });
    }
    let remains = Remains::take_down(kept).map_err(|error| tap_failure(TapError::Kernel(error)))?;
    Ok(Prepared { chosen, why, remains: Some(remains) })
}

/// The tap that `choose` would take, as its name and why; nothing is adopted or kept.
///
/// # Errors
/// See [`choose`].
pub fn try_out(config: &Config) -> Result<(&'static str, String), Failure> {
    let (chosen, why) = tap(config, &Arc::new(Kept::Nowhere))?;
    Ok((chosen.kind().word(), why))
}

fn tap(config: &Config, kept: &Arc<Kept>) -> Result<(Chosen, String), Failure> {
    let wanted = Wanted {
        pools: &config.pools,
        accounts: config.capacity,
        generation: identity(),
        node: keys::binding(&config.node_name),
    };
    let open = |hook| Kernel::open(&wanted, hook, Arc::clone(kept));
    crate::tap::choose(config.backend, config.hook, open).map_err(tap_failure)
}

/// Where the kernel tap is kept beyond the process, and why it is not.
fn place(config: &Config) -> Result<(Kept, Option<crate::tap::kernel::KeptError>), Failure> {
    let elsewhere = matches!(config.backend, Backend::Ring | Backend::Pnet);
    if config.store.is_none() || (elsewhere && !Kept::may_hold_something(&config.pin)) {
        return Ok((Kept::Nowhere, None));
    }
    match Kept::open(&config.pin) {
        Ok(kept) => Ok((kept, None)),
        Err(error) if error.is_in_the_way() => Err(Failure::new(Code::Config, error.to_string())),
        Err(error) => Ok((Kept::Nowhere, Some(error))),
    }
}

/// What a meter is put together on.
pub struct Footing {
    pub(super) memories: Memories,
    pub(super) roster: Roster,
    pub(super) opener: Option<Opener>,
    pub(super) why: Option<String>,
    pub(super) ground: Ground,
}

/// What is to be kept beyond the process.
pub(super) struct Ground {
    kernel: Option<Kernel>,
    remains: Option<Remains>,
    file: Option<MemoryFile>,
    counts_into_file: bool,
}

/// What is kept beyond the process.
pub(super) struct Outlives {
    remains: Option<Remains>,
    /// The file of counters, while it is needed.
    file: Option<MemoryFile>,
    counts_into_file: bool,
}

impl Footing {
    /// A meter without a tap over memory that the caller owns; nothing of it outlives the process.
    #[must_use]
    pub fn without_tap(config: &Config, memory: CounterMemory, seed: u64) -> Self {
        Self {
            memories: Memories::after(memory, Vec::new()),
            roster: Roster::new(&config.pools, config.capacity, seed),
            opener: None,
            why: None,
            ground: Ground { kernel: None, remains: None, file: None, counts_into_file: false },
        }
    }

    pub(super) fn of(config: &Config, prepared: Option<Prepared>) -> Result<Self, Failure> {
        let seed = getrandom::u64().map_err(|error| Failure::new(Code::Io, error.to_string()))?;
        let node = keys::binding(&config.node_name);
        let path = memory_file::beside(&config.control_socket);
        let (chosen, why, remains) = match prepared {
            Some(Prepared { chosen, why, remains }) => (Some(chosen), Some(why), remains),
            None => (None, None, None),
        };
        let heap = || CounterMemory::heap(config.capacity, identity());
        let in_process = || Roster::new(&config.pools, config.capacity, seed);
        let footing = match chosen {
            Some(Chosen::Kernel(kernel, attacher)) => {
                let file = match &config.store {
                    Some(_) => MemoryFile::existing(&path, node).map_err(file_failure)?,
                    None => None,
                };
                let mut older = kernel.older();
                older.extend(file.as_ref().map(MemoryFile::memory).transpose().map_err(io_failure)?);
                Self {
                    memories: Memories::after(kernel.memory(), older),
                    roster: Roster::over(kernel.owners(), &config.pools, config.capacity),
                    opener: Some(Opener::Kernel(attacher)),
                    why,
                    ground: Ground { kernel: Some(*kernel), remains: None, file, counts_into_file: false },
                }
            }
            chosen => {
                let opener = chosen.map(|chosen| match chosen {
                    Chosen::Pnet => Opener::Pnet,
                    _ => Opener::Ring,
                });
                let file = match &config.store {
                    Some(_) if opener.is_some() => {
                        let open = MemoryFile::open(&path, config.capacity, node, identity());
                        Some(open.map_err(file_failure)?)
                    }
                    _ => None,
                };
                let current = file.as_ref().map(MemoryFile::memory).transpose().map_err(io_failure)?;
                let older = remains.as_ref().map_or_else(Vec::new, |remains| remains.older.clone());
                Self {
                    memories: Memories::after(current.unwrap_or_else(heap), older),
                    roster: in_process(),
                    opener,
                    why,
                    ground: Ground { kernel: None, remains, file, counts_into_file: true },
                }
            }
        };
        Ok(footing)
    }
}

impl Ground {
    /// Keeps what is to be kept.
    pub(super) fn keep(self) -> Result<Outlives, Failure> {
        let Self { kernel, remains, mut file, counts_into_file } = self;
        let kernel = kernel.map(Kernel::keep).transpose().map_err(io_failure)?;
        if let Some(file) = &mut file {
            file.keep().map_err(io_failure)?;
        }
        Ok(Outlives { remains: kernel.or(remains), file, counts_into_file })
    }
}

impl Outlives {
    /// Lets go of counters that nobody adds to: what they counted is in the store.
    pub(super) fn forget_older(&mut self) {
        if let Some(remains) = &mut self.remains {
            remains.forget_older();
        }
        if !self.counts_into_file
            && let Some(file) = self.file.take()
        {
            file.remove();
        }
    }

    /// Lets go of everything.
    pub(super) fn remove(self) {
        if let Some(remains) = self.remains {
            remains.remove();
        }
        if let Some(file) = self.file {
            file.remove();
        }
    }
}

fn io_failure(error: std::io::Error) -> Failure {
    Failure::new(Code::Io, format!("counters cannot be kept beyond the process: {error}"))
}

fn file_failure(error: MemoryFileError) -> Failure {
    match error {
        MemoryFileError::Io { .. } | MemoryFileError::NotInMemory { .. } => {
            Failure::new(Code::Io, error.to_string())
        }
        MemoryFileError::Foreign { .. } => kept_failure(KeeperError::OtherCounters),
        _ => Failure::new(Code::Config, error.to_string()),
    }
}

/// Names a memory that is made now.
fn identity() -> [u8; 16] {
    world::identity(&mut SystemRandomness)
}
