//! When the traffic of an epoch happened shows nowhere: the light form of the leakage harness.
//!
//! Two worlds run side by side on equal clocks and equal randomness. In each epoch every account
//! moves the same bytes and packets in both, but at other times and in other pieces. Every surface
//! that a node has by itself is compared at every look, byte by byte. Its health and the status are the
//! engine's: `tests/leakage/pairs` runs it, and compares them with everything else that it shows.

use crate::environment::{Clocks, EPOCH, NOON, POLICY, SimulatedNode, TICK, cases, start_under};
use crate::support::rng::Rng;
use blindmeter::control::reports::{AccountExport, AccountView};
use blindmeter::meter::counters::Counters;
use blindmeter::meter::policy::{Mode, Policy};
use blindmeter::meter::slot::{Direction, Slot};
use blindmeter::node::Tick;
use blindmeter::node::rate_limits::Figures;
use blindmeter::publish::exposition;
use proptest::prelude::*;

/// Slots: the reserved ones, and enough accounts for a crowd.
const ACCOUNTS: usize = 40;

/// The policies of the two modes.
const POLICIES: [Policy; 2] = [POLICY, Policy { mode: Mode::Coarse, ..POLICY }];

/// What one slot moves in one direction in one epoch.
#[derive(Clone, Copy, Debug)]
struct Flow {
    epoch: u64,
    slot: u32,
    up: bool,
    bytes: u64,
    packets: u64,
}

/// A piece of a flow at its time, in seconds since the worlds began.
#[derive(Clone, Copy)]
struct Piece {
    at: u64,
    flow: Flow,
}

/// Cuts the flows into pieces and puts each somewhere inside its epoch.
fn pieces(flows: &[Flow], seed: u64) -> Vec<Piece> {
    let mut randomness = Rng::seeded(seed);
    let mut pieces = Vec::new();
    for flow in flows {
        let mut rest = *flow;
        while rest.bytes > 0 || rest.packets > 0 {
            let last = randomness.below_u64(3) == 0;
            let bytes = if last { rest.bytes } else { randomness.below_u64(rest.bytes + 1) };
            let packets = if last { rest.packets } else { randomness.below_u64(rest.packets + 1) };
            // The worlds begin at noon; a close comes with the first look after midnight.
            let midnight = EPOCH - NOON % EPOCH + flow.epoch * EPOCH;
            let at = midnight + 2 * TICK + randomness.below_u64(EPOCH - 4 * TICK);
            pieces.push(Piece { at, flow: Flow { bytes, packets, ..*flow } });
            rest = Flow { bytes: rest.bytes - bytes, packets: rest.packets - packets, ..rest };
        }
    }
    pieces.sort_unstable_by_key(|piece| piece.at);
    pieces
}

/// One of the two worlds.
struct World {
    policy: Policy,
    clocks: Clocks,
    node: SimulatedNode,
    counters: Counters,
    pieces: Vec<Piece>,
    released: String,
}

impl World {
    fn new(policy: Policy, flows: &[Flow], seed: u64, order: u64) -> Self {
        let clocks = Clocks::new();
        let (node, counters) = start_under(policy, &clocks, ACCOUNTS, seed);
        let released = exposition::released(&node.released(), &policy);
        let mut pieces = pieces(flows, order);
        pieces.reverse();
        Self { policy, clocks, node, counters, pieces, released }
    }

    /// Lives through one look at the clock.
    fn live(&mut self, now: u64) {
        self.clocks.pass(TICK);
        while let Some(Piece { flow, .. }) = self.pieces.pop_if(|piece| piece.at <= now) {
            let direction = if flow.up { Direction::Up } else { Direction::Down };
            self.counters.add(Slot::new(flow.slot), direction, flow.bytes, flow.packets);
        }
        if let Tick::Released(release) = self.node.tick() {
            self.released = exposition::released(&release, &self.policy);
        }
    }

    /// Everything that the node shows to anybody before the open epoch is closed: the released part of the
    /// page, what support sees of each account, and each account's export without the open epoch.
    fn surfaces(&self) -> Vec<String> {
        let mut surfaces = vec![self.released.clone()];
        for at in 0..ACCOUNTS {
            let slot = Slot::new(u32::try_from(Slot::FIRST_ACCOUNT.index() + at).expect("few slots"));
            let (period, open) = self.node.totals(slot);
            let view = AccountView::new("somebody", self.node.band(slot), self.node.band_dates(), Vec::new());
            surfaces.push(serde_json::to_string(&view).expect("a report is JSON"));
            let export = AccountExport::new("somebody", Figures { period, open }, false, None, Vec::new());
            surfaces.push(serde_json::to_string(&export).expect("a report is JSON"));
        }
        surfaces
    }

    fn open_bytes(&self) -> u64 {
        let node = self.node.node_totals();
        node.attributed.bytes().wrapping_add(node.unattributed.bytes())
    }
}

/// What two worlds showed.
#[derive(Default)]
struct Comparison {
    /// Looks at which a surface differed, in seconds since the worlds began.
    differing: Vec<u64>,
    /// Looks at which the counters differed: the traffic had indeed moved.
    moved: usize,
    /// Different pages of the first world, the empty one included.
    pages: Vec<String>,
}

fn compare(policy: Policy, flows: &[Flow], seed: u64, orders: [u64; 2], epochs: u64) -> Comparison {
    let [mut one, mut other] = orders.map(|order| World::new(policy, flows, seed, order));
    let mut comparison = Comparison::default();
    for look in 1..=(epochs + 1) * EPOCH / TICK {
        one.live(look * TICK);
        other.live(look * TICK);
        // Every tenth look is compared whole; between them the page, which is what is scraped.
        let same = one.released == other.released && (look % 10 != 0 || one.surfaces() == other.surfaces());
        if !same {
            comparison.differing.push(look * TICK);
        }
        comparison.moved += usize::from(one.open_bytes() != other.open_bytes());
        if comparison.pages.last() != Some(&one.released) {
            comparison.pages.push(one.released.clone());
        }
    }
    comparison
}

fn any_flow(epochs: u64) -> impl Strategy<Value = Flow> {
    let slots = u32::try_from(Slot::FIRST_ACCOUNT.index() + ACCOUNTS).expect("few slots");
    (0..epochs, 0..slots, any::<bool>(), 0_u32..34, any::<u64>(), 0_u64..5000).prop_map(
        |(epoch, slot, up, power, word, packets)| Flow {
            epoch,
            slot,
            up,
            bytes: word % (1 << power),
            packets,
        },
    )
}

/// Flows of any size, most of them held back in coarse mode since one account dominates; or those of a crowd about
/// as large as the gate asks for, so that the noise decides and none of it may depend on traffic.
fn any_flows() -> impl Strategy<Value = Vec<Flow>> {
    let crowd = (15_u32..25, 1_u64 << 20..1 << 22).prop_map(|(accounts, bytes)| crowd(accounts, |_| bytes));
    prop_oneof![prop::collection::vec(any_flow(3), 0..300), crowd]
}

/// The same bytes for so many accounts in both directions, in each of three epochs.
fn crowd(accounts: u32, bytes: impl Fn(u64) -> u64) -> Vec<Flow> {
    let flow = |epoch, at, up| Flow {
        epoch,
        slot: Slot::FIRST_ACCOUNT.word() + at,
        up,
        bytes: bytes(epoch),
        packets: 1000,
    };
    (0..3)
        .flat_map(|epoch| (0..accounts).map(move |at| (epoch, at)))
        .flat_map(|(epoch, at)| [true, false].map(|up| flow(epoch, at, up)))
        .collect()
}

proptest! {
    #![proptest_config(cases(48))]

    /// Moving traffic in time inside its epochs changes no byte of any surface at any time.
    #[test]
    fn when_inside_an_epoch_shows_nowhere(
        seed: u64,
        orders: [u64; 2],
        flows in any_flows(),
        mode in 0..2_usize,
    ) {
        let differing = compare(POLICIES[mode], &flows, seed, orders, 3).differing;
        prop_assert!(differing.is_empty(), "the worlds differ after {differing:?} seconds");
    }
}

/// The control: with a crowd that is released, the worlds do move different bytes at most looks, and
/// the pages do change from epoch to epoch; and a byte more in an epoch shows at its release.
#[test]
fn the_two_worlds_are_not_the_same_by_chance() {
    let accounts = u32::try_from(ACCOUNTS).expect("few accounts");
    let crowd = |bytes: u64| crowd(accounts, |epoch| bytes * (epoch + 1));
    for policy in POLICIES {
        let comparison = compare(policy, &crowd(64 << 20), 1, [2, 3], 3);
        assert!(comparison.differing.is_empty());
        assert!(comparison.moved > 200, "{} looks with different counters", comparison.moved);
        assert_eq!(comparison.pages.len(), 4);
        assert!(comparison.pages[1..].iter().all(|page| page.contains("blindmeter_epoch_suppressed 0")));
        let richer = compare(policy, &crowd(96 << 20), 1, [2, 3], 3);
        assert!(richer.pages[0] == comparison.pages[0]);
        assert!((1..4).all(|at| richer.pages[at] != comparison.pages[at]));
    }
}
