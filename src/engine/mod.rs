//! The running meter: assembles roster, node, tap, store and pages, and ticks.
//!
//! Starts and stops, in order, the parts that the daemon and the demo share; no arithmetic, no
//! connection, no signal.

pub mod checkpoint;
mod ends;
pub mod hook_counts;
pub mod kept_assignments;
mod kept_limits;
pub mod passed_over;
pub mod persistence;
pub mod refreshes;
pub mod roster_writer;
mod source_troubles;
mod sources;
pub mod state;
mod tap_reports;

use crate::clock::{Stopwatch, sleep};
use crate::config::{Config, Sealed, TapKind};
use crate::environment::{self, Environment, System};
use crate::exit::{ExitError, ExitStatus};
use crate::log::{Event, emit};
use crate::meter::policy::Flagging;
use crate::meter::slot::Slot;
use crate::meter::tags::Tag;
use crate::node::{Node, Tick};
use crate::roster::address::Prefix;
use crate::roster::place::Place;
use crate::roster::tagger::Tagger;
use crate::roster::{Roster, RosterError, Source};
use crate::store::Settings;
use crate::system::sandbox::SandboxStatus;
use crate::system::service_manager::{self, Notification};
use crate::tap::{Attribution, InterfaceReading, InterfaceSums, Links, TagKey, Tap};
use arc_swap::ArcSwap;
use checkpoint::{Checkpointer, SaveKind, StartKind};
use ends::{checkpoint_error, tap_error};
use hook_counts::HookCounts;
use kept_limits::KeptLimits;
use passed_over::PassedOver;
use persistence::{AccountKey, EngineParts, Persistence, PreparedTap};
use refreshes::Refreshes;
use roster_writer::{Change, Outcome};
use source_troubles::SourceTroubles;
use state::{Board, Health, State};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tap_reports::TapReports;

/// A running meter: the parts that the daemon and the demo share.
pub struct Engine<E: Environment> {
    /// The state that requests may use.
    pub state: Arc<State<E>>,
    /// From a packet to a counter, for callers that have packets but no tap.
    pub attribution: Attribution,
    /// What the start began from; none in memory mode.
    pub started: Option<StartKind>,
    epoch_seconds: u64,
    /// At most so long passes between two looks at the clock, for the ticks of the flags.
    flags_step: Duration,
    writer_thread: JoinHandle<()>,
    tap_reports: Arc<TapReports>,
    checkpointer: Option<Arc<Mutex<Checkpointer<E>>>>,
    persistence: Mutex<Persistence>,
    tag_key: TagKey,
    save_every: Duration,
}

/// How a meter ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// For good: nothing is left in the kernel, and nothing keeps counting.
    Stop,
    /// Another process follows: what can keep counting does.
    HandOver,
}

/// Starts tap, roster and node on the running system, in the calling thread's network namespace.
/// Without a tap, packets are passed to [`Engine::attribution`].
///
/// `filed` reads the roster file, once the roster can make tags of the names in it.
///
/// # Errors
/// That of `filed`; more accounts than slots, or a store that cannot be opened (78); a tap that cannot
/// start (77, 74).
pub fn start(
    config: &Config,
    prepared: Option<PreparedTap>,
    account_key: Option<AccountKey>,
    filed: impl FnOnce(&Roster) -> Result<Vec<(Prefix, Tag)>, ExitError>,
    accept_loss: bool,
) -> Result<Engine<System>, ExitError> {
    let parts = EngineParts { account_key, ..EngineParts::of(config, prepared)? };
    assemble(&System, config, parts, filed, accept_loss)
}

/// Assembles a meter in an environment.
///
/// # Errors
/// See [`start`].
pub fn assemble<E: Environment>(
    environment: &E,
    config: &Config,
    parts: EngineParts,
    filed: impl FnOnce(&Roster) -> Result<Vec<(Prefix, Tag)>, ExitError>,
    accept_loss: bool,
) -> Result<Engine<E>, ExitError> {
    let policy = config.policy.0;
    let EngineParts { history, owners, seed, opener, why, goes_on, counting, mut persistence, account_key } =
        parts;
    let kind = opener.as_ref().map(crate::tap::Opener::kind);
    let (memory, counters) = (history.current, history.current.counters);
    let links = opener.is_some().then(Links::start).transpose();
    let links = links.map_err(|error| {
        ExitError::new(ExitStatus::Io, format!("cannot ask the kernel about interfaces: {error}"))
    })?;
    let (mut node, checkpointer, tagger, started) = match &config.store {
        None => {
            let node = Node::forgetful(policy, counters, environment.clock(), environment.randomness());
            let left = persistence.tag_key();
            let draw = || left.unwrap_or_else(|| environment::identity(&mut environment.randomness()));
            (node, None, Tagger::without_root(&memory.tag_key.get_or_draw(draw)), None)
        }
        Some(store) => {
            let interfaces = links.clone().map(|links| InterfaceSums::of(config.interfaces.clone(), links));
            let settings = settings(config, store);
            let (checkpointer, node, started) =
                Checkpointer::open(environment, settings, &history, policy, accept_loss, interfaces)
                    .map_err(checkpoint_error)?;
            let tagger = checkpointer.tagger();
            (node, Some(Arc::new(Mutex::new(checkpointer))), tagger, Some(started))
        }
    };
    let (tagger, former) = match &account_key {
        None => (tagger, None),
        Some(key) => (Tagger::new(key), Some(tagger)),
    };
    if config.fleet.is_some() {
        node.collect_refreshes();
    }
    let roster = match owners {
        None => Roster::new(&config.pools, memory.tags, tagger, seed),
        Some(owners) => Roster::over(owners, &config.pools, memory.tags, tagger),
    };
    let roster = Arc::new(roster.known_before(former));
    let filed = filed(&roster)?;
    // Counters outlive the process once a store knows about them.
    persistence.keep()?;
    let full = |error: RosterError| ExitError::new(ExitStatus::Config, error.to_string());
    roster.inherit().map_err(full)?;
    roster.replace(Source::File, filed).map_err(full)?;
    persistence.put_assignments_back(&roster)?;
    roster.take_disputed().into_iter().for_each(|slot| node.unattribute(slot));
    let sources = sources_of(config);
    let board =
        Arc::new(Board::new(Health::good(sources, node.next_due_seconds()), &node.released(), policy));
    let attribution = Attribution { table: roster.table(), counters, place: Place::ANY };
    if let (Some(kind), Some(why)) = (kind, why) {
        emit(&Event::TapChosen(kind.as_str(), &why));
    }
    if !goes_on {
        attribution.gap();
    }
    let tap_reports = Arc::new(TapReports::new(Arc::clone(&board)));
    let on_event = {
        let reports = Arc::clone(&tap_reports);
        move |event| reports.report(event)
    };
    let start = |(opener, links)| {
        Tap::start(opener, &config.interfaces, attribution.clone(), memory.interfaces, links, on_event)
    };
    let tap = opener.zip(links).map(start).transpose().map_err(tap_error)?;
    tap_reports.started();
    if let (Some(tap), Some(checkpointer)) = (&tap, &checkpointer) {
        let reading = InterfaceReading::take(&config.interfaces, counters);
        // What had arrived by then is counted. Where it takes too long, more is told as lost.
        let _ = tap.quiesce();
        let mut checkpointer = checkpointer.lock().unwrap_or_else(PoisonError::into_inner);
        tap.missed(reading.map_or(0, |reading| checkpointer.missed(&reading)));
    }
    let (writer, writer_thread) = roster_writer::start(Arc::clone(&roster), tap, E::ROSTER_TICK)
        .map_err(|error| ExitError::new(ExitStatus::Io, error.to_string()))?;
    let state = Arc::new(State {
        roster,
        node: Mutex::new(node),
        writer,
        board,
        probe: ArcSwap::from_pointee(None),
        sandbox: ArcSwap::from_pointee(SandboxStatus::none()),
        interfaces: config.interfaces.clone(),
        backend: kind.map_or("in-process", TapKind::as_str),
        counting,
        listeners: ArcSwap::default(),
        hooks: HookCounts::default(),
        passed_over: PassedOver::default(),
        troubles: SourceTroubles::default(),
        limits: Arc::new(KeptLimits::default()),
        refreshes: Refreshes::default(),
    });
    if let Some(checkpointer) = &checkpointer {
        let (checkpointer, weak) = (Arc::clone(checkpointer), Arc::downgrade(&state));
        state.limits.save_by(Box::new(move |outdated| {
            let kind = if outdated { SaveKind::Erasure } else { SaveKind::Limits };
            let mut checkpointer = checkpointer.lock().unwrap_or_else(PoisonError::into_inner);
            weak.upgrade().is_some_and(|state| checkpointer.save(&state, kind).is_ok())
        }));
    }
    let save_every = config.store.as_ref().map_or(Duration::MAX, |store| store.save_every);
    let (persistence, epoch_seconds) = (Mutex::new(persistence), policy.epoch_seconds);
    let half = |flags: Flagging| Duration::from_nanos(flags.tick_nanoseconds) / 2;
    let flags_step = policy.flags.map_or(Duration::MAX, half);
    Ok(Engine {
        state,
        attribution,
        started,
        epoch_seconds,
        flags_step,
        writer_thread,
        tap_reports,
        checkpointer,
        persistence,
        tag_key: memory.tag_key,
        save_every,
    })
}

/// The roster sources of a configuration, as they are before any was asked.
#[must_use]
pub fn sources_of(config: &Config) -> Vec<(&'static str, bool)> {
    let is_there = |source: &Source| match source {
        Source::Control => true,
        Source::WireGuard => !config.wireguard.is_empty(),
        Source::OpenVpn => !config.openvpn.is_empty(),
        Source::StrongSwan => !config.strongswan.is_empty(),
        Source::Radius => !config.radius.is_empty(),
        Source::File => config.roster_file.is_some(),
    };
    Source::ALL.into_iter().filter(is_there).map(|source| (source.word(), true)).collect()
}

/// The store of a configuration.
#[must_use]
pub fn settings(config: &Config, store: &Sealed) -> Settings {
    Settings {
        path: store.path.clone(),
        key_file: store.key_file.clone(),
        node: config.node_name.clone(),
        capacity: config.capacity,
    }
}

impl<E: Environment> Engine<E> {
    /// Closes and publishes epochs when they are due; never returns.
    pub async fn keep_time(&self) {
        // A twentieth of a short epoch, so that a demo or a lab build also closes on time.
        let step = Duration::from_secs(self.epoch_seconds) / 20;
        let step = step.min(Duration::from_secs(1)).min(self.flags_step);
        let interval = service_manager::watchdog_interval();
        let mut last_notified = Stopwatch::start();
        loop {
            sleep(step).await;
            if interval.is_some_and(|interval| last_notified.elapsed() >= interval) && self.is_alive().await {
                last_notified = Stopwatch::start();
                service_manager::notify(Notification::Alive);
            }
            self.step().await;
        }
    }

    /// Reads the clocks once, and saves, closes or publishes what is due.
    pub async fn step(&self) {
        // A save that somebody asked for is under way, and ends soon.
        let Ok(_turn) = self.state.limits.turns.try_lock() else { return };
        // A save that a reload interrupted finishes on its own; nothing is closed until then.
        let due = match &self.checkpointer {
            None => false,
            Some(checkpointer) => match checkpointer.try_lock() {
                Err(_) => return,
                Ok(checkpointer) => checkpointer.since_last() >= self.save_every,
            },
        };
        if self.state.node().is_about_to_close() {
            // The epoch closes either way.
            let _ = self.state.change(Change::Conserve).await;
        }
        // What hooks told is found to be disputed off this thread.
        self.state.settle_disputes();
        let failed = self.state.hooks.take_failed_log_ins();
        self.state.node().log_ins_failed(failed);
        let tick = self.tick().await;
        match tick {
            Tick::Quiet if due => {
                self.save(SaveKind::Running).await;
            }
            Tick::Quiet => {}
            Tick::Sealed { period_ended } => {
                let saved = self.state.update_health(|health| {
                    health.close_ok = Some(true);
                    health.store_ok
                });
                // What is not attached at the close is not in the epoch that begins either.
                if !self.tap_reports.at_close() {
                    self.attribution.gap();
                }
                self.state.hooks.latch();
                self.state.passed_over.latch();
                self.state.tell_troubles();
                self.state.tell_refreshed();
                let used = self.state.node().used();
                let is_unused = |slot: Slot| !used.get(slot.index()).copied().unwrap_or(true);
                let free = self.state.roster().at_close(period_ended, saved, is_unused);
                self.state.node().forget(&free);
                self.save(SaveKind::Close).await;
            }
            Tick::Refused => self.state.update_health(|health| health.close_ok = Some(false)),
            Tick::Released(release) => {
                self.state.board.show(&release);
                let next = self.state.node().next_due_seconds();
                self.state.update_health(|health| health.next_release_seconds = next);
                self.state.tell_released();
            }
        }
    }

    /// Reads the clocks. Where every account is judged, that is done off the thread that answers requests.
    async fn tick(&self) -> Tick {
        if !self.state.node().is_about_to_judge() {
            return self.state.node().tick();
        }
        let state = Arc::clone(&self.state);
        let ticking = tokio::task::spawn_blocking(move || state.node().tick());
        ticking.await.expect("a tick that panicked has ended the process")
    }

    /// True when the threads of the tap and the roster respond.
    async fn is_alive(&self) -> bool {
        matches!(self.state.change(Change::Quiesce).await, Outcome::Done)
    }

    /// Saves the node's state, off the thread that answers requests; true when nothing is left unsaved.
    async fn save(&self, kind: SaveKind) -> bool {
        let Some(checkpointer) = &self.checkpointer else { return true };
        let (checkpointer, state) = (Arc::clone(checkpointer), Arc::clone(&self.state));
        let saving = tokio::task::spawn_blocking(move || {
            let mut checkpointer = checkpointer.lock().unwrap_or_else(PoisonError::into_inner);
            let result = checkpointer.save(&state, kind);
            let news = checkpointer.is_news(result.is_ok(), kind);
            (result, news)
        });
        // A save that panicked has already ended the process.
        let Ok((result, news)) = saving.await else { return false };
        match &result {
            Err(error) if kind == SaveKind::Last => emit(&Event::LastSaveFailed(error)),
            Err(error) if news => emit(&Event::SaveFailed(error)),
            Ok(()) if news => emit(&Event::SaveRecovered),
            _ => {}
        }
        let ok = result.is_ok();
        if ok {
            self.persistence().forget_older();
        }
        self.persistence().tell_hidden();
        self.state.update_health(|health| health.store_ok = ok);
        ok
    }

    /// The lock cannot be poisoned, since a panic ends the process.
    fn persistence(&self) -> MutexGuard<'_, Persistence> {
        self.persistence.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first save, before the start counts as complete: from here on something is kept.
    ///
    /// # Errors
    /// A new node that cannot be saved (74): that must be fixed first.
    pub fn save_first(&self) -> Result<(), ExitError> {
        let (Some(checkpointer), Some(started)) = (&self.checkpointer, self.started) else { return Ok(()) };
        let mut checkpointer = checkpointer.lock().unwrap_or_else(PoisonError::into_inner);
        let result = checkpointer.save(&self.state, SaveKind::Running);
        let news = checkpointer.is_news(result.is_ok(), SaveKind::Running);
        match result {
            // A node that was saved before keeps metering; a new one must be fixed first.
            Err(error) if started == StartKind::Resumed || started == StartKind::ResumedWithoutCounters => {
                if news {
                    emit(&Event::SaveFailed(&error));
                }
                self.state.update_health(|health| health.store_ok = false);
                Ok(())
            }
            Ok(()) => {
                self.persistence().forget_older();
                Ok(())
            }
            result => result.map_err(|error| checkpoint_error(error.into())),
        }
    }

    /// Closes the tap after it has counted what is waiting, and ends the threads.
    pub async fn stop(self, end: End) {
        let change = if end == End::Stop { Change::Stop } else { Change::Leave };
        // Quiesced or not, the thread ends: there is nothing more to count.
        let _ = self.state.change(change).await;
        let turn = self.state.limits.turns.lock().await;
        let is_last = end == End::Stop || self.persistence().ends_with_the_process();
        let saved = self.save(if is_last { SaveKind::Last } else { SaveKind::Running }).await;
        drop(turn);
        let key = self.checkpointer.is_none().then_some(self.tag_key);
        self.persistence().keep_assignments(self.state.roster(), key);
        // A thread that panicked has already ended the process.
        let _ = self.writer_thread.join();
        // In sealed mode a mark lies there, which the next start needs if this could not be saved.
        if end == End::Stop && (saved || self.checkpointer.is_none()) {
            self.tag_key.wipe();
        }
        // What could not be saved is left for the next start.
        if end == End::Stop && saved {
            self.persistence.into_inner().unwrap_or_else(PoisonError::into_inner).remove();
        }
    }
}
