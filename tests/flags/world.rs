//! A small world of accounts: usual days, and every kind of trouble. Drawn from a generator of integers and
//! `libm`, so that it is the same on every machine.

use blindmeter::meter::units::{Totals, Volume};
use std::fmt::Write;

/// Accounts of the world.
pub(crate) const ACCOUNTS: usize = 48;
/// Epochs of each.
pub(crate) const EPOCHS: usize = 150;
/// Epochs without trouble at first.
const QUIET: usize = 40;

/// An account of a node.
pub(crate) struct Account {
    pub(crate) node: &'static str,
    pub(crate) name: String,
    pub(crate) epochs: Vec<Totals>,
}

struct Draws(u64);

impl Draws {
    /// Between 0 and 1.
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// About normal: the sum of twelve.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(whole(self.uniform() * limit as f64)).unwrap_or(0)
    }
}

/// The world.
pub(crate) fn accounts() -> Vec<Account> {
    let mut draws = Draws(20_261_129);
    (0..ACCOUNTS)
        .map(|index| {
            let mut epochs = usual(&mut draws);
            for _ in 0..2 {
                trouble(&mut epochs, index % 8, &mut draws);
            }
            let node = ["east", "west"][index % 2];
            // The node's uplink is gone for a day.
            if node == "west" {
                epochs[97] = cut_off(epochs[97]);
            }
            Account { node, name: format!("{node}-{index:02}"), epochs }
        })
        .collect()
}

/// Days of an account without trouble.
fn usual(draws: &mut Draws) -> Vec<Totals> {
    let volume = 21.0 + draws.normal();
    let (ratio, day) = (-2.4 + 0.5 * draws.normal(), 0.3 + 0.4 * draws.uniform());
    (0..EPOCHS)
        .map(|_| {
            if draws.uniform() < 0.04 {
                return Totals::default();
            }
            let down = libm::exp(volume + day * draws.normal());
            let up = down * libm::exp(ratio + 0.3 * draws.normal());
            totals(up, up / (200.0 + 100.0 * draws.uniform()), down, down / (900.0 + 200.0 * draws.uniform()))
        })
        .collect()
}

/// Lets one of eight kinds of trouble befall an account; the last is none.
fn trouble(epochs: &mut [Totals], kind: usize, draws: &mut Draws) {
    let begin = QUIET + draws.below(EPOCHS - QUIET - 20);
    let length = [4, 3, 2, 2, 12, 5, 3, 0][kind];
    for epoch in &mut epochs[begin..begin + length] {
        let (up, down) = (epoch.up, epoch.down);
        let [up_bytes, up_packets] = [up.bytes as f64, up.packets as f64];
        let [down_bytes, down_packets] = [down.bytes as f64, down.packets as f64];
        *epoch = match kind {
            // A surge, an upload, a flood of small packets, an account that is cut off.
            0 => totals(9.0 * up_bytes, 9.0 * up_packets, 9.0 * down_bytes, 9.0 * down_packets),
            1 => totals(up_bytes + 6e9, up_packets + 5e6, down_bytes, down_packets + 2e6),
            2 => totals(up_bytes + 3e9, up_packets + 5e7, down_bytes, down_packets + 1e6),
            3 => cut_off(*epoch),
            // Raised uploads, another mixture of packets, a scan.
            4 => totals(4.5 * up_bytes + 3e8, 4.5 * up_packets, down_bytes, down_packets),
            5 => totals(8.0 * up_bytes, up_packets, down_bytes / 9.0, down_packets * 7.0),
            _ => totals(up_bytes + 4e8, up_packets + 6e6, down_bytes, down_packets + 3e5),
        };
    }
}

/// What is sent where nothing comes back.
fn cut_off(epoch: Totals) -> Totals {
    let packets = (epoch.up.packets / 10).clamp(15_000, 900_000);
    sums(packets * 70, packets, packets / 200 * 60, packets / 200)
}

fn totals(up: f64, up_packets: f64, down: f64, down_packets: f64) -> Totals {
    sums(whole(up), whole(up_packets), whole(down), whole(down_packets))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 2^53")]
fn whole(number: f64) -> u64 {
    number as u64
}

fn sums(up: u64, up_packets: u64, down: u64, down_packets: u64) -> Totals {
    Totals {
        up: Volume { bytes: up, packets: up_packets },
        down: Volume { bytes: down, packets: down_packets },
    }
}

/// The world as a table.
pub(crate) fn csv() -> String {
    let mut text = String::from("node,account,epoch,up_bytes,down_bytes,up_packets,down_packets\n");
    for account in accounts() {
        for (epoch, sums) in account.epochs.iter().enumerate() {
            let Totals { up, down } = sums;
            let _ = writeln!(
                text,
                "{},{},{epoch},{},{},{},{}",
                account.node, account.name, up.bytes, down.bytes, up.packets, down.packets
            );
        }
    }
    text
}
