//! What the parts take by themselves: reading a roster, assigning, closing an epoch.

use std::cell::Cell;
use std::hint::black_box;
use std::path::Path;
use std::rc::Rc;

use blindmeter::clock::{Clock, Reading};
use blindmeter::environment::SystemRandomness;
use blindmeter::meter::counters::Counters;
use blindmeter::meter::policy::{DAY_SECONDS, Policy};
use blindmeter::meter::slot::{Direction, Slot};
use blindmeter::meter::tags::{Tag, Tags};
use blindmeter::node::{Node, Tick};
use blindmeter::roster::account::AccountName;
use blindmeter::roster::address::Prefix;
use blindmeter::roster::tagger::Tagger;
use blindmeter::roster::{Roster, Source, csv};
use blindmeter::store::disk::SystemDisk;
use blindmeter::store::{Settings, Store};

use crate::{Figure, Goal, account, figure, timed};

/// Assignments that are timed.
const ASSIGNMENTS: u32 = 200_000;

/// Two days, in hours: at least one close.
const HOURS: u64 = 48;

#[derive(Clone)]
pub(crate) struct SetClock(pub(crate) Rc<Cell<Reading>>);

impl Clock for SetClock {
    fn now(&self) -> Reading {
        self.0.get()
    }

    fn boot(&self) -> [u8; 16] {
        [1; 16]
    }
}

/// Measures the parts of a node of this size.
pub(crate) fn measure(accounts: u32) -> Vec<Figure> {
    let text = crate::roster(accounts);
    let of = |capacity| {
        let pools = [Prefix::parse("10.0.0.0/12").expect("a good pool")];
        Roster::new(&pools, Tags::in_memory(capacity as usize), Tagger::new(&[1; 32]), 1)
    };
    let rows = |roster: &Roster| {
        let rows = csv::read(text.as_bytes(), csv::nowhere, |row| roster.tag_of(&row.account));
        rows.expect("a good roster")
    };
    let roster = of(accounts);
    let (load, ()) = timed(|| {
        roster.replace(Source::File, rows(&roster)).expect("there is room for all");
    });
    // A fifteenth of the accounts more is room that the control socket leaves to the file.
    let fed_by_socket = of(accounts + accounts.div_ceil(15));
    fed_by_socket.replace(Source::Control, rows(&fed_by_socket)).expect("there is room for all");
    let assignments = assignments_a_second(&fed_by_socket, accounts);
    let (seal, save) = close(&roster, accounts);
    let (tick, judged) = flags(accounts);
    vec![
        figure("roster load, parsed and in force, s", load, Goal::AtMost(2.0)),
        figure("assignments a second", assignments, Goal::AtLeast(100_000.0)),
        figure("close: seal, latch and let go, s", seal, Goal::AtMost(1.0)),
        figure("close: its save, fsync included, s", save, Goal::None),
        figure("close: both, s", seal + save, Goal::AtMost(1.0)),
        figure("flags: a tick, s", tick, Goal::AtMost(0.5)),
        figure(
            "flags: the close of an epoch, its last tick and the seal included, s",
            judged,
            Goal::AtMost(2.0),
        ),
    ]
}

/// Every address changes hands, in an order that no cache likes.
fn assignments_a_second(roster: &Roster, accounts: u32) -> f64 {
    let stride = 0x9e37_79b1;
    let changes: Vec<(Prefix, AccountName)> = (0..ASSIGNMENTS)
        .map(|at| {
            let at = at.wrapping_mul(stride);
            let (_, address) = account(at % accounts);
            let (name, _) = account(at.rotate_left(16) % accounts);
            (Prefix::parse(&address).expect("an address"), AccountName::parse(&name).expect("a name"))
        })
        .collect();
    let (seconds, ()) = timed(|| {
        for (prefix, name) in &changes {
            roster.assign(Source::Control, *prefix, roster.tag_of(name)).expect("all are known");
        }
    });
    f64::from(ASSIGNMENTS) / seconds
}

/// A close at which everybody was active: the node's and the roster's part, and the save.
fn close(roster: &Roster, accounts: u32) -> (f64, f64) {
    let counters = Counters::in_memory(accounts as usize);
    let wall_seconds = 28 * DAY_SECONDS * 700;
    let clock = SetClock(Rc::new(Cell::new(Reading { wall_seconds, boot_nanoseconds: 0 })));
    let policy = Policy { flags: None, ..Policy::DEFAULT };
    let mut node = Node::forgetful(policy, counters, clock.clone(), SystemRandomness);
    for at in 0..accounts {
        counters.add(Slot::new(Slot::FIRST_ACCOUNT.word() + at), Direction::Up, 2 << 20, 2_000);
    }
    let mut seal = None;
    for _ in 0..HOURS {
        let Reading { wall_seconds, boot_nanoseconds } = clock.0.get();
        let boot_nanoseconds = boot_nanoseconds + 3_600_000_000_000;
        clock.0.set(Reading { wall_seconds: wall_seconds + 3600, boot_nanoseconds });
        let (seconds, is_sealed) = timed(|| {
            let Tick::Sealed { period_ended } = node.tick() else { return false };
            let used = node.used();
            let is_unused = |slot: Slot| !used.get(slot.index()).copied().unwrap_or(true);
            node.forget(&roster.at_close(period_ended, true, is_unused));
            true
        });
        seal = seal.or(is_sealed.then_some(seconds));
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut store = store(folder.path(), accounts);
    let head = node.head([2; 16]);
    let (save, ()) = timed(|| {
        let record = |slot| node.record(Slot::new(u32::try_from(slot).expect("a slot")), Tag([3; 16]));
        store.save_close(&head, record).expect("the disk takes it");
    });
    (seal.expect("an epoch was closed"), black_box(save))
}

/// Days that everybody was active on before the one that is timed: what is usual for them is known then.
const DAYS: u64 = 6;

/// The longest tick and close of a day with flags on, at which everybody was active; one core.
fn flags(accounts: u32) -> (f64, f64) {
    let counters = Counters::in_memory(accounts as usize);
    let wall_seconds = 28 * DAY_SECONDS * 700;
    let clock = SetClock(Rc::new(Cell::new(Reading { wall_seconds, boot_nanoseconds: 0 })));
    let mut node = Node::forgetful(Policy::DEFAULT, counters, clock.clone(), SystemRandomness);
    let (mut tick, mut close) = (0.0_f64, 0.0_f64);
    for hour in 1..=(DAYS + 1) * 24 {
        for at in 0..accounts {
            let (slot, busy) =
                (Slot::new(Slot::FIRST_ACCOUNT.word() + at), u64::from(at % 997) + hour % 7 + 1);
            counters.add(slot, Direction::Up, busy * 100_000, busy * 300);
            counters.add(slot, Direction::Down, busy * 1_000_000, busy * 900);
        }
        let Reading { wall_seconds, boot_nanoseconds } = clock.0.get();
        let boot_nanoseconds = boot_nanoseconds + 3_600_000_000_000;
        clock.0.set(Reading { wall_seconds: wall_seconds + 3600, boot_nanoseconds });
        let (seconds, ticked) = timed(|| node.tick());
        if hour > DAYS * 24 {
            match ticked {
                Tick::Sealed { .. } => close = close.max(seconds),
                _ => tick = tick.max(seconds),
            }
        }
    }
    assert!(close > 0.0 && tick > 0.0, "an epoch was closed");
    (tick, close)
}

pub(crate) fn store(folder: &Path, accounts: u32) -> Store<SystemDisk, SystemRandomness> {
    use std::os::unix::fs::OpenOptionsExt;
    let key_file = folder.join("ledger.key");
    let key = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&key_file);
    std::io::Write::write_all(&mut key.expect("a key file"), &[7; 32]).expect("a key file");
    let settings = Settings {
        path: folder.join("ledger.sealed"),
        key_file,
        node: "black-box".to_owned(),
        capacity: accounts as usize,
    };
    let opened = Store::open(SystemDisk, SystemRandomness, settings, false, false, |_, _| ());
    let (store, _) = opened.map_err(|error| error.to_string()).expect("a first start");
    store
}
