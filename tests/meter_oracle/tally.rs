//! The expected report: what the plans add up to under the naive roster, as the JSON of the contract, key by key.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::link::{Packet, Plan};
use super::roster::Roster;

/// Bytes and packets.
#[derive(Clone, Copy, Default)]
struct Count {
    bytes: u64,
    packets: u64,
}

impl Count {
    fn add(&mut self, bytes: u64) {
        self.bytes += bytes;
        self.packets += 1;
    }
}

/// Sums over packets.
pub(super) struct Tally<'a> {
    roster: &'a Roster,
    accounts: BTreeMap<&'a str, (Count, Count)>,
    unattributed: Count,
    not_ip: u64,
    malformed: u64,
    total: u64,
}

impl<'a> Tally<'a> {
    /// Begins with every account of the roster at zero.
    pub(super) fn new(roster: &'a Roster) -> Self {
        let accounts = roster.accounts().map(|name| (name, Default::default())).collect();
        Self { roster, accounts, unattributed: Count::default(), not_ip: 0, malformed: 0, total: 0 }
    }

    /// The sums over these packets' plans.
    pub(super) fn of(roster: &'a Roster, packets: &[Packet]) -> Self {
        let mut tally = Self::new(roster);
        for packet in packets {
            tally.count(packet.plan);
        }
        tally
    }

    /// Counts one packet.
    pub(super) fn count(&mut self, plan: Plan) {
        self.total += 1;
        let (source, destination, bytes) = match plan {
            Plan::NotIp => return self.not_ip += 1,
            Plan::Malformed => return self.malformed += 1,
            Plan::Ip { source, destination, bytes } => (source, destination, bytes),
        };
        let (from, to) = (self.roster.owner(source), self.roster.owner(destination));
        if let Some(account) = from {
            self.accounts.entry(account).or_default().0.add(bytes);
        }
        if let Some(account) = to {
            self.accounts.entry(account).or_default().1.add(bytes);
        }
        if from.is_none() && to.is_none() {
            self.unattributed.add(bytes);
        }
    }

    /// The report without any white space.
    pub(super) fn report(&self) -> String {
        let mut text = String::from(r#"{"schema_version":1,"accounts":["#);
        for (place, (name, (up, down))) in self.accounts.iter().enumerate() {
            let comma = if place == 0 { "" } else { "," };
            write!(
                text,
                r#"{comma}{{"account":"{name}","up_bytes":{},"up_packets":{},"#,
                up.bytes, up.packets
            )
            .expect("a string takes all");
            write!(text, r#""down_bytes":{},"down_packets":{}}}"#, down.bytes, down.packets)
                .expect("a string takes all");
        }
        write!(
            text,
            r#"],"unattributed":{{"bytes":{},"packets":{}}},"not_ip":{{"packets":{}}},"malformed":{{"packets":{}}},"total":{{"packets":{}}}}}"#,
            self.unattributed.bytes, self.unattributed.packets, self.not_ip, self.malformed, self.total
        )
        .expect("a string takes all");
        text
    }
}
