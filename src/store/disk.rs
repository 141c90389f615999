//! The few file operations that the store is built on, so that a simulated disk can fail at each.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The contents of a file with a key in it; overwritten when dropped.
pub struct Secret {
    /// The contents.
    pub bytes: Zeroizing<Vec<u8>>,
    /// True when its group or others may read or write it.
    pub others_may_read: bool,
}

/// A file system as the store uses it.
pub trait Disk {
    /// An open file.
    type File;

    /// Creates an empty file with mode 0600, replacing any that exists.
    ///
    /// # Errors
    /// Those of the operating system, as in every method here.
    fn create(&self, path: &Path) -> io::Result<Self::File>;

    /// Opens a file for reading and for overwriting in place.
    ///
    /// # Errors
    /// See [`Disk::create`]; `NotFound` if there is none.
    fn open(&self, path: &Path) -> io::Result<Self::File>;

    /// Appends to a file that was created.
    ///
    /// # Errors
    /// See [`Disk::create`].
    fn append(&self, file: &mut Self::File, bytes: &[u8]) -> io::Result<()>;

    /// Overwrites bytes in place.
    ///
    /// # Errors
    /// See [`Disk::create`].
    fn overwrite(&self, file: &mut Self::File, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Reads exactly this many bytes.
    ///
    /// # Errors
    /// See [`Disk::create`]; `UnexpectedEof` if there are fewer.
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

    /// Renames a file, replacing any that exists.
    ///
    /// # Errors
    /// See [`Disk::create`].
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Makes the names in a folder durable.
    ///
    /// # Errors
    /// See [`Disk::create`].
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;

    /// Reads a whole key file, and whether others may read it.
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

/// The folder of the service manager's credentials, if there is one.
fn credentials() -> Option<PathBuf> {
    std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from)
}

/// Whether a secret file's group, or others, may read or write it.
///
/// A credential of the service manager may have group bits: they are the mask of an ACL entry for the
/// service's own user, and the folder is closed to everyone else.
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

/// The service manager's credential with the file's name, if there is one: it takes precedence over the
/// file, which the service's user then need not be able to read.
pub fn credential_of(path: &Path) -> Option<PathBuf> {
    Some(credentials()?.join(path.file_name()?)).filter(|credential| credential.exists())
}

impl Disk for SystemDisk {
    type File = File;

    fn create(&self, path: &Path) -> io::Result<File> {
        // An existing file would keep its mode, so it is removed first.
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
        // A key is 32 bytes: at most 64 are read, whatever the file is.
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
