//! The state of a running meter that requests, reloads and clock ticks share, and its health.
//!
//! All of it is reached through methods: the node under its lock, the roster's only writer, the pages.
//! Holds no connection, no configuration and no clock.

use super::hook_counts::HookCounts;
use super::kept_limits::KeptLimits;
use super::passed_over::PassedOver;
use super::refreshes::{News, Refresh, RefreshedAccount, Refreshes};
use super::roster_writer::{Change, Outcome, RosterWriter};
use super::source_troubles::SourceTroubles;
use crate::config::Pattern;
use crate::environment::Environment;
use crate::meter::flags::kind::Kinds;
use crate::meter::node_series::NodeSeries;
use crate::meter::noise::Scale;
use crate::meter::policy::{Policy, SmallCrowd};
use crate::meter::release::Release;
use crate::meter::slot::Slot;
use crate::meter::tags::Tag;
use crate::node::Node;
use crate::node::refreshed::Refreshed;
use crate::publish::exposition;
use crate::publish::http::Pages;
use crate::roster::place::{Place, PlaceError};
use crate::roster::sources::Passed;
use crate::roster::{Roster, SmallRoom, Source};
use crate::system::sandbox::SandboxStatus;
use crate::tap::Overlap;
use arc_swap::ArcSwap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A node on an environment's clocks and randomness.
pub type NodeOf<E> = Node<<E as Environment>::Clock, <E as Environment>::Randomness>;

/// The health of the meter's parts. Traffic changes none of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Health {
    /// Interface patterns and whether they are attached.
    pub taps: Vec<(String, bool)>,
    /// What of the interfaces is counted twice; for `status` only, not on the page.
    pub overlaps: Vec<Overlap>,
    /// Who stands before the tap, for each of these patterns.
    pub before: Vec<Vec<String>>,
    /// Roster sources and whether they are up.
    pub sources: Vec<(&'static str, bool)>,
    /// Whether the last close since the start succeeded; for `status` only, not on the page.
    pub close_ok: Option<bool>,
    /// Whether the last save succeeded.
    pub store_ok: bool,
    /// Why the last reload was refused; none where it was accepted.
    pub reload_refusal: Option<String>,
    /// When the next release is due by the schedule, in seconds since 1970; as of the start or the last release.
    pub next_release_seconds: u64,
}

impl Health {
    /// A meter with no known problem yet.
    #[must_use]
    pub(super) fn good(sources: Vec<(&'static str, bool)>, next_release_seconds: u64) -> Self {
        Self {
            taps: Vec::new(),
            overlaps: Vec::new(),
            before: Vec::new(),
            sources,
            close_ok: None,
            store_ok: true,
            reload_refusal: None,
            next_release_seconds,
        }
    }

    /// A source is up, or no longer.
    pub fn show_source(&mut self, source: Source, is_up: bool) {
        let known = self.sources.iter_mut().find(|(word, _)| *word == source.word());
        known.into_iter().for_each(|(_, up)| *up = is_up);
    }

    fn page(&self, policy: &Policy) -> String {
        let (reload_ok, next) = (self.reload_refusal.is_none(), self.next_release_seconds);
        exposition::status(&self.taps, &self.sources, self.store_ok, reload_ok, next, policy)
    }
}

/// The health of a meter, and the pages that show it.
pub(super) struct Board {
    health: Mutex<Health>,
    pages: Arc<Pages>,
    policy: Policy,
}

impl Board {
    /// Pages that show this health and this release.
    pub(super) fn new(health: Health, released: &Release, policy: Policy) -> Self {
        let pages = Arc::new(Pages::new(exposition::released(released, &policy), health.page(&policy)));
        Self { health: Mutex::new(health), pages, policy }
    }

    /// Changes the health, and the page if it shows something different; returns what `change` does.
    pub(super) fn update<T>(&self, change: impl FnOnce(&mut Health) -> T) -> T {
        let mut health = self.lock();
        let before = health.clone();
        let result = change(&mut health);
        if *health != before {
            self.pages.set_status(health.page(&self.policy));
        }
        result
    }

    /// Shows this release from now on.
    pub(super) fn show(&self, release: &Release) {
        self.pages.set_released(exposition::released(release, &self.policy));
    }

    /// The lock cannot be poisoned, since a panic ends the process.
    fn lock(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The shared parts of a running meter.
pub struct State<E: Environment> {
    pub(super) roster: Arc<Roster>,
    pub(super) node: Mutex<NodeOf<E>>,
    pub(super) writer: RosterWriter,
    pub(super) board: Arc<Board>,
    /// The account that is exempt from the export limits.
    pub(super) probe: ArcSwap<Option<Tag>>,
    pub(super) sandbox: ArcSwap<SandboxStatus>,
    /// What is metered.
    pub(super) interfaces: Vec<Pattern>,
    pub(super) backend: &'static str,
    /// How the tap counts, and why.
    pub(super) counting: (&'static str, String),
    /// Where pages are served.
    pub(super) listeners: ArcSwap<Vec<String>>,
    pub(super) hooks: HookCounts,
    pub(super) passed_over: PassedOver,
    pub(super) troubles: SourceTroubles,
    pub(super) limits: Arc<KeptLimits>,
    pub(super) refreshes: Refreshes,
}

impl<E: Environment> State<E> {
    /// Locks the node; the lock cannot be poisoned, since a panic ends the process.
    pub fn node(&self) -> MutexGuard<'_, NodeOf<E>> {
        self.node.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The roster, for reading. Only [`State::change`] changes it.
    pub fn roster(&self) -> &Roster {
        &self.roster
    }

    /// The current health.
    pub fn health(&self) -> Health {
        self.board.lock().clone()
    }

    /// Changes the health, and the page with it; returns what `change` does.
    pub fn update_health<T>(&self, change: impl FnOnce(&mut Health) -> T) -> T {
        self.board.update(change)
    }

    /// What `/metrics` serves.
    pub fn pages(&self) -> Arc<Pages> {
        Arc::clone(&self.board.pages)
    }

    /// Changes the roster, and returns when the change is in force.
    pub async fn change(&self, change: Change) -> Outcome {
        let outcome = self.writer.make(change).await;
        self.settle_disputes();
        outcome
    }

    /// If an address turned out to have belonged to another account since before the start, its bytes become
    /// unattributed.
    pub(super) fn settle_disputes(&self) {
        for slot in self.roster.take_disputed() {
            self.node().unattribute(slot);
        }
    }

    /// From here on, refreshes and word of releases go there. It must not wait: the clock's thread calls it.
    pub fn send_news(&self, to: impl Fn(News) + Send + Sync + 'static) {
        // Called once, at the start.
        let _ = self.refreshes.0.set(Box::new(to));
    }

    /// Hands a refresh on, if there was one. Slots must not have changed hands since.
    pub(super) fn tell_refreshed(&self) {
        let Some(send) = self.refreshes.0.get() else { return };
        let refreshed = self.node().take_refreshed();
        let Some(Refreshed { week, period, slots }) = refreshed else { return };
        let account = |(at, (up_bytes, down_bytes, kinds)): (usize, (u64, u64, Kinds))| {
            let slot = Slot::new(u32::try_from(at).ok()?);
            let tag = self.roster().account_of(slot).filter(|_| slot.is_account())?;
            Some(RefreshedAccount { tag, slot, up_bytes, down_bytes, kinds })
        };
        let accounts = slots.into_iter().enumerate().filter_map(account).collect();
        send(News::Refreshed(Refresh { week, period, accounts }));
    }

    /// Tells that an epoch was released.
    pub(super) fn tell_released(&self) {
        if let Some(send) = self.refreshes.0.get() {
            send(News::Released);
        }
    }

    /// Something was asked under a limit, and counted.
    pub fn limited(&self) {
        self.limits.asked();
    }

    /// Something was corrected or erased: [`State::keep_limits`] takes the key of earlier saves away.
    pub fn outdated(&self) {
        self.limits.outdate();
    }

    /// Whether anything is kept at rest.
    pub fn is_kept(&self) -> bool {
        self.limits.is_kept()
    }

    /// Saves what was asked under limits so far; false where it could not be.
    pub async fn keep_limits(&self) -> bool {
        self.limits.keep().await
    }

    /// How hooks fared.
    pub fn hooks(&self) -> &HookCounts {
        &self.hooks
    }

    /// What of the servers' words was passed over.
    pub fn passed_over(&self) -> &PassedOver {
        &self.passed_over
    }

    /// What of the words of a part of a source was passed over.
    pub fn pass_over(&self, source: Source, part: usize, passed: Passed) {
        self.passed_over.note(source, part, passed);
    }

    /// What was released last, and how many bytes of noise its totals and its unattributed bytes have; none before
    /// the first release, or where its totals were held back.
    pub fn released(&self) -> Option<(Release, [u128; 2])> {
        let release = self.node().released();
        let policy = &self.board.policy;
        let of_node = NodeSeries::Unattributed.as_str();
        let of_node = policy.node_noise().into_iter().find(|(series, _)| *series == of_node);
        let totals = policy.byte_scale().map_or(0, Scale::standard_deviation);
        (release.ordinal() > 0 && !release.suppressed())
            .then_some((release, [totals, of_node.map_or(0, |(_, stddev)| stddev)]))
    }

    /// What is wrong with the room that the roster has left with so many accounts, if anything: from seven eighths
    /// on it is said.
    pub fn small_room(&self, accounts: u64) -> Option<SmallRoom> {
        SmallRoom::of(accounts, self.roster.capacity())
    }

    /// Whether this is the account that is exempt from the export limits.
    pub fn is_probe(&self, account: Tag) -> bool {
        **self.probe.load() == Some(account)
    }

    /// Exempts this account, and no other, from the export limits.
    pub fn set_probe(&self, account: Option<Tag>) {
        self.probe.store(Arc::new(account));
    }

    /// The sandbox in force.
    pub fn sandbox(&self) -> Arc<SandboxStatus> {
        self.sandbox.load_full()
    }

    /// Sets the sandbox in force.
    pub fn set_sandbox(&self, status: SandboxStatus) {
        self.sandbox.store(Arc::new(status));
    }

    /// The place of an interface that an assignment names.
    ///
    /// # Errors
    /// When it is not metered, or too many are named.
    pub fn place_of(&self, interface: &str) -> Result<Place, PlaceError> {
        if !Pattern::any_matches(&self.interfaces, interface) {
            return Err(PlaceError::NotMetered);
        }
        self.roster.place_of(interface)
    }

    /// The name of the tap in use.
    pub fn backend(&self) -> &'static str {
        self.backend
    }

    /// How the tap in use counts, and why.
    pub fn counting(&self) -> (&'static str, &str) {
        (self.counting.0, &self.counting.1)
    }

    /// Where pages are served.
    pub fn listeners(&self) -> Arc<Vec<String>> {
        self.listeners.load_full()
    }

    /// Notes where pages are served.
    pub fn set_listeners(&self, pages: Vec<String>) {
        self.listeners.store(Arc::new(pages));
    }

    /// Whether a roster of so many accounts names fewer than an epoch needs to be released. Accounts that come over the
    /// control socket or by RADIUS are known from the first close on, a server's that is asked from its first answer;
    /// without a file or such a server nothing is said before that.
    pub fn small_crowd(&self, accounts: u64) -> Option<SmallCrowd> {
        let health = self.health();
        let is_known = health.close_ok.is_some()
            || Source::ALL
                .into_iter()
                .filter(|source| !source.tells_by_itself())
                .any(|source| health.sources.iter().any(|(word, _)| *word == source.word()));
        is_known.then(|| self.board.policy.small_crowd(accounts)).flatten()
    }

    /// The name of the profile of the floors.
    pub fn profile(&self) -> &'static str {
        self.board.policy.profile.as_str()
    }
}
