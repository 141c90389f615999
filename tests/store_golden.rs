//! The blob and the chain file of format versions 2 to 5, byte for byte: what an earlier version wrote is
//! read for ever, and this version writes version 5.
//!
//! The files were written by this test's own steps with the randomness below; a change of the format
//! is a new version with files of its own beside these. Version 1 was never released: its files are gone. No figure in them depends on a draw of noise.

use blindmeter::meter::band::Band;
use blindmeter::meter::calendar::{BandDates, Day};
use blindmeter::meter::counters::Counters;
use blindmeter::meter::epoch::{Carry, Epochs};
use blindmeter::meter::flag_counts::FlagCounts;
use blindmeter::meter::flags::baseline::Baseline;
use blindmeter::meter::flags::constants::{DAY, SENSITIVE_DAY};
use blindmeter::meter::flags::detector::Detector;
use blindmeter::meter::flags::interruption::NodeState;
use blindmeter::meter::flags::surge::Mirror;
use blindmeter::meter::flags::watch::{Verdict, WatchState};
use blindmeter::meter::ledger::Ledger;
use blindmeter::meter::noise::Randomness;
use blindmeter::meter::policy::{Flagging, Mode, Policy};
use blindmeter::meter::release::Release;
use blindmeter::meter::scope::{Scope, Terms};
use blindmeter::meter::share::Carried;
use blindmeter::meter::slot::{Direction, Slot};
use blindmeter::meter::tags::Tag;
use blindmeter::meter::units::{Totals, Volume};
use blindmeter::node::audit::{Audit, Deed, Entry, Reason};
use blindmeter::node::pending::{Pending, Requests, Wanted};
use blindmeter::node::rate_limits::{Figures, FirstExport, Looker, Officer, RateLimitState, Window};
use blindmeter::node::saved::{Head, InterfaceSum, Record, Rights, SavedFlags};
use blindmeter::node::schedule::ScheduleState;
use blindmeter::node::shares::{ROOM, Shares, Waiting};
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

/// What one epoch comes to under this policy: no draw of noise decides about it. Before version 4 accounts that are
/// unlike themselves were not counted.
fn closed(policy: Policy, version: u16) -> Epochs {
    let counters = Counters::in_memory(100);
    let mut ledger = Ledger::new(counters);
    for slot in 0..106 {
        counters.add(Slot::new(slot), Direction::Up, 3 << 35, (5 << 20) << (slot % 4));
        counters.add(Slot::new(slot), Direction::Down, 5 << 35, 7000);
    }
    let unusual = if version < 4 { 0 } else { 56 };
    let raised = FlagCounts {
        accounts: [8, 16, 24, 32, unusual, 40, 48],
        interruption: 1 << 40,
        failed_attempts: 600,
    };
    let mut epochs = Epochs::new(policy, 0);
    assert!(epochs.seal(77, &mut ledger, &raised, &mut Counting(9)).is_ok());
    epochs
}

/// A release in which every field is another than 0, but for "suppressed" and, since a flood to nobody shows no more
/// than one account may move, the unattributed bytes down.
fn release(version: u16) -> Release {
    let policy = Policy { mode: Mode::Coarse, crowd: 1, flags: Some(Flagging::DEFAULT), ..Policy::DEFAULT };
    closed(policy, version).sealed().expect("it was sealed")
}

/// What a crowd that is never large enough leaves for the next release.
fn carry() -> Carry {
    closed(Policy { crowd: u64::MAX, ..Policy::DEFAULT }, 4).carry()
}

fn limits(version: u16) -> RateLimitState {
    let window = |index, elapsed_nanoseconds| Window { index, elapsed_nanoseconds };
    let looker =
        |uid: u8| Looker { uid: 1000 * u32::from(uid), shown_this_minute: uid, shown_today: 2 * uid };
    let officer = |uid: u8| Officer {
        uid: 1000 * u32::from(uid),
        exported_today: 3 * uid,
        exported_this_week: 4 * uid,
        planned_today: if version == 2 { 0 } else { 5 * uid },
        changed_today: if version < 5 { 0 } else { 6 * uid },
    };
    let first = |mark: u8| {
        let Record { period, mark: open, .. } = record(mark.into(), 3);
        FirstExport { mark: mark.into(), uid: 3000, figures: Figures { period, open } }
    };
    RateLimitState {
        seen_at: 1,
        minute: window(2, 3),
        day: window(4, 5),
        week: window(6, 7),
        lookers: vec![looker(1), looker(2)],
        officers: vec![officer(3), officer(4)],
        exported: vec![8, 9, 10],
        first_exports: if version == 2 { Vec::new() } else { vec![first(8), first(9)] },
        look_ups: 11,
        exports: 12,
    }
}

/// What staff did, and what waits, in every kind that there is.
fn rights() -> Rights {
    let deeds = Deed::ALL.into_iter().zip(1..);
    let entry = |(deed, number): (Deed, u16)| Entry {
        day: 20_000 + u64::from(number),
        who: 1000 * u32::from(number),
        deed,
        reason: (deed == Deed::Correct).then_some(Reason::Disputed),
        count: 10 + number,
    };
    let reason = Reason::Misattributed;
    let wanted = [
        Wanted::Export { open_epoch: false },
        Wanted::Export { open_epoch: true },
        Wanted::ExportNode,
        Wanted::Correct { up: 41, down: 42, reason, fleet: false },
        Wanted::Erase,
    ];
    let request = |(wanted, number): (Wanted, u8)| Pending {
        id: number.into(),
        who: 2000 * u32::from(number),
        tag: Tag([number; 16]),
        wanted,
        day: 20_010 + u64::from(number),
        approved: number % 2 == 0,
    };
    Rights {
        audit: Audit::resumed(deeds.map(entry).collect()),
        requests: Requests { last: 77, all: wanted.into_iter().zip(1..).map(request).collect() },
    }
}

/// A head as this version keeps it.
fn head(sealed: Option<Release>, version: u16) -> Head {
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
        released: release(version),
        dates: if version == 2 {
            BandDates::default()
        } else {
            let [as_of, first_day, last_day] = [19_999, 19_992, 20_019].map(Day::of_number);
            BandDates { as_of, first_day, last_day }
        },
        refresh_index: 2857,
        refreshed_at: 11,
        period_index: 714,
        period_began_at: 12,
        carry: carry(),
        interfaces: Some(InterfaceSum { passed: 21, counted: 22, digest: 23 }),
        is_last: true,
        limits: limits(version),
        flags: (version >= 4).then_some(SavedFlags {
            epoch_seconds: 86_400,
            state: WatchState {
                mirror: Mirror { crossings: 31, active_epochs: 32, near_stalls: 33 },
                interruption: -33,
                running: NodeState::Interrupted,
                closed: Verdict { node: NodeState::Working, mass_event: true },
                told: Verdict { node: NodeState::Unknown, mass_event: false },
            },
        }),
        rights: if version < 5 { Rights::default() } else { rights() },
        shares: Shares::default(),
    }
}

/// An account's baseline after some days of its own, the last of which raised something.
fn baseline(slot: usize) -> Option<Baseline> {
    let index = slot.checked_sub(Slot::FIRST_ACCOUNT.index())?;
    let mut detector = Detector::new(&DAY, &SENSITIVE_DAY, CAPACITY);
    for day in 0..20_u64 {
        let volume = |bytes: u64, packets: u64| Volume { bytes: bytes << (day % 3), packets: packets + day };
        let up = volume(100_000_000 * (index as u64 + 1), 500_000);
        let down = if day == 19 { Volume::default() } else { volume(2_000_000_000, 1_500_000) };
        detector.close(false, |_| Totals { up, down }, |_, _, _| ());
    }
    detector.baseline(index).copied()
}

fn record(slot: usize, version: u16) -> Record {
    let slot_number = u8::try_from(slot).expect("few slots");
    let volume = |base: u64| Volume { bytes: base * 1000 + slot as u64, packets: base + slot as u64 };
    let totals = |base| Totals { up: volume(base), down: volume(base + 1) };
    Record {
        tag: Tag([slot_number; 16]),
        period: totals(10),
        mark: totals(20),
        reading: totals(u64::MAX / 2000),
        band: Band::of_number(slot_number),
        baseline: if version < 4 { None } else { baseline(slot) },
    }
}

fn is_read_to_the_last_field(version: u16) {
    let folder = folder();
    for (golden_file, file) in [("sealed", "sealed"), ("chain", "sealed.chain")] {
        let golden_file = golden(&format!("v{version}.{golden_file}"));
        fs::copy(golden_file, folder.path().join(file)).expect("a copy");
    }
    let mut records = Vec::new();
    let opened =
        Store::open(SystemDisk, Counting(0), settings(folder.path()), false, false, |slot, found| {
            assert_eq!(slot, records.len());
            records.push(found);
        });
    let (_, opened) = opened.unwrap_or_else(|error| panic!("{error}"));
    let Opened::Resumed(found) = opened else { panic!("the golden blob is resumed from") };
    let mut expected = head(Some(Release::none()), version);
    if version < 4 {
        // Unattributed bytes down were not limited to what one account may move yet.
        let mut words = expected.released.words();
        words[5] = 5 << 35;
        assert!(found.released.words() == words, "the release served last");
        expected.released = found.released;
    }
    assert!(*found == expected, "the head");
    assert_eq!(records.len(), CAPACITY + Slot::FIRST_ACCOUNT.index());
    for (slot, found) in records.iter().enumerate() {
        assert!(*found == record(slot, version), "the record of slot {slot}");
    }
}

#[test]
fn version_2_is_read_to_the_last_field() {
    is_read_to_the_last_field(2);
}

#[test]
fn version_3_is_read_to_the_last_field() {
    is_read_to_the_last_field(3);
}

#[test]
fn version_4_is_read_to_the_last_field() {
    is_read_to_the_last_field(4);
}

#[test]
fn version_5_is_read_to_the_last_field() {
    is_read_to_the_last_field(5);
}

/// A blob of an earlier version knows no baseline, and one that is damaged or of a later version is refused.
#[test]
fn an_earlier_version_knows_no_baseline_and_a_later_one_is_refused() {
    let folder = folder();
    for (golden_file, file) in [("v5.sealed", "sealed"), ("v5.chain", "sealed.chain")] {
        fs::copy(golden(golden_file), folder.path().join(file)).expect("a copy");
    }
    let open = || {
        let opened = Store::open(SystemDisk, Counting(0), settings(folder.path()), false, false, |_, _| ());
        opened.map(drop).map_err(|error| error.to_string())
    };
    assert_eq!(open(), Ok(()));
    let sealed = folder.path().join("sealed");
    let mut bytes = fs::read(&sealed).expect("the blob");
    bytes[8] = 6;
    fs::write(&sealed, &bytes).expect("it is written");
    assert!(open().is_err_and(|why| why.contains("version 6")), "{:?}", open());
    // As an earlier version, it has another length than its header says.
    bytes[8] = 3;
    fs::write(&sealed, &bytes).expect("it is written");
    assert!(open().is_err());
}

/// What the released versions write: their format, and how its golden files begin by BLAKE3. A row never changes, and
/// neither do its files: whoever changes the format adds one.
const RELEASED: [(&str, u16, [&str; 2]); 1] = [("0.1.0", 5, ["d37f96db21eb3237", "4651a268f88a5387"])];

#[test]
fn what_released_versions_wrote_is_kept_as_it_was_and_read() {
    let version = env!("CARGO_PKG_VERSION");
    assert!(RELEASED.iter().any(|row| row.0 == version), "{version} has no row of RELEASED");
    for (version, format, digests) in RELEASED {
        let files = ["sealed", "chain"]
            .map(|file| fs::read(golden(&format!("v{format}.{file}"))).expect("it is there"));
        let found = files.map(|bytes| blake3::hash(&bytes).to_hex()[..16].to_owned());
        assert_eq!(found, digests, "the golden files of {version}");
        is_read_to_the_last_field(format);
    }
    let last = RELEASED.last().expect("there is one");
    assert!(last.1 <= blindmeter::store::format::VERSION);
}

#[test]
fn this_version_writes_version_5_byte_for_byte() {
    let folder = folder();
    let opened = Store::open(SystemDisk, Counting(0), settings(folder.path()), false, false, |_, _| {
        panic!("there is nothing yet")
    });
    let (mut store, opened) = opened.unwrap_or_else(|error| panic!("{error}"));
    assert!(matches!(opened, Opened::First));
    store.save(&head(None, 5), |_| Record::default()).unwrap_or_else(|error| panic!("{error}"));
    store
        .save_close(&head(Some(Release::none()), 5), |slot| record(slot, 5))
        .unwrap_or_else(|error| panic!("{error}"));
    for (written, golden_file) in [("sealed", "v5.sealed"), ("sealed.chain", "v5.chain")] {
        let written = fs::read(folder.path().join(written)).expect("it was written");
        let wanted = fs::read(golden(golden_file)).expect("the golden file");
        assert!(written == wanted, "{golden_file} differs");
    }
    let capacity = u32::try_from(CAPACITY).expect("small");
    assert_eq!(fs::metadata(golden("v5.sealed")).expect("it is there").len(), blob_bytes(capacity));
}

/// What 0.1.0 left zero: shares of a fleet's epochs, as many as there is room for, and what is carried over.
#[test]
fn shares_of_a_fleet_are_read_as_they_were_written() {
    let folder = folder();
    let open = || {
        let opened = Store::open(SystemDisk, Counting(0), settings(folder.path()), false, false, |_, _| ());
        opened.unwrap_or_else(|error| panic!("{error}"))
    };
    let scope = Scope::Fleet(Terms { nodes: 3, nodes_a_day: 2 });
    let share = closed(Policy { scope, ..Policy::DEFAULT }, 5).take_share().expect("a fleet's node has one");
    let waiting =
        (1..).zip([7; ROOM]).map(|(ordinal, key)| Waiting { ordinal, share, key: [key; 32] }).collect();
    let shares = Shares { policy: 99, waiting, carried: Carried::default().with(&share) };
    let mut written = Head { shares, ..head(None, 5) };
    // And a correction over the fleet that waits.
    for request in &mut written.rights.requests.all {
        if let Wanted::Correct { fleet, .. } = &mut request.wanted {
            *fleet = true;
        }
    }
    let (mut store, _) = open();
    store.save(&written, |_| Record::default()).unwrap_or_else(|error| panic!("{error}"));
    drop(store);
    let (_, Opened::Resumed(found)) = open() else { panic!("it is resumed from") };
    assert!(*found == written, "the head");
    let last = found.shares.waiting.last().expect("some");
    assert_eq!(last.ordinal, ROOM as u64);
}
