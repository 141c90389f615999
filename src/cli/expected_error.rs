//! How far a release is expected to be from the true totals, for an operator choosing a mode.
//!
//! Floating point is good enough here: none of this is published or enters a release.

use super::output;
use crate::meter::node_series::NodeSeries;
use crate::meter::policy::{DAY_SECONDS, Mode, Policy};
use crate::meter::scope::Scope;
use serde::Serialize;

/// From this share of the link upwards, a single release of one node says little.
const LARGE_ERROR: f64 = 0.02;

/// What to expect of each direction of each release.
pub(super) struct ExpectedError {
    /// Standard deviation of the noise; 0 in coarse mode.
    pub(super) noise_bytes: f64,
    /// The rounding step.
    pub(super) step_bytes: f64,
    /// What the link can carry one way in an epoch, or those of as many nodes as a fleet's epoch needs.
    pub(super) link_bytes: f64,
}

impl ExpectedError {
    pub(super) fn of(policy: &Policy) -> Self {
        let link = policy.link_bits_per_second as f64 / 8.0 * policy.epoch_seconds as f64;
        let noise = policy.byte_scale().map_or(0.0, |scale| {
            // Variance of the discrete Laplace distribution: 2 a / (1 - a)^2, where a = exp(-1/scale).
            let rate = scale.denominator() as f64 / scale.numerator() as f64;
            2.0_f64.sqrt() * (-rate / 2.0).exp() / -(-rate).exp_m1()
        });
        let links = match policy.scope {
            Scope::Node => 1.0,
            Scope::Fleet(terms) => f64::from(terms.nodes),
        };
        Self { noise_bytes: noise, step_bytes: policy.rounding_step() as f64, link_bytes: link * links }
    }

    /// Root mean square error of the noise and of rounding, which spreads evenly over a step.
    pub(super) fn bytes(&self) -> f64 {
        self.noise_bytes.hypot(self.step_bytes / 12.0_f64.sqrt())
    }

    fn share(&self) -> f64 {
        self.bytes() / self.link_bytes
    }

    /// The lines of `check`.
    pub(super) fn lines(&self, policy: &Policy) -> Vec<String> {
        let amount = |bytes: f64| output::bytes(whole(bytes));
        let error = amount(self.bytes());
        let step = amount(self.step_bytes);
        let Mode::Noisy(noise) = policy.mode else {
            let at_most = amount(self.step_bytes / 2.0);
            return vec![format!(
                "each total is rounded to {step}: off by at most {at_most}, per direction and epoch"
            )];
        };
        let (whose, capacity) = match policy.scope {
            Scope::Node => ("each total", "the link's capacity".to_owned()),
            Scope::Fleet(terms) => {
                ("each total of the fleet", format!("the capacity of {} such links", terms.nodes))
            }
        };
        let mut lines = vec![
            format!(
                "expected error of {whose}, per direction and epoch: {error} (noise with a standard \
                 deviation of {}, then rounding to {step})",
                amount(self.noise_bytes)
            ),
            format!(
                "that is {} of {capacity}; an account counts for at most {} per epoch",
                percent(self.share()),
                output::bytes(noise.clamp_bytes)
            ),
        ];
        if let Scope::Fleet(terms) = policy.scope {
            lines.push(format!(
                "of an account, {} per epoch count on each node, so that it is hidden as stated on up to {} nodes a day \
                 (fleet.nodes_a_day); more than {} nodes add noise in proportion, and fewer release nothing",
                output::bytes(policy.clamp_bytes()),
                terms.nodes_a_day,
                terms.nodes
            ));
        }
        if self.share() >= LARGE_ERROR {
            lines.push(self.advice(policy));
        }
        lines
    }

    fn advice(&self, policy: &Policy) -> String {
        let epochs = 7 * DAY_SECONDS / policy.epoch_seconds;
        let mut ways = Vec::new();
        if policy.epoch_seconds < DAY_SECONDS {
            ways.push("set epoch.length = \"24h\"".to_owned());
        }
        if policy.scope == Scope::Node {
            ways.push(format!("sum the fleet (16 such nodes: {})", percent(self.share() / 4.0)));
        }
        if epochs > 1 {
            let week = percent(self.share() / (epochs as f64).sqrt());
            ways.push(format!("sum a week of {epochs} epochs ({week})"));
        }
        ways.push("lower release.clamp".to_owned());
        format!(
            "that is a lot for this link: {}{}",
            ways.join(", "),
            if policy.scope == Scope::Node {
                "; or set release.mode = \"coarse\", which hides less"
            } else {
                ""
            }
        )
    }
}

/// How far a count of the node is off in a release.
#[derive(Serialize)]
pub(super) struct NodeSeriesError {
    series: &'static str,
    step: u64,
    /// Standard deviation; 0 in coarse mode.
    noise: u64,
    expected_error: u64,
}

impl NodeSeriesError {
    /// Of every series, under this policy.
    pub(super) fn all(policy: &Policy) -> Vec<Self> {
        let of = |series: NodeSeries| {
            let noise = policy.node_scale(series).map_or(0.0, |scale| scale.standard_deviation() as f64);
            let step = policy.node_step(series);
            // Rounded to the nearest, or down: then it is off by half a step, and as much again spread.
            let rounding = step as f64 / if noise > 0.0 { 12.0_f64 } else { 3.0_f64 }.sqrt();
            let expected_error = whole(noise.hypot(rounding));
            Self { series: series.as_str(), step, noise: whole(noise), expected_error }
        };
        NodeSeries::ALL.map(of).into()
    }

    /// The line of `check`.
    pub(super) fn line(&self) -> String {
        let amount = |count: u64| match self.series.ends_with("bytes") {
            true => output::bytes(count),
            false => count.to_string(),
        };
        let (series, step) = (self.series, amount(self.step));
        if self.noise == 0 {
            return format!("{series}: rounded down to a multiple of {step}, and 0 below that");
        }
        format!(
            "expected error of {series}: {} (noise with a standard deviation of {}, then rounding to {step})",
            amount(self.expected_error),
            amount(self.noise)
        )
    }
}

/// To the nearest whole byte; values out of range saturate.
pub(super) fn whole(bytes: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a cast from floating point saturates"
    )]
    let whole = bytes.round() as u64;
    whole
}

fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent < 0.1 { format!("{percent:.2} %") } else { format!("{percent:.1} %") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meter::scope::Terms;

    /// The figures that the promise states for the default clamp and epsilon.
    #[test]
    fn the_error_is_a_share_of_the_link_as_promised() {
        for (megabits, share) in [(10_000, 0.0007), (1_000, 0.007), (100, 0.070)] {
            let policy = Policy { link_bits_per_second: megabits * 1_000_000, ..Policy::DEFAULT };
            let error = ExpectedError::of(&policy);
            assert!((error.noise_bytes / f64::from(1 << 30) - 70.71).abs() < 0.01);
            let noise = error.noise_bytes / error.link_bytes;
            assert!((noise / share - 1.0).abs() < 0.01, "{megabits} Mbit/s: {noise}");
            assert!(
                error.bytes() > error.noise_bytes && error.bytes() < error.noise_bytes + error.step_bytes
            );
        }
    }

    #[test]
    fn the_error_of_each_node_series_is_told() {
        let lines =
            |policy: &Policy| NodeSeriesError::all(policy).iter().map(NodeSeriesError::line).collect();
        let noisy: Vec<String> = lines(&Policy::DEFAULT);
        for text in [
            "failed_attempts: 1810 (noise with a standard deviation of 1810, then rounding to 64)",
            "lost_packets: 29659753 (noise with a standard deviation of 29658208, then rounding to 1048576)",
            "malformed_packets: 1853735 (noise with a standard deviation of 1853638, then rounding to 65536)",
            "unattributed_bytes: 28.6 GiB (noise with a standard deviation of 28.2 GiB, then rounding to 16.0 GiB)",
        ] {
            assert!(noisy.iter().any(|line| line.ends_with(text)), "{text}: {noisy:?}");
        }
        let coarse: Vec<String> = lines(&Policy { mode: Mode::Coarse, ..Policy::DEFAULT });
        let text = "unattributed_bytes: rounded down to a multiple of 16.0 GiB, and 0 below that";
        assert!(coarse.iter().any(|line| line == text), "{coarse:?}");
    }

    /// Twenty nodes of 1 Gbit/s have the noise of one: a twentieth of the error.
    #[test]
    fn a_fleet_is_told_its_own_error_and_what_counts_on_each_node() {
        let scope = Scope::Fleet(Terms { nodes: 20, nodes_a_day: 2 });
        let fleet = Policy { scope, ..Policy::DEFAULT };
        let (one, all) = (ExpectedError::of(&Policy::DEFAULT), ExpectedError::of(&fleet));
        assert!((all.noise_bytes / one.noise_bytes - 1.0).abs() < 1e-6);
        let lines = all.lines(&fleet).join("\n");
        for text in [
            "each total of the fleet",
            "0.04 % of the capacity of 20 such links",
            "25.0 GiB per epoch count on each",
        ] {
            assert!(lines.contains(text), "{text}: {lines}");
        }
    }

    #[test]
    fn only_a_small_link_is_told_what_to_do() {
        let small = Policy { link_bits_per_second: 100_000_000, ..Policy::DEFAULT };
        let lines = ExpectedError::of(&small).lines(&small).join("\n");
        for text in ["70.7 GiB", "7.0 % of", "fleet (16 such nodes: 1.8 %)", "7 epochs (2.7 %)", "\"coarse\""]
        {
            assert!(lines.contains(text), "{text}: {lines}");
        }
        let large = ExpectedError::of(&Policy::DEFAULT).lines(&Policy::DEFAULT).join("\n");
        assert!(large.contains("0.7 % of") && !large.contains("a lot"), "{large}");
        let coarse = Policy { mode: Mode::Coarse, ..small };
        let lines = ExpectedError::of(&coarse).lines(&coarse).join("\n");
        assert!(lines.contains("off by at most 1.0 GiB") && !lines.contains("noise"), "{lines}");
    }
}
