//! What two clusters see of a fleet: two nodes, each the daemon's own engine, live through two weeks, and what they send at
//! each refresh is written down as the clusters' servers are told it, with the time. Everything is kept that a server holds,
//! or held: each call in its order, for each word the one of the week before. Holds no attack.

use super::node::{MIDNIGHT, Node, PUBLISHED_AFTER, account_name};
use super::worlds::DAY_SECONDS;
use crate::support::rng::Rng;
use blindmeter::engine::refreshes::{News, Refresh, RefreshedAccount};
use blindmeter::fleet::keys::{FleetKey, PeriodTag};
use blindmeter::fleet::sending::Sending;
use blindmeter::fleet::words::Words;
use blindmeter::meter::flags::kind::Kinds;
use blindmeter::meter::slot::Slot;
use blindmeter::meter::tags::Tag;
use blindmeter::roster::account::AccountName;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

pub(crate) const NODES: usize = 2;

/// Days of a week.
const WEEK: u64 = 7;

/// Clients come an hour after midnight, when the day before is over for a node.
const HOUR: u64 = 3600;

/// What an account does in the second of the two weeks.
#[derive(Clone, Copy, Default)]
pub(crate) struct Deed {
    pub(crate) node: usize,
    pub(crate) bytes: u64,
    /// On which of the week's days it comes, moves this, and goes.
    pub(crate) day: u64,
    pub(crate) flagged: bool,
}

/// Of an account, as a cluster was told it by a node.
pub(crate) struct Put {
    pub(crate) node: usize,
    pub(crate) at: u64,
    /// Where in its sending, less where by the order of slots and tags, as a share of the sending.
    pub(crate) displaced: f64,
    pub(crate) value: Vec<u8>,
}

impl Put {
    pub(crate) fn words(&self) -> Words {
        let word = |at: usize| {
            let bytes = self.value.iter().skip(4 + 7 * at).take(7);
            bytes.fold(0, |word, byte| word << 8 | u64::from(*byte))
        };
        Words(std::array::from_fn(word))
    }
}

/// A call, as whoever watches the wire between a node and a cluster sees it: when, of how many accounts, how long.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape(u64, usize, usize);

/// What a cluster saw.
#[derive(Default)]
pub(crate) struct Cluster {
    puts: HashMap<PeriodTag, Vec<Put>>,
    pub(crate) shapes: Vec<Shape>,
}

impl Cluster {
    /// What a node put of an account up to this time, and since that one.
    pub(crate) fn of(&self, tag: PeriodTag, node: usize, since: u64, until: u64) -> Vec<&Put> {
        let puts = self.puts.get(&tag).map_or(&[][..], |puts| puts);
        puts.iter().filter(|put| put.node == node && (since..until).contains(&put.at)).collect()
    }

    /// A node's sending, every call of which is taken.
    fn hear(&mut self, node: usize, at: u64, sending: &mut Sending, place: usize) {
        let mut tags = Vec::new();
        while sending.is_sending(place) {
            let asked = sending.round(place, at / u64::from(DAY_SECONDS));
            let replies: Vec<Vec<Vec<u8>>> =
                asked.iter().map(|(_, call)| vec![Vec::new(); call.keys.len()]).collect();
            sending.heard(place, &asked, &replies).expect("an answer");
            for (_, call) in asked {
                let bytes = call.arguments.iter().map(Vec::len).sum();
                self.shapes.push(Shape(at, call.keys.len(), bytes));
                for (tag, value) in call.keys.iter().zip(call.arguments[2..].chunks(2)) {
                    let put = Put { node, at, displaced: tags.len() as f64, value: value[1].clone() };
                    self.puts.entry(*tag).or_default().push(put);
                    tags.push(*tag);
                }
            }
        }
        let mut sorted = tags.clone();
        sorted.sort_unstable_by_key(|tag| (tag.slot(), *tag));
        for (at, tag) in sorted.iter().enumerate() {
            if let Some(put) = self.puts.get_mut(tag).and_then(|puts| puts.last_mut()) {
                put.displaced = (put.displaced - at as f64) / tags.len() as f64;
            }
        }
    }
}

/// A fleet that lived.
pub(crate) struct World {
    pub(crate) key: FleetKey,
    /// By account.
    pub(crate) tags: Vec<PeriodTag>,
    pub(crate) clusters: [Cluster; 2],
}

/// When a week of the two begins, once the refresh of the one before is over.
pub(crate) fn week_begins(week: u64) -> u64 {
    MIDNIGHT + week * WEEK * u64::from(DAY_SECONDS) + HOUR / 2
}

impl World {
    /// Two weeks, of which accounts do this in the second.
    pub(crate) fn live(seed: u64, deeds: &[Deed]) -> Self {
        let mut rng = Rng::of(&[seed, 50]);
        let mut bytes = || -> [u8; 32] { rng.bytes(32).try_into().expect("32 bytes") };
        let key = FleetKey::new(&bytes());
        let tag = |account: usize| {
            let name = AccountName::parse(&account_name(account)).expect("a name");
            blindmeter::roster::tagger::Tagger::new(&key.of_accounts()).tag_of(&name)
        };
        let tags: Vec<Tag> = (0..deeds.len()).map(tag).collect();
        let period = MIDNIGHT / (28 * u64::from(DAY_SECONDS));
        let of_period = tags.iter().map(|tag| key.period_tag(*tag, period)).collect();
        let mut world = Self { key, tags: of_period, clusters: Default::default() };
        for node in 0..NODES {
            for (at, refresh) in refreshes(Rng::of(&[seed, 51, node as u64]).word(), node, deeds, &tags) {
                let expires = at + 40 * u64::from(DAY_SECONDS);
                let fixed = (2, expires, bytes());
                let mut sending = Sending::new(refresh, world.key.clone(), format!("node-{node}"), fixed);
                for (place, cluster) in world.clusters.iter_mut().enumerate() {
                    cluster.hear(node, at, &mut sending, place);
                }
            }
        }
        world
    }
}

/// What a node hands to whoever sends it, and when.
fn refreshes(seed: u64, number: usize, deeds: &[Deed], tags: &[Tag]) -> Vec<(u64, Refresh)> {
    let mut node = Node::new(deeds.len(), seed, None);
    let (mut rng, mut drawn) = (Rng::of(&[seed, 52]), Rng::of(&[seed, 57]));
    let state = Arc::clone(&node.machine.engine().state);
    state.node().collect_refreshes();
    let told: Arc<Mutex<Vec<Refresh>>> = Arc::default();
    let to = Arc::clone(&told);
    state.send_news(move |news| {
        if let News::Refreshed(refresh) = news {
            to.lock().expect("whole").push(refresh);
        }
    });
    let accounts: HashMap<Slot, usize> = (0..deeds.len())
        .map(|account| {
            let name = AccountName::parse(&account_name(account)).expect("a name");
            let roster = state.roster();
            (roster.slot_of(roster.tag_of(&name)).expect("the file names it"), account)
        })
        .collect();
    let mut found = Vec::new();
    let mut take = |at: u64| {
        for mut refresh in told.lock().expect("whole").drain(..) {
            refresh.accounts = refresh
                .accounts
                .iter()
                .map(|account| of_fleet(account, &accounts, deeds, tags, number))
                .collect();
            found.push((at, refresh));
        }
    };
    for account in (0..deeds.len()).filter(|_| drawn.chance(0.5)) {
        node.count(account, rng.word() % (1 << 33), rng.word() % (1 << 35));
    }
    for day in 0..2 * WEEK {
        node.pass(HOUR);
        for (account, deed) in deeds.iter().enumerate() {
            if WEEK + deed.day == day && deed.node == number && deed.bytes > 0 {
                node.count(account, deed.bytes / 8, deed.bytes);
                node.comes_and_goes(account);
                take(node.now());
            }
        }
        node.pass_until(MIDNIGHT + (day + 1) * u64::from(DAY_SECONDS));
        take(node.now());
        node.pass(PUBLISHED_AFTER);
        take(node.now());
    }
    found
}

/// An account by the fleet's tag, with the flags that the game gives it in the second week.
fn of_fleet(
    account: &RefreshedAccount,
    accounts: &HashMap<Slot, usize>,
    deeds: &[Deed],
    tags: &[Tag],
    node: usize,
) -> RefreshedAccount {
    let number = accounts[&account.slot];
    let deed = deeds[number];
    let kinds = Kinds::of_bits(if deed.flagged && deed.node == node { 0b101 } else { 0 });
    RefreshedAccount { tag: tags[number], kinds, ..*account }
}
