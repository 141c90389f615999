//! What passes in each cell of time, and when in it: the first is the same in both worlds (or not, in
//! the second family), the second is each world's own.
//!
//! A cell is a stretch of looks inside which traffic may be moved: it ends at a close, and wherever
//! something happens after which what was counted before is not what is counted after.

use crate::plan::{Account, Named, Plan};
use crate::sim::packets::{Kind, Packet};
use crate::support::frames::Address;
use crate::support::rng::Rng;

/// A stretch of looks: from this one on, before that one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Cell {
    pub(crate) from: usize,
    pub(crate) until: usize,
}

/// How a plan divides its time: found by a run without traffic, since nothing of it may depend on
/// traffic.
#[derive(Default, Debug)]
pub(crate) struct Shape {
    pub(crate) cells: Vec<Cell>,
    /// Looks at which a process runs to count and to answer.
    pub(crate) available: Vec<bool>,
    /// Looks at whose end an epoch is closed, and the ordinals.
    pub(crate) closes: Vec<(usize, u64)>,
}

/// What passes of one kind in one cell.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
struct Flow {
    /// Bytes and packets up, and down.
    ways: [(u64, u64); 2],
    /// Sessions of a hook's account: whether there is one, and whether one spans the cell's end.
    connects: bool,
    stays: bool,
}

/// Everything that passes, by cell and then by account; after the accounts what is of none.
pub(crate) struct Traffic(Vec<Vec<Flow>>);

/// Something that the traffic of one world does at one look, in this order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Deed {
    /// A hook tells that an account connects.
    Connect(usize),
    /// The packet of this number passes.
    Pass(usize),
    /// A hook tells that it has gone.
    Disconnect(usize),
}

/// The deeds of one world by look, and its packets.
pub(crate) struct Placed {
    pub(crate) deeds: Vec<Vec<Deed>>,
    pub(crate) packets: Vec<Packet>,
}

/// Kinds of traffic that are of no account.
const NOBODYS: usize = 4;

impl Traffic {
    /// What passes in the cells of this shape.
    pub(crate) fn draw(plan: &Plan, shape: &Shape, rng: &mut Rng) -> Self {
        // In one plan of three accounts are alike, so that none makes most of a total.
        let alike = rng.one_in(3).then(|| (1 << 21) + rng.below_u64(1 << 28));
        let cells = shape.cells.iter().map(|_| {
            let of_accounts = plan.accounts.iter().map(|account| Flow::draw(account, alike, rng));
            let mut flows: Vec<Flow> = of_accounts.collect();
            flows.extend((0..NOBODYS).map(|_| Flow::nobodys(rng)));
            flows
        });
        Self(cells.collect())
    }

    /// The same, but for other totals in one cell; sessions that span its ends stay.
    pub(crate) fn with_other_totals(&self, plan: &Plan, cell: usize, rng: &mut Rng) -> Self {
        let mut cells = self.0.clone();
        for (at, flow) in cells[cell].iter_mut().enumerate() {
            if !rng.one_in(3) {
                let other = match plan.accounts.get(at) {
                    Some(account) => Flow::draw(account, None, rng),
                    None => Flow::nobodys(rng),
                };
                *flow = Flow { stays: flow.stays, ..other };
            }
        }
        Self(cells)
    }

    /// Puts everything somewhere inside its cell.
    pub(crate) fn place(&self, plan: &Plan, shape: &Shape, rng: &mut Rng) -> Placed {
        let mut placed = Placed { deeds: vec![Vec::new(); plan.looks], packets: Vec::new() };
        for (at, cell) in shape.cells.iter().enumerate() {
            for (number, flow) in self.0[at].iter().enumerate() {
                let (account, window) = match plan.accounts.get(number) {
                    None => (None, *cell),
                    Some(account) => (Some(account), account.window(*cell)),
                };
                let looks: Vec<usize> =
                    (window.from..window.until).filter(|look| shape.available[*look]).collect();
                if looks.is_empty() {
                    continue;
                }
                let stayed = at > 0 && self.0[at - 1][number].stays;
                let is_hook = account.is_some_and(|account| account.named == Named::Hook);
                let spans = if is_hook {
                    let spans = sessions(flow, stayed, &looks, rng);
                    placed.connect(number, &spans, flow.stays);
                    spans
                } else {
                    sessions(&Flow { connects: true, ..*flow }, false, &looks, rng)
                };
                placed.pass(flow, &spans, |rng| kind(account, number, plan, rng), rng);
            }
        }
        for deeds in &mut placed.deeds {
            deeds.sort_unstable();
        }
        placed
    }
}

impl Account {
    /// The part of a cell in which this account may have traffic.
    fn window(&self, cell: Cell) -> Cell {
        match self.named {
            Named::Hook => cell,
            Named::File(from, until) => Cell { from: cell.from.max(from), until: cell.until.min(until) },
        }
    }
}

impl Flow {
    fn draw(account: &Account, alike: Option<u64>, rng: &mut Rng) -> Self {
        let volume = |rng: &mut Rng| {
            let most = match rng.below_u64(8) {
                0 | 1 => return (0, 0),
                2 | 3 => 1 << 20,
                4..=6 => 1 << 30,
                _ => 300 << 30,
            };
            (rng.below_u64(most), 1 + rng.below_u64(6))
        };
        let ways = match alike {
            Some(bytes) => [(bytes + rng.below_u64(1 << 20), 3), (bytes + rng.below_u64(1 << 20), 3)],
            None => [volume(rng), volume(rng)],
        };
        if account.named != Named::Hook {
            return Self { ways, ..Self::default() };
        }
        match rng.below_u64(4) {
            0 => Self::default(),
            1 => Self { ways, connects: true, stays: true },
            _ => Self { ways, connects: true, stays: false },
        }
    }

    fn nobodys(rng: &mut Rng) -> Self {
        let mut way = || if rng.one_in(2) { (rng.below_u64(1 << 24), 1 + rng.below_u64(4)) } else { (0, 0) };
        Self { ways: [way(), way()], ..Self::default() }
    }
}

/// One to four stretches of these looks in which something may happen; the first begins with the looks
/// where a session lasts since before, the last ends with them where one stays.
fn sessions<'a>(flow: &Flow, stayed: bool, looks: &'a [usize], rng: &mut Rng) -> Vec<&'a [usize]> {
    if !(flow.connects || stayed || flow.stays) {
        return Vec::new();
    }
    let wanted = 1 + rng.below(4);
    let mut edges: Vec<usize> = (0..2 * wanted).map(|_| rng.below(looks.len())).collect();
    if stayed {
        edges[0] = 0;
    }
    if flow.stays {
        edges[1] = looks.len() - 1;
    }
    edges.sort_unstable();
    edges.dedup();
    if edges.len() % 2 == 1 {
        edges.push(edges[edges.len() - 1]);
        edges.sort_unstable();
    }
    edges.chunks(2).map(|pair| &looks[pair[0]..=pair[1]]).collect()
}

impl Placed {
    fn connect(&mut self, account: usize, spans: &[&[usize]], stays: bool) {
        for (at, span) in spans.iter().enumerate() {
            self.deeds[span[0]].push(Deed::Connect(account));
            if !(stays && at + 1 == spans.len()) {
                self.deeds[span[span.len() - 1]].push(Deed::Disconnect(account));
            }
        }
    }

    fn pass(&mut self, flow: &Flow, spans: &[&[usize]], kind: impl Fn(&mut Rng) -> Kind, rng: &mut Rng) {
        if spans.is_empty() {
            return;
        }
        for (at, (bytes, packets)) in flow.ways.into_iter().enumerate() {
            for bytes in parts(bytes, packets, rng) {
                let span = spans[rng.below(spans.len())];
                let look = span[rng.below(span.len())];
                self.deeds[look].push(Deed::Pass(self.packets.len()));
                self.packets.push(Packet { kind: kind(rng), up: at == 0, bytes });
            }
        }
    }
}

/// A sum in so many parts, each by chance.
fn parts(sum: u64, count: u64, rng: &mut Rng) -> Vec<u64> {
    let mut cuts: Vec<u64> = (1..count).map(|_| rng.below_u64(sum + 1)).collect();
    cuts.extend((count > 0).then_some(sum));
    cuts.sort_unstable();
    let mut before = 0;
    cuts.into_iter().map(|cut| cut - std::mem::replace(&mut before, cut)).collect()
}

/// What a packet of this account, or of this kind of nobody's, looks like.
fn kind(account: Option<&Account>, number: usize, plan: &Plan, rng: &mut Rng) -> Kind {
    if let Some(account) = account {
        return Kind::Ip(account.addresses[rng.below(account.addresses.len())]);
    }
    match number - plan.accounts.len() {
        0 if rng.one_in(2) => Kind::Ip(Address::v4(0x0a4d_00f0)),
        0 => Kind::Ip(Address::v6(0x2600 << 112 | 77)),
        1 => Kind::NotIp,
        2 => Kind::Malformed,
        _ => Kind::Lost,
    }
}
