//! What happens to a pair of worlds, drawn from a seed: how the node is configured, which accounts
//! there are and when, and everything that happens at the same moment in both: reloads, restarts,
//! clocks that are set, disks that fail. Traffic is not in here; see `traffic.rs`.

use crate::sim::disk::Fault;
use crate::sim::setup::Setup;
use crate::support::frames::Address;
use crate::support::rng::Rng;
use crate::surfaces::Asked;
use std::fmt::Write;

/// Seconds between two looks at everything: a scrape interval.
pub(crate) const LOOK_SECONDS: u64 = 15;

/// Something that happens at one look, in both worlds alike, before the traffic of that look.
#[derive(Clone, Debug)]
pub(crate) enum Happening {
    /// The roster file changes, and SIGHUP has it read again.
    Reload(String),
    /// Somebody sets the wall clock by so many seconds.
    Set(i64),
    /// Both clocks go on by so many seconds while nothing runs.
    Suspend(u64),
    /// SIGTERM, and a start.
    Stop,
    /// SIGUSR1, and a start that goes on with the counters.
    HandOver,
    /// SIGKILL, and a start that goes on with the counters.
    Kill,
    /// The power goes; the next start has the files alone.
    PowerCut,
    /// Other software takes the tap off an interface for a moment.
    Gap,
    /// So many operations later the disk fails in this way.
    Fault(Fault, u64),
}

/// Who names an account, and so when it may have traffic.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Named {
    /// The roster file, from this look on and before that one.
    File(usize, usize),
    /// A hook, while it is connected.
    Hook,
}

/// An account and its addresses.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) name: String,
    pub(crate) addresses: Vec<Address>,
    pub(crate) named: Named,
}

/// A pair of worlds before its traffic.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) setup: Setup,
    /// Wall clock at the start.
    pub(crate) begin_seconds: u64,
    pub(crate) looks: usize,
    pub(crate) accounts: Vec<Account>,
    /// The roster file at the start.
    pub(crate) roster: String,
    /// By look, in order.
    pub(crate) happenings: Vec<(usize, Happening)>,
    /// Look-ups at each look: fewer where looks are many, since staff may ask so often and no more.
    pub(crate) look_ups: usize,
    /// The long form: every page at every look, and stores that save at every look.
    pub(crate) long: bool,
}

/// Accounts of the file that are there all the time, that come later, and that go.
const FILE_ACCOUNTS: [usize; 3] = [20, 3, 3];

/// Accounts that hooks connect.
const HOOK_ACCOUNTS: usize = 9;

/// Themes that pairs go through in turn, so that each is there in every run.
const THEMES: u64 = 16;

impl Plan {
    /// The plan of a seed.
    pub(crate) fn draw(seed: u64, long: bool) -> Self {
        let mut rng = Rng::seeded(seed ^ 0x9a17);
        let theme = seed % THEMES;
        let setup = setup(theme, long, &mut rng);
        let epoch = setup.epoch_seconds;
        // The index that runs at a start is not released: a late start has the least to wait.
        let begin_seconds = 20_496 * 86_400 + epoch * 3 / 4 + rng.below_u64(epoch / 5);
        let to_close = 2 * epoch - begin_seconds % epoch;
        let more = if epoch > 7200 { 0 } else { rng.below_u64(2) };
        let seconds = to_close + more * epoch + epoch / 144 + 300 + rng.below_u64(epoch / 8);
        let looks = usize::try_from(seconds / LOOK_SECONDS).expect("a run is short");
        let mut plan = Self {
            seed,
            begin_seconds,
            looks,
            accounts: Vec::new(),
            roster: String::new(),
            happenings: Vec::new(),
            look_ups: if epoch > 7200 { 1 } else { 5 },
            long,
            setup,
        };
        plan.populate(&mut rng);
        plan.afflict(theme, &mut rng);
        plan.happenings.sort_by_key(|(look, _)| *look);
        plan
    }

    /// Draws the accounts, and the reloads that some of them come and go by.
    fn populate(&mut self, rng: &mut Rng) {
        let looks = self.looks;
        let reloads = rng.one_in(2);
        let mut at = || 20 + rng.below(looks - 40);
        let (comes, goes) = if reloads { (at(), at()) } else { (0, looks) };
        let mut number = 0;
        for (count, from, until) in
            [(FILE_ACCOUNTS[0], 0, looks), (FILE_ACCOUNTS[1], comes, looks), (FILE_ACCOUNTS[2], 0, goes)]
        {
            for _ in 0..count {
                number += 1;
                self.account(format!("file-{number:02}"), number, Named::File(from, until));
            }
        }
        // The account that exports are never limited for.
        self.account("probe".to_owned(), 100, Named::File(0, looks));
        if reloads && goes < looks {
            // Who gets an address that another had before.
            self.account("heir-00".to_owned(), number, Named::File(goes, looks));
        }
        for number in 0..HOOK_ACCOUNTS {
            self.account(format!("hook-{number:02}"), 60 + number, Named::Hook);
        }
        self.roster = self.roster_at(0);
        for look in [comes, goes] {
            if (1..looks).contains(&look) {
                self.happenings.push((look, Happening::Reload(self.roster_at(look))));
            }
        }
    }

    fn account(&mut self, name: String, number: usize, named: Named) {
        let number = u32::try_from(number).expect("few accounts");
        let v4 = Address::v4(0x0a4d_0000 + number);
        let v6 = Address::v6((0xfd77_0077 << 96) + u128::from(number));
        // Every third has an address outside the pools too.
        let other = (number % 3 == 0).then(|| Address::v4(0xc0a8_0000 + number));
        let addresses = [v4, v6].into_iter().chain(other).collect();
        self.accounts.push(Account { name, addresses, named });
    }

    /// The roster file as it is from this look on. It also names an account that is never used, and
    /// an address of a hook's account, which the hook then takes over.
    fn roster_at(&self, look: usize) -> String {
        let mut text = "prefix,account\n10.77.0.200,idle-one\n10.77.0.60,overlaid\n".to_owned();
        for account in &self.accounts {
            if matches!(account.named, Named::File(from, until) if (from..until).contains(&look)) {
                for address in &account.addresses {
                    writeln!(text, "{},{}", address.text(), account.name).expect("a text takes a line");
                }
            }
        }
        text
    }

    /// Draws what befalls the machine.
    fn afflict(&mut self, theme: u64, rng: &mut Rng) {
        let looks = self.looks as u64;
        let mut befall = |happening: Happening, rng: &mut Rng| {
            self.happenings.push((2 + index(rng.below_u64(looks - 4)), happening));
        };
        let times = |of: u64, rng: &mut Rng| {
            if theme == of { 1 + rng.below_u64(3) } else { u64::from(rng.one_in(12)) }
        };
        for _ in 0..times(3, rng) {
            let happening = [Happening::Stop, Happening::HandOver, Happening::Kill][rng.below(3)].clone();
            befall(happening, rng);
        }
        for _ in 0..times(4, rng) {
            befall(Happening::Fault(Fault::Io, rng.below_u64(30)), rng);
        }
        for _ in 0..times(5, rng) {
            befall(Happening::Fault(Fault::Full(rng.below_u64(150)), rng.below_u64(30)), rng);
        }
        for _ in 0..times(6, rng) {
            befall(Happening::Fault(Fault::Kill, rng.below_u64(30)), rng);
        }
        for _ in 0..times(7, rng) {
            let seconds = [300, 3600, 5 * 3600, 86_400, 400 * 86_400][rng.below(5)];
            let seconds = i64::try_from(rng.below_u64(2 * seconds)).expect("small") - seconds.cast_signed();
            befall(Happening::Set(seconds), rng);
        }
        for (of, least, more) in [(8, 60, 20_000), (9, 600_000, 200_000), (10, 2_400_000, 300_000)] {
            for _ in 0..times(of, rng).min(1) {
                befall(Happening::Suspend(least + rng.below_u64(more)), rng);
            }
        }
        if theme == 11 {
            for _ in 0..1 + rng.below_u64(2) {
                befall(Happening::PowerCut, rng);
            }
        }
        if theme == 12 {
            befall(Happening::Fault(Fault::PowerCut, rng.below_u64(30)), rng);
        }
        // Most pairs have one: in a short run many pages are to tell of it.
        for _ in 0..u64::from(!rng.one_in(3)) + times(13, rng) {
            befall(Happening::Gap, rng);
        }
    }

    /// The account of the roster file that is asked about at this look.
    pub(crate) fn file_at(&self, look: usize) -> &Account {
        &self.accounts[look / 20 % 20]
    }

    /// What is asked at this look.
    pub(crate) fn asked<'a>(&'a self, look: usize, prefix: &'a str, hook: &'a str) -> Asked<'a> {
        let file = &self.file_at(look).name;
        Asked { look, long: self.long, look_ups: self.look_ups, file, prefix, hook }
    }

    /// What happens and how the node is configured, for whoever looks for the cause of a difference.
    pub(crate) fn course(&self) -> String {
        let happenings = self.happenings.iter().map(|(look, happening)| match happening {
            Happening::Reload(_) => format!("{look}: Reload"),
            other => format!("{look}: {other:?}"),
        });
        let happenings: Vec<String> = happenings.collect();
        format!("{} looks; {}; {:?}", self.looks, happenings.join(", "), self.setup)
    }

    /// True when power may go: what was counted since the last save is then lost, and that shows.
    pub(crate) fn loses_power(&self) -> bool {
        let loses = |happening: &Happening| {
            matches!(happening, Happening::PowerCut | Happening::Fault(Fault::PowerCut, _))
        };
        self.happenings.iter().any(|(_, happening)| loses(happening))
    }
}

fn setup(theme: u64, long: bool, rng: &mut Rng) -> Setup {
    let day = theme == 15 && rng.one_in(4);
    let noisy = match theme {
        1 => false,
        _ => !rng.one_in(3),
    };
    let save_every_seconds = match theme {
        2 => None,
        11 | 12 => Some(600),
        _ if rng.one_in(8) => None,
        _ if rng.one_in(24) => Some(if long { 15 } else { 60 }),
        // An unoptimised cipher is what a short run would spend its time with.
        _ => Some([if long { 60 } else { 900 }, 300, 900, 1800, 3600][rng.below(5)]),
    };
    Setup {
        epoch_seconds: if day {
            86_400
        } else {
            [3600, 3600, 3600, 3600, 3600, 3600, 5400, 7200][rng.below(8)]
        },
        noisy,
        epsilon: ["1.0", "1.0", "0.3"][rng.below(3)],
        clamp_bytes: [50 << 30, 1 << 30, 1 << 20][rng.below(3)],
        crowd: [10, 20][rng.below(2)],
        // At one bit a second totals are released to the byte.
        link_bits_per_second: [1, 1, 1_000_000, 1_000_000_000][rng.below(4)],
        save_every_seconds,
        // Twice the accounts: after a period an account may need a second slot, for one epoch.
        capacity: 60,
        ..Setup::default()
    }
}

/// A small number as an index.
pub(crate) fn index(number: u64) -> usize {
    usize::try_from(number).expect("small")
}
