//! The few file operations that the store is built on, so that a simulated disk can fail at each.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// A file with a key in it, as it was read; overwritten when it is let go of.
pub struct Secret {
    /// What it holds.
    pub bytes: Zeroizing<Vec<u8>>,
    /// Its group or others may read or write it.
    pub others_may_read: bool,
}

/// A file system as the store uses it.
pub trait Disk {
    /// An open file.
    type File;

    /// Makes an empty file of mode 0600, in the place of one that may be there.
    ///
    /// # Errors
    /// Those of the operating system, as in every method here.
    fn create(&self, path: &Path) -> io::Result<Self::File>;

    /// Opens a file for reading and for overwriting in place.
    ///
    /// # Errors
    /// See [`Disk::create`]; `NotFound` where there is none.
    fn open(&self, path: &Path) -> io::Result<Self::File>;

    /// Writes at the end of a file that was created.
    ///
    /// # Errors
    /// See [`Disk::create`].
    fn append(&self, file: &mut Self::File, bytes: &[u8]) -> io::Result<()>;

    /// Overwrites bytes in place.
    ///
    /// # Errors
    /// See [`Disk::create`].
    fn overwrite(&self, file: &mut Self::File, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Reads exactly so many bytes.
    ///
    /// # Errors
    /// See [`Disk::create`]; `UnexpectedEof` where there are fewer.
    fn read(&self, file: &Self::File, offset: u64, bytes: &mut [u8]) -> io::Result<()>;

    /// The length of a file in bytes.
    ///
    /// # Errors
    /// See [`Disk::create`].
    fn length(&self, file: &Self::File) -> io::Result<u64>;

    /// Makes what was written durable.
    ///
    /// # Errors
    /// See [`Disk::create`].
    fn sync(&self, file: &mut Self::File) -> io::Result<()>;

    /// Gives a file another name, in the place of one that may be there.
    ///
    /// # Errors
    /// See [`Disk::create`].
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Makes the names in a folder durable.
    ///
    /// # Errors
    /// See [`Disk::create`].
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;

    /// Reads a key file whole, with who else may read it.
    ///
    /// # Errors
    /// See [`Disk::create`].
    fn read_key(&self, path: &Path) -> io::Result<Secret>;

    /// Removes a file.
    ///
    /// # Errors
    /// See [`Disk::create`].
    fn remove(&self, path: &Path) -> io::Result<()>;
}

/// Where the service manager hands credentials over, if it does.
fn credentials() -> Option<PathBuf> {
    std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from)
}

/// Whether the group of a secret file, or others, may read or write it.
///
/// A credential of the service manager may be shown with bits of a group: they are the mask of an entry
/// for the service's own user, and the folder is closed to all others.
///
/// # Errors
/// Those of the operating system.
fn is_open_to_others(file: &File, path: &Path) -> io::Result<bool> {
    let is_credential = credentials().is_some_and(|folder| path.starts_with(folder));
    let others = if is_credential { 0o007 } else { 0o077 };
    Ok(file.metadata()?.mode() & others != 0)
}

/// Reads a secret file, or its beginning where it is longer than `at_most`.
///
/// # Errors
/// Those of the operating system.
pub fn read_secret(path: &Path, at_most: usize) -> io::Result<Secret> {
    let file = File::open(path)?;
    let others_may_read = is_open_to_others(&file, path)?;
    // All room at once: a buffer that grows leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(at_most));
    file.take(at_most as u64).read_to_end(&mut bytes)?;
    Ok(Secret { bytes, others_may_read })
}

/// The file system of the running system.
pub struct SystemDisk;

/// The service manager's credential of the file's name, where there is one: it goes before the file,
/// which the service's user need not be able to read then.
pub fn credential_of(path: &Path) -> Option<PathBuf> {
    Some(credentials()?.join(path.file_name()?)).filter(|credential| credential.exists())
}

impl Disk for SystemDisk {
    type File = File;

    fn create(&self, path: &Path) -> io::Result<File> {
        // A file that is there keeps its mode, so it goes first.
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
    }

    fn open(&self, path: &Path) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).open(path)
    }

    fn append(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)
    }

    fn overwrite(&self, file: &mut File, offset: u64, bytes: &[u8]) -> io::Result<()> {
        file.write_all_at(bytes, offset)
    }

    fn read(&self, file: &File, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        file.read_exact_at(bytes, offset)
    }

    fn length(&self, file: &File) -> io::Result<u64> {
        Ok(file.metadata()?.size())
    }

    fn sync(&self, file: &mut File) -> io::Result<()> {
        file.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        File::open(folder)?.sync_all()
    }

    fn read_key(&self, path: &Path) -> io::Result<Secret> {
        let path = credential_of(path).unwrap_or_else(|| path.to_owned());
        // A key is 32 bytes: nothing longer is read far, whatever the file is.
        read_secret(&path, 64)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }
}

impl<D: Disk> Disk for &D {
    type File = D::File;

    fn create(&self, path: &Path) -> io::Result<Self::File> {
        (**self).create(path)
    }
    fn open(&self, path: &Path) -> io::Result<Self::File> {
        (**self).open(path)
    }
    fn append(&self, file: &mut Self::File, bytes: &[u8]) -> io::Result<()> {
        (**self).append(file, bytes)
    }
    fn overwrite(&self, file: &mut Self::File, offset: u64, bytes: &[u8]) -> io::Result<()> {
        (**self).overwrite(file, offset, bytes)
    }
    fn read(&self, file: &Self::File, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        (**self).read(file, offset, bytes)
    }
    fn length(&self, file: &Self::File) -> io::Result<u64> {
        (**self).length(file)
    }
    fn sync(&self, file: &mut Self::File) -> io::Result<()> {
        (**self).sync(file)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        (**self).rename(from, to)
    }
    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        (**self).sync_folder(folder)
    }
    fn read_key(&self, path: &Path) -> io::Result<Secret> {
        (**self).read_key(path)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        (**self).remove(path)
    }
}
