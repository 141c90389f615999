//! The sink beside a model, and packets of every kind: whole, damaged, signed with another secret, made of any bytes.

use super::*;
use crate::roster::tagger::Tagger;
use md5::{Digest, Md5};
use proptest::prelude::*;
use std::collections::BTreeMap;

const SECRET: &[u8] = b"a secret of the servers";
const SENDER: &[u8] = &[192, 0, 2, 1];

/// An attribute.
fn attribute(kind: u8, value: &[u8]) -> Vec<u8> {
    let length = u8::try_from(value.len() + 2).expect("it fits");
    [&[kind, length][..], value].concat()
}

/// A packet of these attributes, signed.
fn signed(code: u8, identifier: u8, attributes: &[u8], secret: &[u8]) -> Vec<u8> {
    let length = u16::try_from(20 + attributes.len()).expect("it fits").to_be_bytes();
    let head = [code, identifier, length[0], length[1]];
    let digest = Md5::digest([&head[..], &[0; 16], attributes, secret].concat());
    [&head[..], &digest, attributes].concat()
}

/// What an accounting request says.
#[derive(Clone, Debug)]
struct Said {
    status: u32,
    server: u8,
    session: u8,
    account: u8,
    prefixes: Vec<u8>,
    delay: u32,
}

/// Prefixes by number: an address of IPv4 and of IPv6, a prefix and a delegated one.
fn named(number: u8) -> (Vec<u8>, Prefix) {
    let at = number / 4;
    let v6 = [&[0xfd, 0x42][..], &[0; 5], &[at], &[0; 8]].concat();
    let (attribute, text) = match number % 4 {
        0 => (attribute(8, &[10, 8, 0, at]), format!("10.8.0.{at}")),
        1 => (attribute(168, &v6), format!("fd42:0:0:{at:x}::")),
        2 => (attribute(97, &[&[0, 64][..], &v6[..8]].concat()), format!("fd42:0:0:{at:x}::/64")),
        _ => {
            let wide = [0xfd, 0x43, 0, 0, 0, 0, 0, at << 2, 1];
            (attribute(123, &[&[0, 62][..], &wide].concat()), format!("fd43:0:0:{:x}::/62", at << 2))
        }
    };
    (attribute, Prefix::parse(&text).expect("a prefix"))
}

impl Said {
    fn attributes(&self) -> Vec<u8> {
        let mut all = attribute(40, &self.status.to_be_bytes());
        all.extend(attribute(32, &[b'n', b'0' + self.server]));
        all.extend(attribute(44, &[b's', b'0' + self.session]));
        all.extend(attribute(1, &[b'a', b'0' + self.account]));
        all.extend(attribute(31, b"198.51.100.7"));
        self.prefixes.iter().for_each(|number| all.extend(named(*number).0));
        if self.delay > 0 {
            all.extend(attribute(41, &self.delay.to_be_bytes()));
        }
        all
    }

    fn request(&self, identifier: u8) -> Vec<u8> {
        signed(4, identifier, &self.attributes(), SECRET)
    }
}

fn tag(name: &AccountName) -> Tag {
    Tagger::new(&[7; 32]).tag_of(name)
}

fn tag_of(text: &str) -> [u8; 16] {
    tag(&AccountName::parse(text).expect("a name")).0
}

/// A sink, and what the roster holds by its word.
struct Held {
    sink: Sink,
    roster: BTreeMap<Prefix, [u8; 16]>,
    naming: Naming,
}

impl Held {
    fn new() -> Self {
        Self { sink: Sink::new([3; 32]), roster: BTreeMap::new(), naming: Naming::UserName }
    }

    fn hear(&mut self, datagram: &[u8]) -> Option<Vec<u8>> {
        let secret = Secret::of_file(SECRET).expect("a secret");
        let answer = self.sink.hear(datagram, SENDER, &secret, self.naming, tag);
        for (prefix, account) in self.sink.take_changes() {
            match account {
                Some(account) => _ = self.roster.insert(prefix, account.0),
                None => _ = self.roster.remove(&prefix),
            }
        }
        assert!(self.sink.sessions.all() == self.roster, "what is known is what was told");
        answer.map(|answer| answer.to_vec())
    }

    fn owner(&self, number: u8) -> Option<[u8; 16]> {
        self.roster.get(&named(number).1).copied()
    }
}

fn said(status: u32, session: u8, account: u8, prefixes: &[u8]) -> Said {
    Said { status, server: 0, session, account, prefixes: prefixes.to_vec(), delay: 0 }
}

/// Whether an answer is signed as the answer to this request.
fn answers(answer: &[u8], request: &[u8]) -> bool {
    let digest = Md5::digest([&answer[..4], &request[4..20], &answer[20..], SECRET].concat());
    let length = usize::from(u16::from_be_bytes([answer[2], answer[3]]));
    answer[..2] == [5, request[1]] && length == answer.len() && answer[4..20] == digest[..]
}

#[test]
fn a_session_has_its_addresses_from_its_start_to_its_stop() {
    let mut held = Held::new();
    let start = said(1, 1, 1, &[0, 1, 2, 3]).request(1);
    assert!(answers(&held.hear(&start).expect("an answer"), &start));
    assert!((0..4).all(|number| held.owner(number) == Some(tag_of("a1"))));
    // An address that comes later, and one that passes to another session of another account.
    held.hear(&said(3, 1, 1, &[0, 4]).request(2));
    held.hear(&said(1, 2, 2, &[0]).request(3));
    assert!(held.owner(4) == Some(tag_of("a1")) && held.owner(0) == Some(tag_of("a2")));
    // The first one's end takes away what it still has.
    held.hear(&said(2, 1, 1, &[0]).request(4));
    assert!(held.roster.len() == 1 && held.owner(0) == Some(tag_of("a2")));
    held.hear(&said(2, 2, 2, &[]).request(5));
    assert!(held.roster.is_empty());
}

#[test]
fn a_repetition_is_answered_and_not_applied_and_what_is_late_is_not_believed() {
    let mut held = Held::new();
    let start = said(1, 1, 1, &[0]).request(1);
    let first = held.hear(&start).expect("an answer");
    held.hear(&said(2, 1, 1, &[0]).request(2));
    assert!(held.hear(&start) == Some(first) && held.roster.is_empty());
    // The same with another time, as servers send it again, and a word of between.
    held.hear(&Said { delay: 5, ..said(1, 1, 1, &[0]) }.request(3));
    held.hear(&said(3, 1, 1, &[0]).request(4));
    assert!(held.roster.is_empty());
    // A server that gives names anew.
    held.hear(&said(1, 1, 2, &[0]).request(5));
    assert!(held.owner(0) == Some(tag_of("a2")));
}

#[test]
fn a_server_that_begins_anew_has_no_session_and_others_keep_theirs() {
    for status in [7, 8] {
        let mut held = Held::new();
        held.hear(&said(1, 1, 1, &[0, 2]).request(1));
        held.hear(&Said { server: 1, ..said(1, 1, 2, &[4]) }.request(2));
        let on = [attribute(40, &u32::to_be_bytes(status)), attribute(32, b"n0")].concat();
        assert!(held.hear(&signed(4, 3, &on, SECRET)).is_some());
        assert!(held.roster.len() == 1 && held.owner(4) == Some(tag_of("a2")));
    }
}

#[test]
fn what_an_earlier_process_was_told_ends_with_the_session() {
    let mut held = Held::new();
    held.roster.insert(named(0).1, tag_of("a1"));
    let stop = said(2, 1, 1, &[0]).request(1);
    let secret = Secret::of_file(SECRET).expect("a secret");
    assert!(held.sink.hear(&stop, SENDER, &secret, Naming::UserName, tag).is_some());
    assert!(held.sink.take_changes() == [(named(0).1, None)]);
}

#[test]
fn what_the_roster_does_not_take_is_told_again() {
    let mut held = Held::new();
    let secret = Secret::of_file(SECRET).expect("a secret");
    let hear = |held: &mut Held, said: Said, number| {
        held.sink.hear(&said.request(number), SENDER, &secret, Naming::UserName, tag);
        held.sink.take_changes().len()
    };
    assert_eq!(hear(&mut held, said(1, 1, 1, &[0, 4]), 1), 2);
    let mut untaken = Untaken::default();
    untaken.push(named(0).1, true);
    untaken.push(named(4).1, false);
    held.sink.put_back(&mut untaken);
    assert!(held.sink.take_changes() == [(named(0).1, Some(Tag(tag_of("a1"))))], "the tap was busy");
    assert_eq!((hear(&mut held, said(3, 1, 1, &[0, 4]), 2), held.sink.passed().roomless), (1, 1));
    assert_eq!(hear(&mut held, said(3, 1, 1, &[0, 4]), 3), 0, "nothing is new");
}

#[test]
fn a_session_lets_go_of_its_oldest_address_when_it_has_had_many() {
    let mut held = Held::new();
    for address in 0..20_u8 {
        held.hear(&said(3, 1, 1, &[address * 4]).request(address));
    }
    assert!(held.roster.len() == 8 && held.owner(0).is_none() && held.owner(76) == Some(tag_of("a1")));
}

#[test]
fn class_names_the_account_where_that_is_configured() {
    let mut held = Held::new();
    held.naming = Naming::Class;
    let mut attributes = said(1, 1, 1, &[0]).attributes();
    held.hear(&signed(4, 1, &attributes, SECRET));
    assert!(held.roster.is_empty() && held.sink.passed().nameless == 1);
    attributes.extend(attribute(25, b"customer 7"));
    held.hear(&signed(4, 2, &attributes, SECRET));
    assert!(held.owner(0) == Some(tag_of("customer%207")));
}

#[test]
fn an_authenticator_of_the_message_is_checked() {
    use hmac::{Hmac, KeyInit, Mac};
    let mac = |text: &[u8]| {
        let mut mac = <Hmac<Md5> as KeyInit>::new_from_slice(SECRET).expect("a key");
        mac.update(text);
        mac.finalize().into_bytes().to_vec()
    };
    let rest = said(1, 1, 1, &[0]).attributes();
    let unsigned = [rest.clone(), attribute(80, &[0; 16])].concat();
    let mut zeroed = signed(4, 9, &unsigned, SECRET);
    zeroed[4..20].fill(0);
    let right = signed(4, 9, &[rest.clone(), attribute(80, &mac(&zeroed))].concat(), SECRET);
    let wrong = signed(4, 9, &[rest.clone(), attribute(80, &[1; 16])].concat(), SECRET);
    let short = signed(4, 9, &[rest, attribute(80, &[1; 15])].concat(), SECRET);
    let mut held = Held::new();
    assert!(held.hear(&wrong).is_none() && held.hear(&short).is_none() && held.roster.is_empty());
    assert_eq!((held.sink.passed().strangers, held.sink.passed().malformed), (1, 1));
    let answer = held.hear(&right).expect("an answer");
    assert!(answers(&answer, &right) && held.owner(0).is_some());
}

#[test]
fn what_a_proxy_has_added_goes_back_as_it_came() {
    let states = [attribute(33, b"one"), attribute(33, &[0; 253])].concat();
    let request = signed(4, 1, &[said(1, 1, 1, &[0]).attributes(), states.clone()].concat(), SECRET);
    let answer = Held::new().hear(&request).expect("an answer");
    assert!(answers(&answer, &request) && answer[20..] == states);
}

#[test]
fn what_is_ill_formed_is_passed_over() {
    let good = said(1, 1, 1, &[0]).attributes();
    let mut held = Held::new();
    for (datagram, what) in [
        (vec![], "nothing"),
        (signed(4, 1, &good, SECRET)[..30].to_vec(), "cut off"),
        (signed(1, 1, &good, SECRET), "another code"),
        (signed(4, 1, &[good.clone(), vec![8, 1]].concat(), SECRET), "an attribute of one byte"),
        (signed(4, 1, &[good.clone(), vec![8, 7, 1]].concat(), SECRET), "an attribute past the end"),
        (signed(4, 1, &[good.clone(), vec![8]].concat(), SECRET), "half an attribute"),
    ] {
        let before = held.sink.passed().malformed;
        assert!(held.hear(&datagram).is_none() && held.sink.passed().malformed == before + 1, "{what}");
    }
    assert!(held.hear(&signed(4, 1, &good, b"another secret")).is_none());
    assert_eq!(held.sink.passed().strangers, 1);
    // Signed and whole, so that it is answered; what of it makes no sense is passed over.
    for (attribute, what) in [
        (attribute(8, &[10, 8, 0]), "a short address"),
        (attribute(8, &[]), "an empty address"),
        (attribute(168, &[0; 17]), "a long address"),
        (attribute(97, &[0, 129]), "a long prefix"),
        (attribute(97, &[0, 64, 0xfd]), "a prefix that is cut off"),
        (attribute(123, &[0, 0]), "everybody's addresses"),
        (attribute(123, &[]), "no prefix"),
    ] {
        let before = held.sink.passed().malformed;
        let request = signed(4, 2, &[said(1, 1, 1, &[]).attributes(), attribute].concat(), SECRET);
        assert!(held.hear(&request).is_some() && held.sink.passed().malformed == before + 1, "{what}");
    }
    // Addresses of nobody: not yet known, or left to somebody else.
    for address in [[0, 0, 0, 0], [255, 255, 255, 255], [255, 255, 255, 254]] {
        let before = held.sink.passed();
        let request =
            signed(4, 3, &[said(1, 1, 1, &[]).attributes(), attribute(8, &address)].concat(), SECRET);
        assert!(held.hear(&request).is_some() && held.sink.passed() == before);
    }
    assert!(held.roster.is_empty());
}

#[test]
fn a_secret_is_one_line() {
    let bytes =
        |file: &[u8]| Secret::of_file(file).map(|secret| (secret.bytes().to_vec(), secret.is_short()));
    assert_eq!(bytes(b"testing123\n"), Ok((b"testing123".to_vec(), true)));
    assert_eq!(bytes(b" sixteen and more \r\n"), Ok((b" sixteen and more ".to_vec(), false)));
    assert!(bytes(b"").is_err() && bytes(b"\n").is_err() && bytes(b"a\nb\n").is_err());
    assert!(bytes(&[b'x'; 256]).is_ok() && bytes(&[b'x'; 257]).is_err());
}

/// What a list of what was said comes to, worked out by itself.
fn modelled(all: &[Said]) -> BTreeMap<Prefix, [u8; 16]> {
    let mut owners: BTreeMap<u8, (u8, u8, u8)> = BTreeMap::new();
    let mut ended: Vec<(u8, u8)> = Vec::new();
    for Said { status, server, session, account, prefixes, delay } in all {
        let key = (*server, *session);
        match status {
            7 | 8 => owners.retain(|_, owner| owner.0 != *server),
            2 => {
                owners.retain(|_, owner| (owner.0, owner.1) != key);
                ended.push(key);
            }
            1 | 3 => {
                if *status == 1 && *delay == 0 {
                    ended.retain(|other| *other != key);
                }
                if !ended.contains(&key) {
                    prefixes.iter().for_each(|number| _ = owners.insert(*number, (key.0, key.1, *account)));
                }
            }
            _ => {}
        }
    }
    owners.into_iter().map(|(number, owner)| (named(number).1, tag_of(&format!("a{}", owner.2)))).collect()
}

fn any_said() -> impl Strategy<Value = Said> {
    let status = prop_oneof![4 => Just(1_u32), 4 => Just(3), 3 => Just(2), 1 => 7..9_u32, 1 => Just(15)];
    // Eight prefixes in all, so that no session is full.
    (status, 0..2_u8, 0..4_u8, 0..4_u8, proptest::collection::vec(0..8_u8, 0..4), 0..2_u32).prop_map(
        |(status, server, session, account, prefixes, delay)| Said {
            status,
            server,
            session,
            account,
            prefixes,
            delay,
        },
    )
}

/// Attributes of the corpus, altered and signed: what is whole is answered, and the roster is told what is known.
#[test]
fn altered_requests_are_answered_where_they_are_whole() {
    let (mut held, mut heard) = (Held::new(), 0_u32);
    super::super::mutated::inputs("radius", |attributes| {
        let attributes = &attributes[..attributes.len().min(4_000)];
        heard += 1;
        if heard.is_multiple_of(1_000) {
            held = Held::new();
        }
        let request = signed(4, heard.to_le_bytes()[0], attributes, SECRET);
        let (before, passed) = (held.roster.len(), held.sink.passed());
        let answer = held.hear(&request);
        // A Message-Authenticator that chance made is none.
        let is_whole = passed.malformed + passed.strangers == 0 || answer.is_some();
        assert!(answer.is_none_or(|answer| answers(&answer, &request)));
        let now = held.sink.passed();
        (
            before.min(40),
            held.roster.len().min(40),
            is_whole,
            now.malformed - passed.malformed,
            now.nameless - passed.nameless,
        )
    });
}

/// Whole requests of the corpus, altered without being signed anew: nobody hears them.
#[test]
fn altered_requests_that_are_not_signed_anew_are_not_heard() {
    let mut held = Held::new();
    super::super::mutated::inputs("radius", |bytes| {
        let mut request = signed(4, 1, &bytes[..bytes.len().min(4_000)], b"another secret");
        if bytes.first().is_some_and(|byte| byte % 3 == 0) {
            request = bytes.to_vec();
        }
        assert!(held.hear(&request).is_none() && held.roster.is_empty());
        request.len().min(300)
    });
}

proptest! {
    /// Whatever servers say, repetitions included, the roster is told what a model says.
    #[test]
    fn what_servers_say_comes_to_what_a_model_says(
        all in proptest::collection::vec((any_said(), any::<bool>()), 0..30)
    ) {
        let mut held = Held::new();
        for (at, (said, is_repeated)) in all.iter().enumerate() {
            let request = said.request(u8::try_from(at).expect("few"));
            let answer = held.hear(&request).expect("it is answered");
            prop_assert!(answers(&answer, &request));
            if *is_repeated {
                prop_assert_eq!(held.hear(&request), Some(answer));
            }
        }
        let all: Vec<Said> = all.into_iter().map(|(said, _)| said).collect();
        prop_assert!(held.roster == modelled(&all));
        prop_assert_eq!(held.sink.passed(), Passed::default());
    }

    /// No bytes do harm, and none that are not signed change anything or are answered.
    #[test]
    fn any_bytes_are_read_or_passed_over(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        is_headed in any::<bool>(),
    ) {
        let mut bytes = bytes;
        if is_headed && bytes.len() >= 20 {
            bytes[0] = 4;
            let length = u16::try_from(bytes.len()).expect("short").to_be_bytes();
            bytes[2..4].copy_from_slice(&length);
        }
        let mut held = Held::new();
        prop_assert!(held.hear(&bytes).is_none() && held.roster.is_empty());
        prop_assert!(held.sink.passed().malformed + held.sink.passed().strangers == 1);
    }

    /// A request that is damaged is not heard.
    #[test]
    fn a_damaged_request_is_not_heard(said in any_said(), at in any::<prop::sample::Index>(), flip in 1..=255_u8) {
        let mut request = said.request(1);
        let at = at.index(request.len());
        request[at] ^= flip;
        let mut held = Held::new();
        prop_assert!(held.hear(&request).is_none() && held.roster.is_empty());
    }

    /// Any attributes, signed: nothing does harm, and what is whole is answered.
    #[test]
    fn any_signed_attributes_are_answered(
        kinds in proptest::collection::vec(
            (
                prop_oneof![
                    prop::sample::select(vec![1_u8, 4, 8, 25, 32, 33, 40, 41, 44, 95, 97, 123, 168]),
                    (0..=255_u8).prop_filter("not the message's", |kind| *kind != 80)
                ],
                proptest::collection::vec(any::<u8>(), 0..20)
            ),
            0..12
        ),
        rest in proptest::collection::vec(any::<u8>(), 0..2),
    ) {
        let mut attributes: Vec<u8> =
            kinds.iter().flat_map(|(kind, value)| attribute(*kind, value)).collect();
        let is_whole = rest.is_empty();
        attributes.extend(rest);
        let request = signed(4, 1, &attributes, SECRET);
        let mut held = Held::new();
        let answer = held.hear(&request);
        prop_assert_eq!(answer.is_some(), is_whole);
        prop_assert!(answer.is_none_or(|answer| answers(&answer, &request)));
    }
}
