//! Starts under every fault of the disk, one after the other: what a process of this store counted is
//! never refused by the next one, and nothing of it is lost or counted twice.
//!
//! The real engine over a simulated disk. Counter memory is handed from process to process as the
//! kernel hands it on: there once a start has come so far as to keep it, and until a clean end was
//! saved.

use crate::disk::{Fault, SimulatedDisk};
use crate::support::rng::Rng;
use blindmeter::clock::{Clock, Reading};
use blindmeter::config::{self, Config};
use blindmeter::engine::persistence::EngineParts;
use blindmeter::engine::{End, Engine, assemble};
use blindmeter::environment::{Environment, Files, identity};
use blindmeter::exit::{ExitError, ExitStatus};
use blindmeter::meter::slot::Direction;
use blindmeter::meter::tags::Tag;
use blindmeter::roster::Roster;
use blindmeter::roster::account::AccountName;
use blindmeter::roster::address::Prefix;
use blindmeter::tap::{CounterHistory, CounterMemory};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const KEY: &str = "/keys/ledger.key";

const CONFIG: &str = r#"
[tap]
interfaces = ["wg0"]
[node]
name = "simulated"
[web]
listen = []
[epoch]
length = "1h"
[store]
path = "/state/ledger.sealed"
key_file = "/keys/ledger.key"
capacity = 6
"#;

/// Accounts of the roster, each with one address.
const ACCOUNTS: u8 = 3;

/// Starts of one run, and the operations of a start and of what follows it: a fault falls anywhere.
const STARTS: usize = 8;
const OPERATIONS: u64 = 30;

/// Clocks of one machine.
#[derive(Clone)]
struct Clocks(Arc<[AtomicU64; 2]>);

impl Clock for Clocks {
    fn now(&self) -> Reading {
        // Relaxed, here and below: they are moved while nobody reads them.
        let [seconds, _] = self.0.each_ref().map(|word| word.load(Ordering::Relaxed));
        Reading { wall_seconds: 20_496 * 86_400 + seconds, boot_nanoseconds: seconds * 1_000_000_000 }
    }

    fn boot(&self) -> [u8; 16] {
        [7; 16]
    }
}

#[derive(Clone)]
struct Outside {
    clocks: Clocks,
    disk: SimulatedDisk,
    seed: u64,
}

impl Environment for Outside {
    const ROSTER_TICK: std::time::Duration = std::time::Duration::ZERO;
    type Clock = Clocks;
    type Disk = SimulatedDisk;
    type Randomness = Rng;

    fn clock(&self) -> Clocks {
        self.clocks.clone()
    }

    fn disk(&self) -> SimulatedDisk {
        self.disk.clone()
    }

    fn randomness(&self) -> Rng {
        Rng::of(&[self.seed, self.clocks.0[1].fetch_add(1, Ordering::Relaxed)])
    }
}

struct OneFile;

impl Files for OneFile {
    fn read(&self, _: &Path) -> io::Result<Vec<u8>> {
        Ok(CONFIG.as_bytes().to_vec())
    }
}

/// A machine on which processes follow each other.
struct Machine {
    outside: Outside,
    config: Config,
    rng: Rng,
    /// What processes left, the oldest first; the last one is counted into.
    left: Vec<CounterMemory>,
    /// Bytes that were counted of each account.
    sent: [u64; ACCOUNTS as usize],
    /// The power went, and with it what was not saved.
    cut: bool,
    /// Starts that went on with a failing store.
    unsaved: u32,
}

fn account(number: u8) -> (Prefix, AccountName) {
    let prefix = Prefix::parse(&format!("10.8.0.{number}")).expect("an address");
    (prefix, AccountName::parse(&format!("account-{number}")).expect("a name"))
}

fn tag(roster: &Roster, number: usize) -> Tag {
    roster.tag_of(&account(u8::try_from(number).expect("few")).1)
}

impl Machine {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::of(&[seed, 13]);
        let disk = SimulatedDisk::new(rng.word());
        disk.put(Path::new(KEY), &[42; 32]);
        let outside = Outside { clocks: Clocks(Arc::new([60, 0].map(AtomicU64::new))), disk, seed };
        let config = config::load(&OneFile, Path::new("/etc/blindmeter.toml"));
        let config = config.unwrap_or_else(|error| panic!("the simulation's configuration: {error}"));
        let sent = [0; ACCOUNTS as usize];
        Self { outside, config, rng, left: Vec::new(), sent, cut: false, unsaved: 0 }
    }

    /// A process starts; it goes on with what was left, or with new memory after it where the layout
    /// changed. None where the disk refused it.
    fn start(&mut self) -> Result<Option<Engine<Outside>>, String> {
        let changed = self.rng.one_in(4);
        let found = self.left.last().copied().filter(|_| !changed);
        let current = match found {
            Some(memory) => CounterMemory { adopted: true, ..memory },
            None => CounterMemory::heap(self.config.capacity, identity(&mut self.rng)),
        };
        let older = self.left[..self.left.len() - usize::from(found.is_some())].to_vec();
        // A set that follows another outlives the process before the store is opened.
        let follows = !older.is_empty() && found.is_none();
        let history = CounterHistory::after(current, older);
        if follows {
            self.left.push(current);
        }
        let filed = |roster: &Roster| {
            Ok((0..ACCOUNTS).map(account).map(|(prefix, name)| (prefix, roster.tag_of(&name))).collect())
        };
        let parts = EngineParts::counting_into(history, self.rng.word());
        match self.refused(assemble(&self.outside, &self.config, parts, filed, false))? {
            None => Ok(None),
            Some(engine) => {
                if self.left.is_empty() {
                    self.left.push(current);
                }
                if self.outside.disk.is_dead() {
                    return Ok(None);
                }
                let saved = engine.save_first();
                Ok(self.refused(saved)?.map(|()| engine).filter(|_| !self.outside.disk.is_dead()))
            }
        }
    }

    /// The disk may refuse a start; nothing else may.
    fn refused<T>(&self, result: Result<T, ExitError>) -> Result<Option<T>, String> {
        match result {
            Ok(done) => Ok(Some(done)),
            Err(error) if error.code == ExitStatus::Io => Ok(None),
            Err(error) => Err(format!("a start was refused: {}", error.message)),
        }
    }

    /// Every account moves something.
    fn send(&mut self, engine: &Engine<Outside>) {
        let roster = engine.state.roster();
        for number in 0..self.sent.len() {
            let slot = roster.slot_of(tag(roster, number)).expect("the file names it");
            let bytes = 1 + self.rng.below_u64(1000);
            engine.attribution.counters.add(slot, Direction::Up, bytes, 1);
            self.sent[number] += bytes;
        }
    }

    /// One process, from its start to its end.
    async fn live(&mut self, fault: Fault) -> Result<(), String> {
        let after = self.rng.below_u64(OPERATIONS);
        self.outside.disk.plan(fault, after);
        if let Some(engine) = self.start()? {
            for _ in 0..self.rng.below_u64(4) {
                self.send(&engine);
                self.outside.clocks.0[0].fetch_add(self.rng.below_u64(1800), Ordering::Relaxed);
                engine.step().await;
            }
            self.send(&engine);
            let state = Arc::clone(&engine.state);
            self.unsaved += u32::from(!state.health().store_ok);
            // Killed, ended for good, or handed over.
            let end = [None, Some(End::Stop), Some(End::HandOver)][self.rng.below(3)];
            if let Some(end) = end {
                engine.stop(end).await;
            }
            let saved = state.health().store_ok && !self.outside.disk.is_dead();
            // A process that was killed may not have come to forgetting.
            if saved && (end.is_some() || self.rng.one_in(2)) {
                self.left.drain(..self.left.len() - 1);
            }
            if saved && end == Some(End::Stop) {
                self.left.clear();
            }
        }
        if self.outside.disk.is_dead() && fault == Fault::PowerCut {
            self.left.clear();
            self.cut = true;
        }
        self.outside.disk.revive();
        Ok(())
    }
}

/// One run: faults of every kind, and at last a start on a disk that is well.
pub(crate) fn run(seed: u64) -> Result<u32, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let mut machine = Machine::new(seed);
        let power = machine.rng.one_in(4);
        for _ in 0..STARTS {
            let fault = match machine.rng.below(5) {
                0 => Fault::None,
                1 => Fault::Kill,
                2 if power => Fault::PowerCut,
                3 => Fault::Io,
                _ => Fault::Full(machine.rng.below_u64(2 * OPERATIONS)),
            };
            machine.live(fault).await?;
        }
        let engine = machine.start()?.ok_or("the last start failed on a disk that is well")?;
        machine.send(&engine);
        let (roster, node) = (engine.state.roster(), engine.state.node());
        for (number, sent) in machine.sent.iter().enumerate() {
            let slot = roster.slot_of(tag(roster, number)).ok_or("an account is gone")?;
            let (period, open) = node.totals(slot);
            let held = period.plus(open).up.bytes;
            if held > *sent || (held < *sent && !machine.cut) {
                return Err(format!("{held} bytes are held of {sent} that were counted"));
            }
        }
        Ok(machine.unsaved)
    })
}
