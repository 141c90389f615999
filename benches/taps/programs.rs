//! What a packet costs in the kernel's program, beside an empty program and beside the least that a
//! counter for each address can cost; by the kernel's own statistics, under real packets on a veth.

use std::os::fd::{AsFd, OwnedFd};

use aya::EbpfLoader;
use aya::programs::SchedClassifier;

use crate::bpf::{self, Runs, Way};
use crate::generator::{BUSY_BYTES, Generator, SMALL, STRANGER, Work};
use crate::loader::{Layout, Loaded, Privileges};
use crate::netns::Namespace;
use crate::owners::Owners;
use crate::{Length, minimum, verdict};

/// The floors, made of floor.bpf.c by `src/tap/bpf/build`.
const FLOORS: &[u8] = aya::include_bytes_aligned!("floor.bpf.o");

/// Accounts of a small and of a large node.
const ACCOUNTS: [u32; 2] = [1_000, 60_000];

/// The goals: at most so many nanoseconds above the empty program, for addresses of pools.
const GOALS: [f64; 2] = [6.0, 12.0];

/// Frames that are sent before a round begins, to fill the caches with what the program needs.
const WARM_UP: u64 = 8192;

/// One program under test.
struct Row {
    name: String,
    accounts: u32,
    owners: Owners,
    program: OwnedFd,
    /// The row whose time is the floor of this one, and the goal.
    floor: Option<usize>,
    goal: Option<f64>,
    loaded: Option<Loaded>,
    /// Nanoseconds a run, by round: of a core that does nothing else, and of a busy one.
    quiet: Vec<f64>,
    busy: Vec<f64>,
}

/// Measures all programs in turns and prints the table.
pub(crate) fn run(length: Length) {
    let (rounds, frames) = match length {
        Length::Full => (15, 100_000),
        Length::Quick => (3, 20_000),
    };
    let mut rows = rows();
    let (sender, metered) = (Namespace::new(), Namespace::new());
    sender.veth("gen0", "02:00:00:00:00:01", &metered, "met0", "02:00:00:00:00:02");
    let mut generator = Generator::new(&sender, "gen0", STRANGER, SMALL);
    let statistics = bpf::take_run_times().expect("CAP_SYS_ADMIN to have the kernel take run times");
    crate::pin_to_last_core();
    let mut work = Work::new();
    for _ in 0..rounds {
        for row in &mut rows {
            generator.speak_for(row.owners, row.accounts);
            let quiet = round(&metered, &mut generator, row, frames, None);
            row.quiet.push(quiet);
            if length == Length::Full {
                let busy = round(&metered, &mut generator, row, frames, Some(&mut work));
                row.busy.push(busy);
            }
        }
    }
    drop(statistics);
    rows.iter().for_each(assert_attributed);
    print(&rows, length, rounds, frames);
}

/// Attaches a program, sends, and gives the mean time of its runs.
fn round(
    metered: &Namespace,
    generator: &mut Generator,
    row: &Row,
    frames: u64,
    mut work: Option<&mut Work>,
) -> f64 {
    let index = metered.device_index("met0");
    let program = row.program.try_clone().expect("a descriptor can be copied");
    let link = metered.run(move || bpf::attach(&program, index, Way::In)).expect("tcx: Linux 6.6 or later");
    generator.send(WARM_UP, work.as_deref_mut());
    let before = read(row);
    generator.send(frames, work);
    let runs = read(row).since(before);
    drop(link);
    assert!(runs.count >= frames, "{} frames ran {} times through {}", frames, runs.count, row.name);
    runs.mean()
}

fn read(row: &Row) -> Runs {
    bpf::runs(&row.program).expect("the kernel describes a program to its owner")
}

/// Every packet was charged to an account: what was measured is the whole way.
fn assert_attributed(row: &Row) {
    if let Some(loaded) = &row.loaded {
        let runs = read(row).count;
        assert_eq!(loaded.attributed_packets(), runs, "packets that {} attributed", row.name);
    }
}

fn rows() -> Vec<Row> {
    let mut rows = vec![floor_row("empty program", "empty", Owners::PoolV4, ACCOUNTS[0])];
    for (accounts, goal) in ACCOUNTS.into_iter().zip(GOALS) {
        let floors = rows.len();
        rows.push(floor_row("one touch, v4", "touch_v4", Owners::PoolV4, accounts));
        rows.push(floor_row("one touch, v6", "touch_v6", Owners::PoolV6, accounts));
        let floor = |owners: Owners| floors + usize::from(!owners.is_v4());
        let pools = [Owners::PoolV4, Owners::PoolV6];
        for owners in Owners::ALL {
            let row = meter_row(owners, accounts, Layout::Sliced, Privileges::Service);
            let goal = pools.contains(&owners).then_some(goal);
            rows.push(Row { floor: Some(floor(owners)), goal, ..row });
        }
        for (layout, privileges) in [
            (Layout::Sliced, Privileges::WithPerfmon),
            (Layout::Locked, Privileges::Service),
            (Layout::Locked, Privileges::WithPerfmon),
        ] {
            for owners in pools {
                let row = meter_row(owners, accounts, layout, privileges);
                rows.push(Row { floor: Some(floor(owners)), ..row });
            }
        }
    }
    rows
}

fn meter_row(owners: Owners, accounts: u32, layout: Layout, privileges: Privileges) -> Row {
    let loaded = Loaded::start(owners, accounts, layout, privileges);
    let locked = if layout == Layout::Sliced { "" } else { ", locked" };
    let with = if privileges == Privileges::Service { "" } else { ", PERFMON" };
    let program = loaded.program.try_clone().expect("a descriptor can be copied");
    let name = format!("{}{locked}{with}", owners.word());
    Row { loaded: Some(loaded), ..row(name, owners, accounts, program) }
}

fn floor_row(name: &str, program: &str, owners: Owners, accounts: u32) -> Row {
    row(name.to_owned(), owners, accounts, floor(program, owners))
}

/// Loads one of the floors.
pub(crate) fn floor(program: &str, owners: Owners) -> OwnedFd {
    let mut loader = EbpfLoader::new();
    let first = owners.first();
    loader.override_global("first", &first, true);
    let mut object = loader.load(FLOORS).expect("the floors load");
    let loaded: &mut SchedClassifier =
        object.program_mut(program).expect("a floor of this name").try_into().expect("a classifier");
    loaded.load().expect("the floors load");
    let program = loaded.fd().expect("it is loaded").as_fd().try_clone_to_owned();
    program.expect("a descriptor can be copied")
}

fn row(name: String, owners: Owners, accounts: u32, program: OwnedFd) -> Row {
    let (quiet, busy) = (Vec::new(), Vec::new());
    Row { name, accounts, owners, program, floor: None, goal: None, loaded: None, quiet, busy }
}

fn print(rows: &[Row], length: Length, rounds: usize, frames: u64) {
    println!("\n== The kernel's program: ns a packet above the empty program, and times the one-touch floor");
    println!(
        "{rounds} rounds of {frames} packets of {SMALL} bytes each, all programs in turns, minima; accounts \
         drawn uniformly; quiet: the core does\nnothing else; busy: it writes {BUSY_BYTES} other bytes between two packets"
    );
    let loaded_with = |perfmon: bool| {
        let mut all = rows.iter().filter_map(|row| row.loaded.as_ref()).map(|loaded| &loaded.loaded_with);
        all.find(|with| with.contains("CAP_PERFMON") == perfmon)
    };
    if let (Some(service), Some(without)) = (loaded_with(true), loaded_with(false)) {
        println!("loaded with {without}; PERFMON: {service}");
    }
    println!(
        "{:<26} {:>8} {:>8} {:>7} {:>8} {:>7} {:>6}  goal",
        "addresses", "accounts", "quiet ns", "times", "busy ns", "times", "code"
    );
    let above = |row: &Row, busy: bool| {
        let times = |row: &Row| minimum(if busy { &row.busy } else { &row.quiet });
        times(row) - times(&rows[0])
    };
    for row in rows {
        let times = |busy| row.floor.map(|floor| above(row, busy) / above(&rows[floor], busy));
        let cells = [false, true].map(|busy| {
            let has = !if busy { &row.busy } else { &row.quiet }.is_empty();
            let text = |value: Option<f64>, digits| {
                value.filter(|_| has).map_or(String::new(), |value| format!("{value:.digits$}"))
            };
            (text(Some(above(row, busy)), 1), text(times(busy), 2))
        });
        let [(quiet, quiet_times), (busy, busy_times)] = cells;
        let code = read(row).code_bytes;
        let goal = row.goal.map_or(String::new(), |goal| {
            verdict(length, &format!("{goal:.0} ns"), above(row, false) <= goal)
        });
        println!(
            "{:<26} {:>8} {quiet:>8} {quiet_times:>7} {busy:>8} {busy_times:>7} {code:>6}  {goal}",
            row.name, row.accounts
        );
    }
    println!(
        "(the empty program's own runs take {:.1} ns, the taking of the time included)",
        minimum(&rows[0].quiet)
    );
}
