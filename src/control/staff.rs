//! Who of staff is whom: several names of one person, and what a member is called.
//!
//! Holds ids and log-in names of the configuration; no account, and nothing of what anybody asked.

use super::peer::{Peer, is_log_in, own_uid};
use crate::config::{DeskRoles, UNIX};

/// The names of staff.
#[derive(Default)]
pub struct Staff {
    /// The ids of one person each, sorted.
    persons: Vec<Vec<u32>>,
    /// Log-in names, by what stands for them.
    log_ins: Vec<(u32, String)>,
}

/// Why a word is no second officer's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Same {
    /// It is the same person.
    #[error("whoever asked cannot approve; another privacy officer must")]
    Person,
    /// It may be.
    #[error(
        "a log-in name and a Unix user may be one person: say in [support.roles] persons which log-in name and which \
         user are one, or approve the way it was asked"
    )]
    Unclear,
}

impl Staff {
    /// Resolves the configured names; also returns those of Unix users that do not exist.
    pub(super) fn resolve(
        desk: &DeskRoles,
        look_up: impl Fn(&str) -> Option<Vec<u32>>,
    ) -> (Self, Vec<String>) {
        let (mut staff, mut unknown) = (Self::default(), Vec::new());
        let mut log_in = |name: &String| {
            let id = Peer::logged_in(name).uid;
            staff.log_ins.push((id, name.clone()));
            id
        };
        desk.support.iter().chain(&desk.privacy).for_each(|name| _ = log_in(name));
        for person in &desk.persons {
            let mut ids = Vec::new();
            for name in person {
                match name.strip_prefix(UNIX) {
                    None => ids.push(log_in(name)),
                    Some(user) => match look_up(user) {
                        Some(users) => ids.extend(users),
                        None => unknown.push(user.to_owned()),
                    },
                }
            }
            ids.sort_unstable();
            staff.persons.push(ids);
        }
        staff.log_ins.sort();
        staff.log_ins.dedup();
        (staff, unknown)
    }

    /// The id that stands for the person: the lowest of all names. Root and the daemon's own user are one.
    pub(super) fn person(&self, uid: u32) -> u32 {
        if uid == own_uid() {
            return 0;
        }
        self.names(uid).and_then(<[u32]>::first).copied().unwrap_or(uid)
    }

    /// Whether these are two persons.
    ///
    /// # Errors
    /// When they are one, or may be: a log-in name and a Unix user, of neither of whom the other names are told.
    pub(super) fn are_two(&self, one: u32, other: u32) -> Result<(), Same> {
        if self.person(one) == self.person(other) {
            return Err(Same::Person);
        }
        let is_told = self.names(one).is_some() || self.names(other).is_some();
        if is_log_in(one) == is_log_in(other) || is_told { Ok(()) } else { Err(Same::Unclear) }
    }

    /// What a member is called.
    pub(super) fn name(&self, uid: u32) -> String {
        match self.log_ins.binary_search_by_key(&uid, |(id, _)| *id) {
            Ok(at) => self.log_ins[at].1.clone(),
            Err(_) if is_log_in(uid) => "a log-in name that is no longer configured".to_owned(),
            Err(_) => format!("uid:{uid}"),
        }
    }

    /// All ids of the person, where they are told.
    fn names(&self, uid: u32) -> Option<&[u32]> {
        self.persons.iter().find(|person| person.contains(&uid)).map(Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn staff(persons: &[&[&str]]) -> Staff {
        let person = |names: &&[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let persons = persons.iter().map(person).collect();
        let desk = DeskRoles { support: vec!["ben".into()], privacy: vec!["clara".into()], persons };
        let look_up = |name: &str| match name {
            "clara" => Some(vec![70_001]),
            "clara-admin" => Some(vec![70_002]),
            _ => None,
        };
        Staff::resolve(&desk, look_up).0
    }

    #[test]
    fn one_person_under_two_names_is_one_person() {
        let staff = staff(&[&["clara", "unix:clara", "unix:clara-admin"]]);
        let clara = Peer::logged_in("clara").uid;
        assert_eq!([70_001, 70_002, clara].map(|uid| staff.person(uid)), [70_001; 3]);
        assert_eq!(staff.are_two(70_001, 70_002), Err(Same::Person));
        assert_eq!(staff.are_two(clara, 70_002), Err(Same::Person));
        assert_eq!(staff.are_two(clara, 70_003), Ok(()));
        assert_eq!(staff.are_two(clara, Peer::logged_in("ben").uid), Ok(()));
        assert_eq!(staff.person(own_uid()), 0, "root and the daemon's user are one");
    }

    #[test]
    fn whether_a_log_in_and_a_user_are_two_must_be_told() {
        let staff = staff(&[]);
        assert_eq!(staff.are_two(Peer::logged_in("clara").uid, 70_001), Err(Same::Unclear));
        assert_eq!(staff.are_two(70_001, 70_002), Ok(()));
        assert_eq!(staff.are_two(70_001, 70_001), Err(Same::Person));
    }

    #[test]
    fn members_are_called_by_their_log_in_names_and_users_by_their_ids() {
        let staff = staff(&[]);
        assert_eq!(staff.name(Peer::logged_in("ben").uid), "ben");
        assert_eq!(staff.name(70_001), "uid:70001");
        assert!(staff.name(Peer::logged_in("gone").uid).contains("no longer"));
    }
}
