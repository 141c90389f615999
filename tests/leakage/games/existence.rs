//! Game G10: who exists, asked by every role and by who has none.
//!
//! Two nodes differ in one name of the roster file: the account that is asked about, or another one that
//! nobody asks about in its place. Every request that a role may make is made of both, about that name and
//! others, and of those that take a place for the account once all free places are used up, over several epochs.
//! Every answer must be the same. Left out is what SECURITY.md states: who assigns names first and fills the
//! places then can tell, once an epoch, how many of these names had one.

use super::node::{MIDNIGHT, setup};
use super::report::{Figure, Form, Row};
use super::sim::apart;
use super::sim::machine::Machine;
use super::sim::runtime;
use super::sim::setup::STRANGER;
use super::worlds::DAY_SECONDS;
use crate::support::rng::Rng;
use blindmeter::control::protocol::Request;

/// The name that is asked about.
const ASKED: &str = "asked-about";

/// What takes its place in the other node.
const INSTEAD: &str = "never-asked";

/// Accounts of the file, and the room for more.
const ACCOUNTS: usize = 20;
const ROOM: usize = 64;

/// More than there is room for.
const FILLED: usize = 80;

const EPOCHS: u64 = 4;

/// Everything that the roles may ask about a name, by who asks.
fn requests(epoch: u64, rng: &mut Rng) -> Vec<(u32, Request, Vec<u8>)> {
    let named = |account: &str| account.to_owned();
    // An officer and a member of support for each epoch: their own limits are no answer about a name.
    let uid = u32::try_from(epoch).expect("a few epochs");
    let mut all = Vec::new();
    let mut ask = |uid, request| all.push((uid, request, Vec::new()));
    for account in [ASKED, "unknown", "account-3"] {
        ask(uid, Request::Show { account: named(account) });
        ask(uid, Request::Export { account: named(account), open_epoch: rng.chance(0.5) });
        ask(STRANGER, Request::Show { account: named(account) });
    }
    let host = |at: usize| format!("10.77.{}.{}", 200 + at / 250, 1 + at % 250);
    for at in 0..FILLED {
        ask(
            uid,
            Request::Assign {
                prefix: host(at),
                account: format!("filled-{epoch}-{at}"),
                interface: None,
                session: None,
            },
        );
    }
    for account in [ASKED, "unknown"] {
        ask(
            uid,
            Request::Assign {
                prefix: "10.77.99.1".to_owned(),
                account: named(account),
                interface: None,
                session: None,
            },
        );
        ask(uid, Request::Unassign { prefix: "10.77.99.1".to_owned(), interface: None, session: None });
    }
    ask(uid, Request::Counts {});
    ask(uid, Request::Status {});
    ask(uid, Request::Asked {});
    for account in [ASKED, "unknown"] {
        let text = format!("prefix,account\n10.77.98.1,{account}\n10.77.98.2,account-3\n").into_bytes();
        all.push((uid, Request::Sync { bytes: text.len() }, text));
    }
    all.push((uid, Request::Sync { bytes: 15 }, b"prefix,account\n".to_vec()));
    all
}

/// Every answer of a node whose file has this name.
fn answers(seed: u64, name: &str) -> Vec<Vec<u8>> {
    let runtime = runtime();
    let mut rng = Rng::of(&[seed, 95]);
    let mut machine = Machine::new(&setup(ROOM, Some(300)), Rng::of(&[seed, 96]).word(), MIDNIGHT + 60);
    let rows = (0..ACCOUNTS).map(|at| format!("10.77.0.{},account-{at}\n", at + 1));
    let roster = format!("prefix,account\n{}10.77.1.1,{name}\n", rows.collect::<String>());
    machine.start(&roster, false).expect("a first start");
    let mut answers = Vec::new();
    for epoch in 1..=EPOCHS {
        for (uid, request, text) in requests(epoch, &mut rng) {
            let mut answer = Vec::new();
            runtime.block_on(machine.ask_with(uid, request, &text, &mut answer));
            answers.push(answer);
        }
        runtime.block_on(machine.pass(u64::from(DAY_SECONDS)));
    }
    answers
}

/// Plays the game on so many nodes.
pub(crate) fn play(seed: u64, form: Form) -> Row {
    let nodes = form.choose(4, 200);
    let (mut differing, mut asked, mut first) = (0_u32, 0_usize, String::new());
    for node in 0..nodes {
        let seed = Rng::of(&[seed, 97, node]).word();
        let [with, without] = [ASKED, INSTEAD].map(|name| apart(|_| answers(seed, name)));
        assert!(with.len() == without.len() && with.iter().all(|answer| !answer.is_empty()));
        asked += with.len();
        for (at, (one, other)) in
            with.iter().zip(&without).enumerate().filter(|(_, (one, other))| one != other)
        {
            let [one, other] = [one, other].map(|answer| String::from_utf8_lossy(answer));
            if differing == 0 {
                first = format!("; node {node}, request {at}: {} and {}", one.trim_end(), other.trim_end());
            }
            differing += 1;
        }
    }
    Row {
        check: "G10 who exists, asked by every role (answers that differ)".to_owned(),
        control: None,
        figure: Figure::counted(f64::from(differing)),
        goal: "0".to_owned(),
        passes: differing == 0,
        note: format!(
            "{asked} answers of {nodes} nodes over {EPOCHS} epochs, with all places used up{first}"
        ),
    }
}
