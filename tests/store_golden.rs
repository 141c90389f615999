//! The blob and the chain file of format version 2, byte for byte: what an earlier version wrote is
//! read for ever, and this version writes the same.
//!
//! The files were written by this test's own steps with the randomness below; a change of the format
//! is a new version with files of its own beside these. Version 1 was never released: its files are gone. No figure in them depends on a draw of noise.

use blindmeter::meter::band::Band;
use blindmeter::meter::calendar::BandDates;
use blindmeter::meter::counters::Counters;
use blindmeter::meter::epoch::{Carry, Epochs};
use blindmeter::meter::flag_counts::FlagCounts;
use blindmeter::meter::ledger::Ledger;
use blindmeter::meter::noise::Randomness;
use blindmeter::meter::policy::{Mode, Policy};
use blindmeter::meter::release::Release;
use blindmeter::meter::slot::{Direction, Slot};
use blindmeter::meter::tags::Tag;
use blindmeter::meter::units::{Totals, Volume};
use blindmeter::node::rate_limits::{Looker, Officer, RateLimitState, Window};
use blindmeter::node::saved::{Head, InterfaceSum, Record};
use blindmeter::node::schedule::ScheduleState;
use blindmeter::store::disk::SystemDisk;
use blindmeter::store::format::blob_bytes;
use blindmeter::store::{Opened, Settings, Store};
use std::fs;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

const CAPACITY: usize = 3;

/// 1, 2, 3 and so on.
struct Counting(u64);

impl Randomness for Counting {
    fn next_word(&mut self) -> u64 {
        self.0 += 1;
        self.0
    }
}

fn golden(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/store/golden").join(file)
}

/// A folder with a copy of the golden key, for only its owner to read.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let key = fs::read(golden("v2.key")).expect("the golden key");
    let mut options = fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o600).open(folder.path().join("key"));
    std::io::Write::write_all(file.as_mut().expect("a key file"), &key).expect("it is written");
    folder
}

fn settings(folder: &Path) -> Settings {
    Settings {
        path: folder.join("sealed"),
        key_file: folder.join("key"),
        node: "golden-node".to_owned(),
        capacity: CAPACITY,
    }
}

/// What one epoch comes to under this policy: no draw of noise decides about it.
fn closed(policy: Policy) -> Epochs {
    let counters = Counters::in_memory(100);
    let mut ledger = Ledger::new(counters);
    for slot in 0..106 {
        counters.add(Slot::new(slot), Direction::Up, 3 << 35, (5 << 20) << (slot % 4));
        counters.add(Slot::new(slot), Direction::Down, 5 << 35, 7000);
    }
    let raised =
        FlagCounts { accounts: [8, 16, 24, 32, 40, 48], interruption: 1 << 40, failed_attempts: 600 };
    let mut epochs = Epochs::new(policy, 0);
    assert!(epochs.seal(77, &mut ledger, &raised, &mut Counting(9)).is_ok());
    epochs
}

/// A release in which every field is another than 0, but for "suppressed".
fn release() -> Release {
    let policy = Policy { mode: Mode::Coarse, crowd: 1, raises_flags: true, ..Policy::DEFAULT };
    closed(policy).sealed().expect("it was sealed")
}

/// What a crowd that is never large enough leaves for the next release.
fn carry() -> Carry {
    closed(Policy { crowd: u64::MAX, ..Policy::DEFAULT }).carry()
}

fn limits() -> RateLimitState {
    let window = |index, elapsed_nanoseconds| Window { index, elapsed_nanoseconds };
    let looker =
        |uid: u8| Looker { uid: 1000 * u32::from(uid), shown_this_minute: uid, shown_today: 2 * uid };
    let officer = |uid: u8| Officer {
        uid: 1000 * u32::from(uid),
        exported_today: 3 * uid,
        exported_this_week: 4 * uid,
    };
    RateLimitState {
        seen_at: 1,
        minute: window(2, 3),
        day: window(4, 5),
        week: window(6, 7),
        lookers: vec![looker(1), looker(2)],
        officers: vec![officer(3), officer(4)],
        exported: vec![8, 9, 10],
        look_ups: 11,
        exports: 12,
    }
}

fn head(sealed: Option<Release>) -> Head {
    Head {
        memory: *b"sixteen byte mem",
        boot: *b"sixteen byteboot",
        schedule: ScheduleState {
            open: 20_000,
            last: 19_999,
            closed_at: 123_456_789,
            below_since: Some(987_654_321),
            was_ahead: true,
        },
        publish_at: Some(555_000_000),
        sealed,
        released: release(),
        dates: BandDates::default(),
        refresh_index: 2857,
        refreshed_at: 11,
        period_index: 714,
        period_began_at: 12,
        carry: carry(),
        interfaces: Some(InterfaceSum { passed: 21, counted: 22, digest: 23 }),
        is_last: true,
        limits: limits(),
    }
}

fn record(slot: usize) -> Record {
    let slot_number = u8::try_from(slot).expect("few slots");
    let volume = |base: u64| Volume { bytes: base * 1000 + slot as u64, packets: base + slot as u64 };
    let totals = |base| Totals { up: volume(base), down: volume(base + 1) };
    Record {
        tag: Tag([slot_number; 16]),
        period: totals(10),
        mark: totals(20),
        reading: totals(u64::MAX / 2000),
        band: Band::of_number(slot_number),
    }
}

#[test]
fn version_2_is_read_to_the_last_field() {
    let folder = folder();
    fs::copy(golden("v2.sealed"), folder.path().join("sealed")).expect("a copy");
    fs::copy(golden("v2.chain"), folder.path().join("sealed.chain")).expect("a copy");
    let mut records = Vec::new();
    let opened =
        Store::open(SystemDisk, Counting(0), settings(folder.path()), false, false, |slot, found| {
            assert_eq!(slot, records.len());
            records.push(found);
        });
    let (_, opened) = opened.unwrap_or_else(|error| panic!("{error}"));
    let Opened::Resumed(found) = opened else { panic!("the golden blob is resumed from") };
    assert!(*found == head(Some(Release::none())), "the head");
    assert_eq!(records.len(), CAPACITY + Slot::FIRST_ACCOUNT.index());
    for (slot, found) in records.iter().enumerate() {
        assert!(*found == record(slot), "the record of slot {slot}");
    }
}

#[test]
fn this_version_writes_version_2_byte_for_byte() {
    let folder = folder();
    let opened = Store::open(SystemDisk, Counting(0), settings(folder.path()), false, false, |_, _| {
        panic!("there is nothing yet")
    });
    let (mut store, opened) = opened.unwrap_or_else(|error| panic!("{error}"));
    assert!(matches!(opened, Opened::First));
    store.save(&head(None), |_| Record::default()).unwrap_or_else(|error| panic!("{error}"));
    store.save_close(&head(Some(Release::none())), record).unwrap_or_else(|error| panic!("{error}"));
    for (written, golden_file) in [("sealed", "v2.sealed"), ("sealed.chain", "v2.chain")] {
        let written = fs::read(folder.path().join(written)).expect("it was written");
        let wanted = fs::read(golden(golden_file)).expect("the golden file");
        assert!(written == wanted, "{golden_file} differs");
    }
    let capacity = u32::try_from(CAPACITY).expect("small");
    assert_eq!(fs::metadata(golden("v2.sealed")).expect("it is there").len(), blob_bytes(capacity));
}
