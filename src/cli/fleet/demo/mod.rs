//! `blindmeter fleet demo`: three nodes and two clusters of three real servers in a private network namespace, and one
//! account that moves between the nodes, for four weeks in as many seconds.
//!
//! What accounts move is made up; all else is what daemons do: the same sending, the same courier, the same functions
//! on the servers. Holds nothing when it has printed.

mod servers;

use super::super::demo::namespace;
use super::super::output;
use crate::clock::{Clock, SystemClock};
use crate::config::Fleet;
use crate::engine::refreshes::{Refresh, RefreshedAccount};
use crate::environment::SystemFiles;
use crate::exit::{ExitError, ExitStatus};
use crate::fleet::Courier;
use crate::fleet::cluster::{Call, Function};
use crate::fleet::look_up::{self, AsOf, Places, Sums, Untold};
use crate::fleet::sending::{Sending, number_of};
use crate::fleet::servers::install::install;
use crate::fleet::settings::{Role, Settings};
use crate::meter::band::Band;
use crate::meter::flags::kind::Kinds;
use crate::meter::slot::Slot;
use crate::meter::units::DAY_SECONDS;
use crate::roster::account::AccountName;
use crate::roster::tagger::Tagger;
use servers::Servers;
use std::time::Duration;

/// The nodes.
const NODES: [&str; 3] = ["north", "south", "east"];

/// What the account that is looked at had moved on each of them by the end of each week, in GiB.
const WEEKS: [[u64; 3]; 4] = [[5, 0, 0], [5, 9, 0], [5, 9, 2], [7, 9, 8]];

/// Accounts of each node; the first is looked at.
const ACCOUNTS: u32 = 200;

/// Runs the demo.
///
/// # Errors
/// What this host lacks, and what to install or allow.
pub(super) fn run() -> Result<(), ExitError> {
    let program = servers::program().ok_or_else(|| {
        let what = "fleet demo needs a program for its servers: apt install --no-install-recommends redis-server \
                    (and systemctl disable --now redis-server)";
        ExitError::new(ExitStatus::Unavailable, what)
    })?;
    let lacks = |why: String| ExitError::new(ExitStatus::Unavailable, format!("fleet demo: {why}"));
    namespace::enter_alone().map_err(|why| lacks(format!("{why}; run it as root")))?;
    output::line(&format!(
        "three nodes, {ACCOUNTS} accounts on each, two clusters of three servers ({program}), in a private network \
         namespace; no file but the servers' own lists of each other, in memory"
    ))?;
    let servers = Servers::start(program).map_err(lacks)?;
    let fleet = Fleet {
        key_file: servers.key(),
        credentials_file: servers.credentials(),
        clusters: Servers::clusters(),
        spread: Duration::from_secs(1),
        nodes: None,
        nodes_a_day: None,
    };
    let settings = Settings::read(&SystemFiles, &fleet).map_err(lacks)?;
    for place in 0..settings.clusters() {
        let (access, names) = (settings.access(place, Role::Install), settings.names(place));
        let Some((access, (letter, names))) = access.zip(names) else { continue };
        install(&access, &names, false).map_err(|why| lacks(format!("cluster {letter} {why}")))?;
    }
    let courier = Courier::start(&settings).map_err(|error| lacks(error.to_string()))?;
    let mut demo = Demo::new(settings, courier);
    demo.weeks().map_err(lacks)?;
    drop(servers);
    output::line("the servers are gone, and with them all that they held")
}

/// The nodes of the demo, and how they reach the clusters.
struct Demo {
    settings: Settings,
    courier: Courier,
    tags: Vec<crate::meter::tags::Tag>,
    /// The week of the first sending, and the period of all.
    first: u64,
    period: u64,
    expires: u64,
}

impl Demo {
    fn new(settings: Settings, courier: Courier) -> Self {
        let tagger = Tagger::new(&settings.key.of_accounts());
        let tag = |number: u32| {
            let name = if number == 0 { "alice".to_owned() } else { format!("account-{number}") };
            AccountName::parse(&name).ok().map(|name| tagger.tag_of(&name))
        };
        let tags = (0..ACCOUNTS).filter_map(tag).collect();
        let now = SystemClock.now().wall_seconds;
        let (first, period) = (now / (7 * DAY_SECONDS), now / (28 * DAY_SECONDS));
        Self { settings, courier, tags, first, period, expires: now + 35 * DAY_SECONDS }
    }

    /// The weeks, one by one, and an erasure.
    fn weeks(&mut self) -> Result<(), String> {
        let printed = |result: Result<(), ExitError>| result.map_err(|error| error.message);
        let header = ["week", "north", "south", "east", "A is told", "B is told", "the desk sees"];
        let mut rows = vec![header.map(str::to_owned)];
        for (week, gib) in (self.first..).zip(WEEKS) {
            for (node, gib) in NODES.into_iter().zip(gib) {
                self.send(node, week, gib << 30)?;
            }
            rows.push(self.row(week, gib)?);
        }
        printed(output::line(
            "\nwhat alice had moved in the period, on each node and by each week, and who sees what of it:",
        ))?;
        printed(output::table(&rows))?;
        printed(output::line(
            "\neach cluster is told random numbers, whose sum (modulo 4 PiB) is alice's; the desk has the sum and no node",
        ))?;
        let last = self.first + 3;
        let places = self.alice();
        let told = |why: Untold| why.to_string();
        look_up::erase(&mut self.courier, places.tag, (1, last), self.expires, None).map_err(told)?;
        let erased = look_up::confirmed(&mut self.courier, &[places]).map_err(told)?;
        let mut followed = 0;
        for (node, gib) in NODES.into_iter().zip(WEEKS[3]) {
            followed += self.send(node, last + 1, gib << 30)?;
        }
        let weeks = [self.as_of(last + 1)];
        let Sums { words, nodes, .. } =
            look_up::total(&mut self.courier, Role::Desk, &weeks).map_err(told)?;
        printed(output::line(&format!(
            "alice is erased by an officer: of {} nodes {} have followed at once, {followed} at their next \
             sending; {nodes} nodes now say {} together",
            erased.nodes,
            erased.followed,
            output::bytes(words.bytes().0)
        )))
    }

    fn as_of(&self, week: u64) -> AsOf {
        AsOf { places: self.alice(), week, is_before: false }
    }

    fn alice(&self) -> Places {
        Places::new(&self.settings.key, self.tags.first().copied().unwrap_or_default(), self.period)
    }

    /// A node's weekly sending, to the end; how many accounts were found to be erased.
    fn send(&mut self, node: &str, week: u64, bytes: u64) -> Result<usize, String> {
        let account = |(number, tag): (u32, &crate::meter::tags::Tag)| RefreshedAccount {
            tag: *tag,
            slot: Slot::new(Slot::FIRST_ACCOUNT.word() + number),
            up_bytes: if number == 0 { bytes } else { u64::from(number) << 20 },
            down_bytes: 0,
            kinds: Kinds::default(),
        };
        let accounts = (0..).zip(&self.tags).map(account).collect();
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(|error| error.to_string())?;
        let fixed = (self.courier.clusters(), self.expires, key);
        let refresh = Refresh { week, period: self.period, accounts };
        let mut sending = Sending::new(refresh, self.settings.key.clone(), node.to_owned(), fixed);
        let mut obeyed = 0;
        while let Some(place) = (0..self.courier.clusters()).find(|place| !sending.is_done(*place)) {
            let asked = sending.round(place, SystemClock.now().wall_seconds / DAY_SECONDS);
            let calls: Vec<Call> = asked.iter().map(|(_, call)| call.clone()).collect();
            let told = |trouble| format!("cluster {} {trouble}", look_up::letter(place));
            let replies = self.courier.ask(place, Role::Node, &calls).map_err(told)?;
            obeyed += sending.heard(place, &asked, &replies).map_err(told)?.0.len();
        }
        Ok(obeyed)
    }

    /// What is seen of alice after a week.
    fn row(&mut self, week: u64, gib: [u64; 3]) -> Result<[String; 7], String> {
        let tag = self.alice().tag;
        let mut told = Vec::new();
        for place in 0..self.courier.clusters() {
            let arguments = vec![number_of(week).to_string().into_bytes(), b"0".to_vec()];
            let call = Call { function: Function::Total, keys: vec![tag], arguments };
            let replies = self.courier.ask(place, Role::Desk, &[call]);
            let replies =
                replies.map_err(|trouble| format!("cluster {} {trouble}", look_up::letter(place)))?;
            let word =
                replies.first().and_then(|reply| reply.get(7)).map(|word| String::from_utf8_lossy(word));
            told.push(word.and_then(|word| word.parse().ok()).map_or_else(String::new, output::bytes));
        }
        let weeks = [self.as_of(week)];
        let sums = look_up::total(&mut self.courier, Role::Desk, &weeks).map_err(|why| why.to_string())?;
        let band = Band::of(sums.words.bytes().0);
        let seen = match band.below_bytes() {
            Some(below) => format!("{} to {}", output::bytes(band.at_least_bytes()), output::bytes(below)),
            None => format!("{} or more", output::bytes(band.at_least_bytes())),
        };
        let [north, south, east] = gib.map(|gib| output::bytes(gib << 30));
        let [a, b] = <[String; 2]>::try_from(told).unwrap_or_default();
        Ok([(week - self.first + 1).to_string(), north, south, east, a, b, seen])
    }
}
