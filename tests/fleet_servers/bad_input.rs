//! What goes wrong around a fleet's clusters, as a node meets it: each is told in a clear line, and once it is mended
//! everything is there once, nothing twice.

use crate::fleet::senders::{Fleet, Sender};
use crate::fleet::servers::{Form, Servers};
use crate::fleet::words::Total;
use blindmeter::fleet::cluster::{Call, Cluster, Function};
use blindmeter::fleet::servers::install::{Refusal, install, rendered};
use blindmeter::fleet::settings::Role;
use blindmeter::fleet::trouble::Trouble;

/// Two clusters of three, and three nodes.
struct Around {
    fleet: Fleet,
    clusters: Vec<Servers>,
    senders: Vec<Sender>,
}

impl Around {
    fn new() -> Self {
        let fleet = Fleet::new(3, 200, 21);
        let form = || Form { servers: 3, has_tester: true, ..Form::default() };
        let clusters: Vec<Servers> = (0..2).map(|_| Servers::start(form())).collect();
        let senders = Sender::all(&fleet, &clusters);
        let around = Self { fleet, clusters, senders };
        (0..2).for_each(|place| around.install(place).expect("it is empty"));
        around
    }

    fn install(&self, place: usize) -> Result<(), Refusal> {
        let servers = &self.clusters[place];
        let access = servers.access(['A', 'B'][place], &self.fleet.identity(), Role::Install);
        install(&access, &servers.names(), true).map(drop)
    }

    fn install_as(&self, fleet: &Fleet) -> Result<(), Refusal> {
        let servers = &self.clusters[0];
        install(&servers.access('A', &fleet.identity(), Role::Install), &servers.names(), false).map(drop)
    }

    /// Loads these functions on every master of a cluster, whoever's they are.
    fn load(&self, place: usize, identity: &str) {
        let servers = &self.clusters[place];
        let code = rendered(identity, &servers.names());
        for at in servers.masters() {
            let loaded = servers.ask_as(at, "tester", "tester", &["function", "load", "replace", &code]);
            assert_eq!(loaded.trim(), "blindmeter");
        }
    }

    fn refresh(&mut self, week: u64) {
        self.senders.iter_mut().for_each(|sender| sender.refresh(week));
    }

    fn finish(&mut self) {
        self.senders.iter_mut().for_each(Sender::finish);
    }

    /// What both clusters say of every account is its sum, each node's words once.
    fn exact(&self, week: u64) {
        let mut desks = self.desks();
        for account in 0..self.fleet.accounts {
            let totals = totals(&self.fleet, &mut desks, account, week);
            assert!(totals[0].digest == totals[1].digest && totals[0].nodes == 3 && totals[0].stale == 0);
            assert!(totals[0].words.and(totals[1].words) == self.fleet.sum(account, week), "its sum");
        }
    }

    fn desks(&self) -> Vec<Cluster> {
        let of = |(servers, letter): (&Servers, char)| {
            Cluster::new(&servers.access(letter, &self.fleet.identity(), Role::Desk)).expect("members")
        };
        self.clusters.iter().zip(['A', 'B']).map(of).collect()
    }
}

fn totals(fleet: &Fleet, desks: &mut [Cluster], account: u32, week: u64) -> Vec<Total> {
    let arguments = vec![week.to_string().into_bytes(), b"0".to_vec()];
    let call = Call { function: Function::Total, keys: vec![fleet.tag(account)], arguments };
    let of = |desk: &mut Cluster| Total::of(&desk.call(std::slice::from_ref(&call)).expect("it answers")[0]);
    desks.iter_mut().map(of).collect()
}

/// The trouble, in a line that says so.
fn told(outcome: Result<(), Trouble>, expected: Trouble, line: &str) {
    assert_eq!(outcome, Err(expected));
    assert!(expected.to_string().contains(line), "{expected}");
}

#[test]
fn whatever_goes_wrong_around_a_fleet_is_told_and_nothing_is_lost_or_counted_twice() {
    let mut around = Around::new();
    let (fleet, version) = (around.fleet.identity(), blindmeter::fleet::cluster::VERSION);
    around.refresh(5);
    around.finish();
    around.exact(5);

    // A node with another key than the fleet's: as it is, or as the cluster was installed.
    around.refresh(6);
    let stranger = Fleet::new(1, 200, 22);
    let mut other = Sender::all(&stranger, &around.clusters).remove(0);
    other.refresh(6);
    told(other.round(0, 0), Trouble::Fleet, "another fleet key");
    assert_eq!(around.install_as(&stranger), Err(Refusal::Other));
    // An old node, where the functions are of a newer version.
    around.load(0, &format!("{} {fleet} A", version + 1));
    told(around.senders[0].round(0, 0), Trouble::Version, "another version of blindmeter");
    assert_eq!(around.install(0), Err(Refusal::Newer));
    // A cluster whose members were joined from the other one.
    around.load(0, &format!("{version} {fleet} B"));
    told(around.senders[0].round(0, 0), Trouble::Cluster, "another cluster of this fleet");
    around.install(0).expect("it may be replaced");
    // Clocks that are two weeks off, ahead and behind.
    for days in [14, 14_u64.wrapping_neg()] {
        told(around.senders[0].round(0, days), Trouble::Clock, "set the clock right");
    }
    // A node that was ahead, and two of one name: the week is in the cluster already.
    around.senders[1].refresh(7);
    around.senders[1].finish();
    around.senders[1].refresh(6);
    told(around.senders[1].round(0, 0), Trouble::Week, "two nodes have the same [node] name");
    around.senders[1].refresh(7);
    around.senders[1].finish();
    // One week in A, another in B: until a node has sent to both, they do not agree.
    around.senders[0].refresh(7);
    while !around.senders[0].is_done(0) {
        around.senders[0].round(0, 0).expect("cluster A takes it");
    }
    let both = totals(&around.fleet, &mut around.desks(), 0, 7);
    assert!(both[0].digest != both[1].digest, "they are of other weeks");
    // A full cluster.
    let full = |around: &Around, limit: &str| {
        for at in around.clusters[1].masters() {
            let set = ["config", "set", "maxmemory", limit];
            assert_eq!(around.clusters[1].ask_as(at, "tester", "tester", &set).trim(), "OK");
        }
    };
    full(&around, "1mb");
    told(around.senders[0].round(1, 0), Trouble::Full, "is full, and kept nothing of this");
    full(&around, "1gb");

    around.refresh(7);
    around.finish();
    around.exact(7);
}
