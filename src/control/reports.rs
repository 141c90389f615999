//! The reports about one account and about the node that `accounts` prints.
//!
//! Their figures leave only through the control socket, to the roles that may ask for them. They hold
//! no address, and of times the dates of the schedule alone.

use crate::meter::band::Band;
use crate::meter::calendar::BandDates;
use crate::meter::flags::baseline::Baseline;
use crate::meter::flags::watch::Verdict;
use crate::meter::ledger::NodeTotals;
use crate::meter::units::Totals;
use crate::node::rate_limits::{Figures, Plan};
use serde::{Deserialize, Serialize};

/// The version of every report's format.
pub const SCHEMA_VERSION: u32 = 1;

/// What support sees of an account.
#[derive(Serialize, Deserialize)]
pub struct AccountView {
    schema_version: u32,
    /// The requested account.
    pub account: String,
    /// Its band, as of the last refresh.
    pub band: BandReport,
    /// Its flags, as of the last publication, the most severe first.
    pub flags: Vec<FlagReport>,
}

/// A usage band.
#[derive(Serialize, Deserialize)]
pub struct BandReport {
    /// Lowest number of bytes in the band.
    pub at_least_bytes: u64,
    /// First number of bytes above it; none in the top band.
    pub below_bytes: Option<u64>,
    /// The day of the refresh that it is of; by the schedule, alike for all accounts.
    pub as_of: String,
    /// The period that was refreshed; it may be over.
    pub period: PeriodReport,
}

/// A period, by the schedule.
#[derive(Serialize, Deserialize)]
pub struct PeriodReport {
    /// Its first day.
    pub first_day: String,
    /// Its last day.
    pub last_day: String,
}

/// A raised flag.
#[derive(Serialize, Deserialize)]
pub struct FlagReport {
    /// Its kind.
    pub kind: String,
    /// "contact": support writes to the user; or "information": for whoever asks.
    pub list: String,
    /// How urgent it is.
    pub severity: String,
    /// What to do.
    pub advice: String,
}

/// The accounts that carry a flag, as of the last publication.
#[derive(Serialize, Deserialize)]
pub struct FlaggedReport {
    schema_version: u32,
    /// Whether flags are on.
    pub enabled: bool,
    /// What the senders of the last epoch said of the node: working, interrupted, or unknown where they were too few.
    pub node: String,
    /// So many accounts were irregular at once that no list was made.
    pub mass_event: bool,
    /// The accounts whose names could be found, the most severe flags first.
    pub accounts: Vec<FlaggedAccount>,
    /// How many more there are, whose names nothing names that the daemon reads.
    pub unnamed: u64,
}

/// One of them.
#[derive(Serialize, Deserialize)]
pub struct FlaggedAccount {
    /// The account.
    pub account: String,
    /// Its flags, the most severe first.
    pub flags: Vec<FlagReport>,
}

/// Everything held about one account, exact.
#[derive(Serialize, Deserialize)]
pub struct AccountExport {
    schema_version: u32,
    /// The requested account.
    pub account: String,
    /// Closed epochs of the current period.
    pub period: TotalsReport,
    /// The open epoch, if requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_epoch: Option<TotalsReport>,
    baseline: BaselineReport,
    flags: Vec<FlagReport>,
    /// What the fleet's nodes have sent of it; none outside of a fleet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fleet: Option<FleetExport>,
}

/// What all nodes have sent of an account, exact.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FleetExport {
    /// Sums over nodes.
    Sums {
        /// The day of the refresh that they are of.
        as_of: String,
        /// Bytes sent in the period.
        up_bytes: u64,
        /// Bytes received.
        down_bytes: u64,
        /// Nodes of the fleet, whichever of them know the account.
        nodes: u64,
        /// Of these, those that have not sent the week that the sums are of.
        stale_nodes: u64,
    },
    /// The clusters cannot tell, and why; ask again.
    Untold {
        /// One line.
        why: String,
    },
}

/// What an export would give and use up; uses up nothing itself.
#[derive(Serialize, Deserialize)]
pub struct ExportPlan {
    schema_version: u32,
    /// The requested account.
    pub account: String,
    /// Whether a roster source names the account; of sources that follow connections, at the last close.
    pub named_by_roster: bool,
    /// What would be exported: the period, and the open epoch if requested.
    pub exports: Vec<String>,
    /// True when the same officer exported the account today: the figures would be those.
    pub repeats: bool,
    /// Exports of the day and of the account's week that would be used up: 0 or 1.
    pub uses_up: u8,
    /// Exports that the officer has left today, this one included; none without a limit, or where it does not
    /// matter.
    pub left_today: Option<u8>,
    /// Why it would be refused.
    pub refusal: Option<String>,
}

/// What is usual for an account, as of the last close: what its flags are judged against. Empty where flags are off.
#[derive(Default, Serialize, Deserialize)]
struct BaselineReport {
    #[serde(flatten)]
    learned: Option<LearnedReport>,
}

/// Levels and scales are natural logarithms: of bytes up, up to down, packets down to up, bytes of a packet up.
#[derive(Serialize, Deserialize)]
struct LearnedReport {
    levels: [f32; 4],
    scales: [f32; 4],
    /// Of bytes in both directions: the slow level, the fast one, the scale.
    volume: [f32; 3],
    /// Sums of surges, of their mirror, of raised uploads, of what is unlike the account.
    sums: [f64; 4],
    /// Active epochs that it was learned from, and those in which the account sent; 250 at the most.
    epochs: [u8; 2],
}

/// Bytes and packets of both directions.
#[derive(Serialize, Deserialize)]
pub struct TotalsReport {
    /// Bytes from the account into the VPN.
    pub up_bytes: u64,
    /// Packets from the account into the VPN.
    pub up_packets: u64,
    /// Bytes from the VPN to the account.
    pub down_bytes: u64,
    /// Packets from the VPN to the account.
    pub down_packets: u64,
}

/// The node's exact counts since the period began.
#[derive(Serialize, Deserialize)]
pub struct NodeExport {
    schema_version: u32,
    /// Sum over all accounts.
    pub attributed: TotalsReport,
    /// Addresses that no account owns.
    pub unattributed: TotalsReport,
    /// Packets that are not IP.
    pub not_ip: PacketsReport,
    /// Packets whose IP header could not be read.
    pub malformed: PacketsReport,
    /// The device's own chatter.
    pub link: PacketsReport,
    /// Packets that the tap knows it missed.
    pub lost: PacketsReport,
}

/// A number of packets.
#[derive(Serialize, Deserialize)]
pub struct PacketsReport {
    /// Packets of both directions.
    pub packets: u64,
}

impl AccountView {
    /// The view of an account in this band, which is of these dates.
    #[must_use]
    pub fn new(account: &str, band: Band, dates: BandDates, flags: Vec<FlagReport>) -> Self {
        let band = BandReport::new(band, dates);
        Self { schema_version: SCHEMA_VERSION, account: account.to_owned(), band, flags }
    }
}

impl BandReport {
    /// A band that is of these dates.
    pub(super) fn new(band: Band, dates: BandDates) -> Self {
        let period =
            PeriodReport { first_day: dates.first_day.to_string(), last_day: dates.last_day.to_string() };
        Self {
            at_least_bytes: band.at_least_bytes(),
            below_bytes: band.below_bytes(),
            as_of: dates.as_of.to_string(),
            period,
        }
    }
}

impl AccountExport {
    /// The export of an account with these figures.
    #[must_use]
    pub fn new(
        account: &str,
        figures: Figures,
        open_epoch: bool,
        baseline: Option<&Baseline>,
        flags: Vec<FlagReport>,
    ) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            account: account.to_owned(),
            period: figures.period.into(),
            open_epoch: open_epoch.then(|| figures.open.into()),
            baseline: BaselineReport { learned: baseline.map(Into::into) },
            flags,
            fleet: None,
        }
    }
}

impl ExportPlan {
    /// The plan of an export of this account.
    #[must_use]
    pub fn new(account: &str, open_epoch: bool, named_by_roster: bool, plan: Plan) -> Self {
        let exports = ["period", "open_epoch"].into_iter().take(1 + usize::from(open_epoch));
        let (left_today, refusal) = match plan {
            Plan::First(left) => (Some(left), None),
            Plan::Refused(limit) => (None, Some(limit.to_string())),
            Plan::Free | Plan::Repeats => (None, None),
        };
        Self {
            schema_version: SCHEMA_VERSION,
            account: account.to_owned(),
            named_by_roster,
            exports: exports.map(str::to_owned).collect(),
            repeats: plan == Plan::Repeats,
            uses_up: left_today.is_some().into(),
            left_today,
            refusal,
        }
    }
}

impl From<&Baseline> for LearnedReport {
    fn from(baseline: &Baseline) -> Self {
        Self {
            levels: baseline.levels(),
            scales: baseline.scales(),
            volume: baseline.volume(),
            sums: baseline.sums(),
            epochs: baseline.counts(),
        }
    }
}

impl FlaggedReport {
    /// The list of a node whose flags are off.
    pub(super) fn off() -> Self {
        let report = Self::of(Verdict::default(), Vec::new(), 0);
        Self { enabled: false, ..report }
    }

    /// The list of a node that was so, as of the last publication.
    pub(super) fn of(verdict: Verdict, accounts: Vec<FlaggedAccount>, unnamed: u64) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            enabled: true,
            node: verdict.node.name().to_owned(),
            mass_event: verdict.mass_event,
            accounts,
            unnamed,
        }
    }
}

impl From<NodeTotals> for NodeExport {
    fn from(totals: NodeTotals) -> Self {
        let packets = |totals: Totals| PacketsReport { packets: totals.packets() };
        Self {
            schema_version: SCHEMA_VERSION,
            attributed: totals.attributed.into(),
            unattributed: totals.unattributed.into(),
            not_ip: packets(totals.not_ip),
            malformed: packets(totals.malformed),
            link: packets(totals.link),
            lost: packets(totals.lost),
        }
    }
}

impl From<Totals> for TotalsReport {
    fn from(totals: Totals) -> Self {
        Self {
            up_bytes: totals.up.bytes,
            up_packets: totals.up.packets,
            down_bytes: totals.down.bytes,
            down_packets: totals.down.packets,
        }
    }
}
