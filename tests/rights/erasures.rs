//! Erasures under load on a simulated disk: what the blob, its predecessors and the memory still hold.

use crate::sim::disk::SimulatedDisk;
use crate::sim::machine::Machine;
use crate::sim::packets::{Kind, Packet};
use crate::sim::setup::{BLOB, Setup};
use crate::sim::{apart, runtime};
use crate::support::frames::Address;
use crate::support::rng::Rng;
use blindmeter::control::protocol::{Answer, Request};
use blindmeter::meter::band::Band;
use blindmeter::meter::tags::Tag;
use blindmeter::meter::units::Totals;
use blindmeter::node::saved::{Head, Record};
use blindmeter::roster::account::AccountName;
use blindmeter::store::chain_path;
use blindmeter::store::disk::Disk;
use blindmeter::store::format::{self, HEADER_BYTES, Header};
use blindmeter::store::keys::Key;
use std::collections::BTreeMap;
use std::path::Path;

/// The root key of simulated nodes.
const ROOT: [u8; 32] = [42; 32];

const ERASURES: u32 = 1000;

/// Of so many accounts, some of whom stay.
const ACCOUNTS: u32 = ERASURES + 50;

fn setup() -> Setup {
    Setup { capacity: 2000, flags: true, pools: vec!["10.77.0.0/16"], ..Setup::default() }
}

fn name(number: u32) -> String {
    format!("holder-{number}")
}

fn address(number: u32) -> Address {
    Address::v4(0x0a4d_0100 + number)
}

fn roster(of: impl Iterator<Item = u32>) -> String {
    let row = |number: u32| format!("10.77.{}.{},{}\n", 1 + number / 256, number % 256, name(number));
    std::iter::once("prefix,account\n".to_owned()).chain(of.map(row)).collect()
}

/// The state directory at one moment: the blob and the chain file.
struct Image {
    blob: Vec<u8>,
    chain: Vec<u8>,
}

impl Image {
    fn of(machine: &Machine) -> Self {
        let bytes = |path: &Path| machine.environment.disk.bytes(path).expect("it is there");
        Self { blob: bytes(Path::new(BLOB)), chain: bytes(&chain_path(Path::new(BLOB))) }
    }

    /// Head and records, by whoever has this chain file and the root key; none where it does not open.
    fn opened_with(&self, chain: &[u8]) -> Option<(Head, Vec<Record>)> {
        let slots = [0, 4096].into_iter().filter(|at| chain[at + 8] != 0);
        let disk = SimulatedDisk::new(1);
        disk.put(Path::new(BLOB), &self.blob);
        let file = disk.open(Path::new(BLOB)).expect("it is there");
        let header = self.blob.first_chunk::<HEADER_BYTES>().and_then(Header::decode).expect("a header");
        slots.into_iter().find_map(|at| {
            let link = Key::new(*chain[at + 9..].first_chunk().expect("a chain file has 8,192 bytes"));
            let mut records = Vec::new();
            let key = Key::new(ROOT).of_blob(&link);
            let head = format::read(&disk, &file, &header, &key, |_, record| records.push(record));
            head.ok().map(|head| (head, records))
        })
    }
}

fn tag(machine: &Machine, number: u32) -> Tag {
    let name = AccountName::parse(&name(number)).expect("a good name");
    machine.engine().state.roster().tag_of(&name)
}

fn count(machine: &Machine, number: u32, bytes: u64) {
    machine.count(&Packet { kind: Kind::Ip(address(number)), up: true, bytes });
}

/// An officer, of whom there are some: each erases a hundred times a day.
fn officer(number: u32) -> u32 {
    100 + number % 20
}

async fn erase(machine: &Machine, number: u32) {
    let answer = machine.answer(officer(number), Request::Erase { account: name(number) }).await;
    let Answer::Erased(receipt) = answer else { panic!("no receipt for account {number}") };
    assert_eq!(receipt.account, name(number));
}

async fn days(machine: &mut Machine, days: u32) {
    for _ in 0..days * 24 {
        for number in 0..ACCOUNTS {
            count(machine, number, 50 << 20);
        }
        machine.pass(3600).await;
    }
}

/// Nothing of an account that was erased is in the record but the mark from which its counter goes on, and what it
/// counted since.
fn is_zero_but_for(record: &Record, since: u64) {
    assert!(record.period == Totals::default(), "closed epochs");
    assert!(record.band == Band::default(), "the band");
    let open = record.reading.since(record.mark);
    assert!(open.up.bytes == since && open.down.bytes == 0, "the open epoch holds {} bytes", open.up.bytes);
    let baseline = record.baseline.expect("flags are on");
    assert!(baseline.counts() == [0, 0] && baseline.told().is_empty(), "what is usual, and the flags");
}

#[test]
fn a_thousand_erasures_under_load_leave_nothing_that_opens() {
    apart(|_| {
        runtime().block_on(async {
            let mut machine = Machine::new(&setup(), 1, 20_500 * 86_400 + 600);
            machine.start(&roster(0..ACCOUNTS), false).expect("a first start");
            days(&mut machine, 12).await;
            let mut rng = Rng::seeded(7);
            let mut since: BTreeMap<u32, u64> = BTreeMap::new();
            let before = Image::of(&machine);
            let length = before.blob.len();
            assert!(before.opened_with(&before.chain).is_some_and(|(_, records)| {
                let tag = tag(&machine, 5);
                let record = records.iter().find(|record| record.tag == tag).expect("its slot");
                record.period.up.bytes > 1 << 30 && record.band != Band::default()
            }));
            for number in 0..ERASURES {
                let earlier = Image::of(&machine);
                count(&machine, number, 77);
                erase(&machine, number).await;
                since.insert(number, 0);
                // Others go on meanwhile, and so do those who were erased.
                for _ in 0..5 {
                    let other = u32::try_from(rng.below_u64(u64::from(ACCOUNTS))).expect("small");
                    count(&machine, other, 1000);
                    since.entry(other).and_modify(|bytes| *bytes += 1000);
                }
                let image = Image::of(&machine);
                assert_eq!(image.blob.len(), length, "the size tells nothing");
                if number % 50 == 0 {
                    assert!(earlier.opened_with(&image.chain).is_none(), "the predecessor opens no more");
                    let (_, records) = image.opened_with(&image.chain).expect("the last one opens");
                    let tag = tag(&machine, number);
                    let record = records.iter().find(|record| record.tag == tag).expect("its slot");
                    is_zero_but_for(record, 0);
                }
                machine.pass(1).await;
            }
            machine.pass(300).await;
            let image = Image::of(&machine);
            assert!(before.opened_with(&image.chain).is_none());
            let (head, records) = image.opened_with(&image.chain).expect("the last one opens");
            let by_tag: BTreeMap<Tag, &Record> = records.iter().map(|record| (record.tag, record)).collect();
            for (number, bytes) in since.iter().filter(|(number, _)| **number < ERASURES) {
                is_zero_but_for(by_tag[&tag(&machine, *number)], *bytes);
            }
            for number in ERASURES..ACCOUNTS {
                assert!(by_tag[&tag(&machine, number)].period.up.bytes > 1 << 30, "the others keep theirs");
            }
            let erased: u64 = head.rights.audit.entries().iter().map(|entry| u64::from(entry.count)).sum();
            assert_eq!(erased, u64::from(ERASURES), "each is noted");
        });
    });
}

/// A process that is killed right after a receipt has forgotten nothing of it, and what had been counted before stays
/// out of every answer and of the next release's figures for the account.
#[test]
fn an_erased_account_goes_on_from_zero_also_after_a_kill() {
    apart(|_| {
        runtime().block_on(async {
            let mut machine = Machine::new(&setup(), 2, 20_500 * 86_400 + 600);
            let text = roster(0..ACCOUNTS);
            machine.start(&text, false).expect("a first start");
            days(&mut machine, 8).await;
            count(&machine, 3, 12_345);
            erase(&machine, 3).await;
            machine.kill();
            machine.start(&text, false).expect("a start");
            count(&machine, 3, 99);
            // An address that is disputed after the start takes nothing twice.
            let (period, open) = exported(&machine, 3).await;
            assert_eq!((period, open), (0, 99));
            days(&mut machine, 1).await;
            let tag = tag(&machine, 3);
            let slot = machine.engine().state.roster().slot_of(tag).expect("it is in the roster");
            let (period, _) = machine.engine().state.node().totals(slot);
            assert_eq!(period.up.bytes, 99 + 24 * (50 << 20) - open_of(&machine, 3));
        });
    });
}

/// What an account holds of the open epoch.
fn open_of(machine: &Machine, number: u32) -> u64 {
    let slot = machine.engine().state.roster().slot_of(tag(machine, number)).expect("it is in the roster");
    machine.engine().state.node().totals(slot).1.up.bytes
}

async fn exported(machine: &Machine, number: u32) -> (u64, u64) {
    let request = Request::Export { account: name(number), open_epoch: true };
    let Answer::Export(export) = machine.answer(officer(number), request).await else { panic!("no export") };
    (export.period.up_bytes, export.open_epoch.expect("it was asked for").up_bytes)
}

#[test]
fn an_erased_account_that_left_is_gone() {
    apart(|_| {
        runtime().block_on(async {
            let mut machine = Machine::new(&setup(), 3, 20_500 * 86_400 + 600);
            machine.start(&roster(0..ACCOUNTS), false).expect("a first start");
            days(&mut machine, 3).await;
            assert!(machine.reload(&roster(1..ACCOUNTS)).await);
            let gone = tag(&machine, 0);
            machine.pass(60).await;
            let before = Image::of(&machine);
            assert!(machine.engine().state.roster().slot_of(gone).is_some(), "what was counted stays held");
            erase(&machine, 0).await;
            for _ in 0..3 * 24 {
                machine.pass(3600).await;
            }
            assert!(machine.engine().state.roster().slot_of(gone).is_none(), "it has no slot any more");
            let image = Image::of(&machine);
            let (_, records) = image.opened_with(&image.chain).expect("the last one opens");
            assert!(records.iter().all(|record| record.tag != gone), "nor a tag at rest");
            assert!(before.opened_with(&image.chain).is_none());
        });
    });
}

/// A correction sets the closed epochs of the period and nothing else: the node's total stays, and the figures of an
/// export made before it follow.
#[test]
fn a_correction_sets_the_closed_epochs_and_leaves_the_nodes_total() {
    apart(|_| {
        runtime().block_on(async {
            let mut machine = Machine::new(&setup(), 4, 20_500 * 86_400 + 600);
            machine.start(&roster(0..ACCOUNTS), false).expect("a first start");
            days(&mut machine, 3).await;
            count(&machine, 7, 1234);
            let (period, open) = exported(&machine, 7).await;
            let seen = machine.engine().state.node().node_totals().seen();
            let attributed = machine.engine().state.node().node_totals().attributed.up.bytes;
            let correct = |number: u32, up: u64| Request::Correct {
                account: name(number),
                up,
                down: 0,
                reason: "misattributed".to_owned(),
                fleet: false,
            };
            let answer = machine.answer(officer(7), correct(7, 1000)).await;
            assert!(matches!(answer, Answer::Corrected(receipt) if receipt.up_bytes == 1000));
            assert_eq!(exported(&machine, 7).await, (1000, open), "today's export follows");
            let totals = machine.engine().state.node().node_totals();
            assert!(totals.seen() == seen, "the node saw what it saw");
            assert_eq!(totals.attributed.up.bytes, attributed - period + 1000);
            // Upwards it is taken from there.
            machine.answer(officer(7), correct(7, 3000)).await;
            let totals = machine.engine().state.node().node_totals();
            assert!(totals.seen() == seen && totals.attributed.up.bytes == attributed - period + 3000);
            // Nobody gets a total by a correction who has none.
            let unused = Request::Correct {
                account: "nobody".to_owned(),
                up: 1 << 40,
                down: 0,
                reason: "other".to_owned(),
                fleet: false,
            };
            assert!(matches!(machine.answer(officer(7), unused).await, Answer::Corrected(_)));
            assert!(machine.engine().state.node().node_totals() == totals);
            let odd = Request::Correct {
                account: name(7),
                up: 0,
                down: 0,
                reason: "whim".to_owned(),
                fleet: false,
            };
            assert!(matches!(machine.answer(officer(7), odd).await, Answer::Error { code: 64, .. }));
        });
    });
}
