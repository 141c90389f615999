//! Which folders may be reached, by landlock; and no connection over TCP.
//!
//! Rules stand on folders and not on files: a rule on a file dies when the file is replaced.
//!
//! # Source
//! landlock(7); Documentation/userspace-api/landlock.rst.

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset,
    RulesetAttr, RulesetCreatedAttr, RulesetStatus, Scope, make_bitflags,
};
use std::io;
use std::path::{Path, PathBuf};

/// What may be done in a folder.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Files are read.
    Read,
    /// Files are read, written, made, renamed and removed.
    Keep,
    /// Names are made and removed, as on a bpffs.
    Names,
    /// An empty folder in it is removed.
    RemoveFolder,
}

/// A folder that may be reached.
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

    /// The folders in which a file is looked up: where its name stands, and where it lies if the name
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
        }
    }
}

/// The newest interface whose rights this program has thought about; an older kernel enforces those
/// that it knows. V10 and later kernels are asked for no more than this.
const KNOWN: ABI = ABI::V7;

/// Restricts the process, and all its threads and children to come, to these folders.
pub(super) fn restrict(folders: &[Folder]) -> io::Result<()> {
    let status = rules(folders).map_err(io::Error::other)?;
    if status == RulesetStatus::NotEnforced {
        return Err(io::ErrorKind::Unsupported.into());
    }
    Ok(())
}

fn rules(folders: &[Folder]) -> Result<RulesetStatus, landlock::RulesetError> {
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(KNOWN))?
        // Nothing is ever fetched or reported: no connection is made.
        .handle_access(AccessNet::ConnectTcp)?
        .scope(Scope::from_all(KNOWN))?
        .create()?;
    for folder in folders {
        // A folder that is not there cannot be reached; whoever looks for it says so.
        if let Ok(descriptor) = PathFd::new(&folder.path) {
            rules = rules.add_rule(PathBeneath::new(descriptor, folder.reach.accesses()))?;
        }
    }
    Ok(rules.restrict_self()?.ruleset)
}
