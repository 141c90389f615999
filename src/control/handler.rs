//! The request handler of the control socket: answers each request once its role is checked.
//!
//! Holds no connection. Account names enter and leave as text here; everything below knows only their tags.

use super::access::{AccessPolicy, OPERATOR};
use super::peer::Peer;
use super::protocol::{
    Answer, CountsReport, InterfaceReport, Request, SourceReport, SourceState, StatusReport,
};
use super::reports::{AccountExport, AccountView, SCHEMA_VERSION};
use crate::clock::ImplausibleClock;
use crate::engine::roster_writer::{Change, Outcome};
use crate::engine::state::State;
use crate::environment::Environment;
use crate::exit::ExitStatus;
use crate::meter::policy::SmallCrowd;
use crate::meter::tags::Tag;
use crate::node::rate_limits::Limit;
use crate::roster::account::AccountName;
use crate::roster::address::Prefix;
use crate::roster::{Source, csv};
use crate::system::allocator::{REQUEST_BYTES, wipe_stack};
use arc_swap::ArcSwap;
use std::sync::Arc;
use tokio::sync::{Semaphore, mpsc, oneshot};

/// Answers requests about a running meter.
pub struct Handler<E: Environment> {
    state: Arc<State<E>>,
    access: ArcSwap<AccessPolicy>,
    /// One roster text is held and read at a time, however many are sent.
    pub(super) syncs: Semaphore,
    reloads: mpsc::Sender<ReloadAsked>,
}

/// Where the outcome of a reload that was asked for goes: nothing, or why it was refused.
pub type ReloadAsked = oneshot::Sender<Result<(), String>>;

/// Reloads that may wait; further ones wait before they are asked for.
const RELOADS: usize = 1;

impl<E: Environment> Handler<E> {
    /// A handler that refuses everyone until [`Handler::set_access`] is called, and the reloads that
    /// it is asked for.
    #[must_use]
    pub fn new(state: Arc<State<E>>) -> (Self, mpsc::Receiver<ReloadAsked>) {
        let (reloads, asked) = mpsc::channel(RELOADS);
        (Self { state, access: ArcSwap::default(), syncs: Semaphore::new(1), reloads }, asked)
    }

    /// Puts an access policy in force.
    pub fn set_access(&self, policy: AccessPolicy) {
        self.access.store(Arc::new(policy));
    }

    /// Everyone who has a role, sorted by user id.
    pub fn members(&self) -> Vec<u32> {
        self.access.load().uids()
    }

    /// The refusal of this request, if its role is missing; checked before anything more is read.
    pub fn refusal(&self, request: &Request, peer: &Peer) -> Option<Answer> {
        let role = self.access.load().missing(request, peer)?;
        let message = if role == OPERATOR {
            "only root and the daemon's own user may do this; use sudo".to_owned()
        } else {
            format!("this needs the {role} role; add the user or group to [control.roles]")
        };
        Some(error(ExitStatus::Permission, message))
    }

    /// True for a peer without any role, whose every request is refused.
    pub(super) fn is_unauthorized(&self, peer: &Peer) -> bool {
        self.access.load().has_no_role(peer)
    }

    /// Answers a request of this peer, whose role has been checked; `text` is what followed a `sync`.
    pub async fn answer(&self, request: Request, peer: &Peer, text: Vec<u8>) -> Answer {
        match request {
            Request::Assign { prefix, account } => {
                let (prefix, account) = (Prefix::parse(&prefix), AccountName::parse(&account));
                match (prefix, account) {
                    (Ok(prefix), Ok(account)) => {
                        let account = self.state.roster().tag_of(&account);
                        if self.state.is_probe(account) {
                            return of_the_probe();
                        }
                        self.change(Change::Assign(Source::Control, prefix, account)).await
                    }
                    (Err(why), _) => invalid(&why),
                    (_, Err(why)) => invalid(&why),
                }
            }
            Request::Unassign { prefix } => match Prefix::parse(&prefix) {
                Ok(prefix) => self.change(Change::Unassign(Source::Control, prefix)).await,
                Err(why) => invalid(&why),
            },
            Request::Sync { .. } => match self.read(text).await {
                Ok(assignments) if assignments.iter().any(|(_, account)| self.state.is_probe(*account)) => {
                    of_the_probe()
                }
                Ok(assignments) => self.change(Change::Replace(Source::Control, assignments)).await,
                Err(why) => error(ExitStatus::Config, why.to_string()),
            },
            Request::Counts {} => Answer::Counts(self.counts()),
            Request::Status {} => Answer::Status(self.status()),
            Request::Reload {} => self.reload().await,
            Request::Show { account } => match AccountName::parse(&account) {
                Ok(account) => self.show(&account, peer),
                Err(why) => invalid(&why),
            },
            Request::Export { account, open_epoch } => match AccountName::parse(&account) {
                Ok(account) => self.export(&account, open_epoch, peer).await,
                Err(why) => invalid(&why),
            },
            Request::ExportNode {} => {
                // Counted before the tap is waited for: how long that takes depends on traffic.
                if let Err(limit) = self.state.node().export_node(peer.uid) {
                    return refused(limit);
                }
                match self.change(Change::Quiesce).await {
                    Answer::Done {} => Answer::Node(self.state.node().node_totals().into()),
                    failed => failed,
                }
            }
            Request::Asked {} => {
                let (look_ups, exports) = self.state.node().asked();
                Answer::Asked { look_ups, exports }
            }
        }
    }

    /// Reads a roster text on a thread of its own: a large one takes a second, and others are answered meanwhile.
    async fn read(&self, text: Vec<u8>) -> Result<Vec<(Prefix, Tag)>, csv::CsvError> {
        let state = Arc::clone(&self.state);
        let reading = tokio::task::spawn_blocking(move || {
            let read = csv::read(&text, |row| state.roster().tag_of(&row.account));
            drop(text);
            wipe_stack::<REQUEST_BYTES>();
            read
        });
        reading.await.expect("a reader that panicked has ended the process")
    }

    /// Asks whoever runs the daemon for a reload, and waits for the outcome.
    async fn reload(&self) -> Answer {
        let (outcome, told) = oneshot::channel();
        if self.reloads.send(outcome).await.is_err() {
            return stopping();
        }
        match told.await {
            Ok(Ok(())) => Answer::Done {},
            Ok(Err(why)) => {
                error(ExitStatus::Config, format!("the reload was refused, and the old settings stay: {why}"))
            }
            Err(_) => stopping(),
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
        Answer::Account(AccountView::new(account.reveal(), band, node.band_dates()))
    }

    async fn export(&self, account: &AccountName, open_epoch: bool, peer: &Peer) -> Answer {
        let state = &self.state;
        let tag = state.roster().tag_of(account);
        let is_probe = state.is_probe(tag) && state.roster().is_of_file_alone(tag);
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
        let (health, sandbox, counts) = (state.health(), state.sandbox(), state.roster().counts());
        let (clock, next_release_seconds) = {
            let node = state.node();
            (node.implausible_clock(), node.next_release_seconds())
        };
        let mut before = health.before.into_iter();
        let interface = |(interface, attached)| {
            let before = before.next().unwrap_or_default();
            InterfaceReport { interface, attached, before }
        };
        let source = |(source, up): (&str, bool)| SourceState { source: source.to_owned(), up };
        StatusReport {
            schema_version: SCHEMA_VERSION,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            backend: state.backend().to_owned(),
            listeners: state.listeners().to_vec(),
            accounts: counts.accounts,
            next_release_seconds,
            interfaces: health.taps.into_iter().map(interface).collect(),
            sources: health.sources.into_iter().map(source).collect(),
            last_close_ok: health.close_ok,
            last_save_ok: health.store_ok,
            reload_ok: health.reload_refusal.is_none(),
            reload_refusal: health.reload_refusal,
            remarks: remarks(counts.accounts, state.crowd(), clock),
            counters: state.counting().0.to_owned(),
            counters_reason: state.counting().1.to_owned(),
            conflicts: counts.conflicts,
            counted_twice: health.overlaps.iter().map(ToString::to_string).collect(),
            sandbox: sandbox.level().to_owned(),
            system_calls: sandbox.calls(),
            sandbox_missing: sandbox.missing().iter().map(|(part, _)| part.as_str().to_owned()).collect(),
            profile: state.profile().to_owned(),
        }
    }
}

/// What works as configured and yet disappoints.
fn remarks(accounts: u64, (crowd, floor): (u64, u64), clock: Option<ImplausibleClock>) -> Vec<String> {
    let small = (accounts < crowd).then(|| SmallCrowd { accounts, crowd, floor }.to_string());
    small.into_iter().chain(clock.map(|clock| clock.to_string())).collect()
}

fn stopping() -> Answer {
    error(ExitStatus::Unavailable, "the daemon is stopping; start it again".into())
}

/// Exports of the probe account have no limit: an address of somebody else's, given to it, would be a live
/// counter of that one's traffic.
fn of_the_probe() -> Answer {
    let what = "the probe account's addresses come from roster.file alone; nothing was changed";
    error(ExitStatus::Permission, what.into())
}

/// A limit, in one line that is the same for every account.
fn refused(limit: Limit) -> Answer {
    error(ExitStatus::Permission, limit.to_string())
}

/// What is wrong with an address or a name, without repeating it.
fn invalid(why: &dyn std::error::Error) -> Answer {
    error(ExitStatus::Usage, why.to_string())
}

pub(super) fn error(code: ExitStatus, message: String) -> Answer {
    Answer::Error { code: code as u8, message }
}
