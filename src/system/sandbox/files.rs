//! Restricts the process to some folders, by landlock, and forbids connecting over TCP.
//!
//! Rules apply to folders, not files: a rule on a file is lost when the file is replaced.
//!
//! # Source
//! landlock(7); Documentation/userspace-api/landlock.rst.

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset,
    RulesetAttr, RulesetCreatedAttr, RulesetStatus, Scope, make_bitflags,
};
use std::io;
use std::path::{Path, PathBuf};

/// What is allowed in a folder.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Reading files.
    Read,
    /// Reading, writing, creating, renaming and removing files.
    Keep,
    /// Creating and removing names, as on a bpffs.
    Names,
    /// Removing an empty folder in it.
    RemoveFolder,
    /// Making named pipes in it.
    MakePipes,
}

/// A folder the process may use.
pub struct Folder {
    path: PathBuf,
    reach: Reach,
}

impl Folder {
    /// The folder itself.
    #[must_use]
    pub fn new(path: &Path, reach: Reach) -> Self {
        Self { path: path.to_owned(), reach }
    }

    /// The folders needed to open a file: the one with its name, and the one with its target if the name
    /// is a link.
    #[must_use]
    pub fn of_file(file: &Path, reach: Reach) -> Vec<Self> {
        let parent = |path: &Path| path.parent().map(|parent| Self::new(parent, reach));
        let target = file.canonicalize().ok();
        parent(file).into_iter().chain(target.as_deref().and_then(parent)).collect()
    }
}

impl Reach {
    fn accesses(self) -> BitFlags<AccessFs> {
        match self {
            Self::Read => make_bitflags!(AccessFs::{ReadFile | ReadDir}),
            Self::Keep => {
                make_bitflags!(AccessFs::{ReadFile | ReadDir | WriteFile | Truncate | MakeReg | RemoveFile})
            }
            Self::Names => make_bitflags!(AccessFs::{ReadDir | MakeReg | RemoveFile}),
            Self::RemoveFolder => make_bitflags!(AccessFs::{RemoveDir}),
            Self::MakePipes => make_bitflags!(AccessFs::{MakeFifo}),
        }
    }
}

/// The newest landlock ABI that this program takes into account; an older kernel enforces the rights it
/// knows, and a newer one is asked for no more than this.
const KNOWN: ABI = ABI::V7;

/// Whether the process may connect over TCP.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Connecting {
    /// Nowhere.
    Nowhere,
    /// To any server: the courier's own are found by asking them.
    Anywhere,
}

/// Restricts the process, and its future threads and children, to these folders.
pub(super) fn restrict(folders: &[Folder], connecting: Connecting) -> io::Result<()> {
    let status = rules(folders, connecting).map_err(io::Error::other)?;
    if status == RulesetStatus::NotEnforced {
        return Err(io::ErrorKind::Unsupported.into());
    }
    Ok(())
}

fn rules(folders: &[Folder], connecting: Connecting) -> Result<RulesetStatus, landlock::RulesetError> {
    let net = match connecting {
        Connecting::Nowhere => AccessNet::ConnectTcp,
        // A server it never is.
        Connecting::Anywhere => AccessNet::BindTcp,
    };
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(KNOWN))?
        .handle_access(net)?
        .scope(Scope::from_all(KNOWN))?
        .create()?;
    for folder in folders {
        // A missing folder cannot be used; whoever needs it reports that.
        if let Ok(descriptor) = PathFd::new(&folder.path) {
            rules = rules.add_rule(PathBeneath::new(descriptor, folder.reach.accesses()))?;
        }
    }
    Ok(rules.restrict_self()?.ruleset)
}
