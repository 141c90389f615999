//! The daemon: the order of start and stop, reloads, and the tick of the clock. No arithmetic.
//!
//! Threads: the main one runs everything asynchronous; one holds the tap, one changes the roster.

use crate::clock::{SystemClock, pause};
use crate::config::{self, Config, Sealed};
use crate::control::changes::{self, Change, Outcome};
use crate::control::desk::{Access, Desk};
use crate::control::server;
use crate::failure::{Code, Failure};
use crate::guard::capabilities;
use crate::keeper::{Keeper, KeeperError, Start};
use crate::log::{Event, say};
use crate::meter::policy::{Policy, Profile};
use crate::node::{Node, Tick};
use crate::publish::exposition::{self, Health};
use crate::publish::http::{self, Listeners, Pages, Prepared};
use crate::roster::account::AccountName;
use crate::roster::address::Prefix;
use crate::roster::csv::Row;
use crate::roster::{Identity, Roster, Source, csv};
use crate::store::Settings;
use crate::tap::kernel::{Kernel, KernelError};
use crate::tap::{Attribution, Chosen, CounterMemory, Opener, PatternState, Tap, TapError, TapKind, TapNews};
use crate::world::{self, Files, SystemFiles, SystemRandomness};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// A meter that runs: the parts that the daemon and the demo share.
pub struct Engine {
    /// What requests may reach.
    pub desk: Arc<Desk>,
    /// What `/metrics` serves.
    pub pages: Arc<Pages>,
    /// From a packet to a counter, for whoever has packets and no tap.
    pub attribution: Attribution,
    policy: Policy,
    roster_thread: JoinHandle<()>,
    keeper: Option<Arc<Mutex<Keeper>>>,
    save_every: Duration,
    started: Option<Start>,
}

/// Reads the roster file of a configuration; empty where none is configured.
///
/// # Errors
/// One line that names the file and the line in it.
pub fn read_roster(files: &impl Files, config: &Config) -> Result<Vec<Row>, String> {
    let Some(path) = &config.roster_file else { return Ok(Vec::new()) };
    let named = |why: &dyn std::fmt::Display| format!("{}: {why}", path.display());
    let bytes = files
        .read(path)
        .map_err(|error| format!("roster.file {}: cannot be read: {error}", path.display()))?;
    csv::rows(&bytes).map_err(|error| named(&error))
}

/// Says which names of the file look like addresses, by line.
pub fn warn_of_names(path: &Path, rows: &[Row]) {
    for row in rows.iter().filter(|row| row.account.looks_like_an_address()) {
        say(&Event::NameLooksLikeAddress(path, row.line));
    }
}

/// Starts tap, roster and node, in the network namespace of the calling thread. Without a tap,
/// packets are handed to [`Engine::attribution`].
///
/// # Errors
/// More accounts than slots (78), or a tap that cannot start (77, 74).
pub fn start(
    config: &Config,
    (chosen, why): (Option<Chosen>, Option<String>),
    rows: Vec<Row>,
    accept_loss: bool,
) -> Result<Engine, Failure> {
    let policy = config.policy.0;
    let seed = getrandom::u64().map_err(|error| Failure::new(Code::Io, error.to_string()))?;
    let kind = chosen.as_ref().map(Chosen::kind);
    let in_process = || {
        let memory = CounterMemory::heap(config.capacity, world::identity());
        (Roster::new(&config.pools, config.capacity, seed), memory)
    };
    let (opener, (roster, memory)) = match chosen {
        Some(Chosen::Kernel(kernel, attacher)) => {
            let roster = Roster::over(kernel.owners(), &config.pools, config.capacity);
            (Some(Opener::Kernel(attacher)), (roster, kernel.memory()))
        }
        Some(Chosen::Ring) => (Some(Opener::Ring), in_process()),
        Some(Chosen::Pnet) => (Some(Opener::Pnet), in_process()),
        None => (None, in_process()),
    };
    let counters = memory.counters;
    let (node, roster, keeper, started) = match &config.store {
        None => {
            let node = Node::forgetful(policy, counters, SystemClock, SystemRandomness);
            (node, roster, None, None)
        }
        Some(store) => {
            let (keeper, node, started) =
                Keeper::open(settings(config, store), memory, policy, accept_loss).map_err(kept_failure)?;
            let tagger = keeper.tagger();
            let tag = Box::new(move |name: &[u8]| tagger.tag(name));
            let roster = roster.remembering(Identity { tag, tags: memory.tags });
            (node, roster, Some(Arc::new(Mutex::new(keeper))), Some(started))
        }
    };
    let released = node.released();
    let roster = Arc::new(roster);
    roster
        .replace(Source::File, assignments(rows))
        .map_err(|error| Failure::new(Code::Config, error.to_string()))?;
    let mut sources = vec![(Source::Control.word(), true)];
    if config.roster_file.is_some() {
        sources.push((Source::File.word(), true));
    }
    let health = Health { taps: Vec::new(), sources, close_ok: true, store_ok: true, reload_ok: true };
    let pages = Arc::new(Pages::new(exposition::released(&released), exposition::status(&health, &policy)));
    let health = Arc::new(Mutex::new(health));
    let news = {
        let (health, pages) = (Arc::clone(&health), Arc::clone(&pages));
        move |news| hear(news, &health, &pages, &policy)
    };
    let attribution = Attribution { table: roster.table(), counters };
    if let (Some(kind), Some(why)) = (kind, why) {
        say(&Event::TapChosen(kind.word(), &why));
    }
    let tap = opener.map(|opener| Tap::start(opener, &config.interfaces, attribution.clone(), news));
    let tap = tap.transpose().map_err(tap_failure)?;
    let (changes, roster_thread) = changes::start(Arc::clone(&roster), tap)
        .map_err(|error| Failure::new(Code::Io, error.to_string()))?;
    let desk = Arc::new(Desk {
        roster,
        node: Mutex::new(node),
        changes,
        access: arc_swap::ArcSwap::from_pointee(Access::default()),
        health,
        backend: kind.map_or("in-process", TapKind::word),
        profile: policy.profile.word(),
    });
    let save_every = config.store.as_ref().map_or(Duration::MAX, |store| store.save_every);
    Ok(Engine { desk, pages, attribution, policy, roster_thread, keeper, save_every, started })
}

/// Chooses the tap of a configuration, as far as it can be
/// had here. Must be called while the process has one thread, and before anything
/// of the roster is read: the kernel tap's helper is forked here and is to hold nothing of it.
///
/// # Errors
/// When no tap is allowed, or the one that was asked for does not work here.
pub fn choose(config: &Config) -> Result<(Chosen, String), Failure> {
    let load = || Kernel::load(&config.pools, config.capacity, world::identity());
    crate::tap::choose(config.backend, config.hook, load).map_err(tap_failure)
}

fn settings(config: &Config, store: &Sealed) -> Settings {
    Settings {
        path: store.path.clone(),
        key_file: store.key_file.clone(),
        node: config.node_name.clone(),
        capacity: config.capacity,
    }
}

/// What a store that cannot be opened or written means for the command.
fn kept_failure(error: KeeperError) -> Failure {
    let code = match &error {
        KeeperError::Store(store) if store.is_disk() => Code::Io,
        _ => Code::Config,
    };
    Failure::new(code, error.to_string())
}

/// What a tap that cannot start means for the command.
#[must_use]
pub fn tap_failure(error: TapError) -> Failure {
    let code = match error {
        TapError::Permission(_) | TapError::Kernel(KernelError::Capabilities) => Code::Permission,
        TapError::Kernel(KernelError::Tcx(..)) => Code::Config,
        TapError::Kernel(_) | TapError::Failed(..) => Code::Io,
    };
    Failure::new(code, error.to_string())
}

fn assignments(rows: Vec<Row>) -> Vec<(Prefix, AccountName)> {
    rows.into_iter().map(|row| (row.prefix, row.account)).collect()
}

/// Passes on what the tap says: to the log, and to the status part of the page.
fn hear(news: TapNews, health: &Mutex<Health>, pages: &Pages, policy: &Policy) {
    match news {
        TapNews::States(states) => {
            let mut health = health.lock().unwrap_or_else(PoisonError::into_inner);
            health.taps = states
                .into_iter()
                .map(|PatternState { pattern, attached }| (pattern.text().to_owned(), attached))
                .collect();
            pages.set_status(exposition::status(&health, policy));
        }
        TapNews::Awaited(name) => say(&Event::InterfaceAwaited(&name)),
        TapNews::Attached(name) => say(&Event::InterfaceAttached(&name)),
        TapNews::Gone(name) => say(&Event::InterfaceGone(&name)),
        TapNews::LinkType(name, number) => say(&Event::LinkTypeUnsupported(&name, number)),
        TapNews::Refused(name, error) => say(&Event::InterfaceRefused(&name, &error)),
    }
}

impl Engine {
    /// Closes and publishes epochs as the clock says; never returns.
    pub async fn keep_time(&self) {
        // A twentieth of a short epoch, so that a demo or a lab build closes on time as well.
        let step = Duration::from_secs(self.policy.epoch_seconds) / 20;
        let step = step.min(Duration::from_secs(1));
        loop {
            pause(step).await;
            // A save that a reload interrupted goes on by itself; nothing is closed until it is done.
            let due = match &self.keeper {
                None => false,
                Some(keeper) => match keeper.try_lock() {
                    Err(_) => continue,
                    Ok(keeper) => keeper.since_last() >= self.save_every,
                },
            };
            let tick = self.desk.node().tick();
            match tick {
                Tick::Quiet if due => self.save(false).await,
                Tick::Quiet => {}
                Tick::Sealed { period_ended } => {
                    self.desk.health().close_ok = true;
                    let free = self.desk.roster.at_close(period_ended);
                    self.desk.node().forget(&free);
                    self.save(true).await;
                }
                Tick::Refused => self.desk.health().close_ok = false,
                Tick::Released(release) => self.pages.set_released(exposition::released(&release)),
            }
        }
    }

    /// Saves the node's state, away from the thread that answers requests.
    async fn save(&self, closes: bool) {
        let Some(keeper) = &self.keeper else { return };
        let (keeper, desk) = (Arc::clone(keeper), Arc::clone(&self.desk));
        let saving = tokio::task::spawn_blocking(move || {
            let mut keeper = keeper.lock().unwrap_or_else(PoisonError::into_inner);
            let result = keeper.save(&desk, closes);
            let news = keeper.is_news(result.is_ok(), closes);
            (result, news)
        });
        // A save that panicked has ended the process already.
        let Ok((result, news)) = saving.await else { return };
        match &result {
            Err(error) if news => say(&Event::SaveFailed(error)),
            Ok(()) if news => say(&Event::SaveRecovered),
            _ => {}
        }
        let mut health = self.desk.health();
        if health.store_ok != result.is_ok() {
            health.store_ok = result.is_ok();
            self.pages.set_status(exposition::status(&health, &self.policy));
        }
    }

    /// The first save, before the start is said to be done: from here on something is kept.
    fn save_first(&self) -> Result<(), Failure> {
        let (Some(keeper), Some(started)) = (&self.keeper, self.started) else { return Ok(()) };
        let mut keeper = keeper.lock().unwrap_or_else(PoisonError::into_inner);
        let result = keeper.save(&self.desk, false);
        let news = keeper.is_news(result.is_ok(), false);
        match result {
            // A node that has kept something before goes on metering; a new one is mended first.
            Err(error) if started == Start::Resumed || started == Start::ResumedWithoutCounters => {
                if news {
                    say(&Event::SaveFailed(&error));
                }
                self.desk.health().store_ok = false;
                Ok(())
            }
            result => result.map_err(|error| kept_failure(error.into())),
        }
    }

    /// Lets go of the tap after it has counted what waits, and ends the threads.
    pub async fn stop(self) {
        // Settled or not, the thread ends: there is nothing more to count after it.
        let _ = self.desk.changes.make(Change::Stop).await;
        if self.keeper.is_some() {
            self.save(false).await;
        }
        // A thread that panicked has ended the process already.
        let _ = self.roster_thread.join();
    }
}

/// The running daemon's reloadable rest.
struct Daemon<'a> {
    path: &'a Path,
    config: Config,
    engine: Engine,
    web: Listeners,
}

/// Runs the daemon until SIGTERM or SIGINT.
///
/// # Errors
/// What stops it from starting, with the exit code that says which.
pub fn run(path: &Path, accept_loss: bool) -> Result<(), Failure> {
    let bad = |why: String| Failure::new(Code::Config, why);
    let config = config::load(&SystemFiles, path).map_err(bad)?;
    if Profile::BUILT == Profile::Lab {
        say(&Event::LabBuild);
    }
    let (chosen, why) = choose(&config)?;
    let web = Listeners::default();
    let listeners = web.prepare(&config.listen)?;
    if chosen.kind() == TapKind::Kernel {
        capabilities::keep_only(&[]).map_err(|error| Failure::new(Code::Io, error.to_string()))?;
    }
    let rows = read_roster(&SystemFiles, &config).map_err(bad)?;
    if let Some(file) = &config.roster_file {
        warn_of_names(file, &rows);
    }
    let control = server::bind(&config.control_socket)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Code::Io, error.to_string()))?;
    let socket = config.control_socket.clone();
    let result = runtime.block_on(async {
        let engine = start(&config, (Some(chosen), Some(why)), rows, accept_loss)?;
        engine.save_first()?;
        say(&match engine.started {
            None => Event::MemoryStart,
            Some(Start::First) => Event::FirstStart,
            Some(Start::Resumed) => Event::Resumed,
            Some(Start::ResumedWithoutCounters) => Event::ResumedWithoutCounters,
            Some(Start::LossAccepted) => Event::LossAccepted,
        });
        let mut daemon = Daemon { path, config, engine, web };
        daemon.adopt(listeners).map_err(|error| Failure::new(Code::Io, error.to_string()))?;
        daemon.serve(control).await
    });
    // The socket is ours: `bind` has made sure that no other daemon answers on it.
    let _ = std::fs::remove_file(socket);
    result
}

impl Daemon<'_> {
    async fn serve(mut self, control: UnixListener) -> Result<(), Failure> {
        let io = |error: std::io::Error| Failure::new(Code::Io, error.to_string());
        let mut hangup = signal(SignalKind::hangup()).map_err(io)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(io)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(io)?;
        self.resolve_roles();
        let control = tokio::net::UnixListener::from_std(control).map_err(io)?;
        say(&Event::Ready);
        let answering = tokio::spawn(server::serve(control, Arc::clone(&self.engine.desk)));
        loop {
            tokio::select! {
                () = self.engine.keep_time() => {}
                _ = hangup.recv() => self.reload().await,
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
            }
        }
        say(&Event::Stopping);
        answering.abort();
        self.engine.stop().await;
        Ok(())
    }

    /// Serves these listeners, and lets go of those that are not configured any more.
    fn adopt(&mut self, prepared: Prepared) -> std::io::Result<()> {
        let router = http::router(Arc::clone(&self.engine.pages));
        self.web.adopt(prepared, &self.config.listen, &router)?;
        if http::others_can_reach(&self.config.listen) {
            say(&Event::ListeningWide);
        }
        Ok(())
    }

    fn resolve_roles(&self) {
        let (access, unknown) = Access::resolve(&self.config.roles);
        for name in unknown {
            say(&Event::UnknownRoleMember(&name));
        }
        self.engine.desk.access.store(Arc::new(access));
    }

    /// Reads configuration and roster again; a bad one is refused whole.
    async fn reload(&mut self) {
        let result = self.try_reload().await;
        {
            let mut health = self.engine.desk.health();
            health.reload_ok = result.is_ok();
            self.engine.pages.set_status(exposition::status(&health, &self.engine.policy));
        }
        match result {
            Ok(()) => say(&Event::Reloaded),
            Err(why) => say(&Event::ReloadRefused(&why)),
        }
    }

    async fn try_reload(&mut self) -> Result<(), String> {
        let new = config::load(&SystemFiles, self.path)?;
        if let Some(table) = self.config.restart_needed_for(&new) {
            return Err(format!("{}: a change to {table} needs a restart", self.path.display()));
        }
        let rows = read_roster(&SystemFiles, &new)?;
        let listeners = self.web.prepare(&new.listen).map_err(|failure| failure.message)?;
        if let Some(file) = &new.roster_file {
            warn_of_names(file, &rows);
            let change = Change::Replace(Source::File, assignments(rows));
            match self.engine.desk.changes.make(change).await {
                Outcome::Full(why) => return Err(format!("{}: {why}", file.display())),
                Outcome::Unsettled => return Err("the tap did not settle within two seconds".into()),
                Outcome::Done | Outcome::NotAssigned => {}
            }
        }
        self.config = new;
        self.resolve_roles();
        self.adopt(listeners).map_err(|error| error.to_string())
    }
}
