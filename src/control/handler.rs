//! The request handler of the control socket: answers each request once its role is checked.
//!
//! Holds no connection. Account names enter and leave as text here; everything below knows only their tags.

use super::access::AccessPolicy;
use super::peer::Peer;
use super::protocol::{
    Answer, CountsReport, InterfaceReport, Request, SourceReport, SourceState, StatusReport,
};
use super::reports::{AccountExport, AccountView, SCHEMA_VERSION};
use crate::engine::roster_writer::{Change, Outcome};
use crate::engine::state::State;
use crate::environment::Environment;
use crate::exit::ExitStatus;
use crate::node::rate_limits::Limit;
use crate::roster::account::AccountName;
use crate::roster::address::Prefix;
use crate::roster::rows::{InterfaceName, Place};
use crate::roster::{Source, csv};
use arc_swap::ArcSwap;
use std::sync::Arc;

/// Answers requests about a running meter.
pub struct Handler<E: Environment> {
    state: Arc<State<E>>,
    access: ArcSwap<AccessPolicy>,
}

impl<E: Environment> Handler<E> {
    /// A handler that refuses everyone until [`Handler::set_access`] is called.
    #[must_use]
    pub fn new(state: Arc<State<E>>) -> Self {
        Self { state, access: ArcSwap::default() }
    }

    /// Puts an access policy in force.
    pub fn set_access(&self, policy: AccessPolicy) {
        self.access.store(Arc::new(policy));
    }

    /// The refusal of this request, if its role is missing; checked before anything more is read.
    pub fn refusal(&self, request: &Request, peer: &Peer) -> Option<Answer> {
        let role = self.access.load().missing(request, peer)?;
        let message = format!("this needs the {role} role; add the user or group to [control.roles]");
        Some(error(ExitStatus::Permission, message))
    }

    /// True for a peer without any role, whose every request is refused.
    pub(super) fn is_unauthorized(&self, peer: &Peer) -> bool {
        self.access.load().has_no_role(peer)
    }

    /// Answers a request of this peer, whose role has been checked; `text` is what followed a `sync`.
    pub async fn answer(&self, request: Request, peer: &Peer, text: &[u8]) -> Answer {
        match request {
            Request::Assign { prefix, account, interface } => {
                match (place(&prefix, interface.as_deref()), AccountName::parse(&account)) {
                    (Ok(place), Ok(account)) => {
                        let account = self.state.roster().tag_of(&account);
                        self.change(Change::Assign(Source::Control, place, account)).await
                    }
                    (Err(refused), _) => refused,
                    (_, Err(why)) => invalid(&why),
                }
            }
            Request::Unassign { prefix, interface } => match place(&prefix, interface.as_deref()) {
                Ok(place) => self.change(Change::Unassign(Source::Control, place)).await,
                Err(refused) => refused,
            },
            Request::Sync { .. } => match csv::read(text, |row| self.state.roster().tag_of(&row.account)) {
                Ok(assignments) => self.change(Change::Replace(Source::Control, assignments)).await,
                Err(why) => error(ExitStatus::Config, why.to_string()),
            },
            Request::Counts {} => Answer::Counts(self.counts()),
            Request::Status {} => Answer::Status(self.status()),
            Request::Show { account } => match AccountName::parse(&account) {
                Ok(account) => self.show(&account, peer),
                Err(why) => invalid(&why),
            },
            Request::Export { account, open_epoch } => match AccountName::parse(&account) {
                Ok(account) => self.export(&account, open_epoch, peer).await,
                Err(why) => invalid(&why),
            },
            Request::ExportNode {} => match self.change(Change::Quiesce).await {
                Answer::Done {} => Answer::Node(self.state.node().node_totals().into()),
                failed => failed,
            },
            Request::Asked {} => {
                let (look_ups, exports) = self.state.node().asked();
                Answer::Asked { look_ups, exports }
            }
        }
    }

    async fn change(&self, change: Change) -> Answer {
        match self.state.change(change).await {
            Outcome::Done => Answer::Done {},
            Outcome::NotAssigned => error(
                ExitStatus::Found,
                "this prefix was not assigned over the control socket; nothing was changed".into(),
            ),
            Outcome::Full(why) => error(ExitStatus::Config, why.to_string()),
            Outcome::NotQuiesced => error(
                ExitStatus::Bug,
                "the tap did not catch up within two seconds; nothing was changed".into(),
            ),
        }
    }

    /// An unknown account looks like an unused one, and counts like one towards the limits.
    fn show(&self, account: &AccountName, peer: &Peer) -> Answer {
        let roster = self.state.roster();
        let slot = roster.slot_of(roster.tag_of(account));
        let mut node = self.state.node();
        if let Err(limit) = node.look_up(peer.uid) {
            return refused(limit);
        }
        let band = slot.map_or_else(Default::default, |slot| node.band(slot));
        Answer::Account(AccountView::new(account.reveal(), band))
    }

    async fn export(&self, account: &AccountName, open_epoch: bool, peer: &Peer) -> Answer {
        let state = &self.state;
        let tag = state.roster().tag_of(account);
        let is_probe = state.is_probe(tag);
        // A refused export does not wait for the tap: how long that takes depends on traffic.
        if !is_probe && let Err(limit) = state.node().may_export(peer.uid, tag) {
            return refused(limit);
        }
        let quiesced = self.change(Change::Quiesce).await;
        if !matches!(quiesced, Answer::Done {}) {
            return quiesced;
        }
        let slot = state.roster().slot_of(tag);
        let mut node = state.node();
        // Others may have exported meanwhile.
        if !is_probe && let Err(limit) = node.export(peer.uid, tag) {
            return refused(limit);
        }
        let (period, open) = slot.map_or_else(Default::default, |slot| node.totals(slot));
        Answer::Export(AccountExport::new(account.reveal(), period, open_epoch.then_some(open)))
    }

    fn counts(&self) -> CountsReport {
        let counts = self.state.roster().counts();
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

    fn status(&self) -> StatusReport {
        let state = &self.state;
        let (health, sandbox) = (state.health(), state.sandbox());
        let interface = |(interface, attached)| InterfaceReport { interface, attached };
        let source = |(source, up): (&str, bool)| SourceState { source: source.to_owned(), up };
        StatusReport {
            schema_version: SCHEMA_VERSION,
            backend: state.backend().to_owned(),
            interfaces: health.taps.into_iter().map(interface).collect(),
            sources: health.sources.into_iter().map(source).collect(),
            last_close_ok: health.close_ok,
            last_save_ok: health.store_ok,
            reload_ok: health.reload_ok,
            conflicts: state.roster().counts().conflicts,
            counted_twice: health.overlaps.iter().map(ToString::to_string).collect(),
            sandbox: sandbox.level().to_owned(),
            system_calls: sandbox.calls(),
            sandbox_missing: sandbox.missing().iter().map(|(part, _)| part.as_str().to_owned()).collect(),
            profile: state.profile().to_owned(),
        }
    }
}

/// A limit, in one line that is the same for every account.
fn refused(limit: Limit) -> Answer {
    error(ExitStatus::Permission, limit.to_string())
}

/// The prefix and the interface of a request.
fn place(prefix: &str, interface: Option<&str>) -> Result<Place, Answer> {
    let prefix = Prefix::parse(prefix).map_err(|why| invalid(&why))?;
    let interface = interface.map(InterfaceName::parse).transpose().map_err(|why| invalid(&why))?;
    Ok(Place { interface, prefix })
}

/// What is wrong with an address or a name, without repeating it.
fn invalid(why: &dyn std::error::Error) -> Answer {
    error(ExitStatus::Usage, why.to_string())
}

pub(super) fn error(code: ExitStatus, message: String) -> Answer {
    Answer::Error { code: code as u8, message }
}
