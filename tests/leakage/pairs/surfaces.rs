//! Everything that a node shows to anybody, taken at one look: pages with their headers, answers of the
//! control socket to each role and to none, the log, the state directory and what was done to it.
//!
//! Each part says when it may tell two worlds apart that moved different totals: never, from the close
//! of that epoch on, or from its release on. Nothing may tell apart worlds of equal totals.

use crate::refusals;
use crate::sim::log::Log;
use crate::sim::machine::Machine;
use crate::sim::setup::{BLOB, LOG_INS, log_in};
use blindmeter::control::protocol::Request;
use blindmeter::store::chain_path;
use blindmeter::store::format::HEADER_BYTES;
use std::path::Path;

/// When a part may tell worlds of different totals apart.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tells {
    Never,
    /// What support and privacy officers are told of an account: from the close on.
    FromClose,
    /// The page: from the release on.
    FromRelease,
}

/// A part of what a node shows.
#[derive(Clone, Copy)]
pub(crate) struct Part {
    pub(crate) name: &'static str,
    pub(crate) tells: Tells,
    /// Where it ends in the text.
    end: usize,
}

/// All of it at one look.
#[derive(Default)]
pub(crate) struct Snapshot {
    text: Vec<u8>,
    parts: Vec<Part>,
}

/// Names of one length: one that the roster has and that nobody uses, and one that nobody knows.
pub(crate) const UNUSED: &str = "idle-one";
pub(crate) const UNKNOWN: &str = "nobody-x";

/// The part that lists what was done in the state directory, and what of it failed.
pub(crate) const WRITES: &str = "writes to the state directory";

/// Who asks; each has every role.
const STAFF: u32 = 1000;
pub(crate) const OFFICER: u32 = 2000;
const GREEDY: u32 = 3000;

/// Refusals at a look: all of them in eleven.
const REFUSALS: usize = 2;

/// Whether officers export at this look.
pub(crate) const fn is_export(look: usize) -> bool {
    look % 30 == 3
}

/// A page: the method, the path, and headers that are sent along.
type Page = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

const PAGES: [Page; 7] = [
    ("GET", "/-/healthy", &[]),
    ("GET", "/-/ready", &[]),
    ("GET", "/", &[]),
    ("GET", "/metrics/", &[]),
    ("POST", "/metrics", &[]),
    ("GET", "/metrics", &[("accept", "application/openmetrics-text;version=1.0.0")]),
    ("HEAD", "/metrics", &[("accept-encoding", "gzip, zstd"), ("if-none-match", "*")]),
];

impl Snapshot {
    /// Empties it, and keeps its room.
    pub(crate) fn clear(&mut self) {
        self.text.clear();
        self.parts.clear();
    }

    /// How many bytes were taken.
    pub(crate) fn bytes(&self) -> usize {
        self.text.len()
    }

    /// How many parts were taken.
    pub(crate) fn parts(&self) -> usize {
        self.parts.len()
    }

    /// The text of the last part, which belongs to this name.
    pub(crate) fn note(&mut self, name: &'static str, tells: Tells, text: &[u8]) {
        self.text.extend_from_slice(text);
        self.end(name, tells);
    }

    fn end(&mut self, name: &'static str, tells: Tells) {
        self.parts.push(Part { name, tells, end: self.text.len() });
    }

    /// Every part with its text.
    pub(crate) fn all(&self) -> impl Iterator<Item = (Part, &[u8])> {
        let mut from = 0;
        self.parts
            .iter()
            .map(move |part| (*part, &self.text[std::mem::replace(&mut from, part.end)..part.end]))
    }

    /// The text of a part.
    pub(crate) fn part(&self, name: &str) -> &[u8] {
        self.all().find(|(part, _)| part.name == name).map_or(&[], |(_, text)| text)
    }

    /// True when two snapshots are the same to the byte.
    pub(crate) fn same(&self, other: &Self) -> bool {
        self.text == other.text && self.parts.len() == other.parts.len()
    }

    /// Takes everything that the machine shows at this look; `used` are accounts with traffic.
    pub(crate) async fn take(&mut self, machine: &Machine, asked: &Asked<'_>, log: &mut Log) {
        if machine.runs() {
            self.pages(machine, asked).await;
            self.answers(machine, asked).await;
            self.desk(machine, asked).await;
            self.refusals(machine, asked).await;
        }
        log.take(&mut self.text);
        self.end("log", Tells::Never);
        self.folder(machine);
    }

    async fn pages(&mut self, machine: &Machine, asked: &Asked<'_>) {
        machine.get("GET", "/metrics", &[], &mut self.text).await;
        self.end("/metrics", Tells::FromRelease);
        let count = if asked.long { PAGES.len() } else { 1 };
        for (method, path, headers) in PAGES.iter().cycle().skip(asked.look % PAGES.len()).take(count) {
            machine.get(method, path, headers, &mut self.text).await;
            match *method {
                "GET" if *path == "/metrics" => self.end("OpenMetrics", Tells::FromRelease),
                "GET" => self.end(path, Tells::Never),
                "HEAD" => self.end("HEAD /metrics", Tells::FromRelease),
                _ => self.end("POST /metrics", Tells::Never),
            }
        }
    }

    async fn answers(&mut self, machine: &Machine, asked: &Asked<'_>) {
        let show = |account: &str| Request::Show { account: account.to_owned() };
        let export = |account: &str| Request::Export { account: account.to_owned(), open_epoch: false };
        let look = u32::try_from(asked.look).expect("few looks");
        // A member of staff may look up a hundred accounts a day: twenty looks, five accounts each.
        let per_look = u32::try_from(asked.look_ups).expect("few look-ups");
        let member = STAFF + look * per_look / 100;
        let names = [
            ("show unused", UNUSED),
            ("show unknown", UNKNOWN),
            ("show probe", "probe"),
            ("show file", asked.file),
            ("show hook", asked.hook),
        ];
        let first = if asked.look_ups < names.len() { asked.look % names.len() } else { 0 };
        for (name, account) in names.iter().cycle().skip(first).take(asked.look_ups) {
            machine.ask(member, show(account), &mut self.text).await;
            self.end(name, Tells::FromClose);
        }
        let names = [UNUSED, UNKNOWN, asked.hook].join("\n");
        let flagged = Request::Flagged { contact: true, information: true, bytes: names.len() };
        machine.ask_with(member, flagged, names.as_bytes(), &mut self.text).await;
        self.end("flagged", Tells::FromRelease);
        machine.ask(GREEDY, show(asked.file), &mut self.text).await;
        self.end("show to who asks too often", Tells::FromClose);
        machine.ask(OFFICER, export("probe"), &mut self.text).await;
        self.end("export probe", Tells::FromClose);
        self.exports(machine, asked).await;
        for (name, tells, request) in [
            ("status", Tells::Never, Request::Status {}),
            // It repeats the share of bytes without an account, as released.
            ("roster counts", Tells::FromRelease, Request::Counts {}),
            ("what was asked", Tells::Never, Request::Asked {}),
        ] {
            machine.ask(OFFICER, request, &mut self.text).await;
            self.end(name, tells);
        }
    }

    /// The desk, now and then: each of its log-ins may look up a hundred accounts a day, and asks for four.
    async fn desk(&mut self, machine: &Machine, asked: &Asked<'_>) {
        if asked.look % 8 != 5 {
            return;
        }
        let who = || log_in(asked.look / 8 % LOG_INS);
        for (name, account) in [
            ("page of an unused one", UNUSED),
            ("page of an unknown one", UNKNOWN),
            ("page file", asked.file),
            ("page hook", asked.hook),
        ] {
            let form = Some(format!("lang=en&account={account}"));
            machine.desk(who(), "/account", form, &mut self.text).await;
            self.end(name, Tells::FromClose);
        }
        for (name, path, tells) in [
            ("the desk's form", "/", Tells::Never),
            ("the desk's rights", "/rights", Tells::Never),
            ("the desk's flagged", "/flagged", Tells::FromRelease),
            // Whether many were cut off is told with the flags.
            ("the desk's node", "/node", Tells::FromRelease),
        ] {
            machine.desk(who(), path, None, &mut self.text).await;
            self.end(name, tells);
        }
    }

    /// What officers export, now and then: what was counted of it is saved before they are answered.
    pub(crate) async fn exports(&mut self, machine: &Machine, asked: &Asked<'_>) {
        if !is_export(asked.look) {
            return;
        }
        let export = |account: &str| Request::Export { account: account.to_owned(), open_epoch: false };
        let look = u32::try_from(asked.look).expect("few looks");
        let officer = OFFICER + look / 120;
        for (name, account) in [
            ("export unused", UNUSED),
            ("export unknown", UNKNOWN),
            ("export file", asked.file),
            ("export hook", asked.hook),
        ] {
            machine.ask(officer, export(account), &mut self.text).await;
            self.end(name, Tells::FromClose);
        }
        // What was latched at the first of them, and what another officer is told.
        machine.ask(officer, export(asked.file), &mut self.text).await;
        self.end("repeated export", Tells::FromClose);
        machine.ask(officer + 1, export(asked.file), &mut self.text).await;
        self.end("refused second export", Tells::Never);
        for (name, account) in [
            ("plan of an unused one", UNUSED),
            ("plan of an unknown one", UNKNOWN),
            ("plan file", asked.file),
            // Of a hook's account it is told whether the roster named it at the close.
            ("plan hook", asked.hook),
        ] {
            let account = account.to_owned();
            let request = Request::PlanExport { account, open_epoch: true };
            machine.ask(officer + 1, request, &mut self.text).await;
            self.end(name, if name == "plan hook" { Tells::FromClose } else { Tells::Never });
        }
    }

    async fn refusals(&mut self, machine: &Machine, asked: &Asked<'_>) {
        let first = asked.look * REFUSALS % refusals::FORMS.len();
        for (uid, form) in refusals::FORMS.iter().cycle().skip(first).take(REFUSALS) {
            let (request, text) = form(asked);
            let name = refusals::name(&request);
            machine.ask_with(*uid, request, text.as_bytes(), &mut self.text).await;
            self.end(name, Tells::Never);
        }
    }

    /// The folder as it looks, what was done in it, and what of its files is not sealed.
    fn folder(&mut self, machine: &Machine) {
        let disk = &machine.environment.disk;
        disk.list(&mut self.text);
        self.end("names, sizes and times in the state directory", Tells::Never);
        disk.take_journal(&mut self.text);
        self.end(WRITES, Tells::Never);
        let blob = Path::new(BLOB);
        let clear = disk.bytes(blob).unwrap_or_default();
        self.text.extend_from_slice(&clear[..clear.len().min(HEADER_BYTES)]);
        self.text.extend(disk.bytes(&chain_path(blob)).unwrap_or_default());
        self.end("header of the blob, and chain file", Tells::Never);
    }
}

/// Whom is asked about at a look.
pub(crate) struct Asked<'a> {
    pub(crate) look: usize,
    /// The long form asks for every page, the short one for `/metrics` and one of the others in turn.
    pub(crate) long: bool,
    /// Accounts that are looked up.
    pub(crate) look_ups: usize,
    /// An account of the roster file.
    pub(crate) file: &'a str,
    /// An address of it, which the roster file assigns and nobody else.
    pub(crate) prefix: &'a str,
    /// An account that hooks connect.
    pub(crate) hook: &'a str,
}
