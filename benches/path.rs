//! What a packet costs in user space: parse, look-up and count, beside an empty loop over the same
//! frames. Criterion's figures first, then one table of ratios measured side by side.
//!
//! `cargo bench` runs both; `cargo bench -- --quick` is a shorter look.
#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "a bench measures time and prints it")]
#![expect(unsafe_code, reason = "a global allocator is unsafe by its trait")]

#[path = "path/frames.rs"]
mod frames;
#[path = "path/owners.rs"]
mod owners;
#[path = "../tests/support/mod.rs"]
mod support;

use criterion::{Criterion, Throughput};
use frames::{FRAMES, Traffic};
use owners::Owners;
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Accounts of a small, a large and a very large node.
const ACCOUNTS: [u32; 3] = [1_000, 60_000, 1_000_000];

/// Rounds of the table; medians are printed.
const ROUNDS: usize = 15;

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call is passed on to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // Relaxed: a sum, read by the one thread that measures.
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .configure_from_args();
    let mut table = Vec::new();
    for owners in Owners::ALL {
        for accounts in ACCOUNTS {
            let traffic = Traffic::new(owners, accounts);
            let mut group = criterion.benchmark_group("path");
            group.throughput(Throughput::Elements(FRAMES as u64));
            group.bench_function(format!("{}/{accounts}", owners.word()), |bencher| {
                bencher.iter(|| traffic.count_all());
            });
            group.finish();
            table.push(row(owners, accounts, &traffic));
            assert!(traffic.is_attributed(), "every packet of {} found its owner", owners.word());
        }
    }
    println!("\nns per packet, medians of {ROUNDS} rounds of {FRAMES} packets, accounts in random order");
    println!(
        "{:<10} {:>9} {:>8} {:>8} {:>7} {:>12}",
        "addresses", "accounts", "floor", "path", "ratio", "allocations"
    );
    for line in table {
        println!("{line}");
    }
    criterion.final_summary();
}

fn row(owners: Owners, accounts: u32, traffic: &Traffic) -> String {
    let (mut floors, mut paths) = (Vec::new(), Vec::new());
    let mut allocations = 0;
    for _ in 0..ROUNDS {
        floors.push(timed(|| traffic.touch_all()));
        let before = ALLOCATIONS.load(Ordering::Relaxed);
        let path = timed(|| traffic.count_all());
        allocations += ALLOCATIONS.load(Ordering::Relaxed) - before;
        paths.push(path);
    }
    let (floor, path) = (median(floors), median(paths));
    let word = owners.word();
    format!("{word:<10} {accounts:>9} {floor:>8.2} {path:>8.2} {:>7.1} {allocations:>12}", path / floor)
}

/// Nanoseconds per packet.
fn timed(round: impl FnOnce()) -> f64 {
    let start = Instant::now();
    round();
    start.elapsed().as_secs_f64() * 1e9 / FRAMES as f64
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
