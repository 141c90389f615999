//! The access policy of the control socket: which role a request needs, and who has it.
//!
//! Holds ids of users; answers nothing and logs nothing.

use super::peer::{Members, Peer, is_log_in, own_uid};
use super::protocol::Request;
use super::staff::Staff;
use crate::config::{DeskRoles, Roles};
use std::collections::BTreeSet;

/// What no configuration gives to anybody.
pub(super) const OPERATOR: &str = "operator";

/// Who may ask for what, by user id.
#[derive(Default)]
pub struct AccessPolicy {
    roster: Members,
    support: Members,
    privacy: Members,
    /// Log-in names of the support page.
    desk_support: Members,
    desk_privacy: Members,
    pub(super) staff: Staff,
    /// Exports, corrections and erasures wait for a second officer's word.
    pub(super) two_person: bool,
}

impl AccessPolicy {
    /// Resolves the configured names; also returns those that do not exist.
    #[must_use]
    pub fn resolve(
        roles: &Roles,
        desk: &DeskRoles,
        two_person: bool,
        look_up: impl Fn(&str) -> Option<Vec<u32>>,
    ) -> (Self, Vec<String>) {
        let (roster, mut unknown) = Members::resolve(&roles.roster, &look_up);
        let (support, more) = Members::resolve(&roles.support, &look_up);
        unknown.extend(more);
        let (privacy, more) = Members::resolve(&roles.privacy, &look_up);
        unknown.extend(more);
        let (staff, more) = Staff::resolve(desk, &look_up);
        unknown.extend(more);
        unknown.sort_unstable();
        unknown.dedup();
        let (desk_support, desk_privacy) =
            (Members::logged_in(&desk.support), Members::logged_in(&desk.privacy));
        (Self { roster, support, privacy, desk_support, desk_privacy, staff, two_person }, unknown)
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

    /// How many persons have the role `privacy`, by whatever names.
    #[must_use]
    pub fn officers(&self) -> usize {
        let names = self.privacy.uids().chain(self.desk_privacy.uids());
        names.map(|uid| self.staff.person(uid)).collect::<BTreeSet<u32>>().len()
    }

    /// Who has the role `roster`, sorted by user id.
    pub(super) fn roster_uids(&self) -> Vec<u32> {
        self.roster.uids().collect()
    }

    /// The role that the peer lacks for this request.
    pub(super) fn missing(&self, request: &Request, peer: &Peer) -> Option<&'static str> {
        let nobody = Members::default();
        let (members, of_desk, role) = match request {
            Request::Assign { .. }
            | Request::Unassign { .. }
            | Request::FailedLogIn {}
            | Request::Sync { .. }
            | Request::Counts {} => (&self.roster, &nobody, "roster"),
            Request::Show { .. } | Request::Flagged { .. } | Request::FleetShow { .. } => {
                (&self.support, &self.desk_support, "support")
            }
            Request::Export { .. }
            | Request::PlanExport { .. }
            | Request::ExportNode {}
            | Request::Asked {}
            | Request::Correct { .. }
            | Request::Erase { .. }
            | Request::FleetConfirmed { .. }
            | Request::Pending {}
            | Request::Approve { .. }
            | Request::Audit {} => (&self.privacy, &self.desk_privacy, "privacy"),
            Request::Status {} => return self.missing_for_status(peer),
            Request::Reload {} | Request::FleetResend {} => return (!is_operator(peer)).then_some(OPERATOR),
        };
        let members = if is_log_in(peer.uid) { of_desk } else { members };
        (!members.include(peer)).then_some(role)
    }

    /// True for a peer without any role, whose every request is refused.
    pub(super) fn has_no_role(&self, peer: &Peer) -> bool {
        self.missing_for_status(peer).is_some()
    }

    /// Anyone with a role may see the state, as may the daemon's own user and root.
    fn missing_for_status(&self, peer: &Peer) -> Option<&'static str> {
        let users = [&self.roster, &self.support, &self.privacy];
        let any = users.into_iter().chain([&self.desk_support, &self.desk_privacy]);
        let any = any.filter(|role| role.include(peer)).count() > 0;
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
