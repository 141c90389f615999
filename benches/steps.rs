//! Single steps of user space, each by itself: reading a frame, closing an epoch, rendering a release.
//!
//! `cargo bench --bench steps`; `-- --quick` is a shorter look. What a whole packet costs is in
//! `path.rs`, what a whole node costs in `scale.rs`.

#[path = "../tests/support/mod.rs"]
mod support;

use blindmeter::environment::SystemRandomness;
use blindmeter::meter::counters::Counters;
use blindmeter::meter::epoch::Epochs;
use blindmeter::meter::flag_counts::FlagCounts;
use blindmeter::meter::ledger::Ledger;
use blindmeter::meter::policy::Policy;
use blindmeter::meter::slot::{Direction, Slot};
use blindmeter::publish::exposition;
use blindmeter::tap::frame::{self, LinkType};
use blindmeter::tap::super_packet::{Gso, Transport, segments};
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use support::frames::{Address, IPV4, IPV6, datagram, frame, packet, segment};

/// Accounts of small to very large nodes.
const ACCOUNTS: [u32; 4] = [1_000, 10_000, 100_000, 1_000_000];

fn v4() -> Vec<u8> {
    datagram(Address::v4(0x0a00_0002), Address::v4(0xc000_0201), 60)
}

/// A chain of extension headers, hop-by-hop and destination options, before UDP.
fn v6_extended() -> Vec<u8> {
    let mut payload = [0; 40];
    (payload[0], payload[8]) = (60, 17);
    packet(Address::v6(0xfd00 << 112), Address::v6(0x2000 << 112), 0, &payload)
}

fn behind_ethernet(tags: &[u16], packet: &[u8]) -> Vec<u8> {
    let tags: Vec<(u16, u16)> = tags.iter().map(|tag| (*tag, 7)).collect();
    frame([2; 6], [2; 6], &tags, if packet[0] >> 4 == 4 { IPV4 } else { IPV6 }, packet)
}

fn frames(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("frame");
    let kinds = [
        ("bare v4", LinkType::RawIp, v4()),
        ("bare v6", LinkType::RawIp, v6_extended()),
        ("Ethernet v4", LinkType::Ethernet, behind_ethernet(&[], &v4())),
        (
            "Ethernet v4, four tags",
            LinkType::Ethernet,
            behind_ethernet(&[0x88a8, 0x8100, 0x8100, 0x9100], &v4()),
        ),
        ("no IP", LinkType::Ethernet, behind_ethernet(&[0x0806], &v4())),
        ("malformed", LinkType::RawIp, vec![0x45; 19]),
    ];
    for (name, link, frame) in &kinds {
        group.bench_function(*name, |bencher| {
            bencher.iter(|| frame::read(*link, black_box(frame), black_box(1400)));
        });
    }
    for (name, packet, tcp) in [
        ("super-packet v4", segment(Address::v4(0x0a00_0002), Address::v4(0xc000_0201), 5, 8), true),
        ("super-packet v6, extended", v6_extended(), false),
    ] {
        let transport = if tcp { Transport::Tcp } else { Transport::Udp };
        let gso = Gso { transport, segment_bytes: 1400 };
        group.bench_function(name, |bencher| {
            bencher.iter(|| segments(black_box(&packet), black_box(60_000), gso));
        });
    }
    group.finish();
}

fn closes(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("close of an epoch");
    group.sample_size(20);
    for accounts in ACCOUNTS {
        let counters = Counters::in_memory(accounts as usize);
        let mut ledger = Ledger::new(counters);
        let mut epochs = Epochs::new(Policy::DEFAULT, 0);
        let mut ordinal = 0;
        group.throughput(Throughput::Elements(u64::from(accounts)));
        group.bench_function(BenchmarkId::from_parameter(accounts), |bencher| {
            let count = || {
                for at in 0..accounts {
                    counters.add(Slot::new(Slot::FIRST_ACCOUNT.word() + at), Direction::Up, 2 << 20, 2_000);
                }
            };
            bencher.iter_batched(
                count,
                |()| {
                    ordinal += 1;
                    let sealed =
                        epochs.seal(ordinal, &mut ledger, &FlagCounts::default(), &mut SystemRandomness);
                    assert!(sealed.is_ok(), "ordinals rise");
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

fn releases(criterion: &mut Criterion) {
    let counters = Counters::in_memory(100);
    let mut ledger = Ledger::new(counters);
    let mut epochs = Epochs::new(Policy::DEFAULT, 0);
    for at in 0..100 {
        counters.add(Slot::new(Slot::FIRST_ACCOUNT.word() + at), Direction::Down, 40 << 30, 40 << 20);
    }
    assert!(
        epochs.seal(1, &mut ledger, &FlagCounts::default(), &mut SystemRandomness).is_ok(),
        "ordinals rise"
    );
    let release = epochs.publish().expect("it was sealed");
    criterion.bench_function("rendering of a release", |bencher| {
        bencher.iter(|| exposition::released(black_box(&release), &Policy::DEFAULT));
    });
}

criterion_group!(steps, frames, closes, releases);
criterion_main!(steps);
