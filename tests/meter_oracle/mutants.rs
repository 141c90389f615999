//! A few thousand damaged captures with a fixed seed: never a signal, never a bug's exit code, never a word too much.

use std::path::PathBuf;

use super::captures::{Capture, Order, Pcapng, pcap};
use super::link::{self, LINKS, Packet};
use super::program::{Outcome, Workbench};
use super::roster::Roster;
use crate::support::rng::Rng;

/// Mutants of each kind of file.
const MUTANTS: usize = 3_000;
/// Files on one command line.
const BATCH: usize = 100;

/// Damages a capture in one to four places.
fn damage(random: &mut Rng, capture: &Capture) -> Vec<u8> {
    let mut bytes = capture.bytes.clone();
    for _ in 0..=random.below(4) {
        // Headers are hit as often as all the rest: within 32 bytes after the end of a record.
        let end = random.pick(&capture.ends);
        let anywhere = random.below(capture.bytes.len());
        let at = if random.one_in(2) { end + random.below(32) } else { anywhere };
        if at >= bytes.len() {
            continue;
        }
        match random.below(9) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..(at + 1 + random.below(9)).min(bytes.len()))),
            2 => {
                let more = 1 + random.below(9);
                let more = random.bytes(more);
                bytes.splice(at..at, more);
            }
            3 => bytes[at] = random.pick(&[0, 1, 0x7f, 0x80, 0xff]),
            4 => {
                let word = random.pick(&[0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_fff0, 0xffff_ffff_u32]);
                let reach = (at + 4).min(bytes.len());
                bytes[at..reach].copy_from_slice(&word.to_be_bytes()[..reach - at]);
            }
            5 => bytes[at] = random.byte(),
            _ => bytes[at] ^= 1 << random.below(8),
        }
    }
    bytes
}

/// What must hold for a run over `files` mutants.
fn holds(outcome: &Outcome, files: usize) -> bool {
    match outcome.code {
        Some(0) => outcome.complaints.is_empty(),
        Some(2) => {
            let named = outcome.complaints.iter().all(|line| line.contains("mutant-"));
            named && (1..=files).contains(&outcome.complaints.len())
        }
        _ => false,
    }
}

fn survive(seed: u64, make: impl Fn(&mut Rng, &Roster) -> Capture) {
    let mut random = Rng::seeded(seed);
    let workbench = Workbench::new(Roster::seeded(&mut random));
    for batch in 0..MUTANTS / BATCH {
        let capture = make(&mut random, &workbench.roster);
        let files: Vec<PathBuf> = (0..BATCH)
            .map(|place| workbench.write(&format!("mutant-{place}"), &damage(&mut random, &capture)))
            .collect();
        let outcome = workbench.meter_confined(&files);
        if !holds(&outcome, BATCH) {
            for file in &files {
                let alone = workbench.meter_confined(std::slice::from_ref(file));
                if !holds(&alone, 1) {
                    let bytes = std::fs::read(file).expect("it was just written");
                    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                    let lines = alone.complaints.join("\n");
                    panic!(
                        "batch {batch}, {}: {} complaints {lines}\n{hex}",
                        file.display(),
                        alone.complaints.len()
                    );
                }
            }
            panic!("batch {batch} fails together only: {}", outcome.complaints.join("\n"));
        }
        outcome.expect_sums("a batch of mutants");
        if batch == 0 {
            let alone = files.iter().map(|file| workbench.meter(&[file]).number("/total/packets"));
            assert_eq!(alone.sum::<u64>(), outcome.number("/total/packets"), "mutants add up");
        }
    }
}

fn packets(random: &mut Rng, roster: &Roster, link: u16) -> Vec<Packet> {
    (0..8).map(|_| link::packet(random, roster, link)).collect()
}

#[test]
fn damaged_pcap_files_are_survived() {
    survive(600, |random, roster| {
        let link = random.pick(&LINKS);
        let packets = packets(random, roster, link);
        pcap(random.pick(&[Order::Little, Order::Big]), random.one_in(2), link, &packets)
    });
}

#[test]
fn damaged_pcapng_files_are_survived() {
    survive(601, |random, roster| {
        let mut file = Pcapng::new(random.pick(&[Order::Little, Order::Big]));
        for _ in 0..2 {
            let link = random.pick(&LINKS);
            file.interface(link, random.pick(&[0, 64, 65_535]));
            for packet in packets(random, roster, link) {
                match random.below(4) {
                    0 => file.simple(&packet),
                    1 => file.obsolete(0, &packet),
                    2 => file.block(5, &[0; 12]),
                    _ => file.enhanced(0, &packet, true),
                }
            }
            file.section(random.pick(&[Order::Little, Order::Big]));
        }
        file.finish()
    });
}
