//! A machine with its clocks, its disk, its counters and one node on it, the real state machine over the
//! real store; and everything that was ever to be seen of its releases.

use crate::disk::{Fault, SimulatedDisk};
use crate::flags::Seen;
use crate::support::rng::Rng;
use blindmeter::clock::{Clock, Reading};
use blindmeter::meter::band::Band;
use blindmeter::meter::counters::Counters;
use blindmeter::meter::flags::baseline::Baseline;
use blindmeter::meter::flags::constants::HOUR;
use blindmeter::meter::ledger::{SavedEntry, SinceSave, SlotEntry};
use blindmeter::meter::noise::Randomness;
use blindmeter::meter::policy::Policy;
use blindmeter::meter::release::Release;
use blindmeter::meter::slot::{Direction, Slot};
use blindmeter::meter::tags::Tag;
use blindmeter::meter::units::Totals;
use blindmeter::node::saved::Head;
use blindmeter::node::{Node, Tick};
use blindmeter::store::{Opened, Settings, Store, chain_path};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// Length of an epoch, in seconds: at this length, with a link of one bit a second, totals are rounded
/// to single bytes.
pub(crate) const EPOCH: u64 = 3600;

/// Seconds between two looks at the clock.
pub(crate) const TICK: u64 = EPOCH / 16;

/// Looks between two saves, on average.
const SAVE_EVERY: usize = 5;

/// Accounts there is room for, and that there are.
pub(crate) const ACCOUNTS: u32 = 24;

/// Accounts that make a crowd.
pub(crate) const CROWD: u32 = 12;

/// Both clocks; a copy shows the same time.
#[derive(Clone)]
pub(crate) struct Clocks(Rc<Cell<(Reading, u8)>>);

impl Clocks {
    fn new() -> Self {
        let now = Reading { wall_seconds: 20_500 * 86_400 + 1800, boot_nanoseconds: 60_000_000_000 };
        Self(Rc::new(Cell::new((now, 1))))
    }

    pub(crate) fn pass(&self, seconds: u64) {
        let (mut now, boot) = self.0.get();
        now.wall_seconds += seconds;
        now.boot_nanoseconds += seconds * 1_000_000_000;
        self.0.set((now, boot));
    }

    pub(crate) fn set(&self, seconds: i64) {
        let (mut now, boot) = self.0.get();
        now.wall_seconds = now.wall_seconds.saturating_add_signed(seconds);
        self.0.set((now, boot));
    }

    fn reboot(&self) {
        let (mut now, boot) = self.0.get();
        now.wall_seconds += 40;
        now.boot_nanoseconds = 1_000_000_000;
        self.0.set((now, boot.wrapping_add(1)));
    }

    fn index(&self) -> u64 {
        self.now().wall_seconds / EPOCH
    }
}

impl Clock for Clocks {
    fn now(&self) -> Reading {
        self.0.get().0
    }
    fn boot(&self) -> [u8; 16] {
        [self.0.get().1; 16]
    }
}

/// What noise is drawn from.
pub(crate) enum Draws {
    Drawn(Rng),
    /// Every sample is 0: what is released is what was counted.
    Silent(usize),
}

impl Randomness for Draws {
    fn next_word(&mut self) -> u64 {
        match self {
            Self::Drawn(rng) => rng.word(),
            Self::Silent(at) => {
                // Low part 0, kept; no high part; positive.
                *at += 1;
                [0, 0, 1, 0][*at % 4]
            }
        }
    }
}

type Process = (Node<Clocks, Draws>, Store<SimulatedDisk, Rng>);

/// The machine.
pub(crate) struct Machine {
    pub(crate) policy: Policy,
    pub(crate) clocks: Clocks,
    pub(crate) disk: SimulatedDisk,
    pub(crate) rng: Rng,
    silent: bool,
    /// Counters outlive a killed process, as those in the kernel do.
    pinned: bool,
    counters: Counters,
    memory: [u8; 16],
    process: Option<Process>,
    /// Accounts that move something in this epoch; by chance at each close.
    active: u32,
    /// Bytes up and down that were sent, and how many of them when an epoch was closed last.
    pub(crate) sent: [u128; 2],
    pub(crate) sent_at_close: [u128; 2],
    /// Everything that was ever served, by ordinal, and how many losses there had been by then.
    pub(crate) served: BTreeMap<u64, (Release, usize)>,
    /// Wall index at each start that had to go on without what was kept.
    losses: Vec<u64>,
    /// The counters that are there outlived a process.
    adopted: bool,
    /// The fault that is planned takes the machine with it.
    cuts_power: bool,
    /// Counters were lost, so that not all that was sent can be released.
    pub(crate) lost_counters: bool,
    /// What was seen and must not be.
    pub(crate) broken: Vec<String>,
    pub(crate) starts: u32,
    pub(crate) releases: u32,
    pub(crate) suppressed: u32,
    /// Closes whose save failed: what they sealed is replaced, or saved later.
    pub(crate) unsaved: u32,
    /// What was to be seen of flags.
    pub(crate) flags: Seen,
    /// Epochs that were released again after a loss with the clock set back: nobody can know.
    pub(crate) forgiven: u32,
}

fn settings() -> Settings {
    Settings {
        path: PathBuf::from("/state/ledger.sealed"),
        key_file: PathBuf::from("/keys/ledger.key"),
        node: "simulated".to_owned(),
        capacity: ACCOUNTS as usize,
    }
}

fn slot(at: usize) -> Slot {
    Slot::new(u32::try_from(at).expect("few slots"))
}

impl Machine {
    pub(crate) fn new(seed: u64, policy: Policy, silent: bool, pinned: bool) -> Self {
        let mut rng = Rng::seeded(seed);
        let disk = SimulatedDisk::new(rng.word());
        disk.put(Path::new("/keys/ledger.key"), &[42; 32]);
        let mut machine = Self {
            policy,
            clocks: Clocks::new(),
            disk,
            rng,
            silent,
            pinned,
            counters: Counters::in_memory(ACCOUNTS as usize),
            memory: [1; 16],
            process: None,
            active: ACCOUNTS,
            sent: [0; 2],
            sent_at_close: [0; 2],
            served: BTreeMap::new(),
            losses: Vec::new(),
            adopted: false,
            cuts_power: false,
            lost_counters: false,
            broken: Vec::new(),
            starts: 0,
            releases: 0,
            suppressed: 0,
            unsaved: 0,
            flags: Seen::new(),
            forgiven: 0,
        };
        machine.start();
        machine
    }

    /// A fault of the disk at the operation of this number from now.
    pub(crate) fn plan(&mut self, fault: Fault, after: u64) {
        self.cuts_power = fault == Fault::PowerCut;
        self.disk.plan(fault, after);
    }

    /// The process ends, as it stands, and another starts.
    pub(crate) fn kill(&mut self) {
        self.end(false);
        self.start();
    }

    fn end(&mut self, machine_too: bool) {
        self.process = None;
        self.flags.started();
        self.disk.revive();
        if machine_too {
            self.clocks.reboot();
        }
        self.adopted = self.pinned && !machine_too;
        if !self.adopted {
            self.counters = Counters::in_memory(ACCOUNTS as usize);
            self.memory[0] = self.memory[0].wrapping_add(1);
            self.lost_counters = true;
        }
    }

    /// An older copy of the blob or of the chain file is put back, or one of them is gone; the process
    /// ends before and starts after it.
    pub(crate) fn restore(&mut self, copies: &[Option<Vec<u8>>; 2], which: usize) {
        let path = [settings().path, chain_path(&settings().path)][which].clone();
        match &copies[which] {
            Some(bytes) => self.disk.put(&path, bytes),
            None => self.disk.unlink(&path),
        }
        self.kill();
    }

    /// A bit of the blob is flipped; the process ends before and starts after it.
    pub(crate) fn damage(&mut self) {
        let path = settings().path;
        let bits = self.disk.bytes(&path).map_or(0, |bytes| bytes.len() as u64 * 8);
        // Not of the version, which a later program may have written, nor of what is always zero.
        if bits > 96 {
            let bit = 96 + self.rng.below_u64(bits - 96);
            assert!(self.disk.flip(&path, bit), "there is a blob");
            self.kill();
        }
    }

    /// Copies of blob and chain file as they are.
    pub(crate) fn copies(&self) -> [Option<Vec<u8>>; 2] {
        [settings().path, chain_path(&settings().path)].map(|path| self.disk.bytes(&path))
    }

    /// Starts a process, whatever it takes: `--accept-loss` where it is asked for.
    fn start(&mut self) {
        self.starts += 1;
        let mut accept_loss = false;
        loop {
            let (mut saved, mut bands, mut baselines) = (Vec::new(), Vec::new(), Vec::new());
            let randomness = Rng::seeded(self.rng.word());
            let (disk, adopted) = (self.disk.clone(), self.adopted);
            let opened = Store::open(disk, randomness, settings(), adopted, accept_loss, |at, record| {
                if self.policy.flags.is_some() && slot(at).is_account() {
                    baselines.push(record.baseline.unwrap_or_else(|| Baseline::new(&HOUR)));
                }
                let entry = SlotEntry { period: record.period, mark: record.mark };
                saved.push(SavedEntry { entry, reading: record.reading });
                bands.push(record.band);
            });
            match opened {
                Ok((store, opened)) => {
                    let node = self.node(opened, &saved, &bands, baselines);
                    self.process = Some((node, store));
                    self.save(false);
                    return;
                }
                Err(error) if error.is_disk() => self.end(self.disk.is_dead() && self.cuts_power),
                Err(error) if error.is_loss() => accept_loss = true,
                Err(error) => {
                    self.broken.push(format!("a start was refused for good: {error}"));
                    return;
                }
            }
        }
    }

    fn node(
        &mut self,
        opened: Opened,
        saved: &[SavedEntry],
        bands: &[Band],
        baselines: Vec<Baseline>,
    ) -> Node<Clocks, Draws> {
        let draws = if self.silent { Draws::Silent(3) } else { Draws::Drawn(Rng::seeded(self.rng.word())) };
        let head: Box<Head> = match opened {
            Opened::Resumed(head) => head,
            Opened::First | Opened::LossAccepted => {
                self.losses.push(self.clocks.index());
                self.lost_counters |= self.losses.len() > 1;
                return Node::forgetful(self.policy, self.counters, self.clocks.clone(), draws).keeping();
            }
        };
        let same = head.memory == self.memory;
        let since = |slot: Slot, reading: Totals| {
            let is_saved = saved.len() > slot.index();
            SinceSave { base: Some(reading).filter(|_| same && is_saved), reassigned: false }
        };
        let entries = saved.iter().map(|saved| saved.entry).collect();
        let readings: Vec<_> = saved.iter().map(|saved| saved.reading).collect();
        let kept = (entries, readings, bands.to_vec(), baselines);
        Node::resumed(self.policy, self.counters, self.clocks.clone(), draws, &head, kept, since)
    }

    /// One look at the clock, under traffic.
    pub(crate) fn tick(&mut self) {
        self.clocks.pass(TICK);
        self.send();
        let Some((node, _)) = &mut self.process else { return };
        match node.tick() {
            Tick::Sealed { .. } => {
                self.sent_at_close = self.sent;
                self.flags.closed(&mut self.rng);
                let active = self.rng.below_u64(u64::from(ACCOUNTS) + 1);
                self.active = u32::try_from(active).expect("small");
                self.save(true);
            }
            Tick::Released(release) => {
                self.flags.published();
                self.releases += 1;
                self.suppressed += u32::from(release.suppressed());
            }
            Tick::Refused => self.broken.push("a close was refused".to_owned()),
            Tick::Quiet if self.rng.one_in(SAVE_EVERY) => self.save(false),
            Tick::Quiet => {}
        }
        self.look();
    }

    fn send(&mut self) {
        if self.policy.flags.is_some() {
            return self.send_alike();
        }
        for account in 0..self.active {
            let slot = Slot::new(Slot::FIRST_ACCOUNT.word() + account);
            for (at, direction) in [Direction::Up, Direction::Down].into_iter().enumerate() {
                let bytes = (1 << 19) + self.rng.below_u64(1 << 18);
                self.counters.add(slot, direction, bytes, 1);
                self.sent[at] += u128::from(bytes);
            }
        }
    }

    /// Every account sends and is answered, but for the first where it is cut off: it sends and gets nothing back.
    fn send_alike(&mut self) {
        self.flags.looks += 1;
        for account in 0..ACCOUNTS {
            let slot = Slot::new(Slot::FIRST_ACCOUNT.word() + account);
            let is_cut_off = account == 0 && self.flags.cut_off;
            let packets = if is_cut_off { 2000 } else { 100 + self.rng.below_u64(50) };
            self.counters.add(slot, Direction::Up, packets * if is_cut_off { 70 } else { 500 }, packets);
            let answers = if is_cut_off { 0 } else { packets * 2 };
            self.counters.add(slot, Direction::Down, answers * 1200, answers);
        }
    }

    /// A save, as the daemon's keeper makes it. A fault may end the process in the middle of it.
    fn save(&mut self, closes: bool) {
        let Some((node, store)) = &mut self.process else { return };
        let head = node.head(self.memory);
        let record = |at: usize| node.record(slot(at), Tag([1; 16]));
        let result = if closes { store.save_close(&head, record) } else { store.save(&head, record) };
        match result {
            Ok(()) => node.saved(),
            Err(_) if closes => self.unsaved += 1,
            Err(_) => {}
        }
        if self.disk.is_dead() {
            self.end(self.cuts_power);
            self.start();
        }
    }

    /// What anybody can see now, and whether it agrees with all that was seen before.
    fn look(&mut self) {
        let Some((node, _)) = &self.process else { return };
        let names = ["ledger.key", "ledger.sealed", "ledger.sealed.chain", "ledger.sealed.new"];
        let known = |path: &PathBuf| {
            names.iter().any(|name| path.ends_with(name) || path.ends_with("ledger.sealed.chain.new"))
        };
        assert!(self.disk.names().iter().all(known), "the folder holds what it always holds");
        let release = node.released();
        let ordinal = release.ordinal();
        if self.policy.flags.is_some() {
            let told = |account: u32| node.flags(Slot::new(Slot::FIRST_ACCOUNT.word() + account));
            let others = (1..ACCOUNTS).any(|account| !told(account).is_empty());
            let what = self.flags.look(told(0), others, ordinal, self.losses.len());
            self.broken.extend(what.map(|what| format!("{what} in epoch {ordinal}")));
        }
        if ordinal == 0 {
            return;
        }
        let (before, losses) = *self.served.entry(ordinal).or_insert((release, self.losses.len()));
        if before == release {
            return;
        }
        // A start without memory bars the index that runs, and cannot know of later ones.
        if self.losses[losses..].iter().any(|index| *index < ordinal) {
            self.forgiven += 1;
            self.served.insert(ordinal, (release, self.losses.len()));
        } else {
            self.broken.push(format!("two values of epoch {ordinal}"));
        }
    }

    /// Starts that had to go on without what was kept, but for the first.
    pub(crate) fn losses(&self) -> u32 {
        u32::try_from(self.losses.len() - 1).expect("few")
    }

    /// Lets the clocks run truly and the disk be well, with a crowd that is large enough; seconds until
    /// the next release.
    pub(crate) fn seconds_to_release(&mut self, at_most: u64) -> Option<u64> {
        self.disk.revive();
        let before = self.releases;
        (1..=at_most / TICK).find_map(|ticks| {
            self.active = ACCOUNTS;
            self.tick();
            (self.releases > before).then_some(ticks * TICK)
        })
    }
}
