//! Nodes of a fleet as tests play them: random words of accounts, sent to one or two clusters, read back and added up,
//! beside an oracle that knows what was said.

use crate::support::rng::Rng;
use blindmeter::fleet::cluster::{Call, Cluster, Function, Reply};
use blindmeter::fleet::keys::{FleetKey, PeriodTag};
use blindmeter::fleet::trouble::Trouble;
use blindmeter::fleet::words::{MODULUS, Words};
use blindmeter::meter::tags::Tag;
use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

/// What a node sent last of an account.
#[derive(Clone, Copy)]
pub(crate) struct Sent {
    pub(crate) mark: u16,
    pub(crate) week: u16,
    pub(crate) words: Words,
}

/// The nodes of a fleet, and what they said.
pub(crate) struct Nodes {
    pub(crate) key: FleetKey,
    pub(crate) names: Vec<String>,
    pub(crate) tags: Vec<PeriodTag>,
    /// By node and account.
    pub(crate) sent: HashMap<(usize, usize), Sent>,
    pub(crate) expires: u64,
}

#[expect(clippy::disallowed_methods, reason = "servers hold what is sent against their own clock")]
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

impl Nodes {
    pub(crate) fn new(nodes: usize, accounts: u64, seed: u8) -> Self {
        let key = FleetKey::new(&[seed; 32]);
        let tag = |account: u64| {
            let mut bytes = [0; 16];
            bytes[..8].copy_from_slice(&account.to_le_bytes());
            key.period_tag(Tag(bytes), 700)
        };
        let tags = (0..accounts).map(tag).collect();
        let names = (0..nodes).map(|node| format!("node-{node}")).collect();
        Self { names, tags, sent: HashMap::new(), expires: now() + 40 * 86_400, key }
    }

    pub(crate) fn fleet(&self) -> String {
        self.key.identity()
    }

    /// Every node says something new of every account.
    pub(crate) fn draw(&mut self, rng: &mut Rng, week: u16) {
        for node in 0..self.names.len() {
            for account in 0..self.tags.len() {
                let mark = self.sent.get(&(node, account)).map_or(0, |sent| sent.mark);
                let words = Words(std::array::from_fn(|_| rng.word() % MODULUS));
                self.sent.insert((node, account), Sent { mark, week, words });
            }
        }
    }

    /// The share of what a node says that goes to a cluster; all of it where there is one.
    pub(crate) fn share(&self, place: Option<usize>, node: usize, account: usize) -> Sent {
        let sent = self.sent[&(node, account)];
        let of = [&self.tags[account].0[..], &sent.week.to_be_bytes(), &sent.mark.to_be_bytes()];
        let mut key = [1; 32];
        key[..8].copy_from_slice(&node.to_le_bytes());
        let first = Words::drawn(&key, &of);
        let words = match place {
            None => sent.words,
            Some(0) => first,
            Some(_) => sent.words.without(first),
        };
        Sent { words, ..sent }
    }

    /// A call that puts this of a node, for one account.
    pub(crate) fn put(&self, node: usize, account: usize, sent: Sent) -> Call {
        let tag = self.tags[account];
        let arguments = vec![
            (now() / 86_400).to_string().into_bytes(),
            self.expires.to_string().into_bytes(),
            self.key.field(&self.names[node], tag).0.to_vec(),
            value(sent),
        ];
        Call { function: Function::Put, keys: vec![tag], arguments }
    }

    /// Sends everything that is picked; each call's outcome.
    pub(crate) fn send(
        &self,
        cluster: &mut Cluster,
        place: Option<usize>,
        picked: &[(usize, usize)],
    ) -> Result<Vec<Reply>, Trouble> {
        let calls: Vec<Call> = picked
            .iter()
            .map(|&(node, account)| self.put(node, account, self.share(place, node, account)))
            .collect();
        let mut replies = Vec::new();
        for calls in calls.chunks(500) {
            replies.extend(cluster.call(calls)?);
        }
        Ok(replies)
    }

    pub(crate) fn all(&self) -> Vec<(usize, usize)> {
        let of = |node| (0..self.tags.len()).map(move |account| (node, account));
        (0..self.names.len()).flat_map(of).collect()
    }

    /// Those that a cluster does not hold as they were sent.
    pub(crate) fn missing(
        &self,
        cluster: &mut Cluster,
        place: Option<usize>,
    ) -> Result<Vec<(usize, usize)>, Trouble> {
        let all = self.all();
        let mut missing = Vec::new();
        for picked in all.chunks(500) {
            let calls: Vec<Call> = picked
                .iter()
                .map(|&(node, account)| {
                    let tag = self.tags[account];
                    let field = self.key.field(&self.names[node], tag).0.to_vec();
                    Call { function: Function::Kept, keys: vec![tag], arguments: vec![field] }
                })
                .collect();
            for (&(node, account), reply) in picked.iter().zip(cluster.call(&calls)?) {
                let kept = digest(&value(self.share(place, node, account)));
                if reply != [kept.into_bytes()] {
                    missing.push((node, account));
                }
            }
        }
        Ok(missing)
    }

    /// What the oracle says of an account: the sum over nodes.
    pub(crate) fn sum(&self, place: Option<usize>, account: usize) -> Words {
        let nodes = (0..self.names.len()).filter(|node| self.sent.contains_key(&(*node, account)));
        nodes.fold(Words::default(), |sum, node| sum.and(self.share(place, node, account).words))
    }

    pub(crate) fn total(&self, cluster: &mut Cluster, account: usize, week: u16) -> Result<Total, Trouble> {
        let arguments = vec![week.to_string().into_bytes(), b"4".to_vec()];
        let call = Call { function: Function::Total, keys: vec![self.tags[account]], arguments };
        cluster.call(&[call]).map(|replies| Total::of(&replies[0]))
    }
}

/// What a sum is answered with.
#[derive(PartialEq)]
pub(crate) struct Total {
    pub(crate) digest: Vec<u8>,
    pub(crate) nodes: u64,
    pub(crate) stale: u64,
    /// Nodes that have sent since week 4.
    pub(crate) later: u64,
    pub(crate) mark: u64,
    pub(crate) set_in: u64,
    /// Nodes that have not obeyed the mark.
    pub(crate) left: u64,
    pub(crate) words: Words,
}

impl Total {
    pub(crate) fn of(reply: &Reply) -> Self {
        let number = |at: usize| String::from_utf8_lossy(&reply[at]).parse().expect("a number");
        assert_eq!(reply.len(), 11);
        Self {
            digest: reply[0].clone(),
            nodes: number(1),
            stale: number(2),
            later: number(3),
            mark: number(4),
            set_in: number(5),
            left: number(6),
            words: Words(std::array::from_fn(|at| number(7 + at))),
        }
    }
}

/// Mark, week and words, as a server is told them.
pub(crate) fn value(sent: Sent) -> Vec<u8> {
    [&sent.mark.to_be_bytes()[..], &sent.week.to_be_bytes(), &sent.words.encode()].concat()
}

/// SHA-1 in hexadecimal digits, by a crate that the servers do not have.
fn digest(bytes: &[u8]) -> String {
    use sha1::{Digest as _, Sha1};
    Sha1::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
