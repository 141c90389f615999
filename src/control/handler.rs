//! The request handler of the control socket: answers each request once its role is checked.
//!
//! Holds no connection. Account names enter and leave as text here; everything below knows only their tags.

use super::access::{AccessPolicy, OPERATOR, is_operator};
use super::counts;
use super::flagged::{self, Desk, Lists, Reader, flags};
use super::peer::Peer;
use super::protocol::{Answer, Connection, InterfaceReport, Request, SourceState, StatusReport};
use super::reports::{AccountView, SCHEMA_VERSION};
use crate::clock::ImplausibleClock;
use crate::config::Language;
use crate::engine::hook_counts::HookCounts;
use crate::engine::roster_writer::{Change, Outcome};
use crate::engine::state::State;
use crate::environment::Environment;
use crate::exit::ExitStatus;
use crate::fleet::link::Link;
use crate::meter::calendar::Day;
use crate::meter::policy::SmallCrowd;
use crate::meter::tags::Tag;
use crate::node::audit::Deed;
use crate::node::rate_limits::Limit;
use crate::roster::account::AccountName;
use crate::roster::address::Prefix;
use crate::roster::place::Place;
use crate::roster::{Session, SmallRoom, Source, csv};
use crate::system::allocator::{REQUEST_BYTES, wipe_stack};
use arc_swap::{ArcSwap, ArcSwapOption};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use tokio::sync::{Semaphore, mpsc, oneshot};
use zeroize::Zeroizing;

mod fleet;
mod officer;

/// Answers requests about a running meter.
pub struct Handler<E: Environment> {
    state: Arc<State<E>>,
    access: ArcSwap<AccessPolicy>,
    /// Who has passed a descriptor since the last reload.
    barred: Mutex<Vec<u32>>,
    /// One roster text is held and read at a time, however many are sent.
    pub(super) syncs: Semaphore,
    desk: ArcSwap<Desk>,
    reader: ArcSwapOption<Reader>,
    reloads: mpsc::Sender<ReloadAsked>,
    /// None outside of a fleet.
    fleet: OnceLock<Arc<Link>>,
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
        let (access, barred) = (ArcSwap::default(), Mutex::default());
        let (desk, reader) = (ArcSwap::default(), ArcSwapOption::default());
        let (syncs, fleet) = (Semaphore::new(1), OnceLock::new());
        (Self { state, access, barred, syncs, desk, reader, reloads, fleet }, asked)
    }

    /// Puts an access policy in force.
    pub fn set_access(&self, policy: AccessPolicy) {
        self.barred().clear();
        self.access.store(Arc::new(policy));
    }

    /// Puts language and files of names in force.
    pub fn set_desk(&self, desk: Desk) {
        self.desk.store(Arc::new(desk));
    }

    /// From now on, files of names are read by this. Without it the only names are those of requests.
    pub fn read_by(&self, reader: Reader) {
        self.reader.store(Some(Arc::new(reader)));
    }

    /// From now on, the fleet is asked through this.
    pub fn join_fleet(&self, link: Arc<Link>) {
        // Called once, at the start.
        let _ = self.fleet.set(link);
    }

    /// The first and the last day of the period that exports are of.
    pub fn period_days(&self) -> (Day, Day) {
        self.state.node().period_days()
    }

    /// Everyone who has a role and is not barred, sorted by user id.
    pub fn members(&self) -> Vec<u32> {
        let barred = self.barred();
        self.access.load().uids().into_iter().filter(|user| !barred.contains(user)).collect()
    }

    /// Bars this user until the next reload; false where that is so already.
    pub fn bar(&self, user: u32) -> bool {
        let mut barred = self.barred();
        let is_news = !barred.contains(&user);
        if is_news {
            barred.push(user);
        }
        is_news
    }

    /// The lock cannot be poisoned, since a panic ends the process.
    fn barred(&self) -> MutexGuard<'_, Vec<u32>> {
        self.barred.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who may send as a hook, sorted by user id.
    pub fn hook_users(&self) -> Vec<u32> {
        self.access.load().roster_uids()
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
            Request::Assign { .. } | Request::Unassign { .. } => match self.change_of(&request) {
                Ok(change) => untold(self.change(change).await, peer),
                Err(refusal) => *refusal,
            },
            Request::FailedLogIn {} => {
                self.hooks().log_in_failed();
                Answer::Done {}
            }
            Request::Sync { .. } => match self.read(text).await {
                Ok(assignments) if assignments.iter().any(|(_, account)| self.state.is_probe(*account)) => {
                    of_the_probe()
                }
                Ok(assignments) => self.change(Change::Replace(Source::Control, assignments)).await,
                Err(why) => error(ExitStatus::Config, why.to_string()),
            },
            Request::Counts {} => Answer::Counts(counts::report(&self.state)),
            Request::Status {} => Answer::Status(Box::new(self.status())),
            Request::Reload {} => self.reload().await,
            Request::Show { account } => match AccountName::parse(&account) {
                Ok(account) => self.show(&account, peer),
                Err(why) => invalid(&why),
            },
            Request::Flagged { contact, information, .. } => {
                self.flagged(Lists { contact, information }, text, self.language(peer)).await
            }
            Request::Export { account, open_epoch } => match AccountName::parse(&account) {
                Ok(account) => self.export(&account, open_epoch, peer).await,
                Err(why) => invalid(&why),
            },
            Request::PlanExport { account, open_epoch } => match AccountName::parse(&account) {
                Ok(account) => self.plan_export(&account, open_epoch, peer),
                Err(why) => invalid(&why),
            },
            Request::ExportNode {} => self.export_node(peer).await,
            Request::Correct { account, up, down, reason, fleet } => match AccountName::parse(&account) {
                Ok(account) => self.correct(&account, ([up, down], fleet), &reason, peer).await,
                Err(why) => invalid(&why),
            },
            Request::Erase { account } => match AccountName::parse(&account) {
                Ok(account) => self.erase(&account, peer).await,
                Err(why) => invalid(&why),
            },
            Request::FleetShow { account } => match AccountName::parse(&account) {
                Ok(account) => self.fleet_show(&account, peer).await,
                Err(why) => invalid(&why),
            },
            Request::FleetConfirmed { account } => match AccountName::parse(&account) {
                Ok(account) => self.fleet_confirmed(&account, peer).await,
                Err(why) => invalid(&why),
            },
            Request::FleetResend {} => self.fleet_resend().await,
            Request::Pending {} => self.pending(peer),
            Request::Approve { id } => self.approve(id, peer).await,
            Request::Audit {} => self.audit(),
            Request::Asked {} => {
                let (look_ups, exports) = self.state.node().asked();
                Answer::Asked { look_ups, exports }
            }
        }
    }

    /// A prefix on the interface that a request names, or on every one.
    fn placed(&self, prefix: &str, interface: Option<&str>) -> Result<Prefix, Box<Answer>> {
        let prefix = Prefix::parse(prefix).map_err(|why| Box::new(invalid(&why)))?;
        let place = interface.map_or(Ok(Place::ANY), |name| self.state.place_of(name));
        Ok(prefix.at(place.map_err(|why| Box::new(invalid(&why)))?))
    }

    /// The change of one prefix that is asked for, here or by a hook.
    ///
    /// # Errors
    /// The refusal of what is no change, or not this socket's to make.
    pub(super) fn change_of(&self, request: &Request) -> Result<Change, Box<Answer>> {
        match request {
            Request::Assign { prefix, account, interface, session } => {
                self.assignment(prefix, account, interface.as_deref(), session_of(*session))
            }
            Request::Unassign { prefix, interface, session } => {
                let prefix = self.placed(prefix, interface.as_deref())?;
                Ok(match session_of(*session) {
                    Some(session) => Change::Disconnect(prefix, session),
                    None => Change::Unassign(Source::Control, prefix),
                })
            }
            _ => {
                let what = "a hook may assign and unassign; nothing was changed";
                Err(Box::new(error(ExitStatus::Usage, what.into())))
            }
        }
    }

    fn assignment(
        &self,
        prefix: &str,
        account: &str,
        interface: Option<&str>,
        session: Option<Session>,
    ) -> Result<Change, Box<Answer>> {
        let prefix = self.placed(prefix, interface)?;
        let account = AccountName::parse(account).map_err(|why| Box::new(invalid(&why)))?;
        let account = self.state.roster().tag_of(&account);
        if self.state.is_probe(account) {
            return Err(Box::new(of_the_probe()));
        }
        Ok(match session {
            Some(session) => Change::Connect(prefix, account, session),
            None => Change::Assign(Source::Control, prefix, account),
        })
    }

    /// How hooks fared.
    pub(super) fn hooks(&self) -> &HookCounts {
        self.state.hooks()
    }

    /// Reads a roster text on a thread of its own: a large one takes a second, and others are answered meanwhile.
    async fn read(&self, text: Vec<u8>) -> Result<Vec<(Prefix, Tag)>, csv::CsvError> {
        let state = Arc::clone(&self.state);
        let reading = tokio::task::spawn_blocking(move || {
            let tag_of = |row: csv::Row| state.roster().tag_of(&row.account);
            let read = csv::read(&text, |name| state.place_of(name), tag_of);
            drop(text);
            wipe_stack::<REQUEST_BYTES>();
            read
        });
        reading.await.expect("a reader that panicked has ended the process")
    }

    async fn reload(&self) -> Answer {
        match self.ask_for_reload().await {
            Some(Ok(())) => Answer::Done {},
            Some(Err(why)) => {
                error(ExitStatus::Config, format!("the reload was refused, and the old settings stay: {why}"))
            }
            None => stopping(),
        }
    }

    /// Where pages are served.
    #[must_use]
    pub fn pages(&self) -> Arc<Vec<String>> {
        self.state.listeners()
    }

    /// Asks whoever runs the daemon for a reload, and waits for the outcome; none while the daemon stops.
    pub async fn ask_for_reload(&self) -> Option<Result<(), String>> {
        let (outcome, told) = oneshot::channel();
        self.reloads.send(outcome).await.ok()?;
        told.await.ok()
    }

    async fn change(&self, change: Change) -> Answer {
        told(self.state.change(change).await)
    }

    /// An unknown account looks like an unused one, and counts like one towards the limits.
    fn show(&self, account: &AccountName, peer: &Peer) -> Answer {
        let roster = self.state.roster();
        let slot = roster.slot_of(roster.tag_of(account));
        let mut node = self.state.node();
        if let Err(limit) = node.look_up(self.person(peer)) {
            return refused(limit);
        }
        node.note(peer.uid, Deed::Show, None);
        let band = slot.map_or_else(Default::default, |slot| node.band(slot));
        let kinds = slot.map_or_else(Default::default, |slot| node.flags(slot));
        let flags = flags(kinds, self.language(peer));
        Answer::Account(AccountView::new(account.reveal(), band, node.band_dates(), flags))
    }

    /// Found on a thread of its own: files of names may be large.
    async fn flagged(&self, lists: Lists, names: Vec<u8>, language: Language) -> Answer {
        let (state, desk, reader) = (Arc::clone(&self.state), self.desk.load_full(), self.reader.load_full());
        let finding = tokio::task::spawn_blocking(move || {
            let names = Zeroizing::new(names);
            flagged::report(&state, &desk, reader.as_deref(), lists, &names, language)
        });
        Answer::Flagged(finding.await.expect("a thread that panicked has ended the process"))
    }

    /// The language to answer in.
    fn language(&self, peer: &Peer) -> Language {
        peer.language.unwrap_or(self.desk.load().language)
    }

    fn status(&self) -> StatusReport {
        let state = &self.state;
        let (health, sandbox, counts) = (state.health(), state.sandbox(), state.roster().counts());
        let (clock, next_release_seconds) = {
            let node = state.node();
            (node.implausible_clock(), node.next_release_seconds())
        };
        let hooks = state.hooks().told();
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
            remarks: remarks(state.small_crowd(counts.accounts), state.small_room(counts.accounts), clock),
            counters: state.counting().0.to_owned(),
            counters_reason: state.counting().1.to_owned(),
            conflicts: counts.conflicts,
            hooks_unanswered: hooks.0,
            hooks_refused: hooks.1,
            counted_twice: health.overlaps.iter().map(ToString::to_string).collect(),
            sandbox: sandbox.level().to_owned(),
            system_calls: sandbox.calls(),
            sandbox_missing: sandbox.missing().iter().map(|(part, _)| part.as_str().to_owned()).collect(),
            profile: state.profile().to_owned(),
            fleet: self.clusters(),
        }
    }
}

/// What works as configured and yet disappoints.
fn remarks(
    crowd: Option<SmallCrowd>,
    room: Option<SmallRoom>,
    clock: Option<ImplausibleClock>,
) -> Vec<String> {
    let (crowd, room) = (crowd.map(|crowd| crowd.to_string()), room.map(|room| room.to_string()));
    crowd.into_iter().chain(room).chain(clock.map(|clock| clock.to_string())).collect()
}

/// What became of a change, as an answer.
fn told(outcome: Outcome) -> Answer {
    match outcome {
        Outcome::Done => Answer::Done {},
        Outcome::NotAssigned => error(
            ExitStatus::Found,
            "this prefix was not assigned over the control socket; nothing was changed".into(),
        ),
        Outcome::Full(why) => error(ExitStatus::Config, why.to_string()),
        Outcome::NotQuiesced => {
            let what = "the tap did not catch up within two seconds; nothing was changed";
            error(ExitStatus::Bug, what.into())
        }
    }
}

/// Whether an address is anybody's at this moment, a hook's included, tells who is connected: those who can see the
/// daemon's memory anyway are told, and nobody else.
fn untold(answer: Answer, peer: &Peer) -> Answer {
    match answer {
        Answer::Error { code, .. } if code == ExitStatus::Found as u8 && !is_operator(peer) => {
            Answer::Done {}
        }
        answer => answer,
    }
}

fn session_of(connection: Option<Connection>) -> Option<Session> {
    connection.map(|Connection { number, is_renumbered }| Session { number, is_renumbered })
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
