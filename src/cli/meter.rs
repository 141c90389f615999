//! `blindmeter meter`: capture files to per-account totals, offline.
//!
//! The same frame parser, roster and counters as the daemon's, but no clock, epochs or floors:
//! whoever has the capture already has everything.

use super::output::{self, VolumeReport};
use crate::environment::{SystemRandomness, identity};
use crate::exit::{ExitError, ExitStatus};
use crate::meter::counters::Counters;
use crate::meter::slot::{Direction, Slot};
use crate::meter::tags::Tags;
use crate::roster::account::AccountName;
use crate::roster::place::Place;
use crate::roster::places::Places;
use crate::roster::tagger::Tagger;
use crate::roster::{Roster, Source, csv};
use crate::tap::capture_file::{self, CaptureError, Record};
use crate::tap::frame::{self, Frame};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use std::fs::File;
use std::io::{self, BufReader, IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[derive(Serialize)]
struct Report {
    schema_version: u32,
    accounts: Vec<AccountReport>,
    unattributed: VolumeReport,
    not_ip: PacketsReport,
    malformed: PacketsReport,
    total: PacketsReport,
}

#[derive(Serialize)]
struct AccountReport {
    account: String,
    up_bytes: u64,
    up_packets: u64,
    down_bytes: u64,
    down_packets: u64,
}

#[derive(Serialize)]
struct PacketsReport {
    packets: u64,
}

/// Counts the packets of the files and prints the report.
///
/// # Errors
/// An invalid roster (78) or a file that cannot be opened (74), before anything is counted; a file that cannot
/// be read to its end (74) or is cut short (2), after the report of what could be read.
pub(super) fn run(files: &[PathBuf], roster_file: &Path, json: bool) -> Result<(), ExitError> {
    let (roster, accounts) = load_roster(roster_file)?;
    files.iter().try_for_each(|file| checked(file))?;
    let mut tally = Tally { counters: Counters::in_memory(accounts.len()), roster: &roster, packets: 0 };
    let mut worst = None;
    for file in files {
        if let Err(error) = tally.file(file) {
            output::error(&error.message);
            if worst != Some(ExitStatus::Io) {
                worst = Some(error.code);
            }
        }
    }
    if let Some(code) = worst.filter(|_| tally.packets == 0 && !json) {
        // Nothing was counted: a table of zeros would look like an answer.
        return Err(ExitError::new(code, ""));
    }
    let report = tally.report(accounts);
    if json {
        output::json(&report)?
    } else {
        print(&report)?
    }
    worst.map_or(Ok(()), |code| Err(ExitError::new(code, "")))
}

/// A file that cannot be opened is told before hours go into the others. Opens no pipe, which would lose its writer.
fn checked(path: &Path) -> Result<(), ExitError> {
    let failed =
        |why: &dyn std::fmt::Display| ExitError::new(ExitStatus::Io, format!("{}: {why}", path.display()));
    if path == Path::new("-") {
        return Ok(());
    }
    let metadata = std::fs::metadata(path).map_err(|error| failed(&error))?;
    if metadata.is_dir() {
        return Err(failed(&"a directory; pass capture files"));
    }
    if metadata.is_file() {
        File::open(path).map_err(|error| failed(&error))?;
    }
    Ok(())
}

/// The roster of a file, and every account in it with its slot, in the order of their names.
fn load_roster(path: &Path) -> Result<(Roster, Vec<(AccountName, Slot)>), ExitError> {
    let config = |why: String| ExitError::new(ExitStatus::Config, format!("{}: {why}", path.display()));
    let bytes = std::fs::read(path).map_err(|error| config(format!("cannot be read: {error}")))?;
    let tagger = Arc::new(Tagger::without_root(&identity(&mut SystemRandomness)));
    let places = Places::new_ones(Arc::clone(&tagger));
    let named = csv::read(&bytes, |name| places.name(name), |row| row.account);
    let named = named.map_err(|error| config(error.to_string()))?;
    let roster = Roster::in_process(&[], Tags::in_memory(named.len()), (tagger, places), 0);
    if named.iter().any(|(prefix, _)| prefix.place() != Place::ANY) {
        output::note("rows that name an interface hold for packets of it, which only pcapng files tell");
    }
    let tagged = named.iter().map(|(prefix, account)| (*prefix, roster.tag_of(account))).collect();
    roster.replace(Source::File, tagged).map_err(|error| config(error.to_string()))?;
    let mut names: Vec<AccountName> = named.into_iter().map(|(_, account)| account).collect();
    names.sort_unstable();
    names.dedup();
    let slots = names.into_iter().map(|account| {
        let slot = roster.slot_of(roster.tag_of(&account)).expect("every account was assigned something");
        (account, slot)
    });
    let accounts = slots.collect();
    Ok((roster, accounts))
}

struct Tally<'a> {
    counters: Counters,
    roster: &'a Roster,
    packets: u64,
}

impl Tally<'_> {
    fn file(&mut self, path: &Path) -> Result<(), ExitError> {
        let failed =
            |code, why: &dyn std::fmt::Display| ExitError::new(code, format!("{}: {why}", path.display()));
        let table = self.roster.table();
        let (counters, packets) = (self.counters, &mut self.packets);
        let place_of = |name: &str| table.places().of_interface(std::iter::once(name));
        let each = |record: Record<'_>| {
            *packets += 1;
            count(&record, &table, counters);
        };
        let result = if path == Path::new("-") {
            capture_file::read(BufReader::new(io::stdin().lock()), place_of, each)
        } else {
            let file = File::open(path).map_err(|error| failed(ExitStatus::Io, &error))?;
            let length = file.metadata().map_or(0, |metadata| metadata.len());
            let bar = progress(length);
            let input: Box<dyn Read> = Box::new(bar.wrap_read(BufReader::with_capacity(1 << 18, file)));
            let result = capture_file::read(BufReader::with_capacity(1 << 16, input), place_of, each);
            bar.finish_and_clear();
            result
        };
        result.map_err(|error| match error {
            CaptureError::Read(_) => failed(ExitStatus::Io, &error),
            _ => failed(ExitStatus::Found, &error),
        })
    }

    fn report(&self, accounts: Vec<(AccountName, Slot)>) -> Report {
        let packets = |slot| PacketsReport { packets: self.counters.read(slot).up.packets };
        let unattributed = self.counters.read(Slot::UNATTRIBUTED).up;
        Report {
            schema_version: 1,
            accounts: accounts
                .into_iter()
                .map(|(account, slot)| {
                    let totals = self.counters.read(slot);
                    AccountReport {
                        account: account.reveal().to_owned(),
                        up_bytes: totals.up.bytes,
                        up_packets: totals.up.packets,
                        down_bytes: totals.down.bytes,
                        down_packets: totals.down.packets,
                    }
                })
                .collect(),
            unattributed: VolumeReport { bytes: unattributed.bytes, packets: unattributed.packets },
            not_ip: packets(Slot::NOT_IP),
            malformed: packets(Slot::MALFORMED),
            total: PacketsReport { packets: self.packets },
        }
    }
}

/// A capture has no directions: a packet is up for its source and down for its destination.
fn count(record: &Record<'_>, table: &crate::roster::table::Table, counters: Counters) {
    match frame::read(record.link_type, record.captured, record.length) {
        Frame::Ip(packet) => {
            let source = table.slot_at(record.place, packet.source);
            let destination = table.slot_at(record.place, packet.destination);
            if source.is_account() {
                counters.add(source, Direction::Up, packet.bytes, 1);
            }
            if destination.is_account() {
                counters.add(destination, Direction::Down, packet.bytes, 1);
            }
            if !source.is_account() && !destination.is_account() {
                counters.add(Slot::UNATTRIBUTED, Direction::Up, packet.bytes, 1);
            }
        }
        Frame::NotIp => counters.add(Slot::NOT_IP, Direction::Up, 0, 1),
        Frame::Malformed => counters.add(Slot::MALFORMED, Direction::Up, 0, 1),
    }
}

fn progress(length: u64) -> ProgressBar {
    if !io::stderr().is_terminal() || length < 1 << 24 {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} {bytes_per_sec} {eta}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(length).with_style(style)
}

fn print(report: &Report) -> Result<(), ExitError> {
    let mut rows = vec![["account", "up", "up packets", "down", "down packets"].map(String::from)];
    for account in &report.accounts {
        rows.push([
            account.account.clone(),
            output::bytes(account.up_bytes),
            account.up_packets.to_string(),
            output::bytes(account.down_bytes),
            account.down_packets.to_string(),
        ]);
    }
    output::table(&rows)?;
    output::line(&format!(
        "\n{} packets: {} unattributed ({}), {} not IP, {} malformed",
        report.total.packets,
        report.unattributed.packets,
        output::bytes(report.unattributed.bytes),
        report.not_ip.packets,
        report.malformed.packets,
    ))
}
