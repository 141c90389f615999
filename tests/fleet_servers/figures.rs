//! What a fleet costs its servers: memory for each node's words of an account, and calls a second of 61 accounts each, as
//! a sending of a million accounts has them. Small in the tests, and as large as is asked for by name.

use super::is_over_tls;
use crate::fleet::senders::{Fleet, Sender};
use crate::fleet::servers::{Form, Servers, engine};
use crate::fleet::words::{Nodes, Sent, now, value};
use crate::support::rng::Rng;
use blindmeter::clock::Stopwatch;
use blindmeter::fleet::cluster::{Call, Cluster, Function};
use blindmeter::fleet::keys::{FleetKey, PeriodTag};
use blindmeter::fleet::servers::install::install;
use blindmeter::fleet::settings::Role;
use blindmeter::fleet::words::{MODULUS, Words};
use blindmeter::meter::tags::Tag;
use std::collections::HashMap;
use std::fs;

/// Accounts of a call, where a million lie in 16,384 slots.
const OF_A_CALL: usize = 61;

fn start(fleet: &str) -> Servers {
    let more = vec!["maxmemory 8gb".to_owned()];
    let servers = Servers::start(Form { servers: 3, more, ..Form::default() });
    install(&servers.access('A', fleet, Role::Install), &servers.names(), false).expect("it is empty");
    servers
}

fn used(servers: &Servers) -> u64 {
    (0..3).map(|at| servers.figure(at, "memory", "used_memory")).sum()
}

/// Bytes for each node's words of an account, as the servers count their memory.
#[test]
fn a_nodes_words_of_an_account_take_the_stated_memory() {
    let accounts: u64 = std::env::var("BLINDMETER_FLEET_ACCOUNTS")
        .map_or(8000, |text| text.parse().expect("a number of accounts"));
    for nodes in [1, 20, 1000] {
        let mut all = Nodes::new(nodes, accounts / u64::try_from(nodes).expect("few"), 9);
        all.draw(&mut Rng::seeded(9), 1);
        let servers = start(&all.fleet());
        let mut client = Cluster::new(&servers.access('A', &all.fleet(), Role::Node)).expect("members");
        // By account, so that each step has whole hashes. The first step has the buffers of the connection as well.
        let mut pairs = all.all();
        pairs.sort_by_key(|(_, account)| *account);
        let (first, later) = pairs.split_at(pairs.len() / 4);
        all.send(&mut client, None, first).expect("it takes all");
        let mut before = used(&servers);
        let began = before;
        for pairs in later.chunks(later.len().div_ceil(3)) {
            all.send(&mut client, None, pairs).expect("it takes all");
            let now = used(&servers);
            let bytes = now.saturating_sub(before) / u64::try_from(pairs.len()).expect("few");
            println!("{} more of {nodes} nodes: {bytes} bytes for a node's words of an account", pairs.len());
            before = now;
        }
        let bytes = (before - began) / u64::try_from(later.len()).expect("few");
        // Valkey's smallest hashes are larger.
        let most = match nodes {
            1 if engine().contains("valkey") => 450,
            1 => 300,
            20 => 120,
            // More than 128 fields are kept otherwise.
            _ => 180,
        };
        println!("{nodes} nodes: {bytes} bytes in all");
        assert!((40..most).contains(&bytes), "{bytes} bytes: docs/fleet.md is wrong");
    }
}

/// Some of a million accounts: those of so many slots.
fn of_slots(key: &FleetKey, slots: u16) -> Vec<Vec<PeriodTag>> {
    let mut found: HashMap<u16, Vec<PeriodTag>> = HashMap::new();
    for account in 0..1_000_000_u64 {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&account.to_le_bytes());
        let tag = key.period_tag(Tag(bytes), 1);
        if tag.slot().is_multiple_of(16_384 / slots) {
            found.entry(tag.slot()).or_default().push(tag);
        }
    }
    let mut found: Vec<_> = found.into_iter().collect();
    found.sort_by_key(|(slot, _)| *slot);
    found
        .into_iter()
        .map(|(_, mut tags)| {
            tags.truncate(OF_A_CALL);
            tags
        })
        .collect()
}

/// Calls a second, by one client that waits for each answer, and by one that does not.
#[test]
fn calls_of_sixty_one_accounts_are_as_fast_as_stated() {
    let slots: u16 =
        std::env::var("BLINDMETER_FLEET_SLOTS").map_or(16, |text| text.parse().expect("a number of slots"));
    let key = FleetKey::new(&[10; 32]);
    let servers = start(&key.identity());
    let access = |role| servers.access('A', &key.identity(), role);
    let mut node = Cluster::new(&access(Role::Node)).expect("members");
    let mut desk = Cluster::new(&access(Role::Desk)).expect("members");
    let tags = of_slots(&key, slots);
    let mut rng = Rng::seeded(10);
    let expires = (now() + 40 * 86_400).to_string();
    let mut put = |name: &str, week: u16, tags: &Vec<PeriodTag>| {
        let mut arguments = vec![(now() / 86_400).to_string().into_bytes(), expires.clone().into_bytes()];
        for tag in tags {
            let words = Words(std::array::from_fn(|_| rng.word() % MODULUS));
            arguments.extend([key.field(name, *tag).0.to_vec(), value(Sent { mark: 0, week, words })]);
        }
        Call { function: Function::Put, keys: tags.clone(), arguments }
    };
    let rate = |what: &str, cluster: &mut Cluster, calls: &[Call], of: usize| {
        for at_once in [1, 16] {
            let began = Stopwatch::start();
            calls.chunks(at_once).for_each(|calls| {
                cluster.call(calls).expect("it answers");
            });
            let calls = u128::try_from(calls.len()).expect("few");
            let each = began.elapsed().as_micros() / calls;
            println!("{what} of {of} accounts, {at_once} at once: {each} microseconds a call");
        }
    };
    let names: Vec<String> = (0..20).map(|node| format!("node-{node}")).collect();
    for name in &names {
        let calls: Vec<Call> = tags.iter().map(|tags| put(name, 1, tags)).collect();
        node.call(&calls).expect("it takes all");
    }
    let calls: Vec<Call> = tags.iter().map(|tags| put(&names[0], 2, tags)).collect();
    rate("bm_put", &mut node, &calls, OF_A_CALL);
    let kept = |tags: &Vec<PeriodTag>| {
        let arguments = tags.iter().map(|tag| key.field(&names[0], *tag).0.to_vec()).collect();
        Call { function: Function::Kept, keys: tags.clone(), arguments }
    };
    rate("bm_kept", &mut node, &tags.iter().map(kept).collect::<Vec<_>>(), OF_A_CALL);
    let total = |tag: &PeriodTag| Call {
        function: Function::Total,
        keys: vec![*tag],
        arguments: vec![b"2".to_vec(), b"0".to_vec()],
    };
    let of_each_slot: Vec<Call> = tags.iter().filter_map(|tags| tags.first()).map(total).collect();
    rate("bm_total of 20 nodes,", &mut desk, &of_each_slot, 1);
    let crowded = vec![tags[0][0]];
    let calls: Vec<Call> = (20..1000).map(|node| put(&format!("node-{node}"), 2, &crowded)).collect();
    node.call(&calls).expect("it takes all");
    rate("bm_total of 1,000 nodes,", &mut desk, &[(); 32].map(|()| total(&crowded[0])), 1);
}

/// Seconds that this thread has run on a processor.
fn processor_seconds() -> f64 {
    let told = fs::read_to_string("/proc/thread-self/schedstat").expect("the kernel counts it");
    let nanoseconds = told.split(' ').next().and_then(|word| word.parse::<f64>().ok()).expect("a number");
    nanoseconds / 1e9
}

/// A weekly sending of each of so many nodes with so many accounts to two clusters, as fast as it goes, over TLS as shipped:
/// time, a node's processor time, bytes on the wire, and what the servers hold after two weeks.
#[test]
fn a_weekly_sending_costs_as_stated() {
    let sizes = std::env::var("BLINDMETER_FLEET_SIZES").unwrap_or_else(|_| "1x2000 3x2000".to_owned());
    for size in sizes.split(' ') {
        let (nodes, accounts) = size.split_once('x').expect("NODESxACCOUNTS");
        let fleet = Fleet::new(nodes.parse().expect("nodes"), accounts.parse().expect("accounts"), 23);
        let start = |letter| {
            let more = vec!["maxmemory 8gb".to_owned()];
            let servers = Servers::start(Form { servers: 3, tls: is_over_tls(), more, ..Form::default() });
            let access = servers.access(letter, &fleet.identity(), Role::Install);
            install(&access, &servers.names(), false).expect("it is empty");
            servers
        };
        let clusters = ['A', 'B'].map(start);
        let of_all = |section: &str, name: &str| -> f64 {
            let of = |servers: &Servers| -> u64 { (0..3).map(|at| servers.figure(at, section, name)).sum() };
            clusters.iter().map(of).sum::<u64>() as f64
        };
        let before = of_all("memory", "used_memory");
        let mut senders = Sender::all(&fleet, &clusters);
        let words = fleet.nodes as f64 * f64::from(fleet.accounts);
        for week in [1, 2] {
            senders.iter_mut().for_each(|sender| sender.refresh(week));
            let sides = ["total_net_input_bytes", "total_net_output_bytes"];
            let bytes = sides.map(|side| of_all("stats", side));
            let (began, ran) = (Stopwatch::start(), processor_seconds());
            senders.iter_mut().for_each(Sender::finish);
            let (each, ran) = (began.elapsed().as_secs_f64() / fleet.nodes as f64, processor_seconds() - ran);
            let bytes = [0, 1].map(|side| (of_all("stats", sides[side]) - bytes[side]) / words);
            println!(
                "{size}, week {week}: {each:.2} s a node, {:.2} s of its processor; bytes for an account and node, both clusters: \
                 {:.0} sent, {:.0} received",
                ran / fleet.nodes as f64,
                bytes[0],
                bytes[1]
            );
            // A call is of one account where there are few, and of 61 where there are a million.
            assert!((100.0..600.0).contains(&bytes[0]) && bytes[1] < 200.0, "docs/fleet.md is wrong");
        }
        let held = (of_all("memory", "used_memory") - before) / words / 2.0;
        println!("{size}: {held:.0} bytes a cluster holds for an account and node");
    }
}
