//! Leaks that are planted on purpose, one for each row of SECURITY.md's list, so that the leakage harness
//! can show that each would be caught (`tests/leakage/plants`).
//!
//! This file is no part of the product: it is `src/planted.rs` in a copy of the sources alone, to which
//! `hooks.patch` adds the calls. The copy is no release: without debug assertions it does not compile. A
//! run plants the row that `BLINDMETER_PLANTED` names, and none where it names none. Every plant is a
//! mistake that a reasonable change could make.

#[cfg(not(debug_assertions))]
compile_error!("this copy of the sources leaks on purpose: it is for tests, and never for a release");

mod fleet;
pub(crate) mod needles;

use crate::clock::{Clock, Stopwatch, SystemClock};
use crate::control::protocol::{Answer, Request};
use crate::control::reports::AccountView;
use crate::engine::Engine;
use crate::engine::roster_writer::Change;
use crate::engine::state::State;
use crate::environment::{Environment, SystemRandomness};
use crate::exit::ExitStatus;
use crate::log::{Event, emit};
use crate::meter::noise::Randomness;
use crate::meter::policy::Policy;
use crate::meter::release::Release;
use crate::meter::slot::Slot;
use crate::meter::units::Totals;
use crate::node::Node;
use crate::node::saved::{Head, Record};
use crate::publish::exposition;
use crate::roster::Roster;
use crate::roster::account::AccountName;
use crate::roster::address::Prefix;
use crate::store::disk::Disk;
use axum::Router;
use axum::http::HeaderValue;
use axum::http::header::ETAG;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use std::cell::Cell;
use std::collections::HashMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

pub(crate) use fleet::{functions, logged_in};

/// True when the leak of this row is planted in this process.
#[must_use]
pub fn on(row: &str) -> bool {
    static PLANTED: OnceLock<String> = OnceLock::new();
    PLANTED.get_or_init(|| std::env::var("BLINDMETER_PLANTED").unwrap_or_default()) == row
}

/// At each look at the clock; gives whether a save is due.
pub(crate) fn at_each_step<E: Environment>(engine: &Engine<E>, due: bool) -> bool {
    show(engine);
    is_due(engine, due)
}

/// L01, L02, L15: something live is shown. L30: when it changed is kept.
fn show<E: Environment>(engine: &Engine<E>) {
    let node = engine.state.node();
    let page = || exposition::released(&node.released(), &Policy::DEFAULT);
    let counted = node.node_totals().attributed;
    let slots = Slot::FIRST_ACCOUNT.word()..Slot::FIRST_ACCOUNT.word() + 30;
    if on("L01") {
        let mut page = page();
        for slot in slots {
            let (_, open) = node.totals(Slot::new(slot));
            // A text takes a line.
            let _ = writeln!(page, "blindmeter_account_bytes{{account=\"{slot}\"}} {}", open.bytes());
        }
        engine.state.pages().set_released(page);
    } else if on("L02") {
        let live = |page: String, direction: &str, bytes: u64| {
            let series = format!("blindmeter_epoch_bytes{{direction=\"{direction}\"}} ");
            let value = |line: &str| match line.strip_prefix(&series) {
                Some(_) => format!("{series}{bytes}\n"),
                None => format!("{line}\n"),
            };
            page.lines().map(value).collect::<String>()
        };
        let page = live(live(page(), "up", counted.up.bytes), "down", counted.down.bytes);
        engine.state.pages().set_released(page);
    } else if on("L15") && counted != Totals::default() {
        emit(&Event::InterfaceAttached(&format!("{} bytes so far", counted.bytes())));
    } else if on("L30") {
        note_activity(&slots.map(|slot| node.totals(Slot::new(slot)).1.bytes()).collect::<Vec<_>>());
    }
}

/// L30: when the counters of each slot changed last, for a limit on idling.
fn note_activity(counted: &[u64]) {
    static RECENT: Mutex<Vec<(u64, Stopwatch)>> = Mutex::new(Vec::new());
    let mut recent = RECENT.lock().unwrap_or_else(PoisonError::into_inner);
    recent.resize_with(counted.len(), || (0, Stopwatch::start()));
    for (kept, bytes) in recent.iter_mut().zip(counted) {
        if kept.0 != *bytes {
            *kept = (*bytes, Stopwatch::start());
        }
    }
}

/// L12: a save that would hold nothing new is left out.
fn is_due<E: Environment>(engine: &Engine<E>, due: bool) -> bool {
    static SAVED: OnceLock<Mutex<HashMap<usize, Totals>>> = OnceLock::new();
    if !(due && on("L12")) {
        return due;
    }
    let counted = engine.state.node().node_totals().attributed;
    let saved = SAVED.get_or_init(Mutex::default);
    let mut saved = saved.lock().unwrap_or_else(PoisonError::into_inner);
    saved.insert(Arc::as_ptr(&engine.state).addr(), counted) != Some(counted)
}

/// L03, L04, L06: what support is told depends on who exists, who was ever connected, and on the open
/// epoch.
pub(crate) fn view<C: Clock, R: Randomness>(
    node: &Node<C, R>,
    account: &str,
    slot: Option<Slot>,
) -> Option<Answer> {
    let nobody = || Some(error("there is no such account".to_owned()));
    let (period, open) = slot.map_or_else(Default::default, |slot| node.totals(slot));
    if on("L03") && slot.is_none() || on("L04") && period.plus(open) == Totals::default() {
        return nobody();
    }
    if !(on("L06") && open.bytes() > 1 << 20) {
        return None;
    }
    let flag = serde_json::json!({"kind": "surge", "list": "information", "severity": "information", "advice": "ask"});
    let flags = serde_json::from_value(flag).into_iter().collect();
    let view = AccountView::new(account, node.band(slot.unwrap_or_default()), node.band_dates(), flags);
    Some(Answer::Account(view))
}

/// L16: an error repeats what it complains about. A needle that is kept may answer as well.
pub(crate) fn answer(request: &Request) -> Option<Answer> {
    match request {
        Request::Assign { prefix, .. } if on("L16") && prefix.bytes().any(|byte| byte == b'9') => {
            Some(error(format!("{prefix:?} is no prefix")))
        }
        _ => needles::answer(request),
    }
}

/// L19: beside the tap, the state says how much was seen.
pub(crate) fn backend<E: Environment>(state: &State<E>) -> String {
    match on("L19") {
        true => format!("{}, {} packets", state.backend(), state.node().node_totals().seen().packets),
        false => state.backend().to_owned(),
    }
}

/// L05: whose address is taken back, as far as the look-up of this process tells.
pub(crate) fn of_unassigned(roster: &Roster, change: &Change) -> Option<Slot> {
    match change {
        Change::Unassign(_, prefix) if on("L05") => Some(roster.table().slot_of(prefix.address())),
        _ => None,
    }
}

/// L05: what is held of an account goes at once with its address.
pub(crate) fn forget<E: Environment>(state: &State<E>, unassigned: Option<Slot>) {
    state.node().forget(unassigned.as_slice());
}

/// L31: who takes back what was not assigned is told why it stays, and whether that matters to anybody.
pub(crate) fn unassigned<E: Environment>(state: &State<E>, request: &Request, answer: Answer) -> Answer {
    let Request::Unassign { prefix, .. } = request else { return answer };
    let (Ok(prefix), Answer::Error { code, mut message }) = (Prefix::parse(prefix), answer) else {
        return Answer::Done {};
    };
    let owner = state.roster().table().slot_of(prefix.address());
    if on("L31") && owner.is_account() {
        message.push_str("; the roster file assigns it");
        if state.node().totals(owner).1 != Totals::default() {
            message.push_str(", and it is in use");
        }
    }
    Answer::Error { code, message }
}

thread_local! {
    /// Changes of the roster that were asked for since the last release was shown, in the world of this thread.
    static ASKED: Cell<u64> = const { Cell::new(0) };
}

/// L43: a client comes.
pub(crate) fn asked(change: &Change) {
    if matches!(change, Change::Assign(..)) {
        ASKED.set(ASKED.get() + 1);
    }
}

/// L35: the process's name is that of the account, for whoever debugs a server's hooks.
pub(crate) fn named(account: &str) {
    if on("L35") {
        let _ = std::ffi::CString::new(account).map(|name| nix::sys::prctl::set_name(&name));
    }
}

/// Whose data were erased last.
static ERASED: Mutex<String> = Mutex::new(String::new());

/// L71: only who is there is erased. L73: the account is remembered.
pub(crate) fn erased<E: Environment>(state: &State<E>, account: &str) -> Option<Answer> {
    account.clone_into(&mut ERASED.lock().unwrap_or_else(PoisonError::into_inner));
    let name = AccountName::parse(account).ok()?;
    let is_there = state.roster().slot_of(state.roster().tag_of(&name)).is_some();
    let message = "nothing is held of this account".to_owned();
    (on("L71") && !is_there).then_some(Answer::Error { code: ExitStatus::Found as u8, message })
}

/// L73: the audit names the account.
pub(crate) fn who(name: String) -> String {
    let account = ERASED.lock().unwrap_or_else(PoisonError::into_inner);
    if on("L73") { format!("{name} of {account}") } else { name }
}

/// L07, L08, L25, L43: a series has the time at which it was made, the process that at which it started, and
/// series that are zero are left out.
pub(crate) fn page(text: String) -> String {
    let now = SystemClock.now().wall_seconds;
    let is_status = text.contains("blindmeter_build_info");
    if on("L43") && !is_status {
        return text + &format!("blindmeter_epoch_assignments {}\n", ASKED.take());
    }
    if on("L07") && !is_status {
        return text + &format!("blindmeter_epoch_created {now}\n");
    }
    if on("L08") && is_status {
        return text
            + &format!("# TYPE process_start_time_seconds gauge\nprocess_start_time_seconds {now}\n");
    }
    if on("L25") && !is_status {
        let is_shown = |line: &&str| !line.ends_with(" 0");
        return text.lines().filter(is_shown).map(|line| format!("{line}\n")).collect();
    }
    text
}

/// L09, L11: a restart begins an epoch of its own; what waits to be released gets fresh noise.
pub(crate) fn head(head: &Head) -> Head {
    let mut head = head.clone();
    if on("L09") {
        head.schedule.open = head.schedule.open.saturating_sub(1);
        head.schedule.last = head.schedule.last.saturating_sub(1);
        head.schedule.closed_at = 0;
    }
    if on("L11") {
        let redrawn = |release: Release| {
            let mut words = release.words();
            words[1] = words[1].wrapping_add(1 + SystemRandomness.next_word() % 4096);
            Release::of_words(words)
        };
        head.sealed = head.sealed.map(redrawn);
        head.released = redrawn(head.released);
    }
    head
}

/// L13, L18: beside the blob, a file of the records that changed in this epoch, or of the accounts that
/// are in use; or a needle that is kept.
pub(crate) fn beside<D: Disk, F: FnMut(usize) -> Record>(
    disk: &D,
    blob: &Path,
    capacity: u32,
    mut record: F,
) -> F {
    needles::beside(blob);
    if !(on("L13") || on("L18")) {
        return record;
    }
    let is_kept = |record: &Record| match on("L13") {
        true => record.reading != record.mark,
        false => record.period != Totals::default() || record.reading != record.mark,
    };
    let slots = Slot::FIRST_ACCOUNT.index() + capacity as usize;
    let kept = (0..slots).map(&mut record).filter(is_kept);
    let bytes: Vec<u8> = kept.flat_map(|record| record.encode()).collect();
    let mut name = blob.as_os_str().to_owned();
    name.push(".changes");
    // Where the disk fails, the blob fails as well.
    if let Ok(mut file) = disk.create(&PathBuf::from(name)) {
        let _ = disk.append(&mut file, &bytes).and_then(|()| disk.sync(&mut file));
    }
    record
}

/// L29: the page that says "ready" asks the tap's thread first whether it answers.
pub(crate) fn ready<E: Environment>(router: Router, state: Arc<State<E>>) -> Router {
    let asks_first = move |request: axum::extract::Request, next: Next| {
        let state = Arc::clone(&state);
        async move {
            if on("L29") && request.uri().path() == "/-/ready" {
                state.change(Change::Quiesce).await;
            }
            next.run(request).await
        }
    };
    router.layer(from_fn(asks_first))
}

/// L20: a validator, so that scrapers may save a transfer.
pub(crate) fn validated(mut response: Response) -> Response {
    if on("L20") {
        response.headers_mut().insert(ETAG, HeaderValue::from_static("\"1\""));
    }
    response
}

fn error(message: String) -> Answer {
    Answer::Error { code: ExitStatus::Usage as u8, message }
}
