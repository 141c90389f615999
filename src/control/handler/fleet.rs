//! What is asked of the whole fleet: one account's band and flags, a correction, whether nodes have followed one or an
//! erasure, and a second sending.
//!
//! A look-up counts towards the limits of one on this node, whether the fleet answers or not.

use super::officer::corrected;
use super::{Handler, error, refused};
use crate::control::flagged::flag;
use crate::control::fleet_reports::{FleetConfirmation, FleetFlag, FleetView};
use crate::control::peer::Peer;
use crate::control::protocol::{Answer, FleetClusterReport};
use crate::control::receipts;
use crate::control::reports::{BandReport, FleetExport};
use crate::environment::Environment;
use crate::exit::ExitStatus;
use crate::fleet::link::{ClusterState, Link};
use crate::fleet::look_up::{Sums, Untold};
use crate::fleet::settings::Role;
use crate::meter::band::Band;
use crate::meter::flags::kind::Kind;
use crate::meter::tags::Tag;
use crate::node::audit::{Deed, Reason};
use crate::node::pending::Wanted;
use crate::node::rate_limits::Limit;
use crate::roster::account::AccountName;
use std::sync::Arc;

impl<E: Environment> Handler<E> {
    /// An unknown account looks like an unused one, and counts like one towards the limits.
    pub(super) async fn fleet_show(&self, account: &AccountName, peer: &Peer) -> Answer {
        let Some(link) = self.link() else { return no_fleet() };
        let tag = self.state.roster().tag_of(account);
        if let Err(limit) = self.count_look_up(peer) {
            return refused(limit);
        }
        let Sums { words, is_of_week_before, nodes, stale } = match link.total(tag, Role::Desk).await {
            Ok(sums) => sums,
            Err(untold) => return unanswered(untold),
        };
        let (up, down) = words.bytes();
        let dates = self.state.node().refresh_dates(u64::from(is_of_week_before));
        let band = BandReport::new(Band::of(up.saturating_add(down)), dates);
        let language = self.language(peer);
        let flags = Kind::BY_SEVERITY.into_iter().filter_map(|kind| {
            let nodes = words.nodes_with(kind);
            (nodes > 0).then(|| FleetFlag { flag: flag(kind, language), nodes })
        });
        let flags = flags.collect();
        Answer::FleetAccount(FleetView::new(account.reveal(), band, flags, (nodes, stale)))
    }

    pub(super) async fn fleet_confirmed(&self, account: &AccountName, peer: &Peer) -> Answer {
        let Some(link) = self.link() else { return no_fleet() };
        let tag = self.state.roster().tag_of(account);
        if let Err(limit) = self.count_look_up(peer) {
            return refused(limit);
        }
        match link.confirmed(tag).await {
            Ok(confirmed) => {
                let all_by = self.state.node().next_refresh().to_string();
                let (nodes, followed) = (confirmed.nodes, confirmed.followed);
                Answer::FleetConfirmed(FleetConfirmation { nodes, followed, all_by })
            }
            Err(untold) => unanswered(untold),
        }
    }

    /// Sets an account's figures of this period over the whole fleet: the clusters hold them, and each node forgets its
    /// own, this one at once.
    pub(super) async fn correct_in_fleet(
        &self,
        account: &AccountName,
        (up, down, reason): (u64, u64, Reason),
        peer: &Peer,
    ) -> Answer {
        let Some(link) = self.link() else { return no_fleet() };
        let (who, roster, language) = (self.person(peer), self.state.roster(), self.language(peer));
        let tag = roster.tag_of(account);
        let allowed = self.state.node().change(who);
        if let Err(limit) = allowed {
            return refused(limit);
        }
        let confirmed = match link.correct(tag, (up, down)).await {
            Ok(confirmed) => confirmed,
            Err(untold) => return unanswered(untold),
        };
        let (today, refreshed) = {
            let mut node = self.state.node();
            node.correct(roster.slot_of(tag), tag, 0, 0);
            node.note(peer.uid, Deed::Correct, Some(reason));
            node.fetched(who, tag, Wanted::Correct { up, down, reason, fleet: true });
            (node.today(), node.next_refresh())
        };
        self.state.outdated();
        let mut remains = receipts::after_correction(refreshed, language);
        remains.push(receipts::corrected_in_fleet(confirmed, refreshed, language));
        self.kept(corrected(account, today, (up, down, reason), remains)).await
    }

    /// What the fleet holds of an account, for an export that was allowed; none outside of a fleet.
    pub(super) async fn fleet_export(&self, tag: Tag) -> Option<FleetExport> {
        let sums = match self.link()?.total(tag, Role::Privacy).await {
            Ok(sums) => sums,
            Err(untold) => return Some(FleetExport::Untold { why: untold.to_string() }),
        };
        let (up_bytes, down_bytes) = sums.words.bytes();
        let dates = self.state.node().refresh_dates(u64::from(sums.is_of_week_before));
        let as_of = dates.as_of.to_string();
        let (nodes, stale_nodes) = (sums.nodes, sums.stale);
        Some(FleetExport::Sums { as_of, up_bytes, down_bytes, nodes, stale_nodes })
    }

    pub(super) async fn fleet_resend(&self) -> Answer {
        let Some(link) = self.link() else { return no_fleet() };
        if link.resend().await {
            return Answer::Done {};
        }
        let day = self.state.node().next_refresh();
        let what = format!(
            "this process has seen no refresh yet, and an earlier one took what it sent with it; the next sending is \
             after {day}"
        );
        error(ExitStatus::Found, what)
    }

    /// How far each cluster is with what this node sends; none outside of a fleet.
    pub(super) fn clusters(&self) -> Option<Vec<FleetClusterReport>> {
        let of = |state: ClusterState| FleetClusterReport {
            cluster: state.letter.to_string(),
            state: state.progress.word().to_owned(),
            trouble: state.trouble.map(|trouble| trouble.to_string()),
        };
        Some(self.fleet.get()?.clusters().into_iter().map(of).collect())
    }

    /// A look-up over the fleet is one of those on this node.
    fn count_look_up(&self, peer: &Peer) -> Result<(), Limit> {
        let mut node = self.state.node();
        node.look_up(self.person(peer))?;
        node.note(peer.uid, Deed::Show, None);
        Ok(())
    }

    /// The fleet; none outside of one.
    pub(super) fn link(&self) -> Option<Arc<Link>> {
        self.fleet.get().map(Arc::clone)
    }
}

fn no_fleet() -> Answer {
    error(ExitStatus::Config, "this node is in no fleet: its configuration has no [fleet]".to_owned())
}

fn unanswered(untold: Untold) -> Answer {
    let code = match untold {
        Untold::NoRole(_) => ExitStatus::Config,
        Untold::Cluster(..) | Untold::Disagree => ExitStatus::Unavailable,
    };
    error(code, untold.to_string())
}
