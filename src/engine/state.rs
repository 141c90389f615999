//! The state of a running meter that requests, reloads and clock ticks share, and its health.
//!
//! All of it is reached through methods: the node under its lock, the roster's only writer, the pages.
//! Holds no connection, no configuration and no clock.

use super::roster_writer::{Change, Outcome, RosterWriter};
use crate::environment::Environment;
use crate::meter::policy::Policy;
use crate::meter::release::Release;
use crate::meter::tags::Tag;
use crate::node::Node;
use crate::publish::exposition;
use crate::publish::http::Pages;
use crate::roster::Roster;
use crate::system::sandbox::SandboxStatus;
use arc_swap::ArcSwap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A node on an environment's clocks and randomness.
pub type NodeOf<E> = Node<<E as Environment>::Clock, <E as Environment>::Randomness>;

/// The health of the meter's parts. Traffic changes none of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Health {
    /// Interface patterns and whether they are attached.
    pub taps: Vec<(String, bool)>,
    /// Roster sources and whether they are up.
    pub sources: Vec<(&'static str, bool)>,
    /// Whether the last close succeeded; for `status` only, not on the page.
    pub close_ok: bool,
    /// Whether the last save succeeded.
    pub store_ok: bool,
    /// Whether the last reload was accepted.
    pub reload_ok: bool,
}

impl Health {
    /// A meter with no known problem yet.
    #[must_use]
    pub(super) fn good(sources: Vec<(&'static str, bool)>) -> Self {
        Self { taps: Vec::new(), sources, close_ok: true, store_ok: true, reload_ok: true }
    }

    fn page(&self, policy: &Policy) -> String {
        exposition::status(&self.taps, &self.sources, self.store_ok, self.reload_ok, policy)
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
    pub(super) backend: &'static str,
    /// How the tap counts, and why.
    pub(super) counting: (&'static str, String),
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

    /// Changes the roster, and returns when the change is in force. If an address turns out to have
    /// belonged to another account since before the start, its bytes become unattributed.
    pub async fn change(&self, change: Change) -> Outcome {
        let outcome = self.writer.make(change).await;
        for slot in self.roster.take_disputed() {
            self.node().unattribute(slot);
        }
        outcome
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

    /// The name of the tap in use.
    pub fn backend(&self) -> &'static str {
        self.backend
    }

    /// How the tap in use counts, and why.
    pub fn counting(&self) -> (&'static str, &str) {
        (self.counting.0, &self.counting.1)
    }

    /// The name of the profile of the floors.
    pub fn profile(&self) -> &'static str {
        self.board.policy.profile.as_str()
    }
}
