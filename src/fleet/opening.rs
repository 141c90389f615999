//! Opening an epoch: the shares that lie in both clusters are added up there, and both sums here. The set of nodes
//! is fixed by the first cluster, for good: whoever opens the epoch again is told the same.
//!
//! Knows fields of nodes, which are random to it, and sums with their noise; no node, and no account.

use super::cluster::{Call, Function};
use super::courier::Courier;
use super::keys::PeriodTag;
use super::look_up::{Untold, answer, ask, number};
use super::settings::Role;
use super::shares::{WORDS, signed};
use super::words::MODULUS;
use crate::meter::share::{COUNT, Opened};
use std::collections::BTreeSet;

/// Bytes of a node's field.
const FIELD: usize = 8;

/// What lies in the clusters of an epoch.
pub struct Found {
    /// The first cluster has opened it.
    pub is_opened: bool,
    /// The nodes in it, or those whose shares lie in both clusters.
    pub nodes: Vec<[u8; FIELD]>,
}

/// Looks whose shares of an epoch there are.
///
/// # Errors
/// Why it cannot be told.
pub fn look(courier: &mut Courier, tag: PeriodTag) -> Result<Found, Untold> {
    let (is_opened, first) = shares(courier, 0, tag)?;
    if is_opened {
        return Ok(Found { is_opened, nodes: first.into_iter().collect() });
    }
    let (_, second) = shares(courier, 1, tag)?;
    Ok(Found { is_opened, nodes: first.intersection(&second).copied().collect() })
}

/// Opens an epoch over these nodes, or over those that it was opened over before. None where a share was taken back
/// meanwhile, or is not in the second cluster yet.
///
/// # Errors
/// Why it cannot be told; [`Untold::Disagree`] where the halves do not belong together.
pub fn open(courier: &mut Courier, tag: PeriodTag, nodes: &[[u8; FIELD]]) -> Result<Option<Opened>, Untold> {
    let Some((set, first)) = sums(courier, 0, tag, nodes.concat())? else { return Ok(None) };
    let Some((other, second)) = sums(courier, 1, tag, set.clone())? else { return Ok(None) };
    if set != other || first[COUNT] != second[COUNT] {
        return Err(Untold::Disagree);
    }
    let mut words = [0; COUNT];
    for (word, (first, second)) in words.iter_mut().zip(first.iter().zip(&second)) {
        *word = signed(first % MODULUS + second % MODULUS);
    }
    Ok(Some(Opened::new(words, (set.len() / FIELD) as u64)))
}

fn shares(
    courier: &mut Courier,
    place: usize,
    tag: PeriodTag,
) -> Result<(bool, BTreeSet<[u8; FIELD]>), Untold> {
    let call = Call { function: Function::Shares, keys: vec![tag], arguments: Vec::new() };
    let reply = ask(courier, Role::Totals, place, call)?;
    let [opened, fields] = reply.as_slice() else { return Err(answer(place)) };
    let (fields, rest) = fields.as_chunks();
    let fields = rest.is_empty().then(|| fields.iter().copied().collect());
    Ok((opened.as_slice() == b"1", fields.ok_or(answer(place))?))
}

/// The set that a cluster opened, and its half of the sums.
type Half = (Vec<u8>, [u64; WORDS]);

fn sums(courier: &mut Courier, place: usize, tag: PeriodTag, set: Vec<u8>) -> Result<Option<Half>, Untold> {
    let call = Call { function: Function::Open, keys: vec![tag], arguments: vec![set] };
    let reply = ask(courier, Role::Totals, place, call)?;
    let [set, words @ ..] = reply.as_slice() else { return Ok(None) };
    let words: Option<Vec<u64>> = words.iter().map(|word| number(word)).collect();
    let words = words.and_then(|words| words.try_into().ok()).ok_or(answer(place))?;
    Ok(Some((set.clone(), words)))
}
