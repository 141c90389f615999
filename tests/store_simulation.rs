//! Promises R2 to R4 of the store alone: whatever fails and whenever, a start finds the image of the
//! last save that succeeded or of the one that was under way, whole; or it refuses, and says so.
//!
//! Deterministic: a seed is a run. `BLINDMETER_SEEDS=100000` is the long form, `BLINDMETER_SEED=n` one
//! seed; a seed that failed once is kept in REGRESSIONS and run every time.

#[path = "store/disk.rs"]
mod disk;
mod support;

use blindmeter::meter::band::Band;
use blindmeter::meter::calendar::BandDates;
use blindmeter::meter::epoch::Carry;
use blindmeter::meter::flags::baseline::Baseline;
use blindmeter::meter::flags::surge::Mirror;
use blindmeter::meter::flags::watch::WatchState;
use blindmeter::meter::release::Release;
use blindmeter::meter::slot::Slot;
use blindmeter::meter::tags::Tag;
use blindmeter::meter::units::{Totals, Volume};
use blindmeter::node::audit::{Deed, Reason};
use blindmeter::node::pending::Wanted;
use blindmeter::node::rate_limits::{Looker, RateLimitState, Window};
use blindmeter::node::saved::{Head, InterfaceSum, Record, Rights, SavedFlags};
use blindmeter::node::schedule::ScheduleState;
use blindmeter::node::shares::Shares;
use blindmeter::store::{Opened, Settings, Store, StoreError, chain_path};
use disk::{Fault, SimulatedDisk};
use std::path::{Path, PathBuf};
use support::rng::Rng;

/// Seeds that showed a fault once, with what it was.
const REGRESSIONS: [u64; 0] = [];

/// Seeds of a normal run.
const SEEDS: u64 = 1000;

/// Accounts there is room for: in one run of sixty-four enough for several chunks of a blob.
fn capacity(seed: u64) -> usize {
    if seed.is_multiple_of(64) { 700 } else { 6 }
}

/// Saves and closes of one run, over several starts.
const STEPS: u64 = 12;

fn settings(capacity: usize) -> Settings {
    Settings {
        path: PathBuf::from("/state/ledger.sealed"),
        key_file: PathBuf::from("/keys/ledger.key"),
        node: "fr-par-3".to_owned(),
        capacity,
    }
}

fn looker(member: u64, number: u64) -> Looker {
    let uid = u32::try_from(member).expect("small");
    Looker { uid, shown_today: u8::try_from(number % 100).expect("small"), ..Looker::default() }
}

/// What staff did, and what waits: some of each.
fn rights(number: u64) -> Rights {
    let mut rights = Rights::default();
    for who in 0..number % 6 {
        let id = u32::try_from(who).expect("small");
        rights.audit.note(number, id, Deed::Correct, Some(Reason::Other));
        let tag = Tag([u8::try_from(who + 1).expect("small"); 16]);
        let asked = rights.requests.ask(id, tag, Wanted::Erase, number);
        assert!(asked.is_ok(), "there is room");
    }
    rights
}

/// The image of this number: every field is made of it, so that a mixture of two shows.
fn image(number: u64) -> (Head, impl Fn(usize) -> Record) {
    let totals = move |salt: u64| {
        let volume = |more| Volume { bytes: number * 1000 + salt + more, packets: number + salt };
        Totals { up: volume(1), down: volume(2) }
    };
    let head = Head {
        memory: [u8::try_from(number % 251).expect("small"); 16],
        boot: [7; 16],
        schedule: ScheduleState {
            open: number,
            last: number + 1,
            closed_at: number + 2,
            below_since: number.is_multiple_of(2).then_some(number + 3),
            was_ahead: number.is_multiple_of(3),
        },
        publish_at: (number % 2 == 1).then_some(number + 4),
        sealed: None,
        released: Release::none(),
        dates: BandDates::of((number, 86_400), (number + 3, 86_400)),
        refresh_index: number + 5,
        refreshed_at: number + 6,
        period_index: number + 7,
        period_began_at: number + 8,
        carry: Carry::default(),
        interfaces: number.is_multiple_of(4).then_some(InterfaceSum {
            passed: number,
            counted: 1,
            digest: 2,
        }),
        is_last: number.is_multiple_of(5),
        limits: RateLimitState {
            seen_at: number + 9,
            minute: Window { index: number + 10, elapsed_nanoseconds: number + 11 },
            lookers: (0..number % 5).map(|member| looker(member, number)).collect(),
            exported: (0..number % 7).collect(),
            exports: number + 12,
            ..RateLimitState::default()
        },
        flags: number.is_multiple_of(3).then(|| SavedFlags {
            epoch_seconds: number + 13,
            state: WatchState {
                interruption: -number.cast_signed(),
                mirror: Mirror {
                    crossings: number + 14,
                    active_epochs: number + 15,
                    near_stalls: number + 16,
                },
                ..WatchState::default()
            },
        }),
        rights: rights(number),
        shares: Shares { policy: number + 17, ..Shares::default() },
    };
    let record = move |slot: usize| {
        let salt = slot as u64;
        Record {
            tag: Tag([u8::try_from(slot % 255 + 1).expect("small"); 16]),
            period: totals(salt),
            mark: totals(salt + 100),
            reading: totals(salt + 200),
            band: Band::of((number + salt) << 30),
            baseline: Baseline::decode(
                &[u8::try_from((number + salt) % 100).expect("small"); Baseline::BYTES],
            ),
        }
    };
    (head, record)
}

/// What a start may find.
struct Model {
    /// Number of the image of the last save that succeeded; none before the first.
    saved: Option<u64>,
    /// Numbers of images whose save failed since: any of them may be there.
    tried: Vec<u64>,
}

impl Model {
    fn admits(&self, number: u64) -> bool {
        self.saved == Some(number) || self.tried.contains(&number)
    }
}

/// An open store, and the number of the image that it was opened with.
type Start = (Store<SimulatedDisk, Rng>, Option<u64>);

/// Opens the store; the number of the image, where there is one.
fn open(disk: &SimulatedDisk, capacity: usize, rng: u64) -> Result<Start, Result<StoreError, String>> {
    let mut records = Vec::new();
    let opened =
        Store::open(disk.clone(), Rng::seeded(rng), settings(capacity), false, false, |slot, record| {
            records.push((slot, record))
        });
    match opened.map_err(Ok)? {
        (store, Opened::First) => Ok((store, None)),
        (_, Opened::LossAccepted) => Err(Err("nobody accepted a loss".to_owned())),
        (store, Opened::Resumed(head)) => {
            let number = head.schedule.open;
            let (wanted, record) = image(number);
            let whole = records.len() == capacity + Slot::FIRST_ACCOUNT.index()
                && records.iter().enumerate().all(|(at, (slot, found))| at == *slot && *found == record(at));
            if *head != wanted || !whole {
                return Err(Err(format!("the image {number} is a mixture")));
            }
            Ok((store, Some(number)))
        }
    }
}

/// One run; an error says what was broken.
fn run(seed: u64) -> Result<(), String> {
    let mut rng = Rng::seeded(seed);
    let capacity = capacity(seed);
    let disk = SimulatedDisk::new(rng.word());
    disk.put(Path::new("/keys/ledger.key"), &[42; 32]);
    let mut model = Model { saved: None, tried: Vec::new() };
    let (mut number, mut steps) = (0, 0);
    while steps < STEPS {
        let fault = match rng.below_u64(6) {
            0 => Fault::None,
            1 => Fault::Io,
            2 => Fault::Full(rng.below_u64(40)),
            3 => Fault::PowerCut,
            _ => Fault::Kill,
        };
        disk.plan(fault, rng.below_u64(60));
        let opened = open(&disk, capacity, rng.word());
        let (mut store, found) = match opened {
            Ok(opened) => opened,
            Err(Err(broken)) => return Err(broken),
            // The disk failed or the process ended at the start; it is tried again.
            Err(Ok(error)) if error.is_disk() => {
                disk.revive();
                steps += 1;
                continue;
            }
            Err(Ok(error)) => return Err(format!("a start was refused: {error}")),
        };
        match found {
            None if model.saved.is_none() => {}
            None => return Err(format!("image {:?} was saved, and the start was a first one", model.saved)),
            Some(found) if !model.admits(found) => {
                return Err(format!("image {found} was found, {:?} was saved last", model.saved));
            }
            Some(found) => model = Model { saved: Some(found), tried: Vec::new() },
        }
        while steps < STEPS && !disk.is_dead() {
            steps += 1;
            number += 1;
            let (head, record) = image(number);
            let closes = rng.one_in(3);
            let result = if closes { store.save_close(&head, record) } else { store.save(&head, record) };
            match result {
                Ok(()) => model = Model { saved: Some(number), tried: Vec::new() },
                Err(_) => model.tried.push(number),
            }
            if rng.one_in(5) {
                break;
            }
        }
        disk.revive();
    }
    if disk.names().iter().any(|name| name.to_string_lossy().ends_with(".new")) {
        let _ = open(&disk, capacity, 1).map_err(|_| "the last start was refused")?;
        let left = disk.names().iter().any(|name| name.to_string_lossy().ends_with("sealed.new"));
        if left {
            return Err("a start left a temporary blob behind".to_owned());
        }
    }
    damage(&disk, capacity, &mut rng, &model)
}

/// A flipped bit, a missing file, an older copy: refused, never taken for a first start.
fn damage(disk: &SimulatedDisk, capacity: usize, rng: &mut Rng, model: &Model) -> Result<(), String> {
    let blob = settings(capacity).path;
    let chain = chain_path(&blob);
    if model.saved.is_none() || disk.bytes(&blob).is_none() {
        return Ok(());
    }
    let (mut store, found) =
        open(disk, capacity, rng.word()).map_err(|_| "an undamaged store was refused")?;
    let found = found.ok_or("an undamaged store was taken for a first start")?;
    // A close that was begun before leaves two links in the chain; both blobs may then be there.
    let (head, record) = image(found + 999);
    store.save_close(&head, record).map_err(|error| error.to_string())?;
    let (old_blob, old_chain) = (disk.bytes(&blob), disk.bytes(&chain));
    let (head, record) = image(found + 1000);
    store.save_close(&head, record).map_err(|error| error.to_string())?;
    let (new_blob, new_chain) = (disk.bytes(&blob), disk.bytes(&chain));
    let restore = |blob_bytes: &Option<Vec<u8>>, chain_bytes: &Option<Vec<u8>>| {
        disk.put(&blob, blob_bytes.as_deref().unwrap_or_default());
        disk.put(&chain, chain_bytes.as_deref().unwrap_or_default());
    };
    let refused = |what: &str| match open(disk, capacity, 5) {
        Err(Ok(error)) if error.is_loss() => Ok(()),
        Err(Ok(error)) => Err(format!("{what}: {error}")),
        Err(Err(broken)) => Err(format!("{what}: {broken}")),
        Ok((_, found)) => Err(format!("{what}: opened as {found:?}")),
    };
    restore(&old_blob, &new_chain);
    refused("an older blob was put back")?;
    restore(&new_blob, &old_chain);
    refused("an older chain was put back")?;
    restore(&new_blob, &new_chain);
    disk.unlink(&blob);
    refused("the blob is missing")?;
    restore(&new_blob, &new_chain);
    disk.unlink(&chain);
    refused("the chain is missing")?;
    restore(&new_blob, &new_chain);
    // Of the chain file only the slot in use matters; of the blob every bit does, but for the
    // version, which a later program may have written, and two bytes that are always zero.
    let bits = new_blob.as_ref().map_or(0, |bytes| bytes.len() as u64 * 8);
    let bit = rng.below_u64(bits);
    if !(64..96).contains(&bit) && disk.flip(&blob, bit / 8 * 8 + bit % 8) {
        refused(&format!("bit {bit} of the blob was flipped"))?;
    }
    Ok(())
}

#[test]
fn every_start_finds_a_whole_image_or_refuses() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seeds: Vec<u64> = match number("BLINDMETER_SEED") {
        Some(seed) => vec![seed],
        None => REGRESSIONS.into_iter().chain(0..number("BLINDMETER_SEEDS").unwrap_or(SEEDS)).collect(),
    };
    for seed in seeds {
        if let Err(broken) = run(seed) {
            panic!("BLINDMETER_SEED={seed}: {broken}");
        }
    }
}
