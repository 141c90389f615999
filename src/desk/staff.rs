//! Who is at the desk: log-ins and names of client certificates, as members of staff with roles.
//!
//! Holds names of staff, and of no account.

use crate::config::{DeskRoles, Person};
use crate::control::peer::Peer;
use crate::publish::web::{LogInName, Shown};
use axum::http::Extensions;

/// The first number that stands for a log-in where a user id is meant: above those of users, which systems and
/// their containers give out from below.
///
/// # Source
/// systemd's "Users, Groups, UIDs and GIDs": 2^31 and above are not used.
const FIRST_LOG_IN: u32 = 1 << 31;

/// Everybody who has a role.
#[derive(Default)]
pub struct Staff {
    members: Vec<Member>,
    /// Whoever comes has every role: the demo's desk.
    is_open: bool,
}

struct Member {
    log_in: String,
    caller: Caller,
}

/// Somebody with a role.
#[derive(Clone, Copy)]
pub(super) struct Caller {
    uid: u32,
    support: bool,
    privacy: bool,
}

impl Staff {
    /// Resolves the configured people; also returns the Unix users that do not exist. Their log-ins stand for
    /// themselves.
    #[must_use]
    pub fn resolve(roles: &DeskRoles, look_up: impl Fn(&str) -> Option<Vec<u32>>) -> (Self, Vec<String>) {
        let (mut members, mut unknown): (Vec<Member>, _) = (Vec::new(), Vec::new());
        let support = roles.support.iter().map(|person| (person, true));
        for (person, is_support) in support.chain(roles.privacy.iter().map(|person| (person, false))) {
            let Person { log_in, user } = person;
            let uid = user.as_ref().and_then(|user| look_up(user).and_then(|uids| uids.first().copied()));
            unknown.extend(user.iter().filter(|_| uid.is_none()).cloned());
            let uid = uid.unwrap_or_else(|| id_of(log_in));
            let at = members.iter().position(|member| member.log_in == *log_in).unwrap_or_else(|| {
                let caller = Caller { uid, support: false, privacy: false };
                members.push(Member { log_in: log_in.clone(), caller });
                members.len() - 1
            });
            if is_support {
                members[at].caller.support = true;
            } else {
                members[at].caller.privacy = true;
            }
        }
        (Self { members, is_open: false }, unknown)
    }

    /// Everybody who comes, with every role.
    #[must_use]
    pub fn everybody() -> Self {
        Self { members: Vec::new(), is_open: true }
    }

    /// Who asks, by what the request was admitted with: a log-in before a certificate. None without a role.
    pub(super) fn caller(&self, admitted: &Extensions) -> Option<Caller> {
        if self.is_open {
            return Some(Caller { uid: FIRST_LOG_IN, support: true, privacy: true });
        }
        let log_in = admitted.get::<LogInName>().map(|name| &name.0);
        let name = log_in.or_else(|| admitted.get::<Shown>()?.0.as_ref())?;
        let member = self.members.iter().find(|member| member.log_in == **name);
        member.map(|member| member.caller)
    }
}

impl Caller {
    pub(super) const fn is_support(&self) -> bool {
        self.support
    }

    pub(super) const fn is_privacy(&self) -> bool {
        self.privacy
    }

    /// As the handler's limits know who asks.
    pub(super) const fn peer(&self) -> Peer {
        Peer { uid: self.uid }
    }
}

/// A number for a log-in that has no Unix user, the same after every start.
fn id_of(log_in: &str) -> u32 {
    let hash = blake3::hash(log_in.as_bytes());
    let [a, b, c, d, ..] = *hash.as_bytes();
    FIRST_LOG_IN | u32::from_le_bytes([a, b, c, d])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(log_in: &str, user: Option<&str>) -> Person {
        Person { log_in: log_in.to_owned(), user: user.map(str::to_owned) }
    }

    #[test]
    fn a_log_in_with_a_user_is_that_user_and_one_without_is_nobody_else() {
        let roles = DeskRoles {
            support: vec![person("anna", Some("anna.unix")), person("ben", None), person("cleo", Some("gone"))],
            privacy: vec![person("ben", None)],
        };
        let look_up = |name: &str| (name == "anna.unix").then(|| vec![1004]);
        let (staff, unknown) = Staff::resolve(&roles, look_up);
        assert_eq!(unknown, ["gone"]);
        let caller = |log_in: &str| {
            let mut admitted = Extensions::new();
            admitted.insert(LogInName(log_in.to_owned().into()));
            staff.caller(&admitted)
        };
        let (anna, ben, cleo) =
            (caller("anna").expect("named"), caller("ben").expect("named"), caller("cleo").expect("named"));
        assert_eq!(anna.peer().uid, 1004);
        assert!(ben.peer().uid >= FIRST_LOG_IN && ben.peer().uid != cleo.peer().uid);
        assert!(ben.is_support() && ben.is_privacy() && anna.is_support() && !anna.is_privacy());
        assert!(caller("Anna").is_none() && caller("").is_none());
        assert!(staff.caller(&Extensions::new()).is_none());
    }
}
