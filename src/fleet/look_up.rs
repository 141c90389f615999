//! One account over the whole fleet: the sums of its nodes, of both clusters together, and erasing them.
//!
//! Clusters that do not agree on what their sums are of are asked for the week before; no sum is told that one of them
//! would make half of. Knows tags and sums; which nodes an account was on, no answer tells.

use super::cluster::{Call, Function, Reply};
use super::courier::Courier;
use super::keys::PeriodTag;
use super::sending::number_of;
use super::settings::Role;
use super::trouble::Trouble;
use super::words::{COUNT, Words};

/// What a fleet knows of an account as of a week.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Sums {
    /// Bytes and flags over all nodes.
    pub words: Words,
    /// The week before the last was asked for: the last is being sent.
    pub is_of_week_before: bool,
    /// Nodes that have sent something of the account's period.
    pub nodes: u64,
    /// Of these, those that have not sent in that week.
    pub stale: u64,
}

/// What came of an erasure or a correction so far.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Confirmed {
    /// Nodes that have words of the account, in the cluster that has more.
    pub nodes: u64,
    /// Of these, those that have followed.
    pub followed: u64,
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

/// The sums of an account's period as of a week.
///
/// # Errors
/// Why they cannot be told.
pub fn total(courier: &mut Courier, role: Role, tag: PeriodTag, week: u64) -> Result<Sums, Untold> {
    if !courier.has(role) {
        return Err(Untold::NoRole(role.word()));
    }
    for (week, is_of_week_before) in [(week, false), (week.saturating_sub(1), true)] {
        let mut told: Option<(Vec<u8>, Sums)> = None;
        let mut agree = true;
        for place in 0..courier.clusters() {
            let call = Call {
                function: Function::Total,
                keys: vec![tag],
                arguments: vec![text(number_of(week).into())],
            };
            let reply = ask(courier, role, place, call)?;
            let (digest, sums) = sums_of(&reply, is_of_week_before).ok_or(answer(place))?;
            told = match told {
                None => Some((digest, sums)),
                Some((other, first)) => {
                    agree &= other == digest;
                    Some((digest, Sums { words: first.words.and(sums.words), ..sums }))
                }
            };
        }
        if let Some((_, sums)) = told.filter(|_| agree) {
            return Ok(sums);
        }
    }
    Err(Untold::Disagree)
}

/// How often an account was erased or corrected in a period, in the cluster that knows of more.
///
/// # Errors
/// Why it cannot be told.
pub fn mark(courier: &mut Courier, tag: PeriodTag) -> Result<u16, Untold> {
    Ok(of_each(courier, tag)?.into_iter().map(|(mark, ..)| mark).max().unwrap_or(0))
}

/// How many nodes have words of an account, and how many of them have followed its last mark.
///
/// # Errors
/// Why it cannot be told.
pub fn confirmed(courier: &mut Courier, tag: PeriodTag) -> Result<Confirmed, Untold> {
    let all = of_each(courier, tag)?;
    let nodes = all.iter().map(|(_, nodes, _)| *nodes).max().unwrap_or(0);
    let followed = all.iter().map(|(.., followed)| *followed).min().unwrap_or(0);
    Ok(Confirmed { nodes, followed })
}

/// Of each cluster the mark of an account, its nodes, and those that have followed.
fn of_each(courier: &mut Courier, tag: PeriodTag) -> Result<Vec<(u16, u64, u64)>, Untold> {
    let clusters = courier.clusters();
    let of = |place| {
        let call = Call { function: Function::Total, keys: vec![tag], arguments: vec![text(0)] };
        let reply = ask(courier, Role::Privacy, place, call)?;
        let [_, nodes, _, mark, followed, ..] = reply.as_slice() else { return Err(answer(place)) };
        let numbers = number(mark)
            .and_then(|mark| Some((u16::try_from(mark).ok()?, number(nodes)?, number(followed)?)));
        numbers.ok_or(answer(place))
    };
    let clusters = 0..clusters;
    clusters.map(of).collect()
}

/// Sets a mark by which every node forgets an account, or everything but what is told here of it.
///
/// # Errors
/// Why a cluster did not take it; then it must be asked for again.
pub fn erase(
    courier: &mut Courier,
    tag: PeriodTag,
    mark: u16,
    expires: u64,
    corrected: Option<[Words; 2]>,
) -> Result<Confirmed, Untold> {
    let mut confirmed = Confirmed { nodes: 0, followed: u64::MAX };
    for place in 0..courier.clusters() {
        let mut arguments = vec![text(mark.into()), text(expires)];
        arguments.extend(corrected.map(|shares| shares[place.min(1)].encode().to_vec()));
        let call = Call { function: Function::Erase, keys: vec![tag], arguments };
        let reply = ask(courier, Role::Privacy, place, call)?;
        let [nodes, followed] = reply.as_slice() else { return Err(answer(place)) };
        let (nodes, followed) = (number(nodes).ok_or(answer(place))?, number(followed).ok_or(answer(place))?);
        confirmed =
            Confirmed { nodes: confirmed.nodes.max(nodes), followed: confirmed.followed.min(followed) };
    }
    Ok(confirmed)
}

pub(super) fn ask(courier: &mut Courier, role: Role, place: usize, call: Call) -> Result<Reply, Untold> {
    if !courier.has(role) {
        return Err(Untold::NoRole(role.word()));
    }
    let replies =
        courier.ask(place, role, &[call]).map_err(|trouble| Untold::Cluster(letter(place), trouble))?;
    replies.into_iter().next().ok_or(answer(place))
}

pub(super) fn answer(place: usize) -> Untold {
    Untold::Cluster(letter(place), Trouble::Answer)
}

/// What the cluster at this place is called.
#[must_use]
pub fn letter(place: usize) -> char {
    crate::config::fleet::LETTERS.get(place).copied().unwrap_or('?')
}

fn sums_of(reply: &Reply, is_of_week_before: bool) -> Option<(Vec<u8>, Sums)> {
    let [digest, nodes, stale, _mark, _obeyed, words @ ..] = reply.as_slice() else { return None };
    let words: Vec<u64> = words.iter().map(|word| number(word)).collect::<Option<_>>()?;
    let words = Words(<[u64; COUNT]>::try_from(words).ok()?);
    let (nodes, stale) = (number(nodes)?, number(stale)?);
    Some((digest.clone(), Sums { words, is_of_week_before, nodes, stale }))
}

pub(super) fn number(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn text(number: u64) -> Vec<u8> {
    number.to_string().into_bytes()
}
