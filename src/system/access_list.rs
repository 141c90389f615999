//! POSIX access lists: lets listed users reach a file or folder, and nobody else but its owner and root.
//!
//! # Source
//! acl(5); include/uapi/linux/posix_acl.h and posix_acl_xattr.h (the layout of the attribute, version 2).

use rustix::fs::{XattrFlags, setxattr};
use std::io;
use std::path::Path;

/// What may be done: a file read and written.
pub const READ_WRITE: u16 = 6;
/// A file read.
pub const READ: u16 = 4;
/// A file written.
pub const WRITE: u16 = 2;
/// A folder passed through, but not listed.
pub const PASS: u16 = 1;

const ATTRIBUTE: &str = "system.posix_acl_access";
const VERSION: u32 = 2;
const OWNER: u16 = 1;
const USER: u16 = 2;
const GROUP: u16 = 4;
const MASK: u16 = 16;
const OTHERS: u16 = 32;
const NO_ID: u32 = u32::MAX;

/// Lets these users, sorted by id, do what `allowed` says, the owner what `owner` says, and no other user and
/// no group anything.
///
/// # Errors
/// Those of setxattr(2): a file system without access lists (EOPNOTSUPP), or too many users (E2BIG, ENOSPC).
pub fn admit(path: &Path, owner: u16, allowed: u16, users: &[u32]) -> io::Result<()> {
    let mut list = VERSION.to_le_bytes().to_vec();
    let mut put = |tag: u16, allowed: u16, id: u32| {
        list.extend(tag.to_le_bytes());
        list.extend(allowed.to_le_bytes());
        list.extend(id.to_le_bytes());
    };
    put(OWNER, owner, NO_ID);
    users.iter().for_each(|user| put(USER, allowed, *user));
    put(GROUP, 0, NO_ID);
    if !users.is_empty() {
        put(MASK, allowed, NO_ID);
    }
    put(OTHERS, 0, NO_ID);
    Ok(setxattr(path, ATTRIBUTE, &list, XattrFlags::empty())?)
}
