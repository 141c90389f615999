//! The same of a fleet: what its totals tell about an account that is on several nodes in one day. Shares are split and
//! added up as two clusters do.

use super::support::rng::Rng;
use super::{MIB, OTHERS, holds, interval};
use blindmeter::fleet::shares::{WORDS, split};
use blindmeter::fleet::words::MODULUS;
use blindmeter::meter::budget::Epsilon;
use blindmeter::meter::counters::Counters;
use blindmeter::meter::epoch::Epochs;
use blindmeter::meter::flag_counts::FlagCounts;
use blindmeter::meter::ledger::Ledger;
use blindmeter::meter::policy::{Flagging, Mode, Noise, Policy};
use blindmeter::meter::release::Release;
use blindmeter::meter::scope::{Scope, Terms};
use blindmeter::meter::share::{COUNT, Opened, Share};
use blindmeter::meter::slot::{Direction, Slot};
use blindmeter::node::shares::Waiting;

/// Nodes of the fleet, and how many must have sent.
const NODES: u16 = 5;

/// Runs of each world: a fleet's takes as long as many of one node.
const RUNS: u32 = 120_000;

/// Large against the units in which bytes are summed.
const CLAMP: u64 = 1024 * MIB;

fn policy(nodes_a_day: u16) -> Policy {
    let epsilon = Epsilon::of_decimal("1.0").expect("a decimal");
    Policy {
        crowd: 1,
        link_bits_per_second: 1,
        flags: None,
        mode: Mode::Noisy(Noise { epsilon, clamp_bytes: CLAMP }),
        scope: Scope::Fleet(Terms { nodes: NODES, nodes_a_day }),
        ..Policy::DEFAULT
    }
}

/// One node, with its counters.
struct Node {
    counters: Counters,
    ledger: Ledger,
}

impl Node {
    fn new() -> Self {
        let counters = Counters::in_memory(OTHERS as usize + 1);
        Self { counters, ledger: Ledger::new(counters) }
    }

    fn add(&self, account: u32, bytes: u64) {
        let slot = Slot::new(Slot::FIRST_ACCOUNT.word() + account);
        self.counters.add(slot, Direction::Up, bytes, 1);
    }

    fn share(&mut self, policy: Policy, rng: &mut Rng) -> Share {
        let mut epochs = Epochs::new(policy, 0);
        assert!(epochs.seal(1, &mut self.ledger, &FlagCounts::default(), rng).is_ok());
        epochs.take_share().expect("a fleet's node has one")
    }
}

fn opened(shares: &[Share], rng: &mut Rng) -> Opened {
    Opened::new(added_up(shares, rng), shares.len() as u64)
}

/// What shares come to, by way of two clusters.
fn added_up(shares: &[Share], rng: &mut Rng) -> [i64; COUNT] {
    let mut sums = [[0_u64; WORDS]; 2];
    for share in shares {
        let mut key = [0; 32];
        key.as_chunks_mut().0.iter_mut().for_each(|word| *word = rng.word().to_le_bytes());
        for (sums, words) in sums.iter_mut().zip(split(&Waiting { ordinal: 1, share: *share, key })) {
            sums.iter_mut().zip(words).for_each(|(sum, word)| *sum = (*sum + word) % MODULUS);
        }
    }
    assert_eq!(sums[0][COUNT], sums[1][COUNT], "both halves are of one split");
    let mut words = [0; COUNT];
    for (at, word) in words.iter_mut().enumerate() {
        let sum = ((sums[0][at] + sums[1][at]) % MODULUS).cast_signed();
        *word = if sum < MODULUS.cast_signed() / 2 { sum } else { sum - MODULUS.cast_signed() };
    }
    words
}

/// How often the fleet's total is at least so much, where the account is on so many of its nodes.
fn frequency(policy: Policy, visited: u16, least: u64, seed: u64) -> u32 {
    let mut nodes: Vec<Node> = (0..NODES).map(|_| Node::new()).collect();
    let mut rng = Rng::seeded(seed);
    let mut count = 0;
    for _ in 0..RUNS {
        for (at, node) in (0..).zip(&nodes) {
            (1..=OTHERS).for_each(|account| node.add(account, MIB));
            // More than the clamp: what is above it does not show.
            node.add(0, if at < visited { 3 * CLAMP } else { 0 });
        }
        let shares: Vec<Share> = nodes.iter_mut().map(|node| node.share(policy, &mut rng)).collect();
        let release = Release::of_fleet(1, &opened(&shares, &mut rng), &policy);
        count += u32::from(!release.suppressed() && release.up_bytes() >= least.cast_signed());
    }
    count
}

/// The epsilon that is observed of an account on so many nodes, under a policy for so many a day.
fn observed(nodes_a_day: u16, visited: u16) -> f64 {
    let others = u64::from(NODES) * u64::from(OTHERS) * MIB;
    let least = others + CLAMP * u64::from(visited) / u64::from(nodes_a_day);
    let policy = policy(nodes_a_day);
    let (with, without) = (frequency(policy, visited, least, 1), frequency(policy, 0, least, 2));
    let fails = super::FAILS / 2.0;
    (interval::lower(with, RUNS, fails) / interval::upper(without, RUNS, fails)).ln()
}

#[test]
fn a_fleets_bytes_tell_an_epsilon_of_an_account_on_one_node_where_one_is_configured() {
    holds("a fleet's bytes, 1 node of 1", 1.0, observed(1, 1));
}

#[test]
fn a_fleets_bytes_tell_an_epsilon_of_an_account_on_two_nodes_where_two_are_configured() {
    holds("a fleet's bytes, 2 nodes of 2", 1.0, observed(2, 2));
}

#[test]
fn a_fleets_bytes_tell_an_epsilon_of_an_account_on_five_nodes_where_five_are_configured() {
    holds("a fleet's bytes, 5 nodes of 5", 1.0, observed(5, 5));
}

/// On fewer nodes than configured less is told; on more, as much more.
#[test]
fn fewer_nodes_than_configured_tell_less_and_more_tell_more() {
    let (fewer, more) = (observed(2, 1), observed(1, 2));
    println!("a fleet's bytes: 1 node of 2: observed {fewer:.4}; 2 nodes of 1: {more:.4}");
    assert!((0.45..=0.5).contains(&fewer), "1 node of 2: {fewer}");
    assert!((1.8..=2.0).contains(&more), "2 nodes of 1: {more}");
}

#[test]
fn a_node_of_a_fleet_publishes_nothing_of_its_own() {
    let (mut rng, mut node) = (Rng::seeded(3), Node::new());
    (0..OTHERS).for_each(|account| node.add(account, 3 * MIB));
    node.counters.add(Slot::UNATTRIBUTED, Direction::Up, 1 << 40, 1);
    node.counters.add(Slot::LOST, Direction::Up, 0, 1 << 30);
    let raised = FlagCounts { accounts: [90; 7], interruption: 1 << 20, failed_attempts: 1 << 20 };
    let policy = Policy { flags: Some(Flagging::DEFAULT), ..policy(2) };
    let mut epochs = Epochs::new(policy, 0);
    assert!(epochs.seal(1, &mut node.ledger, &raised, &mut rng).is_ok());
    let [ordinal, rest @ ..] = epochs.publish().expect("it was sealed").words();
    assert_eq!((ordinal, rest), (1, [0; Release::WORDS - 1]), "a node's page has nothing of its own traffic");
}

/// Without noise in it a share is what a node counted: both clusters together would read that.
#[test]
fn each_word_of_a_share_that_traffic_moves_has_noise() {
    let (mut rng, mut node) = (Rng::seeded(4), Node::new());
    let policy = Policy { flags: Some(Flagging::DEFAULT), ..policy(2) };
    let mut first = None;
    let mut moved = [false; COUNT];
    for _ in 0..200 {
        let words = added_up(&[node.share(policy, &mut rng)], &mut rng);
        let first = first.get_or_insert(words);
        moved.iter_mut().zip(words.iter().zip(first)).for_each(|(moved, (now, then))| *moved |= now != then);
    }
    // The room for accounts is the roster's.
    let still = moved.iter().filter(|moved| !**moved).count();
    assert_eq!(still, 1, "each other word of a share has noise: {moved:?}");
}
