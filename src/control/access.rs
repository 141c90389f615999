//! The access policy of the control socket: which role a request needs, and who has it.
//!
//! Holds ids of users; answers nothing and logs nothing.

use super::peer::{Members, Peer, own_uid};
use super::protocol::Request;
use crate::config::Roles;

/// What no configuration gives to anybody.
pub(super) const OPERATOR: &str = "operator";

/// Who may ask for what, by user id.
#[derive(Default)]
pub struct AccessPolicy {
    roster: Members,
    support: Members,
    privacy: Members,
}

impl AccessPolicy {
    /// Resolves the configured names; also returns those that do not exist.
    #[must_use]
    pub fn resolve(roles: &Roles, look_up: impl Fn(&str) -> Option<Vec<u32>>) -> (Self, Vec<String>) {
        let (roster, mut unknown) = Members::resolve(&roles.roster, &look_up);
        let (support, more) = Members::resolve(&roles.support, &look_up);
        unknown.extend(more);
        let (privacy, more) = Members::resolve(&roles.privacy, &look_up);
        unknown.extend(more);
        unknown.sort_unstable();
        unknown.dedup();
        (Self { roster, support, privacy }, unknown)
    }

    /// Everyone who has a role, sorted by user id.
    #[must_use]
    pub fn uids(&self) -> Vec<u32> {
        let roles = [&self.roster, &self.support, &self.privacy];
        let mut uids: Vec<u32> = roles.into_iter().flat_map(Members::uids).collect();
        uids.sort_unstable();
        uids.dedup();
        uids
    }

    /// Who has the role `roster`, sorted by user id.
    pub(super) fn roster_uids(&self) -> Vec<u32> {
        self.roster.uids().collect()
    }

    /// The role that the peer lacks for this request.
    pub(super) fn missing(&self, request: &Request, peer: &Peer) -> Option<&'static str> {
        let (members, role) = match request {
            Request::Assign { .. }
            | Request::Unassign { .. }
            | Request::FailedLogIn {}
            | Request::Sync { .. }
            | Request::Counts {} => (&self.roster, "roster"),
            Request::Show { .. } | Request::Flagged { .. } => (&self.support, "support"),
            Request::Export { .. }
            | Request::PlanExport { .. }
            | Request::ExportNode {}
            | Request::Asked {} => (&self.privacy, "privacy"),
            Request::Status {} => return self.missing_for_status(peer),
            Request::Reload {} => return (!is_operator(peer)).then_some(OPERATOR),
        };
        (!members.include(peer)).then_some(role)
    }

    /// True for a peer without any role, whose every request is refused.
    pub(super) fn has_no_role(&self, peer: &Peer) -> bool {
        self.missing_for_status(peer).is_some()
    }

    /// Anyone with a role may see the state, as may the daemon's own user and root.
    fn missing_for_status(&self, peer: &Peer) -> Option<&'static str> {
        let any = [&self.roster, &self.support, &self.privacy].iter().any(|role| role.include(peer));
        (!any && !is_operator(peer)).then_some("roster, support or privacy")
    }
}

/// Whether hooks may ask for this through their pipe: what comes and goes with a connection, one that
/// failed included, and nothing else.
pub(super) fn is_of_a_hook(request: &Request) -> bool {
    matches!(request, Request::Assign { .. } | Request::Unassign { .. } | Request::FailedLogIn {})
}

/// Root and the daemon's own user, which is the service manager's.
pub(super) fn is_operator(peer: &Peer) -> bool {
    peer.uid == 0 || peer.uid == own_uid()
}
