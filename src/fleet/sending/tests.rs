//! What arrives of a sending at clusters that lose words, erase accounts and answer nonsense. Holds a model of the
//! servers' functions for one node.

use super::super::words::{BYTES, MODULUS};
use super::*;
use crate::engine::refreshes::RefreshedAccount;
use crate::meter::tags::Tag;
use proptest::prelude::*;
use std::collections::HashMap;

/// A cluster as the functions make one, for one node.
#[derive(Default)]
struct Servers {
    kept: HashMap<(PeriodTag, Vec<u8>), Vec<u8>>,
    marks: HashMap<PeriodTag, u16>,
    /// Values in the order in which they came.
    order: Vec<PeriodTag>,
}

impl Servers {
    fn answer(&mut self, call: &Call) -> Reply {
        if call.function == Function::Kept {
            let mut digest = Sha1::new();
            for (tag, field) in call.keys.iter().zip(&call.arguments) {
                digest.update(self.kept.get(&(*tag, field.clone())).map_or(&[][..], |value| value));
            }
            return vec![
                digest.finalize().iter().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect(),
            ];
        }
        let put = |(tag, value): (&PeriodTag, &[Vec<u8>])| {
            let [field, value] = value else { panic!("a field and a value for each key") };
            let mark = self.marks.get(tag).copied().unwrap_or(0).to_be_bytes();
            let old = self.kept.get(&(*tag, field.clone()));
            if mark > [value[0], value[1]] {
                let its = old.map_or([0, 0], |old| [old[0], old[1]]);
                return [mark, its].concat();
            }
            self.kept.insert((*tag, field.clone()), value.clone());
            self.order.push(*tag);
            Vec::new()
        };
        call.keys.iter().zip(call.arguments[2..].chunks(2)).map(put).collect()
    }
}

fn words_of(value: &[u8]) -> Words {
    let word =
        |at: usize| value[4 + 7 * at..11 + 7 * at].iter().fold(0, |word, byte| word << 8 | u64::from(*byte));
    assert_eq!(value.len(), 4 + BYTES);
    Words(std::array::from_fn(word))
}

fn account(number: u32) -> RefreshedAccount {
    let mut tag = [3; 16];
    tag[..4].copy_from_slice(&number.to_le_bytes());
    let slot = Slot::new(Slot::FIRST_ACCOUNT.word() + number);
    let (up_bytes, down_bytes) = (u64::from(number) * 1000, u64::from(number) * 7 + 1);
    RefreshedAccount {
        tag: Tag(tag),
        slot,
        up_bytes,
        down_bytes,
        kinds: Kinds::of_bits(number.to_le_bytes()[0]),
    }
}

fn sending(accounts: u32, clusters: usize) -> Sending {
    let refresh = Refresh { week: 3000, period: 750, accounts: (0..accounts).map(account).collect() };
    Sending::new(refresh, FleetKey::new(&[1; 32]), "north".into(), (clusters, 1_900_000_000, [9; 32]))
}

/// Makes every round that is left; the accounts that were obeyed.
fn finish(sending: &mut Sending, clusters: &mut [Servers]) -> Vec<Obeyed> {
    let mut obeyed = Vec::new();
    for _ in 0..10_000 {
        for (place, servers) in clusters.iter_mut().enumerate() {
            let asked = sending.round(place, 21_000);
            let replies: Vec<Reply> = asked.iter().map(|(_, call)| servers.answer(call)).collect();
            obeyed.extend(sending.heard(place, &asked, &replies).expect("answers").0);
        }
        if (0..clusters.len()).all(|place| sending.is_done(place)) {
            return obeyed;
        }
    }
    panic!("a sending ends");
}

fn sum(clusters: &[Servers], tag: PeriodTag) -> Words {
    let of = |servers: &Servers| {
        let mut found = servers.kept.iter().filter(|((kept, _), _)| *kept == tag);
        let (_, value) = found.next().expect("it was sent");
        assert!(found.next().is_none(), "a node has one field");
        words_of(value)
    };
    clusters.iter().map(of).reduce(Words::and).expect("a cluster")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn every_account_arrives_whole_whatever_was_lost_on_the_way(
        accounts in 0_u32..400,
        clusters in 1_usize..3,
        lost in proptest::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let mut servers: Vec<Servers> = (0..clusters).map(|_| Servers::default()).collect();
        let mut sending = sending(accounts, clusters);
        prop_assert!(finish(&mut sending, &mut servers).is_empty());
        let before = servers[0].kept.clone();
        for (at, index) in lost.iter().enumerate() {
            let cluster = &mut servers[at % clusters].kept;
            if !cluster.is_empty() {
                let key = cluster.keys().nth(index.index(cluster.len())).expect("one").clone();
                cluster.remove(&key);
            }
        }
        sending.review();
        finish(&mut sending, &mut servers);
        prop_assert!(servers[0].kept == before, "what is sent again is the same, to the bit");
        for number in 0..accounts {
            let RefreshedAccount { tag, up_bytes, down_bytes, kinds, .. } = account(number);
            let tag = FleetKey::new(&[1; 32]).period_tag(tag, 750);
            prop_assert!(sum(&servers, tag) == Words::new(up_bytes, down_bytes, kinds));
        }
    }
}

/// Who used what must not show in when it is written.
#[test]
fn accounts_go_in_the_order_of_slots_and_tags() {
    let mut servers = [Servers::default()];
    finish(&mut sending(500, 1), &mut servers);
    let (roll, accounts) = servers[0].order.split_last().expect("they were sent");
    assert!(accounts.is_sorted_by_key(|tag| (tag.slot(), *tag)) && accounts.len() == 500);
    assert!(*roll == FleetKey::new(&[1; 32]).roll_tag(750));
}

/// Whoever counts the nodes on the roll takes each for one that has followed every erasure.
#[test]
fn a_node_is_on_the_roll_when_all_else_was_taken() {
    let key = FleetKey::new(&[1; 32]);
    let tag = key.period_tag(account(7).tag, 750);
    let mut servers = [Servers::default()];
    servers[0].marks.insert(tag, 1);
    finish(&mut sending(10, 1), &mut servers);
    let order = &servers[0].order;
    assert!(order.contains(&tag) && order.len() == 11);
    assert!(order.last().is_some_and(|last| *last == key.roll_tag(750)));
}

#[test]
fn one_cluster_of_two_sees_numbers_that_tell_nothing() {
    let mut servers = [Servers::default(), Servers::default()];
    finish(&mut sending(400, 2), &mut servers);
    for cluster in &servers {
        let up: Vec<u64> = cluster.kept.values().map(|value| words_of(value).0[0]).collect();
        let high = up.iter().filter(|word| **word >= MODULUS / 2).count();
        // 400 even draws: five standard deviations are 50.
        assert!((150..250).contains(&high), "{high} of 400 in the upper half");
        assert!(up.iter().all(|word| *word > 400_000), "no total lies bare");
    }
}

#[test]
fn an_account_that_was_erased_elsewhere_is_zero_here_once() {
    let mut servers = [Servers::default(), Servers::default()];
    let mut first = sending(50, 2);
    finish(&mut first, &mut servers);
    let RefreshedAccount { tag, slot, .. } = account(7);
    let tag = FleetKey::new(&[1; 32]).period_tag(tag, 750);
    servers.iter_mut().for_each(|servers| {
        servers.marks.insert(tag, 1);
    });
    first.restart();
    let obeyed = finish(&mut first, &mut servers);
    assert!(obeyed.len() == 1 && obeyed[0].slot == slot && obeyed[0].tag == tag);
    assert!(sum(&servers, tag) == Words::default());
    let other = FleetKey::new(&[1; 32]).period_tag(account(8).tag, 750);
    assert!(sum(&servers, other) == Words::new(8000, 57, account(8).kinds));

    // The next week's, and a process that began anew, have forgotten the mark; what came since stays.
    let mut next = sending(50, 2);
    assert!(finish(&mut next, &mut servers).is_empty(), "it was obeyed");
    assert!(sum(&servers, tag) == Words::new(7000, 50, account(7).kinds));
}

#[test]
fn an_answer_that_is_none_is_refused() {
    let mut sending = sending(10, 1);
    let asked = sending.round(0, 21_000);
    let replies: Vec<Reply> = asked.iter().map(|_| vec![vec![1, 2, 3]; 9]).collect();
    assert_eq!(sending.heard(0, &asked, &replies).err(), Some(Trouble::Answer));
    assert!(!sending.is_done(0) && sending.is_sending(0));
}
