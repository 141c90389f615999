//! The system's users and groups, by name: whom a name in `[control.roles]` stands for.
//!
//! Asks the system's name service, so that it also knows users of LDAP or SSSD. Holds nothing.
//!
//! # Source
//! getpwent(3), getgrnam(3), initgroups(3); nsswitch.conf(5).
#![expect(unsafe_code, reason = "the list of all users has no safe wrapper")]

use nix::unistd::{Group, User};
use std::sync::{Mutex, PoisonError};

// POSIX; the libc crate does not declare them for Linux.
unsafe extern "C" {
    fn setpwent();
    fn getpwent() -> *mut libc::passwd;
    fn endpwent();
}

/// The list of users has one reading position in each process.
static LIST: Mutex<()> = Mutex::new(());

/// The ids of the users that a name stands for: a user, or for `@group` those whom the system lists in the
/// group, and those whose primary group it is. None when there is no such user or group.
///
/// A name service that does not list its users (SSSD, by default) tells of a group its members only.
#[must_use]
pub fn named(name: &str) -> Option<Vec<u32>> {
    let id = |name: &str| Some(User::from_name(name).ok()??.uid.as_raw());
    let Some(group) = name.strip_prefix('@') else { return id(name).map(|id| vec![id]) };
    let group = Group::from_name(group).ok()??;
    let mut ids = with_primary_group(group.gid.as_raw());
    ids.extend(group.mem.iter().filter_map(|member| id(member)));
    ids.sort_unstable();
    ids.dedup();
    Some(ids)
}

/// The users whose primary group this is, as far as they are listed.
fn with_primary_group(group: u32) -> Vec<u32> {
    let _turn = LIST.lock().unwrap_or_else(PoisonError::into_inner);
    let mut ids = Vec::new();
    // SAFETY: no other thread moves the list's position, and an entry is read before the next is asked for.
    unsafe {
        setpwent();
        while let Some(user) = getpwent().as_ref() {
            if user.pw_gid == group {
                ids.push(user.pw_uid);
            }
        }
        endpwent();
    }
    ids
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_one_id_and_a_group_its_listed_members() {
        assert_eq!(named("root"), Some(vec![0]));
        assert!(named("@root").is_some_and(|ids| ids.contains(&0)), "root's primary group");
        assert_eq!(named("@daemon"), Some(vec![1]), "Debian lists nobody in it but its own user");
        assert_eq!(named("@dialout"), Some(Vec::new()), "a group that lists nobody is still a group");
        assert_eq!(
            (named("no-such-user"), named("@no-such-group"), named("@"), named("")),
            (None, None, None, None)
        );
    }
}
