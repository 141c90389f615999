//! How a file takes the place of another one, so that either is there whole whatever happens between.

use super::disk::Disk;
use std::io;
use std::path::{Path, PathBuf};

/// Puts a file in the place of another, durably: temporary name, fsync, rename, fsync of the
/// folder. A file whose write or fsync failed is removed and never believed.
///
/// # Errors
/// Those of the disk.
pub fn replace_file<D: Disk>(
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

/// The name that a file has until it is whole.
pub(super) fn temporary(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    PathBuf::from(name)
}

/// The folder of a file.
pub(super) fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
