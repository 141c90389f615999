//! Needles that are kept on purpose, so that the leakage harness can show that each would be found
//! (`tests/leakage/needles/plants.rs`): one far address, one run of eight payload bytes, one account
//! name, each in each of the places that the harness searches.
//!
//! No part of the product, as `planted.rs`. `BLINDMETER_NEEDLE=N-address-log` plants that one alone.

use crate::control::protocol::{Answer, Request};
use crate::exit::ExitStatus;
use crate::log::{Event, emit};
use crate::meter::counters::Counters;
use crate::meter::slot::{Direction, Slot};
use std::fmt::Write;
use std::fs::{self, File};
use std::path::Path;
use std::sync::{Mutex, OnceLock, PoisonError};

/// What is kept, and what is still to be done with it.
struct Needle {
    bytes: Vec<u8>,
    in_counters: bool,
    open: Option<File>,
}

/// A slot that the harness's few accounts leave free, and so is the next.
const UNUSED_SLOT: u32 = 400;

static KEPT: Mutex<Option<Needle>> = Mutex::new(None);

/// Kind and place of the needle that this process plants.
fn planted() -> (&'static str, &'static str) {
    static PLANTED: OnceLock<String> = OnceLock::new();
    let name = PLANTED.get_or_init(|| std::env::var("BLINDMETER_NEEDLE").unwrap_or_default());
    name.strip_prefix("N-").and_then(|rest| rest.split_once('-')).unwrap_or_default()
}

/// True when this kind is kept in this place.
fn is(kind: &str, place: &str) -> bool {
    planted() == (kind, place)
}

/// Keeps the first needle of a kind.
fn keep(kind: &str, bytes: &[u8]) {
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if planted().0 != kind || kept.is_some() {
        return;
    }
    *kept = Some(Needle { bytes: bytes.to_vec(), in_counters: false, open: None });
    drop(kept);
    if planted().1 == "log" {
        emit(&Event::InterfaceAttached(&hex(bytes)));
    }
}

/// The needle as text, where it is planted in this place.
fn text(place: &str) -> Option<String> {
    let kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    kept.as_ref().filter(|_| planted().1 == place).map(|needle| hex(&needle.bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // A text takes everything.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Of a packet that a user-space tap has in hand: the far side's IPv6 address, or the first bytes
/// behind a small datagram's headers.
pub(crate) fn packet(captured: &[u8], direction: Direction, counters: &Counters) {
    if captured.len() >= 56 && captured[0] >> 4 == 6 {
        let far = if direction == Direction::Up { 24..40 } else { 8..24 };
        keep("address", &captured[far]);
        if captured.len() == 56 {
            keep("payload", &captured[48..56]);
        }
    }
    if planted().1 != "counters" {
        return;
    }
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(needle) = kept.as_mut().filter(|needle| !needle.in_counters) {
        needle.in_counters = true;
        let word = |at: usize| {
            let mut word = [0; 8];
            let bytes = needle.bytes.iter().skip(at * 8);
            word.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
            u64::from_ne_bytes(word)
        };
        counters.add(Slot::new(UNUSED_SLOT), Direction::Up, word(0), word(1));
        counters.add(Slot::new(UNUSED_SLOT + 1), Direction::Up, word(2), word(3));
    }
}

/// Of a request: the account's name; and an answer that says what is kept, or that prefixes were
/// unassigned which were not.
pub(crate) fn answer(request: &Request) -> Option<Answer> {
    match request {
        Request::Assign { account, .. } => {
            keep("name", account.as_bytes());
            None
        }
        Request::Counts {} => {
            let message = text("answers")?;
            Some(Answer::Error { code: ExitStatus::Bug as u8, message })
        }
        Request::Unassign { .. } | Request::Sync { .. } if is("address", "maps") => Some(Answer::Done {}),
        _ => None,
    }
}

/// The page, with what is kept below it.
pub(crate) fn page(page: String) -> String {
    match text("pages") {
        Some(text) => format!("{page}# {text}\n"),
        None => page,
    }
}

/// At a save: a file beside the blob, or one that is gone at once, or one without a name that is held
/// open.
pub(crate) fn beside(blob: &Path) {
    if let Some(text) = text("store") {
        fs::write(blob.with_file_name("kept"), text).expect("the state directory is ours");
    }
    if let Some(text) = text("writes") {
        let path = blob.with_file_name("kept");
        fs::write(&path, text).and_then(|()| fs::remove_file(&path)).expect("the state directory is ours");
    }
    if let Some(text) = text("process") {
        let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(needle) = kept.as_mut().filter(|needle| needle.open.is_none()) {
            let path = blob.with_file_name(text);
            needle.open = File::create(&path).ok();
            fs::remove_file(&path).expect("the state directory is ours");
        }
    }
}
