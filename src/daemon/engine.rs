//! A meter that runs: roster, node, tap, store and pages put together, and the tick of the clock.
//!
//! The order of start and stop of the parts that the daemon and the demo share; no arithmetic.

use super::footing::{Footing, Outlives};
use super::{Prepared, assignments, kept_failure, tap_failure};
use crate::clock::{Stopwatch, pause};
use crate::config::{Config, Sealed};
use crate::control::changes::{self, Change, Outcome};
use crate::control::desk::{Access, Desk};
use crate::failure::{Code, Failure};
use crate::guard::sandbox::Level;
use crate::guard::service::{self, Word};
use crate::keeper::{Keeper, Start};
use crate::log::{Event, say};
use crate::meter::policy::Policy;
use crate::node::{Node, Tick};
use crate::publish::exposition::{self, Health};
use crate::publish::http::Pages;
use crate::roster::csv::Row;
use crate::roster::{Identity, Source};
use crate::store::Settings;
use crate::store::keys::Tagger;
use crate::tap::{Attribution, PatternState, Tap, TapKind, TapNews};
use crate::world::{self, System, World};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// A meter that runs: the parts that the daemon and the demo share.
pub struct Engine<W: World> {
    /// What requests may reach.
    pub desk: Arc<Desk<W>>,
    /// What `/metrics` serves.
    pub pages: Arc<Pages>,
    /// From a packet to a counter, for whoever has packets and no tap.
    pub attribution: Attribution,
    /// How the start went on; none in memory mode.
    pub started: Option<Start>,
    pub(super) policy: Policy,
    roster_thread: JoinHandle<()>,
    keeper: Option<Arc<Mutex<Keeper<W>>>>,
    outlives: Mutex<Outlives>,
    save_every: Duration,
}

/// How a meter ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// For good: nothing is left in the kernel, and nothing counts on.
    Stop,
    /// Another process follows: what can count on does.
    HandOver,
}

/// Starts tap, roster and node on the running system, in the network namespace of the calling thread.
/// Without a tap, packets are handed to [`Engine::attribution`].
///
/// # Errors
/// More accounts than slots, or a store that cannot be opened (78); a tap that cannot start (77, 74).
pub fn start(
    config: &Config,
    prepared: Option<Prepared>,
    rows: Vec<Row>,
    accept_loss: bool,
) -> Result<Engine<System>, Failure> {
    assemble(&System, config, Footing::of(config, prepared)?, rows, accept_loss)
}

/// Puts a meter together on a world.
///
/// # Errors
/// See [`start`].
pub fn assemble<W: World>(
    world: &W,
    config: &Config,
    footing: Footing,
    rows: Vec<Row>,
    accept_loss: bool,
) -> Result<Engine<W>, Failure> {
    let policy = config.policy.0;
    let Footing { memories, roster, opener, why, ground } = footing;
    let kind = opener.as_ref().map(crate::tap::Opener::kind);
    let (memory, counters) = (memories.current, memories.current.counters);
    let (mut node, roster, keeper, started) = match &config.store {
        None => {
            let node = Node::forgetful(policy, counters, world.clock(), world.randomness());
            (node, roster, None, None)
        }
        Some(store) => {
            let (keeper, node, started) =
                Keeper::open(world, settings(config, store), &memories, policy, accept_loss)
                    .map_err(kept_failure)?;
            let tagger = keeper.tagger();
            let tag = Box::new(move |name: &[u8]| tagger.tag(name));
            let roster = roster.remembering(Identity { tag, tags: memory.tags });
            (node, roster, Some(Arc::new(Mutex::new(keeper))), Some(started))
        }
    };
    let tagger = match &keeper {
        Some(keeper) => keeper.lock().unwrap_or_else(PoisonError::into_inner).tagger(),
        None => Tagger::of_this_process(world::identity(&mut world.randomness())),
    };
    // Counters are kept beyond the process once there is a store that knows of them.
    let outlives = ground.keep()?;
    let roster = Arc::new(roster);
    let full = |error: crate::roster::RosterError| Failure::new(Code::Config, error.to_string());
    roster.adopt().map_err(full)?;
    roster.replace(Source::File, assignments(rows)).map_err(full)?;
    roster.take_contradicted().into_iter().for_each(|slot| node.disown(slot));
    let released = node.released();
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
    let start = |opener| Tap::start(opener, &config.interfaces, attribution.clone(), memory.links, news);
    let tap = opener.map(start).transpose().map_err(tap_failure)?;
    let (changes, roster_thread) = changes::start(Arc::clone(&roster), tap)
        .map_err(|error| Failure::new(Code::Io, error.to_string()))?;
    let desk = Arc::new(Desk {
        roster,
        node: Mutex::new(node),
        changes,
        access: arc_swap::ArcSwap::from_pointee(Access::default()),
        probe: arc_swap::ArcSwap::from_pointee(config.probe_account.clone()),
        tag: Box::new(move |name: &[u8]| tagger.tag(name)),
        health,
        sandbox: arc_swap::ArcSwap::from_pointee(Level::none()),
        backend: kind.map_or("in-process", TapKind::word),
        profile: policy.profile.word(),
    });
    let save_every = config.store.as_ref().map_or(Duration::MAX, |store| store.save_every);
    let outlives = Mutex::new(outlives);
    Ok(Engine { desk, pages, attribution, policy, roster_thread, keeper, outlives, save_every, started })
}

fn settings(config: &Config, store: &Sealed) -> Settings {
    Settings {
        path: store.path.clone(),
        key_file: store.key_file.clone(),
        node: config.node_name.clone(),
        capacity: config.capacity,
    }
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

impl<W: World> Engine<W> {
    /// Closes and publishes epochs as the clock says; never returns.
    pub async fn keep_time(&self) {
        // A twentieth of a short epoch, so that a demo or a lab build closes on time as well.
        let step = Duration::from_secs(self.policy.epoch_seconds) / 20;
        let step = step.min(Duration::from_secs(1));
        let pulse = service::pulse();
        let mut beat = Stopwatch::start();
        loop {
            pause(step).await;
            if pulse.is_some_and(|pulse| beat.elapsed() >= pulse) && self.is_alive().await {
                beat = Stopwatch::start();
                service::tell(Word::Alive);
            }
            self.step().await;
        }
    }

    /// Looks at the clocks once, and saves, closes or publishes what is due.
    pub async fn step(&self) {
        // A save that a reload interrupted goes on by itself; nothing is closed until it is done.
        let due = match &self.keeper {
            None => false,
            Some(keeper) => match keeper.try_lock() {
                Err(_) => return,
                Ok(keeper) => keeper.since_last() >= self.save_every,
            },
        };
        let tick = self.desk.node().tick();
        match tick {
            Tick::Quiet if due => {
                self.save(false).await;
            }
            Tick::Quiet => {}
            Tick::Sealed { period_ended } => {
                let saved = {
                    let mut health = self.desk.health();
                    health.close_ok = true;
                    health.store_ok
                };
                let free = self.desk.roster.at_close(period_ended, saved);
                self.desk.node().forget(&free);
                self.save(true).await;
            }
            Tick::Refused => self.desk.health().close_ok = false,
            Tick::Released(release) => self.pages.set_released(exposition::released(&release)),
        }
    }

    /// True when the threads of the tap and the roster answer.
    async fn is_alive(&self) -> bool {
        matches!(self.desk.make(Change::Settle).await, Outcome::Done)
    }

    /// Saves the node's state, away from the thread that answers requests; true when nothing is
    /// left to be saved.
    async fn save(&self, closes: bool) -> bool {
        let Some(keeper) = &self.keeper else { return true };
        let (keeper, desk) = (Arc::clone(keeper), Arc::clone(&self.desk));
        let saving = tokio::task::spawn_blocking(move || {
            let mut keeper = keeper.lock().unwrap_or_else(PoisonError::into_inner);
            let result = keeper.save(&desk, closes);
            let news = keeper.is_news(result.is_ok(), closes);
            (result, news)
        });
        // A save that panicked has ended the process already.
        let Ok((result, news)) = saving.await else { return false };
        match &result {
            Err(error) if news => say(&Event::SaveFailed(error)),
            Ok(()) if news => say(&Event::SaveRecovered),
            _ => {}
        }
        let ok = result.is_ok();
        if ok {
            self.outlives().forget_older();
        }
        let mut health = self.desk.health();
        if health.store_ok != ok {
            health.store_ok = ok;
            self.pages.set_status(exposition::status(&health, &self.policy));
        }
        ok
    }

    /// A poisoned lock cannot be, since a panic ends the process.
    fn outlives(&self) -> std::sync::MutexGuard<'_, Outlives> {
        self.outlives.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first save, before the start is said to be done: from here on something is kept.
    ///
    /// # Errors
    /// A new node whose disk does not take it (74): it is mended first.
    pub fn save_first(&self) -> Result<(), Failure> {
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
            Ok(()) => {
                self.outlives().forget_older();
                Ok(())
            }
            result => result.map_err(|error| kept_failure(error.into())),
        }
    }

    /// Lets go of the tap after it has counted what waits, and ends the threads.
    pub async fn stop(self, end: End) {
        let change = if end == End::Stop { Change::Stop } else { Change::Leave };
        // Settled or not, the thread ends: there is nothing more to count after it.
        let _ = self.desk.changes.make(change).await;
        let saved = self.save(false).await;
        // A thread that panicked has ended the process already.
        let _ = self.roster_thread.join();
        // What could not be saved is left for the next start to find.
        if end == End::Stop && saved {
            self.outlives.into_inner().unwrap_or_else(PoisonError::into_inner).remove();
        }
    }
}
