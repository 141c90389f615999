//! Accounts that talk and addresses that change hands, for tests in which daemons come and go. The
//! oracle is the sender's own count.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::netns::Namespace;
use crate::netns::daemon::{Daemon, Setup};
use crate::netns::folder::Folder;
use crate::netns::tally::{Expected, Way, name};
use crate::netns::wire::{Kind, Wire, nobody};
use crate::support::command::Outcome;
use crate::support::frames::{Address, datagram};
use crate::support::rng::Rng;
use crate::support::wait::{let_pass, wait_until};

/// The first accounts change addresses, the others keep theirs.
pub(crate) const CHANGING: usize = 12;
const ACCOUNTS: usize = 30;
const ADDRESSES: usize = 8;
const POOLS: [&str; 2] = ["10.8.0.0/16", "fd42:8::/112"];

/// The line of `[tap]` by which the program counts into slices, and by which it adds atomically.
pub(crate) const SLICED: &str = "memory_budget = \"64MiB\"";
pub(crate) const LOCKED: &str = "memory_budget = \"0B\"";

/// Accounts that talk all the time, whether a daemon lives or not, and a clerk who gives addresses to
/// others whenever one does.
pub(crate) struct Load {
    pub(crate) namespace: Arc<Namespace>,
    pub(crate) folder: Arc<Folder>,
    done: Arc<AtomicBool>,
    threads: Vec<thread::JoinHandle<(Expected, u64)>>,
}

impl Load {
    /// Begins with a daemon of this tap that has come and gone; `layout` is a line of `[tap]`.
    pub(crate) fn begin(tap: &'static str, layout: &str) -> Self {
        let namespace = Arc::new(Namespace::new());
        let wire = Arc::new(Wire::make(&namespace, Kind::Tun, "tun0"));
        let folder = Folder::keeping(&setup(tap), "1s");
        folder.configure("[tap]", &format!("[tap]\n{layout}"));
        // Attached before the first packet, or there would be packets that nobody could count.
        Daemon::start_in(&namespace, &folder).hand_over();
        let done = Arc::new(AtomicBool::new(false));
        let talker = {
            let (wire, done) = (Arc::clone(&wire), Arc::clone(&done));
            thread::spawn(move || (talk(&wire, &done), 0))
        };
        let clerk = {
            let (namespace, folder, done) = (Arc::clone(&namespace), Arc::clone(&folder), Arc::clone(&done));
            thread::spawn(move || hand_over(&wire, &namespace, &folder, &done))
        };
        Self { namespace, folder, done, threads: vec![talker, clerk] }
    }

    /// What was sent, and how often an address changed hands. A daemon must live, for the clerk to
    /// come to an end.
    pub(crate) fn end(&mut self) -> (Expected, u64) {
        self.done.store(true, Ordering::SeqCst);
        let mut expected = Expected::of(ACCOUNTS);
        let mut changes = 0;
        for thread in self.threads.drain(..) {
            let (share, changed) = thread.join().expect("the senders run to their end");
            expected.merge(&share);
            changes += changed;
        }
        (expected, changes)
    }
}

/// The load of accounts that keep their addresses, in both directions.
fn talk(wire: &Wire, done: &AtomicBool) -> Expected {
    let mut rng = Rng::seeded(0x7a1c);
    let mut expected = Expected::of(ACCOUNTS);
    while !done.load(Ordering::SeqCst) {
        for _ in 0..20 {
            let account = rng.between(CHANGING, ACCOUNTS - 1);
            let address = talker_address(account);
            let length = rng.between(address.smallest_packet(), 600);
            say(wire, &mut expected, Some(account), address, &mut rng, length);
        }
        let_pass(Duration::from_millis(2), "the pace of the load");
    }
    expected
}

/// Gives addresses to one account after the other, each time taking it back first, as the hooks of a
/// server do. A request that was not answered is made again: it may have been met or not.
fn hand_over(wire: &Wire, namespace: &Namespace, folder: &Folder, done: &AtomicBool) -> (Expected, u64) {
    let mut rng = Rng::seeded(0xc1e7);
    let mut expected = Expected::of(ACCOUNTS);
    let mut owners: [Option<usize>; ADDRESSES] = [None; ADDRESSES];
    let mut changes = 0;
    while !done.load(Ordering::SeqCst) {
        let which = rng.below(ADDRESSES);
        let address = changing_address(which);
        // 2: it was taken back already.
        insist(|| folder.command_in(namespace, &["roster", "unassign", &address.text()]), &[0, 2]);
        let next = rng.below(CHANGING);
        insist(|| folder.command_in(namespace, &["roster", "assign", &address.text(), &name(next)]), &[0]);
        owners[which] = Some(next);
        changes += 1;
        for (which, owner) in owners.iter().enumerate().filter(|(_, owner)| owner.is_some()) {
            for _ in 0..rng.below(6) {
                let address = changing_address(which);
                let length = rng.between(address.smallest_packet(), 600);
                say(wire, &mut expected, *owner, address, &mut rng, length);
            }
        }
    }
    (expected, changes)
}

fn insist(ask: impl Fn() -> Outcome, met: &[i32]) {
    wait_until("a daemon answers", Duration::from_secs(60), || {
        let output = ask();
        let is_met = output.code.is_some_and(|code| met.contains(&code));
        // 69: no daemon answers.
        assert!(is_met || output.code == Some(69), "{}", output.stderr);
        is_met
    });
}

/// One packet from or to an address.
fn say(
    wire: &Wire,
    expected: &mut Expected,
    owner: Option<usize>,
    address: Address,
    rng: &mut Rng,
    length: usize,
) {
    let far = nobody(address, 3);
    let (way, from, to) = match rng.below(2) {
        0 => (Way::Up, address, far),
        _ => (Way::Down, far, address),
    };
    wire.send(way, &datagram(from, to, length));
    expected.add(owner, way, 1, u64::try_from(length).expect("a length"));
}

pub(crate) fn setup(tap: &'static str) -> Setup {
    let mut roster = String::new();
    for account in CHANGING..ACCOUNTS {
        roster += &format!("{},{}\n", talker_address(account).text(), name(account));
    }
    Setup { backend: tap, interfaces: vec!["tun0"], pools: POOLS.to_vec(), roster }
}

/// Addresses in the pools and outside, of both families.
fn changing_address(which: usize) -> Address {
    let number = u32::try_from(which).expect("few");
    match which % 4 {
        0 => Address::v4(0x0a08_0100 + number),
        1 => Address::v6((0xfd42_0008 << 96) + 0x100 + u128::from(number)),
        2 => Address::v4(0xc612_0000 + number),
        _ => Address::v6((0xfd77 << 112) + u128::from(number)),
    }
}

pub(crate) fn talker_address(account: usize) -> Address {
    let number = u32::try_from(account).expect("few");
    match account % 3 {
        0 => Address::v4(0x0a08_8000 + number),
        1 => Address::v6((0xfd42_0008 << 96) + 0x8000 + u128::from(number)),
        _ => Address::v4(0xc0a8_0000 + number),
    }
}
