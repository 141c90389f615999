//! What is usual for one account, in 64 bytes: a level and a scale of each feature, the sums of those flags
//! that build up over epochs, and the flags themselves.
//!
//! Holds no history and no time: an epoch is forgotten once its share has gone into the levels. Learns only from
//! epochs in which the account was active and the node was not interrupted.

use super::constants::Constants;
use super::features::{ANSWERS, Features};
use super::kind::{Kind, Kinds};
use super::numbers::kept;
use super::raised::Raised;

/// Epochs after which an account's count of epochs stops.
const MOST_EPOCHS: u8 = 250;

/// Deviations are limited to so many scales before they move a level.
const LEVEL_LIMIT: f64 = 2.5;
/// The same for the scale.
const SCALE_LIMIT: f64 = 3.0;
/// A normal variable's standard deviation as a multiple of its mean absolute deviation.
const DEVIATION_FACTOR: f64 = 1.2533;

/// Sums that build up over epochs are kept in steps of 1/1024, from 0 up to 31.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Accumulator(u16);

/// What is usual for an account.
#[derive(Clone, Copy, PartialEq)]
pub struct Baseline {
    pub(super) levels: [f32; 4],
    pub(super) scales: [f32; 4],
    pub(super) volume_level: f32,
    pub(super) volume_fast_level: f32,
    pub(super) volume_scale: f32,
    pub(super) surge: Accumulator,
    pub(super) mirror: Accumulator,
    pub(super) drift: Accumulator,
    pub(super) unusual: Accumulator,
    /// Active epochs, up to [`MOST_EPOCHS`].
    pub(super) epochs: u8,
    /// Those in which it sent.
    pub(super) sender_epochs: u8,
    /// Epochs since the mirrored surge crossed; 255 for never.
    pub(super) since_mirror: u8,
    pub(super) raised: [Raised; Kind::ALL.len()],
    /// What ticks of the open epoch showed; not which of them.
    pub(super) pending: Kinds,
    /// Flags that are shown, as of the last publication.
    pub(super) told: Kinds,
}

/// How far an epoch is from what is usual.
#[derive(Clone, Copy)]
pub struct Deviations {
    /// Feature less level.
    pub plain: [f64; 4],
    /// The same in scales, which are wider while the account is new.
    pub scaled: [f64; 4],
    scales: [f64; 4],
    volume: f64,
    volume_scale: f64,
}

impl Deviations {
    /// The scales in force.
    pub(super) const fn scales(&self) -> [f64; 4] {
        self.scales
    }
}

impl Baseline {
    /// An account of which nothing is known.
    #[must_use]
    pub fn new(constants: &Constants) -> Self {
        Self {
            levels: [0.0; 4],
            scales: constants.tracker.prior_scales,
            volume_level: 0.0,
            volume_fast_level: 0.0,
            volume_scale: kept(constants.volume.prior_scale),
            surge: Accumulator(0),
            mirror: Accumulator(0),
            drift: Accumulator(0),
            unusual: Accumulator(0),
            epochs: 0,
            sender_epochs: 0,
            since_mirror: u8::MAX,
            raised: [Raised::NEVER; Kind::ALL.len()],
            pending: Kinds::default(),
            told: Kinds::default(),
        }
    }

    /// Bytes of an encoded baseline.
    pub const BYTES: usize = 64;

    /// The baseline as bytes, for the store: levels and scales (little-endian, single precision), sums, counts,
    /// flags.
    #[must_use]
    pub fn encode(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        let volume = [self.volume_level, self.volume_fast_level, self.volume_scale];
        let numbers = self.levels.iter().chain(&self.scales).chain(&volume);
        for (to, number) in bytes.chunks_exact_mut(4).zip(numbers) {
            to.copy_from_slice(&number.to_le_bytes());
        }
        let sums = [self.surge, self.mirror, self.drift, self.unusual];
        for (to, sum) in bytes[44..52].chunks_exact_mut(2).zip(sums) {
            to.copy_from_slice(&sum.0.to_le_bytes());
        }
        bytes[52..55].copy_from_slice(&[self.epochs, self.sender_epochs, self.since_mirror]);
        for (to, raised) in bytes[55..62].iter_mut().zip(self.raised) {
            *to = raised.byte();
        }
        bytes[62..].copy_from_slice(&[self.pending.bits(), self.told.bits()]);
        bytes
    }

    /// A baseline read back from the store; zeros are none.
    #[must_use]
    pub fn decode(bytes: &[u8; Self::BYTES]) -> Option<Self> {
        if *bytes == [0; Self::BYTES] {
            return None;
        }
        let number =
            |at: usize| bytes[4 * at..].first_chunk().map_or(0.0, |chunk| f32::from_le_bytes(*chunk));
        let sum = |at: usize| {
            let chunk = bytes[44 + 2 * at..].first_chunk();
            Accumulator(chunk.map_or(0, |chunk| u16::from_le_bytes(*chunk)))
        };
        let mut raised = [Raised::NEVER; Kind::ALL.len()];
        for (to, byte) in raised.iter_mut().zip(&bytes[55..62]) {
            *to = Raised::of_byte(*byte);
        }
        Some(Self {
            levels: [0, 1, 2, 3].map(number),
            scales: [4, 5, 6, 7].map(number),
            volume_level: number(8),
            volume_fast_level: number(9),
            volume_scale: number(10),
            surge: sum(0),
            mirror: sum(1),
            drift: sum(2),
            unusual: sum(3),
            epochs: bytes[52],
            sender_epochs: bytes[53],
            since_mirror: bytes[54],
            raised,
            pending: Kinds::of_bits(bytes[62]),
            told: Kinds::of_bits(bytes[63]),
        })
    }

    /// True once the account was active in an epoch.
    pub(super) const fn is_known_of(&self) -> bool {
        self.epochs > 0
    }

    /// The levels of bytes up, up to down, packets down to up, bytes of a packet up; as logarithms.
    #[must_use]
    pub const fn levels(&self) -> [f32; 4] {
        self.levels
    }

    /// Their scales.
    #[must_use]
    pub const fn scales(&self) -> [f32; 4] {
        self.scales
    }

    /// Of the bytes of both directions the slow level, the fast one and the scale; as logarithms.
    #[must_use]
    pub const fn volume(&self) -> [f32; 3] {
        [self.volume_level, self.volume_fast_level, self.volume_scale]
    }

    /// The sums of surges, of their mirror, of raised uploads, and of what is unlike the account.
    #[must_use]
    pub fn sums(&self) -> [f64; 4] {
        [self.surge, self.mirror, self.drift, self.unusual].map(Accumulator::value)
    }

    /// Active epochs that it was learned from, and those in which the account sent.
    #[must_use]
    pub const fn counts(&self) -> [u8; 2] {
        [self.epochs, self.sender_epochs]
    }

    /// Flags that are told, as of the last publication.
    #[must_use]
    pub const fn told(&self) -> Kinds {
        self.told
    }

    /// Flags that are shown after the last close.
    pub(super) fn shown(&self) -> Kinds {
        self.those(|raised| raised.is_shown())
    }

    /// Flags that the last close raised.
    pub(super) fn newly_raised(&self) -> Kinds {
        self.those(|raised| raised.is_new())
    }

    fn those(&self, which: impl Fn(Raised) -> bool) -> Kinds {
        let mut kinds = Kinds::default();
        Kind::ALL
            .into_iter()
            .filter(|kind| which(self.raised[kind.index()]))
            .for_each(|kind| kinds.add(kind));
        kinds
    }

    /// One epoch later: how long ago things were.
    pub(super) fn age(&mut self) {
        self.since_mirror = self.since_mirror.saturating_add(1);
        for raised in &mut self.raised {
            *raised = raised.aged();
        }
    }

    /// Epochs since any flag was raised but that of a heavy account, up to 31.
    pub(super) fn epochs_without_flags(&self) -> u8 {
        let told = Kind::ALL.into_iter().filter(|kind| *kind != Kind::Heavy);
        told.map(|kind| self.raised[kind.index()].epochs_since()).min().unwrap_or(u8::MAX)
    }

    /// True while a flag of this kind is shown.
    #[must_use]
    pub const fn shows(&self, kind: Kind) -> bool {
        self.raised[kind.index()].is_shown()
    }

    /// How far an epoch is from what is usual. Before there is a level, it is the epoch itself.
    #[must_use]
    pub fn deviations(&self, features: &Features, constants: &Constants) -> Deviations {
        let tracker = &constants.tracker;
        let mut deviations = Deviations {
            plain: [0.0; 4],
            scaled: [0.0; 4],
            scales: [0.0; 4],
            volume: if self.epochs == 0 { 0.0 } else { f64::from(features.volume - self.volume_level) },
            volume_scale: self.blended_volume_scale(constants),
        };
        for index in 0..4 {
            let count = f64::from(self.count(index));
            let prior = f64::from(kept(tracker.prior_epochs) * tracker.prior_scales[index]);
            let scale = blend(count, self.scales[index], tracker.prior_epochs, prior)
                .max(tracker.least_scales[index].into());
            let plain = if self.count(index) == 0 {
                0.0
            } else {
                f64::from(features.tracked[index] - self.levels[index])
            };
            deviations.plain[index] = plain;
            deviations.scaled[index] = plain / (scale * libm::sqrt(1.0 + 1.0 / count.max(1.0)));
            deviations.scales[index] = scale;
        }
        deviations
    }

    /// The usual day-to-day scale of the volume.
    pub(super) fn blended_volume_scale(&self, constants: &Constants) -> f64 {
        let volume = &constants.volume;
        let prior = volume.prior_epochs * volume.prior_scale;
        blend(f64::from(self.epochs), self.volume_scale, volume.prior_epochs, prior).max(volume.least_scale)
    }

    /// The level of the volume, slow and fast; the epoch itself before there is one.
    pub(super) fn volume_levels(&self, features: &Features) -> (f32, f32) {
        if self.epochs == 0 {
            (features.volume, features.volume)
        } else {
            (self.volume_level, self.volume_fast_level)
        }
    }

    /// Lets an active epoch into the levels and scales.
    pub(super) fn learn(&mut self, features: &Features, deviations: &Deviations, constants: &Constants) {
        let tracker = &constants.tracker;
        let slower = if self.drift.value() > tracker.slow_from_drift { tracker.slow_factor } else { 1.0 };
        for index in 0..4 {
            if index == ANSWERS && !features.is_sender {
                continue;
            }
            let count = f64::from(self.count(index));
            let (plain, scale) = (deviations.plain[index], deviations.scales[index]);
            let (level_rate, scale_rate) = rates(count, tracker.level_rate, tracker.scale_rate);
            let level = if self.count(index) == 0 { features.tracked[index] } else { self.levels[index] };
            let step = level_rate * slower * limited(plain, LEVEL_LIMIT * scale);
            self.levels[index] = kept(f64::from(level) + step);
            self.scales[index] = followed(self.scales[index], scale_rate, plain, scale);
        }
        self.learn_volume(features, deviations, constants);
        self.epochs = self.epochs.saturating_add(1).min(MOST_EPOCHS);
        if features.is_sender {
            self.sender_epochs = self.sender_epochs.saturating_add(1).min(MOST_EPOCHS);
        }
    }

    fn learn_volume(&mut self, features: &Features, deviations: &Deviations, constants: &Constants) {
        let volume = &constants.volume;
        let count = f64::from(self.epochs);
        let (slow, fast) = self.volume_levels(features);
        let limit = LEVEL_LIMIT * deviations.volume_scale;
        let (level_rate, scale_rate) = rates(count, volume.level_rate, volume.scale_rate);
        self.volume_level = kept(f64::from(slow) + level_rate * limited(deviations.volume, limit));
        let fast_rate = volume.fast_rate.max(1.0 / (count + 1.0));
        let beside = limited(f64::from(features.volume - fast), limit);
        self.volume_fast_level = kept(f64::from(fast) + fast_rate * beside);
        self.volume_scale =
            followed(self.volume_scale, scale_rate, deviations.volume, deviations.volume_scale);
    }

    /// Epochs that the level of a feature was learned from.
    fn count(&self, index: usize) -> u8 {
        if index == ANSWERS { self.sender_epochs } else { self.epochs }
    }
}

impl Accumulator {
    /// The nearest value that can be kept.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "limited to 0..=31744")]
    pub(super) fn of(value: f64) -> Self {
        Self(libm::rint(value.clamp(0.0, 31.0) * 1024.0) as u16)
    }

    pub(super) fn value(self) -> f64 {
        f64::from(self.0) / 1024.0
    }

    /// What is left of it an epoch later; in single precision, as it is kept.
    pub(super) fn faded(self, keep: f32) -> f64 {
        f64::from(f32::from(self.0) / 1024.0 * keep)
    }
}

/// The scale, which counts as much as its epochs, and the prior one times as many as it counts.
fn blend(count: f64, scale: f32, prior_epochs: f64, prior: f64) -> f64 {
    (count * f64::from(scale) + prior) / (count + prior_epochs)
}

/// A scale after a deviation, where this one was in force.
fn followed(scale: f32, rate: f64, deviation: f64, in_force: f64) -> f32 {
    let seen = DEVIATION_FACTOR * deviation.abs().min(SCALE_LIMIT * in_force);
    kept(f64::from(scale) + rate * (seen - f64::from(scale)))
}

/// How much of a deviation goes into the level and into the scale: a mean over all epochs at first.
fn rates(count: f64, level_rate: f64, scale_rate: f64) -> (f64, f64) {
    (level_rate.max(1.0 / (count + 1.0)), scale_rate.max(1.0 / (count + 4.0)))
}

fn limited(value: f64, limit: f64) -> f64 {
    value.clamp(-limit, limit)
}
