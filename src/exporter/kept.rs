//! What is kept of a fleet's epochs from one start to the next: what was released last, and bytes that were held back.
//!
//! Everything in the file was released, or has its noise in it.

use crate::meter::policy::Policy;
use crate::meter::release::Release;
use crate::meter::share::Carried;
use crate::store::disk::{Disk, SystemDisk};
use crate::store::replace::replace_file;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::Path;

/// The file, in the exporter's folder.
const FILE: &str = "fleet-export.json";

/// What is kept.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Kept {
    /// Tells the policy that it was made under.
    pub(super) policy: u64,
    /// What is shown.
    pub(super) release: Release,
    /// The nodes in it.
    pub(super) nodes: u64,
    /// Goes into the next epoch that is not held back.
    pub(super) carried: Carried,
}

/// The file's form.
#[derive(Serialize, Deserialize)]
struct Form {
    schema_version: u32,
    policy: String,
    nodes: u64,
    release: Vec<u64>,
    carried: [i64; 2],
}

impl Kept {
    fn first(policy: &Policy) -> Self {
        let carried = Carried::default();
        Self { policy: policy.number(), release: Release::none(), nodes: 0, carried }
    }

    /// What a folder holds; as before the first epoch where it holds nothing, or something of another policy.
    ///
    /// # Errors
    /// A file that cannot be read, or is none.
    pub(super) fn read(folder: &Path, policy: &Policy) -> Result<Self, String> {
        let path = folder.join(FILE);
        let told = |why: String| format!("{}: {why}", path.display());
        let text = match std::fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::first(policy)),
            text => text.map_err(|error| told(error.to_string()))?,
        };
        let none = || told("not what this version keeps there; move it away to begin anew".to_owned());
        let form: Form = serde_json::from_slice(&text).map_err(|_| none())?;
        let words = form.release.try_into().map_err(|_| none())?;
        if form.schema_version != 1 {
            return Err(none());
        }
        if form.policy != policy.digest() {
            return Ok(Self::first(policy));
        }
        Ok(Self {
            policy: policy.number(),
            release: Release::of_words(words),
            nodes: form.nodes,
            carried: Carried::of_words(form.carried),
        })
    }

    /// Puts it in a folder, durably.
    ///
    /// # Errors
    /// Those of the disk.
    pub(super) fn write(&self, folder: &Path) -> io::Result<()> {
        let form = Form {
            schema_version: 1,
            policy: format!("{:016x}", self.policy),
            nodes: self.nodes,
            release: self.release.words().to_vec(),
            carried: self.carried.words(),
        };
        let mut text = serde_json::to_vec(&form)?;
        text.push(b'\n');
        let disk = SystemDisk;
        replace_file(&disk, &folder.join(FILE), |file| disk.append(file, &text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meter::policy::DAY_SECONDS;

    #[test]
    fn what_is_kept_is_read_again_under_the_same_policy_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let policy = Policy::DEFAULT;
        let first = Kept::read(folder.path(), &policy).expect("nothing is there");
        assert!(first == Kept::first(&policy));
        let kept = Kept {
            release: Release::unopened(7),
            nodes: 0,
            carried: Carried::of_words([-3, 1 << 40]),
            ..first
        };
        kept.write(folder.path()).expect("there is room");
        assert!(Kept::read(folder.path(), &policy).expect("it was written") == kept);
        let other = Policy { refresh_seconds: 8 * DAY_SECONDS, ..policy };
        assert!(Kept::read(folder.path(), &other).expect("it was written") == Kept::first(&other));
        std::fs::write(folder.path().join(FILE), "{}").expect("ours");
        let why = Kept::read(folder.path(), &policy).err().expect("it is none");
        assert!(why.contains("move it away"), "{why}");
    }
}
