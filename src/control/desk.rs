//! What the control socket can reach, and how each request is answered once its role is checked.
//!
//! Holds no connection. Account names enter and leave as text here and nowhere below.

use super::changes::{Change, Changes, Outcome};
use super::protocol::{
    Answer, CountsReport, InterfaceReport, Request, SourceReport, SourceState, StatusReport,
};
use crate::config::Roles;
use crate::failure::Code;
use crate::guard::peer::{Members, Peer, own_uid};
use crate::guard::sandbox::Level;
use crate::limits::Limit;
use crate::node::NodeOf;
use crate::publish::exposition::Health;
use crate::publish::support::{AccountExport, AccountView, SCHEMA_VERSION};
use crate::roster::account::AccountName;
use crate::roster::address::Prefix;
use crate::roster::{Roster, Source, TagOf, csv};
use crate::world::World;
use arc_swap::ArcSwap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Who may ask for what, by number.
#[derive(Default)]
pub struct Access {
    roster: Members,
    support: Members,
    privacy: Members,
}

impl Access {
    /// Resolves the configured names; returns those that do not exist.
    #[must_use]
    pub fn resolve(roles: &Roles) -> (Self, Vec<String>) {
        let (roster, mut unknown) = Members::resolve(&roles.roster);
        let (support, more) = Members::resolve(&roles.support);
        unknown.extend(more);
        let (privacy, more) = Members::resolve(&roles.privacy);
        unknown.extend(more);
        unknown.sort_unstable();
        unknown.dedup();
        (Self { roster, support, privacy }, unknown)
    }

    /// The role that the peer lacks for this request.
    fn missing(&self, request: &Request, peer: &Peer) -> Option<&'static str> {
        let (members, role) = match request {
            Request::Assign { .. } | Request::Release { .. } | Request::Sync { .. } | Request::Counts {} => {
                (&self.roster, "roster")
            }
            Request::Show { .. } => (&self.support, "support"),
            Request::Export { .. } | Request::ExportNode {} | Request::Asked {} => (&self.privacy, "privacy"),
            Request::Status {} => return self.missing_for_status(peer),
        };
        (!members.include(peer)).then_some(role)
    }

    /// Whoever has a role may see the state, and so may the daemon's own user and root.
    fn missing_for_status(&self, peer: &Peer) -> Option<&'static str> {
        let any = [&self.roster, &self.support, &self.privacy].iter().any(|role| role.include(peer));
        (!any && peer.uid != 0 && peer.uid != own_uid()).then_some("roster, support or privacy")
    }
}

/// Everything that a request may read or change.
pub struct Desk<W: World> {
    /// The roster.
    pub roster: Arc<Roster>,
    /// The node's state machine.
    pub node: Mutex<NodeOf<W>>,
    /// The one writer of the roster.
    pub changes: Changes,
    /// Who may ask for what.
    pub access: ArcSwap<Access>,
    /// The account that is exempt from the limits of exports.
    pub probe: ArcSwap<Option<AccountName>>,
    /// What an account is known by to the limits of exports, whether it exists or not.
    pub tag: TagOf,
    /// The state of taps, sources, saves and reloads.
    pub health: Arc<Mutex<Health>>,
    /// What is put around the process.
    pub sandbox: ArcSwap<Level>,
    /// The tap in use.
    pub backend: &'static str,
    /// The profile of the floors.
    pub profile: &'static str,
}

impl<W: World> Desk<W> {
    /// Locks the node; a poisoned lock cannot be, since a panic ends the process.
    pub fn node(&self) -> MutexGuard<'_, NodeOf<W>> {
        self.node.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Locks the health; see [`Desk::node`].
    pub fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What stands in the way of this request, before anything of it is read further.
    pub fn refusal(&self, request: &Request, peer: &Peer) -> Option<Answer> {
        let role = self.access.load().missing(request, peer)?;
        let message = format!("this needs the role {role}: add the user or group to [control.roles]");
        Some(error(Code::Permission, message))
    }

    /// True of a peer without any role, who will be refused whatever it asks.
    pub fn is_stranger(&self, peer: &Peer) -> bool {
        self.access.load().missing_for_status(peer).is_some()
    }

    /// Answers a request of this peer, whose role was checked; `text` is what followed a `sync`.
    pub async fn answer(&self, request: Request, peer: &Peer, text: &[u8]) -> Answer {
        match request {
            Request::Assign { prefix, account } => {
                let (prefix, account) = (Prefix::parse(&prefix), AccountName::parse(&account));
                match (prefix, account) {
                    (Ok(prefix), Ok(account)) => {
                        self.change(Change::Assign(Source::Control, prefix, account)).await
                    }
                    (Err(why), _) => misspelt(&why),
                    (_, Err(why)) => misspelt(&why),
                }
            }
            Request::Release { prefix } => match Prefix::parse(&prefix) {
                Ok(prefix) => self.change(Change::Release(Source::Control, prefix)).await,
                Err(why) => misspelt(&why),
            },
            Request::Sync { .. } => match csv::rows(text) {
                Ok(rows) => {
                    let rows = rows.into_iter().map(|row| (row.prefix, row.account)).collect();
                    self.change(Change::Replace(Source::Control, rows)).await
                }
                Err(why) => error(Code::Config, why.to_string()),
            },
            Request::Counts {} => Answer::Counts(self.counts()),
            Request::Status {} => Answer::Status(self.status()),
            Request::Show { account } => match AccountName::parse(&account) {
                Ok(account) => self.show(&account, peer),
                Err(why) => misspelt(&why),
            },
            Request::Export { account, open_epoch } => match AccountName::parse(&account) {
                Ok(account) => self.export(&account, open_epoch, peer).await,
                Err(why) => misspelt(&why),
            },
            Request::ExportNode {} => match self.change(Change::Settle).await {
                Answer::Done {} => Answer::Node(self.node().node_totals().into()),
                failed => failed,
            },
            Request::Asked {} => {
                let (look_ups, exports) = self.node().asked();
                Answer::Asked { look_ups, exports }
            }
        }
    }

    /// Makes a change of the roster. Bytes of an address that turns out to have been another's since
    /// before the start are nobody's.
    pub async fn make(&self, change: Change) -> Outcome {
        let outcome = self.changes.make(change).await;
        for slot in self.roster.take_contradicted() {
            self.node().disown(slot);
        }
        outcome
    }

    async fn change(&self, change: Change) -> Answer {
        match self.make(change).await {
            Outcome::Done => Answer::Done {},
            Outcome::NotAssigned => error(
                Code::Found,
                "the control socket had not assigned this prefix; nothing was changed".into(),
            ),
            Outcome::Full(why) => error(Code::Config, why.to_string()),
            Outcome::Unsettled => {
                error(Code::Bug, "the tap did not settle within two seconds; nothing was changed".into())
            }
        }
    }

    /// An unknown account answers like an unused one, and counts like one towards the limits.
    fn show(&self, account: &AccountName, peer: &Peer) -> Answer {
        let slot = self.roster.slot_of(account);
        let mut node = self.node();
        if let Err(limit) = node.look_up(peer.uid) {
            return refused(limit);
        }
        let band = slot.map_or_else(Default::default, |slot| node.band(slot));
        Answer::Account(AccountView::new(account.reveal(), band))
    }

    async fn export(&self, account: &AccountName, open_epoch: bool, peer: &Peer) -> Answer {
        let is_probe = self.probe.load().as_ref().as_ref() == Some(account);
        let tag = account.tagged(&self.tag);
        // A refused export does not wait for the tap: how long that takes follows traffic.
        if !is_probe && let Err(limit) = self.node().may_export(peer.uid, tag) {
            return refused(limit);
        }
        let settled = self.change(Change::Settle).await;
        if !matches!(settled, Answer::Done {}) {
            return settled;
        }
        let slot = self.roster.slot_of(account);
        let mut node = self.node();
        // Others may have exported meanwhile.
        if !is_probe && let Err(limit) = node.export(peer.uid, tag) {
            return refused(limit);
        }
        let (period, open) = slot.map_or_else(Default::default, |slot| node.totals(slot));
        Answer::Export(AccountExport::new(account.reveal(), period, open_epoch.then_some(open)))
    }

    fn counts(&self) -> CountsReport {
        let counts = self.roster.counts();
        let sources = Source::ALL.iter().zip(counts.sources).map(|(source, figures)| SourceReport {
            source: source.word().to_owned(),
            prefixes: figures.prefixes,
            accounts: figures.accounts,
            latched: source.follows_connections(),
        });
        CountsReport {
            schema_version: SCHEMA_VERSION,
            sources: sources.collect(),
            conflicts: counts.conflicts,
            skipped_lines: 0,
        }
    }

    pub(crate) fn status(&self) -> StatusReport {
        let health = self.health().clone();
        let sandbox = self.sandbox.load();
        let interface = |(interface, attached)| InterfaceReport { interface, attached };
        let source = |(source, up): (&str, bool)| SourceState { source: source.to_owned(), up };
        StatusReport {
            schema_version: SCHEMA_VERSION,
            backend: self.backend.to_owned(),
            interfaces: health.taps.into_iter().map(interface).collect(),
            sources: health.sources.into_iter().map(source).collect(),
            last_close_ok: health.close_ok,
            last_save_ok: health.store_ok,
            reload_ok: health.reload_ok,
            conflicts: self.roster.counts().conflicts,
            sandbox: sandbox.word().to_owned(),
            system_calls: sandbox.calls(),
            sandbox_missing: sandbox.missing().iter().map(|(part, _)| part.word().to_owned()).collect(),
            profile: self.profile.to_owned(),
        }
    }
}

/// A limit, in one line that is the same for every account.
fn refused(limit: Limit) -> Answer {
    error(Code::Permission, limit.to_string())
}

/// What is wrong with an address or a name, without repeating it.
fn misspelt(why: &dyn std::error::Error) -> Answer {
    error(Code::Usage, why.to_string())
}

pub(super) fn error(code: Code, message: String) -> Answer {
    Answer::Error { code: code as u8, message }
}
