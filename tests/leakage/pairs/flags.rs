//! Flags on: worlds whose ticks come in another order inside each epoch show the same bytes at every look, and what
//! a tick was bad for shows at the release of its epoch and not before (rule L06).
//!
//! Inside a tick packets are moved freely. The controls are a world whose bad tick is spread over its epoch, which
//! must show no flag, and one without it, which must differ from the release on.

use crate::sim;
use crate::sim::log::Log;
use crate::sim::machine::Machine;
use crate::sim::packets::{Kind, Packet};
use crate::sim::setup::Setup;
use crate::support::frames::Address;
use crate::support::rng::Rng;
use crate::surfaces::{Asked, Snapshot};
use std::fmt::Write;

const LOOK_SECONDS: u64 = 15;
const TICK_LOOKS: usize = 240;
const TICKS: usize = 4;
const EPOCH_LOOKS: usize = TICKS * TICK_LOOKS;
const EPOCHS: usize = 6;

/// A quarter of an hour of the epoch that runs at the start, and the whole one after it: with its close ticks begin
/// with their epoch.
const BEFORE: usize = 60 + EPOCH_LOOKS;
const LOOKS: usize = BEFORE + EPOCHS * EPOCH_LOOKS + 20;

/// Looks from a close to its release: a 144th of an epoch, and the first look after it.
const TO_RELEASE: usize = 7;

const ACCOUNTS: u32 = 24;

/// The account that is cut off, in this epoch and in one tick of it; and the one that uploads, in a later one.
const CUT_OFF: (u32, usize, usize) = (3, 1, 2);
const UPLOADS: (u32, usize, usize) = (7, 5, 1);

/// How the traffic of an epoch lies in it.
#[derive(Clone, Copy, PartialEq)]
enum Order {
    /// Ticks as they were drawn.
    Drawn,
    /// In another order, drawn from this seed.
    Permuted(u64),
    /// As drawn, but for the packets of the account that is cut off: a part of them in every tick.
    Spread,
    /// As drawn, but nobody is cut off.
    Well,
}

/// The last is the one whose exports, with what is usual for it, have no limit.
fn name(account: u32) -> String {
    if account == ACCOUNTS { "probe".to_owned() } else { format!("file-{account:02}") }
}

fn roster() -> String {
    let mut text = "prefix,account\n10.77.0.200,idle-one\n".to_owned();
    for account in 1..=ACCOUNTS {
        writeln!(text, "10.77.0.{account},{}", name(account)).expect("a text takes a line");
    }
    text
}

/// What passes in one tick.
fn packets(epoch: usize, tick: usize, order: Order) -> Vec<Packet> {
    let mut packets = Vec::new();
    let mut pass = |account: u32, up: bool, count: usize, bytes: u64| {
        let kind = Kind::Ip(Address::v4(0x0a4d_0000 + account));
        packets.extend((0..count).map(|_| Packet { kind, up, bytes }));
    };
    for account in 1..=ACCOUNTS {
        // Ticks are unlike each other, so that their order matters to whoever can see it.
        let busy = 160 + 20 * ((account as usize + 3 * tick + epoch) % 4);
        let is = |of: (u32, usize, usize)| (account, epoch, tick) == of;
        if is(CUT_OFF) && order != Order::Well && order != Order::Spread {
            pass(account, true, 8000, 90);
            continue;
        }
        if order == Order::Spread && (account, epoch) == (CUT_OFF.0, CUT_OFF.1) {
            pass(account, true, 8000 / TICKS, 90);
        }
        if is(UPLOADS) {
            pass(account, true, busy * 20, 50_000);
        }
        pass(account, true, busy, 500);
        pass(account, false, busy * 2, 1200);
    }
    packets
}

/// A world, and what it shows at each look.
struct World {
    machine: Machine,
    /// By look.
    packets: Vec<Vec<Packet>>,
    shown: Snapshot,
}

impl World {
    fn new(order: Order, rng: &mut Rng) -> Self {
        let setup = Setup {
            epoch_seconds: EPOCH_LOOKS as u64 * LOOK_SECONDS,
            crowd: 10,
            link_bits_per_second: 1,
            save_every_seconds: Some(900),
            flags: true,
            ..Setup::default()
        };
        let mut machine = Machine::new(&setup, 7, 20_496 * 86_400 + (EPOCH_LOOKS as u64 - 60) * LOOK_SECONDS);
        machine.start(&roster(), false).expect("a first start");
        let mut placed = vec![Vec::new(); LOOKS];
        for epoch in 0..EPOCHS {
            let mut ticks: Vec<usize> = (0..TICKS).collect();
            if let Order::Permuted(seed) = order {
                let mut rng = Rng::seeded(seed ^ epoch as u64);
                (1..TICKS).for_each(|at| ticks.swap(at, rng.below(at + 1)));
            }
            for (place, tick) in ticks.into_iter().enumerate() {
                for packet in packets(epoch, tick, order) {
                    let look = BEFORE + epoch * EPOCH_LOOKS + place * TICK_LOOKS + rng.below(TICK_LOOKS);
                    placed[look].push(packet);
                }
            }
        }
        Self { machine, packets: placed, shown: Snapshot::default() }
    }

    async fn look(&mut self, look: usize, log: &mut Log) {
        for packet in std::mem::take(&mut self.packets[look]) {
            self.machine.count(&packet);
        }
        self.machine.pass(LOOK_SECONDS).await;
        self.shown.clear();
        let file = name(CUT_OFF.0);
        let asked =
            Asked { look, long: false, look_ups: 1, file: &file, prefix: "10.77.0.3", hook: "hook-00" };
        self.shown.take(&self.machine, &asked, log).await;
    }

    fn text(&self, part: &str) -> String {
        String::from_utf8_lossy(self.shown.part(part)).into_owned()
    }
}

/// When a release is served of this epoch of the traffic.
const fn release(epoch: usize) -> usize {
    BEFORE + (epoch + 1) * EPOCH_LOOKS - 1 + TO_RELEASE
}

#[test]
fn which_tick_was_bad_shows_nowhere_and_that_one_was_not_before_the_release() {
    let seen = sim::apart(|log| sim::runtime().block_on(compare(log)));
    // What was compared was there.
    let [flagged_of_cut_off, flagged_of_uploads] = seen;
    assert_eq!(flagged_of_cut_off, Some(release(CUT_OFF.1)), "who is cut off is told at the release");
    assert_eq!(flagged_of_uploads, Some(release(UPLOADS.1)), "who uploads is told at the release");
}

/// Compares; gives the looks at which the two accounts were first told as flagged.
async fn compare(log: &mut Log) -> [Option<usize>; 2] {
    let rng = &mut Rng::seeded(11);
    let orders = [Order::Drawn, Order::Permuted(1), Order::Permuted(2), Order::Spread, Order::Well];
    let mut worlds = orders.map(|order| World::new(order, rng));
    let mut first = [None; 2];
    let (mut moved, mut differed) = (0, 0);
    for look in 0..LOOKS {
        for world in &mut worlds {
            world.look(look, log).await;
        }
        let [drawn, one, two, spread, well] = &worlds;
        for permuted in [one, two] {
            let parts = drawn.shown.all().zip(permuted.shown.all());
            for ((part, text), (_, other)) in parts {
                let texts = [text, other].map(String::from_utf8_lossy);
                assert!(text == other, "look {look}: {} differs by the order of ticks: {texts:?}", part.name);
            }
            assert!(drawn.shown.same(&permuted.shown));
            let counted = |world: &World| world.machine.engine().state.node().node_totals().attributed;
            moved += usize::from(counted(drawn) != counted(permuted));
        }
        let at_release = release(CUT_OFF.1);
        for ((part, text), (_, other)) in drawn.shown.all().zip(well.shown.all()) {
            // An export is exact, from the close on.
            let may = look >= at_release || part.name.contains("export") && look + TO_RELEASE >= at_release;
            let texts = [text, other].map(String::from_utf8_lossy);
            assert!(text == other || may, "look {look}: {} tells of a bad tick before: {texts:?}", part.name);
            differed += usize::from(text != other && part.name == "flagged");
        }
        let flagged = drawn.text("flagged");
        for ((account, ..), first) in [CUT_OFF, UPLOADS].into_iter().zip(&mut first) {
            if flagged.contains(&name(account)) {
                first.get_or_insert(look);
            }
        }
        assert!(!spread.text("flagged").contains(&name(CUT_OFF.0)), "ticks are judged by themselves");
        assert!(!well.text("flagged").contains(&name(CUT_OFF.0)));
    }
    assert!(moved > LOOKS / 2, "{moved} looks with other counters");
    assert!(differed > 2 * EPOCH_LOOKS, "{differed} looks at which a flag is told");
    first
}
