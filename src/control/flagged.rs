//! The list of accounts that carry a flag, and whose they are.
//!
//! The daemon holds tags: it finds a name by reading again what names accounts (files of the operator, or names
//! that the caller sends along), and keeps those of the list alone, until it is answered.

use super::advice;
use super::reports::{FlagReport, FlaggedAccount, FlaggedReport};
use crate::config::Language;
use crate::engine::state::State;
use crate::environment::Environment;
use crate::meter::flags::kind::{Kind, Kinds, List};
use crate::meter::tags::Tag;
use crate::roster::account::AccountName;
use crate::roster::name_index::{NameIndex, OtherText};
use crate::roster::sources::wireguard::Names;
use crate::system::allocator::{REQUEST_BYTES, wipe_stack};
use arc_swap::ArcSwapOption;
use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use zeroize::Zeroizing;

/// Reads a file of the operator.
pub type Reader = Arc<dyn Fn(&Path) -> io::Result<Vec<u8>> + Send + Sync>;

/// What answers to support are made with besides the state.
#[derive(Clone, Default)]
pub struct Desk {
    /// The provider's language, for whoever asks for no other.
    pub language: Language,
    /// The roster file.
    pub roster_file: Option<PathBuf>,
    /// Files that name the accounts of WireGuard peers.
    pub peer_files: Vec<PathBuf>,
    /// Of the roster file, once somebody was looked for in it.
    pub index: Arc<ArcSwapOption<NameIndex>>,
}

/// The lists that are asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Lists {
    pub(super) contact: bool,
    pub(super) information: bool,
}

impl Lists {
    fn show(self, kind: Kind) -> bool {
        match kind.list() {
            List::Contact => self.contact,
            List::Information => self.information,
        }
    }
}

/// The flags of an account, the most severe first.
pub(super) fn flags(kinds: Kinds, language: Language) -> Vec<FlagReport> {
    kinds.by_severity().map(|kind| flag(kind, language)).collect()
}

/// A flag of this kind, as it is told.
pub(super) fn flag(kind: Kind, language: Language) -> FlagReport {
    FlagReport {
        kind: kind.name().to_owned(),
        list: advice::list(kind).to_owned(),
        severity: advice::severity(kind).to_owned(),
        advice: advice::advice(kind, language).to_owned(),
    }
}

/// The accounts that carry a flag, by severity and then by name: no order of theirs tells more. `names` is a text of
/// names, one a line. Takes as long as the operator's files are large.
pub(super) fn report<E: Environment>(
    state: &State<E>,
    desk: &Desk,
    reader: Option<&Reader>,
    lists: Lists,
    names: &[u8],
    language: Language,
) -> FlaggedReport {
    let roster = state.roster();
    if !lists.contact && !lists.information {
        // Every page of an account asks what the node was: no account need be looked at for that.
        return state
            .node()
            .verdict()
            .map_or_else(FlaggedReport::off, |verdict| FlaggedReport::of(verdict, Vec::new(), 0));
    }
    let Some((verdict, slots)) = state.node().flagged() else { return FlaggedReport::off() };
    let mut wanted: HashMap<Tag, (Kinds, Option<AccountName>)> = HashMap::new();
    for (slot, kinds) in slots {
        let mut shown = Kinds::default();
        kinds.by_severity().filter(|kind| lists.show(*kind)).for_each(|kind| shown.add(kind));
        if let Some(tag) = roster.account_of(slot).filter(|_| !shown.is_empty()) {
            wanted.insert(tag, (shown, None));
        }
    }
    if !wanted.is_empty() {
        find(state, desk, reader, names, &mut wanted);
        // Where rows lay that named others.
        wipe_stack::<REQUEST_BYTES>();
    }
    let unnamed = wanted.values().filter(|(_, name)| name.is_none()).count() as u64;
    let mut named: Vec<(AccountName, Kinds)> =
        wanted.into_values().filter_map(|(kinds, name)| Some((name?, kinds))).collect();
    let rank = |kinds: Kinds| Kind::BY_SEVERITY.iter().position(|kind| kinds.has(*kind));
    named.sort_by(|(one, ones), (other, others)| {
        rank(*ones).cmp(&rank(*others)).then_with(|| one.reveal().cmp(other.reveal()))
    });
    let account = |(name, kinds): (AccountName, Kinds)| FlaggedAccount {
        account: name.reveal().to_owned(),
        flags: flags(kinds, language),
    };
    FlaggedReport::of(verdict, named.into_iter().map(account).collect(), unnamed)
}

/// Finds names by their tags. A file that cannot be read names nobody: `check` and reloads say so.
#[inline(never)]
fn find<E: Environment>(
    state: &State<E>,
    desk: &Desk,
    reader: Option<&Reader>,
    names: &[u8],
    wanted: &mut HashMap<Tag, (Kinds, Option<AccountName>)>,
) {
    let wanted = RefCell::new(wanted);
    let look = |name: &AccountName| {
        let tag = state.roster().tag_of(name);
        if let Some((_, found)) = wanted.borrow_mut().get_mut(&tag) {
            found.get_or_insert_with(|| name.clone());
        }
        tag
    };
    for line in names.split(|byte| *byte == b'\n') {
        let line = std::str::from_utf8(line).map(str::trim);
        if let Some(name) = line.ok().and_then(|line| AccountName::parse(line).ok()) {
            look(&name);
        }
    }
    let Some(reader) = reader else { return };
    let read = |path: &PathBuf| reader(path).map(Zeroizing::new).ok();
    if let Some(text) = desk.roster_file.as_ref().and_then(read) {
        let tag_of = |name: &AccountName| state.roster().tag_of(name);
        let mut unnamed: Vec<Tag> =
            wanted.borrow().iter().filter(|(_, (_, name))| name.is_none()).map(|(tag, _)| *tag).collect();
        let found = desk
            .index
            .load()
            .as_ref()
            .is_some_and(|index| found_by(index, &text, &mut unnamed, tag_of, look));
        if !found && let Some(index) = NameIndex::of(&text, tag_of) {
            found_by(&index, &text, &mut unnamed, tag_of, look);
            desk.index.store(Some(Arc::new(index)));
        }
    }
    for text in desk.peer_files.iter().filter_map(read) {
        drop(Names::read(&text, look));
    }
}

/// Looks for the names of tags in the roster file by its index, and keeps what was not looked for; false where the
/// index is of another text.
fn found_by(
    index: &NameIndex,
    text: &[u8],
    wanted: &mut Vec<Tag>,
    tag_of: impl Fn(&AccountName) -> Tag,
    found: impl Fn(&AccountName) -> Tag,
) -> bool {
    while let Some(tag) = wanted.last() {
        match index.find(text, *tag, &tag_of) {
            Ok(name) => _ = name.map(|name| found(&name)),
            Err(OtherText) => return false,
        }
        wanted.pop();
    }
    true
}
