//! What the functions answer, on two clusters as on one: sums are exact, what was erased or corrected stays so, a set that
//! was opened is final, and what does not fit is refused.

use crate::fleet::servers::{Form, Servers};
use crate::fleet::words::{Nodes, Sent, now};
use crate::support::rng::Rng;
use blindmeter::fleet::cluster::{Call, Cluster, Function, Reply};
use blindmeter::fleet::keys::PeriodTag;
use blindmeter::fleet::servers::install::install;
use blindmeter::fleet::settings::Role;
use blindmeter::fleet::shares::{WORDS, split};
use blindmeter::fleet::trouble::Trouble;
use blindmeter::fleet::words::{MODULUS, Words};
use blindmeter::meter::counters::Counters;
use blindmeter::meter::epoch::Epochs;
use blindmeter::meter::flag_counts::FlagCounts;
use blindmeter::meter::ledger::Ledger;
use blindmeter::meter::policy::Policy;
use blindmeter::meter::scope::{Scope, Terms};
use blindmeter::meter::slot::{Direction, Slot};
use blindmeter::node::shares::Waiting;

/// A cluster, with our functions, and one user for each role.
struct Loaded {
    servers: Servers,
    place: Option<usize>,
    letter: char,
}

impl Loaded {
    fn start(nodes: &Nodes, place: Option<usize>, form: Form) -> Self {
        let servers = Servers::start(form);
        let letter = if place == Some(1) { 'B' } else { 'A' };
        let loaded = Self { servers, place, letter };
        let access = loaded.servers.access(letter, &nodes.fleet(), Role::Install);
        let installed = install(&access, &loaded.servers.names(), false).expect("it is empty");
        assert_eq!(installed.unchanged, 0);
        loaded
    }

    fn client(&self, nodes: &Nodes, role: Role) -> Cluster {
        Cluster::new(&self.servers.access(self.letter, &nodes.fleet(), role)).expect("members have addresses")
    }
}

fn call(function: Function, key: PeriodTag, arguments: &[&[u8]]) -> Call {
    Call { function, keys: vec![key], arguments: arguments.iter().map(|bytes| bytes.to_vec()).collect() }
}

fn numbers(reply: &Reply) -> Vec<u64> {
    let number = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).parse().expect("a number");
    reply.iter().map(number).collect()
}

/// Twenty nodes, two clusters; then the next week, of which one node says nothing.
#[test]
fn sums_of_twenty_nodes_are_exact_and_of_one_week() {
    let mut rng = Rng::seeded(1);
    let mut nodes = Nodes::new(20, 40, 1);
    let clusters = std::thread::scope(|scope| {
        let nodes = &nodes;
        let second =
            scope.spawn(move || Servers::start(Form::default()).access('B', &nodes.fleet(), Role::Node));
        // The servers of a thread end with it: this one only shows that two can start at once.
        second.join().expect("a second cluster starts beside the first");
        [0, 1].map(|place| Loaded::start(nodes, Some(place), Form::default()))
    });
    let mut senders = clusters.each_ref().map(|cluster| cluster.client(&nodes, Role::Node));
    let mut desks = clusters.each_ref().map(|cluster| cluster.client(&nodes, Role::Desk));

    nodes.draw(&mut rng, 7);
    for (cluster, sender) in clusters.iter().zip(&mut senders) {
        let replies = nodes.send(sender, cluster.place, &nodes.all()).expect("it takes all");
        assert!(replies.iter().all(|reply| reply == &[b""]));
        assert!(nodes.missing(sender, cluster.place).expect("it answers").is_empty());
    }
    let first_week: Vec<Words> = (0..nodes.tags.len()).map(|account| nodes.sum(None, account)).collect();
    for (account, sum) in first_week.iter().enumerate() {
        let totals = desks.each_mut().map(|desk| nodes.total(desk, account, 7).expect("it adds up"));
        assert!(totals[0].digest == totals[1].digest && totals[0].words != totals[1].words);
        assert!(totals[0].words.and(totals[1].words) == *sum);
        assert_eq!((totals[0].nodes, totals[0].stale, totals[0].mark, totals[0].left), (20, 0, 0, 0));
    }

    let before = nodes.sent.clone();
    nodes.draw(&mut rng, 8);
    let but_the_last: Vec<_> = nodes.all().into_iter().filter(|(node, _)| *node != 19).collect();
    for (cluster, sender) in clusters.iter().zip(&mut senders) {
        nodes.send(sender, cluster.place, &but_the_last).expect("it takes all");
    }
    nodes.sent.extend(before.into_iter().filter(|((node, _), _)| *node == 19));
    for (account, sum) in first_week.iter().enumerate() {
        let mut both =
            |week| desks.each_mut().map(|desk| nodes.total(desk, account, week).expect("it adds up"));
        let totals = both(8);
        assert!(totals[0].words.and(totals[1].words) == nodes.sum(None, account));
        assert_eq!((totals[0].nodes, totals[0].stale), (20, 1));
        // The week before is still there, of all.
        let totals = both(7);
        assert!(totals[0].words.and(totals[1].words) == *sum && totals[0].stale == 0);
    }

    // A second sending of the same week changes nothing.
    let kept = nodes.total(&mut desks[0], 0, 8).expect("it adds up");
    nodes.send(&mut senders[0], Some(0), &but_the_last).expect("it takes all");
    assert!(nodes.total(&mut desks[0], 0, 8).expect("it adds up") == kept);
    assert!(nodes.total(&mut desks[0], 0, 7).expect("it adds up").stale == 0);
    epochs_are_opened_to_the_unit(&nodes, &clusters);
}

/// Real shares with their noise, of three to five nodes: two clusters open what they come to and nothing else, so that what
/// the audit finds of shares that are added up in memory holds of these.
fn epochs_are_opened_to_the_unit(nodes: &Nodes, clusters: &[Loaded; 2]) {
    let mut rng = Rng::seeded(9);
    let mut senders = clusters.each_ref().map(|cluster| cluster.client(nodes, Role::Node));
    let mut openers = clusters.each_ref().map(|cluster| cluster.client(nodes, Role::Totals));
    let expires = nodes.expires.to_string();
    for ordinal in 0..60_u64 {
        let count = 3 + u16::try_from(ordinal % 3).expect("few");
        let policy =
            Policy { scope: Scope::Fleet(Terms { nodes: count, nodes_a_day: 2 }), ..Policy::DEFAULT };
        let tag = nodes.key.epoch_tag(policy.number(), ordinal);
        let mut expected = [[0_u64; WORDS]; 2];
        let mut set = Vec::new();
        for node in 0..usize::from(count) {
            let counters = Counters::in_memory(1);
            let mut ledger = Ledger::new(counters);
            counters.add(Slot::FIRST_ACCOUNT, Direction::Up, rng.word() >> 24, 1);
            let mut epochs = Epochs::new(policy, 0);
            assert!(epochs.seal(1, &mut ledger, &FlagCounts::default(), &mut rng).is_ok());
            let share = epochs.take_share().expect("a fleet's node has one");
            let waiting = Waiting { ordinal, share, key: [u8::try_from(node).expect("few"); 32] };
            let field = nodes.key.field(&nodes.names[node], tag).0;
            set.extend(field);
            let fewest = count.to_string();
            for ((sender, words), sums) in senders.iter_mut().zip(split(&waiting)).zip(&mut expected) {
                let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()[1..].to_vec()).collect();
                let arguments: [&[u8]; 4] = [&field, expires.as_bytes(), &bytes, fewest.as_bytes()];
                let reply = sender.call(&[call(Function::Share, tag, &arguments)]).expect("it answers");
                assert_eq!(numbers(&reply[0]), [0, 1]);
                sums.iter_mut().zip(words).for_each(|(sum, word)| *sum = (*sum + word) % MODULUS);
            }
        }
        for (opener, sums) in openers.iter_mut().zip(expected) {
            let reply = opener.call(&[call(Function::Open, tag, &[&set])]).expect("it answers").remove(0);
            assert_eq!(numbers(&reply[1..].to_vec()), sums, "epoch {ordinal}");
        }
    }
}

/// One cluster: everything that a call can be refused for, and what an erased or corrected account is.
#[test]
fn what_does_not_fit_is_refused_and_what_was_erased_stays_so() {
    let mut nodes = Nodes::new(3, 4, 2);
    nodes.draw(&mut Rng::seeded(2), 5);
    let cluster = Loaded::start(&nodes, None, Form { servers: 3, ..Form::default() });
    let mut node = cluster.client(&nodes, Role::Node);
    let mut desk = cluster.client(&nodes, Role::Desk);
    let mut officer = cluster.client(&nodes, Role::Privacy);
    nodes.send(&mut node, None, &nodes.all()).expect("it takes all");

    refused(&nodes, &cluster, &mut node);
    erased(&mut nodes, &mut node, &mut desk, &mut officer);
    opened(&nodes, &cluster, &mut node);
    assert!(nodes.missing(&mut node, None).expect("it answers").is_empty(), "refusals changed something");
}

fn refused(nodes: &Nodes, cluster: &Loaded, node: &mut Cluster) {
    let sent = nodes.sent[&(0, 0)];
    let with = |change: &dyn Fn(&mut Call)| {
        let mut call = nodes.put(0, 0, sent);
        change(&mut call);
        call
    };
    let mut trouble = |call: Call| node.call(&[call]).err();
    let earlier = nodes.put(0, 0, Sent { week: sent.week - 1, ..sent });
    assert_eq!(trouble(earlier), Some(Trouble::Week));
    for (days, expected) in [(-2_i64, Some(Trouble::Clock)), (-1, None), (1, None), (2, Some(Trouble::Clock))]
    {
        let day = i64::try_from(now() / 86_400).expect("a day") + days;
        assert_eq!(
            trouble(with(&|call| call.arguments[0] = day.to_string().into_bytes())),
            expected,
            "{days}"
        );
    }
    // Marks, corrections and what was opened have fields of their own, which no node may write.
    for field in [&b"m"[..], b"c", b"o", b"123456789"] {
        assert_eq!(trouble(with(&|call| call.arguments[2] = field.to_vec())), Some(Trouble::Version));
        let withdraw = call(Function::Withdraw, nodes.tags[0], &[field]);
        let share = call(Function::Share, nodes.tags[0], &[field, b"9999999999", &[0; 14], b"3"]);
        assert_eq!((trouble(withdraw), trouble(share)), (Some(Trouble::Version), Some(Trouble::Version)));
    }
    assert_eq!(trouble(with(&|call| call.arguments[3].push(0))), Some(Trouble::Version));

    let access = cluster.servers.access('A', &nodes.fleet(), Role::Node);
    let as_another = |fleet: &str, letter| {
        let other = blindmeter::fleet::cluster::Access { fleet: fleet.to_owned(), letter, ..access.clone() };
        let mut client = Cluster::new(&other).expect("members have addresses");
        client.call(&[nodes.put(0, 0, sent)]).err()
    };
    assert_eq!(as_another("0123456789abcdef", 'A'), Some(Trouble::Fleet));
    assert_eq!(as_another(&nodes.fleet(), 'B'), Some(Trouble::Cluster));
    // An identity is words between spaces: this one is of version "1", whatever follows.
    assert_eq!(as_another("", 'A'), Some(Trouble::Version));
    assert_eq!(as_another(&nodes.fleet(), 'A'), None);
}

fn erased(nodes: &mut Nodes, node: &mut Cluster, desk: &mut Cluster, officer: &mut Cluster) {
    let expires = nodes.expires.to_string();
    let mut erase = |mark: &str, words: Option<Words>| {
        let correction = words.map(Words::encode);
        let mut arguments = vec![mark.as_bytes(), b"4", expires.as_bytes()];
        arguments.extend(correction.as_ref().map(|words| &words[..]));
        officer.call(&[call(Function::Erase, nodes.tags[0], &arguments)]).map(|replies| numbers(&replies[0]))
    };
    assert_eq!(erase("1", None).expect("it erases"), Vec::<u64>::new());
    let total = nodes.total(desk, 0, 5).expect("it adds up");
    assert!(total.words == Words::default());
    assert_eq!((total.mark, total.set_in, total.left, total.nodes), (1, 4, 3, 3));
    assert!(nodes.total(desk, 1, 5).expect("it adds up").mark == 0, "only this account");

    // A node that has not heard of it is told, and keeps nothing there.
    let reply = nodes.send(node, None, &[(0, 0)]).expect("it answers");
    assert_eq!(reply, [vec![vec![0, 1, 0, 0]]]);
    assert!(nodes.total(desk, 0, 5).expect("it adds up").words == Words::default());
    // One that has, sends what is left of it.
    let left = Words([11, 12, 13, 14]);
    nodes.sent.insert((0, 0), Sent { mark: 1, week: 5, words: left });
    assert_eq!(nodes.send(node, None, &[(0, 0)]).expect("it answers"), [vec![b"".to_vec()]]);
    let total = nodes.total(desk, 0, 5).expect("it adds up");
    assert!(total.words == left && total.left == 2);
    // Asked again, it leaves what has obeyed.
    assert_eq!(erase("1", None).expect("it erases"), Vec::<u64>::new());
    assert!(nodes.total(desk, 0, 5).expect("it adds up").words == left);

    // A correction stands for all nodes until they send; the later one counts, an earlier one is refused.
    let correction = Words([MODULUS - 1, 500, 0, 1]);
    assert_eq!(erase("3", Some(correction)).expect("it corrects"), Vec::<u64>::new());
    assert_eq!(erase("2", None).err(), Some(Trouble::Mark));
    assert!(nodes.total(desk, 0, 5).expect("it adds up").words == correction);
    let zero = Words::default();
    (0..3).for_each(|node| {
        nodes.sent.insert((node, 0), Sent { mark: 3, week: 5, words: if node == 2 { left } else { zero } });
    });
    let replies = nodes.send(node, None, &[(0, 0), (1, 0), (2, 0)]).expect("it answers");
    assert!(replies.iter().all(|reply| reply == &[b""]));
    let total = nodes.total(desk, 0, 5).expect("it adds up");
    assert!(total.words == correction.and(left) && (total.mark, total.left) == (3, 0));
    // The week before was zeroed with it.
    assert!(nodes.total(desk, 0, 4).expect("it adds up").words == correction);
}

fn opened(nodes: &Nodes, cluster: &Loaded, node: &mut Cluster) {
    let mut exporter = cluster.client(nodes, Role::Totals);
    let epoch = PeriodTag([20; 16]);
    let fields: Vec<[u8; 8]> = (0..6).map(|node| nodes.key.field(&format!("node-{node}"), epoch).0).collect();
    let expires = nodes.expires.to_string();
    let words = |node: usize| -> Vec<u8> {
        let number = |of: u64| (MODULUS - 3 + of + u64::try_from(node).expect("few")) % MODULUS;
        (0..12).flat_map(|of| number(of).to_be_bytes()[1..].to_vec()).collect()
    };
    let mut share = |at: usize| {
        // One node wants to be hidden among four.
        let fewest = if at == 1 { b"4" } else { b"0" };
        let call = call(Function::Share, epoch, &[&fields[at], expires.as_bytes(), &words(at), fewest]);
        numbers(&node.call(&[call]).expect("it answers")[0])
    };
    (0..5).for_each(|at| assert_eq!(share(at), [0, 1]));
    let mut sorted = fields[..5].to_vec();
    sorted.sort_unstable();
    let shares = call(Function::Shares, epoch, &[]);
    let there = exporter.call(std::slice::from_ref(&shares)).expect("it answers");
    assert_eq!(there[0], [b"0".to_vec(), sorted.concat()]);

    let mut open = |fields: &[[u8; 8]]| {
        exporter.call(&[call(Function::Open, epoch, &[&fields.concat()])]).expect("it answers").remove(0)
    };
    // A share that is not there, one that counts twice, too few, and none.
    assert!(open(&fields[..6]).is_empty() && open(&[fields[0], fields[0], fields[1], fields[2]]).is_empty());
    assert!(open(&fields[..2]).is_empty() && open(&[]).is_empty());
    // Fewer than any node asked for, though it is not among them.
    assert!(open(&fields[..3]).is_empty() && open(&fields[2..5]).is_empty());
    let expected: Vec<Vec<u8>> = (0..12_u64)
        .map(|of| {
            let sum: u64 = (0..4).map(|node| (MODULUS - 3 + of + node) % MODULUS).sum();
            (sum % MODULUS).to_string().into_bytes()
        })
        .collect();
    let opened = open(&fields[..4]);
    assert_eq!(opened[0], fields[..4].concat());
    assert_eq!(opened[1..], expected);
    // It is final: asked for others, it answers with its own.
    assert_eq!(open(&fields[..5]), opened);
    assert_eq!(open(&fields[1..5]), opened);

    let mut trouble = |function, at: usize, words: &[u8]| {
        let arguments: &[&[u8]] = &[&fields[at], expires.as_bytes(), words, b"3"];
        let arguments = if function == Function::Withdraw { &arguments[..1] } else { arguments };
        numbers(&node.call(&[call(function, epoch, arguments)]).expect("it answers")[0])
    };
    assert_eq!(
        (trouble(Function::Share, 5, &words(5)), trouble(Function::Share, 0, &words(1))),
        (vec![1, 0], vec![1, 1])
    );
    assert_eq!(
        (trouble(Function::Withdraw, 4, &[]), trouble(Function::Withdraw, 3, &[])),
        (vec![1, 0], vec![1, 1])
    );
    assert_eq!(open(&fields[..4]), opened);
    // Before it is opened, a share can be taken back.
    let later = PeriodTag([21; 16]);
    let calls = [
        call(Function::Share, later, &[&fields[0], expires.as_bytes(), &words(0), b"3"]),
        call(Function::Withdraw, later, &[&fields[0]]),
    ];
    node.call(&calls).expect("it answers");
    let there = exporter.call(&[call(Function::Shares, later, &[])]).expect("it answers");
    assert_eq!(there[0], [b"0".to_vec(), Vec::new()]);
    // Whoever opens totals opens no account, and whoever adds accounts up adds no shares.
    let account = nodes.tags[1];
    let theirs: Vec<u8> = (0..3).flat_map(|node| nodes.key.field(&nodes.names[node], account).0).collect();
    assert!(exporter.call(&[call(Function::Open, account, &[&theirs])]).expect("it answers")[0].is_empty());
    let mut desk = cluster.client(nodes, Role::Desk);
    let added = desk.call(&[call(Function::Total, epoch, &[b"65535", b"0"])]).expect("it answers");
    assert_eq!(numbers(&added[0][1..].to_vec()), [0; 10]);
}

/// A server that has no memory left refuses, and what it held stays.
#[test]
fn a_full_server_refuses_and_forgets_nothing() {
    let mut nodes = Nodes::new(1, 30_000, 3);
    nodes.draw(&mut Rng::seeded(3), 1);
    let cluster = Loaded::start(&nodes, None, Form { servers: 3, has_tester: true, ..Form::default() });
    for at in 0..3 {
        let limit = cluster.servers.figure(at, "memory", "used_memory") + (600 << 10);
        let set = cluster.servers.ask_as(
            at,
            "tester",
            "tester",
            &["config", "set", "maxmemory", &limit.to_string()],
        );
        assert_eq!(set.trim(), "OK");
    }
    let mut node = cluster.client(&nodes, Role::Node);
    let mut taken = Vec::new();
    let full = nodes.all().chunks(500).find_map(|picked| match nodes.send(&mut node, None, picked) {
        Ok(_) => {
            taken.extend_from_slice(picked);
            None
        }
        Err(trouble) => Some(trouble),
    });
    assert_eq!(full, Some(Trouble::Full));
    assert!(taken.len() > 1000);
    let missing = nodes.missing(&mut node, None).expect("it answers");
    assert!(missing.iter().all(|lost| !taken.contains(lost)));
}
