//! One world of a pair: a machine that lives through a plan with its own placing of the traffic.

use crate::plan::{Happening, LOOK_SECONDS, Named, Plan};
use crate::sim::log::Log;
use crate::sim::machine::Machine;
use crate::surfaces::{Snapshot, Tells, UNKNOWN, UNUSED};
use crate::traffic::{Deed, Placed};
use blindmeter::engine::End;
use blindmeter::engine::checkpoint::StartKind;
use std::collections::BTreeSet;

/// How a look began, before its traffic.
#[derive(Clone, Copy, Default)]
pub(crate) struct Began {
    /// A process runs.
    pub(crate) runs: bool,
    /// It has just been started.
    pub(crate) started: bool,
    /// It could not go on with what an earlier one knew.
    pub(crate) forgot: bool,
    /// The last ordinal that it knows to be used or barred.
    pub(crate) last: u64,
}

/// A world.
pub(crate) struct World<'a> {
    plan: &'a Plan,
    pub(crate) machine: Machine,
    placed: Placed,
    /// What it shows.
    pub(crate) shown: Snapshot,
    /// The roster file as it is.
    roster: String,
    /// Accounts that are connected.
    connected: BTreeSet<usize>,
    /// Happenings that are still to come.
    next: usize,
    /// A start was refused since something is missing: the next one goes on without it.
    accept_loss: bool,
    /// How this look began.
    pub(crate) began: Began,
    /// Requests of hooks that were not done.
    pub(crate) refused: usize,
}

impl<'a> World<'a> {
    pub(crate) fn new(plan: &'a Plan, placed: Placed) -> Self {
        Self {
            plan,
            machine: Machine::new(&plan.setup, plan.seed, plan.begin_seconds),
            placed,
            shown: Snapshot::default(),
            roster: plan.roster.clone(),
            connected: BTreeSet::new(),
            next: 0,
            accept_loss: false,
            began: Began::default(),
            refused: 0,
        }
    }

    /// Lives through one look, and shows everything at its end.
    pub(crate) async fn look(&mut self, look: usize, log: &mut Log) {
        self.shown.clear();
        self.live(look).await;
        let (prefix, hook) = self.named(look);
        let asked = self.plan.asked(look, &prefix, &hook);
        self.shown.take(&self.machine, &asked, log).await;
    }

    /// Lets officers export as at the end of a look.
    pub(crate) async fn exports(&mut self, look: usize) {
        if self.machine.runs() {
            let (prefix, hook) = self.named(look);
            self.shown.exports(&self.machine, &self.plan.asked(look, &prefix, &hook)).await;
            self.shown.clear();
        }
    }

    /// An address of the account of the file that is asked about at this look, and the hooks' account that is.
    fn named(&self, look: usize) -> (String, String) {
        let file = self.plan.file_at(look);
        let prefix = file.addresses[look / 10 % file.addresses.len()].text();
        (prefix, format!("hook-{:02}", look / 20 % 9))
    }

    /// Lives through one look, and shows nothing.
    pub(crate) async fn live(&mut self, look: usize) {
        while let Some((_, happening)) = self.plan.happenings.get(self.next).filter(|(at, _)| *at == look) {
            self.next += 1;
            self.befall(happening).await;
        }
        self.began = Began::default();
        if !self.machine.runs() {
            self.start().await;
        }
        self.began.runs = self.machine.runs();
        for deed in std::mem::take(&mut self.placed.deeds[look]) {
            self.deed(deed).await;
        }
        self.machine.pass(LOOK_SECONDS).await;
    }

    async fn befall(&mut self, happening: &Happening) {
        match happening {
            Happening::Reload(roster) => {
                self.roster.clone_from(roster);
                if self.machine.runs() && !self.machine.reload(roster).await {
                    self.refused += 1;
                }
            }
            Happening::Set(seconds) => self.machine.environment.clocks.set(*seconds),
            Happening::Suspend(seconds) => self.machine.environment.clocks.pass(*seconds),
            Happening::Stop => self.machine.stop(End::Stop).await,
            Happening::HandOver => self.machine.stop(End::HandOver).await,
            Happening::Kill => self.machine.kill(),
            Happening::PowerCut => self.machine.cut_power(),
            Happening::Gap if self.machine.runs() => self.machine.engine().attribution.gap(),
            Happening::Gap => {}
            Happening::Fault(fault, after) => self.machine.plan(*fault, *after),
        }
    }

    async fn start(&mut self) {
        let started = self.machine.start(&self.roster, self.accept_loss);
        if let Err(why) = started {
            self.accept_loss = why.starts_with("78 ");
            self.shown.note("refusal of a start", Tells::Never, why.as_bytes());
            return;
        }
        self.accept_loss = false;
        let started = self.machine.engine().started;
        let forgot = matches!(started, None | Some(StartKind::First | StartKind::LossAccepted));
        self.began = Began { runs: true, started: true, forgot, last: self.last_ordinal() };
        // The VPN server's hooks tell again who is connected.
        for account in self.connected.clone() {
            self.connect(account).await;
        }
    }

    async fn deed(&mut self, deed: Deed) {
        match deed {
            Deed::Pass(packet) => self.machine.count(&self.placed.packets[packet]),
            Deed::Connect(account) => {
                self.connected.insert(account);
                self.connect(account).await;
            }
            Deed::Disconnect(account) => {
                self.connected.remove(&account);
                for address in &self.plan.accounts[account].addresses {
                    self.refused += usize::from(!self.machine.release(&address.text()).await);
                }
            }
        }
    }

    async fn connect(&mut self, account: usize) {
        let account = &self.plan.accounts[account];
        assert!(account.named == Named::Hook, "hooks connect their own accounts");
        for address in &account.addresses {
            self.refused += usize::from(!self.machine.assign(&address.text(), &account.name).await);
        }
    }

    /// The last ordinal that the node knows to be used or barred.
    pub(crate) fn last_ordinal(&self) -> u64 {
        self.machine.engine().state.node().head([0; 16]).schedule.last
    }

    /// What was counted in the open epoch and is shown to nobody: it tells whether traffic had moved.
    pub(crate) fn counted(&self) -> Option<[u64; 2]> {
        let node = self.machine.runs().then(|| self.machine.engine().state.node().node_totals())?;
        Some([node.attributed.bytes(), node.unattributed.bytes()])
    }
}

/// What a node answers about an account that nobody knows is what it answers about one that is not
/// used, but for the name.
///
/// Each export is saved by itself. Where a write failed between two of them, one is noted and the other is not: from
/// then on, `is_struck`, these two names have different histories.
pub(crate) fn tells_who_exists(shown: &Snapshot, is_struck: bool) -> Option<String> {
    for (unused, unknown) in [
        ("show unused", "show unknown"),
        ("export unused", "export unknown"),
        ("page of an unused one", "page of an unknown one"),
    ] {
        let text = |part: &str| String::from_utf8_lossy(shown.part(part)).into_owned();
        let (one, other) = (text(unused), text(unknown));
        let is_excused = is_struck && unused == "export unused";
        let asked = !(one.is_empty() || other.is_empty() || is_excused);
        if asked && one.replace(UNUSED, UNKNOWN) != other {
            return Some(format!("{unknown} differs from {unused}:\n{other}{one}"));
        }
    }
    None
}
