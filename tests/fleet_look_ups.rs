//! Look-ups in a fleet, by the process that speaks to the clusters: while these hold other weeks, or other nodes, nothing is
//! told that one of them would make half of; and of a name that nobody has the same is told as of any other.
//!
//! One test alone, because it makes a process of a process that may have no other thread at work.

mod fleet;
mod netns;
mod support;

use blindmeter::config::Fleet as Configured;
use blindmeter::config::fleet::Cluster as Members;
use blindmeter::environment::SystemFiles;
use blindmeter::fleet::Courier;
use blindmeter::fleet::look_up::{AsOf, Sums, Untold, confirmed, erase, total, week_of_erasure};
use blindmeter::fleet::servers::install::install;
use blindmeter::fleet::settings::{Role, Settings};
use blindmeter::fleet::words::Words;
use fleet::senders::{Fleet, Sender};
use fleet::servers::{Form, Servers};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

const ACCOUNT: u32 = 7;

/// No node has it.
const NOBODY: u32 = 999;

/// A desk's files, and its process.
fn courier(folder: &Path, clusters: &[Servers], fleet: &Fleet) -> Courier {
    let write = |file: &str, bytes: &[u8]| -> PathBuf {
        let path = folder.join(file);
        fs::write(&path, bytes).expect("ours");
        fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("ours");
        path
    };
    let mut credentials = String::new();
    for (servers, letter) in clusters.iter().zip(['A', 'B']) {
        for role in ["node", "desk", "privacy"] {
            credentials += &format!("{role}@{letter}:{}\n", servers.secret(role));
        }
    }
    let members = |servers: &Servers| Members {
        members: vec![servers.address(0).parse().expect("an address")],
        ca_file: None,
        certificate: None,
    };
    let configured = Configured {
        key_file: write("fleet.key", &fleet.key_bytes()),
        credentials_file: write("fleet.credentials", credentials.as_bytes()),
        clusters: clusters.iter().map(members).collect(),
        spread: Duration::ZERO,
        nodes: None,
        nodes_a_day: None,
    };
    let settings = Settings::read(&SystemFiles, &configured).expect("good files");
    Courier::start(&settings).expect("a process can be made")
}

#[test]
fn what_the_clusters_do_not_agree_on_is_not_told() {
    let fleet = Fleet::new(3, 20, 24);
    let start = |letter| {
        let servers = Servers::start(Form { servers: 1, ..Form::default() });
        let access = servers.access(letter, &fleet.identity(), Role::Install);
        install(&access, &servers.names(), false).expect("it is empty");
        servers
    };
    let clusters = ['A', 'B'].map(start);
    let folder = tempfile::TempDir::new().expect("a folder");
    let mut courier = courier(folder.path(), &clusters, &fleet);
    let mut senders = Sender::all(&fleet, &clusters);
    let (places, nobody) = (fleet.places(ACCOUNT), fleet.places(NOBODY));
    let weeks = |places, week| {
        [(week, false), (week - 1, true)].map(|(week, is_before)| AsOf { places, week, is_before })
    };
    let mut look = |week| {
        let [sums, of_nobody] =
            [places, nobody].map(|places| total(&mut courier, Role::Desk, &weeks(places, week)));
        let none = of_nobody.expect("clusters agree on nothing");
        assert!(none.words == Words::default(), "nobody has moved nothing");
        // Where a sending failed half-way, the week that is told is another.
        if let Some(sums) = sums.as_ref().ok().filter(|sums| !sums.is_of_week_before) {
            assert_eq!((sums.nodes, sums.stale), (none.nodes, none.stale), "told of anybody");
        }
        sums
    };
    let whole = |sums: Result<Sums, Untold>, week, before| {
        let sums = sums.expect("it is told");
        assert!(sums.words == fleet.sum(ACCOUNT, week), "the sum of week {week}");
        assert_eq!((sums.nodes, sums.stale, sums.is_of_week_before), (3, 0, before));
    };

    senders.iter_mut().for_each(|sender| sender.refresh(8));
    senders.iter_mut().for_each(Sender::finish);
    whole(look(8), 8, false);
    // A has a node's next week, and B has not: the week before is told.
    let mut send_to = |place: usize, node: usize, week| {
        senders[node].refresh(week);
        while !senders[node].is_done(place) {
            senders[node].round(place, 0).expect("the cluster takes it");
        }
    };
    send_to(0, 0, 9);
    whole(look(9), 8, true);
    // The week after that is in A alone as well: they agree on neither, and nothing is told.
    send_to(0, 0, 10);
    let told = look(10);
    assert!(matches!(told, Err(Untold::Disagree)), "a sum of two weeks was told");
    let line = Untold::Disagree.to_string();
    assert!(line.contains("do not agree on which weeks were sent") && line.contains("ask again"), "{line}");
    // B follows, and so do the others.
    for node in 0..3 {
        [0, 1].into_iter().for_each(|place| send_to(place, node, 10));
    }
    whole(look(10), 10, false);

    // An erasure of the account and of nobody, on a node that has not refreshed yet.
    let expires = fleet::words::now() + 86_400;
    for places in [places, nobody] {
        let week = week_of_erasure(&mut courier, &[places], 9).expect("it is told");
        assert_eq!(week, 10, "others have refreshed");
        erase(&mut courier, places.tag, (1, week), expires, None).expect("it erases");
    }
    senders.iter_mut().for_each(|sender| sender.erased = Some(places.tag));
    let mut follow = |followed| {
        for places in [places, nobody] {
            let told = confirmed(&mut courier, &[places]).expect("it is told");
            assert_eq!((told.nodes, told.followed), (3, followed));
        }
    };
    follow(0);
    for (sender, followed) in senders.iter_mut().zip(0..) {
        sender.refresh(11);
        // In both clusters, or it has not followed.
        while !sender.is_done(0) {
            sender.round(0, 0).expect("the cluster takes it");
        }
        follow(followed);
        sender.finish();
        follow(followed + 1);
    }
}
