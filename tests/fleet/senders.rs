//! Nodes of a fleet that send with the program's own code, and an oracle that knows what each of them moved. Only the waits
//! are a test's: shorter than a node's. Holds no promise.

use super::servers::Servers;
use super::words::now;
use crate::support::rng::Rng;
use crate::support::wait::let_pass;
use blindmeter::clock::Stopwatch;
use blindmeter::engine::refreshes::{Refresh, RefreshedAccount};
use blindmeter::fleet::cluster::{Call, Cluster, Function};
use blindmeter::fleet::keys::{FleetKey, PeriodTag};
use blindmeter::fleet::look_up::Places;
use blindmeter::fleet::sending::Sending;
use blindmeter::fleet::settings::Role;
use blindmeter::fleet::trouble::Trouble;
use blindmeter::fleet::words::Words;
use blindmeter::meter::flags::kind::Kinds;
use blindmeter::meter::slot::Slot;
use blindmeter::meter::tags::Tag;
use nix::sched::{CloneFlags, setns};
use std::fs::File;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The one period of all weeks.
const PERIOD: u64 = 700;

/// A node waits before it asks again: so long first, twice as long each time, and no longer than the second.
const WAITS: [Duration; 2] = [Duration::from_millis(50), Duration::from_secs(1)];

/// The fleet as the oracle knows it: every word follows from the seed.
#[derive(Clone)]
pub(crate) struct Fleet {
    pub(crate) key: FleetKey,
    pub(crate) nodes: usize,
    pub(crate) accounts: u32,
    seed: u64,
}

impl Fleet {
    pub(crate) fn new(nodes: usize, accounts: u32, seed: u64) -> Self {
        let mut fleet = Self { key: FleetKey::new(&[0; 32]), nodes, accounts, seed };
        fleet.key = FleetKey::new(&fleet.key_bytes());
        fleet
    }

    pub(crate) fn key_bytes(&self) -> [u8; 32] {
        [self.seed.to_le_bytes()[0]; 32]
    }

    pub(crate) fn identity(&self) -> String {
        self.key.identity()
    }

    fn account(&self, number: u32) -> Tag {
        let mut tag = [0; 16];
        tag[..4].copy_from_slice(&number.to_le_bytes());
        Tag(tag)
    }

    pub(crate) fn tag(&self, account: u32) -> PeriodTag {
        self.key.period_tag(self.account(account), PERIOD)
    }

    pub(crate) fn places(&self, account: u32) -> Places {
        Places::new(&self.key, self.account(account), PERIOD)
    }

    /// What an account has moved on a node as of a week.
    fn moved(&self, node: usize, account: u32, week: u64) -> RefreshedAccount {
        let mut rng = Rng::of(&[self.seed, node as u64, account.into(), week]);
        RefreshedAccount {
            tag: self.account(account),
            slot: Slot::new(Slot::FIRST_ACCOUNT.word() + account),
            up_bytes: rng.word() >> 17,
            down_bytes: rng.word() >> 17,
            kinds: Kinds::of_bits(rng.byte()),
        }
    }

    fn refresh(&self, node: usize, week: u64) -> Refresh {
        let accounts = (0..self.accounts).map(|account| self.moved(node, account, week)).collect();
        Refresh { week, period: PERIOD, accounts }
    }

    /// What all nodes say of an account together.
    pub(crate) fn sum(&self, account: u32, week: u64) -> Words {
        let of = |node| {
            let moved = self.moved(node, account, week);
            Words::new(moved.up_bytes, moved.down_bytes, moved.kinds)
        };
        (0..self.nodes).map(of).fold(Words::default(), Words::and)
    }
}

/// What became of a node's calls.
#[derive(Clone, Copy, Default)]
pub(crate) struct Counts {
    /// Words that a cluster took.
    pub(crate) taken: u64,
    /// Calls that found less than had been taken, when it was read back.
    pub(crate) lacking: u64,
    /// Rounds that failed.
    pub(crate) failed: u64,
}

/// A node.
pub(crate) struct Sender {
    number: usize,
    name: String,
    fleet: Fleet,
    clusters: Vec<Cluster>,
    sending: Option<Sending>,
    /// Of each cluster, since when it has been left alone after a failure, and for how long it is to be.
    rests: Vec<(Stopwatch, Duration)>,
    /// The network namespace from which it speaks, where that is another.
    pub(crate) place: Option<String>,
    /// Where the words of an account lie that was erased.
    pub(crate) erased: Option<PeriodTag>,
    pub(crate) counts: Counts,
}

impl Sender {
    /// One for each node of the fleet, which send to these clusters.
    pub(crate) fn all(fleet: &Fleet, servers: &[Servers]) -> Vec<Self> {
        let of = |number: usize| {
            let cluster = |(servers, letter): (&Servers, char)| {
                let access = servers.access(letter, &fleet.identity(), Role::Node);
                Cluster::new(&access).expect("members have addresses")
            };
            Self {
                number,
                name: format!("node-{number}"),
                fleet: fleet.clone(),
                clusters: servers.iter().zip(['A', 'B']).map(cluster).collect(),
                sending: None,
                rests: servers.iter().map(|_| (Stopwatch::start(), Duration::ZERO)).collect(),
                place: None,
                erased: None,
                counts: Counts::default(),
            }
        };
        (0..fleet.nodes).map(of).collect()
    }

    /// The bands are refreshed: what was being sent is forgotten.
    pub(crate) fn refresh(&mut self, week: u64) {
        let refresh = self.fleet.refresh(self.number, week);
        let expires = now() + 40 * 86_400;
        let mut key = [self.number.to_le_bytes()[0]; 32];
        key[..8].copy_from_slice(&week.to_le_bytes());
        let fixed = (self.clusters.len(), expires, key);
        self.sending = Some(Sending::new(refresh, self.fleet.key.clone(), self.name.clone(), fixed));
    }

    fn sending(&mut self) -> &mut Sending {
        self.sending.as_mut().expect("it was refreshed")
    }

    pub(crate) fn is_done(&mut self, place: usize) -> bool {
        self.sending().is_done(place)
    }

    /// Everything is to be read back.
    pub(crate) fn review(&mut self) {
        self.sending().review();
    }

    /// As `fleet resend` has it.
    pub(crate) fn resend(&mut self) {
        self.sending().restart();
    }

    /// The next round to a cluster, by a clock that is so many days ahead.
    pub(crate) fn round(&mut self, place: usize, days: u64) -> Result<(), Trouble> {
        let sending = self.sending.as_mut().expect("it was refreshed");
        let asked = sending.round(place, (now() / 86_400).wrapping_add(days));
        let calls: Vec<Call> = asked.iter().map(|(_, call)| call.clone()).collect();
        let replies = self.clusters[place].call(&calls)?;
        let (obeyed, lacking) = sending.heard(place, &asked, &replies)?;
        assert!(obeyed.iter().all(|of| Some(of.tag) == self.erased), "only who was erased is forgotten");
        let is_put = |call: &&Call| call.function == Function::Put;
        self.counts.taken += calls.iter().filter(is_put).map(|call| call.keys.len() as u64).sum::<u64>();
        self.counts.lacking += lacking as u64;
        Ok(())
    }

    /// Makes every round that is left, to each cluster in turn, as the fleet's thread does.
    pub(crate) fn finish(&mut self) {
        loop {
            let left: Vec<usize> =
                (0..self.clusters.len()).filter(|place| !self.sending().is_done(*place)).collect();
            if left.is_empty() {
                return;
            }
            for place in left {
                let (since, rest) = &self.rests[place];
                if since.elapsed() < *rest {
                    continue;
                }
                let longer = (*rest * 2).clamp(WAITS[0], WAITS[1]);
                let rest = self.round(place, 0).map_or(longer, |()| Duration::ZERO);
                self.counts.failed += u64::from(!rest.is_zero());
                self.rests[place] = (Stopwatch::start(), rest);
            }
            if self.rests.iter().all(|(_, rest)| !rest.is_zero()) {
                let_pass(WAITS[0] / 5, "a node waits before it asks again");
            }
        }
    }

    /// Sends and reads back again and again until it is over, and once more then.
    fn live(&mut self, is_over: &AtomicBool) {
        if let Some(place) = &self.place {
            let namespace = File::open(place).expect("a namespace");
            setns(namespace, CloneFlags::CLONE_NEWNET).expect("root may enter it");
        }
        loop {
            let was_over = is_over.load(Ordering::Acquire);
            self.finish();
            if was_over {
                return;
            }
            let_pass(WAITS[1], "a node does not read back all the time");
            self.review();
        }
    }
}

/// All nodes send while something happens.
pub(crate) fn send_while<T>(senders: &mut [Sender], happens: impl FnOnce() -> T) -> T {
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for sender in senders {
            scope.spawn(|| sender.live(&is_over));
        }
        let happened = std::panic::catch_unwind(std::panic::AssertUnwindSafe(happens));
        is_over.store(true, Ordering::Release);
        happened.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
