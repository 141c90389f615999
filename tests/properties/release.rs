//! From counters to the page: what an account may add, what is carried over, and what of flags is shown.

use crate::environment::{POLICY, cases};
use crate::support::frames::{Address, packet};
use crate::support::rng::Rng;
use blindmeter::meter::budget::Epsilon;
use blindmeter::meter::clamp::clamped;
use blindmeter::meter::counters::Counters;
use blindmeter::meter::epoch::Epochs;
use blindmeter::meter::flag_counts::FlagCounts;
use blindmeter::meter::ledger::Ledger;
use blindmeter::meter::noise::Randomness;
use blindmeter::meter::policy::{Flagging, Mode, Noise, Policy, Profile};
use blindmeter::meter::slot::{Direction, Slot};
use blindmeter::meter::tags::Tags;
use blindmeter::meter::units::{Totals, Volume};
use blindmeter::publish::exposition;
use blindmeter::roster::Roster;
use blindmeter::roster::place::Place;
use blindmeter::roster::tagger::Tagger;
use blindmeter::tap::Attribution;
use blindmeter::tap::frame::LinkType;
use proptest::prelude::*;

/// Every sample of noise is 0: low part 0, kept, no high part, positive.
struct Silent(usize);

impl Randomness for Silent {
    fn next_word(&mut self) -> u64 {
        self.0 += 1;
        [0, 0, 1, 0][(self.0 - 1) % 4]
    }
}

/// An hour's epochs on a link of one bit a second: totals are rounded to single bytes.
fn exact(clamp_bytes: u64) -> Policy {
    let noise = Noise { epsilon: Epsilon::of_billionths(1_000_000_000), clamp_bytes };
    let policy = Policy { epoch_seconds: 3600, link_bits_per_second: 1, mode: Mode::Noisy(noise), ..POLICY };
    assert_eq!(policy.rounding_step(), 1);
    policy
}

fn any_bytes() -> impl Strategy<Value = u64> {
    (0_u32..64, any::<u64>()).prop_map(|(power, word)| word >> power)
}

proptest! {
    #![proptest_config(cases(4000))]

    /// Both directions together are min(up + down, clamp), neither grows, and each is less than a byte
    /// from its proportion.
    #[test]
    fn clamped_directions_add_up(up in any_bytes(), down in any_bytes(), clamp in any_bytes()) {
        // A clamp is at most 2^50 bytes.
        let clamp = clamp >> 14;
        let volume = |bytes| Volume { bytes, packets: 1 };
        let (less_up, less_down) = clamped(Totals { up: volume(up), down: volume(down) }, clamp);
        let both = u128::from(up) + u128::from(down);
        let held = both.min(u128::from(clamp));
        prop_assert_eq!(u128::from(less_up) + u128::from(less_down), held);
        prop_assert!(less_up <= up && less_down <= down);
        // Up is floor(up held / both).
        let less = u128::from(less_up);
        prop_assert!(less * both <= u128::from(up) * held && u128::from(up) * held < (less + 1) * both.max(1));
    }
}

/// What happens to one epoch: how many accounts move how much, and whether it is served in time.
#[derive(Clone, Debug)]
struct Course {
    accounts: u32,
    bytes: [u64; 2],
    served: bool,
    restarted: bool,
}

fn any_course() -> impl Strategy<Value = Course> {
    (0_u32..40, [0_u64..1 << 24, 0_u64..1 << 24], prop::bool::weighted(0.7), prop::bool::weighted(0.2))
        .prop_map(|(accounts, bytes, served, restarted)| Course { accounts, bytes, served, restarted })
}

proptest! {
    #![proptest_config(cases(300))]

    /// What the gate holds back, and what was sealed and never served, enters the next release whole,
    /// each account's epoch clamped by itself; and a release holds nothing that another one held.
    #[test]
    fn carrying_over_loses_nothing_and_repeats_nothing(courses in prop::collection::vec(any_course(), 1..30)) {
        let clamp = 1 << 23;
        let policy = exact(clamp);
        let counters = Counters::in_memory(40);
        let mut ledger = Ledger::new(counters);
        let mut epochs = Epochs::new(policy, 0);
        let mut waiting = [0_i128; 2];
        for (ordinal, course) in (1..).zip(&courses) {
            let volume = |bytes| Volume { bytes, packets: 1 };
            let each = Totals { up: volume(course.bytes[0]), down: volume(course.bytes[1]) };
            for at in 0..course.accounts {
                let slot = Slot::new(Slot::FIRST_ACCOUNT.word() + at);
                counters.add(slot, Direction::Up, each.up.bytes, 1);
                counters.add(slot, Direction::Down, each.down.bytes, 1);
            }
            let (up, down) = clamped(each, clamp);
            waiting[0] += i128::from(up) * i128::from(course.accounts);
            waiting[1] += i128::from(down) * i128::from(course.accounts);
            prop_assert!(epochs.seal(ordinal, &mut ledger, &FlagCounts::default(), &mut Silent(0)).is_ok());
            if !course.served {
                continue;
            }
            let release = epochs.publish().expect("it was sealed");
            let is_active = each.bytes() >= 1 << 20 && each.up.bytes >= 64 << 10;
            let crowd = course.accounts >= 20 && is_active;
            prop_assert_eq!(release.suppressed(), !crowd);
            if crowd {
                let shown = [release.up_bytes(), release.down_bytes()].map(i128::from);
                prop_assert_eq!(shown, waiting);
                waiting = [0; 2];
            } else {
                prop_assert_eq!((release.up_bytes(), release.down_bytes()), (0, 0));
            }
            if course.restarted {
                epochs = Epochs::resumed(policy, ordinal, epochs.sealed(), epochs.released(), epochs.carry());
            }
        }
    }
}

/// Whatever the schedule says: an ordinal that was used, or one below it, is not released again.
#[test]
fn an_ordinal_is_sealed_once() {
    let (mut epochs, mut ledger, counters) = held_back(exact(1 << 30));
    counters.add(Slot::FIRST_ACCOUNT, Direction::Up, 1 << 30, 1);
    for ordinal in [0, 1] {
        assert!(epochs.seal(ordinal, &mut ledger, &FlagCounts::default(), &mut Silent(0)).is_err());
        assert!(epochs.sealed().is_none() && ledger.open_epoch(Slot::FIRST_ACCOUNT).bytes() == 1 << 30);
    }
    let mut barred = Epochs::new(exact(1 << 30), 7);
    assert!(barred.seal(7, &mut ledger, &FlagCounts::default(), &mut Silent(0)).is_err());
    assert!(barred.seal(8, &mut ledger, &FlagCounts::default(), &mut Silent(0)).is_ok());
}

/// What others send to thirty accounts opens no gate: it is not theirs, and one sender can reach them all.
#[test]
fn accounts_that_only_receive_are_no_crowd() {
    let policy = exact(1 << 30);
    for (sent, is_crowd) in [(0, false), ((64 << 10) - 1, false), (64 << 10, true)] {
        let counters = Counters::in_memory(30);
        let (mut ledger, mut epochs) = (Ledger::new(counters), Epochs::new(policy, 0));
        for slot in (0..30).map(|at| Slot::new(Slot::FIRST_ACCOUNT.word() + at)) {
            counters.add(slot, Direction::Down, 40 << 20, 40);
            counters.add(slot, Direction::Up, sent, 1);
        }
        assert!(epochs.seal(1, &mut ledger, &FlagCounts::default(), &mut Silent(0)).is_ok());
        let release = epochs.publish().expect("it was sealed");
        assert_eq!(release.suppressed(), !is_crowd, "{sent} bytes sent by each");
    }
}

/// Closes one epoch in which an account alone moves 1 GiB, which the gate holds back.
fn held_back(policy: Policy) -> (Epochs, Ledger, Counters) {
    let counters = Counters::in_memory(30);
    let mut ledger = Ledger::new(counters);
    let mut epochs = Epochs::new(policy, 0);
    counters.add(Slot::FIRST_ACCOUNT, Direction::Up, 1 << 30, 1);
    assert!(epochs.seal(1, &mut ledger, &FlagCounts::default(), &mut Silent(0)).is_ok());
    assert!(epochs.publish().is_some_and(|release| release.suppressed()));
    (epochs, ledger, counters)
}

/// The bytes up of the next epoch, in which thirty accounts move 1 MiB each, under this policy.
fn next_epoch(before: Policy, after: Policy) -> i64 {
    let (epochs, mut ledger, counters) = held_back(before);
    let mut epochs = Epochs::resumed(after, 1, None, epochs.released(), epochs.carry());
    for at in 0..30 {
        counters.add(Slot::new(Slot::FIRST_ACCOUNT.word() + at), Direction::Up, 1 << 20, 1);
    }
    assert!(epochs.seal(2, &mut ledger, &FlagCounts::default(), &mut Silent(0)).is_ok());
    epochs.publish().map_or(0, |release| release.up_bytes())
}

#[test]
fn what_was_clamped_for_other_noise_enters_no_release() {
    let (policy, mib) = (exact(1 << 30), 1_i64 << 20);
    assert_eq!(next_epoch(policy, policy), (1 << 30) + 30 * mib);
    assert_eq!(next_epoch(policy, Policy { crowd: 21, ..policy }), (1 << 30) + 30 * mib);
    for other in [exact(1 << 29), exact(1 << 31)] {
        assert_eq!(next_epoch(policy, other), 30 * mib, "another clamp");
    }
    let half = Noise { epsilon: Epsilon::of_billionths(500_000_000), clamp_bytes: 1 << 30 };
    assert_eq!(next_epoch(policy, Policy { mode: Mode::Noisy(half), ..policy }), 30 * mib);
    // Coarse mode carries nothing, and takes nothing that was carried.
    let coarse = Policy { mode: Mode::Coarse, ..policy };
    assert_eq!(next_epoch(policy, coarse), 30 * mib);
    assert_eq!(next_epoch(coarse, policy), 30 * mib);
}

/// The page of an epoch in which this was raised.
fn page(policy: Policy, raised: &FlagCounts, seed: u64) -> String {
    let mut epochs = Epochs::new(policy, 0);
    let counters = Counters::in_memory(1);
    let mut ledger = Ledger::new(counters);
    counters.add(Slot::UNATTRIBUTED, Direction::Up, 40 << 30, 1);
    counters.add(Slot::LOST, Direction::Up, 0, 5 << 20);
    counters.add(Slot::MALFORMED, Direction::Up, 0, (5 << 16) - 1);
    assert!(epochs.seal(1, &mut ledger, raised, &mut Rng::seeded(seed)).is_ok());
    exposition::released(&epochs.publish().expect("it was sealed"), &policy)
}

/// The value of a series on a page.
fn value(page: &str, series: &str) -> i64 {
    let line = page.lines().find_map(|line| line.strip_prefix("blindmeter_epoch_")?.strip_prefix(series));
    line.and_then(|value| value.trim().parse().ok()).expect("a count")
}

const RAISED: FlagCounts =
    FlagCounts { accounts: [7, 8, 200, 1000, 40, 23, 64], interruption: 1000, failed_attempts: 191 };

#[test]
fn what_is_raised_reaches_the_page() {
    let coarse = page(Policy { mode: Mode::Coarse, flags: Some(Flagging::DEFAULT), ..POLICY }, &RAISED, 1);
    for (series, expected) in [
        ("irregular_accounts{kind=\"heavy\"}", 0),
        ("irregular_accounts{kind=\"pktflood\"}", 8),
        ("irregular_accounts{kind=\"stall\"}", 200),
        ("irregular_accounts{kind=\"surge\"}", 1000),
        ("irregular_accounts{kind=\"unusual\"}", 40),
        ("irregular_accounts{kind=\"updrift\"}", 16),
        ("irregular_accounts{kind=\"upload\"}", 64),
        ("mass_event", 1),
        ("interrupted", 1),
        ("failed_attempts", 128),
        ("lost_packets", 5 << 20),
        ("malformed_packets", 4 << 16),
        ("unattributed_bytes{direction=\"down\"}", 0),
        ("unattributed_bytes{direction=\"up\"}", 40 << 30),
    ] {
        assert_eq!(value(&coarse, series), expected, "{series} in {coarse}");
    }
    // While flags are off, nothing of them is shown.
    let off = page(POLICY, &RAISED, 1);
    for series in ["irregular_accounts{kind=\"surge\"}", "mass_event", "interrupted"] {
        assert_eq!(value(&off, series), 0, "{series}");
    }
}

/// With noise each count is near, in multiples of its step, and not the same in every epoch.
#[test]
fn no_count_is_published_without_noise() {
    let policy = Policy { profile: Profile::Standard, flags: Some(Flagging::DEFAULT), ..POLICY };
    let pages: Vec<String> = (0..400).map(|seed| page(policy, &RAISED, seed)).collect();
    for (series, step, counted) in [
        ("irregular_accounts{kind=\"stall\"}", 8, 200),
        ("failed_attempts", 64, 191),
        ("lost_packets", 1 << 20, 5 << 20),
        ("malformed_packets", 1 << 16, 5 << 16),
        ("unattributed_bytes{direction=\"down\"}", 1 << 24, 0),
        ("unattributed_bytes{direction=\"up\"}", 1 << 24, 40 << 30),
    ] {
        let found: Vec<i64> = pages.iter().map(|page| value(page, series)).collect();
        assert!(found.iter().all(|count| count % step == 0), "{series}: {found:?}");
        let name = if series.starts_with("irregular") { "irregular_accounts" } else { series };
        let name = name.split('{').next().unwrap_or_default();
        let stddev = value(&pages[0], &format!("node_noise_stddev{{series=\"{name}\"}}"));
        // A twentieth of the noise is the deviation of a mean of 400; rounding is off by half a step.
        let mean = found.iter().sum::<i64>() / 400;
        assert!((mean - counted).abs() <= stddev / 4 + step / 2, "{series}: {mean} for {counted}");
        let spread = found.iter().map(|count| (count - counted).abs()).sum::<i64>() / 400;
        assert!((stddev / 2..stddev).contains(&spread), "{series}: {spread} for {stddev}");
    }
}

/// A flood from outside is its owner's while the address has one, and nobody's otherwise: neither how large it was
/// nor when that changed is to be told by what is nobody's.
#[test]
fn a_flood_of_an_address_that_is_nobodys_shows_as_little_as_a_packet() {
    let shown = |bytes: u64| {
        let counters = Counters::in_memory(1);
        let (mut ledger, mut epochs) = (Ledger::new(counters), Epochs::new(POLICY, 0));
        counters.add(Slot::UNATTRIBUTED, Direction::Down, bytes, 1);
        assert!(epochs.seal(1, &mut ledger, &FlagCounts::default(), &mut Silent(0)).is_ok());
        epochs.publish().expect("it was sealed").unattributed_down_bytes()
    };
    assert_eq!(shown(1 << 40), shown(1 << 30), "what one account may move, and no more");
    assert!(shown(1 << 40) <= 1 << 30);
}

/// What the kernel sends by itself when a device comes, and what its neighbours send.
#[test]
fn the_devices_own_chatter_is_in_no_published_series() {
    let counters = Counters::in_memory(1);
    let roster = Roster::new(&[], Tags::in_memory(1), Tagger::new(&[1; 32]), 7);
    let mut ledger = Ledger::new(counters);
    let attribution = Attribution { table: roster.table(), counters, place: Place::ANY };
    let count = |source: Address, destination: Address| {
        let packet = packet(source, destination, 17, &[0; 100]);
        for direction in [Direction::Up, Direction::Down] {
            attribution.count(LinkType::RawIp, &packet, packet.len() as u64, direction, None);
        }
    };
    let link_local = 0xfe80_u128 << 112;
    let group = 0xff02_u128 << 112;
    // Router solicitation, multicast listener report, duplicate address detection; mDNS; DHCP.
    count(Address::v6(link_local + 1), Address::v6(group + 2));
    count(Address::v6(link_local + 1), Address::v6(group + 0x16));
    count(Address::v6(0), Address::v6(group + 0x0001_ff00_0001));
    count(Address::v4(0xa9fe_0001), Address::v4(0xe000_00fb));
    count(Address::v4(0), Address::v4(u32::MAX));
    // Without noise, and rounded to single bytes.
    let policy = Policy { mode: Mode::Coarse, ..exact(1) };
    let mut close = |ordinal| {
        let mut epochs = Epochs::new(policy, 0);
        assert!(epochs.seal(ordinal, &mut ledger, &FlagCounts::default(), &mut Silent(0)).is_ok());
        let release = epochs.publish().expect("it was sealed");
        [release.up_bytes(), release.unattributed_up_bytes(), release.unattributed_down_bytes()]
    };
    assert_eq!(close(1), [0; 3], "published of the device's own messages");
    // The control: a packet of two addresses that nobody owns.
    count(Address::v4(0x0a08_0001), Address::v4(0x0a08_0002));
    assert_eq!(close(2), [0, 120, 120]);
    let node = ledger.node();
    assert!(node.link.packets() == 10 && node.seen().packets == 12, "all of it is accounted for");
}
