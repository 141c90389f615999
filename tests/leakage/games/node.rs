//! A simulated node as the games use it: accounts that move bytes, time that passes, and `/metrics` as
//! a scraper of it reads it. Everything below is the daemon's own code; see `sim`.

use super::sim::machine::Machine;
use super::sim::packets::captured;
use super::sim::runtime;
use super::sim::setup::Setup;
use super::support::frames::Address;
use super::worlds::DAY_SECONDS;
use blindmeter::control::protocol::{Answer, Request};
use blindmeter::engine::End;
use blindmeter::meter::slot::Direction;
use blindmeter::roster::account::AccountName;
use blindmeter::tap::frame::LinkType;
use tokio::runtime::Runtime;

/// Midnight of a day in 2026 on which a period and a refresh of the bands begin.
pub(crate) const MIDNIGHT: u64 = 20_496 * DAY_SECONDS as u64;

/// Seconds after a midnight at which the day before is published.
pub(crate) const PUBLISHED_AFTER: u64 = DAY_SECONDS as u64 / 144;

/// The name of an account, as the roster has it.
pub(crate) fn account_name(account: usize) -> String {
    format!("account-{account}")
}

fn address(account: usize) -> Address {
    Address::v4(0x0a4d_0001 + u32::try_from(account).expect("fewer accounts than a pool has addresses"))
}

/// What is told apart in a scraped page.
#[derive(Clone, Default, PartialEq)]
pub(crate) struct Page {
    pub(crate) text: Vec<u8>,
    /// Every sample: its series with labels, and its value.
    pub(crate) samples: Vec<(String, f64)>,
}

impl Page {
    /// The value of a series.
    ///
    /// # Panics
    /// Where there is none.
    pub(crate) fn value(&self, series: &str) -> f64 {
        let sample = self.samples.iter().find(|(name, _)| name == series);
        sample.unwrap_or_else(|| panic!("no series {series}")).1
    }

    pub(crate) fn released(&self) -> [f64; 2] {
        ["up", "down"].map(|way| self.value(&format!("blindmeter_epoch_bytes{{direction=\"{way}\"}}")))
    }

    pub(crate) fn ordinal(&self) -> f64 {
        self.value("blindmeter_epoch")
    }

    pub(crate) fn suppressed(&self) -> bool {
        self.value("blindmeter_epoch_suppressed") != 0.0
    }

    fn of(text: Vec<u8>) -> Self {
        let lines = String::from_utf8_lossy(&text).into_owned();
        let samples = lines.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            Some((series.to_owned(), value.parse().ok()?))
        });
        Self { samples: samples.collect(), text }
    }

    /// The sum over all samples.
    pub(crate) fn sum(&self) -> f64 {
        self.samples.iter().map(|sample| sample.1).sum()
    }

    /// What this page says of every account, where it says anything of the first; else nothing.
    pub(crate) fn accounts(&self, accounts: usize) -> Vec<[f64; 2]> {
        if self.of_account(0).is_none() {
            return Vec::new();
        }
        (0..accounts).map(|account| self.of_account(account).unwrap_or_default()).collect()
    }

    /// What this page says of one account: series that carry its name. None of blindmeter's does.
    pub(crate) fn of_account(&self, account: usize) -> Option<[f64; 2]> {
        let label = format!("\"{}\"", account_name(account));
        let mut values =
            self.samples.iter().filter(|(series, _)| series.contains(&label)).map(|sample| sample.1);
        let first = values.next()?;
        Some([first, values.next().unwrap_or(0.0)])
    }
}

/// A node with so many accounts.
pub(crate) struct Node {
    pub(crate) machine: Machine,
    runtime: Runtime,
    roster: String,
    /// What the tap captures of an account's packets, up and down.
    headers: Vec<[Vec<u8>; 2]>,
    page: Page,
    buffer: Vec<u8>,
}

/// The configuration of a node of the games: the defaults, and room for the accounts and for some that come.
pub(crate) fn setup(accounts: usize, save_every_seconds: Option<u64>) -> Setup {
    Setup {
        capacity: accounts + accounts / 4 + 8,
        save_every_seconds,
        pools: vec!["10.77.0.0/16"],
        ..Setup::default()
    }
}

impl Node {
    /// A node whose process has just started for the first time, a minute after midnight.
    pub(crate) fn new(accounts: usize, seed: u64, save_every_seconds: Option<u64>) -> Self {
        let mut machine = Machine::new(&setup(accounts, save_every_seconds), seed, MIDNIGHT + 60);
        let rows = (0..accounts).map(|at| format!("{},{}\n", address(at).text(), account_name(at)));
        let roster = format!("prefix,account\n{}", rows.collect::<String>());
        machine.start(&roster, false).expect("a first start");
        let headers = (0..accounts).map(|at| [captured(address(at), true), captured(address(at), false)]);
        let headers = headers.collect();
        let mut node =
            Self { machine, runtime: runtime(), roster, headers, page: Page::default(), buffer: Vec::new() };
        node.scrape();
        node
    }

    /// An account moves bytes.
    pub(crate) fn count(&self, account: usize, up: u64, down: u64) {
        let attribution = &self.machine.engine().attribution;
        let headers = &self.headers[account];
        for (header, bytes, way) in [(&headers[0], up, Direction::Up), (&headers[1], down, Direction::Down)] {
            if bytes > 0 {
                attribution.count(LinkType::RawIp, header, bytes, way, None);
            }
        }
    }

    /// A client of an account comes and goes: hooks assign an address, and take it back.
    ///
    /// # Panics
    /// When one of them is refused.
    pub(crate) fn comes_and_goes(&self, account: usize) {
        let prefix = format!("10.77.250.{}", account % 250 + 1);
        let hooks = async {
            self.machine.assign(&prefix, &account_name(account)).await && self.machine.release(&prefix).await
        };
        assert!(self.runtime.block_on(hooks), "hooks may assign and take back");
    }

    /// Time passes.
    pub(crate) fn pass(&mut self, seconds: u64) {
        self.runtime.block_on(self.machine.pass(seconds));
    }

    /// The wall clock.
    pub(crate) fn now(&self) -> u64 {
        self.machine.environment.clocks.wall_seconds()
    }

    /// Time passes up to this wall-clock second.
    pub(crate) fn pass_until(&mut self, wall_seconds: u64) {
        self.pass(wall_seconds - self.now());
    }

    /// Reads `/metrics`. Gives the page of the scrape before, where this one is another.
    pub(crate) fn scrape(&mut self) -> Option<Page> {
        self.buffer.clear();
        self.runtime.block_on(self.machine.get("GET", "/metrics", &[], &mut self.buffer));
        let changed = self.buffer != self.page.text;
        changed.then(|| std::mem::replace(&mut self.page, Page::of(self.buffer.clone())))
    }

    /// What support may see of an account: at least so many bytes, and below so many.
    ///
    /// # Panics
    /// When the look-up is refused.
    pub(crate) fn band(&self, account: usize) -> [Option<u64>; 2] {
        let ask = Request::Show { account: account_name(account) };
        match self.runtime.block_on(self.machine.answer(0, ask)) {
            Answer::Account(view) => [Some(view.band.at_least_bytes), view.band.below_bytes],
            _ => panic!("support may look up a band"),
        }
    }

    pub(crate) fn accounts(&self) -> usize {
        self.headers.len()
    }

    /// The page of the last scrape.
    pub(crate) fn page(&self) -> &Page {
        &self.page
    }

    /// The process ends by itself, or is killed; where it has been killed already, nothing more happens.
    pub(crate) fn end(&mut self, end: Option<End>) {
        match end {
            None => self.machine.kill(),
            Some(end) => self.runtime.block_on(self.machine.stop(end)),
        }
    }

    /// A source contradicts, at the start, whose an account's address was meanwhile.
    pub(crate) fn is_contradicted(&self, account: usize) {
        let state = &self.machine.engine().state;
        let roster = state.roster();
        let name = AccountName::parse(&account_name(account)).expect("a name");
        let slot = roster.slot_of(roster.tag_of(&name)).expect("the file names it");
        state.node().unattribute(slot);
    }

    /// The next process starts, where none runs.
    pub(crate) fn start(&mut self) {
        if !self.machine.runs() {
            self.machine.start(&self.roster, false).expect("a start goes on from what is there");
        }
    }
}
