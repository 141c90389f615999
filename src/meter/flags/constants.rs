//! The numbers of the flags: two rates (days and hours) and two presets.
//!
//! Chosen on worlds with random parameters, never on one node's accounts; docs/flags.md says how, and how well
//! they do on worlds that were drawn afterwards. Volumes are bytes, everything that is compared with a level is
//! a natural logarithm.

use super::numbers::{count, ln, number};

/// What is judged and learned at one rate.
#[derive(Clone, Copy)]
pub struct Constants {
    /// An epoch with more bytes than this is active; ratios are damped by it.
    pub(super) floor_bytes: f64,
    /// Packets up from which an account sends, so that missing answers mean something.
    pub(super) sender_packets: u64,
    /// Packets up from which an account without answers is taken for a flood, not for one that is cut off.
    pub(super) flooding_packets: u64,
    /// Epochs before a flag is raised again.
    pub(super) pause_epochs: u8,
    /// The four levels that every account has: bytes up, ratio up to down, answers, packet size.
    pub(super) tracker: Tracker,
    /// The level of the volume, slow and fast.
    pub(super) volume: VolumeTracker,
    pub(super) stall: Stall,
    pub(super) flood: Flood,
    pub(super) upload: Upload,
    pub(super) drift: Drift,
    pub(super) surge: Surge,
    pub(super) unusual: Unusual,
}

/// Scores from which a flag is raised.
#[derive(Clone, Copy)]
pub struct Thresholds {
    pub(super) stall: f64,
    pub(super) flood: f64,
    pub(super) upload: f64,
    pub(super) drift: f64,
    /// None where an epoch's volume is too restless to show it.
    pub surge: Option<SurgeThreshold>,
    /// None as for a surge.
    pub(super) unusual: Option<f64>,
}

/// The threshold of a surge, and what the node's own accounts move it by; see [`super::surge::Mirror`].
#[derive(Clone, Copy)]
pub struct SurgeThreshold {
    pub(super) score: f64,
    /// Crossings for each active account and epoch that are believed before any are seen.
    pub(super) prior_rate: f64,
    /// False raises for each active account and epoch that are put up with.
    pub(super) budget: f64,
    /// How fast crossings become rare as the threshold rises.
    pub(super) slope: f64,
}

/// How levels and scales follow an account.
#[derive(Clone, Copy)]
pub(super) struct Tracker {
    pub(super) level_rate: f64,
    pub(super) scale_rate: f64,
    /// Epochs that the prior scale weighs as much as.
    pub(super) prior_epochs: f64,
    pub(super) prior_scales: [f32; 4],
    pub(super) least_scales: [f32; 4],
    /// From this sum of an upload drift on, the levels learn slower, lest they follow it.
    pub(super) slow_from_drift: f64,
    pub(super) slow_factor: f64,
}

/// How the level of the volume follows an account.
#[derive(Clone, Copy)]
pub(super) struct VolumeTracker {
    pub(super) level_rate: f64,
    pub(super) fast_rate: f64,
    pub(super) scale_rate: f64,
    pub(super) prior_epochs: f64,
    pub(super) prior_scale: f64,
    pub(super) least_scale: f64,
}

#[derive(Clone, Copy)]
pub(super) struct Stall {
    /// Logarithm of the packets up from which nothing is taken off the score.
    pub(super) enough_packets: f64,
    /// Taken off for each unit of the logarithm below.
    pub(super) too_few: f64,
    /// An account with more bytes up is not cut off.
    pub(super) most_bytes: u64,
}

#[derive(Clone, Copy)]
pub(super) struct Flood {
    pub(super) sent_weight: f64,
    pub(super) sent_most: f64,
    pub(super) size_weight: f64,
    pub(super) answers_weight: f64,
    /// Packets up from which an account with a baseline is judged.
    pub(super) least_packets: u64,
    /// Packets up from which one without is.
    pub(super) least_packets_of_new: u64,
    /// Taken off the missing answers for each unit by which the account's own answers swing more than
    /// [`STEADY_ANSWERS`].
    pub(super) restless_weight: f64,
}

#[derive(Clone, Copy)]
pub(super) struct Upload {
    pub(super) sent_weight: f64,
    pub(super) ratio_weight: f64,
    pub(super) answers_weight: f64,
    pub(super) least_bytes: f64,
}

#[derive(Clone, Copy)]
pub(super) struct Drift {
    pub(super) least_bytes: f64,
    pub(super) keep: f32,
    pub(super) most: f64,
    pub(super) allowance: f64,
    pub(super) answers_weight: f64,
    pub(super) size_weight: f64,
}

#[derive(Clone, Copy)]
pub(super) struct Surge {
    pub(super) keep: f32,
    /// What the fast level forgives above the slow one.
    pub(super) forgiven: f32,
    pub(super) most_deviation: f32,
    pub(super) allowance: f32,
    pub(super) scale_offset: f64,
    pub(super) prior_epochs: f64,
    pub(super) most_a_day: f64,
    pub(super) least_bytes: f64,
    /// Taken off for each scale by which the share of uploads is further from its level than the allowance: more
    /// of another kind is no surge.
    pub(super) ratio_weight: f64,
    pub(super) ratio_allowance: f64,
}

#[derive(Clone, Copy)]
pub(super) struct Unusual {
    pub(super) keep: f32,
    pub(super) allowance: f64,
    pub(super) most: f64,
}

/// Epochs of a day.
pub const DAY: Constants = Constants {
    floor_bytes: 1e6,
    sender_packets: 300,
    flooding_packets: 1_000_000,
    pause_epochs: 7,
    tracker: Tracker {
        level_rate: 0.0282,
        scale_rate: 0.0103,
        prior_epochs: 30.0,
        prior_scales: PRIOR_SCALES,
        least_scales: [0.25, 0.2, 0.1, 0.15],
        slow_from_drift: 3.06,
        slow_factor: 1.0,
    },
    volume: VOLUME,
    stall: Stall { enough_packets: 9.2, too_few: 4.72, most_bytes: 1_000_000_000 },
    flood: Flood {
        sent_weight: 0.446,
        sent_most: 1.07,
        size_weight: 0.381,
        answers_weight: 9.41,
        least_packets: 1_000_000,
        least_packets_of_new: 10_000_000,
        restless_weight: 2.0,
    },
    upload: Upload { sent_weight: 0.167, ratio_weight: 1.91, answers_weight: 0.0, least_bytes: 2e9 },
    // No single day reaches the threshold of the strict preset: a day of photographs is no drift.
    drift: Drift {
        least_bytes: 5e8,
        keep: 0.595,
        most: 8.0,
        allowance: 5.17,
        answers_weight: 0.0,
        size_weight: 0.0,
    },
    surge: Surge { least_bytes: 2.13e8, ratio_weight: 0.5, ..SURGE },
    unusual: UNUSUAL,
};

/// Epochs of an hour: no surge and no unusual day, which an hour's volume is too restless to show.
pub const HOUR: Constants = Constants {
    floor_bytes: 1e5,
    sender_packets: 150,
    flooding_packets: 1_000_000,
    pause_epochs: 24,
    tracker: Tracker {
        level_rate: 0.0106,
        scale_rate: 0.002_87,
        prior_epochs: 97.4,
        prior_scales: PRIOR_SCALES,
        least_scales: [0.25, 0.2, 0.098, 0.15],
        slow_from_drift: 10.5,
        slow_factor: 0.237,
    },
    volume: VOLUME,
    stall: Stall { enough_packets: 9.54, too_few: 3.5, most_bytes: 200_000_000 },
    flood: Flood {
        sent_weight: 0.446,
        sent_most: 1.06,
        size_weight: 0.449,
        answers_weight: 9.41,
        least_packets: 200_000,
        least_packets_of_new: 2_000_000,
        restless_weight: 0.0,
    },
    upload: Upload { sent_weight: 0.0667, ratio_weight: 1.96, answers_weight: 0.172, least_bytes: 2.32e7 },
    drift: Drift {
        least_bytes: 2.32e7,
        keep: 0.727,
        most: 4.88,
        allowance: 1.13,
        answers_weight: 0.315,
        size_weight: 0.563,
    },
    surge: Surge { least_bytes: 1e8, ..SURGE },
    unusual: UNUSUAL,
};

/// Ticks of an hour, which are judged against levels that were learned from days.
pub const TICK: Constants = Constants {
    flood: Flood { restless_weight: DAY.flood.restless_weight, ..HOUR.flood },
    upload: Upload { least_bytes: 1e8, ..HOUR.upload },
    ..HOUR
};

/// At most a third of a false raise for each 1,000 accounts and days on worlds like those it was chosen on.
pub const STRICT_DAY: Thresholds = Thresholds {
    stall: 1.82,
    flood: 5.74,
    upload: 8.68,
    drift: 4.34,
    surge: Some(SurgeThreshold { score: 1.22, prior_rate: 1.14e-3, budget: 4.5e-4, slope: 3.0 }),
    unusual: Some(5.05),
};

/// Finds a little more than [`STRICT_DAY`], at three times as many false raises.
pub const SENSITIVE_DAY: Thresholds = Thresholds {
    stall: 1.22,
    flood: 5.42,
    upload: 7.65,
    drift: 2.77,
    surge: Some(SurgeThreshold { score: 1.04, prior_rate: 2.46e-3, budget: 1.5e-3, slope: 3.0 }),
    unusual: Some(3.18),
};

/// Both presets for epochs of an hour.
pub const ANY_HOUR: Thresholds =
    Thresholds { stall: 0.66, flood: 4.09, upload: 10.5, drift: 13.2, surge: None, unusual: None };

/// For ticks of [`STRICT_DAY`]; what is judged at the close alone has no part in it.
pub const TICK_STRICT: Thresholds = Thresholds { stall: 1.0, flood: 5.0, upload: 11.5, ..ANY_HOUR };

/// For ticks of [`SENSITIVE_DAY`].
pub const TICK_SENSITIVE: Thresholds = ANY_HOUR;

impl Constants {
    /// The same for an epoch or tick of another length: all that is counted in bytes or packets, times this.
    #[must_use]
    pub fn scaled(mut self, factor: f64) -> Self {
        let packets = |packets: u64| count(number(packets) * factor).max(1);
        self.floor_bytes *= factor;
        self.sender_packets = packets(self.sender_packets);
        self.flooding_packets = packets(self.flooding_packets);
        self.stall.enough_packets += ln(factor);
        self.stall.most_bytes = count(number(self.stall.most_bytes) * factor);
        self.flood.least_packets = packets(self.flood.least_packets);
        self.flood.least_packets_of_new = packets(self.flood.least_packets_of_new);
        self.upload.least_bytes *= factor;
        self.drift.least_bytes *= factor;
        self.surge.least_bytes *= factor;
        self
    }
}

const PRIOR_SCALES: [f32; 4] = [0.7, 0.45, 0.4, 0.35];

const VOLUME: VolumeTracker = VolumeTracker {
    level_rate: 0.0236,
    fast_rate: 0.276,
    scale_rate: 0.009_18,
    prior_epochs: 12.6,
    prior_scale: 0.452,
    least_scale: 0.319,
};

const SURGE: Surge = Surge {
    keep: 0.68,
    forgiven: 0.919,
    most_deviation: 2.02,
    allowance: 1.26,
    scale_offset: 0.257,
    prior_epochs: 4.9,
    most_a_day: 1.45,
    least_bytes: 0.0,
    ratio_weight: 0.0,
    ratio_allowance: 1.2,
};

const UNUSUAL: Unusual = Unusual { keep: 0.7, allowance: 3.0, most: 4.0 };
