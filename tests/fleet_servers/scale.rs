//! A fleet of twenty nodes on two clusters, one of which speaks TLS: masters are killed, cut off and parted, a node is cut
//! off from a part, and a cluster loses everything, while all nodes send with the program's own code. Whatever the two
//! clusters agree on is exact, at every look; in the end all of it is there; and no server writes a file but nodes.conf.
//!
//! Small in the tests, and as large as is asked for by name.

use super::{is_over_tls, number};
use crate::fleet::network::{Host, Network, cut, heal};
use crate::fleet::senders::{Counts, Fleet, Sender, send_while};
use crate::fleet::servers::{Form, Servers};
use crate::fleet::watched::Watched;
use crate::fleet::words::Total;
use crate::support::rng::Rng;
use crate::support::wait::{let_pass, wait_until};
use blindmeter::clock::Stopwatch;
use blindmeter::fleet::cluster::{Call, Cluster, Function};
use blindmeter::fleet::servers::install::install;
use blindmeter::fleet::settings::Role;
use std::time::Duration;

/// Servers of a cluster.
const SERVERS: usize = 6;

/// Accounts that are looked up after each event, while nodes send.
const LOOKED_UP: u32 = 200;

/// Servers notice what happened to others.
const LIMIT: Duration = Duration::from_secs(120);

/// The two clusters, whoever looks at them, and what was seen.
struct Run {
    fleet: Fleet,
    clusters: Vec<Servers>,
    desks: Vec<Cluster>,
    watched: Watched,
    rng: Rng,
    failovers: Vec<Duration>,
    /// Look-ups amid events that were told, and those that were not.
    told: [u64; 2],
}

impl Run {
    fn new(fleet: Fleet, gives_up_after: u32, hosts: &[Vec<Host>]) -> Self {
        let start = |place: usize| {
            let (hosts, tls) = (hosts[place].clone(), place == 0 && is_over_tls());
            let more = vec!["maxmemory 8gb".to_owned()];
            Servers::start(Form { hosts, tls, more, gives_up_after: Some(gives_up_after), ..Form::default() })
        };
        let clusters: Vec<Servers> = (0..2).map(start).collect();
        let watched = Watched::new(&clusters);
        let mut run = Self {
            fleet,
            clusters,
            desks: Vec::new(),
            watched,
            rng: Rng::seeded(18),
            failovers: Vec::new(),
            told: [0; 2],
        };
        (0..2).for_each(|place| run.install(place));
        run.desks = run.desks();
        run
    }

    fn install(&self, place: usize) {
        let servers = &self.clusters[place];
        let access = servers.access(['A', 'B'][place], &self.fleet.identity(), Role::Install);
        install(&access, &servers.names(), false).expect("it is empty, or ours");
    }

    fn desks(&self) -> Vec<Cluster> {
        let of = |(servers, letter): (&Servers, char)| {
            Cluster::new(&servers.access(letter, &self.fleet.identity(), Role::Desk)).expect("members")
        };
        self.clusters.iter().zip(['A', 'B']).map(of).collect()
    }

    /// A master of each cluster fails, and comes back as the replica of its own.
    fn kill(&mut self) {
        let mut killed = Vec::new();
        for (place, servers) in self.clusters.iter_mut().enumerate() {
            let masters = servers.masters();
            let master = masters[self.rng.below(masters.len())];
            let replica = servers.replica(master);
            servers.kill(master);
            killed.push((place, master, replica, Stopwatch::start()));
        }
        let mut waiting = killed.iter().collect::<Vec<_>>();
        wait_until("replicas take over", LIMIT, || {
            waiting.retain(|(place, _, replica, since)| {
                let is_promoted = self.clusters[*place].is_promoted(*replica);
                self.failovers.extend(is_promoted.then(|| since.elapsed()));
                !is_promoted
            });
            waiting.is_empty()
        });
        for (place, master, ..) in killed {
            self.clusters[place].return_server(master, &[]);
        }
        self.clusters.iter().for_each(Servers::await_whole);
    }

    /// A master is cut off from all other servers, while nodes still reach it: what it takes from them until it notices is
    /// lost when it is back.
    fn cut_off(&mut self, place: usize) {
        let servers = &self.clusters[place];
        let master = servers.masters()[0];
        let replica = servers.replica(master);
        let began = Stopwatch::start();
        (0..SERVERS).filter(|at| *at != master).for_each(|at| cut(servers.host(master), servers.host(at)));
        servers.await_promotion(replica);
        self.failovers.push(began.elapsed());
        self.await_refusal(place, &[master]);
        heal();
        self.clusters[place].await_whole();
    }

    /// No server reaches another one: none takes anything, and nothing is lost.
    fn part(&self, place: usize) {
        let servers = &self.clusters[place];
        for at in 0..SERVERS {
            (0..at).for_each(|other| cut(servers.host(at), servers.host(other)));
        }
        self.await_refusal(place, &(0..SERVERS).collect::<Vec<_>>());
        heal();
        servers.await_whole();
    }

    fn await_refusal(&self, place: usize, of: &[usize]) {
        let refuses =
            |at: &usize| self.clusters[place].ask(*at, &["cluster", "info"]).contains("cluster_state:fail");
        wait_until("a minority refuses", LIMIT, || of.iter().all(refuses));
    }

    /// A node does not reach one master, and everybody else does.
    fn cut_off_node(&self, place: usize, node: &str) {
        let servers = &self.clusters[place];
        cut(node, servers.host(servers.masters()[0]));
        let_pass(Duration::from_secs(6), "longer than a node waits for an answer");
        heal();
    }

    /// All servers fail at once.
    fn lose(&mut self, place: usize) {
        (0..SERVERS).for_each(|at| self.clusters[place].kill(at));
        (0..SERVERS).for_each(|at| self.clusters[place].return_server(at, &[]));
        self.clusters[place].await_whole();
        assert!(self.clusters[place].masters().iter().all(|at| self.clusters[place].keys(*at) == 0));
        self.install(place);
    }

    /// Some accounts, while nodes send: what the clusters agree on is exact.
    fn look(&mut self, week: u64) {
        for _ in 0..LOOKED_UP.min(self.fleet.accounts) {
            let account = u32::try_from(self.rng.below(self.fleet.accounts as usize)).expect("an account");
            for week in [week, week - 1] {
                let is_told = is_told(&self.fleet, &mut self.desks, account, week);
                self.told[usize::from(!is_told)] += 1;
            }
        }
        self.watched.only_nodes();
    }

    /// Every account, once all was sent: everything is there.
    fn exact(&self, week: u64) {
        let accounts: Vec<u32> = (0..self.fleet.accounts).collect();
        let fleet = &self.fleet;
        std::thread::scope(|scope| {
            for accounts in accounts.chunks(accounts.len().div_ceil(4)) {
                let mut desks = self.desks();
                scope.spawn(move || {
                    let untold = accounts.iter().find(|account| !is_told(fleet, &mut desks, **account, week));
                    assert!(untold.is_none(), "week {week}: an account is not there, or not on all nodes");
                });
            }
        });
        self.watched.only_nodes();
    }

    /// What the servers of both clusters take, in MiB: as they count it, and as the kernel does.
    fn memory(&self) -> [u64; 2] {
        let of = |name: &str| -> u64 {
            let of = |servers: &Servers| -> u64 {
                (0..SERVERS).map(|at| servers.figure(at, "memory", name)).sum()
            };
            self.clusters.iter().map(of).sum::<u64>() >> 20
        };
        [of("used_memory"), of("used_memory_rss")]
    }

    #[expect(clippy::print_stdout, reason = "the figures are what a long run is read for")]
    fn print(&mut self, counts: Counts, seconds: u64) {
        self.failovers.sort_unstable();
        let failover = |at: usize| self.failovers.get(at).map_or(0, Duration::as_millis);
        let [used, resident] = self.memory();
        println!(
            "{} nodes, {} accounts: {seconds} s; {} words taken, {} calls found less than was taken, {} rounds failed; {} \
             failovers, median {} ms, slowest {} ms; {} look-ups amid events exact, {} not told; 12 servers hold {used} MiB, \
             {resident} MiB resident",
            self.fleet.nodes,
            self.fleet.accounts,
            counts.taken,
            counts.lacking,
            counts.failed,
            self.failovers.len(),
            failover(self.failovers.len() / 2),
            failover(self.failovers.len().saturating_sub(1)),
            self.told[0],
            self.told[1],
        );
    }
}

/// Whether both clusters answer, agree, and have this week of all nodes; the sum is exact then.
fn is_told(fleet: &Fleet, desks: &mut [Cluster], account: u32, week: u64) -> bool {
    let arguments = vec![week.to_string().into_bytes(), b"0".to_vec()];
    let call = Call { function: Function::Total, keys: vec![fleet.tag(account)], arguments };
    let of = |desk: &mut Cluster| desk.call(std::slice::from_ref(&call)).ok().map(|told| Total::of(&told[0]));
    let Some(totals) = desks.iter_mut().map(of).collect::<Option<Vec<Total>>>() else { return false };
    let nodes = u64::try_from(fleet.nodes).expect("few");
    let is_whole = |total: &Total| (total.nodes, total.stale) == (nodes, 0);
    if totals[0].digest != totals[1].digest || !totals.iter().all(is_whole) {
        return false;
    }
    assert!(totals[0].words.and(totals[1].words) == fleet.sum(account, week), "a sum that is told is exact");
    true
}

#[test]
fn what_two_clusters_agree_on_is_exact_through_kills_partitions_and_a_loss() {
    let accounts = u32::try_from(number("BLINDMETER_FLEET_ACCOUNTS", 60)).expect("accounts");
    let gives_up_after = u32::try_from(number("BLINDMETER_FLEET_TIMEOUT", 2000)).expect("milliseconds");
    let (kills, partitions) = (number("BLINDMETER_FLEET_KILLS", 2), number("BLINDMETER_FLEET_PARTITIONS", 1));
    let network = Network::new(SERVERS);
    let (hosts, node) = (network.clusters.clone(), network.node.clone());
    network.router.run(move || {
        let began = Stopwatch::start();
        let fleet = Fleet::new(20, accounts, 18);
        let mut run = Run::new(fleet.clone(), gives_up_after, &hosts);
        let mut senders = Sender::all(&fleet, &run.clusters);
        senders[0].place = Some(node.place);
        let mut week = 1;
        let mut refresh = |senders: &mut [Sender]| {
            week += 1;
            senders.iter_mut().for_each(|sender| sender.refresh(week));
            week
        };

        let week = refresh(&mut senders);
        send_while(&mut senders, || {
            for _ in 0..kills / 2 {
                run.kill();
                run.look(week);
            }
        });
        run.exact(week);
        let week = refresh(&mut senders);
        send_while(&mut senders, || {
            for partition in 0..partitions {
                let place = partition % 2;
                run.cut_off(place);
                run.look(week);
                run.part(1 - place);
                run.look(week);
                run.cut_off_node(place, &node.address);
                run.look(week);
            }
        });
        run.exact(week);
        assert!(senders[0].counts.failed > 0, "the node apart was cut off");
        let lacking =
            |senders: &[Sender]| -> u64 { senders.iter().map(|sender| sender.counts.lacking).sum() };
        let before = lacking(&senders);
        // Some find it when they read back; others are told to send again.
        run.lose(1);
        run.look(week);
        let (finding, told) = senders.split_at_mut(10);
        finding.iter_mut().for_each(Sender::review);
        told.iter_mut().for_each(Sender::resend);
        send_while(&mut senders, || ());
        run.exact(week);
        assert!(lacking(&senders) > before, "what was lost was found, and sent again");

        let sum = |of: fn(&Counts) -> u64| senders.iter().map(|sender| of(&sender.counts)).sum();
        let counts = Counts {
            taken: sum(|counts| counts.taken),
            lacking: sum(|counts| counts.lacking),
            failed: sum(|counts| counts.failed),
        };
        run.print(counts, began.elapsed().as_secs());
    });
}
