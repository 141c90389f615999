//! A weekly sending: what every account had moved as of a refresh, to each cluster, read back until it is there.
//!
//! One value an account and week, for ever: sent again it is the same, split the same way. Accounts go in the order of
//! the clusters' slots and of tags, which nothing that an account does can move; after all of them goes the roll, words of
//! nobody, by which readers know how many nodes there are, without a look at the account that they ask for. Knows tags,
//! slots and totals; no clock (who drives it says when) and no name.

use super::cluster::{Call, Function, Reply};
use super::keys::{Field, FleetKey, PeriodTag};
use super::trouble::Trouble;
use super::words::Words;
use crate::engine::refreshes::Refresh;
use crate::meter::flags::kind::Kinds;
use crate::meter::slot::Slot;
use sha1::{Digest, Sha1};
use std::collections::BTreeSet;
use std::ops::Range;

/// Slots of a cluster that are asked about in one round.
const CALLS: usize = 16;

/// What is fixed of a sending.
pub struct Sending {
    week: u16,
    expires: u64,
    /// What shares are drawn with: this process's own.
    key: [u8; 32],
    node: String,
    fleet: FleetKey,
    accounts: Vec<Account>,
    /// Accounts whose tags lie in the same slot of a cluster; the last group is the roll.
    groups: Vec<Range<usize>>,
    left: Vec<Left>,
}

/// An account, as it is sent.
#[derive(Clone, Copy)]
struct Account {
    tag: PeriodTag,
    slot: Slot,
    up_bytes: u64,
    down_bytes: u64,
    kinds: Kinds,
    /// How often it was erased or corrected in this period, as far as the clusters have told.
    mark: u16,
}

/// What is left to be done for one cluster, by group.
#[derive(Clone)]
struct Left {
    /// To be sent.
    to_put: BTreeSet<usize>,
    /// To be read back, once it was sent.
    to_check: BTreeSet<usize>,
    /// Everything was sent once.
    is_sent: bool,
}

/// An account that was erased or corrected on another node.
pub struct Obeyed {
    /// Where it was counted here.
    pub slot: Slot,
    /// Where its words lie.
    pub tag: PeriodTag,
}

impl Sending {
    /// A sending of a refresh, to so many clusters.
    #[must_use]
    pub fn new(
        refresh: Refresh,
        fleet: FleetKey,
        node: String,
        (clusters, expires, key): (usize, u64, [u8; 32]),
    ) -> Self {
        let Refresh { week, period, accounts } = refresh;
        let mut accounts: Vec<Account> = accounts
            .into_iter()
            .map(|account| Account {
                tag: fleet.period_tag(account.tag, period),
                slot: account.slot,
                up_bytes: account.up_bytes,
                down_bytes: account.down_bytes,
                kinds: account.kinds,
                mark: 0,
            })
            .collect();
        accounts.sort_unstable_by_key(|account| (account.tag.slot(), account.tag));
        let mut groups: Vec<Range<usize>> = Vec::new();
        for (at, account) in accounts.iter().enumerate() {
            match groups.last_mut() {
                Some(group) if accounts[group.start].tag.slot() == account.tag.slot() => group.end = at + 1,
                _ => groups.push(at..at + 1),
            }
        }
        groups.push(accounts.len()..accounts.len() + 1);
        accounts.push(Account {
            tag: fleet.roll_tag(period),
            slot: Slot::UNATTRIBUTED,
            up_bytes: 0,
            down_bytes: 0,
            kinds: Kinds::default(),
            mark: 0,
        });
        let all: BTreeSet<usize> = (0..groups.len()).collect();
        let left = vec![Left { to_put: all, to_check: BTreeSet::new(), is_sent: false }; clusters];
        Self { week: number_of(week), expires, key, node, fleet, accounts, groups, left }
    }

    /// How many rounds a whole sending takes to each cluster.
    #[must_use]
    pub fn rounds(&self) -> usize {
        (self.groups.len() - 1).div_ceil(CALLS) + 1
    }

    /// True when the cluster holds all of it, as far as is known.
    #[must_use]
    pub fn is_done(&self, place: usize) -> bool {
        self.left.get(place).is_none_or(|left| left.to_put.is_empty() && left.to_check.is_empty())
    }

    /// True until everything was sent to the cluster once: what is paced.
    #[must_use]
    pub fn is_sending(&self, place: usize) -> bool {
        self.left.get(place).is_some_and(|left| !left.is_sent)
    }

    /// Everything is to be read back once more.
    pub fn review(&mut self) {
        for left in &mut self.left {
            left.to_check = (0..self.groups.len()).collect();
        }
    }

    /// Everything is to be sent once more.
    pub fn restart(&mut self) {
        for left in &mut self.left {
            *left =
                Left { to_put: (0..self.groups.len()).collect(), to_check: BTreeSet::new(), is_sent: false };
        }
    }

    /// The next round to a cluster, on this day; empty where nothing is left.
    #[must_use]
    pub fn round(&self, place: usize, day: u64) -> Vec<(usize, Call)> {
        let Some(left) = self.left.get(place) else { return Vec::new() };
        if left.to_put.is_empty() {
            left.to_check.iter().take(CALLS).map(|group| (*group, self.kept(*group))).collect()
        } else {
            // Whoever is on the roll has sent everything else.
            let is_due = |group: &&usize| **group + 1 < self.groups.len() || left.to_put.len() == 1;
            let due = left.to_put.iter().filter(is_due).take(CALLS);
            due.map(|group| (*group, self.put(place, *group, day))).collect()
        }
    }

    /// What a round was answered: accounts that were erased or corrected elsewhere, which are zero from here on, and
    /// how many calls found less than was sent.
    ///
    /// # Errors
    /// An answer that is none.
    pub fn heard(
        &mut self,
        place: usize,
        asked: &[(usize, Call)],
        replies: &[Reply],
    ) -> Result<(Vec<Obeyed>, usize), Trouble> {
        let (mut obeyed, mut missing) = (Vec::new(), 0);
        for ((group, call), reply) in asked.iter().zip(replies) {
            if call.function == Function::Put {
                self.was_put(place, *group, reply, &mut obeyed)?;
            } else {
                missing += usize::from(!self.was_kept(place, *group, reply)?);
            }
        }
        if let Some(left) = self.left.get_mut(place) {
            left.is_sent |= left.to_put.is_empty();
        }
        Ok((obeyed, missing))
    }

    fn was_put(
        &mut self,
        place: usize,
        group: usize,
        reply: &Reply,
        obeyed: &mut Vec<Obeyed>,
    ) -> Result<(), Trouble> {
        let range = self.groups.get(group).cloned().unwrap_or_default();
        if reply.len() != range.len() {
            return Err(Trouble::Answer);
        }
        let (mut is_refused, mut is_changed) = (false, false);
        for (account, answer) in self.accounts[range].iter_mut().zip(reply) {
            let [high, low, its_high, its_low] = match answer.as_slice() {
                [] => continue,
                answer => *answer.first_chunk().ok_or(Trouble::Answer)?,
            };
            let (mark, its) = (u16::from_be_bytes([high, low]), u16::from_be_bytes([its_high, its_low]));
            is_refused = true;
            // What was kept under that mark already has obeyed it: a process that began anew only forgot so.
            if its != mark && account.mark < mark {
                (account.up_bytes, account.down_bytes, account.kinds) = (0, 0, Kinds::default());
                obeyed.push(Obeyed { slot: account.slot, tag: account.tag });
                is_changed = true;
            }
            account.mark = account.mark.max(mark);
        }
        for (at, left) in self.left.iter_mut().enumerate() {
            if at == place && !is_refused {
                left.to_put.remove(&group);
                left.to_check.insert(group);
            }
            // What one cluster was told is split with what the other is told.
            if at != place && is_changed {
                left.to_put.insert(group);
            }
        }
        Ok(())
    }

    /// True where everything was there.
    fn was_kept(&mut self, place: usize, group: usize, reply: &Reply) -> Result<bool, Trouble> {
        let range = self.groups.get(group).cloned().unwrap_or_default();
        let mut digest = Sha1::new();
        for account in &self.accounts[range] {
            digest.update(self.value(place, account));
        }
        let expected: String = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        let [told] = reply.as_slice() else { return Err(Trouble::Answer) };
        let is_there = told.as_slice() == expected.as_bytes();
        if let Some(left) = self.left.get_mut(place) {
            left.to_check.remove(&group);
            if !is_there {
                left.to_put.insert(group);
            }
        }
        Ok(is_there)
    }

    fn put(&self, place: usize, group: usize, day: u64) -> Call {
        let accounts = &self.accounts[self.groups.get(group).cloned().unwrap_or_default()];
        let mut arguments = vec![day.to_string().into_bytes(), self.expires.to_string().into_bytes()];
        for account in accounts {
            arguments.push(self.field(account).0.to_vec());
            arguments.push(self.value(place, account));
        }
        let keys = accounts.iter().map(|account| account.tag).collect();
        Call { function: Function::Put, keys, arguments }
    }

    fn kept(&self, group: usize) -> Call {
        let accounts = &self.accounts[self.groups.get(group).cloned().unwrap_or_default()];
        let keys = accounts.iter().map(|account| account.tag).collect();
        let arguments = accounts.iter().map(|account| self.field(account).0.to_vec()).collect();
        Call { function: Function::Kept, keys, arguments }
    }

    fn field(&self, account: &Account) -> Field {
        self.fleet.field(&self.node, account.tag)
    }

    /// What a cluster keeps of an account: mark, week, and all of its words or one of two shares of them.
    fn value(&self, place: usize, account: &Account) -> Vec<u8> {
        let words = Words::new(account.up_bytes, account.down_bytes, account.kinds);
        let (mark, week) = (account.mark.to_be_bytes(), self.week.to_be_bytes());
        let words = match (self.left.len(), place) {
            (1, _) => words,
            (_, 0) => Words::drawn(&self.key, &[&account.tag.0, &week, &mark]),
            _ => words.without(Words::drawn(&self.key, &[&account.tag.0, &week, &mark])),
        };
        [&mark[..], &week[..], &words.encode()[..]].concat()
    }
}

/// A week as the clusters number it: two weeks of one number are 1,256 years apart.
#[must_use]
pub fn number_of(week: u64) -> u16 {
    u16::try_from(week % (1 << 16)).unwrap_or(0)
}

#[cfg(test)]
mod tests;
