//! The roster against a naive model, and its rules one by one.

mod servers;

use super::address::TunnelAddress;
use super::owners::OwnersRefused;
use super::*;
use proptest::prelude::*;
use std::collections::{HashMap, HashSet};

fn tagger() -> Tagger {
    Tagger::new(&[7; 32])
}

/// The tag of a name, as every roster here makes it.
fn tag(name: &str) -> Tag {
    tagger().tag_of(&AccountName::parse(name).expect("a good name"))
}

fn prefix(text: &str) -> Prefix {
    Prefix::parse(text).expect("a good prefix")
}

fn owner(roster: &Roster, text: &str) -> Slot {
    roster.table().slot_of(prefix(text).address())
}

fn roster_of(capacity: usize) -> Roster {
    Roster::new(&[prefix("10.8.0.0/24"), prefix("fd42::/120")], Tags::in_memory(capacity), tagger(), 1)
}

fn small() -> Roster {
    roster_of(8)
}

#[test]
fn control_wins_over_the_file_and_gives_way_when_released() {
    let roster = small();
    roster.replace(Source::File, vec![(prefix("10.8.0.2"), tag("alice"))]).expect("room");
    roster.assign(Source::Control, prefix("10.8.0.2"), tag("bob")).expect("room");
    let slots = ["alice", "bob"].map(|text| roster.slot_of(tag(text)).expect("known"));
    assert!(owner(&roster, "10.8.0.2") == slots[1]);
    roster.replace(Source::File, vec![]).expect("room");
    assert!(owner(&roster, "10.8.0.2") == slots[1]);
    roster.replace(Source::File, vec![(prefix("10.8.0.2"), tag("alice"))]).expect("room");
    assert!(roster.unassign(Source::Control, prefix("10.8.0.2")) == Ok(true));
    assert!(roster.unassign(Source::Control, prefix("10.8.0.2")) == Ok(false));
    assert!(owner(&roster, "10.8.0.2") == slots[0]);
}

#[test]
fn a_server_stands_between_the_control_socket_and_the_file() {
    let roster = small();
    let one = |name| vec![(prefix("10.8.0.2"), tag(name))];
    for (source, name) in [(Source::File, "f"), (Source::WireGuard, "w")] {
        roster.replace(source, one(name)).expect("room");
        assert!(owner(&roster, "10.8.0.2") == roster.slot_of(tag(name)).expect("known"));
    }
    roster.assign(Source::Control, prefix("10.8.0.2"), tag("c")).expect("room");
    roster.replace(Source::WireGuard, one("v")).expect("room");
    assert!(owner(&roster, "10.8.0.2") == roster.slot_of(tag("c")).expect("known"));
    assert!(roster.unassign(Source::Control, prefix("10.8.0.2")) == Ok(true));
    assert!(
        owner(&roster, "10.8.0.2") == roster.slot_of(tag("v")).expect("known"),
        "it was replaced meanwhile"
    );
    roster.replace(Source::WireGuard, vec![]).expect("room");
    assert!(owner(&roster, "10.8.0.2") == roster.slot_of(tag("f")).expect("known"));
}

/// A start tells how much a server names, as its first answer has it; what comes and goes later is told at
/// the next close.
#[test]
fn a_servers_numbers_are_those_of_its_first_map_until_a_close() {
    let roster = roster_of(64);
    let rows = |count: u32| {
        (0..count).map(|at| (prefix(&format!("10.8.0.{at}")), tag(&format!("a{at}")))).collect::<Vec<_>>()
    };
    let told = || {
        let counts = roster.counts();
        (counts.sources[Source::WireGuard as usize].prefixes, counts.accounts)
    };
    roster.assign(Source::Control, prefix("10.9.0.1"), tag("c")).expect("room");
    assert_eq!(told(), (0, 0));
    roster.replace(Source::WireGuard, rows(8)).expect("room");
    assert_eq!(told(), (8, 8), "at once, in eights, and of itself alone");
    assert!(roster.is_named(tag("a3")) && !roster.is_named(tag("a20")) && !roster.is_named(tag("c")));
    roster.replace(Source::WireGuard, rows(40)).expect("room");
    assert_eq!(told(), (8, 8), "nobody sees who comes");
    assert!(!roster.is_named(tag("a20")));
    _ = roster.at_close(false, true, |_| false);
    assert_eq!(told(), (40, 48));
    assert!(roster.is_named(tag("a20")) && roster.is_named(tag("c")));
}

#[test]
fn slots_of_a_pool_lie_in_the_order_of_its_addresses() {
    let roster = small();
    let rows = [("10.8.0.9", "c"), ("10.8.0.2", "a"), ("10.8.0.5", "b")];
    let rows = rows.map(|(at, account)| (prefix(at), tag(account)));
    roster.replace(Source::File, rows.to_vec()).expect("room");
    let slots = ["a", "b", "c"].map(|text| roster.slot_of(tag(text)).expect("known"));
    assert!(slots.is_sorted() && slots[0] == Slot::FIRST_ACCOUNT);
}

#[test]
fn a_roster_without_room_is_left_as_it_was() {
    let roster = small();
    let row = |at: u32| (prefix(&format!("10.9.0.{at}")), tag(&format!("a{at}")));
    roster.replace(Source::File, (0..8).map(row).collect()).expect("room for eight");
    let full = roster.replace(Source::File, (0..9).map(row).collect());
    assert_eq!(full, Err(RosterError::CapacityExceeded { capacity: 8 }));
    assert!(owner(&roster, "10.9.0.0") == roster.slot_of(tag("a0")).expect("known"));
    // Not even what the refused roster no longer names is taken away.
    let other = roster.replace(Source::File, (10..19).map(row).collect());
    assert_eq!(other, Err(RosterError::CapacityExceeded { capacity: 8 }));
    assert!(owner(&roster, "10.9.0.0") == roster.slot_of(tag("a0")).expect("known"));
    assert_eq!(roster.assign(Source::Control, prefix("10.9.0.1"), tag("new")), Err(RosterError::SocketQuota));
    assert!(owner(&roster, "10.9.0.7") == roster.slot_of(tag("a7")).expect("known"));
}

/// What is left of the slots after the file's accounts is full of accounts that the socket made: does it say
/// who is in the file?
#[test]
fn a_socket_that_has_used_its_quota_is_refused_whoever_it_names() {
    let roster = roster_of(64);
    let at = |number: u32| prefix(&format!("10.8.0.{number}"));
    let filed = |number: u32| tag(&format!("filed-{number}"));
    roster.replace(Source::File, (0..20).map(|number| (at(number), filed(number))).collect()).expect("room");
    let made = |number: u32| tag(&format!("made-{number}"));
    let took =
        (0..64).take_while(|number| roster.assign(Source::Control, at(200), made(*number)).is_ok()).count();
    assert_eq!(took, 64 - 64 / 16 - 20);
    let refused = Err(RosterError::SocketQuota);
    for account in [filed(3), filed(19), tag("unknown"), made(63)] {
        assert_eq!(roster.assign(Source::Control, at(201), account), refused);
        assert_eq!(roster.replace(Source::Control, vec![(at(201), account)]), refused);
    }
    // Whom it has named, it may name again: that tells it nothing.
    assert_eq!(roster.assign(Source::Control, at(201), made(0)), Ok(()));
    // The file has room for new accounts of its own.
    let more = (0..24).map(|number| (at(number), filed(number))).collect();
    assert_eq!(roster.replace(Source::File, more), Ok(()));
}

#[test]
fn accounts_of_the_socket_that_were_never_used_leave_at_the_close() {
    let roster = small();
    let used = |slot: Slot| slot == Slot::FIRST_ACCOUNT;
    for account in ["used", "unused", "named"] {
        roster.assign(Source::Control, prefix("10.8.0.2"), tag(account)).expect("room");
    }
    assert!(roster.at_close(false, true, |slot| !used(slot)).is_empty());
    let second = Slot::new(Slot::FIRST_ACCOUNT.word() + 1);
    assert!(roster.at_close(false, true, |slot| !used(slot)) == [second]);
    assert!(
        ["used", "unused", "named"].map(|text| roster.slot_of(tag(text)).is_some()) == [true, false, true]
    );
    // Their places in the quota are free as well: two are taken.
    let more = ["a", "b", "c", "d", "e", "f", "g"]
        .map(|text| roster.assign(Source::Control, prefix("10.8.0.3"), tag(text)));
    assert_eq!(more.iter().filter(|made| made.is_ok()).count(), 6);
}

#[test]
fn an_account_that_nobody_names_leaves_at_the_end_of_the_period() {
    let roster = small();
    roster.assign(Source::Control, prefix("10.8.0.2"), tag("alice")).expect("room");
    roster.unassign(Source::Control, prefix("10.8.0.2")).expect("a table takes it");
    assert!(roster.at_close(false, true, |_| false).is_empty() && roster.slot_of(tag("alice")).is_some());
    assert!(roster.at_close(true, true, |_| false).is_empty());
    // The slot is quarantined until the next close, and is then given to the next account.
    roster.assign(Source::Control, prefix("10.8.0.2"), tag("bob")).expect("room");
    assert!(roster.slot_of(tag("bob")) != Some(Slot::FIRST_ACCOUNT));
    assert!(roster.at_close(false, true, |_| false) == [Slot::FIRST_ACCOUNT]);
    assert!(roster.slot_of(tag("alice")).is_none());
    roster.assign(Source::Control, prefix("10.8.0.3"), tag("carol")).expect("room");
    assert!(roster.slot_of(tag("carol")) == Some(Slot::FIRST_ACCOUNT));
}

#[test]
fn counts_of_connections_are_latched_and_rounded_up_to_eight() {
    let roster = small();
    roster.replace(Source::File, vec![(prefix("10.8.0.2"), tag("alice"))]).expect("room");
    roster.assign(Source::Control, prefix("10.8.0.2"), tag("bob")).expect("room");
    let [control, .., file] = roster.counts().sources;
    assert!(control == SourceCounts::default());
    assert!(file == SourceCounts { prefixes: 1, accounts: 1 } && roster.counts().conflicts == 0);
    roster.at_close(false, true, |_| false);
    assert!(roster.counts().sources[0] == SourceCounts { prefixes: 8, accounts: 8 });
    assert!(roster.counts().conflicts == 8);
}

/// Prefixes of few distinct bits, so that they nest and collide.
/// As text: a prefix itself cannot be printed, not even by a failing test.
fn any_prefix() -> impl Strategy<Value = String> {
    let v4 = (0_u32..64, prop_oneof![20_u8..=32, Just(32)]).prop_map(|(low, length)| {
        let bits = (0x0a08_0000 | (low << 2)) & u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
        format!("{}.{}.{}.{}/{length}", bits >> 24, bits >> 16 & 255, bits >> 8 & 255, bits & 255)
    });
    let v6 = (0_u32..16, prop_oneof![112_u8..=128, Just(128)]).prop_map(|(low, length)| {
        let bits = low << 1 & u32::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
        format!("fd42::{bits:x}/{length}")
    });
    prop_oneof![v4, v6]
}

fn any_address() -> impl Strategy<Value = String> {
    prop_oneof![
        (0_u32..300).prop_map(|low| format!("10.8.{}.{}", low >> 8, low & 255)),
        (0_u32..40).prop_map(|low| format!("fd42::{low:x}")),
    ]
}

const SOURCES: usize = Source::ALL.len();

/// The longest prefix that holds the address, by looking at all of them.
fn naive(assigned: &HashMap<Prefix, [Option<Slot>; SOURCES]>, address: TunnelAddress) -> Slot {
    assigned
        .iter()
        .filter(|(prefix, _)| {
            let (first, width) = (prefix.address(), prefix.address().width());
            let shift = u32::from(width - prefix.length());
            first.width() == address.width()
                && first.bits().checked_shr(shift) == address.bits().checked_shr(shift)
        })
        .max_by_key(|(prefix, _)| prefix.length())
        .and_then(|(_, slots)| slots.iter().flatten().next().copied())
        .unwrap_or_default()
}

/// The same counts by looking at everything.
fn naive_counts(assigned: &HashMap<Prefix, [Option<Slot>; SOURCES]>) -> Counts {
    let mut counts = Counts::default();
    for (at, figures) in counts.sources.iter_mut().enumerate() {
        let slots: Vec<Slot> = assigned.values().filter_map(|slots| slots[at]).collect();
        figures.prefixes = slots.len() as u64;
        figures.accounts = slots.into_iter().collect::<HashSet<Slot>>().len() as u64;
    }
    counts.accounts = assigned.values().flatten().flatten().collect::<HashSet<&Slot>>().len() as u64;
    let is_conflict =
        |slots: &&[Option<Slot>; SOURCES]| slots.iter().flatten().collect::<HashSet<_>>().len() > 1;
    counts.conflicts = assigned.values().filter(is_conflict).count() as u64;
    counts
}

/// One change of the roster, as text: 0 accounts stands for a release.
#[derive(Clone, Debug)]
enum Step {
    One(String, u8),
    All(Vec<(String, u8)>),
}

fn any_step() -> impl Strategy<Value = Step> {
    let rows = proptest::collection::vec((any_prefix(), 1_u8..6), 0..12);
    prop_oneof![
        8 => (any_prefix(), 0_u8..6).prop_map(|(prefix, account)| Step::One(prefix, account)),
        1 => rows.prop_map(Step::All),
    ]
}

proptest! {
    /// Longest prefix wins and every assignment is counted, whatever the order of assignments, releases
    /// and replacements.
    #[test]
    fn the_roster_agrees_with_a_naive_model(
        steps in proptest::collection::vec((any_step(), 0..SOURCES), 1..120),
        addresses in proptest::collection::vec(any_address(), 40),
    ) {
        let roster = roster_of(64);
        let mut assigned: HashMap<Prefix, [Option<Slot>; SOURCES]> = HashMap::new();
        let account = |account: u8| tag(&format!("account-{account}"));
        for (step, at) in steps {
            let source = Source::ALL[at];
            match step {
                Step::One(text, 0) => {
                    let had = assigned.entry(prefix(&text)).or_default()[source as usize].take().is_some();
                    prop_assert!(roster.unassign(source, prefix(&text)) == Ok(had));
                }
                Step::One(text, owner) => {
                    roster.assign(source, prefix(&text), account(owner)).expect("room");
                    assigned.entry(prefix(&text)).or_default()[source as usize] = roster.slot_of(account(owner));
                }
                Step::All(mut rows) => {
                    rows.sort();
                    rows.dedup_by(|one, other| one.0 == other.0);
                    let assignments = rows.iter().map(|(text, owner)| (prefix(text), account(*owner)));
                    roster.replace(source, assignments.collect()).expect("room");
                    assigned.values_mut().for_each(|slots| slots[source as usize] = None);
                    for (text, owner) in rows {
                        let slot = roster.slot_of(account(owner));
                        assigned.entry(prefix(&text)).or_default()[source as usize] = slot;
                    }
                }
            }
            assigned.retain(|_, slots| slots.iter().any(Option::is_some));
        }
        for address in addresses {
            prop_assert!(owner(&roster, &address) == naive(&assigned, prefix(&address).address()));
        }
        prop_assert!(roster.lock().assignments.counts() == naive_counts(&assigned));
    }
}

#[test]
fn a_table_that_grows_while_it_is_read_never_answers_wrong() {
    let roster = Arc::new(Roster::new(&[], Tags::in_memory(8), tagger(), 7));
    roster.assign(Source::Control, prefix("10.8.0.0/16"), tag("net")).expect("room");
    let slot = owner(&roster, "10.8.1.1");
    let table = roster.table();
    let done = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let reader = std::thread::spawn({
        let done = Arc::clone(&done);
        move || {
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                assert!(table.slot_of(TunnelAddress::V4(0x0a08_0101)) == slot);
            }
        }
    });
    for low in 0..5000_u32 {
        let other = prefix(&format!("192.168.{}.{}", low >> 8, low & 255));
        roster.assign(Source::Control, other, tag("other")).expect("room");
        if low % 3 == 0 {
            roster.unassign(Source::Control, other).expect("a table takes it");
        }
    }
    done.store(true, std::sync::atomic::Ordering::Relaxed);
    reader.join().expect("the reader saw one owner throughout");
}

#[test]
fn accounts_that_come_back_before_their_slots_are_free_get_them_again() {
    let accounts = 20_000_u32;
    let tags = Tags::in_memory(accounts as usize);
    let roster = Roster::new(&[prefix("10.8.0.0/16")], tags, tagger(), 1);
    let row = |at: u32| (prefix(&format!("10.8.{}.{}", at >> 8, at & 255)), tag(&format!("account-{at}")));
    roster.replace(Source::File, (0..accounts).map(row).collect()).expect("room");
    let slots: Vec<_> = (0..accounts).map(|at| roster.slot_of(row(at).1)).collect();
    assert!(slots.iter().all(Option::is_some));
    roster.replace(Source::File, vec![]).expect("room");
    assert!(roster.at_close(true, true, |_| false).is_empty());
    // Nobody's slot was free yet, so everybody has the same one again.
    roster.replace(Source::File, (0..accounts).map(row).collect()).expect("room");
    assert!((0..accounts).map(|at| roster.slot_of(row(at).1)).eq(slots));
    assert!(roster.at_close(false, true, |_| false).is_empty());
    // Who does not come back is gone, and nothing of the tag is left.
    roster.replace(Source::File, vec![]).expect("room");
    roster.at_close(true, true, |_| false);
    assert!(roster.at_close(false, true, |_| false).len() == accounts as usize);
    assert!((0..accounts).all(|at| roster.slot_of(row(at).1).is_none()));
    assert!((0..accounts).all(|at| tags.get(Slot::new(Slot::FIRST_ACCOUNT.word() + at)) == Tag::NOBODY));
}

/// A look-up that lies elsewhere: what an earlier process wrote down.
#[derive(Default)]
struct Elsewhere(Mutex<HashMap<Prefix, Owned>>);

impl Owners for Elsewhere {
    fn set(&self, owned: Owned) -> Result<(), OwnersRefused> {
        let mut all = self.0.lock().expect("one thread");
        if owned.slot == Slot::UNATTRIBUTED {
            all.remove(&owned.prefix);
        } else {
            all.insert(owned.prefix, owned);
        }
        Ok(())
    }

    fn each(&self, look: &mut dyn FnMut(Owned)) -> Result<(), OwnersRefused> {
        self.0.lock().expect("one thread").values().for_each(|owned| look(*owned));
        Ok(())
    }

    fn names(&self) -> Tags {
        Tags::over(&[])
    }

    fn stand(&self, _: u32, _: Place) -> Result<(), OwnersRefused> {
        Ok(())
    }

    fn standing(&self) -> Vec<(u32, Place)> {
        Vec::new()
    }
}

#[test]
fn the_longest_prefix_owns_and_of_two_the_one_of_the_interface() {
    let roster = Roster::new(&[prefix("10.8.0.0/24")], Tags::in_memory(8), tagger(), 7);
    let [one, other] = ["wg0", "wg1"].map(|name| roster.place_of(name).expect("there is room"));
    let rows = [
        ("10.8.0.0/24", Place::ANY, "any"),
        ("10.8.0.0/24", one, "one"),
        ("10.8.0.9", Place::ANY, "host"),
        ("10.8.0.9", other, "other"),
        ("10.8.0.0/28", other, "shorter"),
        ("10.8.0.8/29", Place::ANY, "longer"),
    ];
    for (text, place, account) in rows {
        roster.assign(Source::File, prefix(text).at(place), tag(account)).expect("room");
    }
    let table = roster.table();
    let owner = |place, text| table.slot_at(place, prefix(text).address());
    let is =
        |place, text, account| assert!(Some(owner(place, text)) == roster.slot_of(tag(account)), "{account}");
    let nowhere = Place::of_number(99).expect("it is small");
    for place in [Place::ANY, nowhere] {
        is(place, "10.8.0.9", "host");
        is(place, "10.8.0.10", "longer");
        is(place, "10.8.0.99", "any");
    }
    is(one, "10.8.0.9", "host");
    is(other, "10.8.0.9", "other");
    is(other, "10.8.0.10", "longer");
    is(other, "10.8.0.3", "shorter");
    is(one, "10.8.0.99", "one");
    // What is taken back on one interface stays on the others.
    assert!(roster.unassign(Source::File, prefix("10.8.0.9").at(other)).is_ok_and(|had| had));
    is(other, "10.8.0.9", "host");
    roster.replace(Source::File, vec![(prefix("10.8.0.9").at(one), tag("host"))]).expect("room");
    is(one, "10.8.0.9", "host");
    assert!(
        owner(Place::ANY, "10.8.0.9") == Slot::UNATTRIBUTED && owner(one, "10.8.0.10") == Slot::UNATTRIBUTED
    );
    assert!(roster.counts().sources[Source::File as usize].prefixes == 1);
}

/// Two accounts own two addresses of a pool, an address outside and a route each, in an earlier
/// process; this one has inherited them.
fn inheriting() -> (Roster, [Slot; 2]) {
    let (owners, tags) = (Arc::new(Elsewhere::default()), Tags::in_memory(8));
    let roster = || {
        let owners = Arc::clone(&owners) as Arc<dyn Owners>;
        Roster::over(owners, &[prefix("10.8.0.0/24")], tags, tagger())
    };
    let earlier = roster();
    for (at, account) in ["alice", "bob"].into_iter().enumerate() {
        for text in
            [format!("10.8.0.{at}"), format!("10.9.0.{at}"), format!("10.1{at}.0.0/16"), format!("fd::{at}")]
        {
            earlier.assign(Source::Control, prefix(&text), tag(account)).expect("room");
        }
    }
    let slots = ["alice", "bob"].map(|account| earlier.slot_of(tag(account)).expect("known"));
    let roster = roster();
    roster.inherit().expect("the owners can be read");
    (roster, slots)
}

#[test]
fn inherited_owners_hold_until_somebody_says_otherwise() {
    for text in ["10.8.0.0", "10.9.0.0", "10.10.0.0/16", "fd::0"] {
        let (roster, [alice, _]) = inheriting();
        // Whoever says the same confirms it, and whoever takes it back says that it held until now.
        roster.assign(Source::Control, prefix(text), tag("alice")).expect("room");
        roster.assign(Source::Control, prefix(text), tag("bob")).expect("room");
        assert!(roster.take_disputed().is_empty());
        let (roster, _) = inheriting();
        roster.unassign(Source::Control, prefix(text)).expect("it can be taken back");
        roster.assign(Source::Control, prefix(text), tag("bob")).expect("room");
        assert!(roster.take_disputed().is_empty());
        // Of two sources, the one that does not own it neither confirms nor disputes.
        let (roster, _) = inheriting();
        roster.assign(Source::File, prefix(text), tag("bob")).expect("room");
        assert!(roster.take_disputed().is_empty());
        // A dispute is told once.
        roster.assign(Source::Control, prefix(text), tag("bob")).expect("room");
        assert!(roster.take_disputed() == [alice] && roster.take_disputed().is_empty());
        roster.assign(Source::Control, prefix(text), tag("alice")).expect("room");
        assert!(roster.take_disputed().is_empty());
        // A source that does not name it any more disputes it as well.
        let (roster, [alice, bob]) = inheriting();
        roster.replace(Source::Control, vec![(prefix(text), tag("alice"))]).expect("room");
        let mut disputed = roster.take_disputed();
        disputed.sort_unstable();
        assert!(disputed == [[alice; 3].as_slice(), &[bob; 4]].concat());
        // What nobody disputed in an epoch is confirmed.
        let (roster, _) = inheriting();
        roster.at_close(false, true, |_| false);
        roster.assign(Source::Control, prefix(text), tag("bob")).expect("room");
        assert!(roster.take_disputed().is_empty());
    }
}
