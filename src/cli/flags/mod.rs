//! `blindmeter flags`: which flags a table of counters would have raised, offline.
//!
//! The very code that the daemon runs, over epochs that the operator has counted elsewhere: what a preset would
//! have done, before it is switched on. No clock, no floors: whoever has the table has everything in it.

mod table;

use super::output;
use crate::exit::{ExitError, ExitStatus};
use crate::meter::flags::detector::Detector;
use crate::meter::flags::interruption::{NodeState, Senders};
use crate::meter::flags::kind::{Kind, List};
use crate::meter::flags::rates::{self, Rates};
use crate::meter::policy::DAY_SECONDS;
use crate::meter::units::Totals;
use clap::ValueEnum;
use serde::Serialize;
use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

/// What to judge, and how.
#[derive(clap::Args)]
pub(super) struct Options {
    /// Counters: CSV with the columns node,account,epoch,up_bytes,down_bytes,up_packets,down_packets; - reads
    /// standard input
    #[arg(value_name = "FILE.csv")]
    file: PathBuf,
    /// Length of an epoch of the table
    #[arg(long, value_enum, default_value_t = Epoch::Day)]
    epoch: Epoch,
    /// How readily flags are raised
    #[arg(long, value_enum, default_value_t = Preset::Strict)]
    preset: Preset,
    /// Flags that support writes to the user about, those that are only shown when somebody asks, or all
    #[arg(long, value_enum, default_value_t = Lists::All)]
    list: Lists,
    /// Rows are hours, and 24 of them make a day: judge each hour, and then the day, as the daemon does
    #[arg(long, conflicts_with = "epoch")]
    ticks: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Hours of a day.
const TICKS: usize = 24;

const HOUR_NANOSECONDS: u64 = 3600 * 1_000_000_000;

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Epoch {
    #[value(name = "24h")]
    Day,
    #[value(name = "1h")]
    Hour,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Preset {
    Strict,
    Sensitive,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Lists {
    Contact,
    Information,
    All,
}

#[derive(Serialize)]
struct Report<'a> {
    schema_version: u32,
    flags: Vec<Row<'a>>,
}

/// A raised flag; `account` is empty for one of the node itself.
#[derive(Serialize)]
struct Row<'a> {
    node: &'a str,
    account: &'a str,
    epoch: usize,
    kind: &'static str,
    score: f64,
}

/// Prints the flags that the table's epochs raise.
///
/// # Errors
/// A table that cannot be opened or read (74), or that is wrong (2).
pub(super) fn run(options: &Options) -> Result<(), ExitError> {
    let nodes = read(&options.file)?;
    let rates = judged_by(options);
    let mut rows = Vec::new();
    for node in &nodes {
        flags_of(node, &rates, options.list, &mut rows);
    }
    if options.json {
        return output::json(&Report { schema_version: 1, flags: rows });
    }
    print(&rows)
}

fn judged_by(options: &Options) -> Rates {
    let preset = match options.preset {
        Preset::Strict => rates::Preset::Strict,
        Preset::Sensitive => rates::Preset::Sensitive,
    };
    match options.epoch {
        Epoch::Day if options.ticks => Rates::of(DAY_SECONDS, HOUR_NANOSECONDS, preset),
        Epoch::Day => Rates { tick: None, ..Rates::of(DAY_SECONDS, HOUR_NANOSECONDS, preset) },
        Epoch::Hour => Rates::of(DAY_SECONDS / 24, HOUR_NANOSECONDS, preset),
    }
}

fn read(path: &Path) -> Result<Vec<table::Node>, ExitError> {
    let failed =
        |code, why: &dyn std::fmt::Display| ExitError::new(code, format!("{}: {why}", path.display()));
    let read = if path == Path::new("-") {
        table::read(io::stdin().lock())
    } else {
        let file = File::open(path).map_err(|error| failed(ExitStatus::Io, &error))?;
        table::read(BufReader::with_capacity(1 << 16, file))
    };
    read.map_err(|error| match error {
        table::TableError::Read(_) => failed(ExitStatus::Io, &error),
        _ => failed(ExitStatus::Found, &error),
    })
}

/// The flags of one node, by epoch.
fn flags_of<'a>(node: &'a table::Node, rates: &Rates, list: Lists, rows: &mut Vec<Row<'a>>) {
    let accounts = &node.accounts;
    let mut detector = Detector::new(&rates.epoch, &rates.thresholds, accounts.len());
    let ticks = if rates.tick.is_some() { TICKS } else { 1 };
    let row = |index: usize, at: usize| -> Totals {
        accounts.get(index).and_then(|account| account.epochs.get(at)).copied().unwrap_or_default()
    };
    let epochs = accounts.iter().map(|account| account.epochs.len().div_ceil(ticks)).max().unwrap_or(0);
    for epoch in 0..epochs {
        let of_epoch = epoch * ticks..(epoch + 1) * ticks;
        let mut interrupted = None;
        if let Some(rate) = &rates.tick {
            for at in of_epoch.clone() {
                interrupted = worse(interrupted, detector.tick(rate, |index| row(index, at)));
            }
        }
        let was_interrupted = interrupted.is_some();
        let sums = |index| of_epoch.clone().map(|at| row(index, at)).fold(Totals::default(), Totals::plus);
        let senders = detector.close(was_interrupted, sums, |index, kind, score| {
            if list.shows(kind) {
                let account = accounts.get(index).map_or("", |account| &account.name);
                rows.push(Row { node: &node.name, account, epoch, kind: kind.name(), score });
            }
        });
        if let Some(senders) = worse(interrupted, senders).filter(|_| list == Lists::All) {
            let score = senders.share();
            rows.push(Row { node: &node.name, account: "", epoch, kind: "node_interrupt", score });
        }
    }
}

/// The worse of two times in which the node was interrupted, if any.
fn worse(one: Option<Senders>, other: Senders) -> Option<Senders> {
    let other = (other.state() == NodeState::Interrupted).then_some(other);
    one.filter(|one| other.is_none_or(|other| one.share() >= other.share())).or(other)
}

impl Lists {
    fn shows(self, kind: Kind) -> bool {
        match self {
            Self::All => true,
            Self::Contact => kind.list() == List::Contact,
            Self::Information => kind.list() == List::Information,
        }
    }
}

fn print(rows: &[Row<'_>]) -> Result<(), ExitError> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let written = writer.write_record(["node", "account", "epoch", "kind", "score"]).and_then(|()| {
        rows.iter().try_for_each(|row| {
            let (epoch, score) = (row.epoch.to_string(), format!("{:.6}", row.score));
            writer.write_record([row.node, row.account, &epoch, row.kind, &score])
        })
    });
    let text = written.and_then(|()| writer.into_inner().map_err(|error| error.into_error().into()));
    let text = text.map_err(|error| ExitError::output(&error.into()))?;
    output::raw(&String::from_utf8_lossy(&text))
}
