//! What becomes of what servers hold when they fail: masters are killed, hang or come back too early, nodes read back and
//! send again until every sum is exact, and no server ever writes a file but nodes.conf.

use super::number;
use crate::fleet::servers::{Form, Servers};
use crate::fleet::watched::Watched;
use crate::fleet::words::Nodes;
use crate::support::rng::Rng;
use crate::support::wait::{let_pass, wait_for_within, wait_until};
use blindmeter::clock::Stopwatch;
use blindmeter::fleet::cluster::Cluster;
use blindmeter::fleet::servers::install::install;
use blindmeter::fleet::settings::Role;
use blindmeter::fleet::trouble::Trouble;
use std::fs;
use std::time::Duration;

/// Nodes send again until all is there, for so long at most.
const LIMIT: Duration = Duration::from_secs(60);

/// Sends again what is not there until nothing is missing; how many sendings it took.
fn send_until_exact(nodes: &Nodes, client: &mut Cluster) -> usize {
    let mut rounds = 0;
    wait_for_within("everything is there", LIMIT, || match nodes.missing(client, None) {
        Ok(missing) if missing.is_empty() => Some(()),
        Ok(missing) => {
            rounds += 1;
            // What fails is sent again in the next round.
            let _ = nodes.send(client, None, &missing);
            None
        }
        Err(_) => {
            let_pass(Duration::from_millis(100), "a node waits before it asks again");
            None
        }
    });
    rounds
}

fn exact(nodes: &Nodes, desk: &mut Cluster, week: u16) {
    for account in 0..nodes.tags.len() {
        let total = nodes.total(desk, account, week).expect("it adds up");
        assert!(total.words == nodes.sum(None, account) && total.stale == 0, "an account's sum");
    }
}

/// Masters are killed one after the other while nodes send; one more hangs.
#[test]
fn sums_are_exact_through_kills_and_nothing_is_written() {
    let kills = number("BLINDMETER_FLEET_KILLS", 2);
    let accounts = number("BLINDMETER_FLEET_ACCOUNTS", 60);
    let gives_up_after = Some(u32::try_from(number("BLINDMETER_FLEET_TIMEOUT", 1000)).expect("milliseconds"));
    let mut servers = Servers::start(Form { gives_up_after, ..Form::default() });
    let mut nodes = Nodes::new(20, u64::try_from(accounts).expect("few"), 7);
    let access = |servers: &Servers, role| servers.access('A', &nodes.fleet(), role);
    install(&access(&servers, Role::Install), &servers.names(), false).expect("it is empty");
    let mut client = Cluster::new(&access(&servers, Role::Node)).expect("members have addresses");
    let mut desk = Cluster::new(&access(&servers, Role::Desk)).expect("members have addresses");
    let watched = Watched::new([&servers]);
    let mut rng = Rng::seeded(7);
    let (mut slowest, mut sendings, mut lost) = (Duration::ZERO, 0, 0);

    for kill in 0..=kills {
        let week = u16::try_from(kill + 1).expect("few");
        nodes.draw(&mut rng, week);
        // Half is sent, then a master fails amid the rest.
        let all = nodes.all();
        let (before, after) = all.split_at(all.len() / 2);
        nodes.send(&mut client, None, before).expect("it takes all");
        let masters = servers.masters();
        let master = masters[rng.below(masters.len())];
        let replica = servers.replica(master);
        let held = servers.keys(master);
        let hangs = kill == kills;
        let began = Stopwatch::start();
        if hangs {
            servers.hang(master, true)
        } else {
            servers.kill(master)
        }
        std::thread::scope(|scope| {
            // Whatever becomes of these is seen when they are read back.
            scope.spawn(|| nodes.send(&mut client, None, after).is_ok());
            servers.await_promotion(replica);
            slowest = slowest.max(began.elapsed());
        });
        assert!(servers.keys(replica) >= held - held / 10, "the replica has what its master had");
        if hangs {
            servers.hang(master, false)
        } else {
            servers.return_server(master, &[])
        }
        lost += nodes.missing(&mut client, None).map_or(0, |missing| missing.len());
        sendings += send_until_exact(&nodes, &mut client);
        servers.await_whole();
        exact(&nodes, &mut desk, week);
        watched.only_nodes();
    }
    println!(
        "{kills} kills and a hang, {} words of 20 nodes each time: exact; missing after failures {lost}, sendings again \
         {sendings}; slowest failover {} ms",
        nodes.all().len(),
        slowest.as_millis()
    );

    // The watch sees what a replica writes that is set otherwise.
    let master = servers.masters()[0];
    let replica = servers.replica(master);
    servers.kill(replica);
    servers.return_server(replica, &["--repl-diskless-load", "disabled"]);
    servers.await_whole();
    assert!(watched.names().iter().any(|name| name.contains("rdb")), "a full synchronisation leaves a file");
}

/// A master that is back before it was given up is empty, and empties its replica; nodes are told, and send again.
#[test]
fn a_master_that_returns_too_early_empties_its_replica() {
    let mut servers = Servers::start(Form { gives_up_after: None, ..Form::default() });
    let mut nodes = Nodes::new(3, 60, 8);
    nodes.draw(&mut Rng::seeded(8), 1);
    let access = |servers: &Servers, role| servers.access('A', &nodes.fleet(), role);
    install(&access(&servers, Role::Install), &servers.names(), false).expect("it is empty");
    let mut client = Cluster::new(&access(&servers, Role::Node)).expect("members have addresses");
    nodes.send(&mut client, None, &nodes.all()).expect("it takes all");
    let master = servers.masters()[0];
    let replica = servers.replica(master);
    let held = servers.keys(master);
    wait_until("the replica has all", LIMIT, || servers.keys(replica) == held);
    assert!(held > 5);

    servers.kill(master);
    servers.return_server(master, &[]);
    wait_until("the replica is emptied", LIMIT, || servers.keys(replica) == 0);
    assert!(servers.masters().contains(&master) && servers.keys(master) == 0);
    // It has no functions either: nodes are told so in one line, and what runs after each start loads them.
    wait_until("nodes are told", LIMIT, || {
        nodes.missing(&mut client, None).err() == Some(Trouble::NotInstalled)
    });
    let installed = install(&access(&servers, Role::Install), &servers.names(), false).expect("it is ours");
    assert_eq!((installed.masters, installed.unchanged), (3, 2));
    assert!(send_until_exact(&nodes, &mut client) > 0);
    let mut desk = Cluster::new(&access(&servers, Role::Desk)).expect("members have addresses");
    exact(&nodes, &mut desk, 1);

    // A host that was booted has no folder any more: its server joins anew, and has all.
    servers.boot(replica, master);
    assert_eq!(servers.keys(replica), servers.keys(master));
    exact(&nodes, &mut desk, 1);
}

/// The unit waits longer than a failover can take: twice the time after which a master is given up, and the election's
/// second, as Redis documents them.
#[test]
fn the_unit_waits_longer_than_a_failover() {
    let read = |file: &str| {
        fs::read_to_string(format!("{}/deploy/fleet/{file}", env!("CARGO_MANIFEST_DIR"))).expect("shipped")
    };
    let number = |text: &str, before: &str| -> u64 {
        let line = text.lines().find_map(|line| line.strip_prefix(before)).expect("it is set");
        line.trim().parse().expect("a number")
    };
    let milliseconds = number(&read("server.conf"), "cluster-node-timeout");
    let waits = number(&read("blindmeter-fleet@.service"), "ExecStartPre=/usr/bin/sleep");
    assert!(waits * 1000 >= 2 * milliseconds + 5000, "waits {waits} s, given up after {milliseconds} ms");
}
