//! The reports about one account and about the node that `accounts` prints.
//!
//! Their figures leave only through the control socket, to the roles that may ask for them. They hold
//! no address, and of times the dates of the schedule alone.

use crate::meter::band::Band;
use crate::meter::calendar::BandDates;
use crate::meter::ledger::NodeTotals;
use crate::meter::units::Totals;
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
    /// Its flags; this version raises none.
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
    kind: String,
    severity: String,
    advice: String,
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
    baseline: Baseline,
    flags: Vec<FlagReport>,
}

/// The baseline of the irregularity flags; this version keeps none.
#[derive(Serialize, Deserialize)]
struct Baseline {}

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
    pub fn new(account: &str, band: Band, dates: BandDates) -> Self {
        let period =
            PeriodReport { first_day: dates.first_day.to_string(), last_day: dates.last_day.to_string() };
        Self {
            schema_version: SCHEMA_VERSION,
            account: account.to_owned(),
            band: BandReport {
                at_least_bytes: band.at_least_bytes(),
                below_bytes: band.below_bytes(),
                as_of: dates.as_of.to_string(),
                period,
            },
            flags: Vec::new(),
        }
    }
}

impl AccountExport {
    /// The export of an account with these totals.
    #[must_use]
    pub fn new(account: &str, period: Totals, open_epoch: Option<Totals>) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            account: account.to_owned(),
            period: period.into(),
            open_epoch: open_epoch.map(Into::into),
            baseline: Baseline {},
            flags: Vec::new(),
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
