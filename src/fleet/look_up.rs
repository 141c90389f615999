//! One account over the whole fleet: the sums of its nodes, of both clusters together, and erasing them.
//!
//! Clusters that do not agree on what their sums are of are asked for the week before; no sum is told that one of them
//! would make half of. How many nodes there are, and have sent, is read from the roll, which is nobody's: of a name that
//! no roster has, the same is told as of any other. Knows tags and sums; which nodes an account was on, no answer tells.

use super::cluster::{Call, Function, Reply};
use super::courier::Courier;
use super::keys::{FleetKey, PeriodTag};
use super::sending::number_of;
use super::settings::Role;
use super::trouble::Trouble;
use super::words::{COUNT, Words};
use crate::meter::tags::Tag;

/// What a fleet knows of an account as of a week.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Sums {
    /// Bytes and flags over all nodes.
    pub words: Words,
    /// They are of the week before the last one, which is being sent.
    pub is_of_week_before: bool,
    /// Nodes that are on the roll of the account's period.
    pub nodes: u64,
    /// Of these, those that have not sent all of that week.
    pub stale: u64,
}

/// What came of an erasure or a correction so far.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Confirmed {
    /// Nodes that are on the roll.
    pub nodes: u64,
    /// Of these, those that have sent everything since, and so have followed.
    pub followed: u64,
}

/// Where the words of an account lie, and the roll of the same period.
#[derive(Clone, Copy)]
pub struct Places {
    /// The account's.
    pub tag: PeriodTag,
    /// The roll.
    pub roll: PeriodTag,
}

impl Places {
    /// Those of an account in a period.
    #[must_use]
    pub fn new(key: &FleetKey, account: Tag, period: u64) -> Self {
        Self { tag: key.period_tag(account, period), roll: key.roll_tag(period) }
    }
}

/// A week that sums are asked for as of.
#[derive(Clone, Copy)]
pub struct AsOf {
    /// Where the words of that week lie.
    pub places: Places,
    /// The index of its refresh.
    pub week: u64,
    /// It is the one before the last.
    pub is_before: bool,
}

/// What a cluster answers of a tag.
struct Told {
    digest: Vec<u8>,
    nodes: u64,
    /// Of these, those that have not sent the week that was asked for.
    stale: u64,
    /// Of these, those that have sent after the earlier week that was asked for.
    later: u64,
    mark: u16,
    /// The week that the mark was set in.
    set_in: u64,
    /// Nodes that have not followed it.
    left: u64,
    words: Words,
}

/// Why a fleet cannot tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Untold {
    /// A cluster does not answer.
    #[error("cluster {0} {1}")]
    Cluster(char, Trouble),
    /// They hold different weeks.
    #[error(
        "the clusters do not agree on which weeks were sent, as while a node sends; ask again in a few minutes"
    )]
    Disagree,
    /// This node may not ask.
    #[error("this node may not ask the fleet: its [fleet] credentials_file has no line for {0}")]
    NoRole(&'static str),
}

/// The sums of an account as of the first of these weeks that all clusters agree on.
///
/// # Errors
/// Why they cannot be told.
pub fn total(courier: &mut Courier, role: Role, weeks: &[AsOf]) -> Result<Sums, Untold> {
    for AsOf { places: Places { tag, roll }, week, is_before } in weeks.iter().copied() {
        let places = 0..courier.clusters();
        let of = |place| told(courier, role, place, [(tag, week, 0), (roll, week, 0)]);
        let told: Vec<[Told; 2]> = places.map(of).collect::<Result<_, _>>()?;
        if told.windows(2).all(|pair| pair[0][0].digest == pair[1][0].digest) {
            return Ok(Sums {
                words: told.iter().map(|[account, _]| account.words).fold(Words::default(), Words::and),
                is_of_week_before: is_before,
                nodes: told.iter().map(|[_, roll]| roll.nodes).max().unwrap_or(0),
                stale: told.iter().map(|[_, roll]| roll.stale).max().unwrap_or(0),
            });
        }
    }
    Err(Untold::Disagree)
}

/// How often an account was erased or corrected in a period, in the cluster that knows of more.
///
/// # Errors
/// Why it cannot be told.
pub fn mark(courier: &mut Courier, tag: PeriodTag) -> Result<u16, Untold> {
    Ok(of_each(courier, tag, 0)?.iter().map(|account| account.mark).max().unwrap_or(0))
}

/// The week in which an account is erased on a node that has refreshed in `week`: the one after it where another node has.
///
/// # Errors
/// Why it cannot be told.
pub fn week_of_erasure(courier: &mut Courier, periods: &[Places], week: u64) -> Result<u64, Untold> {
    for Places { roll, .. } in periods {
        if of_each(courier, *roll, week)?.iter().any(|roll| roll.later > 0) {
            return Ok(week + 1);
        }
    }
    Ok(week)
}

/// How many nodes there are, and how many of them have followed the account's last mark, which lies in one of these periods;
/// the last of them is that of the nodes' next sending.
///
/// # Errors
/// Why it cannot be told.
pub fn confirmed(courier: &mut Courier, periods: &[Places]) -> Result<Confirmed, Untold> {
    let (mut set_in, mut left) = (0, 0);
    for Places { tag, .. } in periods {
        let told = of_each(courier, *tag, 0)?;
        set_in = told.iter().map(|account| account.set_in).fold(set_in, u64::max);
        // Of the last period alone: nodes send no more to one that is over.
        left = told.iter().map(|account| account.left).max().unwrap_or(0);
    }
    let (mut nodes, mut followed) = (0, 0);
    for Places { roll, .. } in periods {
        let told = of_each(courier, *roll, set_in)?;
        nodes = told.iter().map(|roll| roll.nodes).fold(nodes, u64::max);
        // Of two clusters the one that fewer nodes have been heard in.
        followed = told.iter().map(|roll| roll.later).min().unwrap_or(0).max(followed);
    }
    // Whoever is on the roll has followed, but for failures; then no more is said than is so.
    Ok(Confirmed { nodes, followed: followed.min(nodes.saturating_sub(left)) })
}

/// Sets a mark in a week, by which every node forgets an account, or everything but what is told here of it.
///
/// # Errors
/// Why a cluster did not take it; then it must be asked for again.
pub fn erase(
    courier: &mut Courier,
    tag: PeriodTag,
    (mark, week): (u16, u64),
    expires: u64,
    corrected: Option<[Words; 2]>,
) -> Result<(), Untold> {
    for place in 0..courier.clusters() {
        let mut arguments = vec![text(mark.into()), text(number_of(week).into()), text(expires)];
        arguments.extend(corrected.map(|shares| shares[place.min(1)].encode().to_vec()));
        let call = Call { function: Function::Erase, keys: vec![tag], arguments };
        ask(courier, Role::Privacy, place, call)?;
    }
    Ok(())
}

/// What each cluster holds under a tag, with how many nodes have sent after a week.
fn of_each(courier: &mut Courier, tag: PeriodTag, earlier: u64) -> Result<Vec<Told>, Untold> {
    let places = 0..courier.clusters();
    places.map(|place| told(courier, Role::Privacy, place, [(tag, 0, earlier)]).map(|[told]| told)).collect()
}

/// What a cluster holds under these tags as of a week, with how many nodes have sent after an earlier one.
fn told<const N: usize>(
    courier: &mut Courier,
    role: Role,
    place: usize,
    asked: [(PeriodTag, u64, u64); N],
) -> Result<[Told; N], Untold> {
    let calls = asked.map(|(tag, week, earlier)| Call {
        function: Function::Total,
        keys: vec![tag],
        arguments: vec![text(number_of(week).into()), text(number_of(earlier).into())],
    });
    let replies = round(courier, role, place, &calls)?;
    let told: Option<Vec<Told>> = replies.iter().map(Told::of).collect();
    told.and_then(|told| told.try_into().ok()).ok_or(answer(place))
}

pub(super) fn ask(courier: &mut Courier, role: Role, place: usize, call: Call) -> Result<Reply, Untold> {
    round(courier, role, place, &[call])?.into_iter().next().ok_or(answer(place))
}

fn round(courier: &mut Courier, role: Role, place: usize, calls: &[Call]) -> Result<Vec<Reply>, Untold> {
    if !courier.has(role) {
        return Err(Untold::NoRole(role.word()));
    }
    courier.ask(place, role, calls).map_err(|trouble| Untold::Cluster(letter(place), trouble))
}

pub(super) fn answer(place: usize) -> Untold {
    Untold::Cluster(letter(place), Trouble::Answer)
}

/// What the cluster at this place is called.
#[must_use]
pub fn letter(place: usize) -> char {
    crate::config::fleet::LETTERS.get(place).copied().unwrap_or('?')
}

impl Told {
    fn of(reply: &Reply) -> Option<Self> {
        let [digest, counts @ ..] = reply.as_slice() else { return None };
        let numbers: Vec<u64> = counts.iter().map(|count| number(count)).collect::<Option<_>>()?;
        let (counts, words) = numbers.split_first_chunk()?;
        let [nodes, stale, later, mark, set_in, left] = *counts;
        let (mark, words) = (u16::try_from(mark).ok()?, Words(<[u64; COUNT]>::try_from(words).ok()?));
        Some(Self { digest: digest.clone(), nodes, stale, later, mark, set_in, left, words })
    }
}

pub(super) fn number(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn text(number: u64) -> Vec<u8> {
    number.to_string().into_bytes()
}
