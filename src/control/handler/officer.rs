//! What privacy officers ask for: exports, corrections, erasures, a second officer's word, and what staff did.
//!
//! An account that nobody knows answers like an unused one. What an answer tells is counted, noted and saved before
//! it is given.

use super::{Handler, error, refused};
use crate::control::flagged::flags;
use crate::control::peer::Peer;
use crate::control::protocol::Answer;
use crate::control::receipts;
use crate::control::reports::{AccountExport, ExportPlan, SCHEMA_VERSION};
use crate::control::rights::{
    AuditReport, AuditRow, Correction, Erasure, PendingReport, PendingRequest, Remainder, Waiting,
};
use crate::engine::roster_writer::Change;
use crate::environment::Environment;
use crate::exit::ExitStatus;
use crate::meter::calendar::Day;
use crate::meter::tags::Tag;
use crate::node::audit::{Deed, Entry, KEPT_DAYS, Reason};
use crate::node::pending::{DAYS, Pending, Wanted};
use crate::node::rate_limits::{Figures, Plan};
use crate::roster::account::AccountName;

impl<E: Environment> Handler<E> {
    /// What limits are kept by: one person's names share them.
    pub(super) fn person(&self, peer: &Peer) -> u32 {
        self.access.load().staff.person(peer.uid)
    }

    pub(super) async fn export(&self, account: &AccountName, open_epoch: bool, peer: &Peer) -> Answer {
        match self.export_here(account, open_epoch, peer).await {
            Answer::Export(mut export) => {
                export.fleet = self.fleet_export(self.state.roster().tag_of(account)).await;
                Answer::Export(export)
            }
            answer => answer,
        }
    }

    /// What this node holds.
    async fn export_here(&self, account: &AccountName, open_epoch: bool, peer: &Peer) -> Answer {
        let (state, roster, who) = (&self.state, self.state.roster(), self.person(peer));
        let tag = roster.tag_of(account);
        let language = self.language(peer);
        let answer = |figures| {
            let node = state.node();
            let slot = roster.slot_of(tag);
            let baseline = node.usual(slot);
            let flags = flags(slot.map_or_else(Default::default, |slot| node.flags(slot)), language);
            let export = AccountExport::new(account.reveal(), figures, open_epoch, baseline.as_ref(), flags);
            Answer::Export(export)
        };
        let wanted = Wanted::Export { open_epoch };
        let is_exempt = self.is_exempt(tag);
        // Neither a refused export nor a repeated one waits for the tap: how long that takes depends on traffic.
        if !is_exempt {
            let may = state.node().may_export(who, tag);
            match may {
                Ok(None) => {}
                Ok(Some(first)) => return self.repeated(tag, open_epoch, peer, answer(first)).await,
                Err(limit) => return refused(limit),
            }
            if let Some(waits) = self.waits(tag, wanted, peer).await {
                return waits;
            }
        }
        let quiesced = self.change(Change::Quiesce).await;
        if !matches!(quiesced, Answer::Done {}) {
            return quiesced;
        }
        let slot = roster.slot_of(tag);
        let exported = {
            let mut node = state.node();
            let (period, open) = slot.map_or_else(Default::default, |slot| node.totals(slot));
            let figures = Figures { period, open };
            if is_exempt {
                drop(node);
                return answer(figures);
            }
            // Others may have exported meanwhile.
            let exported = node.export(who, tag, figures);
            if exported.is_ok() {
                node.note(peer.uid, Deed::Export, None);
                node.fetched(who, tag, wanted);
            }
            exported
        };
        match exported {
            Ok(given) => {
                state.limited();
                self.kept(answer(given)).await
            }
            Err(limit) => refused(limit),
        }
    }

    /// The figures of today's first export again. Whether the open epoch was approved then, nobody knows any more.
    async fn repeated(&self, tag: Tag, open_epoch: bool, peer: &Peer, answer: Answer) -> Answer {
        let wanted = Wanted::Export { open_epoch };
        if open_epoch && let Some(waits) = self.waits(tag, wanted, peer).await {
            return waits;
        }
        self.state.node().fetched(self.person(peer), tag, wanted);
        self.kept(answer).await
    }

    /// Reads no counter, and waits for no tap.
    pub(super) fn plan_export(&self, account: &AccountName, open_epoch: bool, peer: &Peer) -> Answer {
        let roster = self.state.roster();
        let tag = roster.tag_of(account);
        let named_by_roster = roster.is_named(tag);
        let plan = if self.is_exempt(tag) {
            Ok(Plan::Free)
        } else {
            self.state.node().plan_export(self.person(peer), tag)
        };
        match plan {
            Ok(plan) => {
                Answer::ExportPlan(ExportPlan::new(account.reveal(), open_epoch, named_by_roster, plan))
            }
            Err(limit) => refused(limit),
        }
    }

    pub(super) async fn export_node(&self, peer: &Peer) -> Answer {
        let who = self.person(peer);
        if let Some(waits) = self.waits(Tag::NOBODY, Wanted::ExportNode, peer).await {
            return waits;
        }
        // Counted before the tap is waited for: how long that takes depends on traffic.
        let counted = self.state.node().export_node(who);
        if let Err(limit) = counted {
            return refused(limit);
        }
        {
            let mut node = self.state.node();
            node.note(peer.uid, Deed::ExportNode, None);
            node.fetched(who, Tag::NOBODY, Wanted::ExportNode);
        }
        self.state.limited();
        if !self.state.keep_limits().await {
            return not_kept();
        }
        match self.change(Change::Quiesce).await {
            Answer::Done {} => Answer::Node(self.state.node().node_totals().into()),
            failed => failed,
        }
    }

    pub(super) async fn correct(
        &self,
        account: &AccountName,
        (bytes, fleet): ([u64; 2], bool),
        reason: &str,
        peer: &Peer,
    ) -> Answer {
        let Some(reason) = Reason::of_word(reason) else {
            let words = Reason::ALL.map(Reason::word).join(", ");
            return error(ExitStatus::Usage, format!("the reason is one of {words}"));
        };
        let (who, roster, [up, down]) = (self.person(peer), self.state.roster(), bytes);
        let tag = roster.tag_of(account);
        let wanted = Wanted::Correct { up, down, reason, fleet };
        if let Some(waits) = self.waits(tag, wanted, peer).await {
            return waits;
        }
        if fleet {
            return self.correct_in_fleet(account, (up, down, reason), peer).await;
        }
        let changed = {
            let mut node = self.state.node();
            node.change(who).map(|()| {
                node.correct(roster.slot_of(tag), tag, up, down);
                node.note(peer.uid, Deed::Correct, Some(reason));
                node.fetched(who, tag, wanted);
                (node.today(), node.next_refresh())
            })
        };
        let (today, refreshed) = match changed {
            Ok(days) => days,
            Err(limit) => return refused(limit),
        };
        self.state.outdated();
        let remains = receipts::after_correction(refreshed, self.language(peer));
        self.kept(corrected(account, today, (up, down, reason), remains)).await
    }

    pub(super) async fn erase(&self, account: &AccountName, peer: &Peer) -> Answer {
        let (who, roster) = (self.person(peer), self.state.roster());
        let tag = roster.tag_of(account);
        if let Some(waits) = self.waits(tag, Wanted::Erase, peer).await {
            return waits;
        }
        // What has arrived is of the account, and goes as well.
        let quiesced = self.change(Change::Quiesce).await;
        if !matches!(quiesced, Answer::Done {}) {
            return quiesced;
        }
        let changed = {
            let mut node = self.state.node();
            node.change(who).map(|()| {
                node.erase(roster.slot_of(tag), tag);
                node.note(peer.uid, Deed::Erase, None);
                node.fetched(who, tag, Wanted::Erase);
                node.today()
            })
        };
        let today = match changed {
            Ok(today) => today,
            Err(limit) => return refused(limit),
        };
        self.state.outdated();
        let language = self.language(peer);
        let mut remains = receipts::after_erasure(today, self.state.is_kept(), language);
        // Whatever the fleet says, what this node held is gone.
        if let Some(link) = self.link() {
            let confirmed = link.erase(tag).await;
            remains.push(receipts::in_fleet(confirmed, self.state.node().next_refresh(), language));
        }
        self.kept(Answer::Erased(Erasure {
            schema_version: SCHEMA_VERSION,
            account: account.reveal().to_owned(),
            day: today.to_string(),
            erased: receipts::erased(language),
            remains,
        }))
        .await
    }

    /// The answer while a second officer's word is waited for; none where it was given, or is not needed.
    async fn waits(&self, tag: Tag, wanted: Wanted, peer: &Peer) -> Option<Answer> {
        if !self.access.load().two_person {
            return None;
        }
        let asked = self.state.node().wait_for_approval(self.person(peer), tag, wanted);
        let request = match asked {
            Ok(request) if request.approved => return None,
            Ok(request) => request,
            Err(full) => return Some(error(ExitStatus::Permission, full.to_string())),
        };
        self.state.limited();
        let ends = ends(&request).to_string();
        let waiting = Waiting { schema_version: SCHEMA_VERSION, id: request.id, ends };
        Some(self.kept(Answer::Waits(waiting)).await)
    }

    pub(super) fn pending(&self, peer: &Peer) -> Answer {
        let (access, own) = (self.access.load(), self.person(peer));
        let row = |request: &Pending| {
            let (what, reason) = described(request.wanted);
            PendingRequest {
                id: request.id,
                who: access.staff.name(request.who),
                is_own: request.who == own,
                what: what.word().to_owned(),
                reason: reason.map(|reason| reason.word().to_owned()),
                day: Day::of_number(request.day).to_string(),
                ends: ends(request).to_string(),
                approved: request.approved,
            }
        };
        let requests = self.state.node().pending().iter().map(row).collect();
        Answer::Pending(PendingReport {
            schema_version: SCHEMA_VERSION,
            two_person: access.two_person,
            requests,
        })
    }

    pub(super) async fn approve(&self, id: u32, peer: &Peer) -> Answer {
        let approved = {
            let mut node = self.state.node();
            let found = node.pending().iter().find(|request| request.id == id).copied();
            let Some(request) = found else {
                let what = "no such request waits; see `blindmeter accounts pending`";
                return error(ExitStatus::Found, what.into());
            };
            let are_two = self.access.load().staff.are_two(request.who, peer.uid);
            are_two.map(|()| {
                node.approve(id);
                node.note(peer.uid, Deed::Approve, None);
            })
        };
        if let Err(same) = approved {
            return error(ExitStatus::Permission, same.to_string());
        }
        self.state.limited();
        self.kept(Answer::Done {}).await
    }

    pub(super) fn audit(&self) -> Answer {
        let access = self.access.load();
        let row = |entry: &Entry| AuditRow {
            day: Day::of_number(entry.day).to_string(),
            who: access.staff.name(entry.who),
            what: entry.deed.word().to_owned(),
            reason: entry.reason.map(|reason| reason.word().to_owned()),
            count: entry.count.into(),
        };
        let entries = self.state.node().audit().iter().rev().map(row).collect();
        Answer::Audit(AuditReport { schema_version: SCHEMA_VERSION, kept_days: KEPT_DAYS, entries })
    }

    /// The answer, once a restart knows that it was given: a process that is killed right after it, and started
    /// again, gives no second look at a live counter.
    pub(super) async fn kept(&self, answer: Answer) -> Answer {
        if self.state.keep_limits().await { answer } else { not_kept() }
    }

    /// The probe account, while the operator's own sources alone name it.
    fn is_exempt(&self, account: Tag) -> bool {
        self.state.is_probe(account) && self.state.roster().is_of_operator_alone(account)
    }
}

/// The receipt of a correction to so many bytes sent and received.
pub(super) fn corrected(
    account: &AccountName,
    today: Day,
    (up_bytes, down_bytes, reason): (u64, u64, Reason),
    remains: Vec<Remainder>,
) -> Answer {
    Answer::Corrected(Correction {
        schema_version: SCHEMA_VERSION,
        account: account.reveal().to_owned(),
        day: today.to_string(),
        reason: reason.word().to_owned(),
        up_bytes,
        down_bytes,
        remains,
    })
}

/// What is wanted, in the words of the audit.
fn described(wanted: Wanted) -> (Deed, Option<Reason>) {
    match wanted {
        Wanted::Export { .. } => (Deed::Export, None),
        Wanted::ExportNode => (Deed::ExportNode, None),
        Wanted::Correct { reason, .. } => (Deed::Correct, Some(reason)),
        Wanted::Erase => (Deed::Erase, None),
    }
}

fn ends(request: &Pending) -> Day {
    Day::of_number(request.day + DAYS)
}

fn not_kept() -> Answer {
    let what =
        "this could not be noted in the store, so nothing is told; see `blindmeter status`, and ask again";
    error(ExitStatus::Io, what.into())
}
